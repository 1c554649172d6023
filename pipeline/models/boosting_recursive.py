"""Features of T+1 -> one step, repeated to T+6, by scikit-learn's boosting of histogram trees."""

from pipeline.models.boosting import Histogram
from pipeline.models.trees import Recursive

FAMILY = Recursive("boosting_recursive", Histogram())
