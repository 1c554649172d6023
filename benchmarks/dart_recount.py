"""Stored forecasts + the price file -> the headline numbers once more, by pandas alone: nothing of the pipeline.

The actual and the baselines are made anew from the prices, the forecasts are as stored.

    python -m benchmarks.dart_recount
"""

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.places import CACHE

FORECASTS = CACHE / "dart.parquet"
PRICES = Path(__file__).resolve().parents[2] / "shared" / "data" / "ercot_prices_hourly.parquet"
LEVELS = {"p05": 0.05, "p10": 0.10, "p50": 0.50, "p90": 0.90, "p95": 0.95}


def joined(forecasts: pd.DataFrame, prices: pd.DataFrame) -> pd.DataFrame:
    """Forecasts (point, origin, horizon, p05.., naive UTC) with `actual` and `persistence` from the prices."""
    spread = prices.assign(
        at=prices["ts_utc"].dt.tz_localize(None),
        spread=prices["dam_spp"].astype("float64") - prices["rtm_spp_hourly_mean"].astype("float64"),
    )[["settlement_point", "at", "spread"]]
    rows = forecasts.assign(at=forecasts["origin"] + pd.to_timedelta(forecasts["horizon"], unit="h"))
    names = {"settlement_point": "point", "spread": "actual"}
    rows = rows.merge(spread.rename(columns=names), on=["point", "at"], how="left")
    names = {"settlement_point": "point", "at": "origin", "spread": "persistence"}
    return rows.merge(spread.rename(columns=names), on=["point", "origin"], how="left")


def recount(rows: pd.DataFrame) -> dict[str, float]:
    """The headline numbers of `joined` rows."""
    error = rows["p50"] - rows["actual"]
    loss = 0.0
    for name, level in LEVELS.items():
        short = rows["actual"] - rows[name]
        loss += float(short.mul(level).where(short > 0, short.mul(level - 1)).mean()) / len(LEVELS)
    direction, earned = np.sign(rows["p50"] * rows["actual"]), np.sign(rows["p50"]) * rows["actual"]
    rule, kept = np.sign(rows["persistence"] * rows["actual"]), np.sign(rows["persistence"]) * rows["actual"]
    both = (direction != 0) & (rule != 0)
    gained = ((direction > 0).astype(float) - (rule > 0).astype(float)).where(both)
    moved = rows[(rows["actual"] != 0) & (rows["p50"] != 0)]
    size = rows["actual"].abs()
    spikes = size >= size.nlargest(int(np.ceil(0.05 * len(rows)))).iloc[-1]
    return {
        "n": float(len(rows)),
        "mae": float(error.abs().mean()),
        "day-ahead": float(size.mean()),
        "persistence": float((rows["persistence"] - rows["actual"]).abs().mean()),
        "pinball": loss,
        "hit rate": float(((moved["actual"] > 0) == (moved["p50"] > 0)).mean()),
        "profit": float(earned.mean()),
        "hit rate of rule": float((rule[rule != 0] > 0).mean()),
        "profit of rule": float(kept.mean()),
        "hit rate gain": float(gained.mean()),
        "hit rate gain error": error_of_mean(rows, gained),
        "profit gain": float((earned - kept).mean()),
        "profit gain error": error_of_mean(rows, earned - kept),
        "tail MAE": float(error[spikes].abs().mean()),
        "R2": float(1 - (error**2).sum() / ((rows["actual"] - rows["actual"].mean()) ** 2).sum()),
        "coverage 80": float(((rows["p10"] <= rows["actual"]) & (rows["actual"] <= rows["p90"])).mean()),
    }


def error_of_mean(rows: pd.DataFrame, values: pd.Series) -> float:
    """Standard error by Newey and West over a week of origins, at least that of independent days; points are one."""
    hours = values.groupby([rows["origin"], rows["horizon"]]).mean().dropna()
    spread = hours - hours.mean()
    origins = spread.groupby("origin").sum()
    origins = origins.reindex(pd.date_range(origins.index.min(), origins.index.max(), freq="h"), fill_value=0.0)
    reach = min(168, len(origins) // 4)
    weighed = [(1 - lag / (reach + 1)) * (origins * origins.shift(lag)).sum() for lag in range(1, reach + 1)]
    share = reach / len(origins)
    long_run = ((origins**2).sum() + 2 * sum(weighed)) / (1 - share + share**2 / 3)
    at = spread.index.get_level_values("origin") + pd.to_timedelta(spread.index.get_level_values("horizon"), unit="h")
    days = spread.groupby((at - at.min()) // pd.Timedelta(days=1)).sum()
    independent = (days**2).sum() * len(days) / (len(days) - 1)
    return float(np.sqrt(max(long_run, independent)) / len(spread))


def main() -> None:
    """Print the numbers of the forecasts that the last run of benchmarks.dart stored."""
    found = recount(joined(pd.read_parquet(FORECASTS), pd.read_parquet(PRICES)))
    for name, value in found.items():
        print(f"{name:20}{value:14,.4f}")


if __name__ == "__main__":
    main()
