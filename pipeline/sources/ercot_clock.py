"""Days, hours ending and flags of Central time -> UTC starts; a UTC window -> Central days and stamps.

ERCOT writes clock time without an offset: hour ending n covers n-1 to n, the repeated autumn hour is told by a flag
(in some files by a mark at the hour), and the spring day has no hour ending 3. An hour 25 may be the repeated hour, or
the last of a day whose labels count the hours passed: nobody can tell, so a day that has one is left out.
"""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from pipeline.sources.answers import check_years
from pipeline.sources.base import Window

ZONE = "America/Chicago"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
EXTRA_HOUR = 25
# Drivers of databases give an hour as 1.0 or 01:00:00 too.
_HOUR_ENDING = r"^(\d{1,2})(?:\.0+|(?::?00){1,2})?(\s*(?:DST|\*))?$"
_YES, _NO = ("y", "yes", "true", "t", "1"), ("n", "no", "false", "f", "0", "")
_FLAGS = dict.fromkeys(_YES, True) | dict.fromkeys(_NO, False)


def starts(
    days: pd.Series, hours: pd.Series, repeated: pd.Series | None, quarters: pd.Series | None = None
) -> pd.Series:
    """UTC starts (datetime64[us, UTC]) of the hours ending, or of their quarters 1 to 4.

    `days` are texts like 2024-11-25 or 11/25/2024, `hours` numbers or texts from 1 to 25 like 1, 01:00, 2400 or 0200 *,
    `repeated` is True or Y in the second of two equal hours, or None where there is no such flag. NaT where the clock
    never shows that hour, where nothing tells which of two it is, and on a day that counts an hour 25. Raises
    ValueError with words for what is no day, hour, flag or quarter.
    """
    day = _dated(days)
    hour, marked = _numbered(hours)
    second = marked if repeated is None else flagged(repeated) | marked
    clock = (day + pd.to_timedelta(hour - 1, unit="h")).mask(day.isin(day[hour == EXTRA_HOUR]))
    found = localised(clock, second if repeated is not None or marked.any() else None)
    if quarters is not None:
        found += pd.to_timedelta(15 * (_quartered(quarters) - 1), unit="min")
    return found.astype("datetime64[us, UTC]")


def localised(clock: pd.Series, repeated: pd.Series | None) -> pd.Series:
    """Naive Central times as UTC (datetime64[us, UTC]); `repeated` (bool) says which are the second of two equal ones.

    NaT for a time that the clock never shows, and without `repeated` for one that it shows twice. Raises ValueError
    with words for a year that no data can be of.
    """
    check_years(clock)
    told = "NaT" if repeated is None else (~repeated).to_numpy(dtype=bool)
    local = clock.dt.tz_localize(ZONE, ambiguous=told, nonexistent="NaT")
    found: pd.Series = local.dt.tz_convert("UTC").astype("datetime64[us, UTC]")
    return found


def stamps(texts: pd.Series) -> pd.Series:
    """UTC times of stamps in Central clock time, in the repeated hour the later: nothing seems known too early.

    Raises ValueError for what is no stamp.
    """
    found = pd.to_datetime(texts.astype("str"), format="ISO8601")
    if found.dt.tz is not None:
        raise ValueError("a stamp with an offset")
    clock = found.astype("datetime64[us]")
    check_years(clock)
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
    return localised(days + pd.Timedelta(clock), pd.Series(data=False, index=days.index))


def _dated(days: pd.Series) -> pd.Series:
    texts = days.astype("str").str.strip()
    american = texts.str.contains("/").any()
    found = pd.to_datetime(texts, format="%m/%d/%Y" if american else "%Y-%m-%d").astype("datetime64[us]")
    if found.isna().any():
        raise ValueError("a row without a day")
    return found


def _numbered(hours: pd.Series) -> tuple[pd.Series, pd.Series]:
    parts = hours.astype("str").str.strip().str.extract(_HOUR_ENDING)
    numbers = pd.to_numeric(parts[0]).fillna(0).astype("int64")
    odd = ~numbers.between(1, EXTRA_HOUR)
    if odd.any():
        raise ValueError(f"an hour ending {str(hours[odd].iloc[0])!r:.20}")
    return numbers, parts[1].notna()


def flagged(repeated: pd.Series) -> pd.Series:
    """Whether flags mark the second of two equal hours; null does not. Raises ValueError with words."""
    flags = repeated.astype("str").fillna("").str.strip().str.lower().map(_FLAGS)
    if flags.isna().any():
        raise ValueError(f"a flag {str(repeated[flags.isna()].iloc[0])!r:.20} of the repeated hour")
    return flags.astype(bool)


def _quartered(quarters: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(quarters, errors="coerce").fillna(0)
    if not numbers.isin([1, 2, 3, 4]).all():
        raise ValueError(f"an interval {str(quarters[~numbers.isin([1, 2, 3, 4])].iloc[0])!r:.20}")
    return numbers
