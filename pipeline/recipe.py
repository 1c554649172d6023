"""Windows of known hours + local calendar -> named feature columns of a chunk of origins.

The recipe: everything relative to y[T], aligned by the local clock, one difference-stationary row per origin
(shared) and per target hour. Only elementwise arithmetic and lookups are used, in a fixed order, so the
numbers of a row do not depend on which other rows are computed beside it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pipeline.calendars import DAY_TYPES, Clock, Days
from pipeline.models.base import Floats
from pipeline.windows import DAY, WEEK, Ints, Times

LAGS = (*range(1, 24),)
CLOCK_LAGS = (DAY, WEEK)
MEANS = (3, 24, 168)
TARGET_LAGS = (24, 48, 168, 336)
DELTAS = (24, 168, 336)
ANALOG_DAYS = 28
FOUR_WEEKS = (7, 14, 21, 28)
TAILS = ("last_05", "last_15", "last_30")

_ANGLE = 2 * np.pi * np.arange(366) / 365.25
_ANNUAL = {f"annual_{wave.__name__}_{order}": wave(order * _ANGLE) for order in (1, 2) for wave in (np.sin, np.cos)}

Columns = dict[str, Floats]


@dataclass(frozen=True)
class Calendar:
    """The local clock and days of all hours that origins and targets touch; `analogs` as from `analog_days`."""

    clock: Clock
    days: Days
    analogs: Ints

    @classmethod
    def over(cls, first: np.datetime64, last: np.datetime64, *, zone: str, country: str) -> "Calendar":
        """From UTC hour `first` to `last`. Raises ConfigError for an unknown zone or country."""
        clock = Clock.over(first, last, zone=zone)
        local = clock.local // 24
        days = Days.over(int(local.min()), int(local.max()), country=country)
        return cls(clock=clock, days=days, analogs=analog_days(days))


@dataclass(frozen=True)
class Chunk:
    """n origins with their filled window (WINDOW_HOURS, n) and the calendar around them."""

    origins: Times
    window: Floats
    calendar: Calendar

    def at(self, hours: Times) -> Floats:
        """y at UTC hours (..., n) that lie in each origin's window."""
        lags = (self.origins - hours).astype(np.int64)
        return self.window[lags, np.arange(len(self.origins))]

    def back(self, hours: Times, steps: Iterable[int]) -> Times:
        """(k, n) UTC hours whose local clock is `steps` hours before that of `hours` (n,)."""
        local = self.calendar.clock.local_of(hours)
        return self.calendar.clock.utc_of(local - np.array(list(steps), dtype=np.int64)[:, None])


def shared_columns(chunk: Chunk, tails: Columns) -> Columns:
    """Features of the origin, (n,) each; `tails` as from `tail_columns`."""
    window, level = chunk.window, chunk.window[0]
    columns = {f"lag_{lag}": window[lag] - level for lag in LAGS}
    for lag, value in zip(CLOCK_LAGS, chunk.at(chunk.back(chunk.origins, CLOCK_LAGS)), strict=True):
        columns[f"lag_{lag}"] = value - level
    for width, mean in zip(MEANS, _running_means(window, MEANS), strict=True):
        columns[f"mean_{width}"] = level - mean
    return columns | _spread(window) | _momentum(chunk) | tails | _day_columns(chunk, chunk.origins, "origin_")


def target_columns(chunk: Chunk, horizon: int) -> tuple[Columns, Floats]:
    """Features of the hour T+h, (n,) each, and the naive forecast: last week's value plus the current error."""
    level, hours = chunk.window[0], chunk.origins + np.timedelta64(horizon, "h")
    days = np.arange(1, ANALOG_DAYS + 1) * 24
    then, now = chunk.at(chunk.back(hours, days)), chunk.at(chunk.back(chunk.origins, days))
    delta = then - now
    columns = {f"target_lag_{lag}": then[lag // 24 - 1] - level for lag in TARGET_LAGS}
    columns["target_mean_7_days"] = _mean(then[:7]) - level
    columns["target_mean_4_weeks"] = _mean([then[day - 1] for day in FOUR_WEEKS]) - level
    columns |= {f"delta_{lag}": delta[lag // 24 - 1] for lag in DELTAS}
    columns["delta_4_weeks"] = _mean([delta[day - 1] for day in FOUR_WEEKS])
    columns |= _analogs(chunk, hours, then, delta)
    return columns | _day_columns(chunk, hours, "") | _date_columns(chunk, hours), level + delta[WEEK // 24 - 1]


def tail_columns(level: Floats, tails: Columns) -> Columns:
    """Last minutes minus the hour's mean, for today, yesterday and last week; 0 where the hour is missing.

    `level` and each of `tails` are (3, n).
    """
    columns: Columns = {}
    for name, values in tails.items():
        shape = np.where(np.isnan(values - level), 0.0, values - level)
        columns |= {f"{name}_{day}": row for day, row in zip(("today", "yesterday", "week"), shape, strict=True)}
    return columns


def _spread(window: Floats) -> Columns:
    level = window[0]
    mean = _mean(window[:DAY])
    return {
        "std_24": np.sqrt(_mean([(row - mean) ** 2 for row in window[:DAY]])),
        "min_24": window[:DAY].min(axis=0) - level,
        "max_24": window[:DAY].max(axis=0) - level,
    }


def _momentum(chunk: Chunk) -> Columns:
    """Means over the last 3 and 24 hours of y minus y one clock day, and one clock week, before."""
    columns: Columns = {}
    steps = np.arange(DAY)
    for period in (DAY, WEEK):
        before = [chunk.at(chunk.back(chunk.origins - np.timedelta64(step, "h"), [period]))[0] for step in range(DAY)]
        change = chunk.window[steps] - np.array(before)
        for width, mean in zip((3, DAY), _running_means(change, (3, DAY)), strict=True):
            columns[f"change_{period}_mean_{width}"] = mean
    return columns


def _analogs(chunk: Chunk, hours: Times, then: Floats, delta: Floats) -> Columns:
    """Level and delta of the last one and the mean of the last three days of the target's day type."""
    offsets = chunk.calendar.analogs[_day_places(chunk, hours)].T - 1
    column = np.arange(len(hours))
    level, change = then[offsets, column] - chunk.window[0], delta[offsets, column]
    return {
        "analog_1": level[0],
        "analog_3": _mean(level),
        "analog_delta_1": change[0],
        "analog_delta_3": _mean(change),
    }


def analog_days(days: Days) -> Ints:
    """(days, 3) how many days back the last three days of the same type are, at most ANALOG_DAYS.

    With fewer than three the found ones repeat; with none, last week. Days whose past lies before the
    calendar's first day are of no use to any origin.
    """
    back = np.arange(1, ANALOG_DAYS + 1)
    place = np.arange(len(days.kind))[:, None] - back
    same = (place >= 0) & (days.kind[place.clip(min=0)] == days.kind[:, None])
    same[~same.any(axis=1), 6] = True
    count = same.cumsum(axis=1)
    nth = [np.where(same.any(axis=1), (count >= rank).argmax(axis=1), 0) for rank in (1, 2, 3)]
    found = count[:, -1]
    second = np.where(found >= 2, nth[1], nth[0])
    third = np.where(found >= 3, nth[2], nth[0])
    return np.stack([back[nth[0]], back[second], back[third]], axis=1)


def _day_places(chunk: Chunk, hours: Times) -> Ints:
    return chunk.calendar.clock.local_of(hours) // 24 - chunk.calendar.days.first


def _day_columns(chunk: Chunk, hours: Times, prefix: str) -> Columns:
    kind = chunk.calendar.days.kind[_day_places(chunk, hours)]
    return {f"{prefix}{name}": (kind == code).astype(np.float64) for code, name in enumerate(DAY_TYPES)}


def _date_columns(chunk: Chunk, hours: Times) -> Columns:
    days, place = chunk.calendar.days, _day_places(chunk, hours)
    weekday = days.weekday[place]
    columns = {"local_hour": (chunk.calendar.clock.local_of(hours) % 24).astype(np.float64)}
    columns |= {f"weekday_{code}": (weekday == code).astype(np.float64) for code in range(7)}
    columns["weekday"] = weekday.astype(np.float64)
    for name in ("holiday", "eve", "after", "bridge", "christmas"):
        columns[name] = getattr(days, name)[place].astype(np.float64)
    return columns | {name: table[days.day_of_year[place]] for name, table in _ANNUAL.items()}


def _running_means(rows: Floats, widths: tuple[int, ...]) -> list[Floats]:
    """Means over the first `widths` rows, summed row by row (a reduction would depend on the shape)."""
    total, means = np.zeros(rows.shape[1]), []
    for count, row in enumerate(rows[: widths[-1]], start=1):
        total += row
        if count in widths:
            means.append(total / count)
    return means


def _mean(rows: Iterable[Floats]) -> Floats:
    rows = list(rows)
    total = rows[0].copy()
    for row in rows[1:]:
        total += row
    return total / len(rows)
