"""Versions of hourly values + as-of times -> what was known: windows of past hours, values of single hours."""

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.models.base import Floats

WINDOW_HOURS = 36 * 24
"""Hours a row may depend on: 28 days of lags and a week more to fill the oldest of them."""

DAY, WEEK = 24, 168

Times = NDArray[np.datetime64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Versions:
    """Hourly versions of one series: (m,) arrays, in any order.

    valid_at: datetime64[h], UTC, start of the hour.
    value: mean of the hour in the series' unit; NaN takes an hour back.
    known_at: datetime64[us], UTC. Of several versions of an hour the newest known counts,
    among equal times the later in the array.
    """

    valid_at: Times
    value: Floats
    known_at: Times

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Self:
        """From a frame with the fields as columns; times aware or naive UTC, as in table `actuals`."""
        units = {"valid_at": "h", "known_at": "us"}
        columns: dict[str, Any] = {}
        for name in (field.name for field in fields(cls)):
            column = frame[name]
            columns[name] = _utc(column, units[name]) if name in units else column.to_numpy(dtype=np.float64)
        return cls(**columns)

    def __len__(self) -> int:
        return len(self.valid_at)


@dataclass(frozen=True)
class History(Versions):
    """Versions of the target with the mean of the last 5, 15 and 30 minutes of each hour, (m,) each."""

    last_05: Floats
    last_15: Floats
    last_30: Floats


@dataclass(frozen=True)
class Index:
    """Versions of the hours [first, last], ordered so that the one known at a moment is found by bisection.

    position: (v,) place of each kept version in the source arrays, sorted by hour, then known_at.
    key: (v,) hour and rank of known_at in one number, ascending; ranks are places in `moments`.
    final: (hours,) place in `position` of each hour's newest version, -1 where it has none;
    final_rank: (hours,) its rank, -1 where it has none.
    """

    first: np.datetime64
    moments: Times
    position: Ints
    key: Ints
    final: Ints
    final_rank: Ints

    @classmethod
    def over(cls, versions: Versions, first: np.datetime64, last: np.datetime64) -> "Index":
        """Index the versions whose hour lies in [first, last]."""
        offset = (versions.valid_at.astype("datetime64[h]") - first).astype(np.int64)
        hours = int((last - first).astype(np.int64)) + 1
        kept = np.flatnonzero((offset >= 0) & (offset < hours))
        moments, rank = np.unique(versions.known_at[kept].astype("datetime64[us]"), return_inverse=True)
        order = np.lexsort((rank, offset[kept]))
        position, offset, rank = kept[order], offset[kept][order], rank[order]
        final, final_rank = np.full((2, hours), -1, dtype=np.int64)
        final[offset] = np.arange(len(position))
        final_rank[offset] = rank
        key = offset * (len(moments) + 1) + rank
        return cls(first=first, moments=moments, position=position, key=key, final=final, final_rank=final_rank)

    def ranks(self, as_of: Times) -> Ints:
        """Rank of the newest moment at or before each `as_of`, -1 where none."""
        return np.searchsorted(self.moments, as_of.astype("datetime64[us]"), side="right") - 1

    def offsets(self, hours: Times) -> Ints:
        """Places of UTC hours on the index's axis."""
        return (hours.astype("datetime64[h]") - self.first).astype(np.int64)

    def find(self, offsets: Ints, ranks: Ints) -> Ints:
        """Place in the source arrays of the version known at `ranks`, -1 where none; arrays broadcast."""
        offsets, ranks = np.broadcast_arrays(offsets, ranks)
        if not len(self.position):
            return np.full(offsets.shape, -1, dtype=np.int64)
        step = len(self.moments) + 1
        found = self.final[offsets]
        late = self.final_rank[offsets] > ranks
        before = np.searchsorted(self.key, offsets[late] * step + ranks[late], side="right") - 1
        same_hour = (before >= 0) & (self.key[before] // step == offsets[late])
        found[late] = np.where(same_hour, before, -1)
        return np.where(found >= 0, self.position[found], -1)


def pick(values: Floats, places: Ints) -> Floats:
    """Values at `places`, NaN where a place is -1."""
    return np.append(values, np.nan)[places]


@dataclass(frozen=True)
class Windows:
    """Makes windows of hours as known at their origin's issue, a chunk of origins at a time."""

    index: Index
    values: Floats
    final: Floats
    newest: Ints

    @classmethod
    def over(cls, versions: Versions, first: np.datetime64, last: np.datetime64) -> "Windows":
        """For origins in [first, last]."""
        index = Index.over(versions, first - np.timedelta64(WINDOW_HOURS - 1, "h"), last)
        places = np.where(index.final >= 0, np.append(index.position, -1)[index.final], -1)
        final = pick(versions.value, places)
        return cls(index=index, values=versions.value, final=final, newest=_sliding_max(index.final_rank))

    def known(self, origins: Times, as_of: Times) -> Floats:
        """(WINDOW_HOURS, n): row k is y[T-k] of the version known at `as_of`, NaN where none was."""
        offsets, ranks = self.index.offsets(origins), self.index.ranks(as_of)
        hours = offsets - np.arange(WINDOW_HOURS)[:, None]
        window: Floats = self.final[hours]
        late = np.flatnonzero(self.newest[offsets] > ranks)
        if len(late):
            window[:, late] = pick(self.values, self.index.find(hours[:, late], ranks[late]))
        return window


def fill(window: Floats) -> tuple[Floats, Ints, Ints]:
    """Fill missing hours of a (WINDOW_HOURS, n) window forward in time, from the hours before each.

    y(u) = y(u-168) + y(u-1) - y(u-1-168), recursively; where that is unknown, the same with 24; else NaN.
    Returns the window (changed in place), the hours missing at its end (n,) and the hours filled (n,).
    """
    missing = np.isnan(window)
    holes = np.flatnonzero(missing.any(axis=0))
    stale, filled = np.zeros((2, window.shape[1]), dtype=np.int64)
    if len(holes):
        part, gone = window[:, holes], missing[:, holes]
        stale[holes] = np.where(gone.all(axis=0), WINDOW_HOURS, gone.argmin(axis=0))
        _fill_forward(part, gone)
        filled[holes] = (gone & ~np.isnan(part)).sum(axis=0)
        window[:, holes] = part
    return window, stale, filled


def _fill_forward(part: Floats, gone: NDArray[np.bool_]) -> None:
    for lag in np.flatnonzero(gone.any(axis=1))[::-1]:
        where = np.flatnonzero(gone[lag])
        guess = _guess(part, lag, WEEK, where)
        unknown = np.isnan(guess)
        guess[unknown] = _guess(part, lag, DAY, where[unknown])
        part[lag, where] = guess


def _guess(part: Floats, lag: int, period: int, where: Ints) -> Floats:
    if lag + period + 1 >= WINDOW_HOURS:
        return np.full(len(where), np.nan)
    guess: Floats = part[lag + period, where] + (part[lag + 1, where] - part[lag + period + 1, where])
    return guess


def _sliding_max(ranks: Ints) -> Ints:
    """Highest rank among the WINDOW_HOURS that end at each hour (doubling, then two overlapping halves)."""
    highest, width = ranks.copy(), 1
    while width < WINDOW_HOURS:
        step = min(width, WINDOW_HOURS - width)
        highest[step:] = np.maximum(highest[step:], highest[:-step])
        width += step
    return highest


def _utc(column: pd.Series, unit: str) -> Times:
    return pd.to_datetime(column, utc=True).dt.tz_localize(None).to_numpy().astype(f"datetime64[{unit}]")
