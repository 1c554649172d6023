"""Forecasts and actuals -> MAE, RMSE, MAPE, bias, MASE, pinball loss, coverage, skill, direction and standard errors.

Arrays broadcast together; a pair with a NaN on either side does not count; scores run along `axis` (None:
over all values) and are NaN where no pair is left, `count` says how many are. error = forecast - actual.
Definitions follow Hyndman & Athanasopoulos, "Forecasting: Principles and Practice", chapter 5.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from pipeline.models.base import Floats

SEASON_HOURS = 168
TAIL = 0.05
"""Share of hours that counts as spikes."""
NORMAL = 1.96
LEAST_DAYS = 4
"""Days below which a spread says too little of how far a mean may lie from the truth."""
_DAY = 24

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


def hits(forecast: Floats, actual: Floats) -> Floats:
    """1 where a spread's direction was right, 0 where it was wrong, NaN where either side is 0 or unknown."""
    judged = np.abs(np.sign(forecast) * np.sign(actual)) == 1
    right: Floats = np.where(judged, np.sign(forecast) == np.sign(actual), np.nan)
    return right


def hit_rate(forecast: Floats, actual: Floats, *, axis: Axis = None) -> Floats:
    """Share of hours whose direction was right; its standard error is mean_error(hits(...))."""
    return _mean(hits(forecast, actual), axis)


def earnings(forecast: Floats, actual: Floats) -> Floats:
    """What a position of one megawatt in the direction of the forecast earns each hour, in the spread's unit times MWh.

    Forecasts of T+1..T+6 come after the gate of the day-ahead market has closed, so nobody can earn this: it is a
    yardstick of direction weighted by size, without costs. A forecast of 0 takes no position.
    """
    earned: Floats = np.sign(forecast) * actual
    return earned


def profit(forecast: Floats, actual: Floats, *, axis: Axis = None) -> Floats:
    """Mean of `earnings` an hour; the sum is that times `count`, the standard error mean_error(earnings(...))."""
    return _mean(earnings(forecast, actual), axis)


def tail(forecast: Floats, actual: Floats) -> Floats:
    """Absolute errors of the largest TAIL of the actuals by size, NaN elsewhere; ties at its edge count."""
    loss = np.abs(forecast - actual)
    size = np.where(np.isnan(loss), np.nan, np.abs(actual))
    known = np.sort(size[~np.isnan(size)])
    if not len(known):
        return loss
    largest = size >= known[-max(int(np.ceil(TAIL * len(known))), 1)]
    return np.where(largest, loss, np.nan)


def tail_mae(forecast: Floats, actual: Floats) -> float:
    """MAE of the largest TAIL of the actuals by size: of the spikes; its standard error is mean_error(tail(...))."""
    return float(_mean(tail(forecast, actual), None))


def skill(score: Floats, reference: Floats) -> Floats:
    """1 - score / reference: 1 is perfect, 0 no better than the reference; NaN where the reference is 0."""
    score, reference = np.asarray(score, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    shape = np.broadcast_shapes(score.shape, reference.shape)
    ratio: Floats = np.divide(score, reference, out=np.full(shape, np.nan), where=reference != 0)
    return 1 - ratio


def standard_error(values: Floats, *, lags: int | None = None) -> float:
    """Standard error of the mean of hourly autocorrelated values, (n,) or (n, k) with time first; NaN below two.

    Newey & West (1987) with Bartlett weights over `lags` hours, by default a week (a quarter of a shorter
    series): losses of hourly origins share their targets, and a bad day tends to follow a bad day. The k values
    of an hour count as one cluster. NaN is unknown and keeps its place in time (Parzen 1963), so that a slice such
    as one hour of day is set NaN elsewhere and not cut out.
    """
    known = ~np.isnan(values)
    n = int(known.sum())
    if n < 2:
        return float("nan")
    spread = np.where(known, values - _mean(values, None), 0.0)
    spread = spread if spread.ndim == 1 else spread.sum(axis=1)
    return float(np.sqrt(max(_long_run(spread, _reach(len(spread)) if lags is None else lags), 0.0)) / n)


def mean_error(values: Floats) -> float:
    """Standard error of a mean that is to be shown: NaN below LEAST_DAYS days with values.

    Values as for `standard_error`, hourly, the columns one hour further on each, as forecasts of an origin are. A day
    is a stretch of 24 hours. Newey and West's takes a few days for more than they say: one day alone gives a tenth of
    what it should. So it is never below what the sums of whole days would give if these were independent.
    """
    known = ~np.isnan(values if values.ndim == 2 else values[:, None])
    hours = np.add.outer(np.arange(known.shape[0]), np.arange(known.shape[1]))
    there = np.unique(hours[known])
    if not _spans(there, LEAST_DAYS):
        return float("nan")
    spread = (values.reshape(known.shape) - _mean(values, None))[known]
    sums = np.bincount((hours[known] - there[0]) // _DAY, weights=spread)
    days = np.count_nonzero(np.bincount((there - there[0]) // _DAY))
    independent = float(np.sqrt(sums @ sums * days / (days - 1)) / known.sum())
    return max(standard_error(values), independent)


def confidence(values: Floats) -> tuple[float, float]:
    """The interval that holds the mean of hourly values with 95 %, by `mean_error`; NaN where that is."""
    mean, error = float(_mean(values, None)), mean_error(values)
    return mean - NORMAL * error, mean + NORMAL * error


def skill_error(loss: Floats, reference: Floats) -> float:
    """Standard error of 1 - mean(loss) / mean(reference), paired hour by hour (delta method); NaN if unknown.

    Few days say as little of it as of a mean: see `mean_error`.
    """
    known = ~np.isnan(loss + reference)
    total = np.sum(reference, where=known)
    if not total > 0:
        return float("nan")
    ratio = np.sum(loss, where=known) / total
    return mean_error(loss - ratio * reference) * int(known.sum()) / float(total)


def diebold_mariano(loss: Floats, reference: Floats) -> float:
    """Two-sided p-value of equal expected losses, (n,) or (n, k) hourly and paired; NaN if unknown.

    Diebold & Mariano (1995) with the variance of `standard_error` and Student's t as in Harvey, Leybourne &
    Newbold (1997); its degrees of freedom are the number of stretches as long as the lags, because the normal
    rejects too often when few of them went into the variance (Kiefer & Vogelsang 2005).
    """
    difference = loss - reference
    error = standard_error(difference)
    if not error > 0:
        return 1.0 if error == 0 and float(_mean(difference, None)) == 0 else float("nan")
    freedom = max(len(difference) / _reach(len(difference)) - 1, 1.0)
    return float(2 * stdtr(freedom, -abs(float(_mean(difference, None))) / error))


def _spans(hours: NDArray[np.int64], days: int) -> bool:
    """Whether ascending hours lie in at least that many stretches of a day."""
    for _ in range(days):
        if not len(hours):
            return False
        hours = hours[hours >= hours[0] + _DAY]
    return True


def _reach(hours: int) -> int:
    return max(min(SEASON_HOURS, hours // 4), 1)


def _long_run(spread: Floats, lags: int) -> float:
    """Sum of all products of (n,) values up to `lags` apart, with Bartlett weights.

    Taking off the sample's own mean makes it too small by 1 - b + b^2/3, b = lags / n (Kiefer & Vogelsang 2005).
    """
    total = float(spread @ spread)
    reach = min(lags, len(spread) - 1)
    share = reach / len(spread)
    for lag in range(1, reach + 1):
        total += 2 * (1 - lag / (reach + 1)) * float(spread[lag:] @ spread[:-lag])
    return total / (1 - share + share**2 / 3)


def _mean(values: Floats, axis: Axis) -> Floats:
    known = ~np.isnan(values)
    n = np.sum(known, axis=axis)
    total = np.sum(np.where(known, values, 0.0), axis=axis)
    mean: Floats = np.divide(total, n, out=np.full(np.shape(total), np.nan), where=n > 0)
    return mean
