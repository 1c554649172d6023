"""skforecast's recursive forecaster, fitted once, then asked from many origins at once.

The library forecasts from one origin a call; here its own fitted model and window features are stepped for all
origins together, and a sample of origins is asked through the library's `predict`, which must agree.
"""

import numpy as np
from exchange import HORIZONS, LAGS, ROLLING, Task, lightgbm, serve
from skforecast.preprocessing import RollingFeatures
from skforecast.recursive import ForecasterRecursive

SAMPLE = 12


def forecast(task: Task) -> np.ndarray:
    """(n, HORIZONS) in MW."""
    model = ForecasterRecursive(
        estimator=lightgbm(),
        lags=LAGS,
        window_features=RollingFeatures([stat for stat, _ in ROLLING], [width for _, width in ROLLING]),
        differentiation=1 if task.difference else None,
    )
    known = task.hours.loc[: task.first]
    model.fit(y=known["y"], exog=task.calendar.loc[: task.first])
    values = stepped(model, task)
    check(model, task, values)
    return values


def stepped(model: ForecasterRecursive, task: Task) -> np.ndarray:
    """The library's recursion with all origins side by side."""
    series, calendar = task.hours["y"].to_numpy(), task.calendar[model.exog_names_in_].to_numpy(float)
    window = series[task.places[:, None] + np.arange(1 - model.window_size, 1)]
    level = window[:, -1].copy()
    if task.difference:
        window = np.diff(window, axis=1)
    steps = []
    for step in range(1, HORIZONS + 1):
        lags = window[:, -model.lags]
        rolling = model.window_features[0].transform(window.T)
        rows = np.concatenate([lags, rolling.reshape(len(lags), -1), calendar[task.places + step]], axis=1)
        steps.append(model.estimator.booster_.predict(rows))
        window = np.concatenate([window[:, 1:], steps[-1][:, None]], axis=1)
    values = np.stack(steps, axis=1)
    return level[:, None] + np.cumsum(values, axis=1) if task.difference else values


def check(model: ForecasterRecursive, task: Task, values: np.ndarray) -> None:
    """Raise ValueError unless the library itself gives the same from a sample of origins."""
    for row in np.linspace(0, len(values) - 1, SAMPLE).astype(int):
        place = task.places[row]
        past = task.hours["y"].iloc[: place + 1].iloc[-model.window_size :]
        ahead = task.calendar.iloc[place + 1 : place + 1 + HORIZONS]
        own = model.predict(steps=HORIZONS, last_window=past, exog=ahead).to_numpy()
        if not np.allclose(own, values[row], rtol=1e-9):
            raise ValueError(f"origin {task.hours.index[place]}: the library gives {own}, stepped {values[row]}")


if __name__ == "__main__":
    serve(forecast)
