"""Feature rows -> the equal mean of the ridge, boosting and mlp forecasts, whose errors differ."""

from typing import Any

from pipeline.errors import NotEnoughData
from pipeline.models import boosting, mlp, ridge
from pipeline.models.base import Batch, Family, Floats, equal_mean

MEMBERS: tuple[Family, ...] = (ridge.FAMILY, boosting.FAMILY, mlp.FAMILY)


class Ensemble:
    """Bates and Granger (1969) with equal weights, which need no data of their own to be learned from.

    State: the state of each member by name.
    """

    name = "ensemble"
    candidate = True
    members = tuple(member.name for member in MEMBERS)

    def fit(self, batch: Batch, actual: Floats, *, seed: int, jobs: int) -> dict[str, Any]:
        """See Family.fit. Raises NotEnoughData when a member does."""
        try:
            return {member.name: member.fit(batch, actual, seed=seed, jobs=jobs) for member in MEMBERS}
        except NotEnoughData as error:
            raise NotEnoughData(f"ensemble needs all its members: {error}") from error

    def predict(self, state: dict[str, Any], batch: Batch) -> Floats:
        """See Family.predict; NaN where a member gives NaN."""
        return equal_mean([member.predict(state[member.name], batch) for member in MEMBERS])


FAMILY = Ensemble()
