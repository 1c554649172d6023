"""A learner of trees -> the families made of it: direct per horizon, or one step ahead and recursive.

Trees cut where demand is kinked but draw a straight line badly, so they learn what a linear regression leaves:
the errors of ridge on rows that it has not learned (leave-one-out, in closed form), with its forecast as a feature.
"""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from pipeline.models import direct, hourly
from pipeline.models.base import STEADY, Batch, Floats

DAY = direct.LAGS + 1


class Learner(Protocol):
    """Gradient boosting of histogram trees on one thread; a NaN feature is its own branch."""

    def fit(self, rows: Floats, change: Floats, *, seed: int) -> Any:
        """A model, plain data, of (n, p) rows and (n,) known changes."""

    def predict(self, model: Any, rows: Floats) -> Floats:
        """(n,) changes; a row's bits do not depend on the rows beside it."""


class Direct:
    """Friedman (2001) for each horizon by itself; the target is y[T+h] - y[T] less ridge's.

    State: `models`, one of the learner's per horizon, `weights` (H, 24, p) and `offset` (H, 24).
    """

    candidate = True
    kinds: tuple[str, ...] = STEADY
    members: tuple[str, ...] = ()

    def __init__(self, name: str, learner: Learner) -> None:
        """A family called `name`."""
        self.name, self._learner = name, learner

    def fit(self, batch: Batch, actual: Floats, *, seed: int, jobs: int) -> dict[str, Any]:
        """See Family.fit; `jobs` horizons at a time. Raises NotEnoughData, see direct.check and whole."""
        lesson, change = direct.fit_span(batch, actual), actual - batch.level[:, None]

        def one(h: int) -> tuple[Any, Floats, Floats]:
            known = np.flatnonzero(~np.isnan(change[:, h]))
            part, goal = lesson.rows(known), change[known, h]
            rows, hour = direct.rows(part, h), part.local_hour[:, h]
            return _fit_on_line(self.name, self._learner, rows, goal, hour, _rows(part, h), seed=seed)

        direct.check(self.name, change)
        models, weights, offset = zip(*direct.each(range(change.shape[1]), one, jobs=jobs), strict=True)
        return {"models": list(models), "weights": np.stack(weights), "offset": np.stack(offset)}

    def predict(self, state: dict[str, Any], batch: Batch) -> Floats:
        """See Family.predict; NaN where ridge lacks a feature."""
        forecast = np.empty(batch.naive.shape)
        for h, model in enumerate(state["models"]):
            line = hourly.line(state["weights"][h], state["offset"][h], direct.rows(batch, h), batch.local_hour[:, h])
            rows = np.concatenate([_rows(batch, h), line[:, None]], axis=1)
            forecast[:, h] = batch.level + line + self._learner.predict(model, rows)
        return forecast


class Recursive:
    """One step ahead and recursive, on differences: the mean of trees alone and of trees on ridge's errors.

    A single step has the least noise to learn from. Each of the two follows its own path; from the second step
    on its own forecasts stand for the hours after T.
    State: `trees` and `errors`, models of the learner, `weights` (24, p) and `offset` (24,).
    """

    candidate = True
    kinds: tuple[str, ...] = STEADY
    members: tuple[str, ...] = ()

    def __init__(self, name: str, learner: Learner) -> None:
        """A family called `name`."""
        self.name, self._learner = name, learner

    def fit(self, batch: Batch, actual: Floats, *, seed: int, jobs: int) -> dict[str, Any]:
        """See Family.fit; learns from T+1 only. Raises NotEnoughData, see direct.check and whole."""
        change = (actual - batch.level[:, None])[:, :1]
        direct.check(self.name, change)
        known = np.flatnonzero(~np.isnan(change[:, 0]))
        part, goal = direct.fit_span(batch, actual).rows(known), change[known, 0]
        rows = _one_step(part, _levels(part), 0)
        direct.whole(self.name, rows.sum(axis=1))

        def one(on_ridge: bool) -> Any:
            if not on_ridge:
                return self._learner.fit(rows, goal, seed=seed)
            return _fit_on_line(self.name, self._learner, rows, goal, part.local_hour[:, 0], rows, seed=seed)

        trees, (errors, weights, offset) = direct.each((False, True), one, jobs=jobs)
        return {"trees": trees, "errors": errors, "weights": weights, "offset": offset}

    def predict(self, state: dict[str, Any], batch: Batch) -> Floats:
        """See Family.predict; NaN where a feature is missing."""
        alone = self._path(batch, lambda rows, hour: self._learner.predict(state["trees"], rows))

        def corrected(rows: Floats, hour: Any) -> Floats:
            line = hourly.line(state["weights"], state["offset"], rows, hour)
            return line + self._learner.predict(state["errors"], np.concatenate([rows, line[:, None]], axis=1))

        forecast: Floats = (alone + self._path(batch, corrected)) / 2
        return forecast

    def _path(self, batch: Batch, step: Callable[[Floats, Any], Floats]) -> Floats:
        levels = _levels(batch)
        forecast = np.empty(batch.naive.shape)
        for h in range(batch.naive.shape[1]):
            following = levels[:, 0] + step(_one_step(batch, levels, h), batch.local_hour[:, h])
            forecast[:, h] = following
            levels = np.concatenate([following[:, None], levels[:, :-1]], axis=1)
        return forecast


def _fit_on_line(
    name: str, learner: Learner, rows: Floats, change: Floats, hour: Any, tree_rows: Floats, *, seed: int
) -> tuple[Any, Floats, Floats]:
    lines = hourly.solve(hourly.Moments.of(rows, change, hour))
    line = lines.left_out(rows, change, hour)
    sound = direct.whole(name, line)
    rest = np.concatenate([tree_rows, line[:, None]], axis=1)[sound]
    return learner.fit(rest, (change - line)[sound], seed=seed), lines.weights, lines.offset


def _rows(batch: Batch, h: int) -> Floats:
    """Ridge's features and the single steps from hour to hour, which axis-parallel cuts can use as they are."""
    steps = -np.diff(direct.lags(batch), axis=1)
    return np.concatenate([direct.rows(batch, h), steps, direct.last_steps(batch, h)], axis=1)


def _levels(batch: Batch) -> Floats:
    """(n, LAGS + 1) y[T] and before, newest first."""
    return direct.lags(batch) + batch.level[:, None]


def _one_step(batch: Batch, levels: Floats, h: int) -> Floats:
    """Features of the step from T+h to T+1+h; `levels` (n, LAGS + 1) of T+h and before, newest first.

    What the origin says of longer spans stays as it was at T.
    """
    last, moved = levels[:, :1], batch.target[:, h].copy()
    moved[:, direct.levels(batch)] += batch.level[:, None] - last
    moved[:, direct.deltas(batch)] = direct.last_steps(batch, h)
    stays = [not name.startswith(("lag_", "mean_", "std_", "min_", "max_", "last_")) for name in batch.shared_names]
    means = [last - levels[:, :width].mean(axis=1, keepdims=True) for width in (3, DAY)]
    steps = -np.diff(levels, axis=1)
    spread = [reach(levels - last, axis=1, keepdims=True) for reach in (np.std, np.min, np.max)]
    return np.concatenate([levels[:, 1:] - last, steps, *means, *spread, moved, batch.shared[:, stays]], axis=1)
