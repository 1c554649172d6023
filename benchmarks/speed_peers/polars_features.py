"""Five-minute values -> the columns of pipeline.features in polars: expressions over series, joins by local clock.

Run by the peers' interpreter.
"""

from datetime import timedelta

import numpy as np
import pandas as pd
import polars as pl
from pandas_features import HORIZONS, TAILS, TYPES, calendar
from serve import plan, serve

KEY = ["series", "local"]
DAYS = (*range(1, 8), 14, 21, 28)


def hourly(raw: pl.DataFrame) -> pl.DataFrame:
    """Mean of each hour of each series and the means of its last minutes; `raw` sorted by series and time."""
    value, minute = pl.col("value"), pl.col("valid_at").dt.minute()
    means = [value.filter(minute >= first).mean().alias(name) for name, first in TAILS.items()]
    return raw.group_by_dynamic("valid_at", every="1h", group_by="series").agg(value.mean(), *means)


def features(raw: pl.DataFrame, zone: str, holidays: list[str]) -> dict[str, pl.DataFrame]:
    """Columns of the origin under "shared", of each target hour under its horizon; all hours as origins."""
    rows = hourly(raw).with_columns(shown(pl.col("valid_at"), zone).alias("local"))
    first, last = rows["valid_at"].min(), rows["valid_at"].max() + timedelta(hours=6)
    ends = pl.select(shown(pl.lit(pl.Series([first, last])), zone)).to_series()
    clock = on_clock(rows, ends[0], ends[1])
    days = calendar(pd.date_range(ends[0].date(), ends[1].date()), holidays)
    days = pl.from_pandas(days.rename_axis("day").reset_index()).with_columns(pl.col("day").cast(pl.Date))
    answer = {"shared": shared(rows, clock, days)}
    goals = goal_columns(clock, days)
    now = rows.select(KEY).join(goals, on=KEY, how="left", maintain_order="left")
    for horizon in HORIZONS:
        goal = shown(pl.col("valid_at") + timedelta(hours=horizon), zone)
        keys = rows.select("series", goal.alias("local"))
        joined = keys.join(goals, on=KEY, how="left", maintain_order="left")
        answer[f"h{horizon}"] = target(rows, joined, now, clock["value"])
    return answer


def shown(moment: pl.Expr, zone: str) -> pl.Expr:
    """UTC -> what the local clock shows."""
    return moment.dt.convert_time_zone(zone).dt.replace_time_zone(None)


def on_clock(rows: pl.DataFrame, first: object, last: object) -> pl.DataFrame:
    """The series on the local clock: hours shown twice keep the first, skipped ones take the next."""
    spine = pl.DataFrame({"local": pl.datetime_range(first, last, "1h", eager=True)})
    whole = rows.select("series").unique(maintain_order=True).join(spine, how="cross")
    once = rows.unique(KEY, keep="first", maintain_order=True).select(*KEY, "value", *TAILS)
    clock = whole.join(once, on=KEY, how="left", maintain_order="left")
    inside = pl.col("local") <= rows["local"].max()
    filled = [pl.when(inside).then(pl.col(name).backward_fill(limit=1).over("series")) for name in ("value", *TAILS)]
    return clock.with_columns(filled).with_row_index("row")


def shared(rows: pl.DataFrame, clock: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """Columns of the origin."""
    value = pl.col("value")
    back = [value.shift(lag).over("series").alias(f"back_{lag}") for lag in (24, 168)]
    for name in TAILS:
        shape = pl.col(name) - value
        back += [shape.shift(24).over("series").alias(f"{name}_yesterday")]
        back += [shape.shift(168).over("series").alias(f"{name}_week")]
    names = [one.meta.output_name() for one in back]
    past = clock.select(*KEY, *back)
    rows = rows.join(past, on=KEY, how="left", maintain_order="left")
    columns = {f"lag_{lag}": value.shift(lag).over("series") - value for lag in range(1, 24)}
    columns |= {f"lag_{lag}": pl.col(f"back_{lag}") - value for lag in (24, 168)}
    columns |= {f"mean_{width}": value - value.rolling_mean(width).over("series") for width in (3, 24, 168)}
    columns["std_24"] = value.rolling_std(24, ddof=0).over("series")
    columns["min_24"] = value.rolling_min(24).over("series") - value
    columns["max_24"] = value.rolling_max(24).over("series") - value
    for lag in (24, 168):
        change = value - pl.col(f"back_{lag}")
        columns |= {f"change_{lag}_mean_{width}": change.rolling_mean(width).over("series") for width in (3, 24)}
    columns |= {f"{name}_today": pl.col(name) - value for name in TAILS}
    columns |= {name: pl.col(name) for name in names if not name.startswith("back_")}
    kinds = days.select("day", *(pl.col(name).alias(f"origin_{name}") for name in TYPES))
    rows = rows.with_columns(pl.col("local").dt.date().alias("day")).join(
        kinds, on="day", how="left", maintain_order="left"
    )
    columns |= {f"origin_{name}": pl.col(f"origin_{name}") for name in TYPES}
    return rows.select(**columns)


def goal_columns(clock: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """What depends on the target hour alone, by series and local hour."""
    back = {day: pl.col("value").shift(24 * day).over("series") for day in DAYS}
    columns = {f"target_lag_{24 * day}": back[day] for day in (1, 2, 7, 14)}
    columns["target_mean_7_days"] = sum((back[day] for day in range(2, 8)), back[1]) / 7
    columns["target_mean_4_weeks"] = (back[7] + back[14] + back[21] + back[28]) / 4
    columns |= {"local_hour": pl.col("local").dt.hour().cast(pl.Float64), "day": pl.col("local").dt.date()}
    return clock.select(*KEY, "row", **columns).join(days, on="day", how="left", maintain_order="left").drop("day")


def target(rows: pl.DataFrame, goals: pl.DataFrame, now: pl.DataFrame, values: pl.Series) -> pl.DataFrame:
    """Columns of the hour T+h."""
    level = rows["value"]
    lags = [name for name in goals.columns if name.startswith("target_")]
    columns = {name: goals[name] - level for name in lags}
    columns |= {f"delta_{lag}": goals[f"target_lag_{lag}"] - now[f"target_lag_{lag}"] for lag in (24, 168, 336)}
    columns["delta_4_weeks"] = goals["target_mean_4_weeks"] - now["target_mean_4_weeks"]
    levels, deltas = [], []
    for number in (1, 2, 3):
        step = goals[f"back_{number}"].cast(pl.Int64) * 24
        then, before = goals["row"].cast(pl.Int64) - step, now["row"].cast(pl.Int64) - step
        levels.append(values.gather(then.clip(0)))
        deltas.append(levels[-1] - values.gather(before.clip(0)))
    columns |= {"analog_1": levels[0] - level, "analog_3": (levels[0] + levels[1] + levels[2]) / 3 - level}
    columns |= {"analog_delta_1": deltas[0], "analog_delta_3": (deltas[0] + deltas[1] + deltas[2]) / 3}
    gone = (*KEY, "row", "back_1", "back_2", "back_3", *lags)
    return pl.DataFrame(columns | {name: goals[name] for name in goals.columns if name not in gone})


def main() -> None:
    """A run for each line on standard input; the columns of the last series are kept for comparison."""
    todo = plan()
    raw = pl.read_parquet(todo["raw"])
    n = todo["kept_rows"]

    def keep(built: dict[str, pl.DataFrame]) -> None:
        columns = {f"{part}:{name}": frame[name].tail(n) for part, frame in built.items() for name in frame.columns}
        np.savez(todo["kept"], **{name: column.to_numpy() for name, column in columns.items()})

    serve(lambda: features(raw, todo["zone"], todo["holidays"]), keep)


if __name__ == "__main__":
    main()
