"""Features of T+h -> change from T, by one gradient boosting of histogram trees per horizon."""

from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.ensemble import HistGradientBoostingRegressor

from pipeline.errors import NotEnoughData
from pipeline.models.base import Batch, Floats
from pipeline.models.threads import one_thread

MINIMUM_ROWS = 24 * 14


class Boosting:
    """Friedman (2001) with histogram splits; the target is y[T+h] - y[T], a NaN feature is its own branch.

    State: `models`, one fitted scikit-learn regressor per horizon.
    """

    name = "boosting"
    candidate = True
    members: tuple[str, ...] = ()

    def fit(self, batch: Batch, actual: Floats, *, seed: int, jobs: int) -> dict[str, Any]:
        """See Family.fit; `jobs` horizons at a time. Raises NotEnoughData below MINIMUM_ROWS pairs."""
        change = actual - batch.level[:, None]
        counts = np.sum(~np.isnan(change), axis=0)
        if counts.min() < MINIMUM_ROWS:
            few = int(np.argmin(counts))
            raise NotEnoughData(
                f"boosting needs {MINIMUM_ROWS} known pairs of horizon {few + 1} and has {int(counts[few])}; "
                "give it more history."
            )
        fits = (delayed(_fit)(_rows(batch, h), change[:, h], seed) for h in range(change.shape[1]))
        return {"models": list(Parallel(n_jobs=jobs, backend="threading")(fits))}

    def predict(self, state: dict[str, Any], batch: Batch) -> Floats:
        """See Family.predict; only a NaN level makes NaN."""
        with one_thread("openmp"):
            changes = [model.predict(_rows(batch, h)) for h, model in enumerate(state["models"])]
        forecast: Floats = batch.level[:, None] + np.stack(changes, axis=1)
        return forecast


def _fit(rows: Floats, change: Floats, seed: int) -> HistGradientBoostingRegressor:
    known = ~np.isnan(change)
    model = HistGradientBoostingRegressor(
        max_iter=500,
        learning_rate=0.06,
        max_leaf_nodes=31,
        min_samples_leaf=40,
        l2_regularization=10.0,
        max_bins=63,
        max_features=0.3,
        early_stopping=False,
        random_state=seed,
    )
    with one_thread("openmp"):
        return model.fit(rows[known], change[known])


def _rows(batch: Batch, h: int) -> Floats:
    return np.concatenate([batch.shared, batch.target[:, h]], axis=1)


FAMILY = Boosting()
