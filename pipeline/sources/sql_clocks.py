"""Local stamps without an offset -> UTC starts of intervals; a stamp that may mean two moments is left out."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np
import pandas as pd

LAST_HOUR = 24
_TEXTS = ("%m/%d/%Y", "%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S")
_YES, _NO = frozenset({"y", "yes", "true", "t", "1"}), frozenset({"n", "no", "false", "f", "0", ""})


def moment_of(value: Any) -> datetime:
    """A date or time as a driver gives it, as a naive time: its own type or text. Raises ValueError with words."""
    if isinstance(value, datetime):
        found = value
    elif isinstance(value, date):
        found = datetime.combine(value, time())
    else:
        found = _parsed(str(value).strip())
    if found.tzinfo is not None:
        raise ValueError(f"a stamp with an offset ({found.isoformat()})")
    return found


def _parsed(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        for form in _TEXTS:
            try:
                return datetime.strptime(text, form)  # noqa: DTZ007
            except ValueError:
                continue
    raise ValueError(f"{text!r:.40} for a time")


def hour_of(value: Any) -> int:
    """The hour that ends: 1, "1", "01:00", "24:00" or a time of day. Raises ValueError with words; 0 is no hour."""
    text = str(value).strip()
    head, _, minutes = text.partition(":")
    # Drivers give whole numbers as 1, 1.0 or Decimal("1").
    hour = float(head) if head.replace(".", "", 1).isdecimal() else 0.0
    if not (1 <= hour <= LAST_HOUR + 1 and hour.is_integer() and set(minutes) <= set("0:")):
        raise ValueError(f"{text!r:.40} for an hour that ends")
    return int(hour)


def flag_of(value: Any) -> bool:
    """Whether a flag marks the repeated hour; null does not. Raises ValueError with words."""
    text = "" if value is None else str(value).strip().lower()
    if text not in _YES | _NO:
        raise ValueError(f"{text!r:.40} for a flag of the repeated hour")
    return text in _YES


def hours_begin(days: Sequence[Any], hours: Sequence[Any]) -> pd.Series:
    """Local starts (naive) of the hours that end; NaT on a day that counts an hour 25.

    There the labels may count the hours passed, or 25 may be the repeated hour: from 3 on nobody can tell.
    """
    day = pd.Series([moment_of(one) for one in days], dtype="datetime64[us]").dt.normalize()
    hour = pd.Series([hour_of(one) for one in hours], dtype="int64")
    local = day + pd.to_timedelta(hour - 1, unit="h").astype("timedelta64[us]")
    return local.mask(day.isin(day[hour > LAST_HOUR]))


def told_by_order(local: pd.Series) -> pd.Series:
    """Which of two equal local times came first: True, False, or missing where the order cannot tell.

    It can where exactly two rows have the time and all rows of that day come in the order of their times.
    """
    day = local.dt.normalize()
    ordered = local.groupby(day, dropna=True).transform(lambda times: times.is_monotonic_increasing).astype("boolean")
    twice = local.groupby(local).transform("size") == 2
    return (~local.duplicated(keep="first")).astype("boolean").where(twice & ordered.fillna(False))


def told_by_flag(flags: Sequence[Any]) -> pd.Series:
    """Whether a time is the first of two: not, where the flag is up."""
    return pd.Series([not flag_of(one) for one in flags], dtype="boolean")


def to_utc(local: pd.Series, first: pd.Series | None, zone: str) -> pd.Series:
    """Naive local times as UTC; NaT for a time that does not exist and for one of two that `first` does not tell."""
    plain = local.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    if first is not None:
        summer = first.fillna(True).to_numpy(dtype=bool)
        told = local.dt.tz_localize(zone, ambiguous=np.asarray(summer), nonexistent="NaT")
        plain = plain.fillna(told.where(first.notna().to_numpy(dtype=bool)))
    found: pd.Series = plain.dt.tz_convert("UTC").astype("datetime64[us, UTC]")
    return found


def local_bounds(start: datetime, end: datetime, zone: Any) -> tuple[datetime, datetime]:
    """Naive local times that surely hold [start, end), an hour more at each side: the clocks may change there."""
    low, high = (moment.astimezone(zone).replace(tzinfo=None) for moment in (start, end))
    return low - timedelta(hours=1), high + timedelta(hours=1)
