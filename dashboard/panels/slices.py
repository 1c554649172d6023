"""Newest backtest on demand -> families compared by horizon, type of day and hour of day."""

from typing import Any

import pandas as pd
import streamlit as st
from plotly.graph_objects import Figure

from dashboard import formats, ui, wording
from dashboard.figures import charts
from dashboard.formats import BAND
from dashboard.panels.by_slice import LAST_SIDE, SIDE, TAIL
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
        family = st.selectbox(
            "Family", families, key="slice_family", label_visibility="collapsed", width=200,
            format_func=lambda one: wording.contender(one, frame.target),
        )  # fmt: skip
    shown = _named(rows[rows["slice"].str.fullmatch(KINDS[kind or "Horizons"])])
    # The columns of a spread need the whole width.
    left, right = (st.container(), st.container()) if frame.is_spread else st.columns([2, 3], gap="medium")
    with left, ui.panel():
        figure = _figure(frame, shown[shown["name"] != "all"], family)
        ui.draw(figure, key="slices_chart", alt="Backtest MAE by slice for each family")
    with right, ui.panel():
        _table(frame, _beside_rule(shown, family), family)
        _basis(frame, whole)


def _figure(frame: Frame, rows: pd.DataFrame, family: str) -> Figure:
    rows = rows.assign(family=[wording.contender(one, frame.target) for one in rows["family"]])
    best = wording.contender(family, frame.target)
    return charts.families(rows, palette=frame.palette, best=best, digits=frame.digits)


def _named(rows: pd.DataFrame) -> pd.DataFrame:
    """With the slice as a reader names it, in a reader's order."""
    name = rows["slice"].str.removeprefix("day=").str.removeprefix("hour=").str.replace("_", " ")
    rank = name.map({day: place for place, day in enumerate(DAYS)}).fillna(-1)
    return rows.assign(name=name, rank=rank).sort_values(["rank", "name"])


def _beside_rule(rows: pd.DataFrame, family: str) -> pd.DataFrame:
    """The rows of a family, with `side_hit_rate` and `side_profit` of the rule of the last hour in the same slice."""
    rule = rows[rows["family"] == "last_hour"].set_index("slice")
    own = rows[rows["family"] == family]
    return own.assign(**{f"side_{name}": own["slice"].map(rule[name]) for name in ("hit_rate", "profit")})


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
        **{name: [formats.percent(value) for value in rows[name]] for name in ("hit_rate", "side_hit_rate")},
        **{
            name: [formats.signed(value, frame.finer) for value in rows[name]]
            for name in ("bias", "profit", "side_profit")
        },
    )
    columns = {
        "name": st.column_config.TextColumn("Slice", pinned=True),
        "n": st.column_config.NumberColumn("n", format="%,d"),
        "mae": st.column_config.NumberColumn(f"MAE, {frame.unit}", format=number),
        "mae_se": st.column_config.NumberColumn("±", format=number, help="Standard error of the MAE"),
        "bias": st.column_config.TextColumn("Bias", alignment="right"),
        "hit_rate": st.column_config.TextColumn("Direction right", alignment="right", help=SIDE),
        "side_hit_rate": st.column_config.TextColumn("Last side right", alignment="right", help=LAST_SIDE),
        "profit": st.column_config.TextColumn("P&L an hour", alignment="right", help=wording.position(frame.target)),
        "side_profit": st.column_config.TextColumn("Last side's P&L", alignment="right", help=LAST_SIDE),
        "tail_mae": st.column_config.NumberColumn("Tail MAE", format=number, help=TAIL),
        "naive": st.column_config.TextColumn("Better than naive", alignment="right"),
        "operator": st.column_config.TextColumn(f"Better than {formats.named(frame.operator)}", alignment="right"),
        "coverage": st.column_config.TextColumn(f"In {BAND}", alignment="right"),
    }
    gone = {"hit_rate", "profit", "tail_mae"} - set(frame.target.metrics)
    gone |= {name for name in ("side_hit_rate", "side_profit") if rows[name].isna().all()}
    gone |= set() if wording.has_beside(frame.target) else {"operator"}
    columns = {name: column for name, column in columns.items() if name not in gone}
    ui.table(table, columns, colours=frame.palette, rows=8, alt=f"Backtest of {family} by slice")


def _basis(frame: Frame, whole: pd.DataFrame) -> None:
    first, last = whole["window_start"].min(), whole["window_end"].max()
    st.caption(
        f"Strict rolling origin, {formats.date(first, frame.zone)} to {formats.date(last, frame.zone)}, on common "
        f"issue times; scored {formats.zoned(whole['scored_at'].max(), frame.zone)}. ± is one standard "
        "error and allows for neighbouring hours erring alike; below "
        f"{metrics.LEAST_DAYS} days it is not given. Peak: 08 to 20 on working days, local."
        f"{wording.rule(whole['family'])}"
    )
