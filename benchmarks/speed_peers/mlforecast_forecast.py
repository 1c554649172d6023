"""Hourly histories of many series -> six hours ahead by one mlforecast model of all of them.

Fitting is outside the clock, and so is telling it the newest hour. Run by the peers' interpreter.
"""

import pandas as pd
from field import FORECAST_LAGS, HORIZONS, mlforecast_model, rolling
from serve import plan, serve


def main() -> None:
    """A run for each line on standard input."""
    wide = pd.read_parquet(plan()["hourly"])
    long = wide.rename_axis("ds").reset_index().melt("ds", var_name="unique_id", value_name="y")
    forecaster = mlforecast_model(FORECAST_LAGS, {1: rolling(24, 168)}, 1)
    forecaster.fit(long, static_features=[], keep_last_n=2 * max(FORECAST_LAGS))
    serve(lambda: forecaster.predict(len(HORIZONS)))


if __name__ == "__main__":
    main()
