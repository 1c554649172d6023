"""Facts about a run <-> a row of `job_runs`, as a dict and as the frame the table takes."""

import json
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd

TIMES = ("queued_at", "started_at", "heartbeat_at", "ended_at", "slot_at", "due_at", "cancel_asked_at")
COUNTS = ("pid", "rows_in", "rows_out", "attempt")
MEASURES = ("born", "cpu_s", "peak_mb")


def new_run(
    job: str,
    *,
    by: str,
    reason: str,
    args: Mapping[str, Any],
    now: datetime,
    slot_at: datetime | None = None,
    due_at: datetime | None = None,
) -> dict[str, Any]:
    """A queued row of `job_runs`."""
    row: dict[str, Any] = dict.fromkeys((*TIMES, *COUNTS, *MEASURES))
    return row | {
        "run_id": uuid.uuid4().hex[:12],
        "job": job,
        "state": "queued",
        "requested_by": by,
        "reason": reason,
        "args": json.dumps(dict(args), sort_keys=True),
        "queued_at": now,
        "error": None,
        "log": "",
        "slot_at": slot_at,
        "due_at": due_at,
        "attempt": 1,
        "first_run_id": None,
        "failure": None,
        "cancel_by": None,
        "cancel_reason": None,
    }


def begun(*, pid: int, born: float, now: datetime) -> dict[str, Any]:
    """What changes in the row of a run that starts."""
    return {"state": "running", "started_at": now, "heartbeat_at": now, "pid": pid, "born": born}


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of `job_runs` as dicts: aware datetimes, whole numbers, None for what is not there."""
    rows: list[dict[str, Any]] = []
    for one in frame.to_dict("records"):
        row: dict[str, Any] = {str(name): None if pd.isna(value) else value for name, value in one.items()}
        row |= {name: row[name].to_pydatetime() for name in TIMES if row[name] is not None}
        rows.append(row | {name: int(row[name]) for name in COUNTS if row[name] is not None})
    return rows


def run_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows as the table takes them: times in UTC, counts that may be missing."""
    frame = pd.DataFrame(rows)
    for name in TIMES:
        frame[name] = pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]")
    for name in COUNTS:
        frame[name] = frame[name].astype("Int64")
    for name in MEASURES:
        frame[name] = frame[name].astype("float64")
    return frame
