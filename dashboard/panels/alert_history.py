"""Alerts of the last weeks -> what fired and for how long, and whether somebody was told."""

from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import alarms, exports, formats, ui
from dashboard.alarms import SIGNS
from dashboard.data import moment, this_hour, word
from dashboard.picking import Picked
from dashboard.ui import Frame
from pipeline import alerting

SHOWN = 300
STATES = {"sent": "● sent", "failed": "▲ failed", "sending": "◌ sending"}
WINDOWS = {"14 days": timedelta(days=14), "90 days": timedelta(days=90), "1 year": timedelta(days=366)}
STANDINGS = {"firing": "▲ firing", "acknowledged": "◐ acknowledged", "snoozed": "◌ snoozed", "resolved": "○ resolved"}
ACTS = {"acknowledge": "acknowledged", "snooze": "snoozed", "wake": "woken"}


def history(frame: Frame) -> None:
    """Every alert of the chosen time, filtered by kind, severity, state and subject, with how long it lasted."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.header("History", anchor=False, width="content")
        chosen = st.segmented_control(
            "History of", list(WINDOWS), default="14 days", required=True, key="past", bind="query-params",
            label_visibility="collapsed",
        )  # fmt: skip
    since = this_hour(frame.now) - WINDOWS[chosen or "14 days"]
    kinds = frame.ask("page_alert_rules", since=since)
    if kinds.empty:
        ui.empty("No alert yet", "What turns bad and when it is good again is kept here.", icon=":material/history:")
        return
    filters = _filters(kinds)
    # To the minute: a snooze that is over makes an alert fire again.
    now = frame.now.replace(second=0, microsecond=0)
    rows = frame.ask("page_alert_history", since=since, now=now, n=SHOWN, **filters)
    if rows.empty:
        st.caption(f"No such alert in the last {chosen}.")
        return
    ui.table(
        pd.DataFrame([_past(frame, row) for row in rows.itertuples()]), _past_columns(frame),
        colours=frame.palette, states=("severity", "state"), alt="Alerts, newest first",
        picked=Picked("history", "alert", rows["alert_id"]),
    )  # fmt: skip
    _foot(rows)


def _filters(kinds: pd.DataFrame) -> dict[str, str]:
    # The address carries what is shown: a kind's name for people, looked up by its rule.
    known = {rule.name: rule.title for rule in alerting.rules().values()}
    names = {"all": "All kinds"} | known | {name: alarms.title(name) for name in kinds["rule"]}
    standings = {"all": "All states"} | {name: words[2:].capitalize() for name, words in STANDINGS.items()}
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        rule = st.selectbox(
            "Kind", list(names), format_func=names.__getitem__, key="rule", bind="query-params", width=240,
            label_visibility="collapsed",
        )  # fmt: skip
        standing = st.selectbox(
            "State", list(standings), format_func=standings.__getitem__, key="standing", bind="query-params", width=170,
            label_visibility="collapsed",
        )  # fmt: skip
        subject = st.text_input(
            "Subject", key="subject", bind="query-params", width=200, label_visibility="collapsed", max_chars=100,
            placeholder="Any subject", icon=":material/search:",
        )  # fmt: skip
        severity = st.segmented_control(
            "Severity", ["all", *SIGNS], format_func=str.capitalize, default="all", required=True, key="severity",
            bind="query-params", label_visibility="collapsed",
        )  # fmt: skip
    found = {"rule": rule or "all", "standing": standing or "all", "severity": severity or "all"}
    return found | {"subject": (subject or "").strip()}


def _foot(rows: pd.DataFrame) -> None:
    total, over = int(rows["total"].iloc[0]), rows["lasted_s"].dropna()
    count = formats.count(total, "alert")
    shown = f"The newest {len(rows):,} of {count}" if total > len(rows) else count
    median = (
        f", half of the {len(over):,} that are over lasted under {formats.span(over.median())}" if len(over) else ""
    )
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.caption(f"{shown}{median}. Select a row for all of it.", width="stretch")
        st.download_button(
            "CSV", lambda: exports.csv(rows.drop(columns="total")), "alerts.csv", "text/csv", key="alerts_csv",
            icon=":material/download:", on_click="ignore", help="The alerts listed here",
        )  # fmt: skip


def _past(frame: Frame, row: Any) -> dict[str, Any]:
    is_open = moment(row.resolved_at) is None
    lasted = (frame.now - row.since).total_seconds() if is_open else row.lasted_s
    act = ACTS.get(row.act, "") if word(row.act) else ""
    return {
        "severity": SIGNS[row.severity],
        "state": STANDINGS[row.standing],
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
        "state": st.column_config.TextColumn("State", width=136),
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
