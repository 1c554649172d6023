"""predictions + actuals -> accuracy: every issued forecast scored, and again when its actual is revised."""

import pandas as pd

from pipeline.runner import Context, Job, Outcome


def run(context: Context) -> Outcome:
    """Score what has an actual it was not scored against yet."""
    rows = context.warehouse.ask("unscored", as_of=context.now)
    rows = rows.assign(scored_at=pd.Timestamp(context.now), run_id=context.run_id)
    with context.warehouse.write() as session:
        written = session.append("accuracy", rows)
    return Outcome(len(rows), written, f"{written:,} forecasts scored", skipped=not written)


JOB = Job(name="backfill", title="Score issued forecasts", run=run, after=("actuals", "forecast"))
