"""predictions + actuals -> accuracy: every issued forecast scored, and again when its actual is revised."""

from datetime import UTC, datetime, timedelta

import pandas as pd

from pipeline.markets import Market
from pipeline.runner import Context, Job, Outcome
from pipeline.warehouse import Session

# What the last run did not see was written since it began; further back, for what clocks and other runs may do.
LOOK_BACK = timedelta(days=2)
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def run(context: Context) -> Outcome:
    """Score what has an actual it was not scored against yet, of what was written since the last good run."""
    with context.warehouse.read() as session:
        last = session.ask("scored_until", now=context.now).started_at.iloc[0]
        since = BEGINNING if pd.isna(last) else last - LOOK_BACK
        rows = session.ask("unscored", since=since, as_of=context.now)
    with context.warehouse.write() as session:
        rows = rows.assign(scored_at=pd.Timestamp(context.moment()), run_id=context.run_id)
        written = session.append("accuracy", rows)
    return Outcome(len(rows), written, f"{written:,} forecasts scored", skipped=not written)


def ready(session: Session, _markets: dict[str, Market], now: datetime) -> bool:
    """Whether actuals or forecasts may have been stored since this job last did its work."""
    return bool(session.ask("fed_since", job="backfill", feeders=["actuals", "forecast"], now=now).fed.iloc[0])


JOB = Job(name="backfill", title="Score issued forecasts", run=run, after=("actuals", "forecast"), ready=ready)
