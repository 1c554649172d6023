"""actuals -> targets whose parts do not add up to them: a meter, a mapping or a boundary is wrong."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from pipeline import hierarchy
from pipeline.rules.base import Bad, Rule, View

HOUR = timedelta(hours=1)


def parts_off(view: View, percent: float) -> Iterator[Bad]:
    """Targets whose measured total differs from the sum of its parts by over `percent`, since when it began.

    While one of them is silent an open alert stays open, and the hours of silence are none in which the sum was off.
    """
    whole = [target for market in view.markets.values() for target in market.targets if target.parts]
    for target in whole:
        with view.warehouse.read() as session:
            found = hierarchy.off(session, target, now=view.now, limit_pct=percent)
        if found is None:
            continue
        unit = target.series.unit
        message = (
            f"{target.id}: its {len(target.parts)} parts add up to {found.parts:,.1f} {unit} in the hour from "
            f"{found.last:%d %b %H:%M} UTC, its own total is {found.total:,.1f} {unit} ({found.percent:+.1f} %), and "
            f"so for {found.hours} hours. Look on the Data page which series moved, and whether one is mapped wrongly."
        )
        since = found.first + HOUR
        if found.silent:
            message += f" Nothing newer can be compared: {', '.join(found.silent)} sent no hour since."
            since += view.now - (found.last + HOUR)
        evidence: dict[str, Any] = {"total": found.total, "parts": found.parts, "percent": round(found.percent, 2)}
        evidence |= {"hours": found.hours, "silent": list(found.silent)}
        yield Bad(target.id, message, since, evidence)


RULES = (
    Rule("parts_off", "Parts do not add up", "warning", parts_off, limit=10, unit="% off the total",
         after=timedelta(hours=6), escalate=None, good="its parts add up to it again", clear=0.8),
)  # fmt: skip
