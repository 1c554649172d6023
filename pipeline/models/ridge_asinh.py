"""Features of T+h -> change of asinh(y) from T, by ridge: prices, whose spikes a linear scale cannot hold."""

from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.errors import NotEnoughData
from pipeline.models import ridge
from pipeline.models.base import SPIKY, Batch, Floats

LEVELS = ("lag_", "target_lag_", "target_mean_", "analog_", "min_", "max_")
CHANGES = ("delta_", "analog_delta_", "mean_", "std_", "change_", "last_")


class RidgeAsinh:
    """Uniejewski, Weron & Ziel (2018): z = asinh((y - centre) / scale), by median and median absolute deviation.

    State: that of ridge on z, and `centre`, `scale`. `least`, `most`: bounds of z.
    """

    name = "ridge_asinh"
    candidate = True
    kinds: tuple[str, ...] = SPIKY
    members: tuple[str, ...] = ()

    def fit(self, batch: Batch, actual: Floats, *, seed: int, jobs: int) -> dict[str, Any]:
        """See Family.fit; rows with a NaN are left out. Raises NotEnoughData when no hour has enough days."""
        known = actual[~np.isnan(actual)]
        centre = float(np.median(known)) if len(known) else 0.0
        scale = float(np.median(np.abs(known - centre))) if len(known) else 1.0
        own = {"centre": centre, "scale": scale or 1.0}
        try:
            state = ridge.FAMILY.fit(_shrunk(own, batch), _z(own, actual), seed=seed, jobs=jobs)
        except NotEnoughData as error:
            raise NotEnoughData(f"ridge_asinh needs ridge: {error}") from error
        bounds = {"least": _z(own, known).min(), "most": _z(own, known).max()}
        return state | own | bounds

    def predict(self, state: dict[str, Any], batch: Batch) -> Floats:
        """See Family.predict; within the lowest and highest value learned."""
        z = np.clip(ridge.FAMILY.predict(state, _shrunk(state, batch)), state["least"], state["most"])
        forecast: Floats = np.sinh(z) * state["scale"] + state["centre"]
        return forecast


def _z(state: dict[str, Any], value: Floats) -> Floats:
    z: Floats = np.arcsinh((value - state["centre"]) / state["scale"])
    return z


def _shrunk(state: dict[str, Any], batch: Batch) -> Batch:
    """The batch with its level, and all columns in the target's unit, on the scale of z."""
    level = batch.level[:, None]
    shared = _columns(state, batch.shared, batch.shared_names, level)
    target = _columns(state, batch.target, batch.target_names, level[:, :, None])
    return replace(batch, level=_z(state, batch.level), shared=shared, target=target)


def _columns(state: dict[str, Any], values: Floats, names: tuple[str, ...], level: Floats) -> Floats:
    shrunk = values.copy()
    change = [name.startswith(CHANGES) for name in names]
    of_level = [name.startswith(LEVELS) and not name.startswith(CHANGES) for name in names]
    shrunk[..., change] = np.arcsinh(values[..., change] / state["scale"])
    shrunk[..., of_level] = _z(state, values[..., of_level] + level) - _z(state, level)
    return shrunk


FAMILY = RidgeAsinh()
