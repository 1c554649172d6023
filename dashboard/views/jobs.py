"""Runs -> is the pipeline well: what runs now and next, the last runs of each job, one run's log, what it all costs."""

from datetime import timedelta
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import actions, data, formats, ui
from dashboard.data import this_hour
from dashboard.formats import code, plain
from dashboard.panels import capacity, confirming, going, timetable
from dashboard.panels.confirming import Question
from dashboard.panels.timetable import FAILURES, STATES
from dashboard.ui import Frame

SHOWN = 300
WEEK = timedelta(days=7)
AGAIN = ("failed", "missed", "cancelled")


def page() -> None:
    """What runs now, the timetable, the time line, history, the chosen run, missed issues, capacity."""
    with ui.page("Jobs") as frame:
        with ui.panel():
            rows = frame.ask("page_timetable", since=this_hour(frame.now) - WEEK)
            usual = dict(rows.loc[rows["median_s"].notna(), ["job", "median_s"]].itertuples(index=False))
            going.show(frame, usual)
            with ui.panel():
                timetable.jobs(frame, rows)
            with ui.panel():
                timetable.timeline(frame)
            with ui.panel():
                _history(frame, rows, usual)
        with ui.panel():
            timetable.missed(frame)
        with ui.panel():
            capacity.show(frame)
        confirming.show(frame)


def _history(frame: Frame, jobs: pd.DataFrame, usual: dict[str, float]) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.subheader("Run history", anchor=False, width="content")
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
        _runs(frame, rows, usual), _run_columns(frame), colours=frame.palette, states=("state", "usual"),
        alt="Run history", key="runs",
    )  # fmt: skip
    st.caption(
        f"{formats.count(len(rows), 'run')}, newest first. Select a row for its log, to cancel it or run it again."
    )
    run_id = rows["run_id"].iloc[picked] if picked is not None else st.query_params.get("run")
    if run_id:
        st.query_params["run"] = run_id
        with ui.panel():
            _run(frame, run_id, usual)


def _runs(frame: Frame, rows: pd.DataFrame, usual: dict[str, float]) -> pd.DataFrame:
    started = rows["started_at"].fillna(rows["slot_at"]).fillna(rows["queued_at"])
    return pd.DataFrame(
        {
            "state": rows["state"].map(STATES),
            "job": rows["job"],
            "started": [formats.stamp(at, frame.zone) for at in started],
            "took": [formats.span(value) for value in rows["took_s"]],
            "usual": [_times(took, usual.get(job)) for job, took in zip(rows["job"], rows["took_s"], strict=True)],
            "attempt": rows["attempt"],
            "failure": rows["failure"].map(FAILURES).fillna(""),
            "rows_in": rows["rows_in"],
            "rows_out": rows["rows_out"],
            "by": rows["requested_by"],
            "error": rows["error"].fillna(rows["cancel_reason"]).fillna(rows["reason"]),
        }
    )


def _times(took_s: Any, usual_s: float | None) -> str:
    """'▲ 3.1 x' where a run took much longer than its job's usual, '1.2 x' where it says anything at all."""
    if took_s is None or pd.isna(took_s) or not usual_s or max(took_s, usual_s) < 1:
        return ""
    times = took_s / usual_s
    return f"{'▲ ' if going.against(took_s, usual_s) else ''}{times:.1f} x"


def _run_columns(frame: Frame) -> dict[str, Any]:
    return {
        "state": st.column_config.TextColumn("State"),
        "job": st.column_config.TextColumn("Job"),
        "started": st.column_config.TextColumn(f"Started, {frame.clock}"),
        "took": st.column_config.TextColumn("Took", alignment="right", width=104),
        "usual": st.column_config.TextColumn(
            "Of usual", alignment="right", help="Against the median of the last 30 that went well"
        ),
        "attempt": st.column_config.NumberColumn("Try", format="%d", width=56),
        "failure": st.column_config.TextColumn("Failure"),
        "rows_in": st.column_config.NumberColumn("Rows in", format="%,d"),
        "rows_out": st.column_config.NumberColumn("Rows out", format="%,d"),
        "by": st.column_config.TextColumn("Asked by"),
        "error": st.column_config.TextColumn("Error or reason", width="large"),
    }


def _run(frame: Frame, run_id: str, usual: dict[str, float]) -> None:
    found = frame.ask("run_by_id", run_id=run_id)
    if found.empty:
        st.caption(f"Run {plain(run_id)} is not in this warehouse.")
        return
    run = found.iloc[0]
    with st.container(border=True):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.markdown(
                f"**{plain(run.job)}** {code(run.run_id)} · {STATES[run.state]} · asked by {plain(run.requested_by)}",
                width="content",
            )
            _again(frame, run)
        st.caption(_facts(frame, run, usual.get(run.job)))
        if data.word(run.error):
            st.error(plain(run.error), icon=":material/error:")
        if run.state == "running":
            st.caption("Its log grows above, under Now.")
            return
        st.code(
            run.log or "This run has written nothing to its log.",
            language=None,
            wrap_lines=True,
            height=260 if len(run.log) > 900 else "content",
        )


def _again(frame: Frame, run: pd.Series) -> None:
    if run.state not in AGAIN:
        return
    question = Question(
        "retry", "Run it again?", f"**{plain(run.job)}** goes into the queue with the same arguments as "
        f"{code(run.run_id)}.", "Run again", ":material/replay:", {"run_id": run.run_id},
    )  # fmt: skip
    needed = actions.retry_needs(run["args"])
    off = "" if frame.user.reaches(needed) else f"Needs the role {needed}."
    confirming.button(frame, question, key=f"retry-{run.run_id}", off=off)


def _facts(frame: Frame, run: pd.Series, usual_s: float | None) -> str:
    ended, started = data.moment(run.ended_at), data.moment(run.started_at)
    words = [f"Started {formats.stamp(started, frame.zone)}, ended {formats.stamp(ended, frame.zone)} {frame.clock}"]
    if started and ended:
        took = (ended - started).total_seconds()
        words.append(f"took {formats.span(took)}{going.against(took, usual_s).rstrip('.*').replace(' **', ', ')}")
    if data.moment(run.slot_at):
        words.append(f"planned for {formats.stamp(run.slot_at, frame.zone)}")
    if run.attempt > 1 or data.word(run.first_run_id):
        words.append(f"try {run.attempt:.0f} after run {run.first_run_id}")
    if data.word(run.failure):
        words.append(f"failure: {FAILURES.get(run.failure, run.failure)}")
    if data.word(run.cancel_by):
        words.append(f"cancelled by {plain(run.cancel_by)}: {plain(run.cancel_reason)}")
    if pd.notna(run.peak_mb):
        words.append(f"{formats.number(run.peak_mb)} MB, {formats.span(run.cpu_s)} of processor time")
    reason = [plain(run.reason)] if run.reason else []
    return " · ".join([*words, *reason, f"arguments {code(run['args'])}"])


if __name__ == "__main__":
    page()
