"""Families + features + actuals -> strict rolling-origin forecasts and their scores on common origins."""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from pipeline import intervals, scoring
from pipeline.errors import NotEnoughData
from pipeline.markets import HORIZONS
from pipeline.models.base import Batch, Family, Floats
from pipeline.slices import Mask
from pipeline.windows import Ints, Times

BAND_MEMORY = 60 * 24
LAST_HOUR = "last_hour"
"""What the value of the last known hour is called where it is scored as if it were forecast for every horizon."""


def rolling_origin(
    family: Family,
    batch: Batch,
    actual: Floats,
    *,
    known_at: Times,
    as_of: Times,
    test_from: np.datetime64,
    refit_every: timedelta | None = None,
    seed: int = 0,
    jobs: int = 1,
    keep: Callable[[dict[str, Any]], None] = lambda state: None,
) -> Floats:
    """Forecasts (n_test, H) for the origins at or after `test_from`; `batch.origins` must ascend.

    `actual` (n, H) and `known_at` (n, H) as from features.training_actuals, `as_of` (n,) each origin's issue.
    The fit for the block of origins that starts at T sees only pairs of origins before T whose features and
    whose target were known at as_of[T]. `refit_every` None is one fit for all; `keep` is given the state of each.

    Raises NotEnoughData when no origin is left to test or to learn from, or from the family.
    """
    blocks = list(_blocks(batch.origins, test_from, refit_every))
    parts = []
    for block in blocks:
        past, pairs = _known_pairs(batch, actual, known_at=known_at, as_of=as_of, start=block[0])
        state = family.fit(batch.rows(past), pairs, seed=seed, jobs=jobs)
        keep(state)
        parts.append(family.predict(state, batch.rows(block)))
    return np.concatenate(parts)


def rolling_bands(
    point: Floats, actual: Floats, local_hour: Ints, *, known_at: Times, as_of: Times
) -> dict[str, Floats]:
    """Quantiles (n, H) around tested points, each day's calibrated on the test errors known when it is issued.

    Rows ascend in time; the errors of the last BAND_MEMORY origins count. NaN until there are enough of them.
    """
    errors = point - actual
    parts = []
    for start in range(0, len(point), 24):
        past = slice(max(start - BAND_MEMORY, 0), start)
        known = np.where(known_at[past] <= as_of[start], errors[past], np.nan)
        day = slice(start, start + 24)
        try:
            parts.append(intervals.apply(intervals.calibrate(known, local_hour[past]), point[day], local_hour[day]))
        except NotEnoughData:
            parts.append({name: np.full_like(point[day], np.nan) for name in intervals.LEVELS})
    return {name: np.concatenate([part[name] for part in parts]) for name in intervals.LEVELS}


def score(
    forecasts: Mapping[str, Floats],
    actual: Floats,
    *,
    origins: Times,
    scale: float,
    bands: Mapping[str, Mapping[str, Floats]] | None = None,
    operator: Floats | None = None,
    last: Floats | None = None,
    slices: Mapping[str, Mask] | None = None,
    kind: str = "load",
) -> pd.DataFrame:
    """Scores per family, horizon and slice on the origins that the actual and all families share.

    `forecasts` family -> (n, H), NaN where it gave none; `bands` family -> quantiles as of intervals.apply, for
    pinball loss (mean over its levels) and coverage of p10..p90; `scale` from metrics.seasonal_scale, for MASE;
    `operator` (n, H), its forecasts, scored too where there are any, as is `last` (n,), the value of the last known
    hour, for every horizon as family LAST_HOUR (its side is the simplest rule of direction); `slices` name -> (n, H),
    each scored over
    all horizons together, as is the slice "all" then (horizon 0). Origins ascend, an hour apart. `kind` of target.
    Columns as in table `backtests`, without run, target and time: skills and the p-value (Diebold-Mariano
    against naive) are paired, on the pairs that both sides know. A slice without a pair has no row.

    Raises NotEnoughData when a horizon has no common origin.
    """
    known = _common(forecasts, actual)
    cuts = [("all", h, known & (np.arange(known.shape[1]) == h - 1)) for h in HORIZONS[: known.shape[1]]]
    cuts += [(name, 0, known & mask) for name, mask in ({"all": known} | dict(slices)).items()] if slices else []
    contenders = dict(forecasts) | ({} if operator is None else {"operator": operator})
    contenders |= {} if last is None else {LAST_HOUR: np.repeat(last[:, None], actual.shape[1], axis=1)}
    references = {"naive": forecasts.get("naive"), "operator": operator}
    rows = [
        {"family": name, "slice": label, "horizon": horizon}
        | scoring.scores(forecast, np.where(where, actual, np.nan), scale, (bands or {}).get(name), references, kind)
        for name, forecast in contenders.items()
        for label, horizon, where in cuts
        if (where & ~np.isnan(forecast)).any()
    ]
    return pd.DataFrame(rows).assign(kind="hold_out", **_window(origins[known.any(axis=1)]))


def _common(forecasts: Mapping[str, Floats], actual: Floats) -> Mask:
    """(n, H) where the actual and every family have a value."""
    known = ~np.isnan(actual)
    for forecast in forecasts.values():
        known &= ~np.isnan(forecast)
    if not known.any(axis=0).all():
        few = int(np.argmin(known.any(axis=0))) + 1
        raise NotEnoughData(
            f"no origin has an actual and a forecast of every family ({', '.join(forecasts)}) at horizon {few}; "
            "choose a test window with complete history."
        )
    return known


def _blocks(origins: Times, test_from: np.datetime64, refit_every: timedelta | None) -> Iterator[Ints]:
    test = np.flatnonzero(origins >= test_from)
    if not len(test):
        raise NotEnoughData(f"no origin at or after {test_from} is left to test; choose an earlier start.")
    if refit_every is None:
        yield test
        return
    step = np.timedelta64(int(refit_every.total_seconds()), "s")
    number = (origins[test] - origins[test[0]]) // step
    for value in np.unique(number):
        yield test[number == value]


def _known_pairs(
    batch: Batch, actual: Floats, *, known_at: Times, as_of: Times, start: np.int64
) -> tuple[Ints, Floats]:
    """Origins before `start` and their actuals as known when `start` is issued, NaN elsewhere."""
    now = as_of[start]
    past = np.flatnonzero((batch.origins < batch.origins[start]) & (as_of <= now))
    pairs = np.where(known_at[past] <= now, actual[past], np.nan)
    some = ~np.isnan(pairs).all(axis=1)
    if not some.any():
        raise NotEnoughData(f"no pair before {batch.origins[start]} has a known actual; start the test later.")
    return past[some], pairs[some]


def _window(origins: Times) -> dict[str, pd.Timestamp]:
    return {
        "window_start": pd.Timestamp(origins.min()).tz_localize("UTC"),
        "window_end": pd.Timestamp(origins.max()).tz_localize("UTC"),
    }
