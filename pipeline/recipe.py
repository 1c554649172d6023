"""Windows of known hours + local calendar -> named feature columns of a chunk of origins.

The recipe: everything relative to y[T], aligned by the local clock, one difference-stationary row per origin
(shared) and per target hour. Only elementwise arithmetic and lookups are used, in a fixed order, so the
numbers of a row do not depend on which other rows are computed beside it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from pipeline.calendars import DAY_TYPES, Clock, Days
from pipeline.markets import HORIZONS
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

FLAGS = ("holiday", "eve", "after", "bridge", "christmas")
FEW = 256
"""Below so many columns one accumulating call beats a loop over rows; the sums are the same."""

_HOUR = np.timedelta64(1, "h")
_HERE = np.array([0])
_AHEAD = np.array(HORIZONS).astype("timedelta64[h]")
_ANGLE = 2 * np.pi * np.arange(366) / 365.25
_ANNUAL = {f"annual_{wave.__name__}_{order}": wave(order * _ANGLE) for order in (1, 2) for wave in (np.sin, np.cos)}
DATE_COLUMNS = (*DAY_TYPES, "local_hour", *(f"weekday_{code}" for code in range(7)), "weekday", *FLAGS, *_ANNUAL)
"""Features of the target hour that its local date and hour tell."""
_LOCAL_HOUR = DATE_COLUMNS.index("local_hour")

Columns = dict[str, Floats]


@dataclass(frozen=True)
class Calendar:
    """The local clock and days of all hours that origins and targets touch.

    analogs: as from `analog_days`; dates: (days, DATE_COLUMNS) what a day tells every hour of it.
    """

    clock: Clock
    days: Days
    analogs: Ints
    dates: Floats

    @classmethod
    def over(cls, first: np.datetime64, last: np.datetime64, *, zone: str, country: str) -> "Calendar":
        """From UTC hour `first` to `last` at least. Raises ConfigError for an unknown zone or country."""
        # Whole days, so that the origins of a day, and targets of one market, share an answer.
        return _calendar(first.astype("datetime64[D]"), last.astype("datetime64[D]"), zone, country)


@lru_cache(maxsize=32)
def _calendar(first: np.datetime64, last: np.datetime64, zone: str, country: str) -> Calendar:
    clock = Clock.over(first.astype("datetime64[h]"), last.astype("datetime64[h]") + 23 * _HOUR, zone=zone)
    local = clock.local // 24
    days = Days.over(int(local.min()), int(local.max()), country=country)
    return Calendar(clock=clock, days=days, analogs=analog_days(days), dates=_dates(days))


@dataclass(frozen=True)
class Chunk:
    """n origins with their filled window (WINDOW_HOURS, n) and the calendar around them.

    `line`, where given, is the same numbers as one row of hours: the origins are consecutive, all windows agree
    on the hours they share, and `line` holds them from the first window's first hour to the last origin.
    """

    origins: Times
    window: Floats
    calendar: Calendar
    line: Floats | None = None

    def back(self, hours: Times, steps: Iterable[int]) -> Times:
        """(k, ...) UTC hours whose local clock is `steps` hours before that of `hours` (...)."""
        local = self.calendar.clock.local_of(hours)
        steps = np.array(list(steps), dtype=np.int64)
        return self.calendar.clock.utc_of(local - steps.reshape(-1, *([1] * local.ndim)))

    def around(self, shifts: Ints, steps: Iterable[int]) -> Floats:
        """(steps, shifts, n) values at the hours whose clock is `steps` before that of the origins plus `shifts`.

        `shifts` are consecutive and ascending.
        """
        if self.line is None:
            hours = self.origins + shifts[:, None].astype("timedelta64[h]")
            lags = (self.origins - self.back(hours, steps)).astype(np.int64)
            return self.window[lags, np.arange(len(self.origins))]
        # Neighbouring origins share these hours: look each up once and let every shift be a slice.
        first, last = self.origins[0] + shifts[0] * _HOUR, self.origins[-1] + shifts[-1] * _HOUR
        hours = self.back(np.arange(first, last + _HOUR), steps)
        start = self.origins[-1] - np.timedelta64(len(self.line) - 1, "h")
        values = self.line[(hours - start).astype(np.int64)]
        return sliding_window_view(values, len(self.origins), axis=1)


def shared_columns(chunk: Chunk, tails: Columns) -> Columns:
    """Features of the origin, (n,) each; `tails` as from `tail_columns`."""
    window, level = chunk.window, chunk.window[0]
    columns = {f"lag_{lag}": window[lag] - level for lag in LAGS}
    for lag, value in zip(CLOCK_LAGS, chunk.around(_HERE, CLOCK_LAGS)[:, 0], strict=True):
        columns[f"lag_{lag}"] = value - level
    for width, mean in zip(MEANS, _running_means(window, MEANS), strict=True):
        columns[f"mean_{width}"] = level - mean
    kinds = chunk.calendar.dates[_day_places(chunk, chunk.origins), : len(DAY_TYPES)]
    origin = {f"origin_{name}": row for name, row in zip(DAY_TYPES, kinds.T, strict=True)}
    return columns | _spread(window) | _momentum(chunk) | tails | origin


def target_columns(chunk: Chunk) -> tuple[Columns, Floats]:
    """Features of the hours T+h but those of `date_block`, (H, n) each, and the naive forecast.

    That is last week's value plus the current error.
    """
    level, hours = chunk.window[0], chunk.origins + _AHEAD[:, None]
    around = chunk.around(np.arange(HORIZONS[-1] + 1), np.arange(1, ANALOG_DAYS + 1) * 24)
    then, now = around[:, 1:], around[:, 0]

    def delta(day: int) -> Floats:
        change: Floats = then[day - 1] - now[day - 1]
        return change

    columns = {f"target_lag_{lag}": then[lag // 24 - 1] - level for lag in TARGET_LAGS}
    columns["target_mean_7_days"] = _mean(then[:7]) - level
    columns["target_mean_4_weeks"] = _mean([then[day - 1] for day in FOUR_WEEKS]) - level
    columns |= {f"delta_{lag}": delta(lag // 24) for lag in DELTAS}
    columns["delta_4_weeks"] = _mean([delta(day) for day in FOUR_WEEKS])
    columns |= _analogs(chunk, hours, then, now)
    return columns, level + delta(WEEK // 24)


def tail_columns(level: Floats, tails: Columns) -> Columns:
    """Last minutes minus the hour's mean, for today, yesterday and last week; 0 where the hour is missing.

    `level` and each of `tails` are (3, n).
    """
    columns: Columns = {}
    for name, values in tails.items():
        change = values - level
        shape = np.where(np.isnan(change), 0.0, change)
        columns |= {f"{name}_{day}": row for day, row in zip(("today", "yesterday", "week"), shape, strict=True)}
    return columns


def _spread(window: Floats) -> Columns:
    level, day = window[0], window[:DAY]
    mean = _mean(day)
    return {
        "std_24": np.sqrt(_mean((day - mean) ** 2)),
        "min_24": day.min(axis=0) - level,
        "max_24": day.max(axis=0) - level,
    }


def _momentum(chunk: Chunk) -> Columns:
    """Means over the last 3 and 24 hours of y minus y one clock day, and one clock week, before."""
    columns: Columns = {}
    before = chunk.around(np.arange(1 - DAY, 1), (DAY, WEEK))[:, ::-1]
    for period, values in zip((DAY, WEEK), before, strict=True):
        change = chunk.window[:DAY] - values
        for width, mean in zip((3, DAY), _running_means(change, (3, DAY)), strict=True):
            columns[f"change_{period}_mean_{width}"] = mean
    return columns


def _analogs(chunk: Chunk, hours: Times, then: Floats, now: Floats) -> Columns:
    """Level and delta of the last one and the mean of the last three days of the target's day type."""
    offsets = np.moveaxis(chunk.calendar.analogs[_day_places(chunk, hours)], -1, 0) - 1
    row, column = np.arange(len(hours))[:, None], np.arange(hours.shape[1])
    past = then[offsets, row, column]
    level, change = past - chunk.window[0], past - now[offsets, column]
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


def date_block(chunk: Chunk) -> Floats:
    """(n, H, DATE_COLUMNS) features of the hours T+h, a row for each."""
    hours = chunk.origins[:, None] + _AHEAD
    block = chunk.calendar.dates[_day_places(chunk, hours)]
    block[:, :, _LOCAL_HOUR] = chunk.calendar.clock.local_of(hours) % 24
    return block


def _dates(days: Days) -> Floats:
    kinds = [days.kind == code for code in range(len(DAY_TYPES))]
    weekdays = [days.weekday == code for code in range(7)]
    flags = [getattr(days, name) for name in FLAGS]
    waves = [wave[days.day_of_year] for wave in _ANNUAL.values()]
    clock = np.full(len(days.kind), np.nan)
    return np.stack([*kinds, clock, *weekdays, days.weekday, *flags, *waves], axis=1).astype(np.float64)


def _running_means(rows: Floats, widths: tuple[int, ...]) -> list[Floats]:
    """Means over the first `widths` rows."""
    totals = _sums(rows[: widths[-1]], widths)
    return [total / width for total, width in zip(totals, widths, strict=True)]


def _mean(rows: Sequence[Floats] | Floats) -> Floats:
    mean: Floats = _sums(rows, (len(rows),))[0] / len(rows)
    return mean


def _sums(rows: Sequence[Floats] | Floats, widths: tuple[int, ...]) -> list[Floats]:
    """Sums over the first `widths` rows, added row by row (a reduction's order would depend on the shape)."""
    if rows[0].size < FEW:
        running = np.add.accumulate(rows, axis=0)
        return [running[width - 1] for width in widths]
    total, sums = rows[0].copy(), []
    for count, row in enumerate(rows, start=1):
        if count > 1:
            total += row
        if count in widths:
            sums.append(total.copy())
    return sums
