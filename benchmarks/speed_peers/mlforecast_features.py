"""Five-minute values -> hourly means (pandas) -> mlforecast's own lags, rolling and seasonal means and dates.

Run by the peers' interpreter.
"""

import pandas as pd
from field import ROW_LAGS, mlforecast_model, rolling, seasonal
from serve import plan, serve


def rows_of(raw: pd.DataFrame) -> pd.DataFrame:
    """5-minute values of many series -> training rows."""
    hours = raw.groupby(["series", raw["valid_at"].dt.floor("h")])["value"].mean().reset_index()
    long = hours.rename(columns={"series": "unique_id", "valid_at": "ds", "value": "y"})
    long["ds"] = long["ds"].dt.tz_localize(None)
    transforms = seasonal() | {1: rolling(3, 24, 168)}
    return mlforecast_model(ROW_LAGS, transforms, None).preprocess(long, static_features=[])


def main() -> None:
    """A run for each line on standard input."""
    raw = pd.read_parquet(plan()["raw"])
    few = raw[raw["series"] == raw["series"].iloc[0]].head(12 * 24 * 60)
    serve(lambda: rows_of(raw), columns=len(rows_of(few).columns) - 3)


if __name__ == "__main__":
    main()
