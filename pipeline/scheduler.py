"""Clock + timetable + queue -> runs in processes of their own; one scheduler leads a warehouse, others wait."""

import os
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import schedule

from pipeline import processes
from pipeline.attaching import DatabaseTrouble
from pipeline.dispatching import Dispatcher
from pipeline.errors import Busy, ConfigError, DiskFull, Held, NoWarehouse, UnknownJob
from pipeline.leading import Term, leadership
from pipeline.plans import plans_of
from pipeline.runner import Job, Runner
from pipeline.runrows import rows_of
from pipeline.tending import GRACE_S, PAUSE_S, Watch
from pipeline.timetable import Timetable

IDLE_S, BUSY_S = 0.5, 0.1
BEAT_S, SWEEP_S = 15, 30
SLEPT_S = 600
PASSING = (
    Busy, Held, DiskFull, NoWarehouse, ConfigError, UnknownJob, DatabaseTrouble, OSError, subprocess.TimeoutExpired,
)  # fmt: skip
"""Trouble of the machine that may pass; a bug stops the scheduler, and whoever supervises it starts another."""


class Scheduler:
    """Runs what is planned or queued. `say` gets one line for each thing started or ended."""

    def __init__(
        self,
        runner: Runner,
        jobs: dict[str, Job],
        *,
        say: Callable[[str], None],
        command: Sequence[str] = processes.COMMAND,
        grace_s: float = GRACE_S,
        pause_s: float = PAUSE_S,
        duties: Iterable[tuple[int, Callable[[], object]]] = (),
    ) -> None:
        """`command` is what runs are started with, `grace_s` how long one that is told to stop may take, `pause_s` how
        soon one that never began is started again, `duties` what else to do every so many real seconds.

        Raises ConfigError when sextant.toml plans an unknown job.
        """
        self._plans = plans_of(jobs, runner.operations)
        self._runner = replace(runner, plans=self._plans.get)
        self._jobs, self._say, self._duties = jobs, say, tuple(duties)
        self._watch = Watch(runner.warehouse, self._plans, say, command=command, grace_s=grace_s, pause_s=pause_s)
        self._term: Term | None = None
        self._dispatcher: Dispatcher | None = None
        self.trouble = ""
        """What kept the last look from being done, if anything did."""

    def serve(self, *, until: Callable[[], bool], wait: bool = True) -> None:
        """Wait for the lead, then run until `until()`; ends all its runs.

        Raises JobRunning beside another scheduler when not to `wait`.
        """
        with leadership(self._runner.warehouse, wait=wait, until=until, say=self._say) as led:
            if led:
                self._lead(until)

    def _lead(self, over: Callable[[], bool]) -> None:
        reason = "a bug; the scheduler's output has the trace"
        try:
            while self._term is None:
                if over():
                    return
                if not self._in_passing(self._begin):
                    time.sleep(IDLE_S)
            self._work(over)
            reason = "stopped"
        finally:
            self._in_passing(lambda: self._end(reason))

    def _work(self, over: Callable[[], bool]) -> None:
        wakes = self._wakes()
        while not over():
            self._in_passing(self._dispatch)
            wakes.run_pending()
            if (wakes.idle_seconds or 0) > SLEPT_S:
                wakes = self._wakes()  # the library goes by the wall clock, which was set back
            time.sleep(BUSY_S if self._watch.runs else IDLE_S)

    def _dispatch(self) -> None:
        assert self._term is not None
        if self._dispatcher is None:
            warehouse = self._runner.warehouse
            timetable = Timetable(self._plans, warehouse.ask("timetable"))
            self._dispatcher = Dispatcher(
                warehouse, self._jobs, self._runner.markets, timetable, self._watch, self._term
            )
        self._dispatcher.dispatch(self._runner.clock())

    def _begin(self) -> None:
        now = self._runner.clock()
        self._runner.sweep()
        self._watch.adopt(rows_of(self._runner.warehouse.ask("open_runs")))
        self._term = Term.begin(self._runner.warehouse, now)
        self._say(f"scheduler: leads since {now:%Y-%m-%d %H:%M:%S}Z (process {os.getpid()})")

    def _end(self, reason: str) -> None:
        self._watch.stop(self._runner.clock())
        if self._term is not None:
            self._term.end(self._runner.clock(), reason)

    def _wakes(self) -> schedule.Scheduler:
        wakes = schedule.Scheduler()
        for seconds, duty in [(BEAT_S, self._beat), (SWEEP_S, self._runner.sweep), *self._duties]:
            wakes.every(seconds).seconds.do(self._in_passing, duty)
        return wakes

    def _beat(self) -> None:
        if self._term is not None:
            with self._runner.warehouse.write() as session:
                self._term.beat(session, self._runner.clock())

    def _in_passing(self, work: Callable[[], object]) -> bool:
        """Do it; trouble that may pass is said once and left for the next time. Returns whether it was done."""
        try:
            work()
        except PASSING as error:
            words = f"{type(error).__name__}: {error}"
            if words != self.trouble:
                self._say(f"scheduler: not now: {words}")
            self.trouble = words
            return False
        self.trouble = ""
        return True
