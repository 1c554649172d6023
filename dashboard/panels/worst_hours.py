"""Scored forecasts -> the hours that erred most, with what was special about them and a way to what was on screen."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import formats, measuring, slicing, ui
from dashboard.panels.by_slice import downloads
from dashboard.panels.chosen import Chosen
from pipeline.markets import Target

SHOWN = 20
NEAR = timedelta(hours=24)
STEEP = 0.95
"""A change from hour to hour larger than this share of those of the window is a ramp."""


def show(chosen: Chosen) -> None:
    """The table, the worst first."""
    frame = chosen.frame
    with ui.panel(f"Worst hours, {chosen.about}", "Each hour once, at the horizon that erred most"):
        rows = measuring.of_horizon(chosen.rows, chosen.horizon)
        if rows.empty:
            ui.empty("No hour is scored", "Choose another window or horizon.", icon=":material/target:")
            return
        found = worst(rows, frame.target)
        context = frame.ask(
            "page_context", target=frame.target.id, origins=tuple(found["origin"]),
            horizons=tuple(int(one) for one in found["horizon"]),
        )  # fmt: skip
        steep = float(usual_steps(rows).quantile(STEEP))
        found = found.merge(context, on=["origin", "horizon"], how="left")
        found = found.assign(
            special=[", ".join(special(row, frame.target, steep)) for row in found.itertuples()],
            day_type=slicing.day_types(found["valid_at"], frame.target),
        )
        _table(chosen, found)
        file = found.drop(columns=["declared", "naive", "operator", "hour", "rank"], errors="ignore")
        downloads(file, f"{frame.target.id}-worst-hours-{chosen.since:%Y%m%d}-{chosen.until:%Y%m%d}", "worst")


def worst(rows: pd.DataFrame, target: Target, shown: int = SHOWN) -> pd.DataFrame:
    """The `shown` hours of the largest errors, each at its worst horizon; `usual` is the MAE of that horizon at that
    local hour of day in these rows, `times` the error in units of it, `n_usual` how many errors it is the mean of."""
    size = rows["error"].abs()
    groups = size.groupby([rows["horizon"], slicing.local(rows["valid_at"], target).dt.hour])
    usual = groups.transform("mean")
    table = rows.assign(size=size, usual=usual, times=size / usual.replace(0, np.nan), n_usual=groups.transform("size"))
    table = table.sort_values(["size", "origin"], ascending=[False, True], kind="stable")
    return table.drop_duplicates("valid_at").head(shown).reset_index(drop=True)


def usual_steps(rows: pd.DataFrame) -> pd.Series:
    """By how much the actual moved from each hour to the next."""
    actual = rows.drop_duplicates("valid_at").set_index("valid_at")["actual"].sort_index().asfreq("h")
    return actual.diff().abs().dropna()


def special(row: Any, target: Target, steep: float) -> list[str]:
    """What was not as usual, in words; row as of `worst` with the columns of query `page_context`."""
    said, digits = [], formats.digits(target.series.unit)
    if (kind := slicing.day_types(pd.Series([row.valid_at]), target).iloc[0]) != slicing.DAY_TYPES["working"]:
        said.append(kind.lower())
    near = [one for one in target.events if one.first - NEAR < row.valid_at < one.last + NEAR]
    said += [f"near a declared event ({one.reason})" for one in near]
    if row.status != "ok":
        said.append(f"{row.status}: {row.reason}" if row.reason else row.status)
    if (row.stale_hours or 0) > 0:
        said.append(f"actuals {formats.count(row.stale_hours, 'hour')} stale")
    if (row.filled_hours or 0) > 0:
        said.append(f"{formats.count(row.filled_hours, 'hour')} of inputs filled")
    step = row.actual - row.hour_before
    if steep > 0 and abs(step) > steep:
        said.append(f"ramp of {formats.signed(step, digits)} in an hour")
    if (row.n_versions or 0) > 1 and row.first_actual != row.newest_actual:
        said.append(f"actual revised by {formats.signed(row.newest_actual - row.first_actual, digits)} later")
    return said


def address(row: Any, target: str, clock: str) -> str:
    """The Forecasts page a minute after the issue, where it is known when that was made."""
    if pd.isna(row.made_at):
        return ""
    asked = {"at": f"{row.made_at + timedelta(minutes=1):%Y-%m-%dT%H:%MZ}"}
    asked |= {"replayed": "1"} if row.mode == "replay" else {}
    asked |= {"target": target} if target else {}
    asked |= {"clock": clock} if clock == "UTC" else {}
    return f"./?{urlencode(asked)}"


def _table(chosen: Chosen, found: pd.DataFrame) -> None:
    frame, text = chosen.frame, st.column_config.TextColumn
    names = {one.id: name for name, one in frame.desk.target_names().items()}
    several = names[frame.target.id] if len(names) > 1 else ""
    table = found.assign(
        when=[formats.stamp(at, frame.zone) for at in found["valid_at"]],
        ahead=[f"T+{one}" for one in found["horizon"]],
        p50_said=[formats.number(one, frame.digits) for one in found["p50"]],
        actual_said=[formats.number(one, frame.digits) for one in found["actual"]],
        error_said=[formats.signed(one, frame.digits) for one in found["error"]],
        times_said=[f"{formats.number(one, 1)} times {formats.number(usual, frame.digits)}"
                    for one, usual in zip(found["times"], found["usual"], strict=True)],
        made=[f"{formats.short(one)}, {mode}" for one, mode in zip(found["version_id"], found["mode"], strict=True)],
        status_said=["ok" if one == "ok" else f"▲ {one}" for one in found["status"]],
        link=[address(row, several, frame.zone) for row in found.itertuples()],
    )  # fmt: skip
    columns = {
        "when": text(f"Hour, {frame.clock}", pinned=True),
        "ahead": text("Horizon"),
        "p50_said": text(f"Forecast, {frame.unit}", alignment="right"),
        "actual_said": text("Actual", alignment="right"),
        "error_said": text("Error", alignment="right"),
        "times_said": text(
            "Usual MAE", alignment="right", help="How many times the MAE of that horizon at that hour of day"
        ),
        "special": text("Special", width=330),
        "status_said": text("Status"),
        "made": text("Made by"),
        "link": st.column_config.LinkColumn("As of then", display_text="Open"),
    }
    ui.table(table, columns, colours=frame.palette, states=("status_said",), rows=SHOWN, alt="Worst hours")
    st.caption(
        f"The {formats.count(len(found), 'hour')} of the largest errors of {chosen.about}, {chosen.span}. A ramp is a "
        "change from hour to hour that 19 of 20 hours do not have. Open shows the Forecasts page a minute "
        "after the issue."
    )
