"""Hourly histories of many series -> six hours ahead by one skforecast call per series.

All series are asked of one fitted forecaster, each with its own last window, which costs what a forecaster
per series would. Fitting is outside the clock. Run by the peers' interpreter.
"""

import pandas as pd
from field import FORECAST_LAGS, HORIZONS, HOUR, calendar, skforecast_model
from serve import plan, serve


def main() -> None:
    """A run for each line on standard input."""
    wide = pd.read_parquet(plan()["hourly"])
    wide.index = pd.DatetimeIndex(wide.index, freq="h")
    forecaster = skforecast_model(FORECAST_LAGS, (24, 168), 1)
    forecaster.fit(y=wide.iloc[:, 0], exog=calendar(wide.index))
    windows = wide.iloc[-forecaster.window_size :]

    def run() -> list[pd.Series]:
        ahead = calendar(pd.date_range(windows.index[-1] + HOUR, periods=len(HORIZONS), freq="h"))
        steps = len(HORIZONS)
        return [forecaster.predict(steps=steps, last_window=windows[name], exog=ahead) for name in windows]

    serve(run)


if __name__ == "__main__":
    main()
