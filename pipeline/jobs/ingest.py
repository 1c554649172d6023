"""sources -> raw, quarantine and fetches: what is new or revised, window by window."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from pipeline.discovery import discover
from pipeline.errors import AuthRefused, NotYetPublished, SourceError, Throttled
from pipeline.intake import sift
from pipeline.markets import Market, Series
from pipeline.planning import cut, merged, windows_of
from pipeline.runner import Context, Job, Outcome
from pipeline.sources.base import Source, Window
from pipeline.warehouse import Session

GAP_SCAN = timedelta(days=35)
GAP_TRIES = 3


@dataclass(frozen=True)
class Stored:
    """Counts of one window of one series."""

    new: int = 0
    revised: int = 0
    same: int = 0
    quarantined: int = 0


def run(context: Context) -> Outcome:
    """Ask every active market's source for what is missing, new or may have been revised.

    `args`: `from` and `to` (ISO times, UTC) ask for the missing slots of that window instead; slots
    already stored are not asked again, so a broken run resumes where it stopped.
    """
    read = written = 0
    failures: list[str] = []
    for market in context.markets.values():
        source = choose_source(context, market)
        steps = _plan(context, market, source)
        for window, series in context.progress(steps, f"ingest {market.id} from {source.name}", len(steps)):
            try:
                rows = _step(context, source, series, window)
            except (AuthRefused, Throttled) as error:
                failures.append(str(error))
                break
            except SourceError as error:
                failures.append(str(error))
                continue
            read += sum(s.new + s.revised + s.same + s.quarantined for s in rows)
            written += sum(s.new + s.revised for s in rows)
    return Outcome(read, written, f"{written:,} new values of {read:,} read", failures=tuple(failures))


def choose_source(context: Context, market: Market) -> Source:
    """The first of the market's sources that is ready. Raises SourceError with all reasons when none is."""
    known = discover("pipeline.sources", "SOURCE")
    reasons = []
    for name in market.sources:
        reason = known[name].ready(context.settings)
        if reason is None:
            source: Source = known[name]
            return source
        reasons.append(reason)
    raise SourceError(f"market {market.id} has no usable source: {' '.join(reasons)}")


def _plan(context: Context, market: Market, source: Source) -> list[tuple[Window, tuple[Series, ...]]]:
    """Windows to ask, oldest first, each with the series to ask for."""
    wanted = {series: _wanted(context, market, series) for series in market.series if source.name in series.keys}
    if source.together:
        union = merged([window for windows in wanted.values() for window in windows])
        return [(window, tuple(wanted)) for window in cut(union, source.max_window)]
    return [(window, (series,)) for series, windows in wanted.items() for window in cut(windows, source.max_window)]


def _wanted(context: Context, market: Market, series: Series) -> list[Window]:
    with context.warehouse.read() as session:
        if "from" in context.args:
            start, end = (datetime.fromisoformat(context.args[key]) for key in ("from", "to"))
            return _gaps(session, series, start, end)
        row = session.ask("newest_point", series=series.id).iloc[0]
        end = _floor(context.now + series.ahead, series.cadence)
        if pd.isna(row.newest):
            return [Window(_floor(context.now - market.history, series.cadence), end)]
        # A forecast reaches beyond now and may be renewed from now on.
        start = min(row.newest.to_pydatetime() + series.cadence, _floor(context.now, series.cadence)) - series.overlap
        scan_from = max(row.oldest.to_pydatetime(), _floor(context.now - GAP_SCAN, series.cadence))
        gaps = _gaps(session, series, scan_from, start)
    fresh = [Window(start, end)] if start < end else []
    return merged(gaps + fresh)


def _gaps(session: Session, series: Series, start: datetime, end: datetime) -> list[Window]:
    if start >= end:
        return []
    slots = session.ask(
        "missing_slots", series=series.id, start=start, end=end, cadence=series.cadence, tries=GAP_TRIES
    )
    return windows_of(slots["valid_at"], series.cadence)


def _step(context: Context, source: Source, series: tuple[Series, ...], window: Window) -> list[Stored]:
    try:
        points = source.fetch(series, window, now=context.now, settings=context.settings)
    except SourceError as error:
        _note_failure(context, source, series, window, error)
        if isinstance(error, NotYetPublished):
            return []
        raise
    return [_store(context, source.name, one, window, points[points["series"] == one.id]) for one in series]


def _store(context: Context, source: str, series: Series, window: Window, points: pd.DataFrame) -> Stored:
    good, refused = sift(points, series, now=pd.Timestamp(context.now))
    for sentence in refused["reason"].head(5):
        context.say(sentence)
    seen_at, run_id = pd.Timestamp(context.now), context.run_id
    with context.warehouse.write() as session:
        changed = _changed(session, series, good)
        session.append(
            "raw", _stamped(changed, series, context.now).assign(source=source, seen_at=seen_at, run_id=run_id)
        )
        session.append("quarantine", refused.assign(source=source, seen_at=seen_at, run_id=run_id))
        revised = int(changed["revised"].sum())
        stored = Stored(len(changed) - revised, revised, len(good) - len(changed), len(refused))
        outcome = "ok" if len(points) else "empty"
        session.append("fetches", _fetch_rows(context, source, [series], window, outcome, "", stored))
    return stored


def _changed(session: Session, series: Series, good: pd.DataFrame) -> pd.DataFrame:
    if good.empty:
        return good.assign(revised=False)
    first, last = good["valid_at"].iloc[0], good["valid_at"].iloc[-1]
    return session.ask("changed_points", batch=good, series=series.id, first=first, last=last)


def _stamped(changed: pd.DataFrame, series: Series, now: datetime) -> pd.DataFrame:
    """Give each row its `made_at`.

    A first measured value that does not say was published when its series' delay was over; a revised one
    is of the moment we saw it, whatever the provider says, or it would seem known from the beginning.
    """
    seen = pd.Series(pd.Timestamp(now), index=changed.index)
    made_at = changed["made_at"]
    if series.kind == "measured":
        published = changed["valid_at"] + series.cadence + series.delay
        made_at = made_at.fillna(published.where(published < seen, seen))
        made_at = made_at.where(~changed["revised"].astype(bool), seen)
    made_at = made_at.fillna(seen).astype("datetime64[us, UTC]")
    return changed.drop(columns="revised").assign(made_at=made_at)


def _note_failure(
    context: Context, source: Source, series: Iterable[Series], window: Window, error: SourceError
) -> None:
    context.say(str(error))
    rows = _fetch_rows(context, source.name, series, window, error.outcome, str(error), Stored())
    with context.warehouse.write() as session:
        session.append("fetches", rows)


def _fetch_rows(
    context: Context, source: str, series: Iterable[Series], window: Window, outcome: str, message: str, stored: Stored
) -> pd.DataFrame:
    row: dict[str, Any] = {
        "source": source,
        "window_start": pd.Timestamp(window.start),
        "window_end": pd.Timestamp(window.end),
        "outcome": outcome,
        "rows_new": stored.new,
        "rows_revised": stored.revised,
        "rows_same": stored.same,
        "rows_quarantined": stored.quarantined,
        "message": message,
        "seen_at": pd.Timestamp(context.now),
        "run_id": context.run_id,
    }
    return pd.DataFrame([row | {"series": one.id} for one in series])


def _floor(moment: datetime, cadence: timedelta) -> datetime:
    return pd.Timestamp(moment).floor(cadence).to_pydatetime()


JOB = Job(name="ingest", title="Fetch what sources have published", run=run)
