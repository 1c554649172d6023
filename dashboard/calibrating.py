"""Rows of query `page_scores` with bands -> reliability, PIT histogram, sharpness and Winkler scores. Pure."""

import numpy as np
import pandas as pd

from dashboard import measuring, slicing
from pipeline import metrics
from pipeline.markets import Target

LEVELS = (0.05, 0.1, 0.5, 0.9, 0.95)
SURE = 1.96
"""Standard errors to each side that leave out 5 %."""


def banded(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that have a forecast distribution."""
    return rows[rows["pit"].notna()]


def reliability(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a quantile: `level`, the share `observed` of actuals at or below it, `n`, and `sure`:
    how far to each side the truth may lie in 95 of 100 cases, NaN for too few days."""
    place = rows["pit"].to_numpy(float)
    below = [(place <= level + 1e-12).astype(float) for level in LEVELS]
    return pd.DataFrame(
        {
            "level": LEVELS,
            "observed": [float(share.mean()) for share in below],
            "sure": [SURE * _doubt(rows, share, level) for share, level in zip(below, LEVELS, strict=True)],
            "n": len(rows),
        }
    )


def pit(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a tenth of the forecast distribution: `share` of actuals in it, `n`, and from `low` to `high` the shares
    that calibrated forecasts give in 95 of 100 cases, NaN for too few days."""
    tenth = np.minimum(np.floor(10 * rows["pit"].to_numpy(float) + 1e-9), 9).astype(int)
    inside = [(tenth == one).astype(float) for one in range(10)]
    spread = np.array([SURE * _doubt(rows, share, 0.1) for share in inside])
    return pd.DataFrame(
        {
            "tenth": range(10),
            "n": [int(share.sum()) for share in inside],
            "share": [float(share.mean()) for share in inside],
            "low": np.maximum(0.1 - spread, 0),
            "high": 0.1 + spread,
        }
    )


def by_horizon(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a horizon: see _held."""
    return _held(rows, rows["horizon"]).rename(columns={"by": "horizon"})


def by_hour(rows: pd.DataFrame, target: Target) -> pd.DataFrame:
    """One row a local hour of day of the market: see _held."""
    hour = slicing.local(rows["valid_at"], target).dt.hour
    return _held(rows, hour).rename(columns={"by": "hour"})


def _held(rows: pd.DataFrame, by: pd.Series) -> pd.DataFrame:
    """`n`, shares `inside80` and `inside90`, mean `width` of the 80 % band and `winkler` score in the target's unit,
    each with its standard error `_se`."""
    names = {"in_band": "inside80", "in_band90": "inside90", "width": "width", "winkler": "winkler"}
    found = []
    for one, part in rows.groupby(by):
        values = {name: part[column].to_numpy(float) for column, name in names.items()}
        means = {name: float(np.nanmean(each)) for name, each in values.items()}
        doubts = {f"{name}_se": measuring.mean_error(part, each) for name, each in values.items()}
        found.append({"by": one, "n": len(part)} | means | doubts)
    return pd.DataFrame(found)


def _doubt(rows: pd.DataFrame, share: np.ndarray, level: float) -> float:
    """At least what independent draws would have, so that a tenth in which little fell is not taken for certain; NaN
    where there are too few days to say."""
    independent = float(np.sqrt(level * (1 - level) / len(share)))
    found = metrics.mean_error(measuring.laid_out(rows, share))
    return found if np.isnan(found) else max(found, independent)
