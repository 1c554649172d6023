"""Plans + table `schedule` -> which slots are due and which were missed, remembered from one scheduler to the next."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from pipeline.plans import CHAIN, Plan, jitter, newest_slot, next_slot, slots
from pipeline.warehouse import Session

AHEAD = timedelta(hours=1)
"""A slot further ahead of now than this was taken under a clock that was wrong, whatever the plan."""


@dataclass
class Entry:
    """The slot of a job that was taken last, and the run that stands for it."""

    last_slot_at: datetime | None = None
    last_run_id: str | None = None


@dataclass(frozen=True)
class Due:
    """The newest slot that was not taken yet, and the older ones that were not either, ascending."""

    slot: datetime
    older: tuple[datetime, ...] = ()


class Timetable:
    """The memory of the schedule. Times are aware UTC."""

    def __init__(self, plans: Mapping[str, Plan], rows: pd.DataFrame) -> None:
        """`rows` is query `timetable`; jobs without a plan are forgotten."""
        self.plans = {name: plan for name, plan in plans.items() if not plan.on_demand}
        known = {str(row["job"]): row for row in rows.to_dict("records")}
        self.entries = {name: _entry(known.get(name)) for name in self.plans}

    def due(self, name: str, now: datetime) -> Due | None:
        """What is due of a job; None when nothing is.

        A job that is seen for the first time, or was last seen under a clock that was far ahead, is due at its next
        slot; the chain at once.
        """
        plan, entry = self.plans[name], self.entries[name]
        last = entry.last_slot_at
        if last is None or last > now + ahead(plan):
            entry.last_slot_at = newest_slot(plan, now)
            return Due(entry.last_slot_at) if name == CHAIN and entry.last_slot_at else None
        found = slots(plan, last, now)
        if found and found[-1] + jitter(plan, found[-1]) > now:
            found.pop()
        return Due(found[-1], tuple(found[:-1])) if found else None

    def take(self, name: str, slot: datetime, run_id: str | None = None) -> None:
        """Remember that a slot was dealt with, by which run."""
        entry = self.entries[name]
        entry.last_slot_at = slot
        entry.last_run_id = run_id or entry.last_run_id

    def save(self, session: Session, now: datetime) -> None:
        """Write the table `schedule`; a job with no slots of its own goes by those of the chain."""
        rows: list[dict[str, Any]] = []
        for name, plan in self.plans.items():
            entry, own = self.entries[name], plan if plan.every or plan.at else self.plans[CHAIN]
            following = next_slot(own, now)
            rows.append(
                {
                    "job": name,
                    "cadence": plan.cadence,
                    "zone": plan.zone,
                    "missed": plan.missed,
                    "last_slot_at": entry.last_slot_at,
                    "last_run_id": entry.last_run_id,
                    "next_at": None if following is None else following + jitter(own, following),
                    "updated_at": now,
                }
            )
        stored = session.ask("timetable")
        session.remove("schedule", stored[["job"]])
        session.append("schedule", _frame(rows))


def ahead(plan: Plan) -> timedelta:
    """A slot further ahead of now than this was taken under a clock that was wrong.

    On a grid that is one slot: a chain that waited for a clock that was set back by an hour would miss an issue.
    """
    return min(AHEAD, plan.every or AHEAD)


def _entry(row: Mapping[Any, Any] | None) -> Entry:
    if row is None:
        return Entry()
    last, run_id = row["last_slot_at"], row["last_run_id"]
    return Entry(None if pd.isna(last) else last.to_pydatetime(), None if pd.isna(run_id) else run_id)


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    for name in ("last_slot_at", "next_at", "updated_at"):
        frame[name] = pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]")
    return frame
