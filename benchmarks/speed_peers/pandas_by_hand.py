"""Five-minute values -> the columns of pipeline.features by pandas and numpy, tuned by hand, a series at a time.

What depends on the target hour alone is computed once on the local clock and sliced for all six horizons:
what somebody would write who knows the feature recipe and is after speed. Run by the peers' interpreter.
"""

import numpy as np
import pandas as pd
from pandas_features import TAILS, TYPES, calendar, main

HORIZONS = range(1, 7)


def hourly(points: pd.Series) -> pd.DataFrame:
    """(5-minute values by UTC time) -> hourly mean and the means of the last minutes of each hour."""
    minute = points.index.minute
    columns = {"value": points.resample("h").mean()}
    columns |= {name: points[minute >= first].resample("h").mean() for name, first in TAILS.items()}
    return pd.DataFrame(columns)


def features(points: pd.Series, zone: str, holidays: list[str]) -> dict[str, pd.DataFrame]:
    """Columns of the origin under "shared" and of each target hour under its horizon, all hours as origins."""
    rows = hourly(points)
    level = rows["value"].to_numpy()
    hours = pd.date_range(rows.index[0], rows.index[-1] + pd.Timedelta(hours=6), freq="h")
    local = hours.tz_convert(zone).tz_localize(None)
    spine = pd.date_range(local[0], local[-1], freq="h")
    place = spine.get_indexer(local)
    days = calendar(pd.date_range(spine[0].normalize(), spine[-1].normalize()), holidays)
    clock = Clock(rows, spine, place, days)
    answer = {"shared": shared(rows, clock, level)}
    targets = clock.target_columns()
    for horizon in HORIZONS:
        answer[f"h{horizon}"] = target(targets, horizon, level)
    return answer


class Clock:
    """The series on the local clock: twice-shown hours keep their first, skipped ones take the next."""

    def __init__(self, rows: pd.DataFrame, spine: pd.DatetimeIndex, place: np.ndarray, days: pd.DataFrame) -> None:
        self.place, self.n = place, len(rows)
        shown = spine[place[: self.n]]
        once = ~shown.duplicated()
        self.rows = (
            rows[once].set_axis(shown[once]).reindex(spine[: place[self.n - 1] + 1]).bfill(limit=1).reindex(spine)
        )
        day = days.index.get_indexer(spine.normalize())
        self.days = days.iloc[day[place]].reset_index(drop=True)
        self.hour = pd.Series(spine.hour.to_numpy()[place].astype(float))
        value = self.rows["value"]
        self.back = {k: value.shift(24 * k) for k in range(1, 29)}

    def of(self, series: pd.Series) -> np.ndarray:
        """Values on the clock -> by UTC hour, six hours beyond the last origin."""
        return series.to_numpy()[self.place]

    def target_columns(self) -> dict[str, np.ndarray]:
        """What depends on the target hour alone."""
        back = self.back
        seven = sum((back[k] for k in range(2, 8)), back[1]) / 7
        four = (back[7] + back[14] + back[21] + back[28]) / 4
        columns = {f"target_lag_{24 * k}": self.of(back[k]) for k in (1, 2, 7, 14)}
        columns |= {"target_mean_7_days": self.of(seven), "target_mean_4_weeks": self.of(four)}
        by_day = np.stack([self.of(back[k]) for k in range(1, 29)])
        columns["by_day"] = by_day
        columns["offsets"] = self.days[["back_1", "back_2", "back_3"]].to_numpy().T.astype(int) - 1
        flags = self.days.drop(columns=["back_1", "back_2", "back_3"])
        return columns | {"local_hour": self.hour.to_numpy()} | {name: flags[name].to_numpy() for name in flags}


def shared(rows: pd.DataFrame, clock: Clock, level: np.ndarray) -> pd.DataFrame:
    """Columns of the origin."""
    value, n = rows["value"], len(rows)
    columns = {f"lag_{lag}": value.shift(lag) - value for lag in range(1, 24)}
    columns |= {f"lag_{24 * k}": clock.of(clock.back[k])[:n] - value for k in (1, 7)}
    columns |= {f"mean_{width}": value - value.rolling(width).mean() for width in (3, 24, 168)}
    day = value.rolling(24)
    columns |= {"std_24": day.std(ddof=0), "min_24": day.min() - value, "max_24": day.max() - value}
    for k in (1, 7):
        change = value - clock.of(clock.back[k])[:n]
        columns |= {f"change_{24 * k}_mean_{width}": change.rolling(width).mean() for width in (3, 24)}
    for name in TAILS:
        shape = clock.rows[name] - clock.rows["value"]
        columns[f"{name}_today"] = rows[name] - value
        columns[f"{name}_yesterday"] = clock.of(shape.shift(24))[:n]
        columns[f"{name}_week"] = clock.of(shape.shift(168))[:n]
    columns |= {f"origin_{name}": clock.days[name].to_numpy()[:n] for name in TYPES}
    return pd.DataFrame(columns, index=rows.index)


def target(targets: dict[str, np.ndarray], horizon: int, level: np.ndarray) -> pd.DataFrame:
    """Columns of the hour T+h."""
    n = len(level)
    then = slice(horizon, horizon + n)
    columns = {name: targets[name][then] - level for name in targets if name.startswith("target_")}
    for lag in (24, 168, 336):
        past = targets[f"target_lag_{lag}"]
        columns[f"delta_{lag}"] = past[then] - past[:n]
    four = targets["target_mean_4_weeks"]
    columns["delta_4_weeks"] = four[then] - four[:n]
    by_day, offsets, at = targets["by_day"], targets["offsets"][:, then], np.arange(n)
    levels = by_day[offsets, at + horizon]
    deltas = levels - by_day[offsets, at]
    columns |= {"analog_1": levels[0] - level, "analog_3": levels.mean(axis=0) - level}
    columns |= {"analog_delta_1": deltas[0], "analog_delta_3": deltas.mean(axis=0)}
    rest = [name for name in targets if name not in columns and name not in ("by_day", "offsets")]
    return pd.DataFrame(columns | {name: targets[name][then] for name in rest})


def all_series(raw: pd.DataFrame, zone: str, holidays: list[str]) -> dict[str, pd.DataFrame]:
    """Every series in turn; the columns of the last."""
    built = {}
    for _, points in raw.set_index("valid_at").groupby("series", sort=False)["value"]:
        built = features(points, zone, holidays)
    return built


if __name__ == "__main__":
    main(all_series)
