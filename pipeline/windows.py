"""Versions of hourly values + as-of times -> what was known: windows of past hours, values of single hours."""

from dataclasses import dataclass, fields
from functools import cached_property
from itertools import pairwise
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from pipeline.models.base import Floats

WINDOW_HOURS = 36 * 24
"""Hours a row may depend on: 28 days of lags and a week more to fill the oldest of them."""
WORTH_A_LINE = 64
"""Fewest origins for which a line of hours is read apart from the others."""

DAY, WEEK = 24, 168

NEVER = np.iinfo(np.int64).min

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
            columns[name] = naive_utc(column, units[name]) if name in units else column.to_numpy(dtype=np.float64)
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
    """Versions of the hours [first, last], ordered so that the one known at a moment is found fast.

    position: (v,) place of each kept version in the source arrays, sorted by hour, then known_at;
    offset, known: (v,) its hour, as hours after `first`, and its known_at in microseconds.
    final: (hours,) place in `position` of each hour's newest version, -1 where it has none;
    final_known: (hours,) its known_at, NEVER where it has none.
    """

    first: np.datetime64
    position: Ints
    offset: Ints
    known: Ints
    final: Ints
    final_known: Ints

    @classmethod
    def over(cls, versions: Versions, first: np.datetime64, last: np.datetime64) -> "Index":
        """Index the versions whose hour lies in [first, last]."""
        offset, known = _hours_after(first, versions.valid_at), _microseconds(versions.known_at)
        hours = int((last - first).astype(np.int64)) + 1
        kept = (offset >= 0) & (offset < hours)
        position = np.flatnonzero(kept)
        if len(position) < len(kept):
            offset, known = offset[position], known[position]
        if not _ascending(offset, known):
            order = np.lexsort((known, offset))
            position, offset, known = position[order], offset[order], known[order]
        final, final_known = np.full(hours, -1, dtype=np.int64), np.full(hours, NEVER, dtype=np.int64)
        final[offset] = np.arange(len(position))
        final_known[offset] = known
        return cls(first=first, position=position, offset=offset, known=known, final=final, final_known=final_known)

    def ranks(self, as_of: Times) -> Ints:
        """Moments as `find` compares them: microseconds since the epoch."""
        return _microseconds(as_of)

    def offsets(self, hours: Times) -> Ints:
        """Places of UTC hours on the index's axis."""
        return _hours_after(self.first, hours)

    def find(self, offsets: Ints, ranks: Ints) -> Ints:
        """Place in the source arrays of the version known at `ranks`, -1 where none; arrays broadcast."""
        offsets, ranks = np.broadcast_arrays(offsets, ranks)
        if not len(self.position):
            return np.full(offsets.shape, -1, dtype=np.int64)
        found = self.final[offsets]
        late = self.final_known[offsets] > ranks
        if late.any():
            found[late] = self._before(offsets[late], ranks[late])
        return np.where(found >= 0, self.position[found], -1)

    def first_words(self, offsets: Ints) -> Ints:
        """Place in the source arrays of the earliest known version, -1 where there is none."""
        hour, start = np.unique(self.offset, return_index=True)
        earliest = np.full(len(self.final), -1, dtype=np.int64)
        earliest[hour] = self.position[start]
        return earliest[offsets]

    def _before(self, offsets: Ints, ranks: Ints) -> Ints:
        """Place in `position` of the newest version of the hour known at the moment, -1 where none."""
        key, distinct = self._key
        step, rank = len(distinct) + 1, np.searchsorted(distinct, ranks, side="right") - 1
        before = np.searchsorted(key, offsets * step + rank, side="right") - 1
        same_hour = (before >= 0) & (self.offset[before] == offsets)
        return np.where(same_hour, before, -1)

    @cached_property
    def _key(self) -> tuple[Ints, Ints]:
        """Hour and rank of known_at in one ascending number, and the moments that are ranked."""
        distinct, rank = np.unique(self.known, return_inverse=True)
        return self.offset * (len(distinct) + 1) + rank, distinct


def _hours_after(first: np.datetime64, hours: Times) -> Ints:
    return (hours.astype("datetime64[h]", copy=False) - first).view(np.int64)


def _microseconds(moments: Times) -> Ints:
    """UTC moments as whole microseconds since the epoch."""
    return moments.astype("datetime64[us]", copy=False).view(np.int64)


def pick(values: Floats, places: Ints) -> Floats:
    """Values at `places`, NaN where a place is -1."""
    if not len(values):
        return np.full(places.shape, np.nan)
    picked: Floats = values[places]
    picked[places < 0] = np.nan
    return picked


@dataclass(frozen=True)
class Windows:
    """Makes windows of hours as known at their origin's issue, a part of the origins at a time.

    final: (hours,) values of the newest versions;
    holes: (hours + 1,) how many hours before each have no value.
    """

    index: Index
    values: Floats
    final: Floats
    holes: Ints

    @classmethod
    def over(cls, versions: Versions, first: np.datetime64, last: np.datetime64) -> "Windows":
        """For origins in [first, last]."""
        index = Index.over(versions, first - np.timedelta64(WINDOW_HOURS - 1, "h"), last)
        final = np.full(len(index.final), np.nan)
        final[index.offset] = versions.value[index.position]
        holes = np.concatenate([[0], np.cumsum(np.isnan(final))])
        return cls(index=index, values=versions.value, final=final, holes=holes)

    def parts(self, origins: Times, as_of: Times, *, longest: int) -> list[slice]:
        """Cut the origins where lines of hours begin and end (see `known`), and at `longest`."""
        offsets, ranks = self.index.offsets(origins), self.index.ranks(as_of)
        whole = self._whole(offsets, ranks)
        apart = (np.diff(offsets) != 1) | ~whole[1:] | ~whole[:-1]
        run = np.concatenate([[0], np.cumsum(apart)])
        run[np.bincount(run)[run] < WORTH_A_LINE] = -1
        edges = [0, *(np.flatnonzero(np.diff(run)) + 1), len(origins)]
        return [
            slice(at, min(at + longest, end)) for start, end in pairwise(edges) for at in range(start, end, longest)
        ]

    def known(self, origins: Times, as_of: Times) -> tuple[Floats, Floats | None]:
        """(WINDOW_HOURS, n): row k is y[T-k] of the version known at `as_of`, NaN where none was.

        Where the origins are consecutive, no hour is missing and none was revised later, the second answer is
        the line of hours that all windows are slices of; else None.
        """
        offsets, ranks = self.index.offsets(origins), self.index.ranks(as_of)
        if (np.diff(offsets) == 1).all() and self._whole(offsets, ranks).all():
            line = self.final[offsets[0] - WINDOW_HOURS + 1 : offsets[-1] + 1]
            return sliding_window_view(line, WINDOW_HOURS)[:, ::-1].T, line
        hours = offsets - np.arange(WINDOW_HOURS)[:, None]
        window: Floats = self.final[hours]
        late = np.flatnonzero(self._late(offsets, ranks))
        if len(late):
            window[:, late] = pick(self.values, self.index.find(hours[:, late], ranks[late]))
        return window, None

    def _whole(self, offsets: Ints, ranks: Ints) -> NDArray[np.bool_]:
        """Whether the final versions of all hours of the windows exist and were known."""
        holes = self.holes[offsets + 1] - self.holes[offsets + 1 - WINDOW_HOURS]
        whole: NDArray[np.bool_] = (holes == 0) & ~self._late(offsets, ranks)
        return whole

    def _late(self, offsets: Ints, ranks: Ints) -> NDArray[np.bool_]:
        """Whether the final version of an hour of the windows came after."""
        if self.index.final_known.max() <= ranks.min():
            return np.zeros(len(offsets), dtype=bool)
        late: NDArray[np.bool_] = self._newest[offsets] > ranks
        return late

    @cached_property
    def _newest(self) -> Ints:
        """(hours,) when the last final version came of the window that ends at each hour."""
        return _sliding_max(self.index.final_known)


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


def _ascending(first: Ints, second: Ints) -> bool:
    """Whether the pairs are in order already, as rows from the warehouse are."""
    step = np.diff(first)
    return not ((step < 0) | ((step == 0) & (np.diff(second) < 0))).any()


def _sliding_max(moments: Ints) -> Ints:
    """Latest moment among the WINDOW_HOURS that end at each hour (doubling, then two overlapping halves)."""
    highest, width = moments.copy(), 1
    while width < WINDOW_HOURS:
        step = min(width, WINDOW_HOURS - width)
        highest[step:] = np.maximum(highest[step:], highest[:-step])
        width += step
    return highest


def naive_utc(column: pd.Series, unit: str) -> Times:
    """A column of times, aware or naive UTC, as datetime64[unit]."""
    return pd.to_datetime(column, utc=True).dt.tz_localize(None).to_numpy().astype(f"datetime64[{unit}]")
