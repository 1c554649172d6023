"""Features of T+h -> change from T, by LightGBM with the absolute loss, which a price spike cannot bend."""

from pipeline.models.base import SPIKY
from pipeline.models.lightgbm import INSTALLED, LightGbm
from pipeline.models.trees import Direct

if INSTALLED:
    FAMILY = Direct("lightgbm_absolute", LightGbm(objective="regression_l1"), kinds=SPIKY, on_ridge=False)
