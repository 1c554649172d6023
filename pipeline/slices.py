"""Hours that forecasts are for + local calendar -> named slices: hour of day, type of day, peak hours."""

import numpy as np
from numpy.typing import NDArray

from pipeline.calendars import Clock, Days
from pipeline.windows import Times

PEAK = range(8, 20)
Mask = NDArray[np.bool_]
_DAY = np.timedelta64(24, "h")


def calendar_slices(hours: Times, *, zone: str, country: str) -> dict[str, Mask]:
    """Masks of the shape of `hours` (UTC, any shape) by slice, as named in table `backtests`.

    "hour=00" to "hour=23" are local hours; "day=..." is clock_change, holiday, bridge, saturday, sunday or
    working, the first of these that fits the local day; "peak" is 08 to 20 on working days.
    Raises ConfigError for an unknown zone or country.
    """
    if not hours.size:
        return {}
    clock = Clock.over(hours.min() - _DAY, hours.max() + _DAY, zone=zone)
    local = clock.local_of(hours)
    days = Days.over(int(local.min() // 24), int(local.max() // 24), country=country)
    kind = _day_types(days, clock)[local // 24 - days.first]
    slices = {f"hour={hour:02d}": local % 24 == hour for hour in range(24)}
    slices |= {f"day={name}": kind == name for name in np.unique(kind)}
    working = (kind == "working") | (kind == "clock_change") & (days.weekday[local // 24 - days.first] < 5)
    return slices | {"peak": working & np.isin(local % 24, PEAK)}


def _day_types(days: Days, clock: Clock) -> NDArray[np.str_]:
    length = np.bincount(clock.local // 24 - clock.local[0] // 24)
    full = np.flatnonzero((length != 24) & (np.arange(len(length)) > 0) & (np.arange(len(length)) < len(length) - 1))
    changes = np.isin(days.first + np.arange(len(days.weekday)), full + clock.local[0] // 24)
    doubts = [changes, days.holiday, days.bridge, days.weekday == 5, days.weekday == 6]
    return np.select(doubts, ["clock_change", "holiday", "bridge", "saturday", "sunday"], "working")
