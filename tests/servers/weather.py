"""An invented sky + a clock -> a real HTTP server that speaks the weather service's three interfaces, warts included.

`/live` has the newest run, `/history` the first hours of every run, `/runs` what was forecast a day before. Runs start
every six hours and are out OUT_AFTER later; their errors grow with lead. Each refusal is in the service's own words.
"""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from pipeline.sources.demo import temperature, temperature_forecast
from tests.servers.faults import Answer, Fault
from tests.servers.grid import GridServer, Recorded

HOUR, DAY = pd.Timedelta(hours=1), pd.Timedelta(days=1)
OUT_AFTER = pd.Timedelta(hours=5)
UNITS = {
    "temperature_2m": "°C", "apparent_temperature": "°C", "dew_point_2m": "°C", "relative_humidity_2m": "%",
    "cloud_cover": "%", "shortwave_radiation": "W/m²", "precipitation": "mm", "wind_speed_10m": "m/s",
    "wind_speed_100m": "m/s",
}  # fmt: skip
TRAILING = ("shortwave_radiation", "precipitation")
DAY_BEFORE = "_previous_day1"
LIMITS = {
    "Minutely": "Minutely API request limit exceeded. Please try again in one minute.",
    "Hourly": "Hourly API request limit exceeded. Please try again in the next hour.",
    "Daily": "Daily API request limit exceeded. Please try again tomorrow.",
    "Too many": "Too many concurrent requests",
}
Sky = Callable[[str, tuple[float, float], pd.DatetimeIndex, pd.DatetimeIndex], np.ndarray]
"""(variable, (north, east), start of each hour, run it is of) -> its value, in the unit of UNITS, one decimal."""


def invented(variable: str, place: tuple[float, float], times: pd.DatetimeIndex, runs: pd.DatetimeIndex) -> np.ndarray:
    """A sky whose forecasts err by what the demo market's weather model errs."""
    north, east = place
    warm = temperature_forecast(times, runs) + 2.0 * (44.0 - north) + east
    error, hour = warm - temperature(times), np.asarray(times.hour, dtype=np.float64)
    values = {
        "temperature_2m": warm,
        "apparent_temperature": warm - 1.5,
        "dew_point_2m": warm - 6.0,
        "relative_humidity_2m": 60.0 + error,
        "cloud_cover": 40.0 + error,
        "shortwave_radiation": 30.0 * hour + np.abs(error),
        "precipitation": np.abs(error) / 10.0,
        "wind_speed_10m": 4.0 + 0.1 * hour + np.abs(error),
        "wind_speed_100m": 7.0 + 0.2 * hour + np.abs(error),
    }
    return np.round(values[variable], 1)


class WeatherServer(GridServer):
    """The three interfaces; `now` may be moved, `faults` are used up one a request.

    `holes` are (variable, number of the place) that come as null; `key` is the only apikey that is served; while it
    is `down`, every answer is that.
    """

    def __init__(self, now: datetime, *, sky: Sky = invented, key: str | None = None) -> None:
        super().__init__(pd.DataFrame(), now)
        self._sky, self._key = sky, key
        self.holes: set[tuple[str, int]] = set()
        self.down: Fault | None = None

    def env(self, **more: str) -> dict[str, str]:
        """The environment that leads to this server."""
        names = {"WEATHER": "live", "WEATHER_HISTORY": "history", "WEATHER_RUNS": "runs"}
        return {f"SEXTANT_{name}_URL": f"{self.url}/{path}" for name, path in names.items()} | more

    def answer(self, request: Recorded) -> Answer:
        """See GridServer.answer."""
        good = super().answer(request)
        return good if self.down is None else self.down(good)

    def out(self) -> pd.Timestamp:
        """When the newest run started that is out."""
        return (pd.Timestamp(self.newest_known) - OUT_AFTER).floor("6h")

    def _honest(self, request: Recorded) -> Answer:
        service, _, rest = request.path.strip("/").partition("/")
        asked = {name: values[0] for name, values in request.query.items()}
        if rest != "v1/forecast" or service not in ("live", "history", "runs"):
            return Answer(404, b"Not Found", "text/plain")
        wrong = self._wrong(service, asked)
        if wrong:
            return refusal(400, wrong)(Answer(200, b""))
        places = list(zip(*(map(float, asked[name].split(",")) for name in ("latitude", "longitude")), strict=True))
        parts = [self._part(service, asked, place, nth) for nth, place in enumerate(places)]
        document: Any = parts if len(parts) > 1 else parts[0]
        return Answer(200, json.dumps(document, ensure_ascii=False).encode())

    def _wrong(self, service: str, asked: dict[str, str]) -> str:
        """Why the question is refused; empty where it is not."""
        if self._key is not None and asked.get("apikey") != self._key:
            return f"The supplied API key {asked.get('apikey')} is invalid."
        for name in asked["hourly"].split(","):
            if name.removesuffix(DAY_BEFORE if service == "runs" else "") not in UNITS:
                return f"Cannot initialize WeatherVariable from invalid String value {name} for key hourly"
        if "past_days" in asked and "start_date" in asked:
            return "Parameter 'past_days' is mutually exclusive with 'start_date' and 'end_date'"
        first = {"live": pd.Timestamp(self.now).floor("D") - 93 * DAY}.get(service, pd.Timestamp("2016-01-01T00:00Z"))
        last = pd.Timestamp(self.now).floor("D") + 15 * DAY
        for name in ("start_date", "end_date"):
            if not first <= pd.Timestamp(asked[name], tz="UTC") <= last:
                return f"Parameter '{name}' is out of allowed range from {first.date()} to {last.date()}"
        return "The request weighs more than 5000 calls" if weight(asked) > 5000 else ""

    def _part(self, service: str, asked: dict[str, str], place: tuple[float, float], nth: int) -> dict[str, Any]:
        first, last = (pd.Timestamp(asked[name], tz="UTC") for name in ("start_date", "end_date"))
        times = pd.date_range(first, last + DAY, freq="h", inclusive="left").as_unit("us")
        # Every other time zone is one fixed offset here, as there.
        offset = 0 if asked.get("timezone", "GMT") == "GMT" else 3600
        hourly: dict[str, Any] = {"time": [f"{time:%Y-%m-%dT%H:%M}" for time in times + pd.Timedelta(seconds=offset)]}
        units = {"time": "iso8601"}
        for name in asked["hourly"].split(","):
            variable = name.removesuffix(DAY_BEFORE)
            values, units[name] = self._values(service, variable, place, times), UNITS[variable]
            if variable.startswith("wind") and asked.get("wind_speed_unit") != "ms":
                values, units[name] = np.round(values * 3.6, 1), "km/h"
            gone = np.isnan(values) | ((variable, nth) in self.holes)
            hourly[name] = [None if hole else value for value, hole in zip(values.tolist(), gone, strict=True)]
        cell = {
            name: round(round(degrees * 16) / 16 + 1 / 32, 4)
            for name, degrees in zip(("latitude", "longitude"), place, strict=True)
        }
        head = {"generationtime_ms": 0.12, "utc_offset_seconds": offset, "timezone": "GMT", "elevation": 666.0}
        return cell | head | ({"location_id": nth} if nth else {}) | {"hourly_units": units, "hourly": hourly}

    def _values(self, service: str, variable: str, place: tuple[float, float], times: pd.DatetimeIndex) -> np.ndarray:
        runs = (times - DAY if service == "runs" else times).floor("6h")
        runs = runs.where(runs <= self.out(), self.out())
        hours = times - HOUR if variable in TRAILING else times
        values = self._sky(variable, place, hours, pd.DatetimeIndex(runs))
        uncollected = (service == "runs") & (times < pd.Timestamp("2024-01-15T00:00Z"))
        return np.where(uncollected, np.nan, values)


def weight(asked: dict[str, str]) -> float:
    """What a question counts as, in calls."""
    places, variables = len(asked["latitude"].split(",")), len(asked["hourly"].split(","))
    days = (pd.Timestamp(asked["end_date"]) - pd.Timestamp(asked["start_date"])) / DAY + 1
    return places * max(1.0, variables / 10, variables / 10 * days / 14)


def refusal(status: int, reason: str) -> Fault:
    """The error object of the service; a 429 comes without Retry-After."""
    body = json.dumps({"error": True, "reason": reason}).encode()
    return lambda _: Answer(status, body)


def limited(words: str) -> Fault:
    """429 in the words of LIMITS."""
    return refusal(429, LIMITS[words])


def overloaded(_: Answer) -> Answer:
    return refusal(503, "The service is overloaded")(_)


def failed_streaming(answer: Answer) -> Answer:
    """Status and first bytes were sent before it failed."""
    words = b"Unexpected error while streaming data: timeoutReached"
    return Answer(answer.status, answer.body[: len(answer.body) // 2] + words)


def failed_at_once(answer: Answer) -> Answer:
    return Answer(answer.status, b"Unexpected error while streaming data: timeoutReached")
