"""accuracy + features -> drift, and a request to retrain where a champion is old, errs more or sees other data."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from pipeline import drift, erring, features, parallel, registry, training
from pipeline.calendars import local_hour
from pipeline.drift import Signals
from pipeline.errors import NotEnoughData
from pipeline.markets import Market, Target
from pipeline.runner import Context, Job, Outcome
from pipeline.runs import request
from pipeline.warehouse import Session
from pipeline.windows import naive_utc

DAY = timedelta(days=1)
MANY = 20
"""Targets from which on drift is looked for in processes: a target takes 0.2 s, a process 1 s to begin."""


def run(context: Context) -> Outcome:
    """Once an hour: ask for a retrain of each target that has a reason, at most once a day.

    Reasons: the champion looks at other inputs than the target has by now, so that naive stands in for it; it is
    older than the policy's `oldest` and nothing was trained for a day; the MAE as issued in the last week is above
    `error_up` times that of the four weeks before, on common hours; drift, looked for once a day and written to table
    `drift`.
    """
    with context.warehouse.read() as session:
        if not ready(session, context.markets, context.now):
            return Outcome(note="has looked within this hour", skipped=True)
    targets = [target for market in context.markets.values() for target in market.targets]
    checked = context.warehouse.ask("drift_checked", now=context.now).set_index("target")["checked_at"]
    today = pd.Timestamp(context.now).floor("D")
    due = [target for target in targets if target.id not in checked.index or checked[target.id] < today]
    done = parallel.each(context, _drift, due, label="drift", least=MANY)
    written = sum(rows for rows, _ in done.results.values())
    whys = _reasons(context, targets, {name: words for name, (_, words) in done.results.items()})
    notes = [f"{target.id}: {_judged(context, target, whys[target.id])}" for target in targets]
    # Having looked counts as work done, whatever was seen: `ready` goes by it.
    return replace(parallel.outcome(done, read=0, written=written, note="; ".join(notes)), skipped=False)


@dataclass(frozen=True)
class _Why:
    """Reasons to retrain, in words; `quick` where a refit is enough. None trained yet: `untrained`."""

    words: tuple[str, ...] = ()
    quick: bool = False
    untrained: bool = False


def _reasons(context: Context, targets: list[Target], drifted: Mapping[str, str]) -> dict[str, _Why]:
    """What speaks for a retrain of each target, by its id; one moment of the warehouse for all."""
    with context.warehouse.read():
        champions = registry.champions(context.warehouse)
        return {
            target.id: _why(context, target, champions.get(target.id), drifted.get(target.id, "")) for target in targets
        }


def _why(context: Context, target: Target, champion: dict[str, Any] | None, drifted: str) -> _Why:
    if champion is None:
        return _Why(untrained=True)
    refit = [words for words in (_outgrown(target, champion), _age(context, target, champion)) if words]
    anew = [words for words in (_error(context, target), drifted) if words]
    return _Why((*anew, *refit), quick=not anew)


def _judged(context: Context, target: Target, why: _Why) -> str:
    """Ask for a retrain if there is a reason; returns what was found and done, in words."""
    if why.untrained:
        return "no model is trained yet"
    if not why.words:
        return "no reason to retrain"
    found = "; ".join(why.words)
    asked = context.warehouse.ask("retrain_requests", target=target.id, since=context.now - DAY, now=context.now)
    if asked.n_open.iloc[0]:
        return f"{found}; a training waits or runs already"
    if asked.n_asked.iloc[0]:
        return f"{found}; a retrain was asked for within the last day"
    args = {"target": target.id, "depth": "quick" if why.quick else "deep"}
    run_id = request(context.warehouse, "train", by="monitor", reason=found, args=args, now=context.now)
    context.say(f"{target.id}: asked for a retrain (run {run_id}): {found}")
    return f"{found}; retrain asked for"


def _outgrown(target: Target, champion: dict[str, Any]) -> str:
    if champion["feature_set"] == features.feature_set(target.inputs):
        return ""
    return f"{champion['version_id']} looks at other inputs than {target.id} has now, so it cannot serve"


def _age(context: Context, target: Target, champion: dict[str, Any]) -> str:
    made = context.warehouse.ask("newest_training", target=target.id, now=context.now).created_at.iloc[0]
    age = pd.Timestamp(context.now) - champion["as_of"]
    if age <= target.policy.oldest or (not pd.isna(made) and pd.Timestamp(context.now) - made < DAY):
        return ""
    return f"{champion['version_id']} was trained {age.days} days ago, over {target.policy.oldest.days}"


def _error(context: Context, target: Target) -> str:
    change = erring.change(context.warehouse, target, context.now)
    if change is None or change.mae <= target.policy.error_up * change.mae_before:
        return ""
    return change.words(target.series.unit)


def _drift(context: Context, target: Target) -> tuple[int, str]:
    """(Rows written, what drifted in words); nothing when history is too short."""
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
    ends = sorted({1, target.horizons[-1]})
    scores = context.warehouse.ask("issued_scores", target=target.id, horizons=list(ends))
    valid_at, horizon = naive_utc(scores["valid_at"], "h"), scores["horizon"].to_numpy()
    place = np.searchsorted(hours, valid_at)
    there = (place < len(hours)) & (hours[np.minimum(place, len(hours) - 1)] == valid_at)
    kinds, subjects, columns = list(signals.kinds), list(signals.subjects), [signals.values]
    every = (1,) * len(kinds) + (target.every // timedelta(hours=1),) * 2 * len(ends)
    for kind, values in (("prediction", scores["p50"]), ("residual", scores["error"])):
        for ahead in ends:
            mine = there & (horizon == ahead)
            column = np.full(len(hours), np.nan)
            column[place[mine]] = values.to_numpy(dtype=np.float64)[mine]
            kinds.append(kind)
            subjects.append(f"T+{ahead}")
            columns.append(column[:, None])
    whole = np.concatenate(columns, axis=1)
    return replace(signals, kinds=tuple(kinds), subjects=tuple(subjects), values=whole, every=every)


def ready(session: Session, _markets: dict[str, Market], now: datetime) -> bool:
    """Whether this job has not looked yet in this hour."""
    looked_at = session.ask("last_monitored", now=now).looked_at.iloc[0]
    return bool(pd.isna(looked_at) or looked_at < pd.Timestamp(now).floor("h"))


JOB = Job(name="monitor", title="Watch age, error and drift", run=run, after=("backfill",), ready=ready)
