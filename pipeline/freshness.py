"""Session + market -> how current each series is, in missed intervals, with the reason. (Being written by part B.)"""

from dataclasses import dataclass
from datetime import datetime

from pipeline.markets import Market
from pipeline.warehouse import Session


@dataclass(frozen=True)
class Freshness:
    """How current a series is; times aware UTC or None."""

    series: str
    newest: datetime | None
    due: datetime | None
    missed: int
    state: str
    since: datetime | None
    why: str
    source: str | None
    asked_at: datetime | None
    status_url: str


def look(session: Session, market: Market, now: datetime) -> list[Freshness]:
    """Being written."""
    return []
