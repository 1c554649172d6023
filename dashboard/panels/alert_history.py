"""Alerts of the last weeks -> what fired and for how long, whether somebody was told, and declared maintenance."""

from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import alarms, formats, ui
from dashboard.alarms import SIGNS
from dashboard.data import moment, word
from dashboard.panels import confirming
from dashboard.panels.confirming import Question
from dashboard.ui import Frame
from pipeline import alerting

SHOWN = 300
STATES = {"sent": "● sent", "failed": "▲ failed", "sending": "◌ sending"}
ACTS = {"acknowledge": "acknowledged", "snooze": "snoozed", "wake": "woken"}


def history(frame: Frame, *, since: datetime) -> None:
    """Every alert since `since`, filtered by kind and severity, with how long it lasted."""
    st.subheader("History, 14 days", anchor=False)
    kinds = frame.ask("page_alert_rules", since=since)
    if kinds.empty:
        ui.empty("No alert yet", "What turns bad and when it is good again is kept here.", icon=":material/history:")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        names = {"all": "All kinds"} | {name: alarms.title(name) for name in kinds["rule"]}
        rule = st.selectbox(
            "Kind", list(names), format_func=names.__getitem__, key="rule", bind="query-params", width=240,
            label_visibility="collapsed",
        )  # fmt: skip
        severity = st.segmented_control(
            "Severity", ["all", *SIGNS], format_func=str.capitalize, default="all", required=True, key="severity",
            bind="query-params", label_visibility="collapsed",
        )  # fmt: skip
    rows = frame.ask("page_alert_history", since=since, rule=rule or "all", severity=severity or "all", n=SHOWN)
    if rows.empty:
        st.caption("No alert of this kind in the last 14 days.")
        return
    ui.table(
        pd.DataFrame([_past(frame, row) for row in rows.itertuples()]),
        _past_columns(frame), colours=frame.palette, states=("severity", "state"), alt="Alerts, newest first",
    )  # fmt: skip
    over = rows["lasted_s"].dropna()
    median = f", half of those that are over lasted under {formats.span(over.median())}" if len(over) else ""
    st.caption(f"{formats.count(len(rows), 'alert')}{median}.")


def _past(frame: Frame, row: Any) -> dict[str, Any]:
    is_open = moment(row.resolved_at) is None
    lasted = (frame.now - row.since).total_seconds() if is_open else row.lasted_s
    act = ACTS.get(row.act, "") if word(row.act) else ""
    return {
        "severity": SIGNS[row.severity],
        "state": "◐ open" if is_open else "○ resolved",
        "title": alarms.title(row.rule),
        "subject": row.subject,
        "since": formats.stamp(row.since, frame.zone),
        "lasted": formats.span(lasted),
        "message": row.message,
        "after": word(row.resolved_message) or "",
        "act": f"{act} by {row.actor}: {row.act_reason}" if act else "",
    }


def _past_columns(frame: Frame) -> dict[str, Any]:
    return {
        "severity": st.column_config.TextColumn("Severity", width=96),
        "state": st.column_config.TextColumn("State", width=96),
        "title": st.column_config.TextColumn("Alert"),
        "subject": st.column_config.TextColumn("Subject", width=150),
        "since": st.column_config.TextColumn(f"Since, {frame.clock}"),
        "lasted": st.column_config.TextColumn("Lasted", alignment="right"),
        "message": st.column_config.TextColumn("Message", width="large"),
        "after": st.column_config.TextColumn("How it ended", width="large"),
        "act": st.column_config.TextColumn("What people did", width="medium"),
    }


def deliveries(frame: Frame, *, since: datetime) -> None:
    """How each channel did, and every attempt."""
    channels, rows = frame.ask("page_channels", since=since), frame.ask("page_deliveries", since=since, n=SHOWN)
    if rows.empty:
        ui.empty(
            "Nobody was told of anything yet",
            "Each alert goes to every channel that is set up in the environment; README.md names the settings.",
            icon=":material/outgoing_mail:",
        )
        return
    st.markdown("\n".join(f"- {_channel(frame, row)}" for row in channels.itertuples()))
    table = pd.DataFrame(
        {
            "started": [formats.stamp(at, frame.zone) for at in rows["started_at"]],
            "channel": rows["channel"],
            "state": rows["state"].map(STATES),
            "kind": rows["kind"],
            "what": [
                f"{alarms.title(row.rule)} · {row.subject}" if word(row.rule) else "" for row in rows.itertuples()
            ],
            "attempt": rows["attempt"],
            "took": [formats.span(value) for value in rows["took_s"]],
            "error": rows["error"].fillna(""),
        }
    )
    columns = {
        "started": st.column_config.TextColumn(f"When, {frame.clock}"),
        "channel": st.column_config.TextColumn("Channel"),
        "state": st.column_config.TextColumn("State", width=96),
        "kind": st.column_config.TextColumn("Told that it"),
        "what": st.column_config.TextColumn("Alert", width="medium"),
        "attempt": st.column_config.NumberColumn("Attempt", format="%d", width=76),
        "took": st.column_config.TextColumn("Took", alignment="right", width=104),
        "error": st.column_config.TextColumn("Error", width="large"),
    }
    ui.table(table, columns, colours=frame.palette, states=("state",), rows=8, alt="Attempts to deliver alerts")


def _channel(frame: Frame, row: Any) -> str:
    failed = f", {formats.count(row.n_failed, 'attempt')} failed" if row.n_failed else ""
    newest = (
        ""
        if row.state == "sent"
        else f". **The newest attempt is {row.state}**: {formats.plain(word(row.error) or 'no answer yet')}"
    )
    last = f", the last {formats.age(row.sent_at, frame.now)}" if moment(row.sent_at) else ""
    return f"**{formats.plain(row.channel)}**: {formats.count(row.n_sent, 'message')} sent{last}{failed}{newest}"


def maintenance(frame: Frame, *, since: datetime) -> None:
    """Declared windows, and the button that declares one."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.subheader("Maintenance", anchor=False, width="content")
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
    table = pd.DataFrame(
        {
            "state": [_phase(row, frame.now) for row in rows.itertuples()],
            "rule": ["all kinds" if name == "*" else alarms.title(name) for name in rows["rule"]],
            "subject": ["all" if name == "*" else name for name in rows["subject"]],
            "first": [formats.stamp(at, frame.zone) for at in rows["first_at"]],
            "last": [formats.stamp(at, frame.zone) for at in rows["last_at"]],
            "actor": rows["actor"],
            "reason": rows["reason"],
        }
    )
    columns = {
        "state": st.column_config.TextColumn("", width=96),
        "rule": st.column_config.TextColumn("Alerts"),
        "subject": st.column_config.TextColumn("Subject"),
        "first": st.column_config.TextColumn(f"From, {frame.clock}"),
        "last": st.column_config.TextColumn(f"To, {frame.clock}"),
        "actor": st.column_config.TextColumn("Declared by"),
        "reason": st.column_config.TextColumn("Why", width="large"),
    }
    ui.table(table, columns, colours=frame.palette, states=("state",), rows=6, alt="Maintenance windows")


def _phase(row: Any, now: datetime) -> str:
    return "○ over" if row.last_at <= now else "◐ now" if row.first_at <= now else "◌ planned"
