"""How the two forecasting libraries are set up for the speed benchmark, on one thread.

FORECAST_LAGS and the rolling windows served them best on real demand; the lags in ROW_LAGS and the seasonal
means come nearest to the columns of pipeline.features for six target hours.
"""

from typing import Any

import lightgbm
import pandas as pd

HORIZONS = range(1, 7)
FORECAST_LAGS = [*range(1, 26), 47, 48, 49, 72, 96, 120, 144, 167, 168, 169, 336]
# A row's own hour is T+1 in both libraries, so y[T+h-24k] is its lag 24k-h+1.
ROW_LAGS = sorted({*range(1, 26), 169, 337, *(24 * k - h + 1 for k in (1, 2, 7, 14) for h in HORIZONS)})
TREES = {"n_estimators": 400, "learning_rate": 0.05, "num_leaves": 31, "n_jobs": 1, "verbosity": -1}
HOUR = pd.Timedelta(hours=1)


def calendar(hours: pd.DatetimeIndex) -> pd.DataFrame:
    """Hour, weekday and month of UTC hours."""
    return pd.DataFrame({"hour": hours.hour, "weekday": hours.day_of_week, "month": hours.month}, index=hours)


def skforecast_model(lags: list[int], means: tuple[int, ...], difference: int | None) -> Any:
    """A recursive forecaster of one series; rolling statistics of a day and means over `means` hours."""
    from skforecast.preprocessing import RollingFeatures
    from skforecast.recursive import ForecasterRecursive

    stats = ["min", "max", "std", *("mean" for _ in means)]
    windows = RollingFeatures(stats=stats, window_sizes=[24, 24, 24, *means])
    trees = lightgbm.LGBMRegressor(**TREES)
    return ForecasterRecursive(estimator=trees, lags=lags, window_features=windows, differentiation=difference)


def mlforecast_model(lags: list[int], transforms: dict[int, list[Any]], difference: int | None) -> Any:
    """One recursive forecaster of all series, with `transforms` beside the lags."""
    from mlforecast import MLForecast
    from mlforecast.target_transforms import Differences

    return MLForecast(
        models={"lightgbm": lightgbm.LGBMRegressor(**TREES)},
        freq="h",
        lags=lags,
        lag_transforms=transforms,
        date_features=["hour", "dayofweek", "month"],
        target_transforms=[Differences([difference])] if difference else None,
        num_threads=1,
    )


def rolling(*means: int) -> list[Any]:
    """mlforecast's statistics of a day and means over `means` hours."""
    from mlforecast.lag_transforms import RollingMax, RollingMean, RollingMin, RollingStd

    return [RollingMin(24), RollingMax(24), RollingStd(24), *(RollingMean(width) for width in means)]


def seasonal() -> dict[int, list[Any]]:
    """mlforecast's same-hour means over seven days and four weeks, for each of the six target hours."""
    from mlforecast.lag_transforms import SeasonalRollingMean

    daily = {24 - h + 1: [SeasonalRollingMean(24, 7)] for h in HORIZONS}
    return daily | {168 - h + 1: [SeasonalRollingMean(168, 4)] for h in HORIZONS}
