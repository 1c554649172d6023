"""(series, window, now) -> an invented market: a pure function of time, the same in any process at any moment.

Demand has a daily, weekly and annual shape, holidays, an answer to temperature and noise on many time
scales; the operator's forecast sees the shape and only the slowest noise. Nothing here is a real market.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cache

import holidays
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.errors import BadRequest
from pipeline.markets import Series
from pipeline.settings import Settings
from pipeline.sources.base import POINT_COLUMNS, Window

Floats = NDArray[np.float64]

ZONE = "Europe/Madrid"
HOUR_S = 3600.0
# Share of the day's mean by local hour, 0 to 24.
WORKDAY = (0.87, 0.82, 0.79, 0.77, 0.77, 0.80, 0.88, 0.99, 1.06, 1.09, 1.10, 1.10, 1.10,
           1.11, 1.09, 1.06, 1.04, 1.04, 1.06, 1.09, 1.13, 1.13, 1.06, 0.96, 0.87)  # fmt: skip
RESTDAY = (0.88, 0.82, 0.78, 0.75, 0.74, 0.74, 0.75, 0.78, 0.83, 0.89, 0.94, 0.96, 0.97,
           0.98, 0.96, 0.92, 0.89, 0.89, 0.92, 0.98, 1.04, 1.05, 0.99, 0.92, 0.88)  # fmt: skip
# Share taken off in August and around the turn of the year, by day of the year.
QUIET_DAYS = (1, 8, 205, 216, 235, 248, 354, 360, 366)
QUIET_SHARE = (0.04, 0.0, 0.0, 0.06, 0.06, 0.0, 0.0, 0.04, 0.04)
# How much of a day is a day of rest, Monday to Sunday; holidays count as Sundays.
REST_WEIGHT = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.7, 1.0])
# People go over from one kind of day to the next during the first hours after midnight.
CHANGE_H = 5.0
# (scale in hours, standard deviation in MW, seed) of demand's noise; the operator foresees the first only.
NOISE = ((60.0, 520.0, 1), (14.0, 320.0, 2), (5.0, 230.0, 3), (2.0, 180.0, 4), (0.9, 130.0, 5))
METER_MW = 25.0
# Local times on the day before at which a day's values are published.
FORECAST_AT = timedelta(hours=9, minutes=30)
PRICE_AT = timedelta(hours=13, minutes=15)
# Weather models run at these steps of UTC and are out this much later; an hour's last forecast is from
# before LAST_WORD, so that it is known when the hour is six hours ahead.
RUN_EVERY, RUN_TAKES, LAST_WORD = timedelta(hours=6), timedelta(hours=1), timedelta(hours=6)
RUN_ERROR = 0.05


class Demo:
    """The embedded market, always ready and never late."""

    name = "demo"
    max_window = timedelta(days=366)
    every = timedelta()

    def group(self, series: Series) -> str:
        """See Source.group: one series a question."""
        return series.id

    def ready(self, settings: Settings) -> str | None:
        """See Source.ready."""
        return None

    def fetch(self, series: Sequence[Series], window: Window, *, now: datetime, settings: Settings) -> pd.DataFrame:
        """See Source.fetch. Raises BadRequest for a series this market does not have."""
        return pd.concat([_points(one, window, now) for one in series], ignore_index=True)


def demand(times: pd.DatetimeIndex) -> Floats:
    """Demand in MW at `times` (UTC), whole megawatts."""
    seconds = _seconds(times)
    noise = np.sum([_noise(seconds, hours, seed) * size for hours, size, seed in NOISE], axis=0)
    rounded: Floats = np.round(_shape(times) + noise + METER_MW * _gauss(np.floor(seconds / 300.0), 9))
    return rounded


def operator_forecast(times: pd.DatetimeIndex) -> Floats:
    """The operator's day-ahead view of the mean of the hours that start at `times` (UTC), in MW."""
    middle = times + pd.Timedelta(minutes=30)
    seconds = _seconds(middle)
    hours, size, seed = NOISE[0]
    own_error = 190.0 * _noise(seconds, 30.0, 21) + 110.0 * _noise(seconds, 4.0, 22)
    return np.round(_shape(middle) + 0.8 * size * _noise(seconds, hours, seed) + own_error)


def temperature(times: pd.DatetimeIndex) -> Floats:
    """Air temperature in degrees Celsius at `times` (UTC)."""
    seconds = _seconds(times)
    year, day = 2 * np.pi * seconds / (365.2425 * 24 * HOUR_S), 2 * np.pi * seconds / (24 * HOUR_S)
    shape = 15.5 - 9.5 * np.cos(year - 0.35) - 4.5 * np.cos(day - 0.6)
    weather = 3.2 * _noise(seconds, 70.0, 31) + 0.8 * _noise(seconds, 8.0, 32)
    return np.asarray(np.round(shape + weather, 1), dtype=np.float64)


def temperature_forecast(times: pd.DatetimeIndex, runs: pd.DatetimeIndex) -> Floats:
    """Temperature at `times` (UTC) as the weather model that started at `runs` saw it coming.

    The error has a standard deviation of RUN_ERROR degrees for each hour of lead, half of its variance
    from the hour, half from the run.
    """
    lead = (_seconds(times) - _seconds(runs)) / HOUR_S
    error = _noise(_seconds(times), 9.0, 51) + _gauss(_seconds(runs) / HOUR_S, 52)
    return np.asarray(np.round(temperature(times) + RUN_ERROR * lead * error / np.sqrt(2.0), 1), dtype=np.float64)


def price(times: pd.DatetimeIndex) -> Floats:
    """Day-ahead price in EUR/MWh of the hours that start at `times` (UTC)."""
    scarcity = (operator_forecast(times) - 28_000.0) / 6_000.0
    wind = _noise(_seconds(times), 20.0, 41)
    return np.asarray(np.round(np.maximum(58.0 + 24.0 * scarcity - 22.0 * wind, -5.0), 2), dtype=np.float64)


SHAPES: dict[str, tuple[Callable[[pd.DatetimeIndex], Floats], timedelta | None]] = {
    "load": (demand, None),
    "load_forecast": (operator_forecast, FORECAST_AT),
    "temperature": (temperature, None),
    "price": (price, PRICE_AT),
}
RUNS = "temperature_forecast"


def _points(series: Series, window: Window, now: datetime) -> pd.DataFrame:
    key = series.keys.get(Demo.name, "")
    if key not in (*SHAPES, RUNS):
        raise BadRequest(f"{series.id}: the demo market has no {key!r}; use one of {', '.join((*SHAPES, RUNS))}.")
    start = pd.Timestamp(window.start).ceil(series.cadence)
    times = pd.date_range(start, window.end, freq=series.cadence, inclusive="left").as_unit("us")
    if key == RUNS:
        runs = _newest_runs(times, pd.Timestamp(now))
        made_at, values = runs + RUN_TAKES, temperature_forecast(times, runs)
    else:
        shape, published = SHAPES[key]
        made_at = times + series.cadence + series.delay if published is None else _day_before(times, published)
        values = shape(times)
    known = made_at <= pd.Timestamp(now)
    frame = {"series": series.id, "valid_at": times[known], "value": values[known], "made_at": made_at[known]}
    return pd.DataFrame(frame, columns=list(POINT_COLUMNS))


def _newest_runs(times: pd.DatetimeIndex, now: pd.Timestamp) -> pd.DatetimeIndex:
    """When the newest run started that is out and is from before each hour's last word."""
    latest = times - LAST_WORD
    return (latest.where(latest <= now, now) - RUN_TAKES).floor(RUN_EVERY).as_unit("us")


def _day_before(times: pd.DatetimeIndex, clock: timedelta) -> pd.DatetimeIndex:
    local = times.tz_convert(ZONE).tz_localize(None).normalize() - pd.Timedelta(days=1) + clock
    return local.tz_localize(ZONE).tz_convert("UTC").as_unit("us")


def _shape(times: pd.DatetimeIndex) -> Floats:
    """Demand without noise: the day's mean times the hour's share, heating and cooling."""
    local = times.tz_convert(ZONE)
    hour = np.asarray(local.hour + local.minute / 60.0, dtype=np.float64)
    today, yesterday = _rest(local), _rest(local, days_back=1)
    rest = yesterday + (today - yesterday) * _ease(np.minimum(hour / CHANGE_H, 1.0))
    workday = 28_800.0 * np.interp(hour, range(25), WORKDAY)
    restday = 26_400.0 * np.interp(hour, range(25), RESTDAY)
    quiet = np.interp(local.day_of_year, QUIET_DAYS, QUIET_SHARE)
    warm = temperature(times)
    weather = 240.0 * np.maximum(15.0 - warm, 0.0) + 330.0 * np.maximum(warm - 22.0, 0.0)
    shaped: Floats = (workday * (1.0 - rest) + restday * rest) * (1.0 - quiet) + weather
    return shaped


def _rest(local: pd.DatetimeIndex, days_back: int = 0) -> Floats:
    """Weight of rest, 0 to 1, of the local day that lies `days_back` before each time."""
    days = local.tz_localize(None).to_numpy().astype("datetime64[D]") - np.timedelta64(days_back, "D")
    if not len(days):
        return np.empty(0)
    calendar = np.arange(days.min(), days.max() + 1)
    # 1970-01-01 was a Thursday.
    weight: Floats = REST_WEIGHT[(calendar.astype(np.int64) + 3) % 7]
    weight[np.isin(calendar, list(_holidays(_year(calendar[0]), _year(calendar[-1]))))] = 1.0
    return np.asarray(weight[(days - calendar[0]).astype(np.int64)])


def _year(day: np.datetime64) -> int:
    return int(str(day)[:4])


@cache
def _holidays(first: int, last: int) -> frozenset[np.datetime64]:
    return frozenset(np.datetime64(day, "D") for day in holidays.country_holidays("ES", years=range(first, last + 1)))


def _seconds(times: pd.DatetimeIndex) -> Floats:
    return times.as_unit("s").asi8.astype(np.float64)


def _noise(seconds: Floats, hours: float, seed: int) -> Floats:
    """Smooth noise of unit variance about every `hours`: Gaussian grid values, interpolated."""
    if not len(seconds):
        return np.empty(0)
    place = seconds / (hours * HOUR_S)
    left = np.floor(place)
    first = left.min()
    grid = _gauss(np.arange(first, left.max() + 2.0), seed)
    ease, nth = _ease(place - left), (left - first).astype(np.int64)
    return np.asarray((grid[nth] * (1.0 - ease) + grid[nth + 1] * ease) * 1.16)


def _ease(part: Floats) -> Floats:
    """0..1 to 0..1, level at both ends."""
    eased: Floats = part * part * (3.0 - 2.0 * part)
    return eased


def _gauss(place: Floats, seed: int) -> Floats:
    """A standard normal number for each whole `place` and seed (Box and Muller on two hashes)."""
    first, second = _uniform(place, 2 * seed), _uniform(place, 2 * seed + 1)
    normal: Floats = np.sqrt(-2.0 * np.log(first)) * np.cos(2.0 * np.pi * second)
    return normal


def _uniform(place: Floats, seed: int) -> Floats:
    """splitmix64 (Steele, Lea and Flood 2014) of place and seed, in (0, 1]."""
    with np.errstate(over="ignore"):
        state = place.astype(np.int64).astype(np.uint64) + np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(31)
    return (state.astype(np.float64) + 1.0) / 2.0**64


SOURCE = Demo()
