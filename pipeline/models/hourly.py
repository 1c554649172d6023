"""Rows, changes and local hours -> one linear regression per hour of day, by normal equations."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.models.base import Floats
from pipeline.models.threads import one_thread

ALPHA = 10.0
NEIGHBOUR = 0.05
"""Weight of the rows of the hours before and after in an hour's regression. Of 0, .03, .05, .1, .3 and 1 the
one that erred least (-1.0 %) as geometric mean over the validation windows of seven grids."""
MINIMUM_ROWS = 14
"""Fewest days an hour needs for a regression of its own."""
HOURS = 24


@dataclass(frozen=True)
class Moments:
    """Sums over the rows of each local hour, about their mean `centre` (p + 1,), the last column being the change.

    count: (24,); first: (24, p + 1) sums; second: (24, p + 1, p + 1) sums of products.
    """

    centre: Floats
    count: Floats
    first: Floats
    second: Floats

    @classmethod
    def of(cls, rows: Floats, change: Floats, hour: NDArray[np.int64]) -> "Moments":
        """Of (n, p) rows, (n,) changes and local hours; a row with a NaN does not count."""
        whole = np.concatenate([rows, change[:, None]], axis=1)
        complete = ~np.isnan(whole).any(axis=1)
        centre = whole[complete].mean(axis=0) if complete.any() else np.zeros(whole.shape[1])
        count, first = np.zeros(HOURS), np.zeros((HOURS, whole.shape[1]))
        second = np.zeros((HOURS, whole.shape[1], whole.shape[1]))
        with one_thread("blas"):
            for one in range(HOURS):
                part = whole[complete & (hour == one)] - centre
                count[one], first[one], second[one] = len(part), part.sum(axis=0), part.T @ part
        return cls(centre, count, first, second)


@dataclass(frozen=True)
class Lines:
    """weights (24, p), offset (24,): NaN for an hour with too few days. `inverse` (24, p, p), `mean` (24, p) and
    `count` (24,) are of the weighted Gram matrix of the rows that each hour learned from."""

    weights: Floats
    offset: Floats
    inverse: Floats
    mean: Floats
    count: Floats

    def left_out(self, rows: Floats, change: Floats, hour: NDArray[np.int64]) -> Floats:
        """(n,) the change as forecast had that row not been learned, NaN where a row has a NaN (PRESS, Allen 1974)."""
        error, out = change - line(self.weights, self.offset, rows, hour), np.full(len(rows), np.nan)
        with one_thread("blas"):
            for one in range(HOURS):
                own = np.flatnonzero(hour == one)
                part = rows[own] - self.mean[one]
                leverage = np.sum((part @ self.inverse[one]) * part, axis=1) + 1 / max(self.count[one], 1.0)
                out[own] = change[own] - error[own] / np.maximum(1 - leverage, 0.05)
        return out


def line(weights: Floats, offset: Floats, rows: Floats, hour: NDArray[np.int64]) -> Floats:
    """(n,) changes by (24, p) weights and (24,) offsets."""
    # einsum, not @: BLAS may round one row otherwise than the same row among many.
    change: Floats = np.einsum("ij,ij->i", rows, weights[hour]) + offset[hour]
    return change


def solve(moments: Moments, *, alpha: float = ALPHA, neighbour: float = NEIGHBOUR) -> Lines:
    """Hoerl & Kennard (1970) on features standardised by hour, each hour with a little of its neighbours."""
    width = len(moments.centre) - 1
    weights, offset = np.full((HOURS, width), np.nan), np.full(HOURS, np.nan)
    inverse, mean = np.full((HOURS, width, width), np.nan), np.full((HOURS, width), np.nan)
    shared = _with_neighbours(moments, neighbour)
    with one_thread("blas"):
        for hour in np.flatnonzero(moments.count >= MINIMUM_ROWS):
            count, middle = shared.count[hour], shared.first[hour] / shared.count[hour]
            products = shared.second[hour] - count * np.outer(middle, middle)
            mean[hour] = (middle + moments.centre)[:-1]
            spread = np.sqrt(np.maximum(np.diag(products)[:-1] / count, 0.0))
            spread[spread <= 1e-6 * np.maximum(1.0, np.abs(mean[hour]))] = np.inf
            gram = products[:-1, :-1] / spread / spread[:, None]
            gram[np.diag_indices_from(gram)] += alpha
            inverse[hour] = np.linalg.inv(gram) / spread / spread[:, None]
            weights[hour] = inverse[hour] @ products[:-1, -1]
            offset[hour] = (middle + moments.centre)[-1] - mean[hour] @ weights[hour]
    return Lines(weights, offset, inverse, mean, shared.count)


def _with_neighbours(moments: Moments, weight: float) -> Moments:
    def shared(sums: Floats) -> Floats:
        return sums + weight * (np.roll(sums, 1, axis=0) + np.roll(sums, -1, axis=0))

    return Moments(moments.centre, shared(moments.count), shared(moments.first), shared(moments.second))
