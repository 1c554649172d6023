"""Forecasts and actuals of one slice -> the scores of a row of table `backtests`, with their standard errors."""

from collections.abc import Mapping

import numpy as np

from pipeline import metrics
from pipeline.intervals import LEVELS
from pipeline.models.base import SPIKY, Floats

Band = Mapping[str, Floats]


def scores(
    forecast: Floats,
    actual: Floats,
    scale: float,
    band: Band | None,
    references: Mapping[str, Floats | None],
    kind: str = "load",
) -> dict[str, float]:
    """Scores of (n, H) forecasts over the pairs where both sides are known; `actual` is NaN outside the slice.

    `scale` from metrics.seasonal_scale; `band` quantiles (n, H) by level, NaN where there is none yet;
    `references` has the forecasts (n, H) of naive and operator, or None: those skills are NaN then, as is a
    reference's own. Standard errors are NaN where the slice has too few days, see metrics.mean_error. What says
    nothing of a `kind` of target is NaN: a percentage of a price or spread, the direction and profit of anything but
    a spread, the tail of what has no spikes.
    """
    loss = np.abs(forecast - actual)
    return {
        "n": int(metrics.count(forecast, actual)),
        "mae": float(metrics.mae(forecast, actual)),
        "mae_se": metrics.mean_error(loss),
        "rmse": float(metrics.rmse(forecast, actual)),
        "mape": np.nan if kind in SPIKY else float(metrics.mape(forecast, actual)),
        "bias": float(metrics.bias(forecast, actual)),
        "mase": float(metrics.mase(forecast, actual, scale=scale)),
        "pinball_loss": np.nan if band is None else _pinball_loss(band, actual),
        "coverage": np.nan if band is None else float(metrics.coverage(band["p10"], band["p90"], actual)),
        "hit_rate": float(metrics.hit_rate(forecast, actual)) if kind == "spread" else np.nan,
        "tail_mae": metrics.tail_mae(forecast, actual) if kind in SPIKY else np.nan,
        "profit": float(metrics.profit(forecast, actual)) if kind == "spread" else np.nan,
    } | _against(forecast, actual, references)


def _pinball_loss(band: Band, actual: Floats) -> float:
    losses = [metrics.pinball_loss(band[name], actual, level=level) for name, level in LEVELS.items()]
    return float(np.mean(losses))


def _against(forecast: Floats, actual: Floats, references: Mapping[str, Floats | None]) -> dict[str, float]:
    loss, found = np.abs(forecast - actual), {"p_value": np.nan}
    for name, reference in references.items():
        found |= {f"skill_{name}": np.nan, f"skill_{name}_se": np.nan}
        if reference is None or reference is forecast:
            continue
        other = np.abs(reference - actual)
        both = ~np.isnan(loss + other)
        if not both.any():
            continue
        found[f"skill_{name}"] = float(metrics.skill(loss[both].mean(), other[both].mean()))
        found[f"skill_{name}_se"] = metrics.skill_error(loss, other)
        if name == "naive":
            found["p_value"] = metrics.diebold_mariano(loss, other)
    return found
