"""Families + features + actuals -> strict rolling-origin forecasts and their scores on common origins."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

import numpy as np
import pandas as pd

from pipeline import metrics
from pipeline.errors import NotEnoughData
from pipeline.intervals import LEVELS
from pipeline.markets import HORIZONS
from pipeline.models.base import Batch, Family, Floats
from pipeline.windows import Ints, Times


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
) -> Floats:
    """Forecasts (n_test, H) for the origins at or after `test_from`; `batch.origins` must ascend.

    `actual` (n, H) and `known_at` (n, H) as from features.training_actuals, `as_of` (n,) each origin's issue.
    The fit for the block of origins that starts at T sees only pairs of origins before T whose features and
    whose target were known at as_of[T]. `refit_every` None is one fit for all.

    Raises NotEnoughData when no origin is left to test or to learn from, or from the family.
    """
    blocks = list(_blocks(batch.origins, test_from, refit_every))
    parts = []
    for block in blocks:
        past, pairs = _known_pairs(batch, actual, known_at=known_at, as_of=as_of, start=block[0])
        state = family.fit(batch.rows(past), pairs, seed=seed, jobs=jobs)
        parts.append(family.predict(state, batch.rows(block)))
    return np.concatenate(parts)


def score(
    forecasts: Mapping[str, Floats],
    actual: Floats,
    *,
    origins: Times,
    scale: float,
    bands: Mapping[str, Mapping[str, Floats]] | None = None,
) -> pd.DataFrame:
    """Scores per family and horizon on the origins that the actual and all families share.

    `forecasts` family -> (n, H), NaN where it gave none; `bands` family -> intervals.apply output, for pinball
    loss (mean over its levels) and coverage of p10..p90; `scale` from metrics.seasonal_scale, for MASE.
    Columns as in table `backtests`: family, horizon, window_start, window_end (first and last common origin,
    UTC), n, mae, rmse, mape, bias, mase, pinball_loss, coverage.

    Raises NotEnoughData when a horizon has no common origin.
    """
    known = ~np.isnan(actual)
    for forecast in forecasts.values():
        known &= ~np.isnan(forecast)
    if not known.any(axis=0).all():
        few = int(np.argmin(known.any(axis=0))) + 1
        raise NotEnoughData(
            f"no origin has an actual and a forecast of every family ({', '.join(forecasts)}) at horizon {few}; "
            "choose a test window with complete history."
        )
    common = np.where(known, actual, np.nan)
    window = _window(origins[known.any(axis=1)])
    rows = [
        window
        | {"family": name, "horizon": horizon}
        | _scores(forecast, common, column, scale, (bands or {}).get(name))
        for name, forecast in forecasts.items()
        for column, horizon in enumerate(HORIZONS[: actual.shape[1]])
    ]
    unknown = ("mae_se", "skill_naive", "skill_naive_se", "skill_operator", "skill_operator_se", "p_value")
    return pd.DataFrame(rows).assign(kind="hold_out", slice="all", **dict.fromkeys(unknown, np.nan))


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


def _scores(
    forecast: Floats, actual: Floats, column: int, scale: float, band: Mapping[str, Floats] | None
) -> dict[str, float]:
    guess, truth = forecast[:, column], actual[:, column]
    loss = inside = np.nan
    if band is not None:
        levels = [metrics.pinball_loss(band[name][:, column], truth, level=level) for name, level in LEVELS.items()]
        loss = float(np.mean(levels))
        inside = float(metrics.coverage(band["p10"][:, column], band["p90"][:, column], truth))
    return {
        "n": int(metrics.count(guess, truth)),
        "mae": float(metrics.mae(guess, truth)),
        "rmse": float(metrics.rmse(guess, truth)),
        "mape": float(metrics.mape(guess, truth)),
        "bias": float(metrics.bias(guess, truth)),
        "mase": float(metrics.mase(guess, truth, scale=scale)),
        "pinball_loss": loss,
        "coverage": inside,
    }


def _window(origins: Times) -> dict[str, pd.Timestamp]:
    return {
        "window_start": pd.Timestamp(origins.min()).tz_localize("UTC"),
        "window_end": pd.Timestamp(origins.max()).tz_localize("UTC"),
    }
