"""disk, capacity, scheduler terms, notifications and backups -> what is wrong with the machine and the service."""

import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline import machine
from pipeline.discovery import discover
from pipeline.operations import Tuning
from pipeline.rules.base import Bad, Rule, View

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
GIB, MIB = 1024.0**3, 1024.0**2
LEAST_SHARE, MOST_GIB, COPIES = 0.05, 10.0, 3
"""A twentieth of a large disk is plenty. A compaction and a backup each need the warehouse's size again."""
LEAST_JUMP_MIB, JUMP_SHARE = 64.0, 0.05
"""Growth below this a day fills no disk, whatever it is compared with."""
LEAST_LEFT = 30 * DAY


def disk_low(view: View, limit_gib: float, usage: Callable[[Path], Any] = shutil.disk_usage) -> Iterator[Bad]:
    """The warehouse's file system, with less free than `limit_gib`, 5 % of it, or three times the warehouse."""
    disk = usage(view.warehouse.path.parent)
    size = view.warehouse.path.stat().st_size if view.warehouse.path.exists() else 0
    own = view.operations.alerts.get("disk_low", Tuning()).limit or LEAST_GIB
    # All three move with the limit, so that none flaps.
    wanted = limit_gib / own * max(own * GIB, min(LEAST_SHARE * disk.total, MOST_GIB * GIB), COPIES * size)
    if disk.free >= wanted:
        return
    message = (
        f"{disk.free / GIB:.1f} GiB are free where the warehouse lives ({disk.free / disk.total:.0%} of "
        f"{disk.total / GIB:.0f} GiB), {wanted / GIB:.1f} GiB are wanted. Free space, or move SEXTANT_BACKUPS; "
        "on a full disk jobs fail cleanly and lose nothing, but nothing new is stored."
    )
    yield Bad("disk", message, None, {"free_bytes": disk.free, "total_bytes": disk.total, "warehouse_bytes": size})


def warehouse_growing(view: View, times: float) -> Iterator[Bad]:
    """What is stored, backups included, when a day grew `times` as much as usual, or fills the disk within a month."""
    names = machine.sharing(view.warehouse, view.settings)
    history = view.warehouse.ask("capacity_history", names=names, since=view.now - 60 * DAY)
    disk = shutil.disk_usage(view.warehouse.path.parent)
    usual = machine.project(history[history["measured_at"] < view.now - DAY], room=float(disk.free))
    if usual is None:
        return
    before = history[history["measured_at"] < history["measured_at"].iloc[-1] - 0.9 * DAY].iloc[-1]
    newest = history.iloc[-1]
    grown = (newest.value - before.value) / ((newest.measured_at - before.measured_at) / DAY)
    evidence = {"bytes": newest.value, "per_day": usual.per_day, "newest_day": grown, "n": usual.n}
    said = ""
    if grown > max(times * usual.per_day, LEAST_JUMP_MIB * MIB, JUMP_SHARE * newest.value):
        said = f"grew by {grown / MIB:,.0f} MiB in a day, {usual.per_day / MIB:,.1f} are usual (median, n = {usual.n})"
    elif usual.days_left is not None and usual.days_left * DAY < LEAST_LEFT:
        said = f"grows by {usual.per_day / MIB:,.1f} MiB a day and fills the disk in {usual.days_left:.0f} days"
    if said:
        message = (
            f"what is stored {said}. Jobs page, capacity, shows what grows; "
            "`python jobs.py compact` gives freed room back."
        )
        yield Bad("warehouse", message, newest.measured_at.to_pydatetime(), evidence)


def scheduler_dead(view: View, limit_min: float) -> Iterator[Bad]:
    """The scheduler: nobody leads and the last sign of life is older than the limit, or that was so within a day."""
    terms = view.warehouse.ask("terms", since=view.now - DAY).to_dict("records")
    for before, after in pairwise(terms):
        lost, back = _last_sign(before), after["started_at"]
        if back - lost > limit_min * MINUTE and back > view.now - DAY:
            message = (
                f"no scheduler led from {lost:%d %b %H:%M}Z to {back:%H:%M}Z ({_why(before)}); one leads again and "
                "makes up for what it may. Hours that were not issued are listed on the Jobs page."
            )
            span = {"minutes": round((back - lost) / MINUTE), "host": before["host"]}
            yield Bad("scheduler", message, lost, span, "warning", event=before["term_id"], over=True)
    if terms and not view.warehouse.scheduler_alive() and view.now - _last_sign(terms[-1]) > limit_min * MINUTE:
        lost = _last_sign(terms[-1])
        message = (
            f"no scheduler leads since {lost:%d %b %H:%M}Z ({_why(terms[-1])}): nothing is fetched or issued. "
            "Start `python jobs.py up` or `schedule`."
        )
        yield Bad("scheduler", message, lost, {"host": terms[-1]["host"]}, event=terms[-1]["term_id"])


def _last_sign(term: dict[Any, Any]) -> Any:
    sign = term["heartbeat_at"] if pd.isna(term["ended_at"]) else term["ended_at"]
    return sign.to_pydatetime()


def _why(term: dict[Any, Any]) -> str:
    return "it ended without a word" if pd.isna(term["reason"]) else str(term["reason"])


def delivery_failed(view: View, times: float) -> Iterator[Bad]:
    """Channels in use whose newest `times` attempts or more all failed, or that were refused a message for good."""
    channels = discover("pipeline.channels", "CHANNEL")
    for row in view.warehouse.ask("failing_channels").to_dict("records"):
        channel = channels.get(row["channel"])
        enough = row["n"] >= times or row["given_up"]
        if not enough or channel is None or channel.ready(view.settings) is not None:
            continue
        times_failed = f"{row['n']} attempt{'s' if row['n'] > 1 else ''} in a row"
        message = (
            f"{times_failed} by {row['channel']} failed since {row['failing_from']:%d %b %H:%M}Z: {row['error']} "
            "Check its settings and its receiver; other channels go on."
        )
        yield Bad(row["channel"], message, row["failing_from"].to_pydatetime(), {"n": int(row["n"])})


def backup_old(view: View, limit_h: float) -> Iterator[Bad]:
    """The newest backup that lies whole in the folder, or the warehouse without any, older than the limit."""
    with view.warehouse.read() as session:
        rows = session.ask("newest_backups", now=view.now).to_dict("records")
        began = session.ask("warehouse_began").began_at.iloc[0].to_pydatetime()
    if not rows and "backup" not in view.jobs:
        return
    good = next((row for row in rows if _whole(view.settings.backups / row["name"], row["bytes"])), None)
    since = began if good is None else good["made_at"].to_pydatetime()
    if view.now - since <= limit_h * HOUR:
        return
    age = f"{(view.now - since) / HOUR:.0f} h"
    what = f"the newest good backup, {good['name']}, is {age} old" if good else f"there is no good backup after {age}"
    message = f"{what}; one every {limit_h:.0f} h is wanted. Run `python jobs.py backup` and read why the job did not."
    yield Bad("backup", message, since + limit_h * HOUR, {"newest": good["name"] if good else None})


def _whole(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


LEAST_GIB = 2.0
RULES = (
    Rule("disk_low", "Disk nearly full", "critical", disk_low, limit=LEAST_GIB, unit="GiB free", clear=1.2,
         good="there is room on the disk again"),
    Rule("warehouse_growing", "Warehouse grows fast", "warning", warehouse_growing, limit=3,
         unit="times its usual growth", escalate=None, good="it grows as usual"),
    Rule("scheduler_dead", "No scheduler", "critical", scheduler_dead, limit=3, unit="minutes",
         escalate=timedelta(minutes=30), good="a scheduler leads again"),
    Rule("delivery_failed", "Alerts are not delivered", "critical", delivery_failed, limit=3, unit="attempts in a row",
         good="its newest message was delivered, or it is not in use any more"),
    Rule("backup_old", "No recent backup", "warning", backup_old, limit=48, unit="hours", escalate=DAY,
         good="there is a recent backup"),
)  # fmt: skip
