"""Every run is a row that tells the truth, whichever way it ends."""

import json
import os
import subprocess
import sys
from datetime import timedelta

import pandas as pd
import pytest

from pipeline.errors import AuthRefused, JobRunning
from pipeline.runner import Context, Job, Outcome, ordered
from pipeline.runs import request
from pipeline.warehouse import Warehouse
from tests.conftest import NOW, Desk


def runs(desk: Desk) -> pd.DataFrame:
    return desk.warehouse.ask("open_runs")


def row_of(desk: Desk, run_id: str) -> dict[str, object]:
    (row,) = desk.warehouse.ask("run_by_id", run_id=run_id).to_dict("records")
    return row


def job(work) -> Job:
    return Job(name="probe", title="A probe", run=work)


def test_a_run_that_succeeds_records_rows_times_and_its_log(desk: Desk) -> None:
    def work(context: Context) -> Outcome:
        context.say("halfway")
        return Outcome(3, 2, "all well")

    row = desk.runner().run(job(work), by="ana", reason="to see", depth=2)
    stored = row_of(desk, row["run_id"])
    assert stored["state"] == "succeeded"
    assert (stored["rows_in"], stored["rows_out"], stored["requested_by"]) == (3, 2, "ana")
    assert stored["reason"] == "to see"
    assert json.loads(str(stored["args"])) == {"depth": 2}
    assert "halfway" in str(stored["log"])
    assert "all well" in str(stored["log"])
    assert stored["started_at"] == pd.Timestamp(NOW)


def test_the_log_of_a_long_run_can_be_read_while_it_runs(desk: Desk) -> None:
    seen = []

    def work(context: Context) -> Outcome:
        context.say("first family done")
        desk.now += timedelta(seconds=7)
        context.say("second family done")
        seen.append(row_of(desk, context.run_id))
        with context.warehouse.read():
            desk.now += timedelta(seconds=7)
            context.say("said inside a session, where nothing can be written")
        return Outcome(1, 1)

    assert desk.runner().run(job(work), by="ana")["state"] == "succeeded"
    assert seen[0]["state"] == "running"
    assert "first family done" in str(seen[0]["log"])
    assert "second family done" in str(seen[0]["log"])
    assert seen[0]["heartbeat_at"] == pd.Timestamp(NOW + timedelta(seconds=7))


def test_an_expected_error_fails_the_run_with_its_own_sentence(desk: Desk) -> None:
    def work(_context: Context) -> Outcome:
        raise AuthRefused("es.load: ESIOS refuses the token; set ESIOS_API_KEY.")

    row = desk.runner().run(job(work), by="test")
    assert row["state"] == "failed"
    assert row["error"] == "AuthRefused: es.load: ESIOS refuses the token; set ESIOS_API_KEY."


def test_a_bug_fails_the_run_and_its_trace_is_in_the_log(desk: Desk) -> None:
    row = desk.runner().run(job(lambda _context: 1 / 0), by="test")
    assert row["state"] == "failed"
    assert "ZeroDivisionError" in row["error"]
    assert "Traceback" in row["log"]


def test_partial_failures_fail_the_run_but_keep_its_counts(desk: Desk) -> None:
    row = desk.runner().run(job(lambda _c: Outcome(5, 4, "some", failures=("one zone failed",))), by="test")
    assert (row["state"], row["rows_out"], row["error"]) == ("failed", 4, "one zone failed")


def test_nothing_to_do_is_skipped_with_the_reason(desk: Desk) -> None:
    row = desk.runner().run(job(lambda _c: Outcome(note="no new data", skipped=True)), by="test")
    assert (row["state"], row["reason"]) == ("skipped", "no new data")


def test_an_interrupt_is_recorded_and_passed_on(desk: Desk) -> None:
    def work(_context: Context) -> Outcome:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        desk.runner().run(job(work), by="test")
    with desk.warehouse.read() as session:
        assert session.count("job_runs") == 1
    assert runs(desk).empty


def test_the_same_job_is_not_run_beside_itself(desk: Desk) -> None:
    with Warehouse(desk.settings.warehouse).job_lock("probe"), pytest.raises(JobRunning):
        desk.runner().run(job(lambda _c: Outcome()), by="test")


def test_a_double_click_makes_one_request(desk: Desk) -> None:
    ids = {
        request(desk.warehouse, "train", by="ana", reason="new data", args={"force": True}, now=NOW) for _ in range(3)
    }
    assert len(ids) == 1
    (waiting,) = runs(desk).to_dict("records")
    assert (waiting["state"], waiting["requested_by"], waiting["reason"]) == ("queued", "ana", "new data")


def test_asking_for_something_else_is_another_request(desk: Desk) -> None:
    asked = [{"target": "a", "depth": "quick"}, {"target": "a", "force": True}, {"target": "b", "force": True}]
    ids = [request(desk.warehouse, "train", by="ana", reason="why", args=args, now=NOW) for args in asked]
    assert len(set(ids)) == 3
    again = request(desk.warehouse, "train", by="ben", reason="me too", args=asked[1] | {"actor": "ben"}, now=NOW)
    assert again == ids[1]


def test_a_killed_run_is_marked_failed_by_the_next_sweep_and_a_living_one_is_left_alone(desk: Desk) -> None:
    script = (
        "import sys, time; from pathlib import Path\n"
        "from tests.conftest import desk_in; from pipeline.runner import Job\n"
        "d = desk_in(Path(sys.argv[1]))\n"
        "def work(c):\n    print('up', flush=True); time.sleep(60)\n"
        "d.runner().run(Job(name='probe', title='', run=work), by='child')\n"
    )
    folder = str(desk.settings.warehouse.parent)
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    with subprocess.Popen([sys.executable, "-c", script, folder], stdout=subprocess.PIPE, env=environment) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"up\n"
        assert desk.runner().sweep() == 0
        assert runs(desk).state.tolist() == ["running"]
        child.kill()
        child.wait()
    assert desk.runner().sweep() == 1
    with desk.warehouse.read() as session:
        assert session.ask("dead_runs", alive=[]).n.iloc[0] == 0
    assert runs(desk).empty


def test_the_next_run_buries_a_dead_one_of_its_job(desk: Desk) -> None:
    first = desk.runner().run(job(lambda _c: Outcome()), by="test")
    with desk.warehouse.write() as session:
        frame = session.ask("run_by_id", run_id=first["run_id"])
        session.upsert("job_runs", frame.assign(state="running", pid=frame.pid.astype("Int64")))
    desk.now += timedelta(hours=1)
    desk.runner().run(job(lambda _c: Outcome()), by="test")
    assert "ended without a word" in str(row_of(desk, first["run_id"])["error"])


def test_jobs_are_ordered_behind_what_they_come_after() -> None:
    def named(name: str, *after: str) -> Job:
        return Job(name=name, title="", run=lambda _c: Outcome(), after=after)

    jobs = {one.name: one for one in (named("c", "b"), named("b", "a"), named("a"))}
    assert [one.name for one in ordered(jobs, jobs)] == ["a", "b", "c"]
    assert [one.name for one in ordered(jobs, ["c", "a"])] == ["a", "c"]
    jobs["a"] = named("a", "c")
    with pytest.raises(ValueError, match="wait for each other"):
        ordered(jobs, jobs)
