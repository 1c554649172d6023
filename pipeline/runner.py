"""Job + Context -> one recorded run: requested, locked, run, and written down whichever way it ends."""

import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from pipeline.errors import JobRunning, SextantError, WarehouseError
from pipeline.markets import Market
from pipeline.operations import Operations
from pipeline.runs import bury, new_run, run_frame
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
    operations: Operations = field(default_factory=Operations)

    def moment(self) -> datetime:
        """Later in the run than `now`: when what took long is done."""
        return self.now if self.clock is None else self.clock()


@dataclass(frozen=True)
class Job:
    """One step of the pipeline. Declared as the module constant JOB; `[job.NAME]` in sextant.toml may change its plan.

    `after` orders the jobs of `all`; `at` is the time of day ("03:30", in `zone`) at which the scheduler runs it,
    None puts it into the chain that runs every few minutes. A job `on_demand` runs only when it is asked for.
    `ready` says from the data whether there is work, given a session, the markets and the moment. A run that
    was missed is made up for at once (`missed` = run) or recorded and left (skip); a run over its `deadline` is
    ended; one that failed is tried again, `tries` times in all, as its class of failure allows.
    """

    name: str
    title: str
    run: Callable[[Context], Outcome]
    after: tuple[str, ...] = ()
    at: str | None = None
    on_demand: bool = False
    zone: str = "UTC"
    missed: str = "run"
    jitter: timedelta = timedelta()
    deadline: timedelta = timedelta(minutes=15)
    tries: int = 3
    ready: Callable[[Session, dict[str, Market], datetime], bool] = lambda _session, _markets, _now: True


@dataclass(frozen=True)
class Runner:
    """Runs jobs against one warehouse; `clock` gives aware UTC times."""

    settings: Settings
    markets: dict[str, Market]
    warehouse: Warehouse
    clock: Clock
    operations: Operations = field(default_factory=Operations)
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
            self._record(row, dead=job.name)
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
            operations=self.operations,
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

    def _record(self, row: dict[str, Any], *, dead: str | None = None) -> None:
        with self.warehouse.write() as session:
            if dead is not None:
                bury(session, dead, self.clock())
            session.upsert("job_runs", run_frame([row]))

    def sweep(self) -> int:
        """Mark runs failed whose process is gone; returns how many. Leaves runs that are alive alone."""
        open_runs = self.warehouse.ask("open_runs")
        buried = 0
        for name in set(open_runs.loc[open_runs["state"] == "running", "job"]):
            try:
                with self.warehouse.job_lock(name), self.warehouse.write() as session:
                    buried += bury(session, name, self.clock())
            except JobRunning:
                continue
        return buried


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
