"""Features of T+h -> what ridge leaves of the change from T, by scikit-learn's boosting of histogram trees."""

from typing import Any

from sklearn.ensemble import HistGradientBoostingRegressor

from pipeline.models.base import Floats
from pipeline.models.threads import one_thread
from pipeline.models.trees import Direct

PARAMETERS: dict[str, Any] = {
    "max_iter": 400,
    "learning_rate": 0.05,
    "max_leaf_nodes": 31,
    "min_samples_leaf": 20,
    "max_bins": 63,
    "max_features": 0.5,
    "early_stopping": False,
}


class Histogram:
    """Friedman (2001) with histogram splits. A model is a fitted regressor; `parameters` change PARAMETERS."""

    def __init__(self, **parameters: Any) -> None:
        self._parameters = PARAMETERS | parameters

    def fit(self, rows: Floats, change: Floats, *, seed: int) -> HistGradientBoostingRegressor:
        """See trees.Learner."""
        model = HistGradientBoostingRegressor(random_state=seed, **self._parameters)
        with one_thread("openmp"):
            return model.fit(rows, change)

    def predict(self, model: HistGradientBoostingRegressor, rows: Floats) -> Floats:
        """See trees.Learner."""
        with one_thread("openmp"):
            change: Floats = model.predict(rows)
        return change


FAMILY = Direct("boosting", Histogram())
