"""(UTC hours, zone, country) -> local clock, day types and holidays, and the way back from clock to UTC hour."""

from dataclasses import dataclass
from functools import lru_cache

import holidays
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.errors import ConfigError

Ints = NDArray[np.int64]
Times = NDArray[np.datetime64]

MONDAY, MIDWEEK, FRIDAY, SATURDAY, SUNDAY = range(5)
DAY_TYPES = ("monday", "midweek", "friday", "saturday", "sunday")
_HOUR = np.timedelta64(1, "h")


@dataclass(frozen=True)
class Clock:
    """The local clock of a zone over a span of UTC hours.

    first: first UTC hour, datetime64[h]; local: (n,) local hours since the epoch, local time rounded down;
    back: UTC hours since the epoch by local hour, starting at local hour `local[0]`.
    """

    first: np.datetime64
    local: Ints
    back: Ints

    @classmethod
    def over(cls, first: np.datetime64, last: np.datetime64, *, zone: str) -> "Clock":
        """The clock from UTC hour `first` to `last`, both included. Raises ConfigError for an unknown zone."""
        first = first.astype("datetime64[h]")
        hours = np.arange(first, last.astype("datetime64[h]") + _HOUR)
        local = _local_hours(hours, zone)
        return cls(first=first, local=local, back=_back(local, hours.astype(np.int64)))

    def local_of(self, hours: Times) -> Ints:
        """Local hours since the epoch of UTC hours within the span."""
        return self.local[(hours.astype("datetime64[h]") - self.first).astype(np.int64)]

    def utc_of(self, local: Ints) -> Times:
        """UTC hour (datetime64[h]) at which the local clock shows `local`, within the span.

        A repeated hour is its first occurrence; a skipped hour is the hour that took its place.
        """
        hours: Times = self.back[local - self.local[0]].view("datetime64[h]")
        return hours


def local_hour(hours: Times, *, zone: str) -> Ints:
    """Local hour of day 0..23 of UTC hours, any shape. Raises ConfigError for an unknown zone."""
    return (_local_hours(hours.ravel(), zone) % 24).reshape(hours.shape)


@dataclass(frozen=True)
class Days:
    """Properties of consecutive local days, starting at ordinal `first` (days since the epoch), (n,) each.

    weekday: 0 is Monday; day_of_year: 0 is 1 January; kind: index into DAY_TYPES, where a holiday is a
    sunday, and the first or last working day beside a day off is a monday or friday only by its weekday.
    holiday, eve, after: the day, the one after it, the one before it is a public holiday.
    bridge: a working day between two days off. christmas: 24 December to 6 January.
    """

    first: int
    weekday: Ints
    day_of_year: Ints
    kind: Ints
    holiday: NDArray[np.bool_]
    eve: NDArray[np.bool_]
    after: NDArray[np.bool_]
    bridge: NDArray[np.bool_]
    christmas: NDArray[np.bool_]

    @classmethod
    def over(cls, first: int, last: int, *, country: str) -> "Days":
        """Days from ordinal `first` to `last`, both included. Raises ConfigError for an unknown country."""
        around = np.arange(first - 1, last + 2)
        dates = around.astype("datetime64[D]")
        weekday = (around + 3) % 7
        day_of_year = (dates - dates.astype("datetime64[Y]")).astype(np.int64)
        holiday = np.isin(around, _holiday_ordinals(country, dates[0], dates[-1]))
        off = holiday | (weekday >= 5)
        inner = slice(1, -1)
        return cls(
            first=first,
            weekday=weekday[inner],
            day_of_year=day_of_year[inner],
            kind=_kind(weekday, holiday)[inner],
            holiday=holiday[inner],
            eve=holiday[2:],
            after=holiday[:-2],
            bridge=~off[inner] & off[:-2] & off[2:],
            christmas=_christmas(dates)[inner],
        )


def _local_hours(hours: Times, zone: str) -> Ints:
    try:
        local = pd.DatetimeIndex(hours.astype("datetime64[s]"), tz="UTC").tz_convert(zone).tz_localize(None)
    except (KeyError, ValueError) as error:
        raise ConfigError(f"time zone {zone!r} is unknown; use an IANA name such as Europe/Madrid.") from error
    return local.to_numpy().astype("datetime64[h]").astype(np.int64)


def _back(local: Ints, hours: Ints) -> Ints:
    back = np.full(local.max() - local[0] + 1, -1, dtype=np.int64)
    back[local[::-1] - local[0]] = hours[::-1]
    for skipped in np.flatnonzero(back < 0)[::-1]:
        back[skipped] = back[skipped + 1]
    return back


def _kind(weekday: Ints, holiday: NDArray[np.bool_]) -> Ints:
    kinds = np.array([MONDAY, MIDWEEK, MIDWEEK, MIDWEEK, FRIDAY, SATURDAY, SUNDAY])
    return np.where(holiday, SUNDAY, kinds[weekday])


def _christmas(dates: Times) -> NDArray[np.bool_]:
    month_day = pd.DatetimeIndex(dates)
    number = month_day.month.to_numpy() * 100 + month_day.day.to_numpy()
    period: NDArray[np.bool_] = (number >= 1224) | (number <= 106)
    return period


def _holiday_ordinals(country: str, first: np.datetime64, last: np.datetime64) -> Ints:
    years = range(int(str(first)[:4]), int(str(last)[:4]) + 1)
    return np.concatenate([_holidays_of(country, year) for year in years])


@lru_cache(maxsize=256)
def _holidays_of(country: str, year: int) -> Ints:
    code, _, subdivision = country.partition("-")
    try:
        days = holidays.country_holidays(code, subdiv=subdivision or None, years=year)
    except NotImplementedError as error:
        raise ConfigError(f"country {country!r} has no holiday calendar; use an ISO code such as ES.") from error
    return np.array(sorted(days), dtype="datetime64[D]").astype(np.int64)
