"""Open-Meteo's three forecast services -> weighted means over a market's places, dated so that nothing leaks.

What is newest is asked of the forecast service and counts as known when it was seen. The time before comes from the
archive of previous runs: what was forecast a day before each hour. So a live forecast is fresher, and somewhat better,
than what was learned from, never the other way round. Weather data by Open-Meteo.com, CC BY 4.0.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.parse import urlsplit, urlunsplit

import numpy as np
import pandas as pd

from pipeline.errors import BadRequest
from pipeline.markets import Place, Series
from pipeline.planning import cut
from pipeline.settings import Settings
from pipeline.sources.answers import frame, not_yet
from pipeline.sources.base import Window, group_of
from pipeline.sources.http import client_for
from pipeline.sources.meteo import VARIABLES, Floats, Variable, parse, wait_s

Coordinates = tuple[float, float]

PATH = "/v1/forecast"
PUBLIC_DOMAIN = ".open-meteo.com"
HOUR = timedelta(hours=1)
DAY_BEFORE = "_previous_day1"
LEAD = timedelta(hours=24)
RUN_TAKES = timedelta(hours=6)
"""From the start of a model run until its forecasts are out: "typically 4-6 hours for global models and 1-3 hours for
regional models" (open-meteo.com/en/docs/single-runs-api); the later side."""
RUNS_SINCE = datetime(2024, 2, 1, tzinfo=UTC)
"""Previous runs are collected since some day of January 2024 (open-meteo.com/en/docs/previous-runs-api)."""
ARCHIVE_SINCE = datetime(2022, 1, 1, tzinfo=UTC)
"""The archive of first hours begins in 2021 or 2022, by model."""
REACH = timedelta(days=15)
"""Forecasts reach to the end of the sixteenth day, today's included."""
RECENT = timedelta(hours=12)
"""A window that begins earlier asks for history. Later ones renew the newest hours, every few minutes."""
WEIGHT = 500.0
"""The most that one question may weigh: 600 are free a minute, beyond 5,000 one is refused."""


@dataclass(frozen=True)
class _Part:
    """A window of one service: its address, what its variables end with, and how long after its hour a value is known
    (None: when it is seen)."""

    url: str
    window: Window
    ending: str = ""
    known_after: timedelta | None = None


class Weather:
    """Weather forecasts, free of charge for non-commercial use, or with a key for any."""

    name = "weather"
    max_window = timedelta(days=366)
    # Models run once an hour at most, and the free service counts its questions.
    every = timedelta(minutes=50)

    def group(self, series: Series) -> str:
        """See Source.group: one question answers all; a series that cannot be asked for is alone."""
        return group_of(series, self.name, _variable)

    def ready(self, settings: Settings) -> str | None:
        """See Source.ready."""
        return None

    def fetch(self, series: Sequence[Series], window: Window, *, now: datetime, settings: Settings) -> pd.DataFrame:
        """See Source.fetch; `made_at` is NaT for what is newest, so that it counts as known when it was seen.

        Raises BadRequest for a series without places, with an unknown variable or in another unit.
        """
        wanted = {one.id: _variable(one) for one in series}
        parts = _parts(window, now, settings)
        if not parts and window.start > now:
            raise not_yet(", ".join(wanted), self.name, window.start)
        frames = [
            _points(one, wanted[one.id], part, answer)
            for part in _cut(parts, series, wanted)
            for answer in [_ask(part, series, wanted, now, settings)]
            for one in series
        ]
        return pd.concat(frames, ignore_index=True) if frames else frame("")


def mean(values: Sequence[Floats], weights: Sequence[float]) -> Floats:
    """Weighted mean over places, (n,) each: of those that have a value, NaN where none has.

    It is moved towards each place in turn (West 1979), so that places of one value have exactly that as their mean.
    """
    average, share = np.zeros((2, len(values[0])))
    for one, weight in zip(values, weights, strict=True):
        known = ~np.isnan(one)
        share += np.where(known, weight, 0.0)
        step = np.divide(weight, share, out=np.zeros(len(share)), where=known)
        average += step * np.where(known, one - average, 0.0)
    return np.where(share > 0, average, np.nan)


def _variable(series: Series) -> Variable:
    key = series.keys.get(Weather.name, "")
    if key not in VARIABLES:
        raise BadRequest(f"{series.id} from weather: there is no {key!r}; use one of {', '.join(VARIABLES)}.")
    one = VARIABLES[key]
    wrong = [
        (not series.places, 'it has no places; add places = ["NAME", ...]'),
        (series.kind != "forecast", 'weather comes as forecasts; write kind = "forecast"'),
        (series.cadence != HOUR, "weather is hourly; write cadence_min = 60"),
        (series.unit != one.unit, f'{key} comes in {one.unit}; write unit = "{one.unit}"'),
    ]
    for flawed, words in wrong:
        if flawed:
            raise BadRequest(f"{series.id} from weather: {words}.")
    return one


def _parts(window: Window, now: datetime, settings: Settings) -> list[_Part]:
    """The window by service. Earlier than this hour of today it is history, unless it is only to be renewed."""
    at = settings.providers
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    live_from = now.replace(minute=0, second=0, microsecond=0) if window.start < now - RECENT else window.start
    runs_from = min(RUNS_SINCE, live_from)
    # A value of the previous runs is of a run that began a day before its stamp at the latest, and a trailing one is
    # stamped an hour later. The archive's runs began at the hour itself at the latest: some models run every hour.
    every = [
        _Part(at.weather_history_url, Window(ARCHIVE_SINCE, runs_from), known_after=RUN_TAKES),
        _Part(at.weather_runs_url, Window(runs_from, live_from), DAY_BEFORE, HOUR - LEAD + RUN_TAKES),
        _Part(at.weather_url, Window(live_from, today + REACH)),
    ]
    parts = []
    for part in every:
        start, end = max(part.window.start, window.start), min(part.window.end, window.end)
        if start < end:
            parts.append(_Part(part.url, Window(start, end), part.ending, part.known_after))
    return parts


def _cut(parts: Sequence[_Part], series: Sequence[Series], wanted: dict[str, Variable]) -> Iterator[_Part]:
    """The parts in pieces that weigh little enough: places x variables/10 x days/14 each, days begun counting whole."""
    share = len(_places(series)) * len(_asked(wanted)) / 10 / 14
    widest = timedelta(days=max(1.0, WEIGHT / share // 1 - 1.0))
    for part in parts:
        for window in cut([part.window], widest):
            yield replace(part, window=window)


def _places(series: Sequence[Series]) -> list[Coordinates]:
    """The distinct places of all series, in the order they are met."""
    return list(dict.fromkeys(_at(place) for one in series for place in one.places))


def _at(place: Place) -> Coordinates:
    return place.latitude, place.longitude


def _asked(wanted: dict[str, Variable]) -> dict[str, str]:
    return {one.asked: one.said for one in wanted.values()}


def _ask(
    part: _Part, series: Sequence[Series], wanted: dict[str, Variable], now: datetime, settings: Settings
) -> dict[Coordinates, pd.DataFrame]:
    """Values of the whole days that the part touches, by place; a stamp at its end belongs to its last hour."""
    places, names = _places(series), ", ".join(wanted)
    columns = {f"{name}{part.ending}": unit for name, unit in _asked(wanted).items()}
    url, key = _address(part.url, settings)
    params = {
        "latitude": ",".join(str(north) for north, _ in places),
        "longitude": ",".join(str(east) for _, east in places),
        "hourly": ",".join(columns),
        "wind_speed_unit": "ms",
        "timezone": "GMT",
        "start_date": f"{part.window.start:%Y-%m-%d}",
        "end_date": f"{part.window.end:%Y-%m-%d}",
    }
    frames = client_for(settings).get(
        url,
        source=Weather.name,
        series=names,
        parse=partial(parse, names=names, places=len(places), columns=columns),
        params=params | key,
        secrets=frozenset(key),
        auth_remedy="check OPEN_METEO_API_KEY, or unset it for the free service",
        slow_down=partial(wait_s, now=now),
    )
    named = [frame.rename(columns=lambda name: name.removesuffix(part.ending)) for frame in frames]
    return dict(zip(places, named, strict=True))


def _address(base: str, settings: Settings) -> tuple[str, dict[str, str]]:
    """Where to ask and the key to show: who has one is served by hosts of their own."""
    key = settings.providers.weather_api_key
    parts = urlsplit(base + PATH)
    if key and (parts.hostname or "").endswith(PUBLIC_DOMAIN) and not parts.netloc.startswith("customer-"):
        parts = parts._replace(netloc=f"customer-{parts.netloc}")
    return urlunsplit(parts), {"apikey": key} if key else {}


def _points(series: Series, variable: Variable, part: _Part, answer: dict[Coordinates, pd.DataFrame]) -> pd.DataFrame:
    """The points of one series within the part."""
    columns = [answer[_at(place)][variable.asked] for place in series.places]
    # Places share the hours of one question; an hour that only some have would show as NaN.
    table = pd.concat(columns, axis=1)
    values = [variable.of(table.iloc[:, nth].to_numpy(dtype=np.float64)) for nth in range(len(columns))]
    hours = pd.DatetimeIndex(table.index) - (HOUR if variable.trailing else timedelta())
    means = mean(values, [place.weight for place in series.places])
    inside = (hours >= pd.Timestamp(part.window.start)) & (hours < pd.Timestamp(part.window.end))
    hours = hours[inside]
    made_at = None if part.known_after is None else hours + part.known_after
    return frame(series.id, hours, means[inside], made_at)


SOURCE = Weather()
