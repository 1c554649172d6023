"""Features of T+h -> change from T, by one gradient boosting of histogram trees per horizon."""

from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from pipeline.errors import NotEnoughData
from pipeline.models.base import Batch, Floats

MINIMUM_ROWS = 24 * 14


class Boosting:
    """Friedman (2001) with histogram splits; the target is y[T+h] - y[T], a NaN feature is its own branch.

    State: `models`, one fitted scikit-learn regressor per horizon.
    """

    name = "boosting"
    candidate = True

    def fit(self, batch: Batch, actual: Floats, *, seed: int, jobs: int) -> dict[str, Any]:
        """See Family.fit; `jobs` is left to scikit-learn. Raises NotEnoughData below MINIMUM_ROWS pairs."""
        models = []
        for h in range(actual.shape[1]):
            change = actual[:, h] - batch.level
            known = ~np.isnan(change)
            if known.sum() < MINIMUM_ROWS:
                raise NotEnoughData(
                    f"boosting needs {MINIMUM_ROWS} known pairs of horizon {h + 1} and has {int(known.sum())}; "
                    "give it more history."
                )
            models.append(_regressor(seed).fit(_rows(batch, h)[known], change[known]))
        return {"models": models}

    def predict(self, state: dict[str, Any], batch: Batch) -> Floats:
        """See Family.predict; only a NaN level makes NaN."""
        changes = [model.predict(_rows(batch, h)) for h, model in enumerate(state["models"])]
        forecast: Floats = batch.level[:, None] + np.stack(changes, axis=1)
        return forecast


def _regressor(seed: int) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(
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


def _rows(batch: Batch, h: int) -> Floats:
    return np.concatenate([batch.shared, batch.target[:, h]], axis=1)


FAMILY = Boosting()
