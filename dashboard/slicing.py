"""Rows of forecasts + a way to cut them -> the slice of each row and the order of slices. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import pandas as pd

from pipeline.markets import Target
from pipeline.slices import calendar_slices

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DAY_TYPES = {
    "working": "Working day", "saturday": "Saturday", "sunday": "Sunday", "holiday": "Holiday", "bridge": "Bridge day",
    "clock_change": "Clock change",
}  # fmt: skip
Cut = tuple[pd.Series, list[str]]


@dataclass(frozen=True)
class Way:
    """A way to cut: what a slice is called in words, and the cut."""

    one: str
    cut: Callable[[pd.DataFrame, Target], Cut]


def day_types(valid_at: pd.Series, target: Target) -> pd.Series:
    """The type of each hour's local day in words, one of DAY_TYPES' values."""
    hours = pd.DatetimeIndex(valid_at.drop_duplicates())
    masks = calendar_slices(hours.tz_localize(None).to_numpy("datetime64[h]"), zone=target.zone, country=target.country)
    named = pd.Series(index=hours, dtype="str")
    for name, words in DAY_TYPES.items():
        if f"day={name}" in masks:
            named[masks[f"day={name}"]] = words
    return pd.Series(named.reindex(valid_at).to_numpy(), index=valid_at.index, dtype="str")


def local(valid_at: pd.Series, target: Target) -> pd.Series:
    """The hours on the market's own clock."""
    shown: pd.Series = valid_at.dt.tz_convert(ZoneInfo(target.zone))
    return shown


def _horizons(rows: pd.DataFrame, _target: Target) -> Cut:
    return "T+" + rows["horizon"].astype(str), [f"T+{one}" for one in sorted(rows["horizon"].unique())]


def _hours(rows: pd.DataFrame, target: Target) -> Cut:
    return local(rows["valid_at"], target).dt.strftime("%H"), [f"{hour:02d}" for hour in range(24)]


def _weekdays(rows: pd.DataFrame, target: Target) -> Cut:
    place = local(rows["valid_at"], target).dt.day_of_week
    return place.map(dict(enumerate(WEEKDAYS))), list(WEEKDAYS)


def _months(rows: pd.DataFrame, target: Target) -> Cut:
    months = local(rows["valid_at"], target).dt.strftime("%Y-%m")
    return months, sorted(months.unique())


def _day_types(rows: pd.DataFrame, target: Target) -> Cut:
    return day_types(rows["valid_at"], target), list(DAY_TYPES.values())


def _versions(rows: pd.DataFrame, _target: Target) -> Cut:
    first = rows.groupby("version_id")["origin"].min().sort_values(kind="stable")
    return rows["version_id"], list(first.index)


WAYS = {
    "Horizon": Way("horizon", _horizons),
    "Hour": Way("hour of day", _hours),
    "Weekday": Way("weekday", _weekdays),
    "Month": Way("month", _months),
    "Day type": Way("type of day", _day_types),
    "Version": Way("model version", _versions),
}
"""Names are in addresses (`?by=`) and stay as they are."""
