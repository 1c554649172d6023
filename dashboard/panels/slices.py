"""Newest backtest on demand -> families compared by horizon, type of day and hour of day."""

from typing import Any

import pandas as pd
import streamlit as st

from dashboard import formats, ui
from dashboard.figures import charts
from dashboard.formats import BAND
from dashboard.panels.by_slice import POSITION, SIDE, TAIL
from dashboard.ui import Frame
from pipeline import metrics

KINDS = {"Horizons": r"T\+\d|all", "Types of day": "day=.*|peak|all", "Hours of day": r"hour=\d\d"}
DAYS = ("working", "peak", "saturday", "sunday", "holiday", "bridge", "clock change")


def show(frame: Frame) -> None:
    """A choice of slices, a chart of all families and the figures of one."""
    st.header(f"Backtest in slices, MAE in {frame.unit}", anchor=False)
    rows = frame.ask("page_slices", target=frame.target.id)
    if rows.empty:
        ui.empty(
            "No backtest in slices yet",
            "`python jobs.py backtest` forecasts the past as if it had been live and scores it by hour and day type.",
            icon=":material/query_stats:",
        )
        return
    whole = rows[rows["slice"] == "all"].sort_values("mae")
    families = whole["family"].to_list()
    with st.container(horizontal=True, vertical_alignment="center"):
        kind = st.segmented_control(
            "Slices", list(KINDS), default="Horizons", required=True, key="slices", label_visibility="collapsed"
        )
        family = st.selectbox("Family", families, key="slice_family", label_visibility="collapsed", width=200)
    shown = _named(rows[rows["slice"].str.fullmatch(KINDS[kind or "Horizons"])])
    left, right = st.columns([2, 3], gap="medium")
    with left, ui.panel():
        figure = charts.families(shown[shown["name"] != "all"], palette=frame.palette, best=family, digits=frame.digits)
        ui.draw(figure, key="slices_chart", alt="Backtest MAE by slice for each family")
    with right, ui.panel():
        _table(frame, shown[shown["family"] == family], family)
        _basis(frame, whole)


def _named(rows: pd.DataFrame) -> pd.DataFrame:
    """With the slice as a reader names it, in a reader's order."""
    name = rows["slice"].str.removeprefix("day=").str.removeprefix("hour=").str.replace("_", " ")
    rank = name.map({day: place for place, day in enumerate(DAYS)}).fillna(-1)
    return rows.assign(name=name, rank=rank).sort_values(["rank", "name"])


def _table(frame: Frame, rows: pd.DataFrame, family: str) -> None:
    number = f"%,.{frame.finer}f"

    def share(value: Any, doubt: Any) -> str:
        if pd.isna(value):
            return formats.NONE
        return formats.percent(value) + ("" if pd.isna(doubt) else f" ± {formats.number(100 * doubt, 1)}")

    table = rows.assign(
        naive=[share(row.skill_naive, row.skill_naive_se) for row in rows.itertuples()],
        operator=[share(row.skill_operator, row.skill_operator_se) for row in rows.itertuples()],
        coverage=[formats.percent(value) for value in rows["coverage"]],
        hit_rate=[formats.percent(value) for value in rows["hit_rate"]],
    )
    columns = {
        "name": st.column_config.TextColumn("Slice", pinned=True),
        "n": st.column_config.NumberColumn("n", format="%,d"),
        "mae": st.column_config.NumberColumn(f"MAE, {frame.unit}", format=number),
        "mae_se": st.column_config.NumberColumn("±", format=number, help="Standard error of the MAE"),
        "bias": st.column_config.NumberColumn("Bias", format=number),
        "hit_rate": st.column_config.TextColumn("Direction right", alignment="right", help=SIDE),
        "profit": st.column_config.NumberColumn("P&L an hour", format=number, help=POSITION),
        "tail_mae": st.column_config.NumberColumn("Tail MAE", format=number, help=TAIL),
        "naive": st.column_config.TextColumn("Better than naive", alignment="right"),
        "operator": st.column_config.TextColumn(f"Better than {frame.operator.lower()}", alignment="right"),
        "coverage": st.column_config.TextColumn(f"In {BAND}", alignment="right"),
    }
    gone = {"hit_rate", "profit", "tail_mae"} - set(frame.target.metrics)
    columns = {name: column for name, column in columns.items() if name not in gone}
    ui.table(table, columns, colours=frame.palette, rows=8, alt=f"Backtest of {family} by slice")


def _basis(frame: Frame, whole: pd.DataFrame) -> None:
    first, last = whole["window_start"].min(), whole["window_end"].max()
    st.caption(
        f"Strict rolling origin, {formats.date(first, frame.zone)} to {formats.date(last, frame.zone)}, on common "
        f"issue times; scored {formats.zoned(whole['scored_at'].max(), frame.zone)}. ± is one standard "
        "error and allows for neighbouring hours erring alike; below "
        f"{metrics.LEAST_DAYS} days it is not given. Peak: 08 to 20 on working days, local."
    )
