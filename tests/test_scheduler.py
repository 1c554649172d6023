"""The scheduler as real processes: it leads alone, walks the chain, takes requests, and remembers across restarts."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.runs import request
from pipeline.settings import ROOT
from pipeline.warehouse import SCHEDULER
from tests.conftest import Desk, ask
from tests.probes import ledger, lines, scheduling, set_clock, wait_for

pytestmark = pytest.mark.slow

Environment = Callable[..., dict[str, str]]
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
MORNING = datetime(2026, 11, 20, 2, 1, tzinfo=UTC)


@pytest.fixture
def env(desk: Desk) -> dict[str, str]:
    """The environment of probe processes on an empty warehouse, by a clock that shows MORNING."""
    clock = desk.settings.warehouse.with_name("clock.json")
    set_clock(clock, MORNING)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("SEXTANT_", "ESIOS_"))}
    return kept | {"SEXTANT_WAREHOUSE": str(desk.settings.warehouse), "SEXTANT_CLOCK": str(clock)}


def move(env: dict[str, str], moment: datetime) -> None:
    set_clock(Path(env["SEXTANT_CLOCK"]), moment)


def runs(desk: Desk, job: str = "") -> list[tuple[str, str]]:
    """(Job, state), in the order they were asked for."""
    rows = ask(desk, f"SELECT job, state FROM job_runs WHERE job LIKE '{job or '%'}' ORDER BY queued_at, run_id")
    return list(rows.itertuples(index=False, name=None))


def done(desk: Desk, job: str) -> int:
    return runs(desk, job).count((job, "succeeded"))


def doubled(desk: Desk) -> list[str]:
    """Runs that did their work twice, and slots that were run twice."""
    twice = [run_id for run_id, n in Counter(lines(ledger(desk.warehouse.path))).items() if n > 1]
    rows = ask(desk, "SELECT job || slot_at AS slot FROM job_runs WHERE slot_at IS NOT NULL")
    return twice + [slot for slot, n in Counter(rows.slot).items() if n > 1]


def terms(desk: Desk) -> list[tuple[bool, str | None]]:
    rows = ask(desk, "SELECT ended_at IS NOT NULL AS ended, reason FROM scheduler_terms ORDER BY started_at")
    return [(bool(row.ended), row.reason if isinstance(row.reason, str) else None) for row in rows.itertuples()]


def test_the_first_start_is_quiet_and_walks_the_chain_in_order(desk: Desk, env: dict[str, str]) -> None:
    with scheduling(env) as scheduler:
        wait_for(lambda: done(desk, "two") == 1)
        wait_for(lambda: len(ask(desk, "SELECT * FROM schedule WHERE last_run_id IS NOT NULL")) == 2)
        assert desk.warehouse.scheduler_alive()
    assert scheduler.returncode == 0
    assert runs(desk) == [("one", "succeeded"), ("two", "succeeded")]  # nothing missed, what has no work passed over
    rows = ask(desk, "SELECT job, cadence, next_at FROM schedule ORDER BY job").set_index("job")
    assert rows.loc["chain", "cadence"] == "every 5 min"
    assert rows.loc["chain", "next_at"] == MORNING.replace(minute=5)
    assert rows.loc["one", "next_at"] == MORNING.replace(minute=5)
    assert rows.loc["daily", "next_at"] == MORNING.replace(hour=3, minute=30)
    assert "sleep" not in rows.index
    assert terms(desk) == [(True, "stopped")]


def test_a_restart_finishes_the_walk_of_the_slot_and_repeats_none_of_it(desk: Desk, env: dict[str, str]) -> None:
    with scheduling(env) as first:
        wait_for(lambda: done(desk, "one") == 1)
        os.kill(first.pid, signal.SIGKILL)
    with scheduling(env):
        wait_for(lambda: done(desk, "two") == 1)
    with scheduling(env):
        request(desk.warehouse, "ask", by="ana", reason="", args={}, now=MORNING)
        wait_for(lambda: done(desk, "ask") == 1)
    assert sorted(runs(desk)) == [("ask", "succeeded"), ("one", "succeeded"), ("two", "succeeded")]


def test_a_walk_every_slot_and_requests_between_its_steps(desk: Desk, env: dict[str, str]) -> None:
    with scheduling(env):
        wait_for(lambda: done(desk, "two") == 1)
        move(env, MORNING + 5 * MINUTE)
        request(desk.warehouse, "ask", by="ana", reason="", args={}, now=MORNING)
        wait_for(lambda: done(desk, "two") == 2 and done(desk, "ask") == 1)
    slots = ask(desk, "SELECT slot_at FROM job_runs WHERE job = 'one' ORDER BY slot_at").slot_at.tolist()
    assert [f"{slot:%H:%M}" for slot in slots] == ["02:00", "02:05"]
    assert not doubled(desk)


def test_slots_missed_while_nobody_led_are_run_or_written_down_once(desk: Desk, env: dict[str, str]) -> None:
    with scheduling(env):
        wait_for(lambda: done(desk, "two") == 1 and len(ask(desk, "SELECT * FROM schedule")))
    move(env, MORNING + timedelta(days=3))
    with scheduling(env):
        wait_for(lambda: done(desk, "daily") == 1 and done(desk, "two") == 2)
    wanted = "SELECT state, reason, slot_at FROM job_runs WHERE job = '{}'"
    (daily,) = ask(desk, wanted.format("daily")).itertuples()
    (skipped,) = ask(desk, wanted.format("skipped")).itertuples()
    gap = "no scheduler from 20 Nov 02:01Z to 23 Nov 02:01Z"
    assert daily.reason == f"missed 22 Nov 03:30Z and 2 before it; {gap}"
    assert (skipped.state, skipped.reason) == ("missed", f"missed 22 Nov 03:40Z and 2 before it; {gap}")
    assert not doubled(desk)
    with scheduling(env):
        wait_for(lambda: len(terms(desk)) == 3)
    assert len(runs(desk, "daily")) == len(runs(desk, "skipped")) == 1


def test_a_planned_time_that_comes_is_run_whatever_the_policy(desk: Desk, env: dict[str, str]) -> None:
    with scheduling(env):
        wait_for(lambda: len(ask(desk, "SELECT * FROM schedule WHERE job = 'daily'")))  # it may take long to begin
        move(env, MORNING.replace(hour=3, minute=29, second=59))
        wait_for(lambda: done(desk, "daily") == 1)
        move(env, MORNING.replace(hour=3, minute=39, second=59))
        wait_for(lambda: done(desk, "skipped") == 1)
    rows = ask(desk, "SELECT reason FROM job_runs WHERE job IN ('daily', 'skipped') ORDER BY job")
    assert rows.reason.tolist() == ["planned for 03:30Z", "planned for 03:40Z"]


def test_a_clock_that_is_set_forward_and_back_doubles_nothing(desk: Desk, env: dict[str, str]) -> None:
    with scheduling(env):
        wait_for(lambda: done(desk, "two") == 1)
        move(env, MORNING + 2 * HOUR)
        wait_for(lambda: done(desk, "daily") == 1 and done(desk, "two") == 2)
        (row,) = ask(desk, "SELECT reason FROM job_runs WHERE job = 'daily'").itertuples()
        assert row.reason.startswith("missed 20 Nov 03:30Z; the clock went from 20 Nov 02:01Z to 20 Nov 04:0")
        move(env, MORNING + 2 * HOUR - 4 * MINUTE)  # by less than a slot: nothing until the clock is there again
        request(desk.warehouse, "ask", by="ana", reason="", args={}, now=MORNING + HOUR)
        wait_for(lambda: done(desk, "ask") == 1)
        assert done(desk, "two") == 2
        move(env, MORNING + 2 * HOUR - 20 * MINUTE)  # the minutes come again, those slots had no run
        wait_for(lambda: done(desk, "two") == 3)
        move(env, MORNING + 5 * MINUTE)  # the hours too
        wait_for(lambda: done(desk, "two") == 4)
        move(env, MORNING - 4 * MINUTE)
        wait_for(lambda: done(desk, "two") == 5)
        move(env, MORNING + MINUTE)  # that slot was run before
        request(desk.warehouse, "ask", by="ana", reason="", args={}, now=MORNING + HOUR)
        wait_for(lambda: done(desk, "ask") == 2)
        assert done(desk, "two") == 5
    assert done(desk, "daily") == 1
    assert not doubled(desk)


def test_a_second_scheduler_waits_and_takes_over_when_the_first_is_killed(desk: Desk, env: dict[str, str]) -> None:
    with scheduling(env) as first:
        wait_for(lambda: done(desk, "two") == 1)
        request(desk.warehouse, "sleep", by="ana", reason="", args={"s": 4}, now=MORNING)
        wait_for(lambda: runs(desk, "sleep") == [("sleep", "running")])
        with scheduling(env) as second:
            assert second.stdout is not None
            assert second.stdout.readline() == "another scheduler leads; this one waits to take over\n"
            os.kill(first.pid, signal.SIGKILL)
            wait_for(lambda: len(terms(desk)) == 2, seconds=5)
            assert terms(desk) == [(True, "ended without a word"), (False, None)]
            request(desk.warehouse, "ask", by="ana", reason="", args={}, now=MORNING)
            wait_for(lambda: done(desk, "ask") == 1 and done(desk, "sleep") == 1)
            assert runs(desk, "sleep") == [("sleep", "succeeded")]  # went on, watched by the second
    assert not doubled(desk)


def test_no_wait_refuses_beside_another_scheduler(full: Desk, environment: Environment) -> None:
    command = [sys.executable, str(ROOT / "jobs.py"), "schedule", "--no-wait"]
    with full.warehouse.job_lock(SCHEDULER):
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "scheduler is running in another process" in done.stderr


def test_trouble_that_passes_is_survived(desk: Desk, env: dict[str, str]) -> None:
    clock = Path(env["SEXTANT_CLOCK"])
    with scheduling(env) as scheduler:
        wait_for(lambda: done(desk, "two") == 1)
        good = clock.read_text(encoding="utf-8")
        clock.write_text("no clock", encoding="utf-8")
        assert scheduler.stdout is not None
        while "not now: ConfigError" not in scheduler.stdout.readline():
            pass
        clock.write_text(good, encoding="utf-8")
        request(desk.warehouse, "ask", by="ana", reason="", args={}, now=MORNING)
        wait_for(lambda: done(desk, "ask") == 1)


def test_the_real_chain_and_a_queued_retrain(full: Desk, environment: Environment) -> None:
    words = [sys.executable, str(ROOT / "jobs.py"), "schedule"]
    with subprocess.Popen(words, env=environment(), start_new_session=True) as scheduler:
        try:
            args = {"force": True, "families": ["naive", "ridge"], "target": full.target.id}
            run_id = request(full.warehouse, "train", by="ana", reason="try", args=args, now=datetime.now(UTC))
            wait_for(lambda: done(full, "train") == 2 and done(full, "ingest") == 2, seconds=90)
            row = full.warehouse.ask("run_by_id", run_id=run_id).iloc[0]
            assert row.requested_by == "ana"
            assert "demo.load-v2" in row.log
        finally:
            scheduler.terminate()
            scheduler.wait(30)
    assert scheduler.returncode == 0
    assert not full.warehouse.scheduler_alive()
    assert "running" not in {state for _, state in runs(full)}
