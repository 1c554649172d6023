"""Real loads of three publishers and perturbed copies -> a market of n hourly series, each a target, in a folder.

The 21 real series are those of EIA-930 (7), CAISO (5) and ERCOT (8 zones and their total), moved by whole weeks so
that all end together. Further ones are copies: scaled by 0.5 to 2, moved by 1 to 20 weeks more, with noise of 1 %.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

import pipeline.sources
from benchmarks.datasets import DATA
from pipeline.configuring.markets import load_markets
from pipeline.settings import Settings
from pipeline.warehouse import Warehouse

NOW = datetime(2024, 12, 20, 10, 0, tzinfo=UTC)
"""The newest hour of the history is the one before; ERCOT's two years reach eleven days further."""
AHEAD_DAYS = 10
LIVE_DAYS = 10
"""Since when the series are followed hour by hour; jobs look back on what was seen in the last days."""
FEEDS = Path(__file__).with_name("feeds")
MARKET = "many"
HEAD = """
[market.many]
name = "Many"
zone = "America/Chicago"
country = "US"
sources = ["recorded"]
history_days = {days}
"""
ONE = """
[market.many.series.{name}]
title = "{name}"
kind = "measured"
unit = "MW"
cadence_min = 60
delay_min = 5
minimum = 0
maximum = {maximum:.0f}
keys = {{ recorded = "{name}" }}

[market.many.target.{name}]
title = "{name}"
{more}
"""
ZONES = ("coast", "east", "fwest", "north", "ncent", "south", "scent", "west")


def know_feeds() -> None:
    """Let the pipeline find the sources of benchmarks/feeds in this process."""
    if str(FEEDS) not in pipeline.sources.__path__:
        pipeline.sources.__path__.append(str(FEEDS))


def build(folder: Path, n: int, *, days: int) -> dict[str, str]:
    """A migrated warehouse with `days` of history of `n` series in `raw`, its configuration and what is still to come.

    Returns the environment that leads jobs.py there. The history is written to `raw` in one piece, known five
    minutes after each hour and seen then or, all that is older, LIVE_DAYS ago; an ingest of it would store the same
    rows, window by window.
    """
    know_feeds()
    values = hourly(n, days)
    first = np.datetime64(NOW.replace(tzinfo=None), "h") - 24 * days
    folder.mkdir(parents=True)
    np.savez(folder / "values.npz", first=first.astype("datetime64[s]"), **values)
    (folder / "sextant.toml").write_text(_configuration(values, days), encoding="utf-8")
    own = {
        "SEXTANT_WAREHOUSE": str(folder / "warehouse.duckdb"),
        "SEXTANT_CONFIG": str(folder / "sextant.toml"),
        "SEXTANT_MARKETS": MARKET,
        "SEXTANT_CORES": "2",
    }
    env = {name: value for name, value in os.environ.items() if not name.startswith("SEXTANT_")} | own
    settings = Settings.load(env)
    load_markets(settings.config, settings.markets)
    warehouse = Warehouse(settings.warehouse)
    warehouse.migrate(NOW)
    hours = first + np.arange(24 * days)
    with warehouse.write() as session:
        for name, line in values.items():
            session.append("raw", _points(name, hours, line[: len(hours)]))
    return env


def hourly(n: int, days: int) -> dict[str, np.ndarray]:
    """Name -> (24 * (days + AHEAD_DAYS),) megawatts by hour, NaN where the publisher has none."""
    length, rng = 24 * (days + AHEAD_DAYS), np.random.default_rng(20261121)
    real = {name: line for name, line in _real().items() if len(line) >= length}
    found = {name: line[-length:] for name, line in list(real.items())[:n]}
    names = list(real)
    for number in range(n - len(found)):
        name = names[number % len(names)]
        line = np.roll(real[name], int(rng.integers(1, 21)) * 168)[-length:] * rng.uniform(0.5, 2.0)
        found[f"{name}_{number}"] = np.round(line * (1 + 0.01 * rng.standard_normal(length)), 1)
    return found


def _real() -> dict[str, np.ndarray]:
    ercot = pd.read_parquet(DATA / "ercot_load_hourly.parquet").set_index("ts_utc").drop(columns="hour_ending_raw")
    found = {f"ercot_{name.lower()}": _line(ercot[name]) for name in ["ERCOT", *ercot.columns.drop("ERCOT")]}
    for file, column in (("caiso_load_hourly", "zone"), ("eia930_hourly", "ba")):
        rows = pd.read_parquet(DATA / f"{file}.parquet")
        for name, part in rows.groupby(column):
            load = part["demand_cleaned_mw"].fillna(part["demand_raw_mw"])
            found[f"{file.split('_')[0]}_{str(name).lower()}"] = _line(load.set_axis(part["ts_utc"]))
    return found


def _line(load: pd.Series) -> np.ndarray:
    """Values hour by hour to the end of a week (or of ERCOT's two years), so that weekdays fall together."""
    whole = load[~load.index.duplicated()].asfreq("h")
    end = pd.Timestamp(NOW) + timedelta(days=AHEAD_DAYS)
    behind = (whole.index[-1] - end) % timedelta(days=7)
    return whole[: whole.index[-1] - behind - timedelta(hours=1)].to_numpy(dtype=np.float64)


def _configuration(values: dict[str, np.ndarray], days: int) -> str:
    zones = [f"ercot_{zone}" for zone in ZONES]
    text = [HEAD.format(days=days)]
    for name, line in values.items():
        parts = f"parts = {zones}" if name == "ercot_ercot" and set(zones) <= set(values) else ""
        text.append(ONE.format(name=name, maximum=3 * np.nanmax(line), more=parts.replace("'", '"')))
    return "\n".join(text)


def _points(name: str, hours: np.ndarray, line: np.ndarray) -> pd.DataFrame:
    known = np.isfinite(line)
    at = pd.to_datetime(hours[known].astype("datetime64[us]"), utc=True)
    made_at = at + timedelta(minutes=65)
    rows = {"series": f"{MARKET}.{name}", "valid_at": at, "value": line[known], "made_at": made_at}
    seen_at = made_at.where(made_at > NOW - timedelta(days=LIVE_DAYS), pd.Timestamp(NOW - timedelta(days=LIVE_DAYS)))
    return pd.DataFrame(rows | {"seen_at": seen_at, "source": "recorded", "run_id": "history"})
