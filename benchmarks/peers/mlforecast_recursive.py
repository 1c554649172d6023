"""mlforecast's recursive forecaster, fitted once; every origin is handed to its `predict` as a series of its own."""

import numpy as np
import pandas as pd
from exchange import HORIZONS, LAGS, ROLLING, Task, lightgbm, serve
from mlforecast import MLForecast
from mlforecast.lag_transforms import RollingMax, RollingMean, RollingMin, RollingStd
from mlforecast.target_transforms import Differences

CHUNK = 1000
KINDS = {"mean": RollingMean, "min": RollingMin, "max": RollingMax, "std": RollingStd}


def forecast(task: Task) -> np.ndarray:
    """(n, HORIZONS) in MW."""
    model = MLForecast(
        models={"lightgbm": lightgbm()},
        freq="h",
        lags=LAGS,
        lag_transforms={1: [KINDS[stat](width) for stat, width in ROLLING]},
        target_transforms=[Differences([1])] if task.difference else None,
        num_threads=1,
    )
    hours = task.hours.rename_axis("ds").reset_index()
    model.fit(hours[hours["ds"] <= task.first].assign(unique_id=0), static_features=[])
    chunks = np.array_split(task.places, -(-len(task.places) // CHUNK))
    return np.concatenate([_predict(model, hours, places) for places in chunks])


def _predict(model: MLForecast, hours: pd.DataFrame, places: np.ndarray) -> np.ndarray:
    """One series an origin: the hours up to it as the past, the calendar after it as known ahead."""
    past = _stacked(hours, places[:, None] + np.arange(-max(LAGS) - 1, 1))
    ahead = _stacked(hours, places[:, None] + np.arange(1, HORIZONS + 1)).drop(columns="y")
    answer = model.predict(h=HORIZONS, new_df=past, X_df=ahead)
    return answer.sort_values(["unique_id", "ds"])["lightgbm"].to_numpy().reshape(len(places), HORIZONS)


def _stacked(hours: pd.DataFrame, rows: np.ndarray) -> pd.DataFrame:
    return hours.iloc[rows.ravel()].assign(unique_id=np.repeat(np.arange(len(rows)), rows.shape[1]))


if __name__ == "__main__":
    serve(forecast)
