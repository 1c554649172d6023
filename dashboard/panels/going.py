"""Open runs -> what runs and waits now, with its log as it grows and a way to end it."""

from typing import Any

import pandas as pd
import streamlit as st

from dashboard import data, formats, live, ui
from dashboard.formats import code, plain
from dashboard.panels import confirming
from dashboard.panels.confirming import Question
from dashboard.ui import Frame

EVERY_S = 2
LINES = 8
LONG = 3.0
ICONS = {"running": ":material/progress_activity:", "queued": ":material/schedule:"}


def show(frame: Frame, usual: dict[str, float]) -> None:
    """One card an open run; `usual` is the usual time of each job's runs in seconds."""
    rows = frame.ask("page_going")
    if rows.empty:
        return
    st.header("Now", anchor=False)
    if (rows["state"] == "queued").any() and not frame.desk.warehouse.scheduler_alive():
        st.warning(
            "No scheduler is running, so nobody will start what is queued: run `python jobs.py schedule`.",
            icon=":material/pause_circle:",
        )
    for row in rows.itertuples():
        with ui.panel(), st.container(border=True, gap="small"):
            _card(frame, row, usual.get(row.job))


def _card(frame: Frame, row: Any, usual_s: float | None) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        why = f": {plain(row.reason)}" if row.reason else ""
        st.markdown(
            f"**{plain(row.job)}** {code(row.run_id)} · asked by {plain(row.requested_by)} "
            f"{formats.zoned(row.queued_at, frame.zone)}{why}",
            width="content",
        )
        cancel(frame, row)

    @st.fragment
    def follow() -> None:
        live.beat(row.run_id, EVERY_S)
        found = frame.ask("page_going")
        mine = found[found["run_id"] == row.run_id]
        if mine.empty or mine["state"].iloc[0] != row.state:
            if not st.session_state.get("dialog"):
                st.rerun(scope="app")
            return
        with ui.panel():
            _state(frame, mine.iloc[0], usual_s)

    follow()


def cancel(frame: Frame, row: Any) -> None:
    """The button that asks for the end of an open run."""
    words = "It has not begun and will not." if row.state == "queued" else "Its process is ended; what it wrote stays."
    question = Question(
        "cancel", "Cancel the run?", f"**{plain(row.job)}** {code(row.run_id)}\n\n{words}", "Cancel the run",
        ":material/cancel:", {"run_id": row.run_id},
    )  # fmt: skip
    off = "" if data.moment(row.cancel_asked_at) is None else "It is being ended."
    confirming.button(frame, question, key=f"cancel-{row.run_id}", label=f"Cancel {plain(row.job)}", off=off)


def _state(frame: Frame, run: pd.Series, usual_s: float | None) -> None:
    now = frame.desk.clock()
    if run.state == "queued":
        due = data.moment(run.due_at)
        when = f"not before {formats.zoned(due, frame.zone)}" if due else "until it is its turn"
        st.markdown(f"{ICONS['queued']} Waits {when}{_attempt(run)}.")
        return
    took = (now - run.started_at).total_seconds()
    words = f"{ICONS['running']} Running for {formats.span(took)}{_attempt(run)}"
    st.markdown(f"{words}; usual is {formats.span(usual_s)}.{against(took, usual_s)}" if usual_s else f"{words}.")
    if data.moment(run.cancel_asked_at):
        st.markdown(f":material/cancel: {plain(run.cancel_by)} asked for its end: {plain(run.cancel_reason)}.")
    if run.log:
        st.code("\n".join(run.log.splitlines()[-LINES:]), language=None, wrap_lines=True)


def _attempt(run: pd.Series) -> str:
    return f", try {run.attempt:.0f}" if run.attempt > 1 else ""


def against(took_s: float | None, usual_s: float | None) -> str:
    """' **3.1 times the usual.**' when a run takes much longer than its job's runs do; else nothing."""
    if not took_s or not usual_s or took_s < LONG * usual_s or took_s < 10:
        return ""
    return f" **{took_s / usual_s:.1f} times the usual.**"
