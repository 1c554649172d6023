"""Runs -> is the pipeline well: what runs now and next, the runs of each job, one run's log, what it all takes."""

import re
from datetime import timedelta

import pandas as pd
import streamlit as st

from dashboard import actions, data, formats, links, ui
from dashboard.data import this_hour
from dashboard.formats import code, plain
from dashboard.panels import capacity, confirming, durations, going, run_history, success, timetable
from dashboard.panels.confirming import Question
from dashboard.panels.timetable import FAILURES, STATES
from dashboard.ui import Frame

WEEK = timedelta(days=7)
AGAIN = ("failed", "missed", "cancelled")
UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")


def page() -> None:
    """What runs now, the timetable, the time line, history, the chosen run, run times, success, missed, capacity."""
    with ui.page("Jobs") as frame:
        with ui.panel():
            rows = frame.ask("page_timetable", since=this_hour(frame.now) - WEEK)
            usual = dict(rows.loc[rows["median_s"].notna(), ["job", "median_s"]].itertuples(index=False))
            names = sorted(rows["job"])
            going.show(frame, usual)
            with ui.panel():
                timetable.jobs(frame, rows)
            with ui.panel():
                timetable.timeline(frame)
            with ui.panel():
                _history(frame, names, usual)
            if names:
                with ui.panel():
                    durations.show(frame, names)
        with ui.panel("Went well", "The share of runs of each job that ended by themselves and went well"):
            success.show(frame)
        with ui.panel():
            timetable.missed(frame)
        with ui.panel():
            capacity.show(frame)
        confirming.show(frame)


def _history(frame: Frame, jobs: list[str], usual: dict[str, float]) -> None:
    run_id = run_history.show(frame, jobs, usual)
    if run_id:
        with ui.panel():
            _run(frame, run_id, usual)


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
            _tools(frame, run)
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


def _tools(frame: Frame, run: pd.Series) -> None:
    with st.container(horizontal=True, width="content", vertical_alignment="center", gap="small"):
        if run.log:
            st.download_button(
                "Log", run.log.encode(), log_name(run.job, run.run_id), "text/plain", key="log",
                icon=":material/download:", on_click="ignore",
            )  # fmt: skip
        _again(frame, run)
        st.button(
            "Close",
            key="close_run",
            icon=":material/close:",
            type="tertiary",
            on_click=links.forget,
            args=("run",),
        )


def log_name(job: str, run_id: str) -> str:
    """A file name of the log of a run, whatever its job and id are made of."""
    return UNSAFE.sub("_", f"{job}-{run_id}").strip(".")[:120] + ".txt"


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
    words = [f"Started {formats.zoned(started, frame.zone)}, ended {formats.zoned(ended, frame.zone)}"]
    if started and ended:
        took = (ended - started).total_seconds()
        words.append(f"took {formats.span(took)}{going.against(took, usual_s).rstrip('.*').replace(' **', ', ')}")
    if data.moment(run.slot_at):
        words.append(f"planned for {formats.zoned(run.slot_at, frame.zone)}")
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
