"""Features of T+h -> what ridge leaves of the change from T, by XGBoost; absent without the library."""

import zlib
from functools import lru_cache
from typing import Any

import numpy as np

from pipeline.models.base import Floats
from pipeline.models.trees import Direct

try:
    import xgboost
except ImportError:
    INSTALLED = False
else:
    INSTALLED = True

TREES = 400
PARAMETERS: dict[str, Any] = {
    "objective": "reg:squarederror",
    "tree_method": "hist",
    "grow_policy": "lossguide",
    "max_depth": 0,
    "max_leaves": 31,
    "eta": 0.05,
    "max_bin": 64,
    "min_child_weight": 20,
    "colsample_bytree": 0.5,
    "nthread": 1,
    "verbosity": 0,
}
"""As LightGBM's, so that the two differ by their algorithm only."""


class XgBoost:
    """Chen & Guestrin (2016). A model is the library's binary JSON, compressed."""

    def fit(self, rows: Floats, change: Floats, *, seed: int) -> bytes:
        """See trees.Learner; changes are scaled because the library counts in single precision."""
        scale = float(np.std(change)) or 1.0
        lesson = xgboost.DMatrix(rows, change / scale, nthread=1)
        model = xgboost.train(PARAMETERS | {"seed": seed}, lesson, TREES)
        model.set_attr(scale=repr(scale))
        return zlib.compress(bytes(model.save_raw("ubj")))

    def predict(self, model: bytes, rows: Floats) -> Floats:
        """See trees.Learner."""
        booster, scale = _booster(model)
        change: Floats = np.asarray(booster.inplace_predict(rows), dtype=np.float64) * scale
        return change


@lru_cache(maxsize=64)
def _booster(model: bytes) -> tuple[Any, float]:
    """Reading the model takes longer than a forecast, so those of the last few states stay read."""
    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(bytearray(zlib.decompress(model)))
    return booster, float(booster.attr("scale") or 1.0)


if INSTALLED:
    FAMILY = Direct("xgboost", XgBoost())
