"""User + intent -> audited change: the only writes a page makes; the role is checked here, every time."""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from dashboard.data import Desk, jobs
from dashboard.identity import NEEDS, User
from pipeline import alerting, promoting, runs
from pipeline.errors import JobError, NoWarehouse, SextantError, UnknownJob

AGAIN = ("failed", "missed", "cancelled")


class Denied(SextantError):
    """The user's role does not allow the action, or the action lacks its reason; nothing was done."""


@dataclass(frozen=True)
class Act:
    """One attempt as the audit log shows it; `needs` is the role where it takes another than NEEDS tells."""

    user: User
    action: str
    subject: str
    reason: str
    detail: Mapping[str, Any]
    needs: str = ""


def retrain(desk: Desk, *, user: User, target: str, reason: str, now: datetime, depth: str | None = None) -> str:
    """Queue a training run of `target` for the scheduler; returns its run id. Raises Denied, Busy.

    `depth` is deep (all families are compared, also when None) or quick (the champion's is refitted).
    """
    asked = {} if depth is None else {"depth": depth}
    act = Act(user, "retrain", target, reason.strip(), asked)
    args = {"force": True, "target": target, "actor": user.name} | asked
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


def run_now(desk: Desk, *, user: User, job: str, reason: str, now: datetime) -> str:
    """Queue `job` for the scheduler; returns the id of its run, the waiting or running one's if there is one.

    Raises Denied, UnknownJob, Busy.
    """
    act = Act(user, "run_now", job, reason.strip(), {})
    with _audited(desk, act, now) as note:
        if job not in jobs():
            raise UnknownJob(f"no job is called {job!r}; there are: {', '.join(jobs())}.")
        run_id = runs.request(desk.warehouse, job, by=user.name, reason=act.reason, args={}, now=now)
        note["run_id"] = run_id
    return run_id


def cancel(desk: Desk, *, user: User, run_id: str, reason: str, now: datetime) -> str:
    """Ask for the end of a queued or running run; returns its state then. Raises Denied, UnknownJob, Busy."""
    act = Act(user, "cancel", run_id, reason.strip(), {})
    with _audited(desk, act, now) as note:
        note["state"] = runs.cancel(desk.warehouse, run_id, by=user.name, reason=act.reason, now=now)
    return str(note["state"])


def retry(desk: Desk, *, user: User, run_id: str, reason: str, now: datetime) -> str:
    """Queue a failed run's job again with the same arguments; returns the run id. It takes the role that asking for
    such a run took. Raises Denied, JobError, NoWarehouse, Busy."""
    found = desk.warehouse.ask("run_by_id", run_id=run_id)
    needs = "" if found.empty else retry_needs(found["args"].iloc[0])
    act = Act(user, "retry", run_id, reason.strip(), {}, needs)
    with _audited(desk, act, now) as note:
        if found.empty or found["state"].iloc[0] not in AGAIN:
            raise JobError(f"run {run_id} is none that failed or was missed; look at the page again.")
        args, why = json.loads(found["args"].iloc[0]), f"retry of {run_id}: {act.reason}"
        again = runs.request(desk.warehouse, found["job"].iloc[0], by=user.name, reason=why, args=args, now=now)
        note["run_id"] = again
    return again


def retry_needs(args: str) -> str:
    """The role it takes to run again what had these arguments (JSON)."""
    return NEEDS["reissue" if "reissue" in json.loads(args) else "retry"]


def backfill(
    desk: Desk, *, user: User, series: str, first: datetime, last: datetime, reason: str, now: datetime
) -> str:
    """Queue an ingest of what `series` misses from `first` to `last` (aware); returns the run id.

    Asked for again while that waits or runs, it is the same run. Raises Denied, JobError, Busy.
    """
    window = {"from": first.isoformat(), "to": last.isoformat()}
    act = Act(user, "backfill", series, reason.strip(), window)
    with _audited(desk, act, now) as note:
        if series not in {one.id for market in desk.markets.values() for one in market.series}:
            raise JobError(f"no active market has a series {series!r}; choose one of the page.")
        args = window | {"series": series}
        run_id = runs.request(desk.warehouse, "ingest", by=user.name, reason=act.reason, args=args, now=now)
        note["run_id"] = run_id
    return run_id


def act_on_alert(
    desk: Desk, *, user: User, kind: str, alert_id: str, reason: str, now: datetime, until: datetime | None = None
) -> None:
    """Write down that somebody saw to an alert; `kind` is acknowledge, snooze (`until`) or wake.

    Raises Denied, ActRefused when the alert is over, Busy.
    """
    act = Act(user, kind, alert_id, reason.strip(), {"until": until.isoformat()} if until else {})
    with _audited(desk, act, now):
        alerting.act(desk.warehouse, alert_id, kind=kind, actor=user.name, reason=act.reason, until=until, now=now)


def declare_maintenance(
    desk: Desk,
    *,
    user: User,
    rule: str,
    subject: str,
    first: datetime,
    last: datetime,
    reason: str,
    now: datetime,
) -> None:
    """Say that from `first` to `last` (aware) no alert of `rule` and `subject` ("*": any) is to fire.

    Raises Denied, ActRefused when the window is none, Busy.
    """
    window = {"from": first.isoformat(), "to": last.isoformat()}
    act = Act(user, "declare_maintenance", f"{rule} {subject}", reason.strip(), window)
    with _audited(desk, act, now):
        alerting.declare(
            desk.warehouse,
            rule=rule,
            subject=subject,
            first=first,
            last=last,
            reason=act.reason,
            actor=user.name,
            now=now,
        )


def end_maintenance(desk: Desk, *, user: User, window_id: str, reason: str, now: datetime) -> None:
    """End a maintenance window now, or take back one that has not begun. Raises Denied, ActRefused, Busy."""
    act = Act(user, "end_maintenance", window_id, reason.strip(), {})
    with _audited(desk, act, now):
        alerting.end_maintenance(desk.warehouse, window_id, actor=user.name, reason=act.reason, now=now)


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
    needed = act.needs or NEEDS[act.action]
    if not act.user.reaches(needed):
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
