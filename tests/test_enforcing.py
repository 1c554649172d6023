"""Runs that are ended while the warehouse is not to be had, runs that are adopted, and trouble of one among others."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from pipeline import processes
from pipeline.attaching import DatabaseTrouble, OutOfMemory
from pipeline.errors import Busy, UnknownJob
from pipeline.operations import Operations
from pipeline.plans import Plan, plans_of
from pipeline.runner import Runner
from pipeline.runs import claim, rows_of
from pipeline.scheduler import Scheduler
from pipeline.tending import Watch
from pipeline.warehouse import Session, Warehouse
from tests import test_scheduler
from tests.conftest import Desk
from tests.probes import COMMAND, JOBS, hurry, lines, pids
from tests.test_scheduler import MORNING
from tests.test_tending import ask_for, row, state
from tests.test_up import runs as is_alive

env = test_scheduler.env


class Shaky(Warehouse):
    """A warehouse whose next `fails` writes meet somebody else's."""

    fails = 0

    @contextmanager
    def write(self) -> Iterator[Session]:
        if self.fails:
            self.fails -= 1
            raise Busy("somebody writes")
        with super().write() as session:
            yield session


def scheduler_of(desk: Desk, said: list[str]) -> Scheduler:
    warehouse = Warehouse(desk.warehouse.path, wait_s=0.5)
    plans = plans_of(JOBS, Operations())
    runner = Runner(desk.settings, {}, warehouse, lambda: MORNING, plans=plans.get)
    return Scheduler(runner, JOBS, say=said.append, command=COMMAND, grace_s=1, pause_s=0.2)


def over_when(condition: Callable[[], bool], seconds: float = 90) -> Callable[[], bool]:
    deadline = time.monotonic() + seconds
    return lambda: condition() or time.monotonic() > deadline


def started(desk: Desk, job: str, by: str, marked: bool) -> tuple[str, subprocess.Popen[bytes]]:
    """A run that is running, and its process."""
    run_id = ask_for(desk, job)
    handed = dict(os.environ) | ({processes.MARK: run_id} if marked else {})
    child = subprocess.Popen(["sleep", "600"], env=handed, start_new_session=True)
    with desk.warehouse.write() as session:
        claim(session, run_id, pid=child.pid, born=processes.born(child.pid), now=MORNING)
        session.script(f"UPDATE job_runs SET requested_by = '{by}' WHERE run_id = '{run_id}'")
    return run_id, child


def test_a_run_that_hangs_in_a_write_is_ended_at_its_deadline_and_others_with_it(
    desk: Desk, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SEXTANT_WAREHOUSE", "SEXTANT_CLOCK"):
        monkeypatch.setenv(name, env[name])
    said: list[str] = []
    ids = [ask_for(desk, "stubborn")]

    def both_ended() -> bool:
        begun = len(lines(pids(desk.warehouse.path)))
        if begun == 1 and len(ids) == 1:
            ids.append(ask_for(desk, "hang"))
        elif begun == 2:
            hurry(desk.warehouse.path)
        return sum(" failed (run" in line for line in said) == 2

    scheduler_of(desk, said).serve(until=over_when(both_ended))
    assert both_ended(), said
    for run_id in ids:
        ended = row(desk, run_id)
        assert (ended["state"], ended["failure"]) == ("failed", "deadline")
        assert "ran longer than 0:00:02 and was ended" in str(ended["error"])
        assert not is_alive(int(str(ended["pid"])))


@pytest.mark.parametrize(("by", "marked"), [("cli", True), ("ana", False)])
def test_who_started_the_process_decides_whose_it_is_not_who_asked(desk: Desk, by: str, marked: bool) -> None:
    run_id, child = started(desk, "train", by, marked)
    watch = Watch(desk.warehouse, {"train": Plan("train", deadline=timedelta())}, lambda _line: None, grace_s=1)
    try:
        watch.adopt(rows_of(desk.warehouse.ask("open_runs")))
        assert watch.busy("train") is marked
        watch.enforce()
        watch.look([], MORNING)
        assert watch.busy("train") is False
        assert (child.poll() is not None, state(desk, run_id)) == (marked, "failed" if marked else "running")
    finally:
        child.kill()
        child.wait()


def test_a_busy_warehouse_at_the_close_of_one_run_does_not_spare_the_others(desk: Desk) -> None:
    warehouse = Shaky(desk.warehouse.path)
    plans = {job: Plan(job) for job in ("sleep", "query")}
    watch = Watch(warehouse, plans, lambda _line: None, grace_s=1)
    (first, one), (second, other) = (started(desk, job, "ana", True) for job in plans)
    watch.adopt(rows_of(desk.warehouse.ask("open_runs")))
    for child in (one, other):
        child.kill()
        child.wait()
    warehouse.fails = 1
    with pytest.raises(Busy):
        watch.look([], MORNING)
    assert sorted([state(desk, first), state(desk, second)]) == ["failed", "running"]
    watch.look([], MORNING)
    assert (state(desk, first), state(desk, second), watch.runs) == ("failed", "failed", {})


def test_a_verdict_that_was_not_to_be_written_replaces_the_last_words_of_the_run(desk: Desk) -> None:
    warehouse = Shaky(desk.warehouse.path)
    watch = Watch(warehouse, {"sleep": Plan("sleep", deadline=timedelta())}, lambda _line: None, grace_s=1)
    run_id, child = started(desk, "sleep", "ana", True)
    watch.adopt(rows_of(desk.warehouse.ask("open_runs")))
    warehouse.fails = 1
    watch.enforce()
    child.wait()
    with desk.warehouse.write() as session:
        session.script(f"UPDATE job_runs SET state = 'failed', failure = 'interrupted' WHERE run_id = '{run_id}'")
    watch.look([], MORNING)
    ended = row(desk, run_id)
    assert (ended["failure"], str(ended["error"])[:30]) == ("deadline", "deadline: sleep ran longer tha")


@pytest.mark.parametrize(
    "error",
    [UnknownJob("gone"), DatabaseTrouble("no"), OutOfMemory("no"), subprocess.TimeoutExpired("x", 1), Busy("wait")],
    ids=lambda error: type(error).__name__,
)
def test_trouble_that_passes_does_not_end_the_scheduler(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    said: list[str] = []
    looks: list[int] = []

    def look(*_: object) -> None:
        looks.append(1)
        if len(looks) == 1:
            raise error

    monkeypatch.setattr(Watch, "look", look)
    monkeypatch.setattr(Watch, "startable", lambda *_: False)
    scheduler_of(desk, said).serve(until=over_when(lambda: len(looks) > 1))
    assert len(looks) > 1
    assert any(f"not now: {type(error).__name__}" in line for line in said)
