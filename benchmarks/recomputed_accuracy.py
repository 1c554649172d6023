"""Issued forecasts and the published files -> accuracy tables by plain pandas, without a line of Sextant's own code.

A description (JSON) names for every target the Parquet file, its columns and bounds; forecasts come as Parquet.

    python benchmarks/recomputed_accuracy.py description.json predictions.parquet table.parquet
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ISSUERS = ("sextant", "naive", "operator")


def actual(told: dict[str, Any]) -> pd.Series:
    """The hours of one target as its file has them (index: UTC start), outside of its bounds unknown."""
    rows = pd.read_parquet(told["file"])
    if told["where"]:
        rows = rows[rows[told["where"][0]] == told["where"][1]]
    hours = rows.set_index("ts_utc")
    legs = []
    for column, (least, most) in zip(told["columns"], told["bounds"], strict=True):
        values = hours[column].astype("float64")
        legs.append(values.where(values.between(least, most)))
    value = legs[0] if len(legs) == 1 else legs[0] - legs[1]
    return value[value.notna()].groupby(level=0).first()


def scores(rows: pd.DataFrame) -> dict[str, float]:
    """What is said of forecasts `p50` of `actual`, with how many there are."""
    error = rows["p50"] - rows["actual"]
    judged = rows[(rows["p50"] != 0) & (rows["actual"] != 0)]
    banded = rows.dropna(subset=["p10", "p90"])
    inside = (banded["p10"] <= banded["actual"]) & (banded["actual"] <= banded["p90"])
    return {
        "n": float(len(rows)),
        "mae": float(error.abs().mean()),
        "rmse": float(np.sqrt((error**2).mean())),
        "bias": float(error.mean()),
        "coverage": float(inside.mean()) if len(banded) else float("nan"),
        "hit_rate": float((np.sign(judged["p50"]) == np.sign(judged["actual"])).mean())
        if len(judged)
        else float("nan"),
        "profit": float((np.sign(rows["p50"]) * rows["actual"]).sum()),
    }


def tables(described: dict[str, dict[str, Any]], predictions: pd.DataFrame) -> pd.DataFrame:
    """A row for each target, issuer and horizon (0: all)."""
    found = []
    for target, told in described.items():
        mine = predictions[(predictions["target"] == target) & predictions["issuer"].isin(ISSUERS)]
        mine = mine.assign(actual=mine["valid_at"].map(actual(told))).dropna(subset=["p50", "actual"])
        for issuer, rows in mine.groupby("issuer"):
            parts = [(0, rows), *rows.groupby("horizon")]
            found += [{"target": target, "issuer": issuer, "horizon": h} | scores(part) for h, part in parts]
    return pd.DataFrame(found)


def main() -> int:
    """Read the description and the forecasts, write the table."""
    description, predictions, table = (Path(word) for word in sys.argv[1:4])
    tables(json.loads(description.read_text(encoding="utf-8")), pd.read_parquet(predictions)).to_parquet(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
