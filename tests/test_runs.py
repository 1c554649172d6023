"""The queue: asked once, claimed once, cancelled, closed with the truth, and tried again where that is worth it."""

import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from pipeline import runs
from pipeline.errors import Throttled, UnknownJob
from pipeline.runrows import new_run, rows_of, run_frame
from tests.conftest import NOW, Desk, ask

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Plan:
    tries: int = 3
    chained: bool = False


def asked(desk: Desk, job: str = "train", *, by: str = "ana", now: Any = NOW, **more: Any) -> str:
    args = more.pop("args", {})
    return runs.request(desk.warehouse, job, by=by, reason="why", args=args, now=now, **more)


def claimed(desk: Desk, run_id: str, *, now: Any = NOW, pid: int | None = None, born: float = 1.0) -> dict[str, Any]:
    with desk.warehouse.write() as session:
        return runs.claim(session, run_id, pid=pid or os.getpid(), born=born, now=now)


def ended(desk: Desk, run_id: str, failure: str, *, now: Any = NOW, error: Any = None, **plan: Any) -> dict[str, Any]:
    how = {"state": "failed", "failure": failure, "error": "the words"} if failure else {"state": "succeeded"}
    with desk.warehouse.write() as session:
        return runs.end(session, run_id, how, now=now, plan=Plan(**plan), error=error)


def row(desk: Desk, run_id: str) -> dict[str, Any]:
    (found,) = rows_of(desk.warehouse.ask("run_by_id", run_id=run_id))
    return found


def queued(desk: Desk) -> list[dict[str, Any]]:
    return [one for one in rows_of(desk.warehouse.ask("open_runs")) if one["state"] == "queued"]


def test_a_double_click_makes_one_request_whether_the_first_still_waits_or_runs(desk: Desk) -> None:
    first = asked(desk, args={"force": True})
    assert asked(desk, args={"force": True, "actor": "ben"}) == first
    claimed(desk, first)
    assert asked(desk, args={"force": True}) == first
    ended(desk, first, "")
    assert asked(desk, args={"force": True}) != first


def test_asking_for_something_else_is_another_request(desk: Desk) -> None:
    told = [{"target": "a", "depth": "quick"}, {"target": "a", "force": True}, {"target": "b", "force": True}]
    ids = [asked(desk, args=args) for args in told]
    assert len({*ids, asked(desk, "features", args=told[0])}) == 4
    assert asked(desk, by="ben", args=told[1] | {"actor": "ben"}) == ids[1]


@pytest.mark.parametrize("how", ["queued", "succeeded", "failed", "cancelled", "missed"])
def test_a_slot_is_never_run_twice_however_its_run_ended(desk: Desk, how: str) -> None:
    slot = NOW - MINUTE
    if how == "missed":
        first = runs.missed(desk.warehouse, "train", by="scheduler", slot_at=slot, reason="no scheduler", now=NOW)
        assert (row(desk, first)["state"], row(desk, first)["ended_at"]) == ("missed", NOW)
    else:
        first = asked(desk, slot_at=slot)
    if how == "cancelled":
        assert runs.cancel(desk.warehouse, first, by="ana", reason="no", now=NOW) == "cancelled"
    elif how in ("succeeded", "failed"):
        claimed(desk, first)
        ended(desk, first, "auth" if how == "failed" else "")
    assert row(desk, first)["state"] == how
    assert asked(desk, slot_at=slot, now=NOW - timedelta(hours=2)) == first
    assert runs.missed(desk.warehouse, "train", by="scheduler", slot_at=slot, reason="?", now=NOW) == first
    assert asked(desk, "features", slot_at=slot) != first
    if how != "queued":
        assert asked(desk, slot_at=slot + MINUTE) != first


def test_only_a_queued_run_that_is_due_can_be_claimed(desk: Desk) -> None:
    later = asked(desk, due_at=NOW + MINUTE)
    with pytest.raises(UnknownJob, match="due at 2026-11-20 10:21:00Z"):
        claimed(desk, later)
    found = claimed(desk, later, now=NOW + MINUTE, pid=77, born=5.5)
    assert (found["state"], found["pid"], found["born"], found["started_at"]) == ("running", 77, 5.5, NOW + MINUTE)
    with pytest.raises(UnknownJob, match="running, no longer in the queue"):
        claimed(desk, later, now=NOW + MINUTE)
    gone = asked(desk, "features")
    runs.cancel(desk.warehouse, gone, by="ana", reason="not needed", now=NOW)
    with pytest.raises(UnknownJob, match="cancelled"):
        claimed(desk, gone)
    with pytest.raises(UnknownJob, match="no run is called"):
        claimed(desk, "nothing")


def test_a_clock_that_is_set_back_holds_up_no_waiting_try(desk: Desk) -> None:
    first = asked(desk)
    claimed(desk, first)
    ended(desk, first, "transient")
    (again,) = queued(desk)
    assert not runs.due(again, NOW + MINUTE / 4)
    assert runs.due(again, NOW + MINUTE)
    assert claimed(desk, again["run_id"], now=NOW - timedelta(hours=1))["state"] == "running"


CLAIMER = """
import os, sys; from pathlib import Path; from pipeline import runs; from pipeline.errors import UnknownJob
from pipeline.warehouse import Warehouse; from tests.conftest import NOW
warehouse = Warehouse(Path(sys.argv[1]), wait_s=60)
print("up", flush=True); sys.stdin.readline()
for run_id in sys.argv[2:]:
    try:
        with warehouse.write() as session:
            runs.claim(session, run_id, pid=os.getpid(), born=1.0, now=NOW)
        print(run_id, flush=True)
    except UnknownJob:
        pass
"""


def test_of_several_processes_that_claim_a_run_exactly_one_gets_it(desk: Desk) -> None:
    ids = [asked(desk, f"job{number}") for number in range(8)]
    command = [sys.executable, "-c", CLAIMER, str(desk.settings.warehouse), *ids]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    children = [subprocess.Popen(command, env=os.environ | {"PYTHONPATH": os.getcwd()}, **pipes) for _ in range(4)]
    for child in children:
        assert child.stdout.readline() == "up\n"
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    got = {child.pid: child.communicate(timeout=60)[0].split() for child in children}
    assert sorted(run_id for mine in got.values() for run_id in mine) == sorted(ids)
    assert {run_id: row(desk, run_id)["pid"] for run_id in ids} == {
        run_id: pid for pid, mine in got.items() for run_id in mine
    }


def test_a_request_brings_a_waiting_try_forward_and_the_timetable_does_not(desk: Desk) -> None:
    waiting = asked(desk, due_at=NOW + 8 * MINUTE)
    assert asked(desk, by="scheduler", slot_at=NOW) == waiting
    assert row(desk, waiting)["due_at"] == NOW + 8 * MINUTE
    assert asked(desk) == waiting
    assert row(desk, waiting)["due_at"] is None


def test_a_failed_try_is_followed_by_another_with_its_reason_and_history(desk: Desk) -> None:
    first = asked(desk, args={"target": "a", "actor": "ana"})
    claimed(desk, first)
    ended(desk, first, "transient")
    (second,) = queued(desk)
    assert second["reason"] == "try 2 of 3 after transient: the words"
    assert (second["attempt"], second["first_run_id"], second["due_at"]) == (2, first, NOW + MINUTE / 2)
    assert (second["args"], second["requested_by"]) == (row(desk, first)["args"], "ana")
    later = NOW + MINUTE
    claimed(desk, second["run_id"], now=later)
    ended(desk, second["run_id"], "transient", now=later)
    (third,) = queued(desk)
    assert (third["attempt"], third["first_run_id"], third["due_at"]) == (3, first, later + 2 * MINUTE)
    claimed(desk, third["run_id"], now=later + 2 * MINUTE)
    ended(desk, third["run_id"], "transient", now=later + 3 * MINUTE)
    assert queued(desk) == []


def test_no_try_follows_what_was_cancelled_cannot_get_better_or_was_asked_for_anew(desk: Desk) -> None:
    for failure in ("auth", "bug"):
        hopeless = asked(desk)
        claimed(desk, hopeless)
        assert ended(desk, hopeless, failure)["failure"] == failure
        assert queued(desk) == []
    stopped = asked(desk)
    claimed(desk, stopped)
    assert runs.cancel(desk.warehouse, stopped, by="ana", reason="too long", now=NOW) == "running"
    assert row(desk, stopped)["cancel_asked_at"] == NOW
    found = ended(desk, stopped, "transient")
    assert (found["state"], found["failure"]) == ("cancelled", None)
    assert found["error"] == "cancelled by ana: too long (its own last words: the words)"
    assert queued(desk) == []
    assert runs.cancel(desk.warehouse, stopped, by="ben", reason="me too", now=NOW) == "cancelled"
    assert row(desk, stopped)["cancel_by"] == "ana"


def test_the_try_of_a_dead_run_does_not_double_what_waits_already(desk: Desk) -> None:
    waiting = asked(desk)
    by_hand = new_run("train", by="cli", reason="", args={}, now=NOW) | {
        "state": "running",
        "started_at": NOW,
        "pid": 1,
    }
    with desk.warehouse.write() as session:
        session.append("job_runs", run_frame([by_hand]))
    assert runs.sweep(desk.warehouse, now=NOW, plans=lambda _job: Plan()) == 1
    assert row(desk, by_hand["run_id"])["failure"] == "interrupted"
    assert [one["run_id"] for one in queued(desk)] == [waiting]


def test_a_provider_that_says_how_long_to_wait_is_obeyed(desk: Desk) -> None:
    first = asked(desk)
    claimed(desk, first)
    ended(desk, first, "throttled", error=Throttled("slowly", retry_after_s=90))
    assert queued(desk)[0]["due_at"] == NOW + timedelta(seconds=90)


def test_a_run_over_its_deadline_says_so_whoever_closes_it(desk: Desk) -> None:
    for closer in ("itself", "scheduler", "sweep"):
        run_id = asked(desk, closer)
        claimed(desk, run_id, pid=4_000_000)
        assert runs.condemn(desk.warehouse, run_id, failure="deadline", error="ran longer than 15 min")
        if closer == "itself":
            ended(desk, run_id, "interrupted")
        elif closer == "scheduler":
            assert runs.close(desk.warehouse, run_id, now=NOW, plan=Plan()) == "failed"
        else:
            assert runs.sweep(desk.warehouse, now=NOW, plans=lambda _job: Plan()) == 1
        found = row(desk, run_id)
        assert (found["state"], found["failure"], found["error"]) == ("failed", "deadline", "ran longer than 15 min")
        (again,) = [one for one in queued(desk) if one["job"] == closer]
        assert (again["attempt"], again["due_at"]) == (2, NOW + 5 * MINUTE)
        assert not runs.condemn(desk.warehouse, run_id, failure="deadline", error="twice")


def test_a_run_that_succeeds_before_it_is_ended_has_succeeded(desk: Desk) -> None:
    run_id = asked(desk)
    claimed(desk, run_id)
    runs.condemn(desk.warehouse, run_id, failure="deadline", error="ran longer than 15 min")
    runs.cancel(desk.warehouse, run_id, by="ana", reason="too long", now=NOW)
    found = ended(desk, run_id, "")
    assert (found["state"], found["failure"], found["error"]) == ("succeeded", None, None)
    assert runs.close(desk.warehouse, run_id, now=NOW, plan=Plan()) == "succeeded"


def test_what_a_job_usually_takes_and_how_often_it_goes_well(desk: Desk) -> None:
    rows = []
    for number in range(40):
        start = NOW - timedelta(hours=number)
        state = "failed" if number in (1, 2) else "skipped" if number == 3 else "succeeded"
        took = timedelta(seconds=10 if number < 33 else 1000)
        made = new_run("train", by="t", reason="", args={}, now=start)
        rows.append(made | {"state": state, "started_at": start, "ended_at": start + took})
    old = new_run("train", by="t", reason="", args={}, now=NOW - timedelta(days=8))
    rows.append(old | {"state": "failed", "started_at": NOW, "ended_at": NOW})
    with desk.warehouse.write() as session:
        session.append("job_runs", run_frame(rows))
        assert runs.usual(session, "train") == runs.Usual(10.0, 30)
        assert runs.usual(session, "features") is None
        found = runs.record(session, "train", now=NOW)
        assert (found.good, found.failed, found.missed) == (38, 2, 0)
        assert found.rate == pytest.approx(0.95)
        assert runs.record(session, "features", now=NOW).rate is None


def test_the_row_of_a_run_survives_the_way_through_a_frame(desk: Desk) -> None:
    run_id = asked(desk, slot_at=NOW, args={"a": 1})
    found = row(desk, run_id)
    assert run_frame([found]).equals(run_frame(rows_of(run_frame([found]))))
    assert (found["slot_at"], found["attempt"], found["pid"], found["ended_at"]) == (NOW, 1, None, None)
    assert ask(desk, "SELECT count(*) AS n FROM job_requests").n.iloc[0] == 1
