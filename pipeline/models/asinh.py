"""Batch and values -> the same on the scale z = asinh((y - centre) / scale), where spikes are near the rest, and back.

Uniejewski, Weron & Ziel (2018), "Variance stabilizing transformations for electricity spot price forecasting", with
median and median absolute deviation. Columns of inputs get a centre and a scale of their own, but for those in the
target's unit.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.models.base import Batch, Floats

LEVELS = ("lag_", "target_lag_", "target_mean_", "analog_", "min_", "max_")
CHANGES = ("delta_", "analog_delta_", "mean_", "std_", "change_", "last_")
LEVEL, CHANGE, FOREIGN = 1, 2, 3

Scale = dict[str, Any]


def learn(batch: Batch, actual: Floats) -> Scale:
    """Plain data: `centre` and `scale` of (n, H) actuals, `least` and `most` of their z, `inputs` of columns."""
    there = ~np.isnan(actual)
    batch, known = batch.rows(there.any(axis=1)), actual[there]
    centre, scale = _middle(known)
    own: Scale = {"centre": centre, "scale": scale}
    z = to_z(own, known) if len(known) else np.zeros(1)
    columns = ((batch.shared, batch.shared_names), (batch.target, batch.target_names))
    inputs = [_middles(values, _kinds(names)) for values, names in columns]
    return own | {"least": z.min(), "most": z.max(), "inputs": inputs}


def to_z(scale: Scale, value: Floats) -> Floats:
    """z of values in the target's unit."""
    z: Floats = np.arcsinh((value - scale["centre"]) / scale["scale"])
    return z


def from_z(scale: Scale, z: Floats) -> Floats:
    """Values in the target's unit, none beyond the lowest and highest learned."""
    value: Floats = np.sinh(np.clip(z, scale["least"], scale["most"])) * scale["scale"] + scale["centre"]
    return value


def to_batch(scale: Scale, batch: Batch) -> Batch:
    """The batch with its level, and all columns in the target's unit or of inputs, on the scale of z.

    One more column, `level`, has the level itself: a price, and all the more a spread, returns to where it usually is.
    """
    level, z = batch.level[:, None], to_z(scale, batch.level)
    shared = _columns(scale, batch.shared, batch.shared_names, scale["inputs"][0], level)
    target = _columns(scale, batch.target, batch.target_names, scale["inputs"][1], level[:, :, None])
    shared = np.concatenate([shared, z[:, None]], axis=1)
    return replace(batch, level=z, shared=shared, shared_names=(*batch.shared_names, "level"), target=target)


def _columns(scale: Scale, values: Floats, names: tuple[str, ...], foreign: Floats, level: Floats) -> Floats:
    kinds, shrunk = _kinds(names), values.copy()
    ways: dict[int, Callable[[Floats], Floats]] = {
        LEVEL: lambda part: to_z(scale, part + level) - to_z(scale, level),
        CHANGE: lambda part: np.arcsinh(part / scale["scale"]),
        FOREIGN: lambda part: np.arcsinh((part - foreign[0]) / foreign[1]),
    }
    for kind, way in ways.items():
        shrunk[..., kinds == kind] = way(values[..., kinds == kind])
    return shrunk


def _kinds(names: tuple[str, ...]) -> Any:
    """(p,) what a column is: a level relative to that of the origin, a change, of an input, or (0) neither."""
    return np.array([_kind(name, names) for name in names], dtype=np.int64)


def _kind(name: str, names: tuple[str, ...]) -> int:
    if name.startswith("x_"):
        key, _, what = name.rpartition("_")
        # Only an input in the target's own unit has errors, and a column of last week.
        if what.startswith("error") or f"{key}_week" in names:
            return LEVEL if what == "level" else CHANGE
        return FOREIGN
    if name.startswith(CHANGES):
        return CHANGE
    return LEVEL if name.startswith(LEVELS) else 0


def _middles(values: Floats, kinds: Any) -> Floats:
    """(2, k) centre and scale of each column of inputs, over all other axes."""
    columns = [values[..., place] for place in np.flatnonzero(kinds == FOREIGN)]
    found = [_middle(column[~np.isnan(column)]) for column in columns]
    return np.array(found, dtype=np.float64).reshape(-1, 2).T


def _middle(known: Floats) -> tuple[float, float]:
    if not len(known):
        return 0.0, 1.0
    centre = float(np.median(known))
    return centre, float(np.median(np.abs(known - centre))) or 1.0
