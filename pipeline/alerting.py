"""What people do about alerts -> rows of `alert_acts` and `maintenance`; which alerts wait for them too long."""

import importlib
import pkgutil
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import pandas as pd

from pipeline.errors import ActRefused
from pipeline.operations import Operations, Tuning
from pipeline.rules.base import Rule
from pipeline.warehouse import Session, Warehouse

LONGEST = timedelta(days=30)
"""Nobody wants silence for longer; a typing error in a year may."""
ENDS = "end:"
"""Before the id of a maintenance window: the row that says when it was ended before its time."""


@cache
def rules() -> dict[str, Rule]:
    """Every rule of the modules of pipeline/rules, by name. Raises ValueError when two share a name."""
    found: dict[str, Rule] = {}
    folder = importlib.import_module("pipeline.rules")
    for module in pkgutil.iter_modules(folder.__path__):
        for rule in getattr(importlib.import_module(f"pipeline.rules.{module.name}"), "RULES", ()):
            if rule.name in found:
                raise ValueError(f"two rules are called {rule.name!r}")
            found[rule.name] = rule
    return found


def escalations(session: Session, operations: Operations, now: datetime) -> list[str]:
    """Ids of open alerts that nobody acknowledged or snoozed for longer than their rule allows.

    A snooze that is over counts from its end. Alerts within a maintenance window wait.
    """
    windows = session.ask("maintenance_windows", since=now).to_dict("records")
    found = []
    for row in session.ask("unacknowledged").to_dict("records"):
        name, subject = str(row["rule"]), str(row["subject"])
        rule = rules().get(name)
        wait = operations.alerts.get(name, Tuning()).escalate or (rule.escalate if rule else None)
        if wait is not None and now - row["waits_from"] >= wait and not silenced(windows, name, subject, now):
            found.append(str(row["alert_id"]))
    return found


def act(
    warehouse: Warehouse,
    alert_id: str,
    *,
    kind: str,
    actor: str,
    reason: str,
    now: datetime,
    until: datetime | None = None,
) -> str:
    """Acknowledge an open alert, snooze it until `until` (aware), or wake it again; returns the id of the act.

    The same act again by the same person, as a double click makes it, is written once. Raises ActRefused.
    """
    reason = _reason(reason)
    if kind not in ("acknowledge", "snooze", "wake"):
        raise ActRefused(f"{kind!r} is nothing that can be done about an alert; acknowledge, snooze or wake it.")
    if (until is not None) != (kind == "snooze") or (until is not None and not now < until <= now + LONGEST):
        raise ActRefused(f"a snooze needs an end within the next {LONGEST.days} days, and only a snooze has one.")
    with warehouse.write() as session:
        row = _open_alert(session, alert_id)
        if kind == "wake" and row["act"] not in ("acknowledge", "snooze"):
            raise ActRefused(f"{row['rule']} of {row['subject']} is neither acknowledged nor snoozed; nothing to wake.")
        if (kind, actor, reason) == (row["act"], row["actor"], row["act_reason"]) and _same(until, row["until"]):
            return str(row["act_id"])
        # The newest act counts, also after the clock was set back.
        at = now if pd.isna(row["acted_at"]) else max(now, row["acted_at"] + timedelta(microseconds=1))
        made = {"act_id": uuid.uuid4().hex[:12], "alert_id": alert_id, "kind": kind, "actor": actor, "reason": reason}
        session.append("alert_acts", _times(pd.DataFrame([made | {"until": until, "acted_at": at}])))
    return str(made["act_id"])


def declare(
    warehouse: Warehouse,
    *,
    rule: str,
    subject: str,
    first: datetime,
    last: datetime,
    reason: str,
    actor: str,
    now: datetime,
) -> str:
    """Declare maintenance: nothing of `rule` about `subject` fires in [first, last), both aware; returns the id.

    Either may be "*" for all; a subject that ends in "." or ":" means all that begin so. Raises ActRefused.
    """
    reason = _reason(reason)
    if rule != "*" and rule not in rules():
        raise ActRefused(f"no rule is called {rule!r}; use * for all, or one of: {', '.join(rules())}.")
    if not subject.strip():
        raise ActRefused(
            "maintenance needs a subject: a series, target or job, a beginning such as 'es.', or * for all."
        )
    if not (first < last and now < last and last - first <= LONGEST):
        raise ActRefused(f"maintenance must end after it begins, in the future, and last {LONGEST.days} days at most.")
    made = {"window_id": uuid.uuid4().hex[:12], "rule": rule, "subject": subject.strip(), "first_at": first}
    made |= {"last_at": last, "reason": reason, "actor": actor, "declared_at": now}
    with warehouse.write() as session:
        session.append("maintenance", _times(pd.DataFrame([made])))
    return str(made["window_id"])


def end_maintenance(warehouse: Warehouse, window_id: str, *, actor: str, reason: str, now: datetime) -> None:
    """End a window before its time, or take back one that has not begun; what is bad then fires from `now` on.

    The window's row stays as it was declared: its end is a row of no length beside it, named after it. Ending it
    twice, as a double click does, writes one. Raises ActRefused for a window that is unknown or over.
    """
    reason = _reason(reason)
    with warehouse.write() as session:
        found = session.ask("maintenance_by_id", window_id=window_id).to_dict("records")
        if not found:
            raise ActRefused(f"there is no maintenance window {window_id!r}; choose one of the page.")
        row = found[0]
        if not pd.isna(row["ended_at"]):
            return
        if row["last_at"] <= now:
            raise ActRefused(f"the window was over at {row['last_at']:%d %b %H:%M}Z; there is nothing left to end.")
        made = {"window_id": f"{ENDS}{window_id}", "rule": row["rule"], "subject": row["subject"], "first_at": now}
        made |= {"last_at": now, "reason": reason, "actor": actor, "declared_at": now}
        session.append("maintenance", _times(pd.DataFrame([made])))


def silenced(windows: Iterable[Mapping[Any, Any]], rule: str, subject: str, at: datetime) -> bool:
    """Whether one of `windows` (rows of query maintenance_windows) covers `rule` about `subject` at `at`."""
    return any(
        window["first_at"] <= at < window["last_at"]
        and window["rule"] in ("*", rule)
        and _covers(str(window["subject"]), subject)
        for window in windows
    )


def _covers(pattern: str, subject: str) -> bool:
    return pattern in ("*", subject) or (pattern.endswith((".", ":")) and subject.startswith(pattern))


def _open_alert(session: Session, alert_id: str) -> dict[Any, Any]:
    rows = session.ask("alert_by_id", alert_id=alert_id).to_dict("records")
    if not rows:
        raise ActRefused(f"there is no alert {alert_id!r}; choose one of the open alerts.")
    if not pd.isna(rows[0]["resolved_at"]):
        raise ActRefused(
            f"{rows[0]['rule']} of {rows[0]['subject']} was resolved at {rows[0]['resolved_at']:%d %b %H:%M}Z; "
            "there is nothing left to do about it."
        )
    return rows[0]


def _reason(reason: str) -> str:
    if not reason.strip():
        raise ActRefused("a reason is missing; say in a few words why, so that the next person knows.")
    return reason.strip()


def _same(one: datetime | None, other: Any) -> bool:
    return pd.isna(other) if one is None else bool(one == other)


def _times(frame: pd.DataFrame) -> pd.DataFrame:
    for name in {"until", "acted_at", "first_at", "last_at", "declared_at"} & set(frame):
        frame[name] = pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]")
    return frame
