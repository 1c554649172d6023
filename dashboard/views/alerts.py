"""Alerts -> what is wrong now and what to do about it; what was wrong, who was told, and declared maintenance."""

import json
from datetime import timedelta
from typing import Any

import streamlit as st

from dashboard import alarms, formats, runbook, ui
from dashboard.alarms import SEVERITIES
from dashboard.data import moment, this_hour, word
from dashboard.formats import code, plain
from dashboard.panels import alert_history, confirming
from dashboard.panels.confirming import Question
from dashboard.ui import Frame

FORTNIGHT = timedelta(days=14)
SHOWN = 20
TOLD = ("run_id", "event")


def page() -> None:
    """Open alerts, history, deliveries, maintenance."""
    with ui.page("Alerts") as frame:
        with ui.panel():
            _open(frame)
        with ui.panel():
            alert_history.history(frame, since=this_hour(frame.now) - FORTNIGHT)
        with ui.panel("Deliveries, 14 days", "Every attempt to tell somebody is written down before it is made"):
            alert_history.deliveries(frame, since=this_hour(frame.now) - FORTNIGHT)
        with ui.panel():
            alert_history.maintenance(frame, since=this_hour(frame.now) - FORTNIGHT)
        confirming.show(frame)


def _open(frame: Frame) -> None:
    rows = frame.ask("page_open_alerts")
    checked = frame.ask("page_judged")["ended_at"].iloc[0]
    looked = f"Rules checked {formats.age(moment(checked), frame.now)}." if moment(checked) else ""
    if rows.empty:
        never = moment(checked) is None
        ui.empty(
            "Nothing has been checked yet" if never else "No open alerts",
            "The alert job judges every rule every few minutes." if never else f"All is well. {looked}",
            icon=":material/notifications_none:" if never else ":material/check_circle:",
        )
        return
    st.caption(f"{formats.count(len(rows), 'open alert')}, worst first. {looked}")
    for row in rows.head(SHOWN).itertuples():
        with ui.panel(), st.container(border=True, gap="xsmall"):
            _alert(frame, row)
    if len(rows) > SHOWN:
        st.caption(f"{formats.count(len(rows) - SHOWN, 'more open alert')} below, in the history.")


def _alert(frame: Frame, row: Any) -> None:
    word_, icon, colour = SEVERITIES[row.severity]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(word_, icon=icon, color=colour)  # type: ignore[arg-type]
        st.markdown(f"**{plain(alarms.title(row.rule))}** · {code(row.subject)}", width="content")
        _standing(frame, row)
    st.markdown(plain(row.message))
    began = f"Since {formats.stamp(row.since, frame.zone)} {frame.clock}, {formats.age(row.since, frame.now)}"
    st.caption(" · ".join([began, *_evidence(row.evidence)]))
    _buttons(frame, row)
    advice = runbook.entry(row.rule)
    with st.expander("What to do", icon=":material/menu_book:", type="compact"):
        st.markdown(advice or f"RUNBOOK.md has no entry {code(row.rule)}.")


def _standing(frame: Frame, row: Any) -> None:
    standing = alarms.standing(row, frame.now)
    said = (
        f"{plain(row.act_reason)}, {formats.stamp(row.acted_at, frame.zone)} {frame.clock}" if word(row.act) else None
    )
    if standing == "acknowledged":
        st.badge(f"Acknowledged by {plain(row.actor)}", icon=":material/how_to_reg:", color="gray", help=said)
    elif standing == "snoozed":
        until = formats.stamp(row.until, frame.zone)
        st.badge(f"Snoozed by {plain(row.actor)} until {until}", icon=":material/snooze:", color="gray", help=said)
    else:
        st.badge("Firing", icon=":material/notifications_active:", color="gray", help=said)


def _evidence(text: str) -> list[str]:
    """The figures behind an alert, but for what the link and the message say already."""
    found = {name: value for name, value in json.loads(text).items() if name not in TOLD}
    figures = {name: formats.figure(value) for name, value in found.items() if isinstance(value, str | int | float)}
    return [plain(f"{name.replace('_', ' ')} {value}") for name, value in figures.items()]


def _buttons(frame: Frame, row: Any) -> None:
    what, given = f"**{plain(alarms.title(row.rule))}** · {code(row.subject)}", {"alert_id": row.alert_id}
    standing = alarms.standing(row, frame.now)
    asked = [
        Question("acknowledge", "Acknowledge?", f"{what}\n\nYou see to it: it is not escalated. It stays open until "
                 "it is good again.", "Acknowledge", ":material/how_to_reg:", given),
        Question("snooze", "Snooze?", f"{what}\n\nIt is not escalated meanwhile; its end is told as usual.",
                 "Snooze", ":material/snooze:", given),
        Question("wake", "Wake it?", f"{what}\n\nIt counts as new: unless somebody acknowledges it, it is escalated.",
                 "Wake", ":material/notifications_active:", given),
    ]  # fmt: skip
    wanted = {
        "firing": ("acknowledge", "snooze"),
        "acknowledged": ("snooze", "wake"),
        "snoozed": ("acknowledge", "wake"),
    }
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for question in asked:
            if question.action in wanted[standing]:
                confirming.button(frame, question, key=f"{question.action}-{row.alert_id}")
        link = alarms.about(frame.desk, row)
        if link:
            st.page_link(link[0], label=link[1], query_params=link[2], icon=":material/arrow_forward:")


if __name__ == "__main__":
    page()
