"""accuracy + features -> drift, and a request to retrain where a champion is old, errs more or sees other data."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from pipeline import drift, registry, training
from pipeline.calendars import local_hour
from pipeline.drift import Signals
from pipeline.errors import NoChampion, NotEnoughData
from pipeline.markets import Target
from pipeline.runner import Context, Job, Outcome
from pipeline.runs import request
from pipeline.windows import naive_utc

DAY = timedelta(days=1)
HORIZONS = (1, 6)
"""Those whose predictions and residuals are watched; the others move with them."""
LEAST_RECENT, LEAST_BEFORE = 500, 1500
"""Scored forecasts in the last week and in the four before: half of what there could be, and three eighths."""


def run(context: Context) -> Outcome:
    """Once an hour: ask for a retrain of each target that has a reason, at most once a day.

    Reasons: the champion is older than the policy's `oldest` and nothing was trained for a day; the MAE as issued
    in the last week is above `error_up` times that of the four weeks before, on common hours; drift, looked for
    once a day and written to table `drift`.
    """
    looked_at = context.warehouse.ask("last_monitored", target="").looked_at.iloc[0]
    if not pd.isna(looked_at) and looked_at >= pd.Timestamp(context.now).floor("h"):
        return Outcome(note=f"has looked at {looked_at:%H:%M}Z", skipped=True)
    written, notes = 0, []
    for market in context.markets.values():
        for target in market.targets:
            rows, drifted = _drift(context, target)
            written += rows
            notes.append(f"{target.id}: {_judged(context, target, drifted)}")
    return Outcome(0, written, "; ".join(notes))


def _judged(context: Context, target: Target, drifted: str) -> str:
    """Ask for a retrain if there is a reason; returns what was found and done, in words."""
    try:
        age = _age(context, target)
    except NoChampion:
        return "no model is trained yet"
    reasons = [reason for reason in (_error(context, target), drifted, age) if reason]
    if not reasons:
        return "no reason to retrain"
    found = "; ".join(reasons)
    asked = context.warehouse.ask("retrain_requests", target=target.id, since=context.now - DAY).iloc[0]
    if asked.n_open:
        return f"{found}; a training waits or runs already"
    if asked.n_asked:
        return f"{found}; a retrain was asked for within the last day"
    args = {"target": target.id, "depth": "quick" if reasons == [age] else "deep"}
    run_id = request(context.warehouse, "train", by="monitor", reason=found, args=args, now=context.now)
    context.say(f"{target.id}: asked for a retrain (run {run_id}): {found}")
    return f"{found}; retrain asked for"


def _age(context: Context, target: Target) -> str:
    champion = registry.champion(context.warehouse, target.id)
    made = context.warehouse.ask("newest_training", target=target.id).created_at.iloc[0]
    age = pd.Timestamp(context.now) - champion["as_of"]
    if age <= target.policy.oldest or pd.Timestamp(context.now) - made < DAY:
        return ""
    return f"{champion['version_id']} was trained {age.days} days ago, over {target.policy.oldest.days}"


def _error(context: Context, target: Target) -> str:
    events: dict[str, list[datetime]] = {
        "firsts": [event.first for event in target.events],
        "lasts": [event.last for event in target.events],
    }
    rows = context.warehouse.ask("error_change", target=target.id, zone=target.zone, until=context.now, **events)
    row = rows.iloc[0]
    if row.n < LEAST_RECENT or row.n_before < LEAST_BEFORE or row.mae <= target.policy.error_up * row.mae_before:
        return ""
    return (
        f"MAE of the last 7 days is {row.mae:,.1f} {target.series.unit}, {row.mae / row.mae_before - 1:.0%} above the "
        f"{row.mae_before:,.1f} of the 28 days before on the same hours of day"
    )


def _drift(context: Context, target: Target) -> tuple[int, str]:
    """(Rows written, what drifted in words); nothing when today was checked already or history is too short."""
    checked_at = context.warehouse.ask("last_monitored", target=target.id).checked_at.iloc[0]
    if not pd.isna(checked_at) and checked_at >= pd.Timestamp(context.now).floor("D"):
        return 0, ""
    try:
        signals = _signals(context, target)
    except NotEnoughData as error:
        context.say(f"{target.id}: drift is not looked for: {error}")
        return 0, ""
    found = drift.check(signals, end=signals.hours[-1])
    rows = found.assign(run_id=context.run_id, target=target.id, checked_at=pd.Timestamp(context.now))
    with context.warehouse.write() as session:
        written = session.append("drift", rows)
    worst = found[found["drifted"]].sort_values("effect", ascending=False)
    names = [f"{row.kind} {row.subject} by {row.effect:.1f} standard deviations" for row in worst.head(3).itertuples()]
    return written, f"drift in {len(worst)} of {len(found)}: {', '.join(names)}" if names else ""


def _signals(context: Context, target: Target) -> Signals:
    lesson = training.gather(context.warehouse, target, as_of=context.now)
    hours = lesson.built.batch.origins
    signals = drift.feature_signals(lesson.built, local_hour(hours, zone=target.zone))
    scores = context.warehouse.ask("issued_scores", target=target.id, horizons=list(HORIZONS))
    valid_at, horizon = naive_utc(scores["valid_at"], "h"), scores["horizon"].to_numpy()
    place = np.searchsorted(hours, valid_at)
    there = (place < len(hours)) & (hours[np.minimum(place, len(hours) - 1)] == valid_at)
    kinds, subjects, columns = list(signals.kinds), list(signals.subjects), [signals.values]
    for kind, values in (("prediction", scores["p50"]), ("residual", scores["error"])):
        for ahead in HORIZONS:
            mine = there & (horizon == ahead)
            column = np.full(len(hours), np.nan)
            column[place[mine]] = values.to_numpy(dtype=np.float64)[mine]
            kinds.append(kind)
            subjects.append(f"T+{ahead}")
            columns.append(column[:, None])
    return replace(signals, kinds=tuple(kinds), subjects=tuple(subjects), values=np.concatenate(columns, axis=1))


JOB = Job(name="monitor", title="Watch age, error and drift", run=run, after=("backfill",))
