"""raw -> actuals: hourly means of complete hours, of a spread their difference, one row for each version of an hour."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pandas as pd

from pipeline import parallel, spreads
from pipeline.markets import Market, Target
from pipeline.runner import Context, Job, Outcome
from pipeline.warehouse import Session

# An ingest may commit rows seen before the last run of this job; look back further than one can last.
LOOK_BACK = timedelta(days=2)
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
END = datetime(2200, 1, 1, tzinfo=UTC)


def run(context: Context) -> Outcome:
    """Store every version of every complete hour that is not stored yet; what fails of one target stops no other."""
    targets = [target for market in context.markets.values() for target in market.targets]
    done, written = parallel.stored(context, _versions, _store, targets)
    found = sum(map(len, done.results.values()))
    return parallel.outcome(done, read=found, written=written, note=f"{written:,} new hourly actuals")


def _store(context: Context, made: Sequence[pd.DataFrame]) -> int:
    rows = [one for one in made if len(one)]
    if not rows:
        return 0
    with context.warehouse.write() as session:
        at = pd.Timestamp(context.moment())
        return session.append("actuals", pd.concat(rows, ignore_index=True).assign(written_at=at))


def _versions(context: Context, target: Target) -> pd.DataFrame:
    with context.warehouse.read() as session:
        last = session.ask("newest_actual", target=target.id, now=context.now).written_at.iloc[0]
        since = BEGINNING if pd.isna(last) else last - LOOK_BACK
        rows = spreads.versions(session, target, since=since) if target.minuend else _hours(session, target, since)
    return rows.assign(target=target.id, run_id=context.run_id)


def _hours(session: Session, target: Target, since: datetime) -> pd.DataFrame:
    return session.ask(
        "hourly_versions",
        series=target.series.id,
        per_hour=timedelta(hours=1) // target.series.cadence,
        since=since,
        first=BEGINNING,
        last=END,
    )


def ready(session: Session, _markets: dict[str, Market], now: datetime) -> bool:
    """Whether an ingest may have stored values since this job last did its work."""
    return bool(session.ask("fed_since", job="actuals", feeders=["ingest"], now=now).fed.iloc[0])


JOB = Job(name="actuals", title="Hourly actuals from raw values", run=run, after=("ingest",), ready=ready)
