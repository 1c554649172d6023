"""predictions -> your own table, if `[publish.NAME]` asks for it: each live forecast once, as issued, never changed."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from pipeline.errors import SourceError
from pipeline.failures import failure_of, worst
from pipeline.markets import Market, Target
from pipeline.publishing import COLUMNS, Publication, load_publishing, local_hour, point_of, rows_of, versions_like
from pipeline.runner import Context, Job, Outcome
from pipeline.sources.sql_clocks import moment_of
from pipeline.sources.sql_drivers import Database, database
from pipeline.warehouse import Session

BACK = timedelta(days=7)
OVERLAP = timedelta(days=1)
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
PART = 500
"""Rows written in one transaction."""


def run(context: Context) -> Outcome:
    """Write what the tables lack of the forecasts they are to have. A rerun, also after a kill, repeats no row.

    A table that cannot be reached fails the run, and the others are written to nevertheless.
    """
    publications = load_publishing(context.settings.config)
    if not publications:
        return Outcome(note="sextant.toml has no [publish.NAME], so nothing is published", skipped=True)
    targets = {target.id: target for market in context.markets.values() for target in market.targets}
    read, written, errors, notes = 0, 0, [], []
    for publication in publications.values():
        mine = [targets[name] for name in publication.targets if name in targets]
        try:
            counts = [_published(context, publication, target) for target in mine]
        except SourceError as error:
            errors.append(error)
            context.say(str(error))
            continue
        read, written = read + sum(n for n, _ in counts), written + sum(n for _, n in counts)
        notes.append(f"{sum(n for _, n in counts):,} forecasts written to {publication.table}")
    gravest = worst([failure_of(error) for error in errors])
    return Outcome(read, written, "; ".join(notes), failures=tuple(map(str, errors)), failure=gravest)


def _published(context: Context, publication: Publication, target: Target) -> tuple[int, int]:
    """(How many forecasts of a target were looked at, how many were written)."""
    with database(context.settings, subject=f"publish.{publication.name} of {target.id}") as opened:
        since = _since(opened, publication, target, context.now)
        issued = context.warehouse.ask("publishable", target=target.id, since=since, now=context.moment())
        written = 0
        for first in range(0, len(issued), PART):
            part = issued.iloc[first : first + PART]
            hours = local_hour(part["valid_at"], target.zone)
            there = _there(opened, publication, target, (hours.min().to_pydatetime(), hours.max().to_pydatetime()))
            rows = [row for row in rows_of(part, target) if row[0] not in there]
            if rows:
                marks = ", ".join("?" * len(COLUMNS))
                opened.insert(f"INSERT INTO {publication.table} ({_listed()}) VALUES ({marks})", rows)
            written += len(rows)
    return len(issued), written


def _since(opened: Database, publication: Publication, target: Target, now: datetime) -> datetime:
    """From when on forecasts may be lacking: a day before the newest row of this target's versions, if there is one.

    Rows of a table go in by their making, so nothing older is lacking; a day more, for a forecast stored late. Where
    `since` is not told and the newest row is older than BACK, the table was out of reach or not asked for meanwhile.
    """
    floor = publication.since or now - BACK
    newest = _newest(opened, publication, target, floor)
    if newest is not None:
        return max(floor, newest - OVERLAP)
    older = None if publication.since else _newest(opened, publication, target, BEGINNING)
    return floor if older is None else older - OVERLAP


def _newest(opened: Database, publication: Publication, target: Target, floor: datetime) -> datetime | None:
    """When the newest row of this target's versions was made, of those for hours from `floor` on."""
    sql = (
        f"SELECT MAX([PredictionTimestamp]) AS newest FROM {publication.table} "
        "WHERE [TimestampHour] >= ? AND [SettlementPoint] = ? AND [ModelType] LIKE ? ESCAPE '!'"
    )
    bound = floor.astimezone(ZoneInfo(target.zone)).replace(tzinfo=None, microsecond=0)
    found = [row[0] for batch in opened.batches(sql, [bound, point_of(target), versions_like(target)]) for row in batch]
    return moment_of(found[0]).replace(tzinfo=UTC) if found and found[0] is not None else None


def _there(opened: Database, publication: Publication, target: Target, hours: tuple[datetime, datetime]) -> set[str]:
    """The PredictionIDs of the target's point for the hours from first to last; a server may write them in capitals."""
    sql = (
        f"SELECT [PredictionID] FROM {publication.table} "
        "WHERE [TimestampHour] >= ? AND [TimestampHour] <= ? AND [SettlementPoint] = ?"
    )
    batches = opened.batches(sql, [*hours, point_of(target)])
    return {str(row[0]).strip().lower() for batch in batches for row in batch}


def _listed() -> str:
    return ", ".join(f"[{name}]" for name in COLUMNS)


def ready(session: Session, markets: dict[str, Market], now: datetime) -> bool:
    """Whether a target that is published has a forecast that may not have been."""
    names = [target.id for market in markets.values() for target in market.targets if target.published]
    return bool(names) and bool(session.ask("publish_ready", targets=names, now=now).ready.iloc[0])


JOB = Job(name="publish", title="Forecasts written to your own table", run=run, after=("forecast",), ready=ready)
