"""Wall clock + queue -> child processes that run jobs; one scheduler a warehouse."""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import schedule

from pipeline.runner import Job, ordered
from pipeline.settings import ROOT
from pipeline.warehouse import SCHEDULER, Warehouse

CHAIN_EVERY_MIN = 5
POLL_S = 1.0
STOP_WAIT_S = 15.0
log = logging.getLogger(__name__)


@dataclass
class Scheduler:
    """Starts `jobs.py run ...` in processes of their own; `train` never holds up the hourly chain.

    `say` gets one line for each thing started or ended.
    """

    warehouse: Warehouse
    jobs: dict[str, Job]
    say: Callable[[str], None]
    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def serve(self, *, until: Callable[[], bool] = lambda: False) -> None:
        """Run until `until()` or an interrupt, then stop the children. Raises JobRunning beside another scheduler."""
        parent = os.getppid()
        timetable = self._timetable()
        with self.warehouse.job_lock(SCHEDULER):
            try:
                self._chain()
                while not until() and os.getppid() == parent:
                    timetable.run_pending()
                    self._take_queued()
                    time.sleep(POLL_S)
            finally:
                self.stop()

    def stop(self) -> None:
        """End the children: politely, then not."""
        for child in self.children.values():
            child.terminate()
        for child in self.children.values():
            try:
                child.wait(STOP_WAIT_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def _timetable(self) -> schedule.Scheduler:
        timetable = schedule.Scheduler()
        timetable.every(CHAIN_EVERY_MIN).minutes.do(self._chain)
        for job in self.jobs.values():
            if job.at is not None:
                timetable.every().day.at(job.at, "UTC").do(self._start, job.name, ["run", job.name])
        return timetable

    def _chain(self) -> None:
        names = [job.name for job in ordered(self.jobs, self.jobs) if job.at is None and not job.on_demand]
        self._start("chain", ["run", *names])

    def _take_queued(self) -> None:
        if not self.warehouse.path.exists():
            return
        waiting = self.warehouse.ask("open_runs")
        for row in waiting[waiting.state == "queued"].itertuples():
            job = self.jobs.get(str(row.job))
            slot = job.name if job is not None and (job.at is not None or job.on_demand) else "chain"
            self._start(slot, ["run", "--queued", str(row.run_id)])

    def _start(self, slot: str, words: list[str]) -> None:
        running = self.children.get(slot)
        if running is not None and running.poll() is None:
            return
        command = [sys.executable, str(ROOT / "jobs.py"), *words, "--by", "scheduler"]
        # A session of its own: Ctrl-C reaches the scheduler only, which then ends its children in order.
        self.children[slot] = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True)
        self.say(f"started {' '.join(words)} (process {self.children[slot].pid})")
