"""Warehouse -> less of it: what is beyond its retention goes, and the sizes of what stays are written down."""

from datetime import timedelta

import pandas as pd

from pipeline import machine, tidying
from pipeline.runner import Context, Job, Outcome

MUCH_FREE = 0.3


def run(context: Context) -> Outcome:
    """Remove what no figure needs any more and store the day's sizes in `capacity`."""
    removed = tidying.tidy(context.warehouse, context.markets, context.operations.retention, now=context.now)
    for what, count in removed.items():
        if count:
            context.say(f"removed {count:,} {what}")
    sizes = machine.measure(context.warehouse, context.settings)
    frame = pd.DataFrame({"what": list(sizes), "value": list(sizes.values())})
    with context.warehouse.write() as session:
        session.upsert("capacity", frame.assign(measured_at=pd.Timestamp(context.now), run_id=context.run_id))
    free, total = tidying.free_share(context.warehouse), sum(removed.values())
    note = f"removed {total:,} rows" if total else "nothing is beyond its age"
    note += f"; {free:.0%} of the file is free, `python jobs.py compact` gives it back" if free > MUCH_FREE else ""
    return Outcome(total, len(frame), note)


JOB = Job(
    name="tidy",
    title="Retention and sizes",
    run=run,
    at="02:10",
    deadline=timedelta(minutes=30),
)
