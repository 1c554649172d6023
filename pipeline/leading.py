"""A warehouse -> one scheduler that leads it, and its terms as rows: who led, from when to when, how it ended."""

import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from pipeline import processes
from pipeline.errors import JobRunning
from pipeline.warehouse import SCHEDULER, Session, Warehouse

WAIT_S = 1.0
SILENT = "ended without a word"


@contextmanager
def leadership(
    warehouse: Warehouse, *, wait: bool, until: Callable[[], bool], say: Callable[[str], None]
) -> Iterator[bool]:
    """Hold the right to schedule; while another process has it, wait for its end. Yields False if `until()` came first.

    The kernel frees the right when its holder dies. Raises JobRunning at once when not to `wait`.
    """
    told = False
    while not until():
        lock = warehouse.job_lock(SCHEDULER)
        try:
            lock.__enter__()
        except JobRunning:
            if not wait:
                raise
            if not told:
                say("another scheduler leads; this one waits to take over")
            told = True
            time.sleep(WAIT_S)
            continue
        try:
            yield True
        finally:
            lock.__exit__(None, None, None)
        return
    yield False


@dataclass
class Term:
    """The time one scheduler leads; `row` is its row of `scheduler_terms`, `before` that of the term before, if any."""

    warehouse: Warehouse
    row: dict[str, Any]
    before: dict[str, Any] | None

    @classmethod
    def begin(cls, warehouse: Warehouse, now: datetime) -> "Term":
        """Open a term, and close those whose scheduler died at their last sign of life. The caller leads already."""
        row = {
            "term_id": uuid.uuid4().hex[:12],
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "born": processes.born(),
            "started_at": now,
            "heartbeat_at": now,
            "ended_at": None,
            "reason": None,
        }
        with warehouse.write() as session:
            dead = _records(session.ask("open_terms"))
            closed = [one | {"ended_at": one["heartbeat_at"], "reason": SILENT} for one in dead]
            session.upsert("scheduler_terms", _frame([*closed, row]))
            before = _records(session.ask("term_before"))
        return cls(warehouse, row, before[0] if before else None)

    def beat(self, session: Session, now: datetime) -> None:
        """A sign of life."""
        self.row |= {"heartbeat_at": now}
        session.upsert("scheduler_terms", _frame([self.row]))

    def end(self, now: datetime, reason: str) -> None:
        """Close the term."""
        with self.warehouse.write() as session:
            self.row |= {"ended_at": now, "reason": reason}
            self.beat(session, now)

    def absence(self, slot: datetime) -> str:
        """When nobody led, in words, if that was at `slot`; else empty."""
        if self.before is None or not self.before["ended_at"] <= slot <= self.row["started_at"]:
            return ""
        return f"no scheduler from {self.before['ended_at']:%d %b %H:%M}Z to {self.row['started_at']:%d %b %H:%M}Z"


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {str(name): None if pd.isna(value) else value for name, value in row.items()}
        for row in frame.to_dict("records")
    ]


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    for name in ("started_at", "heartbeat_at", "ended_at"):
        frame[name] = pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]")
    return frame
