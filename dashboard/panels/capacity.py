"""Sizes, run times and memory over time -> what grows, how fast, and when the room is used up."""

from datetime import timedelta
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import data, formats, ui
from dashboard.data import this_hour
from dashboard.figures import operations as ops_charts
from dashboard.ui import Frame
from pipeline.machine import Projection, project

MIB, GIB = 1024.0**2, 1024.0**3
LOOK_BACK, RECENT = timedelta(days=90), timedelta(days=7)
TOTAL = "all three"
STORED = {"warehouse_bytes": "warehouse", "backups_bytes": "backups", "models_bytes": "models"}


def show(frame: Frame) -> None:
    """Three trends with their projection, and each job's cost."""
    midnight = this_hour(frame.now).replace(hour=0)
    since = midnight - LOOK_BACK
    st.header("Capacity, 90 days", anchor=False)
    sizes, stored = frame.ask("page_capacity", since=since), frame.ask("page_stored", since=since)
    costs = frame.ask("page_daily_costs", since=since, until=midnight)
    if sizes.empty and costs.empty:
        ui.empty("Nothing was measured yet", "The tidy job measures sizes every night.", icon=":material/database:")
        return
    left, middle, right = st.columns(3, gap="medium")
    with left, ui.panel():
        _storage(frame, sizes, stored)
    with middle, ui.panel():
        _trend(frame, costs, "minutes", "Run time a day, minutes", "minutes a day")
    with right, ui.panel():
        _trend(frame, costs, "peak_mb", "Largest memory of a run, MB", "MB")
    with ui.panel():
        _costs(frame, since)
    with ui.panel():
        _tables(frame, since)


def _storage(frame: Frame, sizes: pd.DataFrame, stored: pd.DataFrame) -> None:
    """The sum of what shares the disk is what uses it up, so the sum is projected."""
    st.markdown("**Stored, with backups, MiB**")
    if stored.empty:
        st.caption("Sizes are measured every night by the tidy job; there is no measurement yet.")
        return
    by = {what: sizes.loc[sizes["what"] == what, ["measured_at", "value"]].reset_index(drop=True) for what in
          (*STORED, "disk_free_bytes")}  # fmt: skip
    total = stored.assign(value=stored["value"] / MIB)
    lines = {TOTAL: total} | {name: by[what].assign(value=by[what]["value"] / MIB) for what, name in STORED.items()}
    free = float(by["disk_free_bytes"]["value"].iloc[-1]) if len(by["disk_free_bytes"]) else None
    room = None if free is None else free / MIB
    projected = project(total, room=room)
    figure = ops_charts.growth(lines, palette=frame.palette, zone=frame.zone, projected=projected)
    ui.draw(figure, key="storage", alt="Size of warehouse, backups and models, each and together, over time")
    words = [f"Free: {formats.number(free / GIB, 1)} GiB"] if free is not None else []
    if projected is None:
        st.caption(". ".join([*words, "Too few measurements for a projection."]))
        return
    left = projected.days_left
    full = "" if left is None else f"; full in {_days(left)}" if left < 3650 else "; room for more than ten years"
    grows = f"Together they grow by {formats.number(projected.per_day, 1)} MiB a day ({_basis(projected)}){full}"
    st.caption(". ".join([*words, grows]) + ".")


def _trend(frame: Frame, costs: pd.DataFrame, column: str, title: str, unit: str) -> None:
    st.markdown(f"**{title}**")
    rows = costs[["measured_at", column]].rename(columns={column: "value"}).dropna().reset_index(drop=True)
    if rows.empty:
        st.caption("No complete day of runs yet.")
        return
    projected = project(rows)
    figure = ops_charts.growth({"all jobs": rows}, palette=frame.palette, zone=frame.zone, projected=projected)
    ui.draw(figure, key=f"trend-{column}", alt=f"{title} over time")
    newest = f"{formats.number(rows['value'].iloc[-1], 1)} {unit} on {formats.day(rows['measured_at'].iloc[-1], 'UTC')}"
    if projected is None:
        st.caption(f"{newest}. Too few days for a projection.")
        return
    month = formats.signed(30 * projected.per_day, 1)
    st.caption(f"{newest}; {month} in 30 days if it goes on so ({_basis(projected)}). UTC days.")


def _costs(frame: Frame, since: Any) -> None:
    rows = frame.ask("page_run_costs", since=since, recent=this_hour(frame.now) - RECENT)
    rows = rows[rows["n"] > 0]
    if rows.empty:
        return
    table = pd.DataFrame(
        {
            "job": rows["job"],
            "n": rows["n"],
            "median": [formats.span(value) for value in rows["median_s"]],
            "before": [formats.span(value) for value in rows["before_s"]],
            "longest": [formats.span(value) for value in rows["longest_s"]],
            "cpu": [formats.span(value) for value in rows["cpu_s"]],
            "peak": rows["peak_mb"],
            "peak_before": rows["before_mb"],
        }
    )
    columns = {
        "job": st.column_config.TextColumn("Job", pinned=True),
        "n": st.column_config.NumberColumn("Runs, 7 d", format="%,d"),
        "median": st.column_config.TextColumn("Usual time, 7 d", alignment="right"),
        "before": st.column_config.TextColumn("Before that", alignment="right"),
        "longest": st.column_config.TextColumn("Longest, 7 d", alignment="right"),
        "cpu": st.column_config.TextColumn("Processor", alignment="right"),
        "peak": st.column_config.NumberColumn("Most memory, MB", format="%,.0f"),
        "peak_before": st.column_config.NumberColumn("Before that", format="%,.0f"),
    }
    ui.table(table, columns, colours=frame.palette, rows=14, alt="What each job costs")
    newest = data.moment(frame.ask("page_capacity", since=since)["measured_at"].max())
    measured = f" Sizes measured {formats.age(newest, frame.now)}." if newest else ""
    st.caption(f"Runs that succeeded; usual is the median.{measured}")


def _tables(frame: Frame, since: Any) -> None:
    """Rows of each table at the newest measurement, most first."""
    rows = frame.ask("page_row_counts", since=since)
    if rows.empty:
        return
    newest = rows["measured_at"].max()
    shown = []
    for name, counts in rows.groupby("name"):
        last, projected = counts.iloc[-1], project(counts.reset_index(drop=True))
        if last["measured_at"] == newest and last["value"]:
            growth = formats.NONE if projected is None else formats.signed(projected.per_day)
            shown.append({"table": name, "rows": last["value"], "growth": growth})
    st.markdown("**Rows by table**")
    columns = {
        "table": st.column_config.TextColumn("Table"),
        "rows": st.column_config.NumberColumn("Rows", format="%,d"),
        "growth": st.column_config.TextColumn("Growth a day", alignment="right", help="The median over 90 days"),
    }
    table = pd.DataFrame(shown, columns=list(columns)).sort_values("rows", ascending=False, ignore_index=True)
    with st.container(width=520):
        ui.table(table, columns, colours=frame.palette, rows=8, alt="Rows of each table and their growth a day")


def _basis(projected: Projection) -> str:
    return f"{formats.count(projected.n, 'measurement')} of {projected.days:.0f} days"


def _days(n: float) -> str:
    return formats.count(n, "day") if n < 730 else f"{n / 365:.0f} years"
