"""The moment + timetable + queue -> runs requested and started: slots, then people, then the steps of the chain."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pipeline import runs
from pipeline.leading import Term
from pipeline.markets import Market
from pipeline.plans import CHAIN, jitter, newest_slot
from pipeline.runner import Job, ordered
from pipeline.runrows import rows_of
from pipeline.tending import Watch
from pipeline.timetable import Due, Timetable, ahead
from pipeline.warehouse import Session, Warehouse

LATE = timedelta(minutes=5)
SPREAD = timedelta(seconds=30)
BY = "scheduler"


class Dispatcher:
    """What one leading scheduler does at each look. Times are aware UTC."""

    def __init__(
        self,
        warehouse: Warehouse,
        jobs: Mapping[str, Job],
        markets: dict[str, Market],
        timetable: Timetable,
        watch: Watch,
        term: Term,
    ) -> None:
        self._warehouse, self._jobs, self._markets = warehouse, jobs, markets
        self._timetable, self._watch, self._term = timetable, watch, term
        self._plans = timetable.plans
        self._version: tuple[Any, ...] = ()
        self._rows: list[dict[str, Any]] = []
        self._looked_at: datetime = term.row["started_at"]
        # A walk that a predecessor left unfinished is finished: what has run for its slot is not run again.
        self._slot = newest_slot(self._plans[CHAIN], self._looked_at) or self._looked_at
        self._steps = self._chain()
        self._walked: set[str] = set()
        self._guest = False
        """Whether a run that somebody else asked for has had its turn in the chain's lane since the last walk."""
        self._begun, self._unsaved = False, True

    def dispatch(self, now: datetime) -> None:
        """Look after the runs under way, then start what is due. Raises what the warehouse raises; may be repeated."""
        self._watch.enforce()
        if not self._begun:
            # What the predecessor planned lies in the past; the first walk would raise alarms over it.
            self._save(now)
            self._begun = True
        self._watch.adopt(self._open())
        self._watch.look(self._open(), now)
        self._take_slots(now)
        self._start(now)
        while self._steps and not self._watch.busy(CHAIN):
            self._step(now)
            self._guest = self._guest and bool(self._steps)
            self._start(now)
        if self._unsaved and not self._steps:
            self._save(now)
        self._looked_at = now

    def _open(self) -> list[dict[str, Any]]:
        """Queued and running rows, read again only when somebody wrote."""
        version = self._warehouse.version()
        if version != self._version:
            self._rows = rows_of(self._warehouse.ask("open_runs"))
            self._version = version
        return self._rows

    def _start(self, now: datetime) -> None:
        """Start what waits in the queue: the steps of the walk, then by age, but one guest of the chain a walk."""
        for row in sorted(self._open(), key=lambda row: row["run_id"] not in self._walked):
            guest = self._chained(row["job"]) and row["requested_by"] != BY and row["run_id"] not in self._walked
            if row["state"] != "queued" or row["run_id"] in self._watch.runs or (guest and self._guest and self._steps):
                continue
            if self._watch.startable(row, now):
                self._watch.start(row)
                self._guest = self._guest or guest

    def _chain(self) -> list[str]:
        return [job.name for job in ordered(dict(self._jobs), self._jobs) if self._chained(job.name)]

    def _chained(self, name: str) -> bool:
        return name in self._plans and self._plans[name].chained

    def _take_slots(self, now: datetime) -> None:
        late = 0
        for name, plan in self._plans.items():
            idle = name != CHAIN or not (self._steps or self._watch.busy(CHAIN))
            due = self._timetable.due(name, now) if idle and not plan.chained else None
            if due is None:
                continue
            if name == CHAIN:
                self._slot, self._steps, self._walked = due.slot, self._chain(), set()
                self._timetable.take(CHAIN, due.slot)
            else:
                late += self._take(name, due, now, late)
            self._save(now)

    def _take(self, name: str, due: Due, now: datetime, before: int) -> bool:
        """Request the run of a slot, or write down that it was missed; returns whether it was late."""
        plan, slot = self._plans[name], due.slot
        late = now - slot - jitter(plan, slot) > LATE
        count = len(due.older) + late
        more = f" and {count - 1} before it" if count > 1 else ""
        last = slot if late or not due.older else due.older[-1]
        missed = f"missed {last:%d %b %H:%M}Z{more}; {self._why(last, now)}" if count else ""
        if missed and plan.missed == "skip":
            run_id = runs.missed(self._warehouse, name, by=BY, slot_at=last, reason=missed, now=now)
        if not late or plan.missed == "run":
            # After a long absence everything is due at once; one is started at a time.
            due_at = now + before * SPREAD if late and before else None
            reason = f"planned for {slot:%H:%M}Z" if not late else ""
            reason = "; ".join(part for part in (reason, missed if plan.missed == "run" else "") if part)
            run_id = self._request(name, slot, reason, now, due_at)
        self._timetable.take(name, slot, run_id)
        return late

    def _why(self, slot: datetime, now: datetime) -> str:
        absence = self._term.absence(slot)
        if absence:
            return absence
        if self._looked_at < slot and now - self._looked_at > LATE:
            return f"the clock went from {self._looked_at:%d %b %H:%M}Z to {now:%d %b %H:%M}Z"
        return "the scheduler could not take it"

    def _step(self, now: datetime) -> None:
        """Request the next job of the chain that has work, if any is left."""
        with self._warehouse.read() as session:
            while self._steps and not self._has_work(session, self._steps[0], now):
                self._steps.pop(0)
        if not self._steps:
            return
        name = self._steps[0]
        run_id = self._request(name, self._slot, f"planned for {self._slot:%H:%M}Z", now)
        self._steps.pop(0)
        self._walked.add(run_id)
        self._timetable.take(name, self._slot, run_id)
        self._unsaved = True

    def _has_work(self, session: Session, name: str, now: datetime) -> bool:
        """Whether a job of the chain has its turn, if it has a rhythm of its own, and finds something to do."""
        turn = self._plans[name].every is None or self._timetable.due(name, now) is not None
        return turn and self._jobs[name].ready(session, self._markets, now)

    def _request(self, name: str, slot: datetime, reason: str, now: datetime, due_at: datetime | None = None) -> str:
        asked: dict[str, Any] = {"by": BY, "reason": reason, "args": {}, "now": now, "due_at": due_at}
        run_id = runs.request(self._warehouse, name, slot_at=slot, **asked)
        found = rows_of(self._warehouse.ask("run_by_id", run_id=run_id))
        plan = self._plans[name]
        far = now + ahead(self._plans[CHAIN] if plan.chained and plan.every is None else plan)
        if found and found[0]["state"] not in ("queued", "running") and found[0]["queued_at"] > far:
            # That slot was taken under a clock that was ahead; the time comes again and has work of its own.
            run_id = runs.request(self._warehouse, name, **asked)
        return run_id

    def _save(self, now: datetime) -> None:
        with self._warehouse.write() as session:
            self._timetable.save(session, now)
            self._term.beat(session, now)
        self._unsaved = False
