"""sources -> raw, quarantine and fetches: what is new or revised, window by window."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pipeline.asking import Questions
from pipeline.choosing import choose_sources, unready
from pipeline.errors import (
    AuthRefused,
    BadRequest,
    JobError,
    NotYetPublished,
    SourceError,
    Throttled,
    Transient,
)
from pipeline.failures import failure_of, worst
from pipeline.importing import NAME as FILES
from pipeline.importing import import_file, import_folder
from pipeline.markets import Market, Series
from pipeline.planning import ALWAYS, Step, gaps, steps, wanted_of
from pipeline.runner import Context, Job, Outcome
from pipeline.sources.base import Source, Window
from pipeline.storing import NOT_READY, Stored, note_failure, note_read, store

SILENT_IN_A_ROW = 2
ANSWERS = ("ok", "empty", NotYetPublished.outcome)
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
    """The series that one source is asked for, and the questions.

    Of the series `refused` it refused the newest question the last time; `silent_at`: when it last did not answer, if
    that was the last it did.
    """

    market: Market
    source: Source
    series: tuple[Series, ...]
    plan: list[Step]
    refused: frozenset[Series]
    silent_at: datetime | None

    @property
    def turn(self) -> tuple[float, int]:
        """Who has little to ask comes first; who was silent comes last, and of these who waits longest."""
        return 0.0 if self.silent_at is None else self.silent_at.timestamp(), len(self.plan)


@dataclass(frozen=True)
class _Remark:
    """What is to be known of a run that went well: what its time was too short for, or what changed."""

    words: str


Told = Stored | SourceError | _Hold | _Remark


def run(context: Context) -> Outcome:
    """Ask every active market's source for what is missing, new or may have been revised.

    A source that refused our identity is asked again after an hour, or at once when a person asks; one that asked
    us to slow down when it said. One that is silent twice in a row is left until the next run, whatever market asks.
    After BUDGET the run stops and the next one goes on, unless `args` has `whole`; no source may use up the time of
    the others, and who was silent is asked last.

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
    remarks = [one.words for one in told if isinstance(one, _Remark)]
    note = "; ".join([f"{stored.written:,} new values of {stored.read:,} read", *remarks])
    gravest = worst([*(failure_of(error) for error in errors), *(hold.failure for hold in holds)])
    failures = (*map(str, errors), *(hold.words for hold in holds))
    return Outcome(stored.read, stored.written, note, failures=failures, failure=gravest)


def _told(context: Context) -> Iterator[Told]:
    """What came of asking all sources in their turn; each may use its share of the time that is left."""
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
    silent: dict[str, str] = {}
    work.sort(key=lambda one: one.turn)
    for nth, one in enumerate(work):
        yield from _rekeyed(context, one)
        hold, whole, now = _held(context, one.source), context.args.get("whole"), context.moment()
        if hold is not None:
            yield hold
        elif one.source.name in silent:
            yield _passed_over(context, one, silent[one.source.name])
        elif nth and one.plan and now >= end and not whole:
            yield _Remark(_words_left(context, one, len(one.plan)))
        else:
            share = (end - now) / (len(work) - nth)
            yield from _asked(context, one, None if whole else now + share, silent)


def _passed_over(context: Context, work: _Work, other: str) -> Transient:
    """The error of a source that did not answer the market `other` in this run, noted for the series of this one."""
    error = Transient(
        f"{work.market.id} from {work.source.name}: not asked, because {other} got no answer; the next run asks again."
    )
    note_failure(context, work.source.name, work.series, Window(context.now, context.now), error)
    return error


def _rekeyed(context: Context, work: _Work) -> Iterator[_Remark]:
    """Say once of which series the values stored so far were asked for by another key: they stay as they are."""
    if work.source.name == FILES:
        return
    names = [one.id for one in work.series]
    rows = context.warehouse.ask("keys_answered", source=work.source.name, names=names)
    before = dict(zip(rows["series"], rows["key"], strict=True))
    for one in work.series:
        old, new = before.get(one.id), one.keys.get(work.source.name, "")
        if old not in (None, new):
            yield _Remark(
                f"{one.id} is now {new!r} of {work.source.name} and was {old!r}: what is stored stays, so give it "
                "another name if it is another thing"
            )


def _work(context: Context, market: Market, chosen: Sequence[tuple[Source, tuple[Series, ...]]]) -> Iterator[_Work]:
    """What there is to ask of the market's sources; one that answered lately is left out."""
    for source, series in chosen:
        meant = tuple(one for one in series if _meant(context, one))
        said = _last_words(context, source, meant)
        refused = frozenset(one for one in meant if one.id in said and said[one.id].outcome == BadRequest.outcome)
        if _lately(context, source, [said.get(one.id) for one in meant if one not in refused]):
            meant = tuple(one for one in meant if one in refused)
        if meant:
            plan = [] if _is_folder(context, source) else _plan(context, market, source, meant)
            yield _Work(market, source, meant, plan, refused, _silent_at(context, source, meant))


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
    for name, reason in unready(context, market).items():
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


def _last_words(context: Context, source: Source, series: Sequence[Series]) -> dict[str, Any]:
    """What the source said last of the present of each series, by its id: a row with `outcome` and `seen_at`."""
    rows = context.warehouse.ask("last_words", run_id=context.run_id, **_about(context, source, series))
    return {str(row.series): row for row in rows.itertuples(index=False)}


def _silent_at(context: Context, source: Source, series: Sequence[Series]) -> datetime | None:
    """When the source was last asked, if it did not answer then."""
    rows = context.warehouse.ask("silent_at", **_about(context, source, series))
    return None if rows.empty else rows["seen_at"].iloc[0].to_pydatetime()


def _about(context: Context, source: Source, series: Sequence[Series]) -> dict[str, Any]:
    """Of whom a question about earlier answers is, and up to when."""
    return {"source": source.name, "names": [one.id for one in series], "now": context.moment()}


def _lately(context: Context, source: Source, said: Sequence[Any]) -> bool:
    """Whether the source answered so lately, all it was asked for, that the scheduler need not ask.

    What it refused does not count: somebody may have mended it. What a person asks for is asked.
    """
    since = context.moment() - source.every
    return (
        bool(source.every)
        and "from" not in context.args
        and all(one is not None and one.scheduled and one.outcome in ANSWERS and one.seen_at > since for one in said)
    )


def _asked(context: Context, work: _Work, until: datetime | None, silences: dict[str, str]) -> Iterator[Told]:
    """Ask window after window, at least one, until the moment `until`; one that is silent is told to `silences`."""
    if _is_folder(context, work.source):
        for rows, failed in import_folder(context, work.series):
            yield failed or rows
        return
    questions, silent = Questions(work.plan, work.refused), 0
    label = f"ingest {work.market.id} from {work.source.name}"
    for nth, (window, series) in enumerate(context.progress(questions, label, len(questions))):
        if nth and until is not None and context.moment() >= until:
            yield _Remark(_words_left(context, work, len(questions) + 1))
            return
        try:
            yield _step(context, work.source, series, window)
            questions.answered(window, series)
            silent = 0
        except SourceError as error:
            silent = silent + 1 if isinstance(error, Transient) else 0
            if isinstance(error, BadRequest) and not questions.refused(window, series):
                continue
            note_failure(context, work.source.name, series, window, error)
            yield error
            if silent == SILENT_IN_A_ROW:
                silences[work.source.name] = work.market.id
            if isinstance(error, AuthRefused | Throttled) or silent == SILENT_IN_A_ROW:
                return


def _words_left(context: Context, work: _Work, n: int) -> str:
    asks = "1 question" if n == 1 else f"{n:,} questions"
    goes_on = "ask for the window again" if "from" in context.args else "continues in the next run"
    return f"{asks} of {work.market.id} to {work.source.name} left: {goes_on}"


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
    except NotYetPublished as error:
        note_failure(context, source.name, series, window, error)
        return Stored()
    return store(context, source.name, series, window, points, by_key=True)


JOB = Job(name="ingest", title="Fetch what sources have published", run=run)
