"""Queued runs -> processes under watch: started, ended at their deadline or when cancelled, and closed when gone."""

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline import processes, runs
from pipeline.attaching import DatabaseTrouble
from pipeline.errors import WarehouseError
from pipeline.plans import CHAIN, Plan
from pipeline.runrows import rows_of, run_frame
from pipeline.warehouse import Warehouse

GRACE_S = 5.0
STARTS = 3
"""So often a process may end without having claimed its run before the run is given up."""
PAUSE_S = 5.0
"""Before the second start; doubled before the third."""
TROUBLE = (WarehouseError, DatabaseTrouble, OSError)


@dataclass
class Watched:
    """A run and its process. One that a person runs at a terminal holds up no lane and has no deadline.

    `verdict` says why it was ended at its deadline, for as long as its row does not say so.
    """

    run_id: str
    job: str
    pid: int
    born: float
    child: subprocess.Popen[bytes] | None = None
    at_a_terminal: bool = False
    doomed: bool = False
    verdict: str = ""

    def gone(self) -> bool:
        """Whether the process has ended; reaps it."""
        return self.child.poll() is not None if self.child else not processes.alive(self.pid, self.born)


@dataclass
class Failed:
    """A run whose process ended before it claimed it: how often, and until when (monotonic) it is left alone."""

    times: int
    until: float


class Watch:
    """The processes of runs. `say` gets one line for each that is started or ended."""

    def __init__(
        self,
        warehouse: Warehouse,
        plans: Mapping[str, Plan],
        say: Callable[[str], None],
        *,
        command: Sequence[str] = processes.COMMAND,
        grace_s: float = GRACE_S,
        pause_s: float = PAUSE_S,
    ) -> None:
        self._warehouse, self._plans, self._say = warehouse, plans, say
        self._command, self._grace_s, self._pause_s = command, grace_s, pause_s
        self.runs: dict[str, Watched] = {}
        self._failed: dict[str, Failed] = {}

    def busy(self, lane: str) -> bool:
        """Whether a run holds up its lane."""
        return any(self._lane(one.job) == lane for one in self.runs.values() if not one.at_a_terminal)

    def startable(self, row: Mapping[str, Any], now: datetime) -> bool:
        """Whether a queued row may be started: known, due, its lane free and its job not run by somebody else."""
        failed = self._failed.get(row["run_id"])
        free = failed is None or failed.until <= time.monotonic()
        ready = runs.due(row, now) and free and row["job"] in self._plans
        return ready and not self.busy(self._lane(row["job"])) and not self._warehouse.runs(row["job"])

    def start(self, row: Mapping[str, Any]) -> None:
        """Start a queued run."""
        child = processes.start(row["run_id"], command=self._command)
        try:
            born = processes.born(child.pid)
        except ProcessLookupError:
            born = 0.0
        self.runs[row["run_id"]] = Watched(row["run_id"], row["job"], child.pid, born, child)
        self._say(f"{row['job']} started (run {row['run_id']}, process {child.pid})")

    def adopt(self, open_rows: Sequence[Mapping[str, Any]]) -> None:
        """Watch the runs that are under way and not watched yet: of a scheduler that died, or of people."""
        for row in open_rows:
            if row["state"] != "running" or row["run_id"] in self.runs or row["born"] is None:
                continue
            if not processes.alive(row["pid"], row["born"]):
                continue
            # Whoever asked for it: what a scheduler started is the scheduler's.
            person = processes.run_of(row["pid"], row["born"]) != row["run_id"]
            self.runs[row["run_id"]] = Watched(row["run_id"], row["job"], row["pid"], row["born"], None, person)
            if not person:
                self._say(f"{row['job']} is under way (run {row['run_id']}, process {row['pid']})")

    def enforce(self) -> None:
        """End what is over its deadline, also without the warehouse: the run may hang in the middle of a write."""
        for one in self.runs.values():
            if not one.at_a_terminal and not one.gone() and self._over(one):
                words = f"deadline: {one.job} ran longer than {self._plans[one.job].deadline} and was ended"
                try:
                    if not one.verdict:
                        runs.condemn(self._warehouse, one.run_id, failure="deadline", error=words)
                except TROUBLE:
                    one.verdict = words
                self._end(one, words)

    def look(self, open_rows: Sequence[Mapping[str, Any]], now: datetime) -> None:
        """Close what has ended, end what is cancelled. `open_rows` is query `open_runs`.

        Raises what the warehouse raised for one of them, after the others had their turn.
        """
        asked = {row["run_id"]: row for row in open_rows if row["cancel_asked_at"] is not None}
        for one in list(self.runs.values()):
            if one.run_id in asked and not one.gone():
                row = asked[one.run_id]
                self._end(one, f"{one.job} is cancelled by {row['cancel_by']}: {row['cancel_reason']}")
        self._close_all([one for one in self.runs.values() if one.gone()], now)

    def stop(self, now: datetime) -> None:
        """End all runs but those of people, all at once, and close them. Raises as `look` does."""
        mine = [one for one in self.runs.values() if not one.at_a_terminal]
        with ThreadPoolExecutor(max_workers=len(mine) or 1) as pool:
            list(pool.map(self._kill, mine))
        self._close_all(mine, now)

    def _over(self, one: Watched) -> bool:
        plan, age_s = self._plans.get(one.job), processes.age_s(one.pid, one.born)
        return plan is not None and age_s is not None and age_s > plan.deadline.total_seconds()

    def _end(self, one: Watched, why: str) -> None:
        if not one.doomed:
            self._say(f"{why} (run {one.run_id})")
        one.doomed = True
        self._kill(one)

    def _kill(self, one: Watched) -> None:
        processes.end_tree(one.pid, one.born, grace_s=self._grace_s, run_id=one.run_id)
        if one.child is not None:
            # One in an uninterruptible wait cannot be hurried; the next look comes back to it.
            with suppress(subprocess.TimeoutExpired):
                one.child.wait(self._grace_s)

    def _close_all(self, gone: Sequence[Watched], now: datetime) -> None:
        trouble: list[Exception] = []
        for one in gone:
            try:
                self._close(one, now)
            except TROUBLE as error:
                trouble.append(error)
        if trouble:
            raise trouble[0]

    def _close(self, one: Watched, now: datetime) -> None:
        """The process is gone: end what it left behind, close its row if it did not, forget it."""
        if processes.tree(one.pid, one.born, one.run_id):
            processes.end_tree(one.pid, one.born, grace_s=self._grace_s, run_id=one.run_id)
        state = self._closed(one, now)
        del self.runs[one.run_id]
        if state == "queued":
            self._not_claimed(one, now)
            return
        self._failed.pop(one.run_id, None)
        self._say(f"{one.job} {state} (run {one.run_id})")

    def _closed(self, one: Watched, now: datetime) -> str:
        """The state of the run, which is closed now unless another process was faster to claim it."""
        found = rows_of(self._warehouse.ask("run_by_id", run_id=one.run_id))
        if not found:
            return "was deleted"
        if found[0]["state"] == "running" and found[0]["pid"] != one.pid:
            return "is run by another process"
        if one.verdict:
            self._judge(one)
        return runs.close(self._warehouse, one.run_id, now=now, plan=self._plans.get(one.job))

    def _judge(self, one: Watched) -> None:
        """Write the verdict that could not be written before the kill; the run may have had last words of its own."""
        with self._warehouse.write() as session:
            noted = runs.note(session, one.run_id, failure="deadline", error=one.verdict)
            row = None if noted else runs.run_row(session, one.run_id)
            if row is not None and row["failure"] == "interrupted":
                session.upsert("job_runs", run_frame([row | {"failure": "deadline", "error": one.verdict}]))
        one.verdict = ""

    def _not_claimed(self, one: Watched, now: datetime) -> None:
        """Pause before the next start; after the last say in the row that the run could not be started."""
        code = None if one.child is None else one.child.returncode
        times = self._failed[one.run_id].times + 1 if one.run_id in self._failed else 1
        self._failed[one.run_id] = Failed(times, time.monotonic() + self._pause_s * 2 ** (times - 1))
        self._say(f"{one.job} ended before it began, with exit code {code} (run {one.run_id})")
        if times < STARTS:
            return
        words = (
            f"the process ended {times} times before it began, last with exit code {code}; see the scheduler's output"
        )
        with self._warehouse.write() as session:
            runs.claim(session, one.run_id, pid=one.pid, born=one.born, now=now)
            ended = {"state": "failed", "failure": "bug", "error": words}
            runs.end(session, one.run_id, ended, now=now, plan=None)
        del self._failed[one.run_id]

    def _lane(self, job: str) -> str:
        return self._plans[job].lane if job in self._plans else CHAIN
