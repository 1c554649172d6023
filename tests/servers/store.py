"""A Parquet file or arithmetic -> the five-minute store a grid server publishes from."""

from pathlib import Path

import numpy as np
import pandas as pd

COLUMNS = ("load", "forecast", "programme", "price")


def spain_store(path: Path, start: str, end: str) -> pd.DataFrame:
    """Real Spanish demand, forecast and programme (MW) of [start, end); the price is derived from demand.

    `path` is the national five-minute Parquet file (`ts_utc`, `load_mw`, `forecast_mw`, `programmed_mw`).
    """
    frame = pd.read_parquet(path).rename(
        columns={"load_mw": "load", "forecast_mw": "forecast", "programmed_mw": "programme"}
    )
    frame = frame.set_index("ts_utc").astype("float64").loc[pd.Timestamp(start, tz="UTC") : pd.Timestamp(end, tz="UTC")]
    return with_price(frame[frame.index < pd.Timestamp(end, tz="UTC")])


def invented_store(start: str, end: str) -> pd.DataFrame:
    """Smooth invented demand of [start, end) on the five-minute grid, whole megawatts, no two rows alike."""
    index = pd.date_range(start, end, freq="5min", inclusive="left", tz="UTC").as_unit("us")
    slot = index.as_unit("s").asi8 / 300.0
    load = np.round(27_000 + 4_000 * np.sin(2 * np.pi * slot / 288) + slot % 89)
    return with_price(pd.DataFrame({"load": load, "forecast": load + 150.0, "programme": load - 90.0}, index=index))


def with_price(frame: pd.DataFrame) -> pd.DataFrame:
    """Add an invented `price` in EUR/MWh, constant over each hour."""
    hourly = frame["load"].groupby(frame.index.floor("h")).transform("first")
    return frame.assign(price=np.round((hourly - 20_000.0) / 150.0, 2))
