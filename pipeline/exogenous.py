"""Versions of other series + origins -> feature columns `x_<series key>_...` of what was known of them at issue.

Forecasts and prices speak of the target hour, measurements of the past only. A column is NaN where its facts
were not known; a series that was wholly unknown is NaN everywhere and never an exception. Each number is
computed elementwise in a fixed order, so a row's bits do not depend on the rows beside it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.markets import HORIZONS
from pipeline.models.base import Batch, Floats
from pipeline.recipe import Chunk, Columns
from pipeline.windows import DAY, WEEK, Index, Times, Versions, pick

PREFIX = "x_"
LATE_HOURS = 6
"""A measurement may be this old and still stand for the present."""
LOOK_BACK = WEEK + DAY
"""Hours before the origin that the columns of an input reach back to, and some."""
ERROR_HOURS = (3, DAY)
MEAN_HOURS = (DAY, 72)
CELSIUS = "degC"
HEATED_BELOW, COOLED_ABOVE = 18.0, 22.0
"""Bases of heating and cooling degrees in Celsius. On Victoria 2014 (mid-July to September, a temperature forecast
with an error of 0.8 degrees) ridge and LightGBM err by 93 MW, with the temperature alone by 94, with its degrees by 79.
"""

_HOUR = np.timedelta64(1, "h")
_NONE = Versions(*(np.empty(0, dtype=kind) for kind in ("datetime64[h]", "float64", "datetime64[us]")))


class Described(Protocol):
    """What the columns of an input depend on; markets.Input is one.

    key: the series' name in its columns; kind: measured, forecast or price (see markets.KINDS); unit: its unit;
    own_unit: whether that is the target's unit, as with the operator's forecast of the target.
    """

    @property
    def key(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def own_unit(self) -> bool: ...


@dataclass(frozen=True)
class Exogenous:
    """An input with its hourly versions, None where nothing of it is stored."""

    key: str
    kind: str
    own_unit: bool
    versions: Versions | None = None
    unit: str = ""


def names(inputs: Iterable[Described]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the columns of the origin and of those of the target hour, input by input."""
    shared: list[str] = []
    target: list[str] = []
    for one in inputs:
        if one.kind == "measured":
            mine = ["now", "change24", *(f"mean{hours}" for hours in MEAN_HOURS)], ["yesterday"]
        elif one.own_unit:
            mine = [f"error{hours}" for hours in ERROR_HOURS], ["level", "change", "day", "week"]
        else:
            degrees = ["heating", "heatingday", "cooling", "coolingday"] if one.unit == CELSIUS else []
            mine = [], ["level", "change", "day", *degrees]
        shared += [_name(one, what) for what in mine[0]]
        target += [_name(one, what) for what in mine[1]]
    return tuple(shared), tuple(target)


def missing(batch: Batch) -> NDArray[np.object_]:
    """(n,) the keys, sorted and comma-joined, of inputs with a NaN in a column of the origin; "" where none has."""
    gone: dict[str, NDArray[np.bool_]] = {}
    for names, columns in ((batch.shared_names, batch.shared[:, None]), (batch.target_names, batch.target)):
        for place, key in _keys(names):
            unknown: NDArray[np.bool_] = np.any(np.isnan(columns[:, :, place]), axis=1)
            gone[key] = gone[key] | unknown if key in gone else unknown
    words = np.full(len(batch), "", dtype=object)
    for key, where in sorted(gone.items()):
        words[where] = [f"{word},{key}" if word else key for word in words[where]]
    return words


def without(batch: Batch) -> Batch:
    """The batch with the columns of all inputs left out."""
    shared, target = (
        [place for place, name in enumerate(names) if not name.startswith(PREFIX)]
        for names in (batch.shared_names, batch.target_names)
    )
    return replace(
        batch,
        shared=np.ascontiguousarray(batch.shared[:, shared]),
        target=np.ascontiguousarray(batch.target[:, :, target]),
        shared_names=tuple(batch.shared_names[place] for place in shared),
        target_names=tuple(batch.target_names[place] for place in target),
    )


@dataclass(frozen=True)
class Reader:
    """An input indexed over the hours that a build touches.

    said, said_at: (hours,) the last that was said of each hour before it began, else the first after, and when.
    """

    what: Exogenous
    index: Index
    value: Floats
    said: Floats
    said_at: Times

    @classmethod
    def over(cls, one: Exogenous, first: np.datetime64, last: np.datetime64) -> "Reader":
        """For origins in [first, last]."""
        versions = _NONE if one.versions is None else one.versions
        start = first - LOOK_BACK * _HOUR
        index = Index.over(versions, start, last + max(HORIZONS) * _HOUR)
        hours: Times = np.arange(start, last + _HOUR)
        offsets = index.offsets(hours)
        places = index.find(offsets, index.ranks(hours))
        places = np.where(places >= 0, places, index.first_words(offsets))
        said_at = np.append(versions.known_at.astype("datetime64[us]"), np.datetime64("NaT"))[places]
        return cls(what=one, index=index, value=versions.value, said=pick(versions.value, places), said_at=said_at)

    def columns(self, chunk: Chunk, actual: Floats, as_of: Times) -> tuple[Columns, list[Columns]]:
        """Columns of the origins and, by horizon, of their target hours, (n,) each.

        `actual` (DAY, n): row k is y[T-k] as known at `as_of`, NaN where unknown.
        """
        shared, target = (self._measured if self.what.kind == "measured" else self._ahead)(chunk, actual, as_of)
        return self._named(shared), [self._named(columns) for columns in target]

    def _named(self, columns: Columns) -> Columns:
        return {_name(self.what, what): values for what, values in columns.items()}

    def _past(self, hours: Times, as_of: Times) -> Floats:
        places = self.index.offsets(hours)
        return np.where(self.said_at[places] <= as_of, self.said[places], np.nan)

    def _ahead(self, chunk: Chunk, actual: Floats, as_of: Times) -> tuple[Columns, list[Columns]]:
        hours: Times = chunk.origins + np.array(HORIZONS)[:, None] * _HOUR
        ahead = pick(self.value, self.index.find(self.index.offsets(hours), self.index.ranks(as_of)))
        now = self._past(chunk.origins, as_of)
        before = [self._past(chunk.back(row, (DAY, WEEK)), as_of) for row in hours]
        if not self.what.own_unit:
            return {}, [self._changes(value, now, day) for value, (day, _) in zip(ahead, before, strict=True)]
        errors = self._past(chunk.origins - np.arange(DAY)[:, None] * _HOUR, as_of) - actual
        means = zip(ERROR_HOURS, _known_means(errors, ERROR_HOURS, least=1), strict=True)
        target = [
            {"level": value - chunk.window[0], "change": value - now, "day": value - day, "week": value - week}
            for value, (day, week) in zip(ahead, before, strict=True)
        ]
        return {f"error{hours}": mean for hours, mean in means}, target

    def _changes(self, value: Floats, now: Floats, day: Floats) -> Columns:
        """What a series of another unit does from T and from the day before to the target hour."""
        columns = {"level": value, "change": value - now, "day": value - day}
        if self.what.unit != CELSIUS:
            return columns
        for name, degrees in (("heating", _heating), ("cooling", _cooling)):
            columns[name] = degrees(value) - degrees(now)
            columns[f"{name}day"] = degrees(value) - degrees(day)
        return columns

    def _measured(self, chunk: Chunk, actual: Floats, as_of: Times) -> tuple[Columns, list[Columns]]:
        places = self.index.offsets(chunk.origins) - np.arange(max(MEAN_HOURS) + LATE_HOURS)[:, None]
        past = _held(pick(self.value, self.index.find(places, self.index.ranks(as_of))))
        column = np.arange(len(chunk.origins))

        def yesterday(hours: Times) -> Floats:
            before = chunk.back(hours, [DAY])[0]
            values: Floats = past[(chunk.origins - before).astype(np.int64), column]
            return values

        shared = {"now": past[0], "change24": past[0] - yesterday(chunk.origins)}
        for hours, mean in zip(MEAN_HOURS, _known_means(past, MEAN_HOURS, least=DAY // 2), strict=True):
            shared[f"mean{hours}"] = mean
        return shared, [{"yesterday": yesterday(chunk.origins + step * _HOUR)} for step in HORIZONS]


def _heating(celsius: Floats) -> Floats:
    """Heating degrees: how far below the base."""
    return np.maximum(HEATED_BELOW - celsius, 0.0)


def _cooling(celsius: Floats) -> Floats:
    """Cooling degrees: how far above the base."""
    return np.maximum(celsius - COOLED_ABOVE, 0.0)


def _name(one: Described, what: str) -> str:
    return f"{PREFIX}{one.key}_{what}"


def _keys(names: Sequence[str]) -> list[tuple[int, str]]:
    """(place, key) of the columns of inputs; what follows a key has no underscore."""
    return [
        (place, name.removeprefix(PREFIX).rpartition("_")[0])
        for place, name in enumerate(names)
        if name.startswith(PREFIX)
    ]


def _held(past: Floats) -> Floats:
    """Hourly rows, newest first, with holes filled by the last value that is at most LATE_HOURS old."""
    if not np.isnan(past).any():
        return past
    held = past.copy()
    for age in range(1, LATE_HOURS + 1):
        older = past[age:]
        held[:-age] = np.where(np.isnan(held[:-age]), older, held[:-age])
    return held


def _known_means(rows: Floats, widths: tuple[int, ...], *, least: int) -> list[Floats]:
    """Means of the known among the first `widths` rows, NaN where fewer than `least` are, summed row by row."""
    total, count, means = np.zeros(rows.shape[1]), np.zeros(rows.shape[1]), []
    for place, row in enumerate(rows[: max(widths)], start=1):
        known = ~np.isnan(row)
        total += np.where(known, row, 0.0)
        count += known
        if place in widths:
            means.append(np.where(count >= least, total / np.maximum(count, 1.0), np.nan))
    return means
