"""Every run is a row that tells the truth, whichever way it ends."""

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from pipeline import processes
from pipeline.errors import AuthRefused, DiskFull, JobRunning, Transient, UnknownJob
from pipeline.plans import Plan
from pipeline.runner import Context, Job, Outcome, ordered
from pipeline.runs import request
from pipeline.warehouse import Session, Warehouse
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
    assert (stored["pid"], stored["born"]) == (os.getpid(), pytest.approx(processes.born()))


def test_an_expected_error_fails_the_run_with_its_own_sentence(desk: Desk) -> None:
    def work(_context: Context) -> Outcome:
        raise AuthRefused("es.load: ESIOS refuses the token; set ESIOS_API_KEY.")

    row = desk.runner().run(job(work), by="test")
    assert row["state"] == "failed"
    assert row["error"] == "AuthRefused: es.load: ESIOS refuses the token; set ESIOS_API_KEY."
    assert row["failure"] == "auth"
    assert "Traceback" not in row["log"]


def test_a_bug_fails_the_run_and_its_trace_is_in_the_log(desk: Desk) -> None:
    row = desk.runner().run(job(lambda _context: 1 / 0), by="test")
    assert row["state"] == "failed"
    assert "ZeroDivisionError" in row["error"]
    assert row["failure"] == "bug"
    assert "Traceback" in row["log"]


def test_partial_failures_fail_the_run_but_keep_its_counts(desk: Desk) -> None:
    outcome = Outcome(5, 4, "some", failures=("one zone failed",), failure="throttled")
    row = desk.runner().run(job(lambda _c: outcome), by="test")
    assert (row["state"], row["rows_out"], row["error"]) == ("failed", 4, "one zone failed")
    assert row["failure"] == "throttled"


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


def test_an_interrupt_just_before_or_after_the_work_is_recorded_too(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_args: object) -> None:
        raise KeyboardInterrupt

    for moment, state in (("__enter__", "failed"), ("__exit__", "succeeded")):
        monkeypatch.setattr(f"pipeline.runner.Pulse.{moment}", interrupt)
        monkeypatch.setattr(
            "pipeline.runner.Pulse.__enter__", interrupt if moment == "__enter__" else lambda _self: None
        )
        run_id = request(desk.warehouse, moment, by="ana", reason="", args={}, now=NOW)
        with pytest.raises(KeyboardInterrupt):
            desk.runner().run_queued(job(lambda _c: Outcome(1, 1)), run_id)
        assert row_of(desk, run_id)["state"] == state


def test_an_interrupt_before_the_run_began_changes_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_args: object, **_more: object) -> float:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.processes.born", interrupt)
    run_id = request(desk.warehouse, "probe", by="ana", reason="", args={}, now=NOW)
    with pytest.raises(KeyboardInterrupt):
        desk.runner().run_queued(job(lambda _c: Outcome(1, 1)), run_id)
    with pytest.raises(KeyboardInterrupt):
        desk.runner().run(job(lambda _c: Outcome(1, 1)), by="test")
    assert runs(desk)[["run_id", "state"]].values.tolist() == [[run_id, "queued"]]
    with desk.warehouse.read() as session:
        assert session.count("job_runs") == 1


def test_the_same_job_is_not_run_beside_itself(desk: Desk) -> None:
    with Warehouse(desk.settings.warehouse).job_lock("probe"), pytest.raises(JobRunning):
        desk.runner().run(job(lambda _c: Outcome()), by="test")


def test_the_next_run_buries_a_dead_one_of_its_job(desk: Desk) -> None:
    first = desk.runner().run(job(lambda _c: Outcome()), by="test")
    with desk.warehouse.write() as session:
        frame = session.ask("run_by_id", run_id=first["run_id"])
        session.upsert("job_runs", frame.assign(state="running", pid=frame.pid.astype("Int64")))
    desk.now += timedelta(hours=1)
    desk.runner().run(job(lambda _c: Outcome()), by="test")
    assert "ended without a word" in str(row_of(desk, first["run_id"])["error"])


def test_a_full_disk_inside_a_job_is_no_bug(desk: Desk) -> None:
    def work(_context: Context) -> Outcome:
        raise OSError(errno.ENOSPC, "No space left on device")

    row = desk.runner().run(job(work), by="test")
    assert (row["state"], row["failure"]) == ("failed", "disk_full")
    assert "Traceback" not in row["log"]


def test_secrets_get_into_neither_log_nor_error(desk: Desk) -> None:
    def work(context: Context) -> Outcome:
        context.say("asked with hunter2-hunter2")
        raise ValueError("hunter2-hunter2 was refused")

    told = replace(desk.settings, providers=replace(desk.settings.providers, esios_api_key="hunter2-hunter2"))
    runner = replace(desk.runner(), settings=told)
    row = runner.run(job(work), by="test")
    assert "ValueError" in row["log"]
    assert "hunter2" not in str(row_of(desk, row["run_id"]))


def test_a_run_survives_the_terminal_it_was_started_from(desk: Desk) -> None:
    def gone(_line: str) -> None:
        raise BrokenPipeError

    runner = replace(desk.runner(), echo=gone)
    assert runner.run(job(lambda _c: Outcome(note="well")), by="test")["state"] == "succeeded"


class Reluctant(Warehouse):
    """A warehouse whose writes after the first `after` fail, as on a full disk."""

    def __init__(self, path: Path, *, after: int, failing: int) -> None:
        super().__init__(path)
        self.after, self.failing = after, failing

    @contextmanager
    def write(self) -> Iterator[Session]:
        self.after -= 1
        if self.after < 0 and self.failing > 0:
            self.failing -= 1
            raise DiskFull("no space is left")
        with super().write() as session:
            yield session


def test_the_end_of_a_run_is_written_as_soon_as_that_is_possible(desk: Desk) -> None:
    runner = replace(desk.runner(), warehouse=Reluctant(desk.settings.warehouse, after=1, failing=3))
    row = runner.run(job(lambda _c: Outcome(1, 1)), by="test")
    assert row_of(desk, row["run_id"])["state"] == "succeeded"


def test_a_run_whose_end_cannot_be_written_says_so_and_is_buried_later(desk: Desk) -> None:
    runner = replace(desk.runner(), warehouse=Reluctant(desk.settings.warehouse, after=1, failing=99), patience_s=0.1)
    with pytest.raises(DiskFull):
        runner.run(job(lambda _c: Outcome(1, 1)), by="test")
    assert runs(desk).state.tolist() == ["running"]
    assert desk.runner().sweep() == 1
    assert runs(desk).empty


def test_a_queued_run_is_claimed_and_its_failure_queues_the_next_try(desk: Desk) -> None:
    def work(_context: Context) -> Outcome:
        raise Transient("the source did not answer")

    run_id = request(desk.warehouse, "probe", by="ana", reason="why", args={"depth": 2}, now=NOW)
    runner = replace(desk.runner(), plans=lambda _name: Plan("probe"))
    row = runner.run_queued(job(work), run_id)
    assert (row["run_id"], row["state"], row["failure"], row["reason"]) == (run_id, "failed", "transient", "why")
    (again,) = runs(desk).to_dict("records")
    assert (again["attempt"], again["first_run_id"], again["due_at"]) == (2, run_id, NOW + timedelta(seconds=30))
    with pytest.raises(UnknownJob):
        runner.run_queued(job(work), run_id)
    with pytest.raises(UnknownJob, match="due at"):
        runner.run_queued(job(work), again["run_id"])
    assert len(runs(desk)) == 1


def test_a_run_made_by_hand_is_not_tried_again_by_somebody_else(desk: Desk) -> None:
    def work(_context: Context) -> Outcome:
        raise Transient("the source did not answer")

    replace(desk.runner(), plans=lambda _name: Plan("probe")).run(job(work), by="cli")
    assert runs(desk).empty


def test_a_queued_run_stays_queued_while_its_job_runs_elsewhere(desk: Desk) -> None:
    run_id = request(desk.warehouse, "probe", by="ana", reason="", args={}, now=NOW)
    with Warehouse(desk.settings.warehouse).job_lock("probe"), pytest.raises(JobRunning):
        desk.runner().run_queued(job(lambda _c: Outcome()), run_id)
    assert runs(desk).state.tolist() == ["queued"]


def test_jobs_are_ordered_behind_what_they_come_after() -> None:
    def named(name: str, *after: str) -> Job:
        return Job(name=name, title="", run=lambda _c: Outcome(), after=after)

    jobs = {one.name: one for one in (named("c", "b"), named("b", "a"), named("a"))}
    assert [one.name for one in ordered(jobs, jobs)] == ["a", "b", "c"]
    assert [one.name for one in ordered(jobs, ["c", "a"])] == ["a", "c"]
    jobs["a"] = named("a", "c")
    with pytest.raises(ValueError, match="wait for each other"):
        ordered(jobs, jobs)
