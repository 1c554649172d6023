"""Job + Context -> one recorded run: requested, locked, run, and written down whichever way it ends."""

import json
import logging
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

import pandas as pd

from pipeline.errors import JobRunning, SextantError, WarehouseError
from pipeline.markets import Market
from pipeline.settings import Settings
from pipeline.warehouse import Session, Warehouse

T = TypeVar("T")
Clock = Callable[[], datetime]
PROGRESS_EVERY = timedelta(seconds=5)
INTERRUPTED = "interrupted: the process was told to stop"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What a job did: rows read and written, and one sentence. `skipped` means there was nothing to do.

    `failures` are sentences about parts that failed while others went well; any makes the run failed.
    """

    rows_in: int = 0
    rows_out: int = 0
    note: str = ""
    skipped: bool = False
    failures: tuple[str, ...] = ()


def _plain(items: Iterable[Any], _label: str, _total: int | None = None) -> Iterable[Any]:
    return items


@dataclass(frozen=True)
class Context:
    """All a job may use. `now` is the moment of the run (aware, UTC); jobs ask no other clock."""

    settings: Settings
    markets: dict[str, Market]
    warehouse: Warehouse
    now: datetime
    run_id: str
    args: dict[str, Any] = field(default_factory=dict)
    say: Callable[[str], None] = lambda _line: None
    progress: Callable[..., Iterable[Any]] = _plain
    clock: Callable[[], datetime] | None = None

    def moment(self) -> datetime:
        """Later in the run than `now`: when what took long is done."""
        return self.now if self.clock is None else self.clock()


@dataclass(frozen=True)
class Job:
    """One step of the pipeline. Declared as the module constant JOB.

    `after` orders the jobs of `all`; `at` is the UTC time of day ("03:30") at which the scheduler runs it,
    None puts it into the chain that runs every few minutes. A job `on_demand` runs only when it is asked for.
    """

    name: str
    title: str
    run: Callable[[Context], Outcome]
    after: tuple[str, ...] = ()
    at: str | None = None
    on_demand: bool = False


@dataclass(frozen=True)
class Runner:
    """Runs jobs against one warehouse; `clock` gives aware UTC times."""

    settings: Settings
    markets: dict[str, Market]
    warehouse: Warehouse
    clock: Clock
    echo: Callable[[str], None] = lambda _line: None
    progress: Callable[..., Iterable[Any]] = _plain

    def run(self, job: Job, *, by: str, reason: str = "", **args: Any) -> dict[str, Any]:
        """Run `job` here and now and return its row of `job_runs`. Raises JobRunning when it runs elsewhere."""
        row = new_run(job.name, by=by, reason=reason, args=args, now=self.clock())
        return self.carry_out(job, row)

    def carry_out(self, job: Job, row: dict[str, Any]) -> dict[str, Any]:
        """Run `job` for a row made by `new_run` or taken from the queue."""
        with self.warehouse.job_lock(job.name):
            row |= {"state": "running", "started_at": self.clock(), "heartbeat_at": self.clock(), "pid": os.getpid()}
            self._record(row, bury=job.name)
            lines: list[str] = []
            with _captured(lines):
                ended = self._attempt(job, row, lines)
            row |= ended | {"ended_at": self.clock(), "log": "\n".join(lines)}
            self._record(row)
        if row["error"] == INTERRUPTED:
            raise KeyboardInterrupt
        return row

    def _attempt(self, job: Job, row: dict[str, Any], lines: list[str]) -> dict[str, Any]:
        def say(line: str) -> None:
            lines.append(f"{self.clock():%Y-%m-%d %H:%M:%S}Z {line}")
            self.echo(line)
            self._show_progress(row, lines)

        context = Context(
            settings=self.settings,
            markets=self.markets,
            warehouse=self.warehouse,
            now=row["started_at"],
            run_id=row["run_id"],
            args=json.loads(row["args"]),
            say=say,
            progress=self.progress,
            clock=self.clock,
        )
        try:
            outcome = job.run(context)
        except SextantError as error:
            say(str(error))
            return {"state": "failed", "error": f"{type(error).__name__}: {error}"}
        except KeyboardInterrupt:
            return {"state": "failed", "error": INTERRUPTED}
        except Exception as error:
            log.exception("job %s met a bug", job.name)
            say(f"{type(error).__name__}: {error}")
            return {"state": "failed", "error": f"{type(error).__name__}: {error}"}
        return _ended(outcome, say)

    def _show_progress(self, row: dict[str, Any], lines: list[str]) -> None:
        """Let others read the log of a long run while it runs; no run fails because that was not possible."""
        now = self.clock()
        if now - row["heartbeat_at"] < PROGRESS_EVERY:
            return
        row |= {"heartbeat_at": now, "log": "\n".join(lines)}
        try:
            self._record(row)
        except WarehouseError as error:
            log.debug("the log of %s was not updated: %s", row["job"], error)

    def _record(self, row: dict[str, Any], *, bury: str | None = None) -> None:
        with self.warehouse.write() as session:
            if bury is not None:
                _bury(session, bury, self.clock())
            session.upsert("job_runs", _frame([row]))

    def sweep(self) -> int:
        """Mark runs failed whose process is gone; returns how many. Leaves runs that are alive alone."""
        open_runs = self.warehouse.ask("open_runs")
        buried = 0
        for name in set(open_runs.loc[open_runs["state"] == "running", "job"]):
            try:
                with self.warehouse.job_lock(name), self.warehouse.write() as session:
                    buried += _bury(session, name, self.clock())
            except JobRunning:
                continue
        return buried


def new_run(job: str, *, by: str, reason: str, args: dict[str, Any], now: datetime) -> dict[str, Any]:
    """A queued row of `job_runs`."""
    return {
        "run_id": uuid.uuid4().hex[:12],
        "job": job,
        "state": "queued",
        "requested_by": by,
        "reason": reason,
        "args": json.dumps(args, sort_keys=True),
        "queued_at": now,
        "started_at": None,
        "heartbeat_at": None,
        "ended_at": None,
        "pid": None,
        "rows_in": None,
        "rows_out": None,
        "error": None,
        "log": "",
    }


def request(warehouse: Warehouse, job: str, *, by: str, reason: str, args: dict[str, Any], now: datetime) -> str:
    """Queue `job` for the scheduler and return the run id; a queued twin for the same target is not doubled."""
    with warehouse.write() as session:
        waiting = session.ask("open_runs")
        queued = waiting[(waiting.job == job) & (waiting.state == "queued")]
        for twin in queued.itertuples():
            if _about(json.loads(str(twin.args))) == _about(args):
                return str(twin.run_id)
        row = new_run(job, by=by, reason=reason, args=args, now=now)
        session.append("job_runs", _frame([row]))
    return str(row["run_id"])


def _about(args: Mapping[str, Any]) -> dict[str, Any]:
    """What a run is asked for, whoever asks."""
    return {name: value for name, value in args.items() if name != "actor"}


def ordered(jobs: dict[str, Job], names: Iterable[str]) -> list[Job]:
    """The named jobs, each behind those it comes after."""
    left, done, wanted = list(jobs.values()), [], set(names)
    while left:
        ready = [job for job in left if not any(other.name in job.after for other in left)]
        if not ready:
            raise ValueError(f"jobs wait for each other: {[job.name for job in left]}")
        done += ready
        left = [job for job in left if job not in ready]
    return [job for job in done if job.name in wanted]


def _ended(outcome: Outcome, say: Callable[[str], None]) -> dict[str, Any]:
    if outcome.note:
        say(outcome.note)
    state = "failed" if outcome.failures else "skipped" if outcome.skipped else "succeeded"
    ended: dict[str, Any] = {"state": state, "rows_in": outcome.rows_in, "rows_out": outcome.rows_out}
    ended["error"] = "\n".join(outcome.failures) or None
    # The reason somebody gave stays, unless there is one why nothing was done.
    return ended | ({"reason": outcome.note} if state == "skipped" else {})


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    for name in ("queued_at", "started_at", "heartbeat_at", "ended_at"):
        frame[name] = pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]")
    for name in ("pid", "rows_in", "rows_out"):
        frame[name] = frame[name].astype("Int64")
    return frame


def _bury(session: Session, job: str, now: datetime) -> int:
    """Mark the running rows of `job` failed. The caller holds the job's lock, so whoever claims to run it is dead."""
    frame = session.ask("open_runs")
    dead = frame[(frame["state"] == "running") & (frame["job"] == job)]
    return session.upsert("job_runs", _buried(dead, now)) if len(dead) else 0


def _buried(dead: pd.DataFrame, now: datetime) -> pd.DataFrame:
    rows = [{str(key): value for key, value in row.items()} for row in dead.to_dict("records")]
    for row in rows:
        row |= {
            "state": "failed",
            "ended_at": now,
            "error": f"interrupted: process {row['pid']:.0f} ended without a word",
        }
    return _frame(rows)


class _Lines(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.INFO)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))


@contextmanager
def _captured(lines: list[str]) -> Iterator[None]:
    handler = _Lines(lines)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger("pipeline")
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
