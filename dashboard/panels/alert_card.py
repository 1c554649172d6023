"""One alert -> what is wrong since when, on what evidence, what people did, what to do about it, and the buttons."""

import json
from typing import Any

import streamlit as st

from dashboard import alarms, formats, links, runbook
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
            f":material/check_circle: Good again {formats.zoned(over, frame.zone)}: "
            f"{plain(word(row.resolved_message) or '')}"
        )
    began = f"Since {formats.zoned(row.since, frame.zone)}, {formats.age(row.since, frame.now)}"
    st.caption(" · ".join([began, *_evidence(row.evidence)]))
    if whole:
        _acts(frame, row)
    _buttons(frame, row, over=over is not None, whole=whole)
    advice = runbook.entry(row.rule)
    with st.expander("What to do", icon=":material/menu_book:", type="compact"):
        st.markdown(advice or f"RUNBOOK.md has no entry {code(row.rule)}.")


def _standing(frame: Frame, row: Any) -> None:
    if moment(getattr(row, "resolved_at", None)):
        _badge(":material/check_circle:", "Resolved")
        return
    standing = alarms.standing(row, frame.now)
    said = f"{plain(row.act_reason)}, {formats.zoned(row.acted_at, frame.zone)}" if word(row.act) else None
    if standing == "acknowledged":
        _badge(":material/how_to_reg:", f"Acknowledged by {plain(row.actor)}", said)
    elif standing == "snoozed":
        until = formats.zoned(row.until, frame.zone)
        _badge(":material/snooze:", f"Snoozed by {plain(row.actor)} until {until}", said)
    else:
        _badge(":material/notifications_active:", "Firing", said)


def _badge(icon: str, text: str, said: str | None = None) -> None:
    # Not st.badge: it escapes brackets once more, and those that `plain` has escaped begin a link again.
    st.markdown(f":gray-badge[{icon} {' '.join(text.split())}]", help=said, width="content")


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
        until = f" until {formats.zoned(act.until, frame.zone)}" if moment(act.until) else ""
        when = formats.zoned(act.acted_at, frame.zone)
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
            links.page(link[0], link[1], icon=":material/arrow_forward:", **link[2])
        if not whole:
            st.button(
                "Link to this", key=f"link-{row.alert_id}", icon=":material/link:", type="tertiary",
                on_click=links.write, args=("alert", row.alert_id),
                help="Shows this alert alone; the address then leads to it",
            )  # fmt: skip
