"""An independent, slow reading of the feature recipe: dictionaries and one hour at a time, for the tests."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import holidays
import numpy as np

from pipeline.features import History
from tests.hourly import COUNTRY, FIELDS, ZONE

HOUR = timedelta(hours=1)
WINDOW = 36 * 24
NAN = float("nan")
PLACE = ZoneInfo(ZONE)
OFF = holidays.country_holidays(COUNTRY)

Known = dict[datetime, tuple[float, ...]]


def moment(stamp: np.datetime64) -> datetime:
    """numpy -> aware UTC."""
    return stamp.astype("datetime64[us]").item().replace(tzinfo=UTC)


def known_versions(history: History, origin: datetime, as_of: datetime) -> Known:
    """Per hour of the origin's window: FIELDS of the newest version known, in array order among equals."""
    newest: dict[datetime, tuple[datetime, tuple[float, ...]]] = {}
    columns = zip(history.valid_at, history.known_at, *(getattr(history, name) for name in FIELDS), strict=True)
    for hour, known_at, *numbers in columns:
        at, known = moment(hour), moment(known_at)
        in_window = origin - WINDOW * HOUR < at <= origin
        if in_window and known <= as_of and (at not in newest or known >= newest[at][0]):
            newest[at] = known, tuple(float(number) for number in numbers)
    return {at: numbers for at, (_, numbers) in newest.items()}


def filled(known: Known, origin: datetime) -> dict[datetime, float]:
    """Levels of the window with holes filled from the past."""
    level: dict[datetime, float] = {}
    for step in range(WINDOW - 1, -1, -1):
        at = origin - step * HOUR
        level[at] = known[at][0] if at in known else NAN
        for period in (168, 24):
            if np.isnan(level[at]):
                before = [level.get(at - lag * HOUR, NAN) for lag in (period, 1, period + 1)]
                level[at] = before[0] + (before[1] - before[2])
    return level


def shown(at: datetime) -> datetime:
    """Naive local clock."""
    return at.astimezone(PLACE).replace(tzinfo=None)


def hour_showing(clock: datetime) -> datetime:
    """UTC hour at which the local clock shows `clock`: the first if twice, the one that took its place if never."""
    return clock.replace(tzinfo=PLACE, fold=0).astimezone(UTC)


def day_type(day: date) -> str:
    """Working monday, midweek, friday; saturday; sunday or holiday."""
    if day in OFF:
        return "sunday"
    return ["monday", "midweek", "midweek", "midweek", "friday", "saturday", "sunday"][day.weekday()]


def features(history: History, origin: np.datetime64, as_of: np.datetime64, horizon: int) -> dict[str, float]:
    """All features of one row, by name, and `level`, `naive`, `stale`, `filled`."""
    at = moment(origin)
    known = known_versions(history, at, moment(as_of))
    level = filled(known, at)
    goal = at + horizon * HOUR

    def back(hour: datetime, lag: int) -> float:
        return level[hour_showing(shown(hour) - lag * HOUR)]

    def delta(lag: int) -> float:
        return back(goal, lag) - back(at, lag)

    row = _shared(at, level, back) | _tails(at, known) | _target(goal, back, delta, level[at])
    row |= {f"origin_{name}": float(day_type(shown(at).date()) == name) for name in _TYPES}
    gaps = [step for step in range(WINDOW) if at - step * HOUR in known]
    row |= {"level": level[at], "naive": level[at] + delta(168), "stale": gaps[0] if gaps else WINDOW}
    row["filled"] = sum(1 for hour, value in level.items() if hour not in known and not np.isnan(value))
    return row | _date(goal)


_TYPES = ("monday", "midweek", "friday", "saturday", "sunday")


def _shared(at: datetime, level: dict[datetime, float], back: Callable[[datetime, int], float]) -> dict[str, float]:
    past = [level[at - lag * HOUR] for lag in range(168)]
    row = {f"lag_{lag}": past[lag] - past[0] for lag in range(1, 24)}
    row |= {f"lag_{lag}": back(at, lag) - past[0] for lag in (24, 168)}
    row |= {f"mean_{width}": past[0] - np.mean(past[:width]) for width in (3, 24, 168)}
    row |= {"std_24": np.std(past[:24]), "min_24": min(past[:24]) - past[0], "max_24": max(past[:24]) - past[0]}
    for period in (24, 168):
        changes = [past[step] - back(at - step * HOUR, period) for step in range(24)]
        row |= {f"change_{period}_mean_{width}": np.mean(changes[:width]) for width in (3, 24)}
    return row


def _tails(at: datetime, known: Known) -> dict[str, float]:
    row = {}
    days = {"today": at, "yesterday": hour_showing(shown(at) - 24 * HOUR), "week": hour_showing(shown(at) - 168 * HOUR)}
    for day, hour in days.items():
        value, *tails = known.get(hour, (0.0, 0.0, 0.0, 0.0))
        row |= {f"{name}_{day}": tail - value for name, tail in zip(FIELDS[1:], tails, strict=True)}
    return row


def _target(
    goal: datetime, back: Callable[[datetime, int], float], delta: Callable[[int], float], level: float
) -> dict[str, float]:
    row = {f"target_lag_{lag}": back(goal, lag) - level for lag in (24, 48, 168, 336)}
    row["target_mean_7_days"] = np.mean([back(goal, 24 * day) for day in range(1, 8)]) - level
    row["target_mean_4_weeks"] = np.mean([back(goal, 168 * week) for week in range(1, 5)]) - level
    row |= {f"delta_{lag}": delta(lag) for lag in (24, 168, 336)}
    row["delta_4_weeks"] = np.mean([delta(168 * week) for week in range(1, 5)])
    day = shown(goal).date()
    same = [back for back in range(1, 29) if day_type(day - timedelta(days=back)) == day_type(day)] or [7]
    three = (same * 3)[:3] if len(same) == 1 else (same + same)[:3]
    row["analog_1"], row["analog_delta_1"] = back(goal, 24 * same[0]) - level, delta(24 * same[0])
    row["analog_3"] = np.mean([back(goal, 24 * day) for day in three]) - level
    row["analog_delta_3"] = np.mean([delta(24 * day) for day in three])
    return row


def _date(goal: datetime) -> dict[str, float]:
    clock = shown(goal)
    day, one = clock.date(), timedelta(days=1)
    free = [other in OFF or other.weekday() >= 5 for other in (day - one, day, day + one)]
    angle = 2 * np.pi * (clock.timetuple().tm_yday - 1) / 365.25
    flags = {
        "holiday": day in OFF,
        "eve": day + one in OFF,
        "after": day - one in OFF,
        "bridge": free == [True, False, True],
        "christmas": (day.month, day.day) >= (12, 24) or (day.month, day.day) <= (1, 6),
    }
    flags |= {name: day_type(day) == name for name in _TYPES}
    flags |= {f"weekday_{code}": day.weekday() == code for code in range(7)}
    waves = {"annual_sin_1": np.sin(angle), "annual_cos_1": np.cos(angle)}
    waves |= {"annual_sin_2": np.sin(2 * angle), "annual_cos_2": np.cos(2 * angle)}
    numbers = {"local_hour": clock.hour, "weekday": day.weekday()} | waves
    return {name: float(value) for name, value in (flags | numbers).items()}
