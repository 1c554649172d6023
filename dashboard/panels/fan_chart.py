"""Hours around now -> the fan chart, with a way to spikes beyond its axis, or what stands in its place."""

from datetime import timedelta

import pandas as pd
import streamlit as st
from plotly.graph_objects import Figure

from dashboard import formats, links, ui
from dashboard.data import due_origin, this_hour
from dashboard.figures import beyond, fan
from dashboard.panels import both_legs
from dashboard.ui import Frame

DRAWN = ["actual", "p50", "previous", "hindcast", "operator"]


def show(frame: Frame, past: timedelta) -> None:
    """The chart from `past` before now on, and below that of a spread both of its legs."""
    since = min(this_hour(frame.now), frame.fresh.origin or frame.now) - past
    rows = frame.ask("page_fan", target=frame.target.id, since=since, due=due_origin(frame.now))
    if rows[DRAWN].isna().all(axis=None):
        _nothing_drawn(frame)
        return
    near = _near(frame, rows)

    def build() -> Figure:
        # What stands beside a spread is a forecast of 0: the line at zero is drawn already.
        shown = rows.assign(operator=float("nan")) if frame.is_spread else rows
        drawn = fan.draw(
            shown,
            palette=frame.palette,
            zone=frame.zone,
            now=frame.now,
            unit=frame.unit,
            digits=frame.digits,
            near=near,
        )
        return both_legs.sides(drawn, rows, frame.target, frame.palette) if frame.is_spread else drawn

    figure = frame.figure("fan", build, near)
    alt = f"{frame.target.title}: actuals, newest and previous issue with their P10 to P90 band"
    ui.draw(figure, key="fan", alt=alt)
    if frame.is_spread:
        with ui.panel():
            both_legs.show(frame, since, near=near)


def _near(frame: Frame, rows: pd.DataFrame) -> bool:
    """Whether spikes stay beyond the axes: of prices and spreads as long as the reader does not ask for all of them."""
    ends = fan.reach(rows) if frame.target.kind in ("price", "spread") else None
    if ends is None:
        return False
    out = beyond.beyond(rows["actual"], ends)
    words = "Earlier forecasts lie beyond the axis"
    if out:
        words = f"{formats.count(out, 'actual lies', 'actuals lie')} beyond the axis, and how far is written there"
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        whole = st.toggle("Whole range", key="whole", bind="query-params")
        if not whole:
            st.caption(f":material/compress: {words}.", width="content")
    return not whole


def _nothing_drawn(frame: Frame) -> None:
    """What stands in place of a chart without a single value."""
    ui.empty(
        "Nothing to draw yet",
        f"No hour of {formats.plain(frame.target.title)} is measured and no forecast of it has a number.",
        icon=":material/show_chart:",
    )
    for leg in frame.target.legs:
        links.page("data", f"What its source answered: {leg.title}", icon=":material/sensors:", series=leg.id)
