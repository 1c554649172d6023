"""The scheduler and `up` as real processes: they do the hourly work, take requests and stop when told."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import urlopen

import pytest

from pipeline.errors import JobRunning
from pipeline.runs import request
from pipeline.scheduler import Scheduler
from pipeline.settings import ROOT
from pipeline.warehouse import SCHEDULER
from tests.browser import free_port
from tests.conftest import Desk, ask

Environment = Callable[..., dict[str, str]]


@contextmanager
def started(*words: str, env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(ROOT / "jobs.py"), *words]
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, env=env, start_new_session=True, **pipe) as child:
        try:
            yield child
        finally:
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
            try:
                child.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                raise


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.3)


def states(desk: Desk, job: str) -> list[str]:
    return ask(desk, f"SELECT state FROM job_runs WHERE job = '{job}' ORDER BY queued_at").state.tolist()


def children_of(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()]


@pytest.mark.slow
def test_the_scheduler_runs_the_chain_and_a_queued_retrain_and_stops_on_sigterm(
    full: Desk, environment: Environment
) -> None:
    before = len(states(full, "backfill"))
    with started("schedule", env=environment()) as scheduler:
        wait_for(lambda: len(states(full, "backfill")) > before and states(full, "backfill")[-1] != "running")
        assert full.warehouse.scheduler_alive()
        args = {"force": True, "families": ["naive", "ridge"], "target": full.target.id}
        run_id = request(full.warehouse, "train", by="ana", reason="try", args=args, now=datetime.now(UTC))
        wait_for(lambda: full.warehouse.ask("run_by_id", run_id=run_id).state.iloc[0] in ("succeeded", "failed"))
        row = full.warehouse.ask("run_by_id", run_id=run_id).iloc[0]
        assert row.state == "succeeded", row.error
        assert row.requested_by == "ana"
        assert "demo.load-v2" in row.log
    assert scheduler.returncode in (0, 130)
    assert not full.warehouse.scheduler_alive()
    assert "running" not in {s for job in full.jobs for s in states(full, job)}


def test_a_second_scheduler_is_refused_with_a_sentence(full: Desk, environment: Environment) -> None:
    command = [sys.executable, str(ROOT / "jobs.py"), "schedule"]
    with full.warehouse.job_lock(SCHEDULER):
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "scheduler is running in another process" in done.stderr


def test_a_scheduler_in_this_process_starts_children_and_ends_them(
    full: Desk, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in environment().items():
        monkeypatch.setenv(key, value)
    lines: list[str] = []
    scheduler = Scheduler(full.warehouse, full.jobs, say=lines.append)
    request(full.warehouse, "backfill", by="ana", reason="", args={}, now=full.now)
    rounds = iter([False, False, True])
    scheduler.serve(until=lambda: next(rounds))
    assert lines[0].startswith("started run ingest actuals features forecast backfill")
    assert all(child.poll() is not None for child in scheduler.children.values())
    with full.warehouse.job_lock(SCHEDULER), pytest.raises(JobRunning):
        scheduler.serve(until=lambda: True)


@pytest.mark.slow
def test_up_serves_the_dashboard_beside_the_scheduler_and_ends_both(full: Desk, environment: Environment) -> None:
    port = free_port()

    def healthy() -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    with started("up", "--port", str(port), env=environment()) as up:
        wait_for(healthy)
        wait_for(full.warehouse.scheduler_alive)
        family = children_of(up.pid)
        assert len(family) == 2
        up.send_signal(signal.SIGINT)
        up.wait(40)
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in family))
    assert not full.warehouse.scheduler_alive()
    assert not healthy()
