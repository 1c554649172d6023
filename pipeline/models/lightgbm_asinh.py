"""Features of T+h -> change of asinh(y) from T, by LightGBM with the absolute loss; absent without the library."""

from pipeline.models.lightgbm import INSTALLED, LightGbm
from pipeline.models.spiky_trees import SpikyTrees

if INSTALLED:
    FAMILY = SpikyTrees(
        "lightgbm_asinh", LightGbm(trees=300, objective="regression_l1", num_leaves=15, min_data_in_leaf=60)
    )
