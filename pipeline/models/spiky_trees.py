"""A learner of trees with the absolute loss -> a family for prices and spreads, on the scale of asinh.

On the plain scale trees lose to the day-ahead price at far horizons, because the change from a spike is mostly the
spike's end. On ERCOT's spreads of HB_NORTH, February to May 2025, they err by 12.2 USD/MWh there and by 10.7 here.
"""

from typing import Any

import numpy as np

from pipeline.models import asinh, direct, hourly
from pipeline.models.base import SPIKY, Batch, Floats
from pipeline.models.ridge_asinh import ALPHA, NEIGHBOUR
from pipeline.models.trees import Learner


class SpikyTrees:
    """Friedman (2001) for each horizon by itself; the goal is z[T+h] - z[T], see asinh.

    Beside the columns trees are told what ridge says (of rows that it has not learned, see hourly.left_out): it is a
    column to cut, not a line to start from, as an absolute loss has no use for a mean.
    State: `models`, one of the learner's per horizon, `weights` (H, 24, p), `offset` (H, 24) and the scale `asinh`.
    """

    candidate = True
    kinds: tuple[str, ...] = SPIKY
    members: tuple[str, ...] = ()

    def __init__(self, name: str, learner: Learner) -> None:
        """A family called `name`."""
        self.name, self._learner = name, learner

    def fit(self, batch: Batch, actual: Floats, *, seed: int, jobs: int) -> dict[str, Any]:
        """See Family.fit; `jobs` horizons at a time. Raises NotEnoughData, see direct.check and whole."""
        direct.check(self.name, actual - batch.level[:, None])
        scale = asinh.learn(batch, actual)
        lesson = asinh.to_batch(scale, direct.fit_span(batch, actual))
        change = asinh.to_z(scale, actual) - lesson.level[:, None]

        def one(h: int) -> tuple[Any, Floats, Floats]:
            known = np.flatnonzero(~np.isnan(change[:, h]))
            part, goal = lesson.rows(known), change[known, h]
            rows, hour = direct.rows(part, h), part.local_hour[:, h]
            lines = hourly.solve(hourly.Moments.of(rows, goal, hour), alpha=ALPHA, neighbour=NEIGHBOUR)
            said = lines.left_out(rows, goal, hour)
            sound = direct.whole(self.name, said)
            told = np.concatenate([rows, said[:, None]], axis=1)[sound]
            return self._learner.fit(told, goal[sound], seed=seed), lines.weights, lines.offset

        models, weights, offset = zip(*direct.each(range(change.shape[1]), one, jobs=jobs), strict=True)
        return {"models": list(models), "weights": np.stack(weights), "offset": np.stack(offset), "asinh": scale}

    def predict(self, state: dict[str, Any], batch: Batch) -> Floats:
        """See Family.predict; within the lowest and highest value learned, NaN where ridge lacks a feature."""
        batch = asinh.to_batch(state["asinh"], batch)
        z = np.empty(batch.naive.shape)
        for h, model in enumerate(state["models"]):
            rows = direct.rows(batch, h)
            said = hourly.line(state["weights"][h], state["offset"][h], rows, batch.local_hour[:, h])
            change = self._learner.predict(model, np.concatenate([rows, said[:, None]], axis=1))
            z[:, h] = np.where(np.isnan(said), np.nan, batch.level + change)
        return asinh.from_z(state["asinh"], z)
