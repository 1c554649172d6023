"""(body of the weather service) -> hourly values by place; its words of refusal -> the seconds to wait.

The service joins several places by their order only: the coordinates it answers are those of its grid cells.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.sources.answers import changed, check_years, decode_json, provider_message

NAME = "weather"
Floats = NDArray[np.float64]

HEATED_BELOW, COOLED_ABOVE = 18.0, 22.0
"""Bases of heating and cooling degrees in Celsius, those of pipeline.exogenous (a test holds them together)."""
MINUTE_S, CROWDED_S = 60.0, 5.0
_REFUSAL_BYTES = 1024


def _same(values: Floats) -> Floats:
    return values


def _heating(celsius: Floats) -> Floats:
    return np.maximum(HEATED_BELOW - celsius, 0.0)


def _cooling(celsius: Floats) -> Floats:
    return np.maximum(celsius - COOLED_ABOVE, 0.0)


@dataclass(frozen=True)
class Variable:
    """What a series may ask for.

    `asked` is the service's name, `said` the unit it must answer, `unit` the series' own. `trailing`: the value speaks
    of the hour before its stamp (a mean or a sum); the others are of the instant, taken for the hour they begin.
    `of` turns the values of one place into those that are averaged over places.
    """

    asked: str
    said: str
    unit: str
    trailing: bool = False
    of: Callable[[Floats], Floats] = _same


VARIABLES = {
    "temperature_2m": Variable("temperature_2m", "°C", "degC"),
    "heating_degrees": Variable("temperature_2m", "°C", "K", of=_heating),
    "cooling_degrees": Variable("temperature_2m", "°C", "K", of=_cooling),
    "apparent_temperature": Variable("apparent_temperature", "°C", "degC"),
    "dew_point_2m": Variable("dew_point_2m", "°C", "degC"),
    "relative_humidity_2m": Variable("relative_humidity_2m", "%", "%"),
    "cloud_cover": Variable("cloud_cover", "%", "%"),
    "wind_speed_10m": Variable("wind_speed_10m", "m/s", "m/s"),
    "wind_speed_100m": Variable("wind_speed_100m", "m/s", "m/s"),
    "shortwave_radiation": Variable("shortwave_radiation", "W/m²", "W/m2", trailing=True),
    "precipitation": Variable("precipitation", "mm", "mm", trailing=True),
}


def parse(body: bytes, *, names: str, places: int, columns: Mapping[str, str]) -> list[pd.DataFrame]:
    """One frame a place, in the order asked: index the stamp (UTC), columns those asked, NaN where null.

    `columns` maps each name in the question to the unit that must come back. Raises BrokenBody for what is no JSON
    (also the text that a failure amid the answer leaves), SchemaChanged for JSON of another shape.
    """
    document = decode_json(body)
    parts = document if isinstance(document, list) else [document]
    if len(parts) != places:
        raise changed(names, NAME, f"{len(parts)} places instead of {places}")
    return [_place(part, nth, names, columns) for nth, part in enumerate(parts)]


def _place(part: Any, nth: int, names: str, columns: Mapping[str, str]) -> pd.DataFrame:
    part = part if isinstance(part, dict) else {}
    units, hourly = part.get("hourly_units"), part.get("hourly")
    if not (isinstance(units, dict) and isinstance(hourly, dict) and isinstance(hourly.get("time"), list)):
        raise changed(names, NAME, "a place without `hourly_units` and `hourly.time`")
    if part.get("location_id", nth) != nth:
        raise changed(names, NAME, f"the place {part['location_id']} where number {nth} belongs")
    if part.get("utc_offset_seconds", 0) != 0:
        raise changed(names, NAME, "times that are not GMT")
    values = {}
    for name, unit in columns.items():
        if units.get(name) != unit:
            raise changed(names, NAME, f"{name} in {units.get(name)!r} instead of {unit!r}")
        values[name] = _numbers(hourly.get(name), len(hourly["time"]), name, names)
    try:
        if not all(isinstance(stamp, str) for stamp in hourly["time"]):
            raise ValueError("a stamp that is no text")
        stamps = pd.to_datetime(pd.Series(hourly["time"], dtype="str"), format="%Y-%m-%dT%H:%M", utc=True)
        check_years(stamps)
    except ValueError as error:
        raise changed(names, NAME, "a `time` that is not like 2026-11-20T00:00") from error
    if stamps.duplicated().any():
        raise changed(names, NAME, "an hour twice")
    return pd.DataFrame(values, index=pd.DatetimeIndex(stamps).as_unit("us"), dtype=np.float64)


def _numbers(column: Any, length: int, name: str, names: str) -> Floats:
    if not isinstance(column, list) or len(column) != length:
        raise changed(names, NAME, f"no list {name} as long as `time`")
    # By type, not by value: true would count as 1 and "7.1" as a number.
    if not set(map(type, column)) <= {int, float, type(None)}:
        raise changed(names, NAME, f"a {name} that is not a number")
    try:
        return np.array(column, dtype=np.float64)
    except OverflowError as error:
        raise changed(names, NAME, f"a {name} beyond any number") from error


def wait_s(body: bytes, *, now: datetime) -> float | None:
    """Seconds to wait as an answer asks in words, since the service sends no Retry-After; None where it does not.

    Limits are counted by the clock's minute, hour and (UTC) day; `now` (aware) says how long those still last.
    """
    if len(body) > _REFUSAL_BYTES:
        return None
    words, now = provider_message(body), now.astimezone(UTC)
    if "Too many concurrent requests" in words:
        return CROWDED_S
    if "request limit exceeded" not in words:
        return None
    if words.startswith("Minutely"):
        return MINUTE_S
    hour = now.replace(minute=0, second=0, microsecond=0)
    again = hour.replace(hour=0) + timedelta(days=1) if words.startswith("Daily") else hour + timedelta(hours=1)
    return (again - now).total_seconds()
