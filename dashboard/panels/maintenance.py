"""Declared maintenance -> its windows, and the buttons that declare one or end one before its time."""

from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import alarms, formats, ui
from dashboard.data import moment
from dashboard.formats import code, plain
from dashboard.panels import confirming
from dashboard.panels.confirming import Question
from dashboard.picking import Picked
from dashboard.ui import Frame
from pipeline import alerting


def show(frame: Frame, *, since: datetime) -> None:
    """Declared windows, the button that declares one, and the button that ends the selected one."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.header("Maintenance", anchor=False, width="content")
        question = Question(
            "declare_maintenance", "Declare maintenance", "No alert of the kind and subject fires within the window.",
            "Declare", ":material/construction:", {"rules": list(alerting.rules())},
        )  # fmt: skip
        confirming.button(frame, question, key="declare", label="Declare maintenance")
    rows = frame.ask("page_maintenance", since=since)
    if rows.empty:
        st.caption(
            "No maintenance is declared. Within a window nothing fires; what is still bad when it ends fires then."
        )
        return
    picked = ui.table(
        _table(frame, rows), _columns(frame), colours=frame.palette, states=("state",), rows=6,
        alt="Maintenance windows", picked=Picked("windows", "maintenance", rows["window_id"]),
    )  # fmt: skip
    _end(frame, rows, picked)


def _table(frame: Frame, rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "state": [_phase(row, frame.now) for row in rows.itertuples()],
            "rule": ["all kinds" if name == "*" else alarms.title(name) for name in rows["rule"]],
            "subject": ["all" if name == "*" else name for name in rows["subject"]],
            "first": [formats.stamp(at, frame.zone) for at in rows["first_at"]],
            "last": [formats.stamp(at, frame.zone) for at in rows["last_at"]],
            "actor": rows["actor"],
            "reason": rows["reason"],
            "ended": [_ended(frame, row) for row in rows.itertuples()],
        }
    )


def _columns(frame: Frame) -> dict[str, Any]:
    return {
        "state": st.column_config.TextColumn("", width=96),
        "rule": st.column_config.TextColumn("Alerts"),
        "subject": st.column_config.TextColumn("Subject"),
        "first": st.column_config.TextColumn(f"From, {frame.clock}"),
        "last": st.column_config.TextColumn(f"To, {frame.clock}"),
        "actor": st.column_config.TextColumn("Declared by"),
        "reason": st.column_config.TextColumn("Why", width="large"),
        "ended": st.column_config.TextColumn("Ended early", width="medium"),
    }


def _end(frame: Frame, rows: pd.DataFrame, picked: int | None) -> None:
    """The button for the selected window, or for the one that ends next when none is selected."""
    standing = rows[[not _phase(row, frame.now).startswith("○") for row in rows.itertuples()]]
    row = (
        rows.iloc[picked] if picked is not None else standing.sort_values("last_at").iloc[0] if len(standing) else None
    )
    if row is None:
        return
    begun = row.first_at <= frame.now
    rule = "all kinds" if row["rule"] == "*" else alarms.title(row["rule"])
    span = formats.between(row.first_at, row.last_at, frame.zone)
    what = f"**{plain(rule)}** · {code('all' if row.subject == '*' else row.subject)}, {span}"
    then = "What is still bad then fires at once." if begun else "It has not begun and will not."
    question = Question(
        "end_maintenance", "End the maintenance?" if begun else "Take the window back?", f"{what}\n\n{then}",
        "End it" if begun else "Take it back", ":material/event_busy:", {"window_id": row.window_id},
    )  # fmt: skip
    off = "" if row.window_id in set(standing["window_id"]) else "It is over."
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        confirming.button(
            frame, question, key="end", label="End this window now" if begun else "Take this window back", off=off
        )
        st.caption(what if picked is not None else f"{what}. Select a row for another.", width="content")


def _ended(frame: Frame, row: Any) -> str:
    if moment(row.ended_at) is None:
        return ""
    return f"{formats.stamp(row.ended_at, frame.zone)} by {row.ended_by}: {row.ended_why}"


def _phase(row: Any, now: datetime) -> str:
    if moment(row.ended_at) is not None:
        return "○ ended" if row.ended_at > row.first_at else "○ taken back"
    return "○ over" if row.last_at <= now else "◐ now" if row.first_at <= now else "◌ planned"
