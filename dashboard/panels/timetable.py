"""Schedule, runs and missed issues -> when each job runs next, how it does, and which hours were missed."""

from datetime import timedelta
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import data, formats, ui
from dashboard.data import moment, this_hour, word
from dashboard.figures import operations as ops_charts
from dashboard.panels import confirming
from dashboard.panels.confirming import Question
from dashboard.ui import Frame
from pipeline.plans import Plan, plans_of

WEEK = timedelta(days=7)
SPANS = {"6 hours": timedelta(hours=6), "24 hours": timedelta(hours=24)}
STATES = {
    "queued": "◌ queued",
    "running": "◐ running",
    "succeeded": "● succeeded",
    "failed": "▲ failed",
    "skipped": "○ nothing to do",
    "cancelled": "⊘ cancelled",
    "missed": "▲ missed",
}
FAILURES = {
    "auth": "refused: token",
    "throttled": "throttled",
    "transient": "network or server",
    "refused": "data or request refused",
    "busy": "warehouse busy",
    "disk_full": "disk full",
    "deadline": "over its deadline",
    "interrupted": "interrupted",
    "model": "model",
    "bug": "our own bug",
}


def jobs(frame: Frame, rows: pd.DataFrame) -> None:
    """The timetable: one row a job; `rows` as of `page_timetable`."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.header("Jobs", anchor=False, width="content")
        _run_now(frame, rows)
    if rows.empty:
        ui.empty("No job has run yet", "Run them all with `python jobs.py all`.", icon=":material/monitor_heart:")
        return
    chain = frame.ask("page_chain")
    chain_at = moment(chain["next_at"].iloc[0]) if len(chain) else None
    plans = plans_of(data.jobs(), frame.desk.operations)
    table = pd.DataFrame([_job(frame, row, plans.get(str(row.job)), chain_at) for row in rows.itertuples()])
    columns = {
        "job": st.column_config.TextColumn("Job", pinned=True),
        "state": st.column_config.TextColumn("Last run"),
        "started": st.column_config.TextColumn(f"When, {frame.clock}"),
        "plan": st.column_config.TextColumn("Plan"),
        "next": st.column_config.TextColumn(f"Next, {frame.clock}"),
        "good": st.column_config.ProgressColumn("Went well, 7 d", format="%.0f %%", min_value=0, max_value=100),
        "failed": st.column_config.NumberColumn("Failed, 7 d", format="%,d"),
        "missed": st.column_config.NumberColumn("Missed, 7 d", format="%,d"),
        "median": st.column_config.TextColumn("Usual time", alignment="right"),
        "succeeded": st.column_config.TextColumn("Last success"),
        "error": st.column_config.TextColumn("Last error", width="large"),
    }
    ui.table(table, columns, colours=frame.palette, states=("state",), rows=14, alt="Each job's last and next run")
    _leader(frame)


def _job(frame: Frame, row: Any, plan: Plan | None, chain_at: Any) -> dict[str, Any]:
    next_at = moment(row.next_at) or (chain_at if plan and plan.chained else None)
    return {
        "job": row.job,
        "state": f"{STATES.get(row.state, formats.NONE)}{_try(row)}",
        "started": formats.stamp(row.started_at if moment(row.started_at) else row.queued_at, frame.zone),
        "plan": plan.cadence if plan else formats.NONE,
        "next": _when(next_at, frame),
        "good": row.good_percent,
        "failed": row.n_failed,
        "missed": row.n_missed,
        "median": formats.span(row.median_s),
        "succeeded": formats.age(moment(row.succeeded_at), frame.now),
        "error": (word(row.error) or "").partition("\n")[0],
    }


def _try(row: Any) -> str:
    return f", try {row.attempt:.0f}" if row.attempt and row.attempt > 1 else ""


def _when(at: Any, frame: Frame) -> str:
    if at is None:
        return formats.NONE
    late = frame.now - at
    return formats.stamp(at, frame.zone) if late < timedelta(minutes=2) else f"was due {formats.age(at, frame.now)}"


def _run_now(frame: Frame, rows: pd.DataFrame) -> None:
    names = sorted({*data.jobs(), *rows["job"]})
    with st.container(horizontal=True, width="content", vertical_alignment="center", gap="small"):
        job = st.selectbox("Job to run", names, key="run_job", width=170, label_visibility="collapsed")
        question = Question(
            "run_now", f"Run {job} now?",
            f"**{formats.plain(job)}** goes into the queue; the scheduler starts it within seconds. If it waits "
            "or runs already, it is not doubled.", "Run now", ":material/play_arrow:", {"job": job},
        )  # fmt: skip
        confirming.button(frame, question, key="run_now")


def _leader(frame: Frame) -> None:
    rows = frame.ask("page_term")
    if rows.empty:
        st.caption(":material/autoplay: No scheduler has led this warehouse yet.")
        return
    term = rows.iloc[0]
    who = f"process {term.pid} on {formats.plain(term.host)}"
    since = formats.zoned(term.started_at, frame.zone)
    if frame.desk.warehouse.scheduler_alive():
        sign = f"last sign of life {formats.age(term.heartbeat_at, frame.now)}"
        st.caption(f":material/autoplay: The schedule is led by {who} since {since}, {sign}.")
        return
    why = f" ({formats.plain(term.reason)})" if word(term.reason) else ""
    ended = moment(term.ended_at) or term.heartbeat_at
    st.caption(
        f":material/pause_circle: Nobody leads the schedule. {who.capitalize()} led from {since} to "
        f"{formats.stamp(ended, frame.zone)}{why}."
    )


def timeline(frame: Frame) -> None:
    """The last hours' runs as bars, one lane a job."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.header("Timeline", anchor=False, width="content")
        chosen = st.segmented_control(
            "Span", list(SPANS), default="24 hours", required=True, key="span", bind="query-params",
            label_visibility="collapsed",
        )  # fmt: skip
    until = frame.now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    since = until - SPANS[chosen or "24 hours"]
    rows = frame.ask("page_timeline", since=since, until=until)
    if rows.empty:
        st.caption(f"Nothing ran in the last {chosen}.")
        return
    figure = ops_charts.timeline(rows, palette=frame.palette, zone=frame.zone, since=since, until=until)
    ui.draw(figure, key="timeline", alt="Runs of each job on a line of time")
    failed = int((rows["state"] == "failed").sum())
    st.caption(
        f"{formats.count(len(rows), 'run')} in the last {chosen}, {failed:,} failed. Times are {frame.clock} time; "
        "runs of seconds are drawn a little longer, so that they can be seen."
    )


def missed(frame: Frame) -> None:
    """Hours of the week for which nothing was issued in time."""
    until = this_hour(frame.now) + timedelta(hours=1)
    rows = frame.ask("page_missed", target=frame.target.id, since=until - WEEK, until=until)
    if rows.empty:
        return
    with ui.panel("Missed issues, 7 days", "Hours for which no forecast was issued in time"):
        table = rows.assign(
            origin=[formats.stamp(at, frame.zone) for at in rows["origin"]],
            noted_at=[formats.stamp(at, frame.zone) for at in rows["noted_at"]],
        )
        columns = {
            "origin": st.column_config.TextColumn(f"Issue of, {frame.clock}"),
            "reason": st.column_config.TextColumn("Why", width="large"),
            "noted_at": st.column_config.TextColumn("Noted"),
        }
        ui.table(table, columns, colours=frame.palette, rows=6, alt="Missed issues")
