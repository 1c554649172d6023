"""A weather server + series -> what the source makes of its answers."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from pipeline.markets import Place, Series
from pipeline.settings import Settings
from pipeline.sources.base import Window
from pipeline.sources.weather import SOURCE, VARIABLES
from tests.servers.weather import WeatherServer

NOW = datetime(2026, 11, 20, 10, 20, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TODAY = Window(NOW.replace(minute=0), NOW.replace(minute=0) + 36 * HOUR)
MADRID = Place("Madrid", 40.4165, -3.7026, 6.0)
BARCELONA = Place("Barcelona", 41.3888, 2.159, 5.0)
SEVILLE = Place("Seville", 37.3828, -5.9732, 1.5)


def series(key: str, *places: Place, **other: Any) -> Series:
    """A series of the variable `key` over Madrid and Barcelona, or over `places`."""
    usual = {
        "title": key, "kind": "forecast", "unit": VARIABLES[key].unit if key in VARIABLES else "degC", "cadence": HOUR,
        "delay": timedelta(), "ahead": 36 * HOUR, "overlap": 3 * HOUR, "minimum": -90.0, "maximum": 1500.0,
    }  # fmt: skip
    where = places or (MADRID, BARCELONA)
    return Series(**{**usual, "id": f"x.{key}", "keys": {"weather": key}, "places": where} | other)


def fetch(server: WeatherServer, *wanted: Series, window: Window = TODAY, **env: str) -> pd.DataFrame:
    """The points of the window, asked once unless `env` says otherwise."""
    settings = Settings.load(server.env(**{"SEXTANT_HTTP_TRIES": "1"} | env))
    return SOURCE.fetch(wanted or (series("temperature_2m"),), window, now=server.now, settings=settings)
