"""Runs under watch, with real processes: deadlines, cancels, forks, adoption, and processes that never begin."""

import os
import signal
from datetime import datetime

import pytest

from pipeline import runs
from pipeline.runs import cancel, request
from tests import test_scheduler
from tests.conftest import Desk, ask
from tests.probes import hurry, lines, pids, scheduling, wait_for
from tests.test_scheduler import MINUTE, MORNING, terms
from tests.test_up import runs as is_alive

env = test_scheduler.env


def ask_for(desk: Desk, job: str, *, at: datetime = MORNING, **args: object) -> str:
    return request(desk.warehouse, job, by="ana", reason="try", args=args, now=at)


def row(desk: Desk, run_id: str) -> dict[str, object]:
    return runs.rows_of(desk.warehouse.ask("run_by_id", run_id=run_id))[0]


def state(desk: Desk, run_id: str) -> object:
    return row(desk, run_id)["state"]


def test_a_run_that_ignores_sigterm_is_ended_at_its_deadline(desk: Desk, env: dict[str, str]) -> None:
    with scheduling(env):
        run_id = ask_for(desk, "stubborn")
        wait_for(lambda: lines(pids(desk.warehouse.path)))
        hurry(desk.warehouse.path)
        wait_for(lambda: state(desk, run_id) == "failed")
    ended = row(desk, run_id)
    assert ended["failure"] == "deadline"
    assert str(ended["error"]).startswith("deadline: stubborn ran longer than 0:00:02 and was ended")
    assert not [pid for pid in lines(pids(desk.warehouse.path)) if is_alive(int(pid))]


def test_a_run_that_forks_is_ended_whole_and_its_job_can_run_again(desk: Desk, env: dict[str, str]) -> None:
    with scheduling(env):
        run_id = ask_for(desk, "fork")
        wait_for(lambda: len(lines(pids(desk.warehouse.path))) == 2)
        family = [int(pid) for pid in lines(pids(desk.warehouse.path))]
        assert all(is_alive(pid) for pid in family)
        hurry(desk.warehouse.path)
        wait_for(lambda: state(desk, run_id) == "failed")
        wait_for(lambda: not any(is_alive(pid) for pid in family))
        hurry(desk.warehouse.path, now=False)
        again = ask_for(desk, "fork", s=0)
        wait_for(lambda: state(desk, again) == "succeeded")
        wait_for(lambda: not any(is_alive(int(pid)) for pid in lines(pids(desk.warehouse.path))))


def test_a_queued_run_is_cancelled_at_once_and_a_running_one_within_seconds(desk: Desk, env: dict[str, str]) -> None:
    first = ask_for(desk, "ask")
    assert cancel(desk.warehouse, first, by="ana", reason="not needed", now=MORNING) == "cancelled"
    with scheduling(env):
        second, third = ask_for(desk, "sleep"), ask_for(desk, "sleep", at=MORNING + MINUTE, target="x")
        wait_for(lambda: state(desk, second) == "running")
        assert state(desk, third) == "queued"  # one at a time in a lane
        assert cancel(desk.warehouse, second, by="ana", reason="wrong days", now=MORNING) == "running"
        wait_for(lambda: state(desk, second) == "cancelled")
        wait_for(lambda: state(desk, third) == "running")
    assert row(desk, second)["error"] == "cancelled by ana: wrong days"
    assert state(desk, first) == "cancelled"
    assert ask(desk, "SELECT count(*) AS n FROM job_runs WHERE first_run_id IS NOT NULL AND job = 'ask'").n.iloc[0] == 0


def test_a_run_of_a_dead_scheduler_is_adopted_with_its_deadline(desk: Desk, env: dict[str, str]) -> None:
    with scheduling(env) as first:
        run_id = ask_for(desk, "stubborn")
        wait_for(lambda: lines(pids(desk.warehouse.path)))
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        hurry(desk.warehouse.path)
        with scheduling(env):
            wait_for(lambda: state(desk, run_id) == "failed")
    assert row(desk, run_id)["failure"] == "deadline"
    assert terms(desk) == [(True, "ended without a word"), (True, "stopped")]


@pytest.mark.parametrize("job", ["sleep", "query"])
def test_runs_stop_with_their_scheduler_and_are_tried_again_by_the_next(
    desk: Desk, env: dict[str, str], job: str
) -> None:
    with scheduling(env):
        run_id = ask_for(desk, job)
        wait_for(lambda: state(desk, run_id) == "running")
    stopped = row(desk, run_id)
    assert (stopped["state"], stopped["failure"]) == ("failed", "interrupted")
    assert not is_alive(int(str(stopped["pid"])))
    (following,) = (one for one in runs.rows_of(desk.warehouse.ask("open_runs")) if one["job"] == job)
    assert (following["first_run_id"], following["attempt"]) == (run_id, 2)


def test_a_process_that_never_claims_its_run_is_given_up_after_three_starts(desk: Desk, env: dict[str, str]) -> None:
    with scheduling(env) as scheduler:
        run_id = ask_for(desk, "unborn")
        wait_for(lambda: state(desk, run_id) == "failed")
        scheduler.terminate()
        assert scheduler.stdout is not None
        said = scheduler.stdout.read()
    assert said.count("unborn ended before it began, with exit code 3") == 3
    assert "ended 3 times before it began" in str(row(desk, run_id)["error"])


def test_no_run_outlives_the_death_of_its_process(desk: Desk, env: dict[str, str]) -> None:
    with scheduling(env):
        run_id = ask_for(desk, "sleep")
        wait_for(lambda: state(desk, run_id) == "running")
        os.kill(int(str(row(desk, run_id)["pid"])), signal.SIGKILL)
        wait_for(lambda: state(desk, run_id) == "failed")
    assert row(desk, run_id)["failure"] == "interrupted"
