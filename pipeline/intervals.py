"""Out-of-sample errors -> calibration; (calibration, point forecasts) -> p05, p10, p50, p90, p95.

Split conformal prediction with one quantile per side and horizon, on errors scaled by an hour-of-day profile
(Lei et al. 2018, "Distribution-free predictive inference for regression"; asymmetric as in Romano, Patterson &
Candes 2019). p50 is the point forecast itself. How bands follow the errors from issue to issue: see adapting.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import NotEnoughData
from pipeline.models.base import Floats
from pipeline.windows import Ints

LEVELS = {"p05": 0.05, "p10": 0.10, "p50": 0.50, "p90": 0.90, "p95": 0.95}
EDGES = tuple(name for name in LEVELS if name != "p50")
NOMINAL: Floats = np.array([LEVELS[name] for name in EDGES])
MINIMUM_ERRORS = 39
"""Fewest errors of a horizon for which the conformal 2.5 % and 5 % tails exist as order statistics."""

_PRIOR_ERRORS = 7.0


@dataclass(frozen=True)
class Calibration:
    """How wide the errors are.

    scale: (H, 24) typical absolute error of each local hour of day, in the target's unit.
    quantiles: (H, 4) of actual minus forecast, in units of that scale, for each of EDGES.
    n: (H,) errors used.
    """

    scale: Floats
    quantiles: Floats
    n: Ints


def calibrate(errors: Floats, local_hour: Ints, *, levels: Floats = NOMINAL) -> Calibration:
    """Calibration from (m, H) errors (forecast - actual, NaN where unknown) at (m, H) local hours 0..23.

    `levels` are the probabilities of EDGES, (4,) or one row a horizon (H, 4).
    Raises NotEnoughData when a horizon has fewer than MINIMUM_ERRORS.
    """
    known = ~np.isnan(errors)
    n = known.sum(axis=0)
    if not len(errors) or n.min() < MINIMUM_ERRORS:
        few = int(np.argmin(n)) + 1
        raise NotEnoughData(
            f"intervals of horizon {few} need {MINIMUM_ERRORS} scored forecasts and have {int(n.min())}; "
            "backtest over a longer window or wait for more actuals."
        )
    scale = profile(errors, local_hour)
    scores = -errors / scale[np.arange(errors.shape[1]), local_hour]
    levels = np.broadcast_to(levels, (errors.shape[1], len(EDGES)))
    return Calibration(scale=scale, quantiles=_conformal(scores, n, levels), n=n)


def apply(
    calibration: Calibration, point: Floats, local_hour: Ints, *, volatility: float = 1.0
) -> dict[str, NDArray[np.float64]]:
    """Quantiles (n, H) for each of LEVELS around (n, H) points; never crossing, p50 is the point.

    `volatility` widens all of them: how large errors are now against those the calibration was made of.
    """
    scale = volatility * calibration.scale[np.arange(point.shape[1]), local_hour]
    p05, p10, p90, p95 = (point + calibration.quantiles[:, k] * scale for k in range(len(EDGES)))
    p10, p90 = np.minimum(p10, point), np.maximum(p90, point)
    return {
        "p05": np.minimum(p05, p10),
        "p10": p10,
        "p50": point.copy(),
        "p90": p90,
        "p95": np.maximum(p95, p90),
    }


def profile(errors: Floats, local_hour: Ints) -> Floats:
    """(H, 24) mean absolute error of each hour of day, drawn to the horizon's mean where the hour has few."""
    width = errors.shape[1]
    known = ~np.isnan(errors)
    size = np.where(known, np.abs(errors), 0.0)
    # bincount adds in the order of the rows, so the same errors give the same bits.
    bins = (local_hour + 24 * np.arange(width)).ravel()
    n = np.bincount(bins, weights=known.ravel(), minlength=24 * width).reshape(width, 24)
    total = np.bincount(bins, weights=size.ravel(), minlength=24 * width).reshape(width, 24)
    overall = total.sum(axis=1, keepdims=True) / np.maximum(n.sum(axis=1, keepdims=True), 1.0)
    scale: Floats = (total + _PRIOR_ERRORS * overall) / (n + _PRIOR_ERRORS)
    return np.maximum(scale, np.finfo(np.float64).tiny)


def _conformal(scores: Floats, n: Ints, levels: Floats) -> Floats:
    """(H, 4) order statistics that a new score stays below with probability at least (above half) the level."""
    ordered, count = np.sort(scores, axis=0), n[:, None]
    below = np.maximum(np.floor((count + 1) * levels), 1) - 1
    above = np.minimum(np.ceil((count + 1) * levels), count) - 1
    place = np.where(levels < 0.5, below, above).astype(np.int64)
    quantiles: Floats = np.take_along_axis(ordered, place.T, axis=0).T
    return quantiles
