"""Features of T+1 -> one step, repeated to T+6, by LightGBM; absent without the library."""

from pipeline.models.lightgbm import INSTALLED, LightGbm
from pipeline.models.trees import Recursive

TREES = 800
"""A single step is less noisy than six hours: of 400, 800 and 1500 this erred least on validation windows."""

if INSTALLED:
    FAMILY = Recursive("lightgbm_recursive", LightGbm(trees=TREES))
