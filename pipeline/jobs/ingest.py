"""sources -> raw, quarantine and fetches: what is new or revised, window by window."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.discovery import find
from pipeline.errors import AuthRefused, ConfigError, JobError, NotYetPublished, SourceError, Throttled, Transient
from pipeline.failures import failure_of, worst
from pipeline.importing import NAME as FILES
from pipeline.importing import import_file, import_folder
from pipeline.markets import Market, Series
from pipeline.planning import ALWAYS, Step, gaps, steps, wanted_of
from pipeline.runner import Context, Job, Outcome
from pipeline.sources.base import Source, Window
from pipeline.storing import NOT_READY, Stored, note_failure, note_read, store

SILENT_IN_A_ROW = 2
BUDGET = timedelta(minutes=8)
"""A run stops between two windows after this long, well before its deadline, or all other jobs would wait for a long
history; the next run goes on."""


@dataclass(frozen=True)
class _Hold:
    """A source that is not to be asked yet: a sentence, and the class of failure that holds on."""

    words: str
    failure: str


@dataclass(frozen=True)
class _Work:
    """The series that one source is asked for, and the questions."""

    market: Market
    source: Source
    series: tuple[Series, ...]
    plan: list[Step]


@dataclass(frozen=True)
class _Unfinished:
    """Work that the time of a run was too short for."""

    words: str


Told = Stored | SourceError | _Hold | _Unfinished


def run(context: Context) -> Outcome:
    """Ask every active market's source for what is missing, new or may have been revised.

    A source that refused our identity is asked again after an hour, or at once when a person asks; one that asked
    us to slow down when it said. One that is silent twice in a row is left until the next run. After BUDGET the run
    stops and the next one goes on, unless `args` has `whole`; no source may use up the time of the others.

    `args`: `from` and `to` (ISO times, UTC) ask for the missing slots of that window instead; slots already stored
    are not asked again, so a broken run resumes where it stopped. `series` asks for that series only. `file`,
    `series` and `zone` import a file instead of asking a source. Raises JobError for an unknown series.
    """
    if "file" in context.args:
        rows = import_file(context)
        return Outcome(rows.read, rows.written, f"{rows.written:,} new values of {rows.read:,} read from the file")
    told = list(_told(context))
    stored = sum((one for one in told if isinstance(one, Stored)), Stored())
    errors = [one for one in told if isinstance(one, SourceError)]
    holds = [one for one in told if isinstance(one, _Hold)]
    unfinished = [one.words for one in told if isinstance(one, _Unfinished)]
    note = "; ".join([f"{stored.written:,} new values of {stored.read:,} read", *unfinished])
    gravest = worst([*(failure_of(error) for error in errors), *(hold.failure for hold in holds)])
    failures = (*map(str, errors), *(hold.words for hold in holds))
    return Outcome(stored.read, stored.written, note, failures=failures, failure=gravest)


def _told(context: Context) -> Iterator[Told]:
    """What came of asking all sources, who has little to ask first; each may use its share of the time that is left."""
    end = context.moment() + BUDGET
    work: list[_Work] = []
    for market in _concerned(context):
        try:
            chosen = choose_sources(context, market)
        except SourceError as error:
            yield error
            continue
        yield from _left_out(context, market, {one.id for _, series in chosen for one in series})
        work += _work(context, market, chosen)
    work.sort(key=lambda one: len(one.plan))
    for nth, one in enumerate(work):
        hold = _held(context, one.source)
        if hold is not None:
            yield hold
            continue
        now = context.moment()
        share = (end - now) / (len(work) - nth)
        yield from _asked(context, one, None if context.args.get("whole") else now + share)


def _work(context: Context, market: Market, chosen: Sequence[tuple[Source, tuple[Series, ...]]]) -> Iterator[_Work]:
    """What there is to ask of the market's sources; one that answered lately is left out."""
    for source, series in chosen:
        meant = tuple(one for one in series if _meant(context, one))
        if meant and not _lately(context, source, meant):
            yield _Work(
                market, source, meant, [] if _is_folder(context, source) else _plan(context, market, source, meant)
            )


def _is_folder(context: Context, source: Source) -> bool:
    return source.name == FILES and "from" not in context.args


def _meant(context: Context, series: Series) -> bool:
    """Whether the run is about `series`: all are, unless one is asked for alone."""
    return context.args.get("series") in (None, series.id)


def _concerned(context: Context) -> list[Market]:
    """The markets to ask: all, or the one of the series that is asked for alone."""
    found = [market for market in context.markets.values() if any(_meant(context, one) for one in market.series)]
    if not found and "series" in context.args:
        raise JobError(f"no active market has a series {context.args['series']!r}; the Data page lists them.")
    return found


def _left_out(context: Context, market: Market, chosen: set[str]) -> Iterator[SourceError]:
    """Say of which series no source is ready, and fail where a target is made of one of them."""
    own = {leg.id for target in market.targets for leg in target.legs}
    for name, reason in _unready(context, market).items():
        left = [one for one in market.series if name in one.keys and one.id not in chosen and _meant(context, one)]
        if not left:
            continue
        context.say(f"not asked for: {', '.join(one.id for one in left)}: {reason}")
        note_read(context, name, left, Window(context.now, context.now), NOT_READY, reason)
        needed = [one.id for one in left if one.id in own]
        if needed:
            yield SourceError(f"targets of {market.id} need {', '.join(needed)}, not asked for: {reason}")


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


def _asked(context: Context, work: _Work, until: datetime | None) -> Iterator[Told]:
    """Ask window after window, at least one, until the moment `until`."""
    if _is_folder(context, work.source):
        for rows, failed in import_folder(context, work.series):
            yield failed or rows
        return
    plan, silent = work.plan, 0
    label = f"ingest {work.market.id} from {work.source.name}"
    for nth, (window, series) in enumerate(context.progress(plan, label, len(plan))):
        if nth and until is not None and context.moment() >= until:
            yield _Unfinished(_words_left(context, work, len(plan) - nth))
            return
        try:
            yield _step(context, work.source, series, window)
            silent = 0
        except SourceError as error:
            yield error
            silent = silent + 1 if isinstance(error, Transient) else 0
            if isinstance(error, AuthRefused | Throttled) or silent == SILENT_IN_A_ROW:
                return


def _words_left(context: Context, work: _Work, n: int) -> str:
    asks = "1 question" if n == 1 else f"{n:,} questions"
    goes_on = "ask for the window again" if "from" in context.args else "continues in the next run"
    return f"{asks} of {work.market.id} to {work.source.name} left: {goes_on}"


def choose_sources(context: Context, market: Market) -> list[tuple[Source, tuple[Series, ...]]]:
    """The market's sources, best first, each with the series it is to be asked for.

    A series is asked of the first source that has a key for it and is ready; one that has none is left out. Raises
    SourceError with all reasons when no series has one.
    """
    unready = _unready(context, market)
    left, chosen = list(market.series), []
    for name in market.sources:
        mine = tuple(one for one in left if name in one.keys and name not in unready)
        left = [one for one in left if one not in mine]
        chosen += [(_source(market, name), mine)] if mine else []
    if not chosen:
        raise SourceError(f"market {market.id} has no usable source: {' '.join(unready.values())}")
    return chosen


def _unready(context: Context, market: Market) -> dict[str, str]:
    """Why those of the market's sources that are not ready are not, by name."""
    reasons = {name: _source(market, name).ready(context.settings) for name in market.sources}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def _source(market: Market, name: str) -> Source:
    source: Source | None = find("pipeline.sources", name, "SOURCE")
    if source is None:
        raise ConfigError(f"market {market.id} names the source {name!r}, which there is not; mend sextant.toml.")
    return source


def _plan(context: Context, market: Market, source: Source, series: Sequence[Series]) -> list[Step]:
    """The questions to ask, each a window with the series that lack something in it."""
    with context.warehouse.read() as session:
        if "from" in context.args:
            start, end = (datetime.fromisoformat(context.args[key]) for key in ("from", "to"))
            wanted = {one: gaps(session, one, start, end, tries=ALWAYS) for one in series}
        else:
            wanted = {one: wanted_of(session, one, market.history, context.now) for one in series}
    return steps(source, wanted)


def _step(context: Context, source: Source, series: Sequence[Series], window: Window) -> Stored:
    try:
        points = source.fetch(series, window, now=context.now, settings=context.settings)
    except SourceError as error:
        note_failure(context, source.name, series, window, error)
        if isinstance(error, NotYetPublished):
            return Stored()
        raise
    rows = [store(context, source.name, one, window, points[points["series"] == one.id]) for one in series]
    return sum(rows, Stored())


JOB = Job(name="ingest", title="Fetch what sources have published", run=run)
