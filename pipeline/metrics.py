"""Forecasts and actuals -> MAE, RMSE, MAPE, bias, MASE, pinball loss, coverage, skill and standard errors.

Arrays broadcast together; a pair with a NaN on either side does not count; scores run along `axis` (None:
over all values) and are NaN where no pair is left, `count` says how many are. error = forecast - actual.
Definitions follow Hyndman & Athanasopoulos, "Forecasting: Principles and Practice", chapter 5.
"""

import numpy as np

from pipeline.models.base import Floats

SEASON_HOURS = 168

Axis = int | None


def count(forecast: Floats, actual: Floats, *, axis: Axis = None) -> Floats:
    """Number of pairs with both sides known."""
    return np.asarray(np.sum(~np.isnan(forecast - actual), axis=axis), dtype=np.float64)


def mae(forecast: Floats, actual: Floats, *, axis: Axis = None) -> Floats:
    """Mean absolute error, in the target's unit."""
    return _mean(np.abs(forecast - actual), axis)


def rmse(forecast: Floats, actual: Floats, *, axis: Axis = None) -> Floats:
    """Root mean squared error, in the target's unit."""
    return np.sqrt(_mean((forecast - actual) ** 2, axis))


def bias(forecast: Floats, actual: Floats, *, axis: Axis = None) -> Floats:
    """Mean error, in the target's unit; positive when forecasts are too high."""
    return _mean(forecast - actual, axis)


def mape(forecast: Floats, actual: Floats, *, axis: Axis = None) -> Floats:
    """Mean absolute percentage error, in percent; pairs with an actual of 0 do not count."""
    known = np.where(actual == 0, np.nan, actual)
    return 100 * _mean(np.abs((forecast - known) / known), axis)


def seasonal_scale(values: Floats, *, season: int = SEASON_HOURS) -> float:
    """In-sample MAE of "same hour last week" over (n,) consecutive hours, the scale of MASE; NaN if unknown."""
    return float(mae(values[:-season], values[season:]))


def mase(forecast: Floats, actual: Floats, *, scale: float, axis: Axis = None) -> Floats:
    """MAE over `scale` (from seasonal_scale), NaN where the scale is not above 0 (Hyndman & Koehler 2006)."""
    return mae(forecast, actual, axis=axis) / (scale if scale > 0 else np.nan)


def pinball_loss(quantile: Floats, actual: Floats, *, level: float, axis: Axis = None) -> Floats:
    """Mean loss of the forecast quantile of probability `level`; half the MAE at level 0.5."""
    short = actual - quantile
    return _mean(np.maximum(level * short, (level - 1) * short), axis)


def coverage(low: Floats, high: Floats, actual: Floats, *, axis: Axis = None) -> Floats:
    """Share of actuals within [low, high]."""
    inside = ((low <= actual) & (actual <= high)).astype(np.float64)
    return _mean(np.where(np.isnan(low + high + actual), np.nan, inside), axis)


def skill(score: Floats, reference: Floats) -> Floats:
    """1 - score / reference: 1 is perfect, 0 no better than the reference; NaN where the reference is 0."""
    score, reference = np.asarray(score, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    shape = np.broadcast_shapes(score.shape, reference.shape)
    ratio: Floats = np.divide(score, reference, out=np.full(shape, np.nan), where=reference != 0)
    return 1 - ratio


def standard_error(values: Floats, *, lags: int | None = None) -> float:
    """Standard error of the mean of (n,) autocorrelated values in time order; NaN with fewer than two.

    Newey & West (1987) with Bartlett weights over `lags` steps, by default 4 (n / 100)^(2/9) and at least
    24: losses of hourly origins share their targets. Values that are NaN are left out.
    """
    known = values[~np.isnan(values)]
    n = len(known)
    if n < 2:
        return float("nan")
    wanted = max(24, int(4 * (n / 100) ** (2 / 9))) if lags is None else lags
    spread = known - known.mean()
    reach = min(wanted, n - 1)
    total = spread @ spread
    for lag in range(1, reach + 1):
        total += 2 * (1 - lag / (reach + 1)) * (spread[lag:] @ spread[:-lag])
    return float(np.sqrt(max(total, 0.0)) / n)


def _mean(values: Floats, axis: Axis) -> Floats:
    known = ~np.isnan(values)
    n = np.sum(known, axis=axis)
    total = np.sum(np.where(known, values, 0.0), axis=axis)
    mean: Floats = np.divide(total, n, out=np.full(np.shape(total), np.nan), where=n > 0)
    return mean
