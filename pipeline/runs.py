"""Requests and facts about runs -> rows of `job_runs`; the queue is its rows in state queued."""

import json
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd

from pipeline.warehouse import Session, Warehouse


def new_run(job: str, *, by: str, reason: str, args: dict[str, Any], now: datetime) -> dict[str, Any]:
    """A queued row of `job_runs`."""
    return {
        "run_id": uuid.uuid4().hex[:12],
        "job": job,
        "state": "queued",
        "requested_by": by,
        "reason": reason,
        "args": json.dumps(args, sort_keys=True),
        "queued_at": now,
        "started_at": None,
        "heartbeat_at": None,
        "ended_at": None,
        "pid": None,
        "rows_in": None,
        "rows_out": None,
        "error": None,
        "log": "",
        "slot_at": None,
        "due_at": None,
        "attempt": 1,
        "first_run_id": None,
        "failure": None,
        "born": None,
        "cpu_s": None,
        "peak_mb": None,
        "cancel_asked_at": None,
        "cancel_by": None,
        "cancel_reason": None,
    }


def request(warehouse: Warehouse, job: str, *, by: str, reason: str, args: dict[str, Any], now: datetime) -> str:
    """Queue `job` for the scheduler and return the run id; a queued twin for the same target is not doubled."""
    with warehouse.write() as session:
        waiting = session.ask("open_runs")
        queued = waiting[(waiting.job == job) & (waiting.state == "queued")]
        for twin in queued.itertuples():
            if _about(json.loads(str(twin.args))) == _about(args):
                return str(twin.run_id)
        row = new_run(job, by=by, reason=reason, args=args, now=now)
        session.append("job_runs", run_frame([row]))
    return str(row["run_id"])


def _about(args: Mapping[str, Any]) -> dict[str, Any]:
    """What a run is asked for, whoever asks."""
    return {name: value for name, value in args.items() if name != "actor"}


def run_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows as the table takes them: times in UTC, counts that may be missing."""
    frame = pd.DataFrame(rows)
    for name in ("queued_at", "started_at", "heartbeat_at", "ended_at", "slot_at", "due_at", "cancel_asked_at"):
        frame[name] = pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]")
    for name in ("pid", "rows_in", "rows_out", "attempt"):
        frame[name] = frame[name].astype("Int64")
    for name in ("born", "cpu_s", "peak_mb"):
        frame[name] = frame[name].astype("float64")
    return frame


def bury(session: Session, job: str, now: datetime) -> int:
    """Mark the running rows of `job` failed. The caller holds the job's lock, so whoever claims to run it is dead."""
    frame = session.ask("open_runs")
    dead = frame[(frame["state"] == "running") & (frame["job"] == job)]
    return session.upsert("job_runs", _buried(dead, now)) if len(dead) else 0


def _buried(dead: pd.DataFrame, now: datetime) -> pd.DataFrame:
    rows = [{str(key): value for key, value in row.items()} for row in dead.to_dict("records")]
    for row in rows:
        row |= {
            "state": "failed",
            "ended_at": now,
            "error": f"interrupted: process {row['pid']:.0f} ended without a word",
        }
    return run_frame(rows)
