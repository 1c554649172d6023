"""Alerts + earlier attempts -> messages that are due now, a channel; attempts -> rows of `notifications`."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import pandas as pd

from pipeline.alerting import rules, silenced
from pipeline.channels.base import Notice
from pipeline.channels.wording import clock
from pipeline.contracts import SEVERITIES
from pipeline.errors import ChannelFailed
from pipeline.redacting import redact
from pipeline.settings import Settings
from pipeline.warehouse import Session

SILENT_AFTER = timedelta(minutes=5)
TOLD_WITHIN = timedelta(days=1)
NEW_CHANNEL_HEARS = timedelta(hours=1)
MOST_TRIES = 8
MOST_MESSAGES = 10
LONGEST_BACK_OFF = timedelta(minutes=30)
LONGEST_WAIT = timedelta(hours=6)
NO_WORD = "no word from the attempt: its run ended between sending and writing down how it went."


@dataclass(frozen=True)
class Item:
    """One notice that is due: its number of attempt, and the key of the message it went in before, if any."""

    notice: Notice
    attempt: int
    message_key: str | None


@dataclass(frozen=True)
class Message:
    """What is sent at once: one notice, or a summary of several."""

    notice: Notice
    items: tuple[Item, ...]


def due(
    session: Session, *, channels: Mapping[str, str], escalated: Iterable[str], settings: Settings, now: datetime
) -> dict[str, list[Message]]:
    """The messages each channel is to be sent now, oldest first. `channels` maps names to the least severity they hear.

    A channel never used before hears of open alerts and of those of the last hour only. An alert that resolved
    before it was told is told once, as resolved; one whose whole life lies in maintenance is not told.
    `escalated` are ids of alerts nobody took.
    """
    since = now - TOLD_WITHIN
    alerts = session.ask("alerts_to_tell", since=since).to_dict("records")
    windows = session.ask("maintenance_windows", since=since).to_dict("records")
    hushed = {alert["alert_id"] for alert in alerts if _within(alert, windows, now)}
    first = session.ask("channels_used").set_index("channel")["since"]
    told: dict[tuple[str, str], dict[str, Attempt]] = {}
    for row in session.ask("newest_attempts", since=since).to_dict("records"):
        told.setdefault((row["channel"], row["alert_id"]), {})[row["kind"]] = row
    late, found = set(escalated), {}
    for channel, least in channels.items():
        items = []
        for alert in alerts:
            before = told.get((channel, alert["alert_id"]), {})
            if alert["alert_id"] in hushed and not before:
                continue
            kind = _kind(alert, before, least, first.get(channel, now), late=alert["alert_id"] in late)
            last = None if kind is None else _last(before, kind)
            if kind is not None and _may_be_tried(last, now):
                items.append(_item(alert, kind, last, before, settings, now))
        found[channel] = _messages(items)
    return found


_KINDS = ("fired", "resolved", "escalated")
Attempt = Mapping[Any, Any]


def _kind(
    alert: Mapping[Any, Any], before: Mapping[str, Attempt], least: str, first: datetime, *, late: bool
) -> str | None:
    """What a channel in use since `first` should know of this alert by now: its newest state, or nothing.

    Nobody can answer what was not told, so an alert is fired before it is escalated.
    """
    loud = SEVERITIES.index(alert["severity"]) >= SEVERITIES.index(least)
    if pd.isna(alert["resolved_at"]):
        return "escalated" if late and (before or not loud) else "fired" if loud else None
    heard = loud and alert["flipped_at"] >= first - NEW_CHANNEL_HEARS
    return "resolved" if before or heard else None


def _within(alert: Mapping[Any, Any], windows: list[dict[Any, Any]], now: datetime) -> bool:
    """Whether it fired in a maintenance window, as one declared afterwards may cover, and is not over outside."""
    last = now if pd.isna(alert["resolved_at"]) else alert["resolved_at"]
    return all(silenced(windows, alert["rule"], alert["subject"], at) for at in (alert["flipped_at"], last))


def _last(before: Mapping[str, Attempt], kind: str) -> Attempt | None:
    """The newest attempt at what is to be told now."""
    last = before.get(kind)
    return None if last is None or last["past"] else last


def _may_be_tried(last: Attempt | None, now: datetime) -> bool:
    """Not what was told, is being told, was given up, or is to wait."""
    return last is None or bool(last["state"] == "failed" and last["again_at"] <= now)


def _item(
    alert: Mapping[Any, Any],
    kind: str,
    last: Attempt | None,
    before: Mapping[str, Attempt],
    settings: Settings,
    now: datetime,
) -> Item:
    news = all(row["state"] != "sent" for row in before.values())
    notice = _notice(alert, kind, settings, now, news=news)
    return Item(notice, int(last["attempt"]) + 1 if last else 1, str(last["message_key"]) if last else None)


def _notice(alert: Mapping[Any, Any], kind: str, settings: Settings, now: datetime, *, news: bool) -> Notice:
    rule = rules().get(alert["rule"])
    public = settings.channels.public_url
    over = None if pd.isna(alert["resolved_at"]) else alert["resolved_at"].to_pydatetime()
    fired = alert["flipped_at"].to_pydatetime()
    anew = kind == "escalated" and not pd.isna(alert["anew_from"])
    waits_from = alert["anew_from"].to_pydatetime() if anew else fired
    words = {
        "fired": alert["message"],
        "escalated": f"{alert['message']} Nobody has acknowledged it since {clock(waits_from)}.",
        "resolved": f"{alert['message']} Good again: {alert['resolved_message']}"
        if news
        else alert["resolved_message"],
    }
    return Notice(
        key=f"{alert['alert_id']}-{kind}" + (f"-{waits_from:%Y%m%dT%H%M%S}" if anew else ""),
        kind=kind,
        alert_id=alert["alert_id"],
        rule=alert["rule"],
        title=rule.title if rule else alert["rule"],
        subject=alert["subject"],
        severity="critical" if kind == "escalated" else alert["severity"],
        message=words[kind],
        since=alert["since"].to_pydatetime(),
        at={"fired": fired, "escalated": now, "resolved": over or now}[kind],
        resolved_at=over,
        runbook=f"RUNBOOK.md#{alert['rule']}",
        link=f"{public}/alerts?alert={alert['alert_id']}" if public else None,
    )


def _messages(items: list[Item]) -> list[Message]:
    """One message a notice; what went in one message goes in one again; very many become a summary."""
    together: dict[str, list[Item]] = {}
    for item in items:
        together.setdefault(item.message_key or item.notice.key, []).append(item)
    if len(together) > MOST_MESSAGES:
        keys = "\n".join(sorted(item.notice.key for item in items))
        together = {f"summary-{sha256(keys.encode()).hexdigest()[:16]}": items}
    return [Message(_joined(key, some), tuple(some)) for key, some in together.items()]


def _joined(key: str, items: list[Item]) -> Notice:
    parts = tuple(item.notice for item in items)
    if len(parts) == 1:
        return replace(parts[0], key=key)
    counts = [(kind, sum(part.kind == kind for part in parts)) for kind in _KINDS]
    said = ", ".join(f"{n} {kind}" for kind, n in counts if n)
    return replace(
        parts[0],
        key=key,
        kind="summary",
        alert_id=key,
        rule="summary",
        title=f"{len(parts)} alerts",
        subject=said,
        severity=max((part.severity for part in parts), key=SEVERITIES.index),
        message=f"{len(parts)} alerts changed at once: {said}.",
        since=min(part.since for part in parts),
        at=max(part.at for part in parts),
        resolved_at=None,
        runbook="RUNBOOK.md",
        link=parts[0].link.partition("?")[0] if parts[0].link else None,
        parts=parts,
    )


def cleaned(notice: Notice, secrets: tuple[str, ...]) -> Notice:
    """The same notice without the secrets that some message may have picked up."""
    return replace(
        notice,
        title=redact(notice.title, secrets),
        subject=redact(notice.subject, secrets),
        message=redact(notice.message, secrets),
        parts=tuple(cleaned(part, secrets) for part in notice.parts),
    )


def begun(message: Message, *, channel: str, now: datetime, run_id: str) -> pd.DataFrame:
    """The rows of an attempt that is about to be made, one an alert."""
    return _frame([
        {
            "notification_id": uuid.uuid4().hex[:12],
            "alert_id": item.notice.alert_id,
            "kind": item.notice.kind,
            "channel": channel,
            "message_key": message.notice.key,
            "attempt": item.attempt,
            "state": "sending",
            "error": None,
            "started_at": now,
            "ended_at": None,
            "again_at": None,
            "run_id": run_id,
        }
        for item in message.items
    ])  # fmt: skip


def ended(rows: pd.DataFrame, failure: ChannelFailed | None, now: datetime) -> pd.DataFrame:
    """The same rows once the attempt is over: sent, or failed and when it is tried again."""
    if failure is None:
        return _frame([row | {"state": "sent", "ended_at": now} for row in _records(rows)])
    return _frame([
        row | {
            "state": "failed",
            "error": str(failure),
            "ended_at": now,
            "again_at": again_at(int(row["attempt"]), failure, now),
        }
        for row in _records(rows)
    ])  # fmt: skip


def again_at(attempt: int, failure: ChannelFailed, now: datetime) -> datetime | None:
    """When the next attempt is due after the `attempt`-th failed: 1, 2, 4 .. 30 minutes; None when there is none."""
    if not failure.again or attempt >= MOST_TRIES:
        return None
    wait = min(timedelta(minutes=2 ** (attempt - 1)), LONGEST_BACK_OFF)
    asked = timedelta(seconds=failure.retry_after_s or 0)
    return now + max(wait, min(asked, LONGEST_WAIT))


def silent(session: Session, now: datetime) -> pd.DataFrame:
    """Attempts whose run died while sending, as failed rows that are due again at once."""
    rows = session.ask("silent_attempts", before=now - SILENT_AFTER, now=now)
    return _frame([
        row | {
            "state": "failed",
            "error": NO_WORD,
            "ended_at": now,
            "again_at": None if row["attempt"] >= MOST_TRIES else now,
        }
        for row in _records(rows)
    ])  # fmt: skip


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    for name in ("started_at", "ended_at", "again_at"):
        if len(frame):
            frame[name] = pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]")
    return frame
