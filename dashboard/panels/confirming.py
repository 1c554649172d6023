"""A button's click -> a question that wants a reason -> an audited action: the dialogs of alerts, jobs and data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from dashboard import actions, formats, identity, ui
from dashboard.data import Desk
from dashboard.identity import User
from dashboard.ui import Frame

SNOOZES = {"1 hour": timedelta(hours=1), "4 hours": timedelta(hours=4), "24 hours": timedelta(hours=24)}


@dataclass(frozen=True)
class Question:
    """What is to be confirmed. `action` is one of identity.NEEDS, `words` say what it will do, `go` is the button's
    label, `given` goes to the action."""

    action: str
    title: str
    words: str
    go: str
    icon: str
    given: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """Who confirmed a question, why and when; `zone` is the zone in which the dialog asked for times."""

    desk: Desk
    user: User
    reason: str
    now: datetime
    zone: str

    @property
    def who(self) -> dict[str, Any]:
        """What every action takes."""
        return {"user": self.user, "reason": self.reason, "now": self.now}


def button(
    frame: Frame, question: Question, *, key: str, label: str | None = None, kind: str = "secondary", off: str = ""
) -> None:
    """A button that asks `question`; it cannot be pressed without the role, or where `off` says why not."""
    needed = identity.NEEDS[question.action]
    why = off or ("" if frame.user.may(question.action) else f"Needs the role {needed}.")
    st.button(
        label or question.go,
        key=key,
        icon=question.icon,
        disabled=bool(why),
        help=why or None,
        type="primary" if kind == "primary" else "tertiary" if kind == "tertiary" else "secondary",
        on_click=ask,
        args=(question,),
    )


def ask(question: Question) -> None:
    """Callback of a button: open the dialog."""
    st.session_state["dialog"] = {"name": question.action, "question": question, "error": ""}


def show(frame: Frame) -> None:
    """Draw the dialog that is open, if any. Call it once in every run: a rerun must not close it."""
    asked = st.session_state.get("dialog")
    if asked and "question" in asked:
        question: Question = asked["question"]
        st.dialog(question.title, icon=question.icon, on_dismiss=_close)(_body)(frame)


def _body(frame: Frame) -> None:
    asked = st.session_state.get("dialog")
    if not asked:
        # The action went through: only a run of the whole page closes the dialog.
        st.rerun()
    question: Question = asked["question"]
    st.markdown(question.words)
    if question.action in FIELDS:
        FIELDS[question.action](frame)
    st.text_input("Reason", key="ask_reason", placeholder="Why?", max_chars=300)
    if asked["error"]:
        st.error(formats.plain(asked["error"]), icon=":material/error:")
    st.button(question.go, type="primary", key="ask_go", on_click=_go, args=(frame,))


def _go(frame: Frame) -> None:
    asked = st.session_state.get("dialog")
    if not asked:
        # A second click on a dialog that the first has closed.
        return
    question: Question = asked["question"]
    reason = st.session_state.get("ask_reason", "")

    def act() -> str:
        # The user is asked for anew: a role or the session may have been taken away since the page was drawn.
        answer = Answer(frame.desk, identity.current_user(), reason, frame.desk.clock(), frame.zone)
        return DOES[question.action](answer, question.given)

    error = ui.attempt(act)
    st.session_state["dialog"] = asked | {"error": error} if error else None


def _close() -> None:
    st.session_state["dialog"] = None


def _ask_how_long(_frame: Frame) -> None:
    st.segmented_control("For how long", list(SNOOZES), default="4 hours", required=True, key="ask_span")


def _ask_window(frame: Frame) -> None:
    st.caption(f"Times are {frame.clock} time. Alerts that still hold when the window ends fire then.")
    today = formats.local(frame.desk.clock(), frame.zone)
    left, right = st.columns(2)
    for place, (name, ahead) in ((left, ("from", 1)), (right, ("to", 3))):
        then = today + timedelta(hours=ahead)
        place.date_input(f"Day, {name}", then.date(), key=f"ask_{name}_day")
        place.time_input(f"Time, {name}", time(then.hour), key=f"ask_{name}_time")


def _moment(name: str, zone: str) -> datetime:
    day, hour = st.session_state[f"ask_{name}_day"], st.session_state[f"ask_{name}_time"]
    return datetime.combine(date.fromisoformat(str(day)), hour, ZoneInfo(zone))


def _run_now(answer: Answer, given: Mapping[str, Any]) -> str:
    return f"Run {actions.run_now(answer.desk, **given, **answer.who)} is queued."


def _cancel(answer: Answer, given: Mapping[str, Any]) -> str:
    state = actions.cancel(answer.desk, **given, **answer.who)
    return f"Run {given['run_id']} " + ("is being ended." if state == "running" else f"is {state}.")


def _retry(answer: Answer, given: Mapping[str, Any]) -> str:
    return f"Run {actions.retry(answer.desk, **given, **answer.who)} is queued."


def _backfill(answer: Answer, given: Mapping[str, Any]) -> str:
    return f"Run {actions.backfill(answer.desk, **given, **answer.who)} is queued to ask for what is missing."


def _acknowledge(answer: Answer, given: Mapping[str, Any]) -> str:
    actions.act_on_alert(answer.desk, kind="acknowledge", **given, **answer.who)
    return f"Acknowledged by {answer.user.name}."


def _snooze(answer: Answer, given: Mapping[str, Any]) -> str:
    until = answer.now + SNOOZES[st.session_state["ask_span"]]
    actions.act_on_alert(answer.desk, kind="snooze", until=until, **given, **answer.who)
    return f"Snoozed until {formats.zoned(until, answer.zone)}."


def _wake(answer: Answer, given: Mapping[str, Any]) -> str:
    actions.act_on_alert(answer.desk, kind="wake", **given, **answer.who)
    return "The alert is awake again."


def _declare(answer: Answer, _given: Mapping[str, Any]) -> str:
    first, last = _moment("from", answer.zone), _moment("to", answer.zone)
    rule = st.session_state["ask_rule"]
    subject = st.session_state["ask_subject"].strip() or "*"
    rule = "*" if rule == "all" else rule
    actions.declare_maintenance(answer.desk, rule=rule, subject=subject, first=first, last=last, **answer.who)
    return "The maintenance window is declared."


def _end(answer: Answer, given: Mapping[str, Any]) -> str:
    actions.end_maintenance(answer.desk, **given, **answer.who)
    return "The maintenance window is ended."


def _ask_maintenance(frame: Frame) -> None:
    asked: Question = st.session_state["dialog"]["question"]
    st.selectbox(
        "Alerts",
        ["all", *asked.given["rules"]],
        key="ask_rule",
        format_func=lambda name: name if name != "all" else "All kinds",
    )
    st.text_input(
        "Subject",
        key="ask_subject",
        placeholder="all",
        help="A series, target or job; a beginning that ends in a dot, such as demo. means all that begin so.",
    )
    _ask_window(frame)


FIELDS: dict[str, Callable[[Frame], None]] = {"snooze": _ask_how_long, "declare_maintenance": _ask_maintenance}
DOES: dict[str, Callable[[Answer, Mapping[str, Any]], str]] = {
    "run_now": _run_now,
    "cancel": _cancel,
    "retry": _retry,
    "backfill": _backfill,
    "acknowledge": _acknowledge,
    "snooze": _snooze,
    "wake": _wake,
    "declare_maintenance": _declare,
    "end_maintenance": _end,
}
