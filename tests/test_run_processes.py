"""Queued runs as the real processes they are: killed, told to stop, cancelled, survived by what they forked."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psutil
import pytest

from pipeline import processes, runs
from pipeline.plans import Plan
from pipeline.runner import Runner
from pipeline.settings import ROOT
from tests.conftest import Desk
from tests.probes import COMMAND, wait_for

Environment = Callable[..., dict[str, str]]

FORKER = """
import os, time, tests.probes as probes
from dataclasses import replace
def fork(context):
    if os.fork() == 0:
        time.sleep(60)
    return probes._sleep(context)
probes.JOBS["sleep"] = replace(probes.JOBS["sleep"], run=fork)
raise SystemExit(probes.main())
"""


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def env(desk: Desk) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("SEXTANT_", "ESIOS_"))}
    told = {"SEXTANT_WAREHOUSE": str(desk.settings.warehouse), "SEXTANT_CONFIG": str(desk.settings.config)}
    return kept | told | {"PYTHONPATH": str(ROOT)}


def runner(desk: Desk) -> Runner:
    return replace(desk.runner(), clock=now, plans=lambda name: Plan(name))


def row(desk: Desk, run_id: str) -> dict[str, Any]:
    (found,) = runs.rows_of(desk.warehouse.ask("run_by_id", run_id=run_id))
    return found


def queued(desk: Desk) -> list[dict[str, Any]]:
    return [one for one in runs.rows_of(desk.warehouse.ask("open_runs")) if one["state"] == "queued"]


def started(desk: Desk, env: dict[str, str], command: Any = COMMAND) -> tuple[str, "subprocess.Popen[bytes]"]:
    """A run of a minute whose process has claimed it."""
    run_id = runs.request(desk.warehouse, "sleep", by="ana", reason="why", args={"s": 60}, now=now())
    child = processes.start(run_id, command=command, env=env)
    wait_for(lambda: row(desk, run_id)["state"] == "running")
    return run_id, child


def test_a_killed_run_is_buried_by_the_sweep_and_tried_again_and_a_living_one_left_alone(
    desk: Desk, env: dict[str, str]
) -> None:
    run_id, child = started(desk, env)
    found = row(desk, run_id)
    assert found["pid"] == child.pid
    assert processes.alive(found["pid"], found["born"])
    assert runner(desk).sweep() == 0
    assert row(desk, run_id)["state"] == "running"
    child.kill()
    child.wait(10)
    assert runner(desk).sweep() == 1
    found = row(desk, run_id)
    assert (found["state"], found["failure"]) == ("failed", "interrupted")
    assert found["error"] == f"interrupted: process {child.pid} ended without a word"
    (again,) = queued(desk)
    assert (again["attempt"], again["first_run_id"], again["args"]) == (2, run_id, found["args"])
    assert runner(desk).sweep() == 0


def test_what_a_killed_run_forked_cannot_keep_its_job_locked(desk: Desk, env: dict[str, str]) -> None:
    run_id, child = started(desk, env, [sys.executable, "-c", FORKER])
    wait_for(lambda: len(processes.tree(child.pid, processes.born(child.pid))) == 2)
    (forked,) = psutil.Process(child.pid).children()
    child.kill()
    child.wait(10)
    assert desk.warehouse.runs("sleep")
    assert runner(desk).sweep() == 1
    assert not forked.is_running() or forked.status() == psutil.STATUS_ZOMBIE
    assert not desk.warehouse.runs("sleep")
    assert row(desk, run_id)["state"] == "failed"


def test_a_run_that_is_told_to_stop_says_so_and_is_tried_again(desk: Desk, env: dict[str, str]) -> None:
    run_id, child = started(desk, env)
    assert processes.end_tree(child.pid, row(desk, run_id)["born"], grace_s=20) == 1
    child.wait(10)
    found = row(desk, run_id)
    assert (found["state"], found["failure"]) == ("failed", "interrupted")
    assert found["error"] == "interrupted: the process was told to stop"
    assert found["ended_at"] is not None
    assert [one["attempt"] for one in queued(desk)] == [2]


def test_a_cancelled_run_says_who_and_why_and_is_not_tried_again(desk: Desk, env: dict[str, str]) -> None:
    run_id, child = started(desk, env)
    assert runs.cancel(desk.warehouse, run_id, by="ben", reason="wrong target", now=now()) == "running"
    processes.end_tree(child.pid, row(desk, run_id)["born"], grace_s=20)
    child.wait(10)
    found = row(desk, run_id)
    assert (found["state"], found["failure"]) == ("cancelled", None)
    assert found["error"] == "cancelled by ben: wrong target"
    assert queued(desk) == []


def test_two_processes_for_one_run_make_one_run(desk: Desk, env: dict[str, str]) -> None:
    run_id = runs.request(desk.warehouse, "one", by="ana", reason="", args={}, now=now())
    children = [processes.start(run_id, command=COMMAND, env=env) for _ in range(3)]
    assert sorted(child.wait(60) for child in children) == [0, 1, 1]
    ledger = desk.settings.warehouse.with_suffix(".ledger")
    assert ledger.read_text(encoding="utf-8").split() == [run_id]
    assert row(desk, run_id)["state"] == "succeeded"


def call(*words: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "jobs.py"), *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_line_queues_a_run_and_carries_out_a_queued_one(desk: Desk, env: dict[str, str]) -> None:
    done = call("run", "backfill", "--queue", "--reason", "to see", env=env)
    assert done.returncode == 0, done.stderr
    (waiting,) = queued(desk)
    assert done.stdout.splitlines()[0] == f"backfill waits in the queue as run {waiting['run_id']}"
    assert "no scheduler works on this warehouse" in done.stdout
    assert (waiting["reason"], waiting["requested_by"]) == ("to see", "cli")
    done = call("run", "--queued", waiting["run_id"], "--by", "scheduler", env=env)
    assert done.returncode == 0, done.stderr
    assert row(desk, waiting["run_id"])["state"] == "skipped"
    done = call("run", "--queued", waiting["run_id"], env=env)
    assert done.returncode == 2
    assert "no longer in the queue" in done.stderr
    assert call("run", "--queued", "nothing", env=env).returncode == 2


def test_a_run_that_is_interrupted_ends_with_the_code_of_an_interrupt(desk: Desk, env: dict[str, str]) -> None:
    _run_id, child = started(desk, env)
    child.send_signal(signal.SIGTERM)
    assert child.wait(20) == 130
