"""Actuals of a target and of its parts -> since when their sum is off the whole, and by how much."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from pipeline.markets import Target
from pipeline.warehouse import Session

LOOK_BACK = timedelta(hours=48)
"""How far back a stretch is followed."""
USUAL_LAG = timedelta(hours=4)
"""By how much one series may come later than another without being called silent."""
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Stretch:
    """Unbroken hours in which the sum of the parts was off the total.

    `first` is the first of them and `last` the newest (both aware UTC, start of the hour), `hours` how many of those
    in between are known of all; `total` and `parts` (in the target's unit) and `percent` (of the total) are of `last`.
    `silent` are those targets of which nothing came since, where that is why nothing newer can be compared.
    """

    first: datetime
    last: datetime
    hours: int
    total: float
    parts: float
    percent: float
    silent: tuple[str, ...] = ()


def off(session: Session, target: Target, *, now: datetime, limit_pct: float) -> Stretch | None:
    """The stretch that lasts: hours whose parts differ from the total by over `limit_pct` per cent of it.

    Only hours count of which the total, unless it is 0, and all parts are measured, those of the last LOOK_BACK or,
    where a part is silent for longer, of as long before the last hour that all had: silence is no sum that adds up.
    None where the newest of these is within the limit, where there is none, or where the target has no parts.
    """
    if not target.parts:
        return None
    known = _comparable(session, target, now)
    if known.empty and (until := _last_common(session, target, now)) is not None:
        known = _comparable(session, target, until)
    wrong = known["percent"].abs() > limit_pct
    lasting = known[wrong[::-1].cummin()[::-1]]
    if lasting.empty:
        return None
    first, last = (lasting["valid_at"].iloc[place].to_pydatetime() for place in (0, -1))
    total, parts, percent = (float(lasting[name].iloc[-1]) for name in ("total", "parts", "percent"))
    silent = _silent(session, target, since=last + HOUR, now=now)
    return Stretch(first, last, len(lasting), total, parts, percent, silent)


def _hours(session: Session, target: Target, since: datetime, until: datetime) -> pd.DataFrame:
    return session.ask("page_hierarchy_actuals", total=target.id, parts=list(target.parts), since=since, until=until)


def _comparable(session: Session, target: Target, until: datetime) -> pd.DataFrame:
    rows = _hours(session, target, until - LOOK_BACK, until)
    return rows[rows["percent"].notna()]


def _last_common(session: Session, target: Target, now: datetime) -> datetime | None:
    """The end of the newest hour up to which the total and each part have any; None where one never had any."""
    names = (target.id, *target.parts)
    newest = [session.ask("newest_actual", target=name, now=now).newest.iloc[0] for name in names]
    return None if any(map(pd.isna, newest)) else min(newest).to_pydatetime() + HOUR


def _silent(session: Session, target: Target, *, since: datetime, now: datetime) -> tuple[str, ...]:
    """Of the total and its parts those without any hour from `since` on, once others have USUAL_LAG of these."""
    later = _hours(session, target, since, now)
    if len(later) * HOUR < USUAL_LAG:
        return ()
    parts = set(target.parts).intersection(*later["missing"])
    return tuple(
        name
        for name in (target.id, *target.parts)
        if name in parts or (name == target.id and not later["total_known"].any())
    )
