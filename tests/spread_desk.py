"""A desk with a day-ahead price, a real-time price in quarters, their spread and the real-time price as targets."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.configuring.markets import load_markets
from pipeline.discovery import discover
from pipeline.markets import Target
from pipeline.settings import Settings
from pipeline.warehouse import Warehouse
from tests.conftest import Desk

NOW = datetime(2026, 11, 20, 10, 20, tzinfo=UTC)
ZONE = "America/Chicago"
QUARTER, HOUR = timedelta(minutes=15), timedelta(hours=1)
# A spread lies far below what a real-time price can be: only the bounds of both legs let it pass.
CONFIG = """
[market.hub]
name = "Hub"
zone = "America/Chicago"
country = "US"
currency = "USD"
sources = ["demo"]
history_days = 400

[market.hub.series.dam]
title = "Day-ahead price"
kind = "price"
unit = "USD/MWh"
cadence_min = 60
ahead_h = 36
minimum = -251
maximum = 9000
keys = { demo = "load" }

[market.hub.series.rtm]
title = "Real-time price"
kind = "measured"
unit = "USD/MWh"
cadence_min = 15
delay_min = 5
flat_min = 0
minimum = 5
maximum = 9000
keys = { demo = "load" }

[market.hub.target]
dart = { title = "DART", kind = "spread", minuend = "dam", series = "rtm", inputs = ["dam"] }
rtm = { title = "Real-time price", kind = "price", operator = "dam", inputs = ["dam"] }
"""


def desk_in(folder: Path, now: datetime = NOW) -> Desk:
    """Both targets and an empty warehouse."""
    config = folder / "sextant.toml"
    config.write_text(CONFIG, encoding="utf-8")
    paths = {"SEXTANT_WAREHOUSE": str(folder / "w.duckdb"), "SEXTANT_CONFIG": str(config), "SEXTANT_MARKETS": "hub"} | {
        "SEXTANT_CORES": "1"
    }
    settings = Settings.load(paths)
    warehouse = Warehouse(settings.warehouse, wait_s=20)
    warehouse.migrate(now)
    return Desk(settings, load_markets(config, ("hub",)), warehouse, discover("pipeline.jobs", "JOB"), now)


def spread(desk: Desk) -> Target:
    """The target dart."""
    return next(target for target in desk.markets["hub"].targets if target.kind == "spread")


def put(desk: Desk, series: str, values: pd.Series, *, seen_at: datetime, made_at: pd.Series | None = None) -> None:
    """Store values by UTC start of their interval, published at `made_at` (default: when seen)."""
    frame = pd.DataFrame(
        {"series": f"hub.{series}", "valid_at": values.index.as_unit("us"), "value": values.to_numpy()}
    )
    stamps = {"made_at": pd.Timestamp(seen_at) if made_at is None else made_at.to_numpy(), "seen_at": seen_at}
    frame = frame.assign(**stamps, source="demo", run_id="test")
    for name in ("made_at", "seen_at"):
        frame[name] = pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]")
    with desk.warehouse.write() as session:
        session.append("raw", frame)


def prices(first: str, last: str, *, seed: int = 3) -> tuple[pd.Series, pd.Series]:
    """(day-ahead by the hour, real-time by the quarter) for [first, last] UTC: a daily course and spikes that last."""
    rng = np.random.default_rng(seed)
    hours = pd.date_range(first, last, freq="h", tz="UTC")
    ahead = 40 + 12 * np.sin((hours.hour - 14) / 24 * 2 * np.pi) + rng.normal(0, 1, len(hours))
    wander, shocks = np.zeros(len(hours)), rng.normal(0, 3, len(hours))
    for place in range(1, len(hours)):
        wander[place] = 0.8 * wander[place - 1] + shocks[place]
    spikes = np.where(rng.random(len(hours)) < 0.01, 250.0, 0.0)
    hourly = np.maximum(np.asarray(ahead) - 2 + wander + spikes, 6.0)
    quarters = pd.date_range(hours[0], hours[-1] + 3 * QUARTER, freq="15min")
    later = np.repeat(hourly, 4) + np.tile([-0.5, -0.25, 0.25, 0.5], len(hours))
    return pd.Series(ahead, hours), pd.Series(later, quarters)


def fill(desk: Desk, days: int = 132) -> tuple[pd.Series, pd.Series]:
    """`days` of both prices as first seen at `now`: day-ahead to the end of the local day, real-time so far."""
    last = pd.Timestamp(desk.now).floor("h") - HOUR
    ahead, later = prices((last - timedelta(days=days)).isoformat(), (last + timedelta(hours=19)).isoformat())
    later = later[: last + 3 * QUARTER]
    put(desk, "dam", ahead, seen_at=desk.now, made_at=published(ahead.index))
    put(desk, "rtm", later, seen_at=desk.now, made_at=(later.index + QUARTER + timedelta(minutes=2)).to_series())
    return ahead, later


def published(hours: pd.DatetimeIndex) -> pd.Series:
    """13:30 Central of the day before."""
    day = hours.tz_convert(ZONE).tz_localize(None).normalize()
    return (day - timedelta(days=1) + timedelta(hours=13.5)).tz_localize(ZONE).tz_convert("UTC").to_series()
