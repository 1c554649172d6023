"""sources -> raw, quarantine and fetches: what is new or revised, window by window."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from pipeline.discovery import find
from pipeline.errors import AuthRefused, ConfigError, JobError, NotYetPublished, SourceError, Throttled, Transient
from pipeline.failures import failure_of, worst
from pipeline.importing import NAME as FILES
from pipeline.importing import import_file, import_folder
from pipeline.markets import Market, Series
from pipeline.planning import cut, merged, windows_of
from pipeline.runner import Context, Job, Outcome
from pipeline.sources.base import Source, Window
from pipeline.storing import Stored, note_failure, store
from pipeline.warehouse import Session

GAP_SCAN = timedelta(days=35)
GAP_TRIES = 3
# What a person asks for is asked, however often it was asked in vain.
ALWAYS = 2**31
SILENT_IN_A_ROW = 2


@dataclass(frozen=True)
class _Hold:
    """A source that is not to be asked yet: a sentence, and the class of failure that holds on."""

    words: str
    failure: str


def run(context: Context) -> Outcome:
    """Ask every active market's source for what is missing, new or may have been revised.

    A source that refused our identity is asked again after an hour, or at once when a person asks; one that asked
    us to slow down when it said. One that is silent twice in a row is left until the next run.

    `args`: `from` and `to` (ISO times, UTC) ask for the missing slots of that window instead, with `series` for
    those of this series only; slots already stored are not asked again, so a broken run resumes where it stopped.
    `file`, `series` and `zone` import a file instead of asking a source. Raises JobError for an unknown series.
    """
    if "file" in context.args:
        rows = import_file(context)
        return Outcome(rows.read, rows.written, f"{rows.written:,} new values of {rows.read:,} read from the file")
    stored, errors, holds = Stored(), [], []
    for market in _concerned(context):
        try:
            chosen = choose_sources(context, market)
        except SourceError as error:
            errors.append(error)
            continue
        for source, series in chosen:
            if _lately(context, source, series):
                continue
            hold = _held(context, source)
            if hold is not None:
                holds.append(hold)
                continue
            for rows, failed in _asked(context, market, source, series):
                stored += rows
                errors += [failed] if failed else []
    note = f"{stored.written:,} new values of {stored.read:,} read"
    gravest = worst([*(failure_of(error) for error in errors), *(hold.failure for hold in holds)])
    failures = (*map(str, errors), *(hold.words for hold in holds))
    return Outcome(stored.read, stored.written, note, failures=failures, failure=gravest)


def _concerned(context: Context) -> list[Market]:
    """The markets to ask: all, or the one of the series that is asked for alone."""
    only = context.args.get("series")
    found = [
        market for market in context.markets.values() if only is None or only in {series.id for series in market.series}
    ]
    if only is not None and not found:
        raise JobError(f"no active market has a series {only!r}; the Data page lists them.")
    return found


def _held(context: Context, source: Source) -> _Hold | None:
    """Why the source is not to be asked now, if so."""
    rows = context.warehouse.ask("held_back", source=source.name, now=context.moment(), run_id=context.run_id)
    if rows.empty:
        return None
    row = rows.iloc[0]
    failure = failure_of(AuthRefused() if row.outcome == AuthRefused.outcome else Throttled(""))
    return _Hold(f"{row.message} It is not asked again until {row.again_at:%d %b %H:%M}Z.", failure)


def _lately(context: Context, source: Source, series: tuple[Series, ...]) -> bool:
    """Whether the source answered so lately that the scheduler need not ask; what a person asks for is asked."""
    if not source.every or "from" in context.args:
        return False
    names, since = [one.id for one in series], context.moment() - source.every
    asked = {"source": source.name, "names": names, "since": since, "now": context.moment(), "run_id": context.run_id}
    return bool(context.warehouse.ask("answered_lately", **asked).lately.iloc[0])


def _asked(
    context: Context, market: Market, source: Source, series: tuple[Series, ...]
) -> Iterator[tuple[Stored, SourceError | None]]:
    if source.name == FILES and "from" not in context.args:
        yield from import_folder(context, series)
        return
    steps, silent = _plan(context, market, source, series), 0
    for window, series in context.progress(steps, f"ingest {market.id} from {source.name}", len(steps)):
        try:
            yield _step(context, source, series, window), None
            silent = 0
        except SourceError as error:
            yield Stored(), error
            silent = silent + 1 if isinstance(error, Transient) else 0
            if isinstance(error, AuthRefused | Throttled) or silent == SILENT_IN_A_ROW:
                return


def choose_sources(context: Context, market: Market) -> list[tuple[Source, tuple[Series, ...]]]:
    """The market's sources, best first, each with the series it is to be asked for.

    A series is asked of the first source that has a key for it and is ready; one that has none is left out. Raises
    SourceError with all reasons when no series has one.
    """
    ready, reasons = _ready(context, market)
    left, chosen = list(market.series), []
    for source in ready:
        mine = tuple(one for one in left if source.name in one.keys)
        left = [one for one in left if one not in mine]
        chosen += [(source, mine)] if mine else []
    if not chosen:
        raise SourceError(f"market {market.id} has no usable source: {' '.join(reasons)}")
    return chosen


def _ready(context: Context, market: Market) -> tuple[list[Source], list[str]]:
    """(The sources that are ready, why the others are not)."""
    ready, reasons = [], []
    for name in market.sources:
        source: Source | None = find("pipeline.sources", name, "SOURCE")
        if source is None:
            raise ConfigError(f"market {market.id} names the source {name!r}, which there is not; mend sextant.toml.")
        reason = source.ready(context.settings)
        ready += [source] if reason is None else []
        reasons += [reason] if reason is not None else []
    return ready, reasons


def _plan(
    context: Context, market: Market, source: Source, series: tuple[Series, ...]
) -> list[tuple[Window, tuple[Series, ...]]]:
    """Windows to ask, oldest first, each with the series to ask for."""
    only = context.args.get("series")
    wanted = {one: _wanted(context, market, one) for one in series if only in (None, one.id)}
    if source.together:
        union = merged([window for windows in wanted.values() for window in windows])
        return [(window, tuple(wanted)) for window in cut(union, source.max_window)]
    return [(window, (one,)) for one, windows in wanted.items() for window in cut(windows, source.max_window)]


def _wanted(context: Context, market: Market, series: Series) -> list[Window]:
    with context.warehouse.read() as session:
        if "from" in context.args:
            start, end = (datetime.fromisoformat(context.args[key]) for key in ("from", "to"))
            return _gaps(session, series, start, end, tries=ALWAYS)
        row = session.ask("newest_point", series=series.id).iloc[0]
        end = _floor(context.now + series.ahead, series.cadence)
        if pd.isna(row.newest):
            # What was asked for in vain often enough is left, or one empty series would have all its source's history
            # asked for again at every run.
            first = _floor(context.now, series.cadence) - series.overlap
            past = _gaps(session, series, _floor(context.now - market.history, series.cadence), first)
            return merged([*past, Window(first, end)])
        # A forecast reaches beyond now and may be renewed from now on.
        start = min(row.newest.to_pydatetime() + series.cadence, _floor(context.now, series.cadence)) - series.overlap
        scan_from = max(row.oldest.to_pydatetime(), _floor(context.now - GAP_SCAN, series.cadence))
        gaps = _gaps(session, series, scan_from, start)
    fresh = [Window(start, end)] if start < end else []
    return merged(gaps + fresh)


def _gaps(session: Session, series: Series, start: datetime, end: datetime, *, tries: int = GAP_TRIES) -> list[Window]:
    if start >= end:
        return []
    slots = session.ask("missing_slots", series=series.id, start=start, end=end, cadence=series.cadence, tries=tries)
    return windows_of(slots["valid_at"], series.cadence)


def _step(context: Context, source: Source, series: tuple[Series, ...], window: Window) -> Stored:
    try:
        points = source.fetch(series, window, now=context.now, settings=context.settings)
    except SourceError as error:
        note_failure(context, source.name, series, window, error)
        if isinstance(error, NotYetPublished):
            return Stored()
        raise
    rows = [store(context, source.name, one, window, points[points["series"] == one.id]) for one in series]
    return sum(rows, Stored())


def _floor(moment: datetime, cadence: timedelta) -> datetime:
    return pd.Timestamp(moment).floor(cadence).to_pydatetime()


JOB = Job(name="ingest", title="Fetch what sources have published", run=run)
