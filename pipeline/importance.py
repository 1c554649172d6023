"""Lesson + candidate -> what it looks at: by how much its hold-out error grows without each group of columns.

Permutation importance (Breiman 2001; Fisher, Rudin & Dominici 2019), of the model that was fitted without the
hold-out: the columns of one group are exchanged between origins, so that they fit each other but no longer the
hour. Groups that say the same share their importance, so a small one need not be useless.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from pipeline.calendars import DAY_TYPES
from pipeline.comparing import Candidate
from pipeline.errors import ModelError
from pipeline.exogenous import PREFIX
from pipeline.models.base import Batch, Family, Floats
from pipeline.recipe import DATE_COLUMNS, TAILS
from pipeline.training import SEED, Lesson
from pipeline.windows import Ints

LEVEL, WITHIN_HOUR, FORMER_DAYS, CALENDAR = "level", "within_hour", "former_days", "calendar"
REPEATS = 5
MOST_ORIGINS = 120
"""Evenly spread over the hold-out. With 224 and all 667 of the demo's the order and sizes were the same within their
errors, but the ensemble took 1.7 and 4.4 times as long."""
_LAST_HOURS = ("mean_3", "mean_24", "std_24", "min_24", "max_24")
_FORMER = ("mean_168", "change_", "target_lag_", "target_mean_", "delta_", "analog_")
_ORIGIN = tuple(f"origin_{name}" for name in DAY_TYPES)


def importances(lesson: Lesson, candidate: Candidate) -> pd.DataFrame:
    """Rows of table `importances` but version_id, written_at and run_id, largest first.

    increase: of the MAE over the target's horizons, in its unit, mean of REPEATS shuffles; increase_se: its standard
    error over these; mae: without any; n: origins. What the columns are relative to, the level, stays.
    Raises ModelError when no origin of the hold-out is whole.
    """
    state, family = candidate.held_out, candidate.family
    test = np.flatnonzero(lesson.test)
    batch, actual = lesson.built.batch.rows(test), lesson.actuals.value[test, : lesson.target.width]
    known = np.flatnonzero(np.isfinite(actual + _issued(family, state, batch, actual)).all(axis=1))
    if not len(known):
        raise ModelError(f"{family.name}: no origin of the hold-out has all its inputs and actuals.")
    places = known[np.linspace(0, len(known) - 1, min(MOST_ORIGINS, len(known))).round().astype(int)]
    batch, actual = batch.rows(places), actual[places]
    mae = _mae(_issued(family, state, batch, actual), actual)
    rows = [
        {"input": group, "n_columns": count} | _grown(family, state, batch, actual, group, mae)
        for group, count in counts(batch).items()
    ]
    frame = pd.DataFrame(rows).assign(target=lesson.target.id, mae=mae, n=len(batch), repeats=REPEATS)
    return frame.sort_values("increase", ascending=False, ignore_index=True)


def group_of(column: str) -> str:
    """The one group of a feature column: an input's key, that with "_error" for what is known of its errors, or
    one of the groups of the target's own past and of the calendar. Raises ModelError for a column of none."""
    if column.startswith(PREFIX):
        key, _, what = column.removeprefix(PREFIX).rpartition("_")
        return f"{key}_error" if what.startswith("error") else key
    if column in DATE_COLUMNS or column in _ORIGIN:
        return CALENDAR
    if column.startswith(TAILS):
        return WITHIN_HOUR
    if column in ("lag_24", "lag_168") or column.startswith(_FORMER):
        return FORMER_DAYS
    if column.startswith("lag_") or column in _LAST_HOURS:
        return LEVEL
    raise ModelError(f"column {column} belongs to no group; name one in importance.py.")


def counts(batch: Batch) -> dict[str, int]:
    """How many columns each group has."""
    names = [group_of(name) for name in (*batch.shared_names, *batch.target_names)]
    return {name: names.count(name) for name in dict.fromkeys(names)}


def shuffled(batch: Batch, group: str, order: Ints) -> Batch:
    """The batch with the columns of `group` as of the origins in `order` (n,), all horizons together.

    Beside the columns there are two that say the same: the naive forecast, and the hour of day by which some
    families choose what to ask.
    """
    shared, target = batch.shared.copy(), batch.target.copy()
    for values, names in ((shared, batch.shared_names), (target, batch.target_names)):
        places = [place for place, name in enumerate(names) if group_of(name) == group]
        values[..., places] = values[order][..., places]
    changed = replace(batch, shared=shared, target=target)
    if group == FORMER_DAYS:
        level = batch.level[:, None]
        changed = replace(changed, naive=level + (batch.naive - level)[order])
    return replace(changed, local_hour=batch.local_hour[order]) if group == CALENDAR else changed


def _grown(
    family: Family, state: dict[str, Any], batch: Batch, actual: Floats, group: str, mae: float
) -> dict[str, float]:
    draw = np.random.default_rng(SEED)
    grown = [
        _mae(_issued(family, state, shuffled(batch, group, draw.permutation(len(batch))), actual), actual) - mae
        for _ in range(REPEATS)
    ]
    return {"increase": float(np.mean(grown)), "increase_se": float(np.std(grown, ddof=1) / np.sqrt(REPEATS))}


def _issued(family: Family, state: dict[str, Any], batch: Batch, actual: Floats) -> Floats:
    """Forecasts of the horizons that `actual` has."""
    return family.predict(state, batch)[:, : actual.shape[1]]


def _mae(forecast: Floats, actual: Floats) -> float:
    return float(np.nanmean(np.abs(forecast - actual)))
