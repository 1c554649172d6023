"""Job + Context -> one recorded run: requested, locked, run, and written down whichever way it ends."""

import json
import logging
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from pipeline import processes
from pipeline.errors import SextantError, UnknownJob, WarehouseError
from pipeline.failures import Retried, failure_of
from pipeline.logs import about
from pipeline.markets import Market
from pipeline.operations import Operations
from pipeline.recording import Log, Pulse, Usage, captured
from pipeline.redacting import redact
from pipeline.runrows import begun, new_run, run_frame
from pipeline.runs import Plans, bury, claim, end, sweep
from pipeline.settings import Settings
from pipeline.warehouse import Session, Warehouse

T = TypeVar("T")
Clock = Callable[[], datetime]
INTERRUPTED = "interrupted: the process was told to stop"
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What a job did: rows read and written, and one sentence. `skipped` means there was nothing to do.

    `failures` are sentences about parts that failed while others went well; any makes the run failed, and `failure`
    is then the class of the worst of them (see failures.py).
    """

    rows_in: int = 0
    rows_out: int = 0
    note: str = ""
    skipped: bool = False
    failures: tuple[str, ...] = ()
    failure: str = ""


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
        """Later in the run than `now`: when what took long is done.

        What is stored is stamped with it within the writing session. Nobody can read it before that, and so no page
        that looks back shows it any earlier.
        """
        return self.now if self.clock is None else max(self.now, self.clock())


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
    """Runs jobs against one warehouse; `clock` gives aware UTC times.

    `plans` finds the plan of a job by its name: without one, a queued run that failed or died is not tried again. A
    heartbeat is written every `beat_s` real seconds, and the end of a run is tried to be written for `patience_s`.
    """

    settings: Settings
    markets: dict[str, Market]
    warehouse: Warehouse
    clock: Clock
    operations: Operations = field(default_factory=Operations)
    echo: Callable[[str], None] = lambda _line: None
    progress: Callable[..., Iterable[Any]] = _plain
    plans: Plans = lambda _job: None
    beat_s: float = 15.0
    patience_s: float = 120.0

    def run(self, job: Job, *, by: str, reason: str = "", **args: Any) -> dict[str, Any]:
        """Run `job` here and now and return its row of `job_runs`; whoever asked sees a failure and tries again.

        Raises JobRunning when the job runs elsewhere, KeyboardInterrupt after the run was told to stop, and
        WarehouseError when neither beginning nor end could be written.
        """
        row = new_run(job.name, by=by, reason=reason, args=args, now=self.clock())

        def begin(session: Session) -> dict[str, Any]:
            begun_row = row | begun(pid=os.getpid(), born=processes.born(), now=self.clock())
            session.append("job_runs", run_frame([begun_row]))
            return begun_row

        return self._carry_out(job, row["run_id"], begin, plan=None)

    def run_queued(self, job: Job, run_id: str) -> dict[str, Any]:
        """Claim the queued run `run_id` of `job`, run it here and return its row; a failure queues the next try.

        Raises UnknownJob when it is no longer queued or not yet due, and what `run` raises; with JobRunning it stays
        in the queue.
        """

        def begin(session: Session) -> dict[str, Any]:
            return claim(session, run_id, pid=os.getpid(), born=processes.born(), now=self.clock())

        return self._carry_out(job, run_id, begin, plan=self.plans(job.name))

    def sweep(self) -> int:
        """Close the rows of runs whose process is gone (see `runs.sweep`); returns how many."""
        return sweep(self.warehouse, now=self.clock(), plans=self.plans)

    def _carry_out(
        self, job: Job, run_id: str, begin: Callable[[Session], dict[str, Any]], plan: Retried | None
    ) -> dict[str, Any]:
        log, usage, stop = Log(self.settings.secrets), Usage(), None
        ended: dict[str, Any] = {"state": "failed", "failure": "interrupted", "error": INTERRUPTED}
        error: BaseException | None = None
        with self.warehouse.job_lock(job.name):
            # The word to stop may come at any moment, also just after the run was claimed or has ended.
            try:
                with self.warehouse.write() as session:
                    bury(session, job.name, now=self.clock(), plan=self.plans(job.name))
                    row = begin(session)
                pulse = Pulse(self.warehouse, self.clock, run_id, log, usage, self.beat_s)
                with about(job=job.name, run_id=run_id), captured(log), pulse:
                    ended, error = self._attempt(job, row, log)
            except KeyboardInterrupt as told:
                stop = told
            # Told to stop before it began, a run has no row or waits on; neither is to be changed.
            with suppress(*([UnknownJob] if stop else [])):
                row = self._end(run_id, ended | usage.facts() | {"log": log.text()}, plan, error)
        if stop is not None:
            raise stop
        return row

    def _attempt(self, job: Job, row: dict[str, Any], log: Log) -> tuple[dict[str, Any], BaseException | None]:
        """How the run ended, as columns of its row, and the error that ended it."""

        def say(line: str) -> None:
            log.add(f"{self.clock():%Y-%m-%d %H:%M:%S}Z {line}")
            # Whoever started this process may be gone, and its terminal with it.
            with suppress(OSError):
                self.echo(line)

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
            return _ended(job.run(context), say, log.text), None
        except Exception as error:
            failure = failure_of(error)
            if failure == "bug":
                logger.exception("job %s met a bug", job.name)
            words = redact(f"{type(error).__name__}: {error}", self.settings.secrets)
            say(str(error) if isinstance(error, SextantError) else words)
            return {"state": "failed", "failure": failure, "error": words}, error

    def _end(
        self, run_id: str, ended: dict[str, Any], plan: Retried | None, error: BaseException | None
    ) -> dict[str, Any]:
        """Write the end of a run, again and again while that is not possible: a full disk is given time to clear."""
        deadline, wait_s = time.monotonic() + self.patience_s, 0.25
        while True:
            try:
                with self.warehouse.write() as session:
                    return end(session, run_id, ended, now=self.clock(), plan=plan, error=error)
            except WarehouseError as trouble:
                if time.monotonic() + wait_s > deadline:
                    raise
                logger.warning("the end of run %s is not written yet: %s", run_id, trouble)
            time.sleep(wait_s)
            wait_s = min(2 * wait_s, 10.0)


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


def _ended(outcome: Outcome, say: Callable[[str], None], said: Callable[[], str]) -> dict[str, Any]:
    if outcome.note:
        say(outcome.note)
    for words in outcome.failures:
        if words not in said():
            say(words)
    state = "failed" if outcome.failures else "skipped" if outcome.skipped else "succeeded"
    ended: dict[str, Any] = {"state": state, "rows_in": outcome.rows_in, "rows_out": outcome.rows_out}
    if outcome.failures:
        ended |= {"error": "\n".join(outcome.failures), "failure": outcome.failure or "refused"}
    # The reason somebody gave stays, unless there is one why nothing was done.
    return ended | ({"reason": outcome.note} if state == "skipped" else {})
