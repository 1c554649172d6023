"""One alert -> what is wrong since when, on what evidence, what people did, what to do about it, and the buttons."""

import json
from typing import Any

import streamlit as st

from dashboard import alarms, formats, runbook
from dashboard.alarms import SEVERITIES
from dashboard.data import moment, word
from dashboard.formats import code, plain
from dashboard.panels import confirming
from dashboard.panels.confirming import Question
from dashboard.ui import Frame

TOLD = ("run_id", "event")
ACTS = {"acknowledge": "acknowledged it", "snooze": "snoozed it", "wake": "woke it"}


def show(frame: Frame, row: Any, *, whole: bool = False) -> None:
    """The card of an alert, a row of `page_open_alerts` or `page_alert`; the `whole` of it tells every act too."""
    word_, icon, colour = SEVERITIES[row.severity]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(word_, icon=icon, color=colour)  # type: ignore[arg-type]
        st.markdown(f"**{plain(alarms.title(row.rule))}** · {code(row.subject)}", width="content")
        _standing(frame, row)
    st.markdown(plain(row.message))
    over = moment(getattr(row, "resolved_at", None))
    if over:
        st.markdown(
            f":material/check_circle: Good again {formats.stamp(over, frame.zone)} {frame.clock}: "
            f"{plain(word(row.resolved_message) or '')}"
        )
    began = f"Since {formats.stamp(row.since, frame.zone)} {frame.clock}, {formats.age(row.since, frame.now)}"
    st.caption(" · ".join([began, *_evidence(row.evidence)]))
    if whole:
        _acts(frame, row)
    _buttons(frame, row, over=over is not None, whole=whole)
    advice = runbook.entry(row.rule)
    with st.expander("What to do", icon=":material/menu_book:", type="compact"):
        st.markdown(advice or f"RUNBOOK.md has no entry {code(row.rule)}.")


def _standing(frame: Frame, row: Any) -> None:
    if moment(getattr(row, "resolved_at", None)):
        st.badge("Resolved", icon=":material/check_circle:", color="gray")
        return
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


def _acts(frame: Frame, row: Any) -> None:
    """What people did about it, in order."""
    acts = frame.ask("page_alert_acts", alert_id=row.alert_id)
    lines = []
    for act in acts.itertuples():
        until = f" until {formats.stamp(act.until, frame.zone)}" if moment(act.until) else ""
        when = f"{formats.stamp(act.acted_at, frame.zone)} {frame.clock}"
        lines.append(f"- {when}: {plain(act.actor)} {ACTS.get(act.kind, plain(act.kind))}{until}: {plain(act.reason)}")
    if lines:
        st.markdown("\n".join(lines))


def _buttons(frame: Frame, row: Any, *, over: bool, whole: bool) -> None:
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
            if not over and question.action in wanted[standing]:
                confirming.button(frame, question, key=f"{question.action}-{row.alert_id}")
        link = alarms.about(frame.desk, row)
        if link:
            st.page_link(link[0], label=link[1], query_params=link[2], icon=":material/arrow_forward:")
        if not whole:
            st.button(
                "Link to this", key=f"link-{row.alert_id}", icon=":material/link:", type="tertiary", on_click=_link_to,
                args=(row.alert_id,), help="Shows this alert alone; the address then leads to it",
            )  # fmt: skip


def _link_to(alert_id: str) -> None:
    st.query_params["alert"] = alert_id
