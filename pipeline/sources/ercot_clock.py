"""Days, hours ending and flags of Central time -> UTC starts; a UTC window -> Central days and stamps.

ERCOT writes clock time without an offset: hour ending n covers n-1 to n, the repeated autumn hour is told by a flag
(in some files by the number 25 or a mark at the hour), and the spring day has no hour ending 3.
"""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from pipeline.sources.base import Window

ZONE = "America/Chicago"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
EXTRA_HOUR = 25
REPEATED_HOUR = 2
_HOUR_ENDING = r"^(\d{1,2})(?::?00)?(\s*(?:DST|\*))?$"
_FLAGS = {"y": True, "true": True, "1": True, "n": False, "false": False, "0": False, "": False}


def starts(days: pd.Series, hours: pd.Series, repeated: pd.Series, quarters: pd.Series | None = None) -> pd.Series:
    """UTC starts (datetime64[us, UTC]) of the hours ending, or of their quarters 1 to 4.

    `days` are texts like 2024-11-25 or 11/25/2024, `hours` numbers or texts from 1 to 25 like 1, 01:00, 2400 or 0200 *,
    `repeated` is True or Y in the second of two equal hours. NaT where the clock never shows that hour. Raises
    ValueError with words for what is no day, hour, flag or quarter.
    """
    hour, marked = _numbered(hours)
    second = _flagged(repeated) | marked | (hour == EXTRA_HOUR)
    clock = _dated(days) + pd.to_timedelta(hour.where(hour != EXTRA_HOUR, REPEATED_HOUR) - 1, unit="h")
    first, later = _localised(clock, True), _localised(clock, False)
    found = first.where(~second, later).where((hour != EXTRA_HOUR) | (first != later))
    if quarters is not None:
        found += pd.to_timedelta(15 * (_quartered(quarters) - 1), unit="min")
    return found.astype("datetime64[us, UTC]")


def stamps(texts: pd.Series) -> pd.Series:
    """UTC times of stamps in Central clock time, in the repeated hour the later: nothing seems known too early.

    Raises ValueError for what is no stamp.
    """
    clock = pd.to_datetime(texts, format="ISO8601").astype("datetime64[us]")
    later = np.zeros(len(clock), dtype=bool)
    local = clock.dt.tz_localize(ZONE, ambiguous=later, nonexistent="shift_forward")
    return local.dt.tz_convert("UTC").astype("datetime64[us, UTC]")


def days_of(window: Window) -> tuple[str, str]:
    """The first and the last Central day that `window` touches, like 2024-11-25."""
    zone = ZoneInfo(ZONE)
    last = window.end - timedelta(microseconds=1)
    return f"{window.start.astimezone(zone):%Y-%m-%d}", f"{last.astimezone(zone):%Y-%m-%d}"


def around(start: datetime, end: datetime) -> tuple[str, str]:
    """Stamps in Central clock time an hour outside [start, end], so that a repeated hour cannot cut anything off."""
    zone = ZoneInfo(ZONE)
    return tuple(f"{moment.astimezone(zone):%Y-%m-%dT%H:%M:%S}" for moment in (start - HOUR, end + HOUR))  # type: ignore[return-value]


def day_ahead_at(valid_at: pd.Series, clock: timedelta) -> pd.Series:
    """The moment (UTC) at which the clock of the day before shows `clock`, for each of `valid_at`."""
    days = valid_at.dt.tz_convert(ZONE).dt.tz_localize(None).dt.normalize() - pd.Timedelta(DAY)
    return _localised(days + pd.Timedelta(clock), True).astype("datetime64[us, UTC]")


def _localised(clock: pd.Series, summer: bool) -> pd.Series:
    flags = np.full(len(clock), summer)
    local: pd.Series = clock.dt.tz_localize(ZONE, ambiguous=flags, nonexistent="NaT").dt.tz_convert("UTC")
    return local


def _dated(days: pd.Series) -> pd.Series:
    texts = days.astype("str").str.strip()
    american = texts.str.contains("/").any()
    return pd.to_datetime(texts, format="%m/%d/%Y" if american else "%Y-%m-%d").astype("datetime64[us]")


def _numbered(hours: pd.Series) -> tuple[pd.Series, pd.Series]:
    parts = hours.astype("str").str.strip().str.extract(_HOUR_ENDING)
    numbers = pd.to_numeric(parts[0]).fillna(0).astype("int64")
    odd = ~numbers.between(1, EXTRA_HOUR)
    if odd.any():
        raise ValueError(f"an hour ending {str(hours[odd].iloc[0])!r:.20}")
    return numbers, parts[1].notna()


def _flagged(repeated: pd.Series) -> pd.Series:
    flags = repeated.astype("str").str.strip().str.lower().map(_FLAGS)
    if flags.isna().any():
        raise ValueError(f"a flag {str(repeated[flags.isna()].iloc[0])!r:.20} of the repeated hour")
    return flags.astype(bool)


def _quartered(quarters: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(quarters, errors="coerce").fillna(0)
    if not numbers.isin([1, 2, 3, 4]).all():
        raise ValueError(f"an interval {str(quarters[~numbers.isin([1, 2, 3, 4])].iloc[0])!r:.20}")
    return numbers
