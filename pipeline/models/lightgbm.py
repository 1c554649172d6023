"""Features of T+h -> what ridge leaves of the change from T, by LightGBM; absent without the library."""

import zlib
from functools import lru_cache
from typing import Any

import numpy as np

from pipeline.errors import ModelError
from pipeline.models.base import Floats
from pipeline.models.trees import Direct

try:
    import lightgbm
except ImportError:
    INSTALLED = False
else:
    INSTALLED = True

PARAMETERS: dict[str, Any] = {
    "objective": "regression",
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_data_in_leaf": 20,
    "max_bin": 63,
    "feature_fraction": 0.5,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
}


class LightGbm:
    """Ke et al. (2017). A model is the library's text, compressed; `parameters` change PARAMETERS.

    Fewer leaves, a slower rate, other fractions, larger leaves and bagging all erred as much or more (0 to 2 %) as
    geometric mean over the validation windows of seven grids.
    """

    def __init__(self, *, trees: int = 400, **parameters: Any) -> None:
        self._trees, self._parameters = trees, PARAMETERS | parameters

    def fit(self, rows: Floats, change: Floats, *, seed: int) -> bytes:
        """See trees.Learner."""
        lesson = lightgbm.Dataset(rows, change, params=self._parameters)
        model = lightgbm.train(self._parameters | {"seed": seed}, lesson, self._trees)
        return zlib.compress(model.model_to_string().encode())

    def predict(self, model: bytes, rows: Floats) -> Floats:
        """See trees.Learner. Raises ModelError where the installed library cannot read or use the model."""
        try:
            change: Floats = np.asarray(_booster(model).predict(rows, num_threads=1), dtype=np.float64)
        except lightgbm.basic.LightGBMError as error:
            raise ModelError(f"LightGBM {lightgbm.__version__} cannot use the model: {error}; retrain.") from error
        return change


@lru_cache(maxsize=64)
def _booster(model: bytes) -> Any:
    """Reading the text takes longer than a forecast, so the models of the last few states stay read."""
    return lightgbm.Booster(model_str=zlib.decompress(model).decode())


if INSTALLED:
    FAMILY = Direct("lightgbm", LightGbm())
