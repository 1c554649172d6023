"""Runs and fetches -> is the pipeline well: sources, last run of each job, history, one run's log."""

from datetime import timedelta
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import data, formats, ui
from dashboard.data import this_hour
from dashboard.ui import Frame

SHOWN = 300
WEEK, DAY = timedelta(days=7), timedelta(days=1)
STATES = {
    "queued": "◌ queued",
    "running": "◐ running",
    "succeeded": "● succeeded",
    "failed": "▲ failed",
    "skipped": "○ nothing to do",
}
OUTCOMES = {
    "ok": "● ok",
    "empty": "○ empty",
    "not_yet_published": "○ not yet published",
    "auth": "▲ refused: token",
    "throttled": "▲ throttled",
    "transient": "▲ network or server",
    "bad_request": "▲ request rejected",
    "schema_changed": "▲ format changed",
    "failed": "▲ failed",
}


def page() -> None:
    """Sources, jobs, history and the chosen run."""
    with ui.page("Jobs") as frame:
        with ui.panel("Sources"):
            _sources(frame)
        with ui.panel("Jobs"):
            _jobs(frame)
        with ui.panel():
            _history(frame)


def _sources(frame: Frame) -> None:
    rows = frame.ask("page_series", since=this_hour(frame.now) - DAY)
    market = frame.desk.markets[frame.target.market]
    known = {row.series: row for row in rows.itertuples()}
    table = pd.DataFrame([_source(frame, series, known.get(series.id)) for series in market.series])
    columns = {
        "series": st.column_config.TextColumn("Series", pinned=True),
        "state": st.column_config.TextColumn("State"),
        "newest": st.column_config.TextColumn(f"Reaches, {frame.clock}"),
        "asked": st.column_config.TextColumn("Last asked"),
        "outcome": st.column_config.TextColumn("Answer"),
        "source": st.column_config.TextColumn("Source"),
        "failed": st.column_config.TextColumn("Failed, 24 h", alignment="right"),
        "quarantined": st.column_config.NumberColumn("Quarantined, 24 h", format="%,d"),
        "rows": st.column_config.NumberColumn("Values stored", format="%,d"),
    }
    ui.table(table, columns, colours=frame.palette, states=("state", "outcome"), alt="Freshness of every series")
    for row in rows.itertuples():
        if row.message and row.outcome not in ("ok", "empty"):
            st.caption(f":material/info: {row.series}: {row.message}")


def _source(frame: Frame, series: Any, row: Any) -> dict[str, Any]:
    newest = data.moment(row.newest_at) if row else None
    late = data.behind(series, newest, frame.now)
    return {
        "series": f"{series.title} ({series.id})",
        "state": "○ no data" if newest is None else "▲ behind" if late else "● current",
        "newest": formats.stamp(newest, frame.zone),
        "asked": formats.age(data.moment(row.asked_at), frame.now) if row else "never",
        "outcome": OUTCOMES.get(row.outcome, formats.NONE) if row else formats.NONE,
        "source": data.word(row.source) or formats.NONE if row else formats.NONE,
        "failed": f"{row.n_failed or 0:,.0f} of {row.n_asked or 0:,.0f}"
        if row and row.n_asked == row.n_asked
        else "0 of 0",
        "quarantined": row.n_quarantined if row else 0,
        "rows": row.n if row else 0,
    }


def _jobs(frame: Frame) -> None:
    rows = frame.ask("page_jobs", since=this_hour(frame.now) - WEEK)
    if rows.empty:
        ui.empty("No job has run yet", "Run them all with `python jobs.py all`.", icon=":material/monitor_heart:")
        return
    table = pd.DataFrame(
        {
            "job": rows["job"],
            "state": rows["state"].map(STATES),
            "started": [formats.stamp(at, frame.zone) for at in rows["started_at"]],
            "succeeded": [formats.age(data.moment(at), frame.now) for at in rows["succeeded_at"]],
            "median": [formats.span(value) for value in rows["median_s"]],
            "good": rows["good_percent"],
            "failed": rows["n_failed"],
            "error": rows["error"].fillna(""),
        }
    )
    columns = {
        "job": st.column_config.TextColumn("Job", pinned=True),
        "state": st.column_config.TextColumn("Last run"),
        "started": st.column_config.TextColumn(f"Started, {frame.clock}"),
        "succeeded": st.column_config.TextColumn("Last success"),
        "median": st.column_config.TextColumn("Median time", alignment="right"),
        "good": st.column_config.ProgressColumn("Went well, 7 d", format="%.0f %%", min_value=0, max_value=100),
        "failed": st.column_config.NumberColumn("Failed, 7 d", format="%,d"),
        "error": st.column_config.TextColumn("Last error", width="large"),
    }
    ui.table(table, columns, colours=frame.palette, states=("state",), alt="Last run of each job")


def _history(frame: Frame) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.subheader("Run history", anchor=False, width="content")
        jobs = frame.ask("page_jobs", since=this_hour(frame.now) - WEEK)
        chosen = st.selectbox(
            "Job",
            ["all", *sorted(jobs["job"])],
            key="job",
            bind="query-params",
            width=200,
            label_visibility="collapsed",
            format_func=lambda name: "All jobs" if name == "all" else name,
        )
    rows = frame.ask("page_runs", job=chosen or "all", n=SHOWN)
    if rows.empty:
        ui.empty("No runs to show", "Every run of a job is listed here, with its log.", icon=":material/history:")
        return
    picked = ui.table(
        _runs(frame, rows), _run_columns(frame), colours=frame.palette, states=("state",), alt="Run history", key="runs"
    )
    st.caption(f"{formats.count(len(rows), 'run')}, newest first. Select a row for its log.")
    run_id = rows["run_id"].iloc[picked] if picked is not None else st.query_params.get("run")
    if run_id:
        st.query_params["run"] = run_id
        with ui.panel():
            _run(frame, run_id)


def _runs(frame: Frame, rows: pd.DataFrame) -> pd.DataFrame:
    started = rows["started_at"].fillna(rows["queued_at"])
    return pd.DataFrame(
        {
            "state": rows["state"].map(STATES),
            "job": rows["job"],
            "started": [formats.stamp(at, frame.zone) for at in started],
            "took": [formats.span(value) for value in rows["took_s"]],
            "rows_in": rows["rows_in"],
            "rows_out": rows["rows_out"],
            "by": rows["requested_by"],
            "error": rows["error"].fillna(rows["reason"]),
        }
    )


def _run_columns(frame: Frame) -> dict[str, Any]:
    return {
        "state": st.column_config.TextColumn("State"),
        "job": st.column_config.TextColumn("Job"),
        "started": st.column_config.TextColumn(f"Started, {frame.clock}"),
        "took": st.column_config.TextColumn("Took", alignment="right"),
        "rows_in": st.column_config.NumberColumn("Rows in", format="%,d"),
        "rows_out": st.column_config.NumberColumn("Rows out", format="%,d"),
        "by": st.column_config.TextColumn("Asked by"),
        "error": st.column_config.TextColumn("Error or reason", width="large"),
    }


def _run(frame: Frame, run_id: str) -> None:
    found = frame.ask("run_by_id", run_id=run_id)
    if found.empty:
        st.caption(f"Run {run_id} is not in this warehouse.")
        return
    run = found.iloc[0]
    with st.container(border=True):
        st.markdown(f"**{run.job}** `{run.run_id}` · {STATES[run.state]} · asked by {run.requested_by}")
        st.caption(
            f"Started {formats.stamp(run.started_at, frame.zone)}, "
            f"ended {formats.stamp(run.ended_at, frame.zone)} {frame.clock}. Arguments: `{run['args']}`"
        )
        if data.word(run.error):
            st.error(run.error, icon=":material/error:")
        st.code(
            run.log or "This run has written nothing to its log.",
            language=None,
            wrap_lines=True,
            height=260 if len(run.log) > 900 else "content",
        )


if __name__ == "__main__":
    page()
