"""Runs of one job -> what they take against their history, the long ones marked."""

from datetime import timedelta

import pandas as pd
import streamlit as st

from dashboard import data, formats, links, ui
from dashboard.data import this_hour
from dashboard.figures import operations as ops_charts
from dashboard.formats import plain
from dashboard.panels.going import LONG
from dashboard.ui import Frame

WINDOWS = {"24 hours": timedelta(hours=24), "7 days": timedelta(days=7), "30 days": timedelta(days=30)}
USUAL = "forecast"
MOST = 600
NAMED = 3


def show(frame: Frame, jobs: list[str]) -> None:
    """The choice of a job and a window, a point a run, and the runs that took long."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.header("Run times", anchor=False, width="content")
        with st.container(horizontal=True, width="content", vertical_alignment="center", gap="small"):
            job = st.selectbox(
                "Job to time", jobs, index=jobs.index(USUAL) if USUAL in jobs else 0, key="timed", bind="query-params",
                width=170, label_visibility="collapsed",
            )  # fmt: skip
            chosen = st.segmented_control(
                "Time span", list(WINDOWS), default="7 days", required=True, key="timed_for", bind="query-params",
                label_visibility="collapsed",
            )  # fmt: skip
    since = this_hour(frame.now) - WINDOWS[chosen or "7 days"]
    rows = frame.ask("page_durations", job=job, since=since, n=MOST)
    if rows.empty:
        st.caption(f"No run of {plain(job)} went well in the last {chosen}; run times are of those that did.")
        return
    ui.draw(
        frame.figure(
            "durations",
            lambda: ops_charts.durations(rows, palette=frame.palette, zone=frame.zone, limit=LONG),
            job,
            since,
        ),
        key="durations", alt=f"What each run of {job} took, beside the median and 95th percentile of those before",
    )  # fmt: skip
    _words(frame, rows)


def _words(frame: Frame, rows: pd.DataFrame) -> None:
    took, long = rows["took_s"], rows[ops_charts.is_long(rows, LONG)]
    newest = "newest " if len(rows) == MOST else ""
    found = formats.count(len(long), "run") if len(long) else "none"
    st.caption(
        f"{formats.count(len(rows), f'{newest}run')} that went well, in seconds: "
        f"median {formats.span(float(took.median()))}, "
        f"95 % within {formats.span(float(took.quantile(0.95)))}, longest {formats.span(took.max())}; "
        f"{found} took over {LONG:g} times the median of the 30 before it."
    )
    if long.empty:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for row in long.sort_values("started_at", ascending=False).head(NAMED).itertuples():
            label = f"{formats.stamp(data.moment(row.started_at), frame.zone)}, {formats.span(float(str(row.took_s)))}"
            st.button(
                label, key=f"long-{row.run_id}", icon=":material/warning:", type="tertiary",
                on_click=links.write, args=("run", row.run_id), help="Shows the run under the history",
            )  # fmt: skip
