"""Five-minute values -> the columns of pipeline.features in pandas as its manual teaches it.

One long frame of all series, `groupby` with `shift` and `rolling`, `merge` where the local clock decides.
What depends on the target hour alone is computed once and merged to each horizon. Run by the peers' interpreter.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from serve import plan, serve

HORIZONS = range(1, 7)
TAILS = {"last_05": 55, "last_15": 45, "last_30": 30}
TYPES = ("monday", "midweek", "friday", "saturday", "sunday")
HOUR, DAY = pd.Timedelta(hours=1), pd.Timedelta(days=1)
KEY = ["series", "local"]


def hourly(raw: pd.DataFrame) -> pd.DataFrame:
    """Mean of each hour of each series and the means of its last minutes."""
    hour, minute = raw["valid_at"].dt.floor("h"), raw["valid_at"].dt.minute
    columns = {"value": raw.groupby(["series", hour])["value"].mean()}
    for name, first in TAILS.items():
        part = minute >= first
        columns[name] = raw[part].groupby(["series", hour[part]])["value"].mean()
    return pd.DataFrame(columns).reset_index()


def calendar(days: pd.DatetimeIndex, holidays: list[str]) -> pd.DataFrame:
    """Day types, flags and annual waves by local day, and how far back the last three days of a type are."""
    off = days.isin(pd.DatetimeIndex(holidays))
    frame = pd.DataFrame({"weekday": days.day_of_week.astype(float), "holiday": off}, index=days)
    free = frame["holiday"] | (frame["weekday"] >= 5)
    frame["eve"] = frame["holiday"].shift(-1, fill_value=False)
    frame["after"] = frame["holiday"].shift(1, fill_value=False)
    frame["bridge"] = ~free & free.shift(1, fill_value=False) & free.shift(-1, fill_value=False)
    stamp = days.month * 100 + days.day
    frame["christmas"] = (stamp >= 1224) | (stamp <= 106)
    kind = np.array([0, 1, 1, 1, 2, 3, 4])[days.day_of_week]
    kind[frame["holiday"]] = 4
    for code, name in enumerate(TYPES):
        frame[name] = kind == code
    for code in range(7):
        frame[f"weekday_{code}"] = frame["weekday"] == code
    angle = 2 * np.pi * (days.day_of_year - 1) / 365.25
    for order in (1, 2):
        frame[f"annual_sin_{order}"], frame[f"annual_cos_{order}"] = np.sin(order * angle), np.cos(order * angle)
    same = pd.DataFrame({day: pd.Series(kind).shift(day) == kind for day in range(1, 29)}).to_numpy()
    first, found = np.argsort(~same, axis=1, kind="stable")[:, :3] + 1, same.sum(axis=1)
    frame = frame.astype(float).assign(back_1=np.where(found == 0, 7, first[:, 0]))
    for number in (2, 3):
        frame[f"back_{number}"] = np.where(found < number, frame["back_1"], first[:, number - 1])
    return frame


def features(raw: pd.DataFrame, zone: str, holidays: list[str]) -> dict[str, pd.DataFrame]:
    """Columns of the origin under "shared", of each target hour under its horizon; all hours as origins."""
    rows = hourly(raw)
    hours = pd.date_range(rows["valid_at"].min(), rows["valid_at"].max() + 6 * HOUR, freq="h")
    local = pd.Series(hours.tz_convert(zone).tz_localize(None), hours)
    rows["local"] = rows["valid_at"].map(local)
    spine = pd.date_range(local.iloc[0], local.iloc[-1], freq="h")
    clock = on_clock(rows, spine)
    days = calendar(pd.date_range(spine[0].normalize(), spine[-1].normalize()), holidays)
    answer = {"shared": shared(rows, clock, days)}
    values, goals = clock["value"], goal_columns(clock, days)
    now = rows[KEY].merge(goals, on=KEY, how="left")
    for horizon in HORIZONS:
        keys = rows[["series"]].assign(local=(rows["valid_at"] + horizon * HOUR).map(local))
        answer[f"h{horizon}"] = target(rows, keys.merge(goals, on=KEY, how="left"), now, values)
    return answer


def on_clock(rows: pd.DataFrame, spine: pd.DatetimeIndex) -> pd.DataFrame:
    """The series on the local clock: hours shown twice keep the first, skipped ones take the next."""
    once = rows.drop_duplicates(KEY).set_index(KEY)[["value", *TAILS]]
    whole = pd.MultiIndex.from_product([once.index.levels[0], spine], names=KEY)
    filled = once.reindex(whole).groupby("series").bfill(limit=1)
    filled[whole.get_level_values("local") > rows["local"].max()] = np.nan
    return filled


def shared(rows: pd.DataFrame, clock: pd.DataFrame, days: pd.DataFrame) -> pd.DataFrame:
    """Columns of the origin."""
    value = rows["value"]
    group = value.groupby(rows["series"])
    columns = {f"lag_{lag}": group.shift(lag) - value for lag in range(1, 24)}
    back = {f"back_{lag}": clock.groupby("series")["value"].shift(lag) for lag in (24, 168)}
    for name in TAILS:
        shape = (clock[name] - clock["value"]).groupby("series")
        back |= {f"{name}_yesterday": shape.shift(24), f"{name}_week": shape.shift(168)}
    past = rows[KEY].merge(pd.DataFrame(back).reset_index(), on=KEY, how="left")
    columns |= {f"lag_{lag}": past[f"back_{lag}"] - value for lag in (24, 168)}
    columns |= {f"mean_{width}": value - rolled(value, rows, width).mean().droplevel(0) for width in (3, 24, 168)}
    day = rolled(value, rows, 24)
    columns["std_24"] = day.std(ddof=0).droplevel(0)
    columns |= {"min_24": day.min().droplevel(0) - value, "max_24": day.max().droplevel(0) - value}
    for lag in (24, 168):
        change = value - past[f"back_{lag}"]
        for width in (3, 24):
            columns[f"change_{lag}_mean_{width}"] = rolled(change, rows, width).mean().droplevel(0)
    for name in TAILS:
        columns[f"{name}_today"] = rows[name] - value
        columns |= {f"{name}_{when}": past[f"{name}_{when}"] for when in ("yesterday", "week")}
    kinds = days[list(TYPES)].reindex(rows["local"].dt.normalize()).reset_index(drop=True)
    return pd.DataFrame(columns).join(kinds.add_prefix("origin_"))


def rolled(column: pd.Series, rows: pd.DataFrame, width: int) -> "pd.api.typing.RollingGroupby":
    """A rolling window of each series."""
    return column.groupby(rows["series"]).rolling(width)


def goal_columns(clock: pd.DataFrame, days: pd.DataFrame) -> pd.DataFrame:
    """What depends on the target hour alone, by series and local hour."""
    group = clock["value"].groupby("series")
    back = {day: group.shift(24 * day) for day in (*range(1, 8), 14, 21, 28)}
    columns = {f"target_lag_{24 * day}": back[day] for day in (1, 2, 7, 14)}
    columns["target_mean_7_days"] = sum(back[day] for day in range(1, 8)) / 7
    columns["target_mean_4_weeks"] = sum(back[day] for day in (7, 14, 21, 28)) / 4
    goals = pd.DataFrame(columns).reset_index()
    goals["local_hour"] = goals["local"].dt.hour.astype(float)
    return goals.join(days.reindex(goals["local"].dt.normalize()).reset_index(drop=True))


def target(rows: pd.DataFrame, goals: pd.DataFrame, now: pd.DataFrame, values: pd.Series) -> pd.DataFrame:
    """Columns of the hour T+h."""
    columns = {name: goals[name] - rows["value"] for name in goals if name.startswith("target_")}
    for lag in (24, 168, 336):
        columns[f"delta_{lag}"] = goals[f"target_lag_{lag}"] - now[f"target_lag_{lag}"]
    columns["delta_4_weeks"] = goals["target_mean_4_weeks"] - now["target_mean_4_weeks"]
    levels, deltas = [], []
    for number in (1, 2, 3):
        step = goals[f"back_{number}"] * DAY
        then = values.reindex(pd.MultiIndex.from_arrays([goals["series"], goals["local"] - step])).to_numpy()
        levels.append(then)
        before = pd.MultiIndex.from_arrays([goals["series"], rows["local"] - step])
        deltas.append(then - values.reindex(before).to_numpy())
    columns |= {"analog_1": levels[0] - rows["value"], "analog_3": sum(levels) / 3 - rows["value"]}
    columns |= {"analog_delta_1": deltas[0], "analog_delta_3": sum(deltas) / 3}
    gone = [*KEY, "back_1", "back_2", "back_3", *(name for name in goals if name.startswith("target_"))]
    return pd.DataFrame(columns).join(goals.drop(columns=gone))


def main(build: Callable[[pd.DataFrame, str, list[str]], dict[str, pd.DataFrame]]) -> None:
    """A run for each line on standard input; the columns of the last series are kept for comparison."""
    todo = plan()
    raw = pd.read_parquet(todo["raw"])
    n = todo["kept_rows"]

    def keep(built: dict[str, pd.DataFrame]) -> None:
        columns = {f"{part}:{name}": frame[name].to_numpy()[-n:] for part, frame in built.items() for name in frame}
        np.savez(todo["kept"], **columns)

    serve(lambda: build(raw, todo["zone"], todo["holidays"]), keep)


if __name__ == "__main__":
    main(features)
