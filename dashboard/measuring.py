"""Rows of query `page_scores` -> measures with their standard errors, by slice. Pure.

A row is one forecast as issued: an origin and a horizon. `declared` hours of it are left out of every figure.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline import metrics
from pipeline.models.base import Floats

COMPARATORS = ("naive", "operator")
HOUR = pd.Timedelta(hours=1)
MEASURES = ("mae", "rmse", "relative", "bias", "skill", "skill_operator", "coverage")
SPIKY = ("hit_rate", "tail_mae", "pinball_loss", "profit")
"""What is measured besides where the target's metrics ask for it."""
SIDED = ("hit_rate", "profit")
"""Those of SPIKY that the simplest rule, the side of the last known hour, is measured by too."""


@dataclass(frozen=True)
class Relative:
    """How errors are made comparable: `name` MAPE (in percent) or MASE (against `scale`, in the target's unit); ""
    where neither says anything of the target."""

    name: str
    scale: float = float("nan")

    def of(self, rows: pd.DataFrame) -> Floats:
        """The relative size of each error; NaN where it has none."""
        size = rows["error"].abs().to_numpy(float)
        if not self.name:
            return np.full(len(rows), np.nan)
        if self.name == "MASE":
            return size / self.scale if self.scale > 0 else np.full(len(rows), np.nan)
        actual = rows["actual"].to_numpy(float)
        return 100 * size / np.where(actual == 0, np.nan, np.abs(actual))


def counted(rows: pd.DataFrame, since: pd.Timestamp) -> pd.DataFrame:
    """Rows from `since` on, without the hours of declared events."""
    return rows[(rows["origin"] >= since) & rows["declared"].isna()]


def comparators(rows: pd.DataFrame) -> list[str]:
    """Which of naive and operator are known anywhere."""
    return [name for name in COMPARATORS if rows[name].notna().any()]


def common(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows for which every comparator that is known anywhere is known."""
    return rows[rows[comparators(rows)].notna().all(axis=1)]


def of_horizon(rows: pd.DataFrame, horizon: int | None) -> pd.DataFrame:
    """The rows of one horizon; None: all."""
    return rows if horizon is None else rows[rows["horizon"] == horizon]


def laid_out(rows: pd.DataFrame, values: Floats) -> Floats:
    """(hours, horizons) of `values` by origin and horizon, NaN where there is none: unknown keeps its place."""
    place = ((rows["origin"] - rows["origin"].min()) // HOUR).to_numpy()
    column = rows["horizon"].to_numpy() - int(rows["horizon"].min())
    table = np.full((int(place.max()) + 1, int(column.max()) + 1), np.nan)
    table[place, column] = values
    return table


def mean_error(rows: pd.DataFrame, values: Floats) -> float:
    """Standard error of the mean of `values`, one for each row; see metrics.mean_error. NaN where they are alike."""
    return metrics.mean_error(laid_out(rows, values)) or float("nan")


def by_slice(
    rows: pd.DataFrame, labels: pd.Series, names: list[str], relative: Relative, spiky: tuple[str, ...] = ()
) -> pd.DataFrame:
    """One row for each of `names` that has hours, in that order; columns as of `measured`, and `slice`."""
    parts = {name: rows[labels.eq(name)] for name in names}
    found = [{"slice": name} | measured(part, relative, spiky) for name, part in parts.items() if len(part)]
    return pd.DataFrame(found)


def spikes(rows: pd.DataFrame, names: tuple[str, ...]) -> dict[str, float]:
    """Those of SPIKY that `names` asks for, each with its standard error `_se` and its count `n_`.

    hit_rate is a share, the others are in the target's unit; profit is the mean of an hour. With a column `last` also
    what the side of the last known hour scores: see `_of_rule`.
    """
    forecast, actual = (rows[name].to_numpy(float) for name in ("p50", "actual"))
    ways: dict[str, Callable[[], Floats]] = {
        "hit_rate": lambda: metrics.hits(forecast, actual),
        "tail_mae": lambda: metrics.tail(forecast, actual),
        "pinball_loss": lambda: rows["pinball_loss"].to_numpy(float),
        "profit": lambda: metrics.earnings(forecast, actual),
    }
    found: dict[str, float] = {}
    for name in (one for one in SPIKY if one in names):
        values = ways[name]()
        n = int((~np.isnan(values)).sum())
        found |= {name: _mean(values), f"{name}_se": mean_error(rows, values), f"n_{name}": n}
        if name in SIDED and "last" in rows:
            found |= _of_rule(rows, name, values)
    return found


def _of_rule(rows: pd.DataFrame, name: str, values: Floats) -> dict[str, float]:
    """`side_` and the name: what "the same side as the last known hour" scores, of how many, and by how much `values`
    are above that on the hours both are known for."""
    way = metrics.hits if name == "hit_rate" else metrics.earnings
    rule = way(rows["last"].to_numpy(float), rows["actual"].to_numpy(float))
    more = values - rule
    return {
        f"side_{name}": _mean(rule), f"n_side_{name}": int((~np.isnan(rule)).sum()),
        f"{name}_more": _mean(more), f"{name}_more_se": mean_error(rows, more),
    }  # fmt: skip


def likely(share: float, doubt: float, n: float) -> tuple[float, float]:
    """What holds a share of `n` hours with 95 %, never outside 0 and 1 (Wilson 1927); NaN where few days tell.

    `doubt` is its standard error: hours that are alike count as the fewer independent ones that would give it.
    """
    same = share in (0.0, 1.0)
    if np.isnan(share) or (not doubt > 0 and not (same and n >= metrics.LEAST_DAYS)):
        return float("nan"), float("nan")
    count = min(n, share * (1 - share) / doubt**2) if doubt > 0 and not same else n
    square = metrics.NORMAL**2
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = metrics.NORMAL * np.sqrt(share * (1 - share) / count + square / (4 * count**2)) / (1 + square / count)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def measured(rows: pd.DataFrame, relative: Relative, spiky: tuple[str, ...] = ()) -> dict[str, float]:
    """Measures of Sextant's forecasts, each with `_se` where that is defined, and the MAE of the comparators.

    mae, rmse and bias are in the target's unit, skill, skill_operator and coverage shares; `n` counts forecasts,
    `n_hours` the hours they are for, `n_band` those with a band. What cannot be known is NaN. `spiky`: see `spikes`.
    """
    error = rows["error"].to_numpy(float)
    size, square = np.abs(error), error**2
    ratio, inside = relative.of(rows), rows["in_band"].to_numpy(float)
    rmse = float(np.sqrt(square.mean()))
    found = {
        "n": len(rows), "n_hours": rows["valid_at"].nunique(),
        "mae": float(size.mean()), "mae_se": mean_error(rows, size),
        "rmse": rmse, "rmse_se": mean_error(rows, square) / (2 * rmse) if rmse > 0 else float("nan"),
        "relative": _mean(ratio), "relative_se": mean_error(rows, ratio),
        "bias": float(error.mean()), "bias_se": mean_error(rows, error),
        "coverage": _mean(inside), "coverage_se": mean_error(rows, inside), "n_band": int((~np.isnan(inside)).sum()),
    }  # fmt: skip
    for name in COMPARATORS:
        column = "skill" if name == "naive" else "skill_operator"
        beside = np.abs(rows[name].to_numpy(float))
        found |= {f"{name}_mae": _mean(beside)} | _skill(rows, size, beside, column)
    count = {"n_replay": rows["mode"].eq("replay").sum(), "n_fallback": rows["status"].eq("fallback").sum()}
    return found | spikes(rows, spiky) | {name: int(value) for name, value in count.items()}


def _skill(rows: pd.DataFrame, size: Floats, beside: Floats, name: str) -> dict[str, float]:
    known = np.isfinite(beside)
    if not known.any() or not beside[known].sum() > 0:
        return {name: float("nan"), f"{name}_se": float("nan")}
    doubt = metrics.skill_error(laid_out(rows, np.where(known, size, np.nan)), laid_out(rows, beside))
    return {name: float(1 - size[known].sum() / beside[known].sum()), f"{name}_se": doubt or float("nan")}


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
