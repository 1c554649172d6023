"""Session + market -> one row a series and local day: what should be there, what is, and what looks wrong."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from pipeline.freshness import DAY_GRACE, GRACE, due_slot
from pipeline.markets import Event, Market, Series
from pipeline.warehouse import Session

PAST = timedelta(weeks=8)
"""How much before a day's week says how far a value of an hour usually lies from its neighbours."""
LEAST_DAYS = 21
"""Fewer days of that say nothing; jumps are then not judged."""
MARGIN = timedelta(minutes=10)
"""Clocks may step back by this much without a day being forgotten."""
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
NEVER_MIN = 1e9


def days(session: Session, market: Market, series: Series, now: datetime) -> pd.DataFrame:
    """Rows of table `quality` but for `checked_at` and `run_id`, for each local day whose facts may have changed
    since the last check; at the first check every day since the series begins.
    """
    last = session.ask("quality_checked", series=[series.id], now=now).iloc[0]
    first = pd.isna(last.checked_at)
    touched = session.ask(
        "touched_days",
        series=series.id,
        zone=market.zone,
        since=BEGINNING if first else last.checked_at.to_pydatetime() - MARGIN,
        # The day before was last looked at when its last values were not due yet.
        recent=BEGINNING if first else last.day_start.to_pydatetime() - timedelta(days=1),
        now=now,
    )
    return examine(session, market, series, touched, now)


def examine(session: Session, market: Market, series: Series, batch: pd.DataFrame, now: datetime) -> pd.DataFrame:
    """Judge the days of `batch` (day_start, day_end, week_start; UTC) as they look at `now`."""
    measured = series.kind == "measured"
    found = session.ask(
        "quality_days",
        batch=batch,
        series=series.id,
        zone=market.zone,
        cadence=series.cadence,
        due_before=due_slot(series, market.zone, now - (GRACE if measured else DAY_GRACE)) + series.cadence,
        past=PAST,
        least=LEAST_DAYS * max(1, timedelta(hours=1) // series.cadence),
        judged=measured,
        jump=series.jump,
        resting=series.minimum <= 0,
        flat_min=NEVER_MIN if series.flat is None else series.flat / timedelta(minutes=1),
        **_bounds(market.events),
    )
    return found.assign(series=series.id)


def work(session: Session, markets: dict[str, Market], now: datetime, *, every: timedelta) -> bool:
    """Whether a source was asked, or a day began, since the last check, which is `every` ago at least."""
    names = [series.id for market in markets.values() for series in market.series]
    rows = session.ask("quality_checked", series=names, now=now)
    return any(_waits(row, now, every) for row in rows.itertuples())


def _waits(row: Any, now: datetime, every: timedelta) -> bool:
    if pd.isna(row.asked_at):
        return False
    if pd.isna(row.checked_at):
        return True
    new = row.asked_at >= row.checked_at or now - row.day_start >= timedelta(days=1)
    return bool(new) and now - row.checked_at >= every


def gaps(session: Session, market: Market, now: datetime, *, span: timedelta = timedelta(days=7)) -> pd.DataFrame:
    """Runs of missing values of the last `span`, before each series' newest value, outside declared events.

    Columns series, start_at, end_at (half-open, UTC), slots, tries (answers that did not fill it), asked_at,
    outcome and message of the last answer (None when it was never asked for). What is missing at the end is
    staleness, not a gap.
    """
    names = tuple(series.id for series in market.series)
    reach = session.ask("gap_reach", series=names).set_index("series")
    # All series in one question: a market may have dozens.
    windows = [_window(series, reach, now, span) for series in market.series]
    return session.ask(
        "gaps_of_series", series=names, starts=tuple(first for first, _ in windows),
        ends=tuple(last for _, last in windows), cadences=tuple(one.cadence for one in market.series),
        **_bounds(market.events),
    )  # fmt: skip


def silent(session: Session, market: Market) -> tuple[Series, ...]:
    """The series that have no value at all: `gaps` does not judge them."""
    reach = session.ask("gap_reach", series=tuple(series.id for series in market.series))
    return tuple(series for series in market.series if series.id not in set(reach["series"]))


def _window(series: Series, reach: pd.DataFrame, now: datetime, span: timedelta) -> tuple[datetime, datetime]:
    """From where to where slots of a series can be missing."""
    if series.id not in reach.index:
        return now, now
    oldest, newest = (reach[name][series.id].to_pydatetime() for name in ("oldest", "newest"))
    since = pd.Timestamp(now - span).ceil(series.cadence).to_pydatetime()
    return max(oldest, since), min(newest, pd.Timestamp(now).floor(series.cadence).to_pydatetime())


def _bounds(events: tuple[Event, ...]) -> dict[str, Any]:
    return {"firsts": tuple(one.first for one in events), "lasts": tuple(one.last for one in events)}
