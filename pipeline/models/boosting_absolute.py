"""Features of T+h -> change from T, by scikit-learn's boosting with the absolute loss, for prices with spikes."""

from pipeline.models.base import SPIKY
from pipeline.models.boosting import Histogram
from pipeline.models.trees import Direct

FAMILY = Direct("boosting_absolute", Histogram(loss="absolute_error"), kinds=SPIKY, on_ridge=False)
