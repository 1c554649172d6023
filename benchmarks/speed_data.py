"""A size and a folder -> the same made-up series for every contender: Parquet, a filled warehouse, a plan."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import holidays
import numpy as np
import pandas as pd

from pipeline.warehouse import Warehouse
from pipeline.windows import WINDOW_HOURS

ZONE, COUNTRY = "Europe/Madrid", "ES"
END = datetime(2024, 2, 1, tzinfo=UTC)
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
SAMPLE = 5000
"""Newest rows whose values are compared."""

Plan = dict[str, Any]


def prepared(folder: Path, *, series: int, years: int, forecasts: int, days: int) -> Plan:
    """What contenders are told: `series` five-minute series of `years` and a window before, `forecasts` hourly
    ones of `days`.
    """
    start = END - timedelta(days=365 * years, hours=WINDOW_HOURS)
    raw = pd.concat([five_minutes(start, seed) for seed in range(series)], ignore_index=True)
    raw.to_parquet(folder / "raw.parquet")
    hourly(forecasts, days).to_parquet(folder / "hourly.parquet")
    filled(folder / "warehouse.duckdb", raw)
    off = holidays.country_holidays(COUNTRY, years=range(start.year - 1, END.year + 2))
    return {
        "folder": str(folder),
        "raw": str(folder / "raw.parquet"),
        "hourly": str(folder / "hourly.parquet"),
        "warehouse": str(folder / "warehouse.duckdb"),
        "series": list(raw["series"].unique()),
        "origin": (END - timedelta(hours=1)).strftime("%Y-%m-%dT%H"),
        "zone": ZONE,
        "country": COUNTRY,
        "holidays": sorted(str(day) for day in off),
        "kept_rows": SAMPLE,
    }


def five_minutes(start: datetime, seed: int) -> pd.DataFrame:
    """Demand-like values by UTC time from `start` to END."""
    stamps = pd.date_range(start, END, freq="5min", inclusive="left", unit="us")
    rng = np.random.default_rng(seed)
    wander = np.convolve(rng.normal(0, 40, len(stamps) + 143), np.ones(144) / 12, mode="valid")
    value = _shape(stamps) + wander + rng.normal(0, 20, len(stamps))
    return pd.DataFrame({"series": f"bench.load_{seed:02}", "valid_at": stamps, "value": value})


def hourly(count: int, days: int) -> pd.DataFrame:
    """`count` columns of demand-like hours (naive UTC) that end with the newest hour before END."""
    stamps = pd.date_range(END - timedelta(days=days), END, freq="h", inclusive="left")
    columns = {}
    for seed in range(count):
        steps = np.random.default_rng(seed).normal(0, 150, len(stamps) + 11)
        columns[f"s{seed:03}"] = _shape(stamps) + np.convolve(steps, np.ones(12), mode="valid")
    return pd.DataFrame(columns, index=stamps.tz_localize(None))


def filled(path: Path, raw: pd.DataFrame) -> None:
    """A warehouse with the raw values and the hours made of them."""
    warehouse, now = Warehouse(path), pd.Timestamp(END)
    warehouse.migrate(END)
    published = raw["valid_at"] + pd.Timedelta(minutes=10)
    for name, rows in raw.assign(made_at=published, seen_at=now, source="bench", run_id="bench").groupby("series"):
        with warehouse.write() as session:
            session.append("raw", rows)
        far = END + timedelta(days=1)
        hours = warehouse.ask("hourly_versions", series=name, per_hour=12, since=BEGINNING, first=BEGINNING, last=far)
        with warehouse.write() as session:
            session.append("actuals", hours.assign(target=name, written_at=now, run_id="bench"))


def _shape(stamps: pd.DatetimeIndex) -> np.ndarray:
    hour = stamps.hour + stamps.minute / 60
    return 27000 + 5000 * np.sin(2 * np.pi * (hour.to_numpy() - 8) / 24) - 3000.0 * (stamps.day_of_week >= 5)
