"""Out-of-sample errors -> calibration (plain data); (calibration, point forecasts) -> p05, p10, p50, p90, p95.

Split conformal prediction with one quantile per side and horizon, on errors scaled by a smooth hour-of-day
profile (Lei et al. 2018, "Distribution-free predictive inference for regression"; asymmetric as in
Romano, Patterson & Candes 2019).
"""

from typing import Any

import numpy as np
import pandas as pd

from pipeline.calendars import local_hour as local_hour_of
from pipeline.errors import NotEnoughData
from pipeline.markets import HORIZONS
from pipeline.models.base import Floats
from pipeline.windows import Ints, Times

LEVELS = {"p05": 0.05, "p10": 0.10, "p50": 0.50, "p90": 0.90, "p95": 0.95}
MINIMUM_ERRORS = 39
"""Fewest errors of a horizon for which the conformal 2.5 % and 5 % tails exist as order statistics."""

_SMOOTHING = np.array([1.0, 2.0, 3.0, 2.0, 1.0])
_PRIOR_ERRORS = 10.0


def calibrate(errors: Floats, local_hour: Ints) -> dict[str, Any]:
    """Calibration from (m, H) errors (forecast - actual, NaN where unknown) at (m, H) local hours 0..23.

    Returns plain data (fit for JSON): `scale` (H, 24) typical absolute error of each hour of day, `quantiles`
    level -> (H,) of actual minus forecast in units of that scale, `n` (H,) errors used.
    Raises NotEnoughData when a horizon has fewer than MINIMUM_ERRORS.
    """
    n = np.sum(~np.isnan(errors), axis=0)
    if not len(errors) or n.min() < MINIMUM_ERRORS:
        few = int(np.argmin(n)) + 1
        raise NotEnoughData(
            f"intervals of horizon {few} need {MINIMUM_ERRORS} scored forecasts and have {int(n.min())}; "
            "backtest over a longer window or wait for more actuals."
        )
    scale = [_scale(errors[:, h], local_hour[:, h]) for h in range(errors.shape[1])]
    scores = [-errors[:, h] / scale[h][local_hour[:, h]] for h in range(errors.shape[1])]
    quantiles = {
        name: [_conformal(score[~np.isnan(score)], level) for score in scores]
        for name, level in LEVELS.items()
        if name != "p50"
    }
    return {"scale": [row.tolist() for row in scale], "quantiles": quantiles, "n": n.tolist()}


def calibrate_frame(frame: pd.DataFrame, *, zone: str) -> dict[str, Any]:
    """The same from as-issued errors: columns origin, horizon, valid_at (aware UTC) and error, as in `accuracy`.

    Raises NotEnoughData as `calibrate`.
    """
    wide = frame.pivot(index="origin", columns="horizon", values="error").reindex(columns=list(HORIZONS))
    origins = pd.to_datetime(wide.index, utc=True).tz_localize(None).to_numpy().astype("datetime64[h]")
    hours: Times = origins[:, None] + np.array(HORIZONS).astype("timedelta64[h]")
    return calibrate(wide.to_numpy(dtype=np.float64), local_hour_of(hours, zone=zone))


def apply(calibration: dict[str, Any], point: Floats, local_hour: Ints) -> dict[str, Floats]:
    """Quantiles (n, H) for each of LEVELS around (n, H) points; never crossing, p50 is the point."""
    scale = np.array(calibration["scale"])[np.arange(point.shape[1]), local_hour]
    band = {name: point + np.array(score) * scale for name, score in calibration["quantiles"].items()}
    p10, p90 = np.minimum(band["p10"], point), np.maximum(band["p90"], point)
    return {
        "p05": np.minimum(band["p05"], p10),
        "p10": p10,
        "p50": point.copy(),
        "p90": p90,
        "p95": np.maximum(band["p95"], p90),
    }


def _scale(errors: Floats, hours: Ints) -> Floats:
    """Mean absolute error of each hour of day, smoothed around the clock and drawn to the overall mean."""
    known = ~np.isnan(errors)
    size, hours = np.abs(errors[known]), hours[known]
    n = _smooth(np.bincount(hours, minlength=24))
    total = _smooth(np.bincount(hours, weights=size, minlength=24))
    overall = size.mean()
    scale: Floats = (total + _PRIOR_ERRORS * overall) / (n + _PRIOR_ERRORS)
    return np.maximum(scale, np.finfo(np.float64).tiny)


def _smooth(by_hour: Floats | Ints) -> Floats:
    around = range(-(len(_SMOOTHING) // 2), len(_SMOOTHING) // 2 + 1)
    shifted = [weight * np.roll(by_hour, shift) for weight, shift in zip(_SMOOTHING, around, strict=True)]
    smooth: Floats = np.sum(shifted, axis=0) / _SMOOTHING.sum()
    return smooth


def _conformal(scores: Floats, level: float) -> float:
    """The order statistic that a new score stays below with probability at least (above half) `level`."""
    n, ordered = len(scores), np.sort(scores)
    if level < 0.5:
        return float(ordered[max(int(np.floor((n + 1) * level)), 1) - 1])
    return float(ordered[min(int(np.ceil((n + 1) * level)), n) - 1])
