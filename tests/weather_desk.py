"""A weather server + a moment -> a desk whose market has invented demand and the weather of three places."""

from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.configuring.markets import load_markets
from pipeline.discovery import discover
from pipeline.settings import Settings
from pipeline.warehouse import Warehouse
from tests.conftest import Desk
from tests.servers.weather import WeatherServer, invented

PLACES = {"Madrid": (40.4165, -3.7026, 6.0), "Barcelona": (41.3888, 2.159, 5.0), "Seville": (37.3828, -5.9732, 1.5)}
SERIES = {
    "warmth": ("temperature_2m", "degC"),
    "heat": ("heating_degrees", "K"),
    "sun": ("shortwave_radiation", "W/m2"),
}
MARKET = """
[market.sky]
name = "Sky"
zone = "Europe/Madrid"
country = "ES"
sources = ["demo", "weather"]
history_days = {days}

[market.sky.series.load]
title = "Demand"
kind = "measured"
unit = "MW"
cadence_min = 5
delay_min = 8
minimum = 10000
maximum = 60000
keys = {{ demo = "load" }}

[market.sky.target.load]
title = "Demand"
inputs = {inputs}
"""
PLACE = """
[market.sky.place.{name}]
latitude = {north}
longitude = {east}
weight = {weight}
"""
WEATHER = """
[market.sky.series.{name}]
title = "{name}"
kind = "forecast"
unit = "{unit}"
cadence_min = 60
ahead_h = {ahead}
minimum = -50
maximum = 2000
places = ["Madrid", "Barcelona", "Seville"]
keys = {{ weather = "{key}" }}
"""


def market(days: int = 60, ahead: int = 9) -> str:
    """The market as text, with so many days of history and hours of forecast."""
    places = "".join(PLACE.format(name=name, north=n, east=e, weight=w) for name, (n, e, w) in PLACES.items())
    series = "".join(WEATHER.format(name=name, key=key, unit=unit, ahead=ahead) for name, (key, unit) in SERIES.items())
    return MARKET.format(days=days, inputs=list(SERIES)) + places + series


def desk_under(server: WeatherServer, folder: Path, **market_of: int) -> Desk:
    """A migrated desk whose clock is the server's at first."""
    (folder / "sextant.toml").write_text(market(**market_of), encoding="utf-8")
    paths = {"SEXTANT_WAREHOUSE": str(folder / "warehouse.duckdb"), "SEXTANT_CONFIG": str(folder / "sextant.toml")}
    settings = Settings.load(server.env(**paths, SEXTANT_MARKETS="sky", SEXTANT_HTTP_TRIES="1"))
    warehouse = Warehouse(settings.warehouse, wait_s=20)
    warehouse.migrate(server.now)
    return Desk(
        settings, load_markets(settings.config, ("sky",)), warehouse, discover("pipeline.jobs", "JOB"), server.now
    )


def at(desk: Desk, server: WeatherServer, moment: datetime) -> None:
    """Both clocks."""
    desk.now = server.now = moment


def said(name: str, hours: pd.DatetimeIndex, runs: pd.DatetimeIndex) -> np.ndarray:
    """What the runs say of a weather series, worked out from the server's sky by place."""
    key = SERIES[name][0]
    asked = {"heating_degrees": "temperature_2m"}.get(key, key)
    values = np.array([invented(asked, (north, east), hours, runs) for north, east, _ in PLACES.values()])
    if key == "heating_degrees":
        values = np.maximum(18.0 - values, 0.0)
    return np.average(values, axis=0, weights=[weight for *_, weight in PLACES.values()])
