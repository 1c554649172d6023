"""Requests and facts about runs -> rows of `job_runs`; the queue is its rows in state queued."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pipeline import processes
from pipeline.errors import JobRunning, Throttled, UnknownJob
from pipeline.failures import Retried, again_at, tries_of
from pipeline.runrows import begun, new_run, run_frame
from pipeline.runrows import rows_of as rows_of  # who asks for runs wants them as rows
from pipeline.warehouse import Session, Warehouse

WEEK = timedelta(days=7)
USUAL_OF, USUAL_LEAST = 30, 3
Plans = Callable[[str], Retried | None]
"""The name of a job -> its plan, or None for a job nobody knows any more; a run without a plan is not tried again."""


@dataclass(frozen=True)
class Usual:
    """The median duration in seconds of the last `n` runs of a job that went well."""

    median_s: float
    n: int


@dataclass(frozen=True)
class Record:
    """How many runs of a job ended how; `missed` ones were planned and not made."""

    good: int
    failed: int
    cancelled: int
    missed: int

    @property
    def rate(self) -> float | None:
        """The share that went well (succeeded, or had nothing to do) of those that ended by themselves, 0 to 1."""
        ended = self.good + self.failed
        return self.good / ended if ended else None


def usual(session: Session, job: str) -> Usual | None:
    """How long `job` takes, by its last 30 runs that succeeded; None while there are fewer than three."""
    row = session.ask("run_durations", job=job, n=USUAL_OF).iloc[0]
    return Usual(float(row.median_s), int(row.n)) if row.n >= USUAL_LEAST else None


def record(session: Session, job: str, *, now: datetime) -> Record:
    """How the runs of `job` went that were asked for in the last seven days."""
    row = session.ask("run_record", job=job, since=now - WEEK).iloc[0]
    return Record(int(row.good), int(row.failed), int(row.cancelled), int(row.missed))


def request(
    warehouse: Warehouse,
    job: str,
    *,
    by: str,
    reason: str,
    args: Mapping[str, Any],
    now: datetime,
    slot_at: datetime | None = None,
    due_at: datetime | None = None,
) -> str:
    """Queue `job` for the scheduler and return the run id; what is queued or runs for the same target is not doubled.

    With `slot_at` (the planned moment the run stands for) it also returns whatever run of the job already stands
    for that slot, in whichever state. `due_at` is the moment before which it may not start. A request without a
    slot brings a twin that waits for its next try forward: whoever asks means now.
    """
    with warehouse.write() as session:
        if slot_at is not None:
            standing = session.ask("run_of_slot", job=job, slot_at=slot_at)
            if len(standing):
                return str(standing["run_id"].iloc[0])
        twin = _twin(session, job, args)
        if twin is None:
            twin = new_run(job, by=by, reason=reason, args=args, now=now, slot_at=slot_at, due_at=due_at)
            session.append("job_runs", run_frame([twin]))
        elif slot_at is None and due_at is None and twin["state"] == "queued" and twin["due_at"] is not None:
            session.upsert("job_runs", run_frame([twin | {"due_at": None}]))
    return str(twin["run_id"])


def claim(session: Session, run_id: str, *, pid: int, born: float, now: datetime) -> dict[str, Any]:
    """Make a queued run a running one and return its row; inside one write, so that only one process can.

    `born` is `processes.born(pid)`. Raises UnknownJob when the run is unknown, no longer queued or not yet due.
    """
    row = run_row(session, run_id)
    if row is None:
        raise UnknownJob(f"no run is called {run_id}; the Jobs page lists them.")
    if row["state"] != "queued":
        raise UnknownJob(f"run {run_id} of {row['job']} is {row['state']}, no longer in the queue; ask for a new one.")
    if not due(row, now):
        raise UnknownJob(f"run {run_id} of {row['job']} is due at {row['due_at']:%Y-%m-%d %H:%M:%S}Z, not before.")
    row |= begun(pid=pid, born=born, now=now)
    session.upsert("job_runs", run_frame([row]))
    return row


def due(row: Mapping[str, Any], now: datetime) -> bool:
    """Whether a queued row may start. One that was queued later than `now` may: the clock was set back meanwhile."""
    return row["due_at"] is None or row["due_at"] <= now or row["queued_at"] > now


def note(session: Session, run_id: str, **changes: Any) -> bool:
    """Change columns of a run that is running, such as `heartbeat_at` and `log`; False when it runs no more."""
    row = run_row(session, run_id)
    if row is None or row["state"] != "running":
        return False
    session.upsert("job_runs", run_frame([row | changes]))
    return True


def cancel(warehouse: Warehouse, run_id: str, *, by: str, reason: str, now: datetime) -> str:
    """Ask for the end of a run and return its state now.

    A queued run is `cancelled` at once; a `running` one is marked (`cancel_asked_at`, `cancel_by`, `cancel_reason`) for
    the scheduler to end; one that is over stays as it is. Raises UnknownJob when there is no such run.
    """
    with warehouse.write() as session:
        row = run_row(session, run_id)
        if row is None:
            raise UnknownJob(f"no run is called {run_id}; the Jobs page lists them.")
        if row["state"] not in ("queued", "running") or row["cancel_asked_at"] is not None:
            return str(row["state"])
        row |= {"cancel_asked_at": now, "cancel_by": by, "cancel_reason": reason}
        if row["state"] == "queued":
            row |= {"state": "cancelled", "ended_at": now, "error": f"cancelled by {by}: {reason}"}
        session.upsert("job_runs", run_frame([row]))
    return str(row["state"])


def condemn(warehouse: Warehouse, run_id: str, *, failure: str, error: str) -> bool:
    """Say why a running run is about to be ended, such as failure "deadline", before its process is told to stop.

    Whoever closes the row then (the run itself, `close` or a sweep) keeps this verdict; a run that succeeds before it
    dies has succeeded. Returns False when it runs no more.
    """
    with warehouse.write() as session:
        return note(session, run_id, failure=failure, error=error)


def end(
    session: Session,
    run_id: str,
    ended: Mapping[str, Any],
    *,
    now: datetime,
    plan: Retried | None,
    error: BaseException | None = None,
) -> dict[str, Any]:
    """Close a running run with what `ended` says (state, error, failure, log ...) and queue its next try, if any.

    A failure after a cancel was asked makes the run `cancelled`; one after `condemn` keeps that verdict. Without a
    `plan` there is no further try. Returns the row as stored; a run that is closed already stays as it was.
    """
    row = run_row(session, run_id)
    if row is None:
        raise UnknownJob(f"no run is called {run_id}; it never began, or was deleted.")
    if row["state"] != "running":
        return row
    row |= {"failure": None, "error": None} | dict(ended) | _verdict(row, ended) | {"ended_at": now}
    rows = [row]
    if plan is not None and row["state"] == "failed" and row["cancel_asked_at"] is None:
        rows += _next_try(session, row, plan, now, error)
    session.upsert("job_runs", run_frame(rows))
    return row


def close(warehouse: Warehouse, run_id: str, *, now: datetime, plan: Retried | None) -> str:
    """Close a run whose process is known to be gone, as `end` does; returns its state, also when it was closed already.

    Raises UnknownJob when there is no such run.
    """
    with warehouse.write() as session:
        row = run_row(session, run_id)
        return str(end(session, run_id, _gone(row or {}), now=now, plan=plan)["state"])


def bury(session: Session, job: str, *, now: datetime, plan: Retried | None) -> int:
    """Close the running rows of `job`. The caller holds the job's lock, so whoever claims to run it is dead."""
    frame = session.ask("open_runs")
    dead = rows_of(frame[(frame["state"] == "running") & (frame["job"] == job)])
    for row in dead:
        end(session, row["run_id"], _gone(row), now=now, plan=plan)
    return len(dead)


def sweep(warehouse: Warehouse, *, now: datetime, plans: Plans = lambda _job: None) -> int:
    """Close the running rows whose job nobody runs; returns how many. Leaves runs that are alive alone.

    What a dead run left behind is ended first: a child it forked would hold the lock of the job for ever.
    """
    running = [row for row in rows_of(warehouse.ask("open_runs")) if row["state"] == "running"]
    for row in running:
        if row["born"] is not None and not processes.alive(row["pid"], row["born"]):
            processes.end_tree(row["pid"], row["born"], grace_s=0, run_id=row["run_id"])
    buried = 0
    for job in sorted({row["job"] for row in running}):
        if warehouse.runs(job):
            continue
        try:
            with warehouse.job_lock(job), warehouse.write() as session:
                buried += bury(session, job, now=now, plan=plans(job))
        except JobRunning:
            continue
    return buried


def missed(warehouse: Warehouse, job: str, *, by: str, slot_at: datetime, reason: str, now: datetime) -> str:
    """Write down a planned run that was not made, once a slot; returns the id of the run that stands for it."""
    with warehouse.write() as session:
        standing = session.ask("run_of_slot", job=job, slot_at=slot_at)
        if len(standing):
            return str(standing["run_id"].iloc[0])
        row = new_run(job, by=by, reason=reason, args={}, now=now, slot_at=slot_at)
        session.append("job_runs", run_frame([row | {"state": "missed", "ended_at": now}]))
    return str(row["run_id"])


def run_row(session: Session, run_id: str) -> dict[str, Any] | None:
    """The row of a run as `run_frame` takes it again, or None."""
    return next(iter(rows_of(session.ask("run_by_id", run_id=run_id))), None)


def _twin(session: Session, job: str, args: Mapping[str, Any], but: str = "") -> dict[str, Any] | None:
    """The open run of `job` for the same target, other than `but`."""
    frame = session.ask("open_runs")
    same = (row for row in rows_of(frame[frame["job"] == job]) if _about(json.loads(row["args"])) == _about(args))
    return next((row for row in same if row["run_id"] != but), None)


def _about(args: Mapping[str, Any]) -> dict[str, Any]:
    """What a run is asked for, whoever asks."""
    return {name: value for name, value in args.items() if name != "actor"}


def _gone(row: Mapping[str, Any]) -> dict[str, Any]:
    error = f"interrupted: process {row.get('pid')} ended without a word"
    return {"state": "failed", "failure": "interrupted", "error": error}


def _verdict(row: Mapping[str, Any], ended: Mapping[str, Any]) -> dict[str, Any]:
    """What a run that was told to stop died of, as said beforehand; its own last words are kept behind it."""
    if ended["state"] != "failed":
        return {}
    own = "" if ended["failure"] == "interrupted" else f" (its own last words: {ended['error']})"
    if row["cancel_asked_at"] is not None:
        words = f"cancelled by {row['cancel_by']}: {row['cancel_reason']}{own}"
        return {"state": "cancelled", "failure": None, "error": words}
    return {} if row["failure"] is None else {"failure": row["failure"], "error": f"{row['error']}{own}"}


def _next_try(
    session: Session, row: Mapping[str, Any], plan: Retried, now: datetime, error: BaseException | None
) -> list[dict[str, Any]]:
    args = json.loads(row["args"])
    after_s = error.retry_after_s if isinstance(error, Throttled) else None
    due_at = again_at(row["failure"], row["attempt"], plan, now=now, retry_after_s=after_s)
    if due_at is None or _twin(session, row["job"], args, but=row["run_id"]) is not None:
        return []
    number = row["attempt"] + 1
    words = f"try {number} of {tries_of(row['failure'], plan)} after {row['failure']}: {row['error']}"
    made = new_run(row["job"], by=row["requested_by"], reason=words[:500], args=args, now=now, due_at=due_at)
    return [made | {"attempt": number, "first_run_id": row["first_run_id"] or row["run_id"]}]
