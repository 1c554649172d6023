"""Families with few trees, for tests of what does not depend on how many there are."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pipeline.discovery import discover
from pipeline.models import forest_recursive, xgboost

TREES = 60


@contextmanager
def few_trees() -> Iterator[None]:
    """Within the block, boosting and forests of all families grow TREES trees."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forest_recursive, "TREES", TREES // 3)
        patch.setattr(xgboost, "TREES", TREES)
        for family in discover("pipeline.models", "FAMILY").values():
            learner = getattr(family, "_learner", None)
            if hasattr(learner, "_trees"):
                patch.setattr(learner, "_trees", TREES)
            elif hasattr(learner, "_parameters"):
                patch.setitem(learner._parameters, "max_iter", TREES)
        yield
