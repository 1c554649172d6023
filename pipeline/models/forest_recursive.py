"""Hourly levels + calendar -> next hour, by a random forest fed with its own forecasts: a yardstick."""

from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from pipeline.errors import NotEnoughData
from pipeline.models.base import ANY_KIND, Batch, Floats

LAGS = (*range(1, 25), 48, 72, 168)
CALENDAR = ("local_hour", "weekday", "holiday", "eve", "after", "bridge", "annual_sin_1", "annual_cos_1")
TREES = 100
MINIMUM_ROWS = 24 * 14


class ForestRecursive:
    """Breiman (2001) on levels, one step ahead and recursive: the design that a direct model must beat.

    Each step sees the true calendar of its own hour and, for hours after T, the forecasts made so far.
    State: `model`, a fitted scikit-learn regressor.
    """

    name = "forest_recursive"
    candidate = False
    kinds: tuple[str, ...] = ANY_KIND
    members: tuple[str, ...] = ()

    def fit(self, batch: Batch, actual: Floats, *, seed: int, jobs: int) -> dict[str, Any]:
        """See Family.fit; learns from T+1 only and needs `batch.recent`. Raises NotEnoughData below MINIMUM_ROWS."""
        if batch.recent.shape[1] < max(LAGS):
            raise NotEnoughData(
                f"forest_recursive needs {max(LAGS)} recent hours per origin and has {batch.recent.shape[1]}; "
                "build the features afresh instead of reading stored rows."
            )
        rows = _rows(batch.recent, batch, 0)
        known = ~(np.isnan(actual[:, 0]) | np.isnan(rows).any(axis=1))
        if known.sum() < MINIMUM_ROWS:
            raise NotEnoughData(
                f"forest_recursive needs {MINIMUM_ROWS} complete rows and has {int(known.sum())}; give it more history."
            )
        model = RandomForestRegressor(n_estimators=TREES, min_samples_leaf=2, n_jobs=jobs, random_state=seed)
        model.fit(rows[known], actual[known, 0])
        # Threads would add up the trees in the order they finish, which changes the last bits.
        model.n_jobs = 1
        return {"model": model}

    def predict(self, state: dict[str, Any], batch: Batch) -> Floats:
        """See Family.predict."""
        levels = batch.recent
        forecast = np.full(batch.naive.shape, np.nan)
        for h in range(batch.naive.shape[1]):
            rows = _rows(levels, batch, h)
            complete = ~np.isnan(rows).any(axis=1)
            if complete.any():
                forecast[complete, h] = state["model"].predict(rows[complete])
            levels = np.concatenate([levels[:, 1:], forecast[:, h : h + 1]], axis=1)
        return forecast


def _rows(levels: Floats, batch: Batch, h: int) -> Floats:
    """Lags before the hour T+1+h, out of the hours up to T+h, and that hour's calendar."""
    calendar = [batch.target_names.index(name) for name in CALENDAR]
    lags = levels[:, [levels.shape[1] - lag for lag in LAGS]]
    return np.concatenate([lags, batch.target[:, h][:, calendar]], axis=1)


FAMILY = ForestRecursive()
