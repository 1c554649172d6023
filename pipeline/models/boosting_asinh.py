"""Features of T+h -> change of asinh(y) from T, by scikit-learn's boosting with the absolute loss."""

from pipeline.models.boosting import Histogram
from pipeline.models.spiky_trees import SpikyTrees

FAMILY = SpikyTrees(
    "boosting_asinh", Histogram(loss="absolute_error", max_iter=200, max_leaf_nodes=15, min_samples_leaf=60)
)
