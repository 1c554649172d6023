"""Features of T+h -> change from T, by one ridge regression per horizon and local target hour, in closed form."""

from typing import Any

import numpy as np

from pipeline.errors import NotEnoughData
from pipeline.models import direct
from pipeline.models.base import STEADY, Batch, Floats
from pipeline.models.hourly import ALPHA, MINIMUM_ROWS, NEIGHBOUR, Moments, line, solve


class Ridge:
    """Hoerl & Kennard (1970), see hourly.solve; the target is y[T+h] - y[T].

    State, plain arrays: `weights` (H, 24, p) in feature units, `offset` (H, 24), NaN for an hour of day too
    rare in training, which predicts NaN.
    """

    name = "ridge"
    candidate = True
    kinds: tuple[str, ...] = STEADY
    members: tuple[str, ...] = ()
    linear = True

    def __init__(self, *, alpha: float = ALPHA, neighbour: float = NEIGHBOUR) -> None:
        """Penalty and weight of neighbouring hours as of hourly.solve."""
        self._alpha, self._neighbour = alpha, neighbour

    def fit(self, batch: Batch, actual: Floats, *, seed: int, jobs: int) -> dict[str, Any]:
        """See Family.fit; rows with a NaN are left out. Raises NotEnoughData when no hour has enough days."""
        lesson = direct.fit_span(batch, actual)
        change = actual - batch.level[:, None]
        hour = lesson.local_hour
        moments = [Moments.of(direct.rows(lesson, h), change[:, h], hour[:, h]) for h in range(actual.shape[1])]
        if max(one.count.max() for one in moments) < MINIMUM_ROWS:
            raise NotEnoughData(f"ridge needs {MINIMUM_ROWS} complete days of at least one hour; give it more history.")
        lines = [solve(one, alpha=self._alpha, neighbour=self._neighbour) for one in moments]
        return {"weights": np.stack([one.weights for one in lines]), "offset": np.stack([one.offset for one in lines])}

    def predict(self, state: dict[str, Any], batch: Batch) -> Floats:
        """See Family.predict."""
        forecast = np.empty(batch.naive.shape)
        for h in range(batch.naive.shape[1]):
            hour = batch.local_hour[:, h]
            change = line(state["weights"][h], state["offset"][h], direct.rows(batch, h), hour)
            forecast[:, h] = batch.level + change
        return forecast


FAMILY = Ridge()
