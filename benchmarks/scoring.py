"""Forecasts of several contenders -> MAE on common origins, ratios to the field, and the verdict on each target."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline import metrics
from pipeline.models.base import Floats

FOREST, NAIVE, OPERATOR = "forest_recursive", "naive", "operator"


@dataclass(frozen=True)
class Scores:
    """One dataset's scores.

    table: by contender, mean over the horizons `mae` and columns h1..h6 in MW, `mase`, `cpu_s`, and its `mae` less
    the lead's, `behind`, with its standard error `behind_se`, both of the mean over origins; n: common pairs.
    """

    dataset: str
    title: str
    n: int
    table: pd.DataFrame

    def mae(self, name: str) -> float:
        """Mean over the horizons, NaN for a contender that did not run."""
        return float(self.table["mae"].get(name, np.nan))

    def best(self, names: Sequence[str]) -> float:
        """The lowest of several contenders."""
        return min(self.mae(name) for name in names)


@dataclass(frozen=True)
class Target:
    """A figure to stay at or below; NaN was not measured and is a miss."""

    words: str
    figure: float
    limit: float

    @property
    def met(self) -> bool:
        """Whether it is met."""
        return self.figure <= self.limit


def score(
    dataset: str,
    title: str,
    forecasts: Mapping[str, Floats],
    actual: Floats,
    *,
    lead: str,
    scale: float,
    spent: Mapping[str, float],
) -> Scores:
    """Scores of (n, 6) forecasts of consecutive origins over the pairs that the actual and every contender share.

    `lead` is the one that the others are compared with; the error of a difference allows for its autocorrelation.
    Raises ValueError when there are none.
    """
    common = ~np.isnan(actual)
    for values in forecasts.values():
        common &= ~np.isnan(values)
    if not common.any(axis=0).all():
        raise ValueError(f"{dataset}: {', '.join(forecasts)} share no origin")
    rows, truth = {}, np.where(common, actual, np.nan)
    for name, values in forecasts.items():
        by_horizon = metrics.mae(values, truth, axis=0)
        mean = float(by_horizon.mean())
        rows[name] = {"mae": mean, "mase": mean / scale, "cpu_s": spent.get(name, np.nan)}
        loss = metrics.mae(values, truth, axis=1) - metrics.mae(forecasts[lead], truth, axis=1)
        rows[name] |= {"behind": float(np.nanmean(loss)), "behind_se": metrics.standard_error(loss)}
        rows[name] |= {f"h{h}": float(value) for h, value in enumerate(by_horizon, start=1)}
    return Scores(dataset, title, int(common.sum()), pd.DataFrame.from_dict(rows, orient="index"))


def geometric_mean(figures: Sequence[float]) -> float:
    """The geometric mean; NaN when one is or there are none."""
    return float(np.exp(np.mean(np.log(figures)))) if figures else float("nan")
