"""User + intent -> audited change: the only writes a page makes; the role is checked here, every time."""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from dashboard.data import Desk
from pipeline import promoting, runs
from pipeline.errors import NoWarehouse, SextantError

ROLES = ("viewer", "operator", "admin")
NEEDS = {"retrain": "operator", "promote": "admin", "roll_back": "admin", "reissue": "admin"}
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Denied(SextantError):
    """The user's role does not allow the action, or the action lacks its reason; nothing was done."""


@dataclass(frozen=True)
class User:
    """Who acts; `role` is one of ROLES."""

    name: str
    role: str

    def may(self, action: str) -> bool:
        """Whether the role reaches what `action` needs."""
        return ROLES.index(self.role) >= ROLES.index(NEEDS[action])


@dataclass(frozen=True)
class Act:
    """One attempt as the audit log shows it."""

    user: User
    action: str
    subject: str
    reason: str
    detail: Mapping[str, Any]


def current_user(address: str | None) -> User:
    """Who sits at the browser. Without sign-in everybody is `local`: admin on a server that listens on
    loopback only, viewer on any other `address`."""
    return User("local", "admin" if address in LOOPBACK else "viewer")


def retrain(desk: Desk, *, user: User, target: str, reason: str, now: datetime) -> str:
    """Queue a training run of `target` for the scheduler; returns its run id. Raises Denied, Busy."""
    act = Act(user, "retrain", target, reason.strip(), {})
    args = {"force": True, "target": target, "actor": user.name}
    with _audited(desk, act, now) as note:
        run_id = runs.request(desk.warehouse, "train", by=user.name, reason=act.reason, args=args, now=now)
        note["run_id"] = run_id
    return run_id


def change_champion(
    desk: Desk,
    *,
    user: User,
    action: str,
    target: str,
    version_id: str,
    expected: str | None,
    reason: str,
    now: datetime,
) -> None:
    """Make `version_id` the champion if `expected` (None: nobody) still is; `action` is promote or roll_back.

    Raises Denied, ArtifactDamaged, ModelError, StalePremise, Busy; nothing changes then.
    """
    act = Act(user, action, version_id, reason.strip(), {"target": target, "from": expected})
    change: Callable[..., None] = promoting.roll_back if action == "roll_back" else promoting.promote
    with _audited(desk, act, now):
        change(
            desk.warehouse,
            desk.settings.models,
            target=desk.targets[target],
            version_id=version_id,
            expected=expected,
            actor=user.name,
            reason=act.reason,
            now=now,
        )


def reissue(desk: Desk, *, user: User, target: str, reason: str, now: datetime) -> str:
    """Queue the newest issue of `target` to be made again by its champion; returns the run id. Raises Denied, Busy."""
    act = Act(user, "reissue", target, reason.strip(), {})
    with _audited(desk, act, now) as note:
        args = {"reissue": target}
        run_id = runs.request(desk.warehouse, "forecast", by=user.name, reason=act.reason, args=args, now=now)
        note["run_id"] = run_id
    return run_id


@contextmanager
def _audited(desk: Desk, act: Act, now: datetime) -> Iterator[dict[str, Any]]:
    """Write down the attempt before it is made and how it ended after."""
    _refuse_unless_allowed(desk, act, now)
    _write(desk, act, "started", act.detail, now)
    note = dict(act.detail)
    try:
        yield note
    except SextantError as error:
        _write(desk, act, "failed", note | {"error": str(error)}, now)
        raise
    _write(desk, act, "ok", note, now)


def _refuse_unless_allowed(desk: Desk, act: Act, now: datetime) -> None:
    if not desk.exists():
        raise NoWarehouse("there is no warehouse yet; run `python jobs.py demo` first.")
    needed = NEEDS[act.action]
    if not act.user.may(act.action):
        why = f"{act.action.replace('_', ' ')} needs the role {needed}; {act.user.name} is {act.user.role}."
    elif not act.reason:
        why = f"{act.action.replace('_', ' ')} needs a reason; say why."
    else:
        return
    _write(desk, act, "denied", dict(act.detail) | {"error": why}, now)
    raise Denied(why)


def _write(desk: Desk, act: Act, outcome: str, detail: Mapping[str, Any], now: datetime) -> None:
    row = {
        "audit_id": uuid.uuid4().hex,
        "acted_at": pd.Timestamp(now),
        "actor": act.user.name,
        "role": act.user.role,
        "action": act.action,
        "subject": act.subject,
        "outcome": outcome,
        "reason": act.reason,
        "detail": json.dumps(detail, sort_keys=True, default=str),
    }
    with desk.warehouse.write() as session:
        session.append("audit", pd.DataFrame([row]))
