"""A small jobs.py of its own: jobs that sleep, fork, ignore signals or write a line, for tests of the scheduler.

`python -m tests.probes schedule|run ...` works on SEXTANT_WAREHOUSE by the clock of SEXTANT_CLOCK.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline.clocks import clock_of
from pipeline.errors import SextantError
from pipeline.operations import JobPlan, Operations
from pipeline.plans import CHAIN, plans_of
from pipeline.runner import Context, Job, Outcome, Runner
from pipeline.scheduler import Scheduler
from pipeline.settings import ROOT, Settings
from pipeline.signals import stop_flag
from pipeline.warehouse import Warehouse

COMMAND = (sys.executable, "-m", "tests.probes")
STEP = timedelta(minutes=5)
SLEEPER = [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"]


def _write(context: Context) -> Outcome:
    with ledger(context.warehouse.path).open("a", encoding="utf-8") as file:
        file.write(f"{context.run_id}\n")
    return Outcome(1, 1, "a line")


def _sleep(context: Context) -> Outcome:
    time.sleep(context.args.get("s", 600))
    return _write(context)


def _query(context: Context) -> Outcome:
    """Ask something that takes minutes."""
    with context.warehouse.read() as session:
        session.rows("SELECT sum(a.range * b.range) FROM range(1000000) a, range(1000000) b")
    return Outcome()


class Hurried(timedelta):
    """A deadline that holds once `hurry` was called: on a busy machine a process may take longer than it to begin."""

    def total_seconds(self) -> float:
        return super().total_seconds() if _hurried(Path(os.environ["SEXTANT_WAREHOUSE"])).exists() else 600.0


def hurry(warehouse: Path, now: bool = True) -> None:
    """From now on let the deadlines hold, or no longer."""
    if now:
        _hurried(warehouse).touch()
    else:
        _hurried(warehouse).unlink()


def _hurried(warehouse: Path) -> Path:
    return warehouse.with_suffix(".hurry")


def _stubborn(context: Context) -> Outcome:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _note_pid(context, os.getpid())
    return _sleep(context)


def _fork(context: Context) -> Outcome:
    """Two children that ignore SIGTERM, one of them in a session of its own."""
    for apart in (False, True):
        _note_pid(context, subprocess.Popen(SLEEPER, start_new_session=apart).pid)
    return _sleep(context)


def _hang(context: Context) -> Outcome:
    """Hold the warehouse for ever."""
    with context.warehouse.write():
        _note_pid(context, os.getpid())
        time.sleep(600)
    return Outcome()


def _note_pid(context: Context, pid: int) -> None:
    with pids(context.warehouse.path).open("a", encoding="utf-8") as file:
        file.write(f"{pid}\n")


def _job(name: str, run: Callable[[Context], Outcome], **fields: Any) -> Job:
    return Job(name=name, title=name, run=run, **fields)


SHORT = Hurried(seconds=2)
_ALL = (
    _job("one", _write),
    _job("idle", _write, after=("one",), ready=lambda _session, _markets, _now: False),
    _job("two", _write, after=("idle",)),
    _job("daily", _write, at="03:30"),
    _job("skipped", _write, at="03:40", missed="skip"),
    _job("ask", _write, on_demand=True),
    _job("sleep", _sleep, on_demand=True),
    _job("query", _query, on_demand=True),
    _job("stubborn", _stubborn, on_demand=True, deadline=SHORT, tries=1),
    _job("fork", _fork, on_demand=True, deadline=SHORT, tries=1),
    _job("hang", _hang, on_demand=True, deadline=SHORT, tries=1),
    _job("unborn", _write, on_demand=True),
)
JOBS = {job.name: job for job in _ALL}


def ledger(warehouse: Path) -> Path:
    """The file that each run which did its work adds its id to."""
    return warehouse.with_suffix(".ledger")


def pids(warehouse: Path) -> Path:
    """The file in which processes that are hard to end are named."""
    return warehouse.with_suffix(".pids")


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split() if path.exists() else []


def set_clock(path: Path, moment: datetime, *, rate: float = 1.0) -> None:
    """Let every process that goes by the file `path` see `moment` now."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"simulated": moment.isoformat(), "real": time.time(), "rate": rate}), encoding="utf-8")
    new.replace(path)


@contextmanager
def scheduling(env: dict[str, str], *words: str) -> Iterator[subprocess.Popen[str]]:
    """A scheduler of the probe jobs as a process; what it says is on its stdout."""
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen([*COMMAND, "schedule", *words], cwd=ROOT, env=env, start_new_session=True, **pipes) as child:
        try:
            yield child
        finally:
            if child.poll() is None:
                child.terminate()
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                raise


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> None:
    """Raises AssertionError when the condition does not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("word", choices=["schedule", "run"])
    parser.add_argument("--queued")
    parser.add_argument("--by")
    parser.add_argument("--no-wait", action="store_true")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings = Settings.load()
    operations = Operations(jobs={CHAIN: JobPlan(every=STEP)})
    warehouse = Warehouse(settings.warehouse, wait_s=10)
    plans = plans_of(JOBS, operations)
    runner = Runner(settings, {}, warehouse, clock_of(settings.clock), operations=operations, plans=plans.get, beat_s=1)
    try:
        if options.word == "run":
            return _run(runner, options.queued)
        scheduler = Scheduler(runner, JOBS, say=_say, command=COMMAND, grace_s=1, pause_s=0.2)
        scheduler.serve(until=stop_flag().is_set, wait=not options.no_wait)
    except SextantError as error:
        _say(f"{type(error).__name__}: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _run(runner: Runner, run_id: str) -> int:
    name = str(runner.warehouse.ask("run_by_id", run_id=run_id).job.iloc[0])
    if name == "unborn":
        return 3
    with suppress(KeyboardInterrupt):
        return 0 if runner.run_queued(JOBS[name], run_id)["state"] != "failed" else 1
    return 130


if __name__ == "__main__":
    sys.exit(main())
