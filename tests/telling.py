"""A desk with alerts to tell, and the rows that show how that went."""

import json
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from pipeline.channels.base import Notice
from tests.conftest import NOW, Desk, ask

RULE = "job_failed"


def fire(desk: Desk, alert_id: str, *, severity: str = "warning", at: datetime | None = None, **words: str) -> None:
    """A subject of RULE turned bad."""
    _flip(desk, alert_id, "firing", severity, at or desk.now, words)


def resolve(desk: Desk, alert_id: str, *, severity: str = "warning", at: datetime | None = None, **words: str) -> None:
    """It is good again."""
    _flip(desk, alert_id, "resolved", severity, at or desk.now, {"message": "the next run went well.", **words})


def _flip(desk: Desk, alert_id: str, state: str, severity: str, at: datetime, words: dict[str, str]) -> None:
    row = {
        "flip_id": alert_id if state == "firing" else f"{alert_id}-r",
        "alert_id": alert_id,
        "rule": RULE,
        "subject": f"subject of {alert_id}",
        "state": state,
        "severity": severity,
        "message": f"{alert_id} failed three times; see its log.",
        "evidence": json.dumps({}),
        "since": pd.Timestamp(at - timedelta(minutes=2)),
        "flipped_at": pd.Timestamp(at),
        "run_id": "alert0000001",
    }
    with desk.warehouse.write() as session:
        session.append("alert_flips", pd.DataFrame([row | words]))


def attempts(desk: Desk, channel: str) -> list[tuple[Any, ...]]:
    """(alert, kind, attempt, state) of every attempt on `channel`, oldest first."""
    rows = ask(desk, "SELECT * FROM notifications ORDER BY started_at, alert_id, attempt")
    rows = rows[rows.channel == channel]
    return list(rows[["alert_id", "kind", "attempt", "state"]].itertuples(index=False, name=None))


def ready(desk: Desk) -> bool:
    """Whether the scheduler would start notify now."""
    with desk.warehouse.read() as session:
        return desk.jobs["notify"].ready(session, desk.markets, desk.now)


def notice(**other: Any) -> Notice:
    """A notice as notifying makes it."""
    made = {
        "key": "a1-fired", "kind": "fired", "alert_id": "a1", "rule": RULE, "title": "Job failed", "subject": "train",
        "severity": "critical", "message": "train failed: no space left; free some and run it again.",
        "since": NOW - timedelta(minutes=5), "at": NOW, "resolved_at": None, "runbook": f"RUNBOOK.md#{RULE}",
        "link": "https://sextant.example.org/alerts",
    }  # fmt: skip
    return Notice(**made | other)
