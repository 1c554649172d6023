"""Features of T+h -> change of asinh(y) from T, by ridge: prices, whose spikes a linear scale cannot hold."""

from typing import Any

from pipeline.errors import NotEnoughData
from pipeline.models import asinh
from pipeline.models.base import SPIKY, Batch, Floats
from pipeline.models.ridge import Ridge

ALPHA, NEIGHBOUR = 1000.0, 0.3
"""Prices are noise for the most part. On ERCOT's spreads, February to May 2025, penalties of 10, 100 and 1,000 err
by 11.9, 11.2 and 11.1 USD/MWh (HB_NORTH), 12.2, 11.6 and 11.4 (HB_WEST)."""


class RidgeAsinh:
    """Ridge on the scale of `asinh`. State: ridge's, and under `asinh` the scale."""

    name = "ridge_asinh"
    candidate = True
    kinds: tuple[str, ...] = SPIKY
    members: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._ridge = Ridge(alpha=ALPHA, neighbour=NEIGHBOUR)

    def fit(self, batch: Batch, actual: Floats, *, seed: int, jobs: int) -> dict[str, Any]:
        """See Family.fit; rows with a NaN are left out. Raises NotEnoughData when no hour has enough days."""
        scale = asinh.learn(batch, actual)
        try:
            state = self._ridge.fit(asinh.to_batch(scale, batch), asinh.to_z(scale, actual), seed=seed, jobs=jobs)
        except NotEnoughData as error:
            raise NotEnoughData(f"ridge_asinh needs ridge: {error}") from error
        return state | {"asinh": scale}

    def predict(self, state: dict[str, Any], batch: Batch) -> Floats:
        """See Family.predict; within the lowest and highest value learned."""
        return asinh.from_z(state["asinh"], self._ridge.predict(state, asinh.to_batch(state["asinh"], batch)))


FAMILY = RidgeAsinh()
