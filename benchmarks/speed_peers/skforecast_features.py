"""Five-minute values -> hourly means (pandas) -> skforecast's create_train_X_y, a series at a time.

It has no seasonal means. Run by the peers' interpreter.
"""

from typing import Any

import pandas as pd
from field import ROW_LAGS, calendar, skforecast_model
from serve import plan, serve


def rows_of(points: pd.Series) -> pd.DataFrame:
    """5-minute values by UTC time -> training rows."""
    hours = points.resample("h").mean()
    hours.index = pd.DatetimeIndex(hours.index.tz_localize(None), freq="h")
    forecaster = skforecast_model(ROW_LAGS, (3, 24, 168), None)
    return forecaster.create_train_X_y(y=hours, exog=calendar(hours.index))[0]


def last_of(by_series: Any) -> pd.DataFrame:
    """The rows of every series in turn; those of the last."""
    rows = pd.DataFrame()
    for _, points in by_series:
        rows = rows_of(points)
    return rows


def main() -> None:
    """A run for each line on standard input."""
    raw = pd.read_parquet(plan()["raw"])
    by_series = raw.set_index("valid_at").groupby("series", sort=False)["value"]
    first = next(iter(by_series))[1]
    columns = len(rows_of(first.head(12 * 24 * 60)).columns)
    serve(lambda: last_of(by_series), columns=columns)


if __name__ == "__main__":
    main()
