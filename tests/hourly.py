"""Synthetic hourly history for the tests of features, families and backtest; and the real one where present."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.features import Built, History, Versions, build
from pipeline.windows import Times

ZONE, COUNTRY = "Europe/Madrid", "ES"
BESIDE = ("as_of", "stale_hours", "filled_hours", "operator")
FIELDS = ("value", "last_05", "last_15", "last_30")
SPAIN = Path(__file__).resolve().parents[2] / "shared" / "data" / "spain_5min.parquet"


def hours(first: str, days: int) -> Times:
    """UTC hours from `first` on."""
    return np.datetime64(first, "h") + np.arange(days * 24)


def issued(origins: Times, minutes: int = 72) -> Times:
    """When the origins are issued: after the hour has ended and its value was published."""
    return origins.astype("datetime64[us]") + np.timedelta64(minutes, "m")


def history(first: str, days: int, *, seed: int = 0) -> History:
    """Demand-like levels with day, week and noise, each hour known 70 minutes after it starts."""
    rng, valid_at = np.random.default_rng(seed), hours(first, days)
    clock = np.arange(days * 24)
    weekend = ((clock // 24 + 3) % 7 >= 5) * -3000.0
    wander = np.convolve(rng.normal(0, 150, len(clock) + 11), np.ones(12), mode="valid")
    value = 27000 + 5000 * np.sin(2 * np.pi * (clock - 8) / 24) + weekend + wander
    tails = {
        name: value + rng.normal(0, width, len(clock)) for name, width in zip(FIELDS[1:], (90, 60, 30), strict=True)
    }
    return History(valid_at=valid_at, value=value, known_at=issued(valid_at, 70), **tails)


def subset(whole: History, keep: np.ndarray) -> History:
    """The versions selected by a mask or index array."""
    names = ("valid_at", "known_at", *FIELDS)
    return History(**{name: getattr(whole, name)[keep] for name in names})


def together(*parts: History) -> History:
    """All versions of several histories."""
    names = ("valid_at", "known_at", *FIELDS)
    return History(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def with_vintages(whole: History, *, seed: int = 1) -> History:
    """The history with revisions of a tenth of the hours, an outage known late, and holes of all lengths."""
    rng = np.random.default_rng(seed)
    kept = rng.random(len(whole)) > 0.01
    start = len(whole) // 2
    kept[start : start + 30] = False
    known_at = whole.known_at.copy()
    known_at[start + 60 : start + 75] += np.timedelta64(20, "h")
    late = History(whole.valid_at, whole.value, known_at, whole.last_05, whole.last_15, whole.last_30)
    again = subset(late, np.flatnonzero(kept & (rng.random(len(whole)) < 0.1)))
    delay = rng.integers(1, 400, len(again)).astype("timedelta64[h]")
    revised = History(
        again.valid_at, again.value * 1.01, again.known_at + delay, again.last_05, again.last_15, again.last_30
    )
    return together(revised, subset(late, kept))


def noise_after(whole: History, origin: np.datetime64, as_of: np.datetime64) -> History:
    """Everything that was not known at the origin's issue, or lies after the origin, replaced by noise."""
    unknown = (whole.valid_at > origin) | (whole.known_at > as_of)
    rng = np.random.default_rng(7)
    changed = {name: np.where(unknown, rng.normal(0, 1e6, len(whole)), getattr(whole, name)) for name in FIELDS}
    return History(valid_at=whole.valid_at, known_at=whole.known_at, **changed)


def build_at(source: History, origins: np.ndarray, *, operator: Versions | None = None) -> Built:
    """Features of the origins, each issued 72 minutes after it starts."""
    return build(source, origins, issued(origins), zone=ZONE, country=COUNTRY, operator=operator)


def bits(built: Built) -> list[bytes]:
    """All numbers of a build, to compare bit for bit."""
    batch = built.batch
    arrays = (batch.level, batch.naive, batch.shared, batch.target, batch.local_hour, batch.recent)
    return [np.ascontiguousarray(array).tobytes() for array in (*arrays, built.stale_hours, built.filled_hours)]


def spain(first: str, last: str) -> tuple[History, Versions]:
    """Hourly Spanish demand of complete hours in [first, last), and the operator's forecast; skips if absent."""
    if not SPAIN.exists():
        pytest.skip(f"REAL DATA ABSENT: {SPAIN.name} is not beside the repository; the real-data test did not run")
    points = pd.read_parquet(SPAIN, columns=["ts_utc", "load_mw", "forecast_mw"])
    stamp = pd.to_datetime(points["ts_utc"], utc=True)
    points = points.assign(ts_utc=stamp, valid_at=stamp.dt.floor("h"))[(stamp >= first) & (stamp < last)]
    load = points.dropna(subset=["load_mw"])
    rows = load.groupby("valid_at")["load_mw"].agg(value="mean", n="count")
    for name, minute in (("last_05", 55), ("last_15", 45), ("last_30", 30)):
        rows[name] = load[load["ts_utc"].dt.minute >= minute].groupby("valid_at")["load_mw"].mean()
    rows = rows[rows["n"] == 12].reset_index()
    forecast = points.dropna(subset=["forecast_mw"]).groupby("valid_at")["forecast_mw"].mean().rename("value")
    forecast = forecast.reset_index()
    return (
        History.of(rows.assign(known_at=rows["valid_at"] + pd.Timedelta(minutes=70))),
        Versions.of(forecast.assign(known_at=forecast["valid_at"] - pd.Timedelta(hours=12))),
    )
