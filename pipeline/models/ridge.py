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
    rare in training, which predicts NaN; for `update` also `centre`, `count`, `first` and the upper triangles
    `second` of each horizon's Moments, `until` (H,) the newest origin learned and `season`, whether annual
    columns are used.
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
        moments = [_moments(lesson, change, h) for h in range(actual.shape[1])]
        if max(one.count.max() for one in moments) < MINIMUM_ROWS:
            raise NotEnoughData(f"ridge needs {MINIMUM_ROWS} complete days of at least one hour; give it more history.")
        until = np.array([_newest(batch, change[:, h]) for h in range(actual.shape[1])])
        return self._state(moments, until, season=lesson is batch)

    def predict(self, state: dict[str, Any], batch: Batch) -> Floats:
        """See Family.predict."""
        forecast = np.empty(batch.naive.shape)
        for h in range(batch.naive.shape[1]):
            hour = batch.local_hour[:, h]
            change = line(state["weights"][h], state["offset"][h], direct.rows(batch, h), hour)
            forecast[:, h] = batch.level + change
        return forecast

    def update(self, state: dict[str, Any], batch: Batch, actual: Floats) -> dict[str, Any]:
        """See Incremental.update: the weights of a fit on everything, to rounding, by adding up sums."""
        lesson = batch if state["season"] else direct.without_season(batch)
        change = actual - batch.level[:, None]
        change[batch.origins[:, None] <= state["until"]] = np.nan
        moments, until = [], state["until"].copy()
        for h in range(actual.shape[1]):
            old = _stored(state, h)
            moments.append(old.plus(_moments(lesson, change, h, old.centre)))
            until[h] = max(until[h], _newest(batch, change[:, h]))
        return self._state(moments, until, season=state["season"])

    def _state(self, moments: list[Moments], until: Any, *, season: bool) -> dict[str, Any]:
        lines = [solve(one, alpha=self._alpha, neighbour=self._neighbour) for one in moments]
        upper = np.triu_indices(len(moments[0].centre))
        return {
            "weights": np.stack([one.weights for one in lines]),
            "offset": np.stack([one.offset for one in lines]),
            "centre": np.stack([one.centre for one in moments]),
            "count": np.stack([one.count for one in moments]),
            "first": np.stack([one.first for one in moments]),
            "second": np.stack([one.second[:, upper[0], upper[1]] for one in moments]),
            "until": until,
            "season": season,
        }


def _moments(batch: Batch, change: Floats, h: int, centre: Floats | None = None) -> Moments:
    return Moments.of(direct.rows(batch, h), change[:, h], batch.local_hour[:, h], centre)


def _newest(batch: Batch, change: Floats) -> np.datetime64:
    known = batch.origins[~np.isnan(change)]
    newest: np.datetime64 = known.max() if len(known) else np.datetime64(0, "h")
    return newest


def _stored(state: dict[str, Any], h: int) -> Moments:
    width = state["centre"].shape[1]
    upper = np.triu_indices(width)
    second = np.zeros((len(state["count"][h]), width, width))
    second[:, upper[0], upper[1]] = state["second"][h]
    second[:, upper[1], upper[0]] = state["second"][h]
    return Moments(state["centre"][h], state["count"][h], state["first"][h], second)


FAMILY = Ridge()
