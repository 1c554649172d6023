"""Issues, terms and runs -> the hours for which nothing was issued in time, each with its reason."""

from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from pipeline.warehouse import Session

HOUR = timedelta(hours=1)
MOST_OF_AN_HOUR_MIN = 30
NOT_DUE = "not due"
"""How the reason of an hour begins that nothing was to be issued for; queries count only the others as missed."""


def current_origin(now: datetime) -> datetime:
    """The origin (aware UTC) whose issue is in time at `now`: the hour that ended last."""
    return now.replace(minute=0, second=0, microsecond=0) - HOUR


def newest_due(now: datetime, every: timedelta) -> datetime:
    """The newest origin (aware UTC) in time at `now` or before it whose hour of the UTC day `every` divides."""
    origin = current_origin(now)
    return origin - timedelta(hours=origin.hour % (every // HOUR))


def missed(session: Session, target: str, *, due: datetime, now: datetime, every: timedelta = HOUR) -> pd.DataFrame:
    """Columns target, origin, reason: hours of a target before `due`, since its first live issue, that have none.

    Those noted already are left out, unless by a clock ahead of `now`; an hour that is replayed later stays noted.
    Hours that were not due, or of which features were made for others only, are noted as such, so that neither the
    next change of `every` nor a target's return leaves a hole unexplained or counts as an outage.
    """
    origins = session.ask("unissued_origins", target=target, due=due, now=now)
    if origins.empty:
        return pd.DataFrame({"target": [], "origin": [], "reason": []})
    found = session.ask("missed_reasons", batch=origins, target=target, now=now)
    hours = every // HOUR
    reasons = [
        f"{NOT_DUE}: issued every {hours} hours" if row["origin"].hour % hours else _reason(row)
        for row in found.to_dict("records")
    ]
    return pd.DataFrame({"target": target, "origin": found["origin"], "reason": reasons})


def _reason(row: dict[Any, Any]) -> str:
    if row["left_out"]:
        return f"{NOT_DUE}: the target or its market was switched off"
    if row["gap_min"] >= MOST_OF_AN_HOUR_MIN:
        return f"no scheduler from {row['gap_from']:%d %b %H:%M}Z to {row['gap_to']:%d %b %H:%M}Z"
    if isinstance(row["failed_job"], str):
        return f"{row['failed_job']} failed: {row['error']}"
    if row["n_runs"]:
        return "no run in time"
    return "no job ran in that hour; the clock was set forward or the machine slept"
