"""Actuals of a target and of its parts -> since when their sum is off the whole, and by how much."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.markets import Target
from pipeline.warehouse import Session

LOOK_BACK = timedelta(hours=48)
"""How far back a stretch is followed."""


@dataclass(frozen=True)
class Stretch:
    """Unbroken hours in which the sum of the parts was off the total.

    `first` is the first of them and `last` the newest (both aware UTC, start of the hour), `hours` how many of those
    in between are known of all; `total` and `parts` (in the target's unit) and `percent` (of the total) are of `last`.
    """

    first: datetime
    last: datetime
    hours: int
    total: float
    parts: float
    percent: float


def off(session: Session, target: Target, *, now: datetime, limit_pct: float) -> Stretch | None:
    """The stretch that lasts: hours whose parts differ from the total by over `limit_pct` per cent of it.

    Only hours of the last LOOK_BACK count of which the total and all parts are measured; None where the newest of
    these is within the limit, where there is none, or where the target has no parts.
    """
    if not target.parts:
        return None
    rows = session.ask(
        "page_hierarchy_actuals", total=target.id, parts=list(target.parts), since=now - LOOK_BACK, until=now
    )
    known = rows[rows["percent"].notna()]
    wrong = known["percent"].abs() > limit_pct
    lasting = known[wrong[::-1].cummin()[::-1]]
    if lasting.empty:
        return None
    first, last = (lasting["valid_at"].iloc[place].to_pydatetime() for place in (0, -1))
    total, parts, percent = (float(lasting[name].iloc[-1]) for name in ("total", "parts", "percent"))
    return Stretch(first, last, len(lasting), total, parts, percent)
