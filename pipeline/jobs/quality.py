"""raw, quarantine, fetches -> quality: one row a series and local day, as the day looks now."""

from datetime import datetime, timedelta

import pandas as pd

from pipeline import quality
from pipeline.markets import Market
from pipeline.runner import Context, Job, Outcome
from pipeline.warehouse import Session

EVERY = timedelta(minutes=15)


def run(context: Context) -> Outcome:
    """Check the days whose facts changed since the last check, and today."""
    written = flawed = 0
    for market in context.markets.values():
        with context.warehouse.read() as session:
            found = [quality.days(session, market, series, context.now) for series in market.series]
        rows = pd.concat(found, ignore_index=True)
        stamped = rows.assign(checked_at=pd.Timestamp(context.now), run_id=context.run_id)
        with context.warehouse.write() as session:
            written += session.upsert("quality", stamped)
        flawed += int((~rows["verdict"].isin(["ok", "partial"])).sum())
    return Outcome(written, written, f"{written:,} days checked, {flawed:,} with flaws", skipped=not written)


def ready(session: Session, markets: dict[str, Market], now: datetime) -> bool:
    """Whether something was asked or a day began since the last check, which is a quarter of an hour ago at least."""
    return quality.work(session, markets, now, every=EVERY)


JOB = Job(name="quality", title="Check what was stored, day by day", run=run, after=("backfill",), ready=ready)
