"""What was issued and measured lately + point forecasts -> bands that follow the errors, from issue to issue.

Three things adapt, all from what was known when an issue was made:
- the pool of errors: hold-out errors of the version and as-issued errors of the last WINDOW;
- volatility: a fast mean of recent errors against their usual size, by which pool and band are scaled
  (normalised conformal scores as in Lei et al. 2018, the normaliser as in exponential smoothing);
- the level of each edge, by horizon and by hour of day: adaptive conformal inference (Gibbs & Candes 2021,
  "Adaptive conformal inference under distribution shift") on how often actuals fell beyond the edges as issued.
  Misses fade with their age, which bounds the correction as in Angelopoulos, Candes & Tibshirani 2023, "Conformal
  PID control".
The constants were chosen on Spain 2023 and ERCOT 2024, the hour's on validation windows of benchmarks/datasets.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import intervals
from pipeline.calendars import local_hour
from pipeline.errors import NotEnoughData
from pipeline.intervals import EDGES, NOMINAL
from pipeline.markets import HORIZONS
from pipeline.models.base import Floats
from pipeline.windows import Index, Ints, Times, Versions, pick

WINDOW = 60 * 24
"""Hours of as-issued errors in the pool."""
LEAST_ERRORS = 14 * 24
"""Below this many errors of a horizon, hold-out errors from before the window count too."""
GAIN = 0.01
"""Step of the adaptive level of a horizon for each miss or hit (gamma of Gibbs & Candes)."""
HOUR_GAIN = 0.04
"""The same of an hour of day, for the mean of the horizons that ended there."""
MISS_HALF_LIFE_H, HOUR_MISS_HALF_LIFE_H = 120.0, 480.0
VOLATILITY_HALF_LIFE_H = 12.0
VOLATILITY_POWER = 0.8
"""How far bands go along with the volatility; 1 is all the way."""
CALM_HOURS = 8.0
"""Weight of the prior that errors are as large as usual, in hours of errors."""
VOLATILITY_RANGE = (0.5, 3.0)
LEVEL_RANGE = (0.01, 0.99)

_AHEAD = np.array(HORIZONS)
_AGE = np.arange(WINDOW)[::-1]
_FADE = 0.5 ** (_AGE[:, None, None] / MISS_HALF_LIFE_H)
_HOUR_FADE = 0.5 ** (_AGE[:, None] / HOUR_MISS_HALF_LIFE_H)

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Basis:
    """One way to forecast, on the axis of a track, (m, H) each.

    own: which issues of the track were made that way; held: errors of its hold-out (forecast - actual), else NaN.
    """

    own: Bools
    held: Floats


class Track:
    """Issues by the hour they are for: row k is hour `first` + k, column h-1 what was issued h hours before it.

    point: (m, H); edges: (m, H, 4), quantiles EDGES as issued; NaN where nothing was. The axis reaches to
    `since` or WINDOW hours before the first origin to be issued, whichever is earlier.
    """

    def __init__(
        self, origins: Times, actuals: Versions, *, zone: str, since: np.datetime64, width: int = len(HORIZONS)
    ) -> None:
        """For issues of `origins` (datetime64[h], ascending), given all versions of the actuals of WINDOW hours.

        Only the first `width` hours ahead have bands: of hours that nobody issues no errors become known.
        """
        self._width = width
        self.first = min(origins[0] - np.timedelta64(WINDOW, "h"), since.astype("datetime64[h]"))
        last = origins[-1] + np.timedelta64(int(_AHEAD[-1]), "h")
        hours = np.arange(self.first, last + 1)
        self.local_hour = local_hour(hours, zone=zone)
        self.point = np.full((len(hours), len(_AHEAD)), np.nan)
        self.edges = np.full((len(hours), len(_AHEAD), len(EDGES)), np.nan)
        self._index = Index.over(actuals, self.first, last)
        self._actual = actuals.value

    def spread(self, origins: Times, values: NDArray[Any], empty: Any) -> NDArray[Any]:
        """(n, H, ...) values of origins on the axis of the track; hours beyond it are dropped."""
        axis = np.full(self.point.shape + values.shape[2:], empty, dtype=values.dtype)
        self._put(axis, origins, values)
        return axis

    def remember(self, origins: Times, point: Floats, edges: Floats) -> None:
        """Note issues: points (n, H) and edges (n, H, 4), NaN where there is none."""
        self._put(self.point, origins, point)
        self._put(self.edges, origins, edges)

    def band(self, origin: np.datetime64, as_of: np.datetime64, point: Floats, basis: Basis) -> Floats:
        """Edges (H, 4) around the points (H,) of `origin`, from what was known at `as_of`; NaN with too few errors."""
        end = int((origin - self.first).astype(np.int64)) + 1
        rows = slice(end - WINDOW, end)
        actual = self._known(rows, as_of)
        error, hours = self._pool(rows, actual, basis)
        volatility, now = _volatility(error, hours)
        ahead = self.local_hour[end : end + self._width]
        edges = np.full((len(point), len(EDGES)), np.nan)
        try:
            calibration = intervals.calibrate(error / volatility, hours, levels=self._levels(rows, actual, ahead))
        except NotEnoughData:
            return edges
        band = intervals.apply(calibration, point[None, : self._width], ahead[None], volatility=now)
        edges[: self._width] = np.stack([band[name][0] for name in EDGES], axis=1)
        return edges

    def _put(self, axis: NDArray[Any], origins: Times, values: NDArray[Any]) -> None:
        rows = (origins.astype("datetime64[h]") - self.first).astype(np.int64)[:, None] + _AHEAD
        there = (rows >= 0) & (rows < len(axis))
        axis[rows[there], np.broadcast_to(_AHEAD - 1, rows.shape)[there]] = values[there]

    def _known(self, rows: slice, as_of: np.datetime64) -> Floats:
        rank = self._index.ranks(np.array([as_of]))
        return pick(self._actual, self._index.find(np.arange(rows.start, rows.stop), rank))

    def _pool(self, rows: slice, actual: Floats, basis: Basis) -> tuple[Floats, Ints]:
        """Errors (k, width) by target hour, ascending, and their local hours.

        Issues of this basis come before its hold-out, and that before other issues.
        """
        whole = basis.held[:, : self._width]
        issued, held = self.point[rows, : self._width] - actual[:, None], whole[rows]
        error = np.where((basis.own[rows, : self._width] & ~np.isnan(issued)) | np.isnan(held), issued, held)
        hours = self.local_hour[rows]
        if np.sum(~np.isnan(error), axis=0).min() < LEAST_ERRORS:
            older = np.flatnonzero(~np.isnan(whole[: rows.start]).all(axis=1))
            error = np.concatenate([whole[older], error])
            hours = np.concatenate([self.local_hour[older], hours])
        return error, np.repeat(hours[:, None], error.shape[1], axis=1)

    def _levels(self, rows: slice, actual: Floats, ahead: Ints) -> Floats:
        """(width, 4) probabilities to aim at, for hours of day `ahead`, so that edges hold what EDGES promise."""
        edges, hours = self.edges[rows, : self._width], self.local_hour[rows]
        known = ~np.isnan(edges) & ~np.isnan(actual)[:, None, None]
        surplus = np.where(known, NOMINAL - (actual[:, None, None] < edges), 0.0)
        by_hour = _HOUR_FADE * np.sum(surplus, axis=1) / np.maximum(np.sum(known, axis=1), 1)
        of_hour = np.stack([np.sum(by_hour[hours == hour], axis=0) for hour in ahead])
        levels = NOMINAL + GAIN * np.sum(_FADE * surplus, axis=0) + HOUR_GAIN * of_hour
        return np.asarray(np.clip(levels, *LEVEL_RANGE), dtype=np.float64)


def _volatility(error: Floats, hours: Ints) -> tuple[Floats, float]:
    """(k, H) size of the errors as last known when each was issued, against the usual size; and that of now."""
    known = ~np.isnan(error)
    usual = intervals.profile(error, hours)[np.arange(error.shape[1]), hours]
    size = np.sum(np.where(known, np.abs(error) / usual, 0.0), axis=1) / np.maximum(known.sum(axis=1), 1)
    # Sums of growing weights are the exponential means of all rows at once; ratios of them stay exact enough.
    grow = 2.0 ** (np.arange(len(error)) / VOLATILITY_HALF_LIFE_H)
    total = np.cumsum(grow * size) + CALM_HOURS * grow
    weight = np.cumsum(grow * known.any(axis=1)) + CALM_HOURS * grow
    course = np.clip(total / weight, *VOLATILITY_RANGE) ** VOLATILITY_POWER
    before = np.ones(error.shape)
    for h in range(error.shape[1]):
        before[h + 1 :, h] = course[: -h - 1]
    return before, float(course[-1])
