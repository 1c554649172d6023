"""Feature rows -> the equal mean of families that err differently: direct trees, recursive trees, a network."""

from typing import Any

from pipeline.errors import ModelError, NotEnoughData
from pipeline.models import boosting, boosting_recursive, lightgbm, lightgbm_recursive, mlp
from pipeline.models.base import STEADY, Batch, Family, Floats, equal_mean, is_linear

_DIRECT: Family = getattr(lightgbm, "FAMILY", boosting.FAMILY)
_RECURSIVE: Family = getattr(lightgbm_recursive, "FAMILY", boosting_recursive.FAMILY)
_NETWORK: Family = mlp.FAMILY
MEMBERS = (_DIRECT, _RECURSIVE, _NETWORK)
"""LightGBM where it is installed, else scikit-learn's trees. Each builds on ridge, so ridge is none of them."""


class Ensemble:
    """Bates and Granger (1969) with equal weights, which need no data of their own to be learned from.

    State: the state of each member by name, so the names tell which library's trees it was fitted with.
    """

    name = "ensemble"
    candidate = True
    kinds: tuple[str, ...] = STEADY
    members = tuple(member.name for member in MEMBERS)
    linear = all(is_linear(member) for member in MEMBERS)

    def fit(self, batch: Batch, actual: Floats, *, seed: int, jobs: int) -> dict[str, Any]:
        """See Family.fit. Raises NotEnoughData when a member does."""
        try:
            return {member.name: member.fit(batch, actual, seed=seed, jobs=jobs) for member in MEMBERS}
        except NotEnoughData as error:
            raise NotEnoughData(f"ensemble needs all its members: {error}") from error

    def predict(self, state: dict[str, Any], batch: Batch) -> Floats:
        """See Family.predict; NaN where a member gives NaN."""
        return equal_mean([_family(name).predict(part, batch) for name, part in state.items()])


def _family(name: str) -> Family:
    known: tuple[Family, ...] = (*MEMBERS, boosting.FAMILY, boosting_recursive.FAMILY)
    for family in known:
        if family.name == name:
            return family
    raise ModelError(f"the ensemble was fitted with {name}, which is not installed; install it or retrain.")


FAMILY = Ensemble()
