"""Last week's value plus the current error, of prices yesterday's -> T+1..T+6: nothing learned, the fallback."""

from typing import Any

from pipeline.models.base import ANY_KIND, Batch, Floats


class Naive:
    """The batch already carries this forecast."""

    name = "naive"
    candidate = True
    kinds: tuple[str, ...] = ANY_KIND
    members: tuple[str, ...] = ()
    linear = True

    def fit(self, batch: Batch, actual: Floats, *, seed: int, jobs: int) -> dict[str, Any]:
        """Nothing to learn; never raises."""
        return {}

    def predict(self, state: dict[str, Any], batch: Batch) -> Floats:
        """`batch.naive`, NaN where that past is unknown."""
        return batch.naive.copy()


FAMILY = Naive()
