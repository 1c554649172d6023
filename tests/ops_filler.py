"""A filled warehouse -> the same with a timetable, alerts, deliveries, quality, gaps, missed issues and capacity."""

import json
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from pipeline.runs import new_run, run_frame
from pipeline.warehouse import Session

DAY = pd.Timedelta(days=1)
CHAIN = ("ingest", "actuals", "features", "forecast", "backfill")
GIB = 1024.0**3
HOLE = "DELETE FROM raw WHERE series = $series AND valid_at >= $first AND valid_at < $last"
REVISED = """
INSERT INTO actuals
SELECT * REPLACE (value + 6 + hour(valid_at) AS value, known_at + INTERVAL 150 MINUTE AS known_at) FROM actuals
WHERE target = $target AND valid_at >= $since AND hour(valid_at) % 5 = 2 AND known_at < $since + INTERVAL 8 DAY;
"""
OPEN_ALERTS = (
    (
        "al-job",
        "job_failed",
        "ingest",
        "critical",
        1.2,
        "ingest failed 3 times since 09:08: the source did not answer.",
    ),
    ("al-stale", "stale_data", "demo.temperature", "warning", 7.5, "Temperature is 8 intervals behind: no answer."),
    ("al-drift", "drift", "demo.load", "info", 30.0, "2 of 30 subjects drifted in the week to Fri 20 Nov."),
)


def fill(session: Session, at: pd.Timestamp, target: str) -> None:
    """Rows in every table of the operations, ending at `at`."""
    hole = at.floor("h") - timedelta(hours=20)
    session.script(HOLE, series=target, first=hole, last=hole + timedelta(minutes=40))
    session.script(REVISED, target=target, since=at - 9 * DAY)
    session.append("schedule", schedule(at))
    session.append("scheduler_terms", terms(at))
    session.append("missed_issues", missed(at, target))
    session.append("quality", quality(at))
    session.append("capacity", capacity(at))
    session.append("alert_flips", flips(at))
    session.append("alert_acts", acts(at))
    session.append("notifications", notices(at))
    session.append("maintenance", maintenance(at))
    session.append("backups", backups(at))


def busy(session: Session, at: pd.Timestamp) -> None:
    """A training run that runs three times as long as usual, and a queued one behind it."""
    running = new_run("train", by="scheduler", reason="", args={"force": True}, now=(at - timedelta(minutes=11)))
    running |= {
        "run_id": "running00001", "state": "running", "started_at": at - timedelta(minutes=11), "heartbeat_at": at,
        "pid": 4242, "log": "2026-11-20 10:09:00Z comparing 3 families on 24,000 origins",
    }  # fmt: skip
    queued = new_run("backtest", by="local", reason="look at winter", args={}, now=at - timedelta(minutes=2))
    session.append("job_runs", run_frame([running, queued | {"run_id": "queued000001"}]))


def runs(at: pd.Timestamp) -> list[dict[str, Any]]:
    """A planned run that was missed, one that was cancelled, and one that failed twice and then went well."""

    def run(job: str, run_id: str, hours: float, state: str, **more: Any) -> dict[str, Any]:
        start = (at - timedelta(hours=hours)).to_pydatetime()
        row = new_run(job, by="scheduler", reason="", args={}, now=start) | {"run_id": run_id, "state": state}
        if state != "missed":
            row |= {"started_at": start, "heartbeat_at": start, "ended_at": start + timedelta(seconds=70)}
        return row | more

    nights = [
        run("tidy", f"tidy{back:08d}", 24.0 * back + 9, "succeeded", cpu_s=44.0, peak_mb=420.0 - 2 * back)
        for back in range(40)
    ]
    why = "AuthRefused: esios refuses the token; set ESIOS_API_KEY anew."
    again = {"first_run_id": "deadline0001", "attempt": 2, "reason": "try 2 of 3 after deadline"}
    return [
        *nights,
        run("backup", "missed000001", 7.6, "missed", reason="no scheduler from 02:10 to 02:55", slot_at=at - DAY / 3),
        run("backtest", "cancelled001", 5.2, "cancelled", cancel_by="ada", cancel_reason="wrong window"),
        run("quality", "deadline0001", 3.4, "failed", failure="deadline", error="ended at its 15 minutes"),
        run("quality", "deadline0002", 3.3, "succeeded", **again),
        run("ingest", "auth00000001", 2.1, "failed", failure="auth", error=why),
    ]  # fmt: skip


def schedule(at: pd.Timestamp) -> pd.DataFrame:
    """The chain and each of its jobs every five minutes, three jobs once a day."""
    slot = at.floor("5min")
    rows = [(job, "every 5 min", "skip", slot, slot + timedelta(minutes=5)) for job in ("chain", *CHAIN)]
    for job, hours in (("train", 17.2), ("tidy", 15.8), ("backup", 16.4)):
        rows.append((job, "daily", "run", at + timedelta(hours=hours) - DAY, at + timedelta(hours=hours)))
    columns = ["job", "cadence", "missed", "last_slot_at", "next_at"]
    frame = pd.DataFrame(rows, columns=columns).assign(zone="UTC", last_run_id=None, updated_at=at)
    return frame.assign(last_run_id=frame["last_run_id"].astype("str").where(frame["last_run_id"].notna(), None))


def terms(at: pd.Timestamp) -> pd.DataFrame:
    """A scheduler that was killed two days ago and the one that took over."""
    rows = [
        ("term1", 811, at - 9 * DAY, at - 2 * DAY, at - 2 * DAY, "ended without a word"),
        ("term2", 4711, at - 2 * DAY + timedelta(seconds=9), at, None, None),
    ]
    frame = pd.DataFrame(rows, columns=["term_id", "pid", "started_at", "heartbeat_at", "ended_at", "reason"])
    return _utc(frame.assign(host="desk", born=1.0), "ended_at")


def missed(at: pd.Timestamp, target: str) -> pd.DataFrame:
    """Two hours for which nothing was issued in time."""
    origins = [at.floor("h") - timedelta(hours=back) for back in (50, 51)]
    why = "no scheduler from Wed 18 Nov 07:02 to 09:11 UTC"
    return pd.DataFrame(
        {"target": target, "origin": origins, "reason": why, "noted_at": at - 2 * DAY, "run_id": "features0049"}
    )


def quality(at: pd.Timestamp, days: int = 28) -> pd.DataFrame:
    """Series by day: one with gaps, one with a stuck meter, and a clock change on 25 October."""
    ends = pd.date_range(at.tz_convert("Europe/Madrid").normalize() - days * DAY, periods=days + 1, freq="D")
    rows = []
    for series, slots in (("load", 288), ("load_forecast", 24), ("temperature", 24), ("price", 24)):
        for place, day in enumerate(ends):
            rows.append(_day(f"demo.{series}", day.tz_convert("UTC"), slots, place, today=place == days, at=at))
    return _utc(pd.DataFrame(rows), "flat_from", "jump_at", "day_start", "day_end")


def _day(series: str, start: pd.Timestamp, slots: int, place: int, *, today: bool, at: pd.Timestamp) -> dict[str, Any]:
    expected = int(slots * (at - start) / DAY) if today else slots
    lost = {("demo.temperature", 28): 8, ("demo.load", 21): 31, ("demo.temperature", 12): 24}.get((series, place), 0)
    lost, stuck = min(lost, expected), series == "demo.load" and place == 17
    return {
        "series": series, "day_start": start, "day_end": start + DAY, "expected": expected, "present": expected - lost,
        "missing": lost, "longest_gap_min": lost * 1440.0 / slots, "flat_min": 95.0 if stuck else 0.0,
        "flat_from": start + DAY / 3 if stuck else None, "out_of_range": 2 if place == 9 else 0, "jumps": 0,
        "largest_jump": 210.5, "jump_at": start + DAY / 2, "duplicates": 0, "off_grid": 0,
        "revisions": 12 if series == "demo.load" else 0, "revised_mean": 14.2 if series == "demo.load" else np.nan,
        "clock_change": False, "verdict": "gaps" if lost else "flat" if stuck else "range" if place == 9 else "ok",
        "checked_at": at - timedelta(minutes=4), "run_id": "quality00001",
    }  # fmt: skip


def capacity(at: pd.Timestamp, days: int = 60) -> pd.DataFrame:
    """Two months of a warehouse that grows by 2 MiB a day on a disk of 40 GiB."""
    rows = []
    for back in range(days):
        when, size = at - back * DAY, (days - back) * 2.0 * 1024**2
        sizes = {
            "warehouse_bytes": 180 * 1024**2 + size, "models_bytes": 40 * 1024**2 + size / 4,
            "backups_bytes": min(30, days - back) * 60.0 * 1024**2, "wal_bytes": 0.0,
            "disk_free_bytes": 22 * GIB - 6 * size, "disk_total_bytes": 40 * GIB,
            "rows:raw": 300_000 + 400.0 * (days - back),
        }  # fmt: skip
        rows += [{"measured_at": when, "what": what, "value": value} for what, value in sizes.items()]
    return pd.DataFrame(rows).assign(run_id="tidy00000001")


def flips(at: pd.Timestamp) -> pd.DataFrame:
    """Three open alerts, and a fortnight of those that passed."""
    rows = [_flip(*alert[:4], message=alert[5], at=at - timedelta(hours=alert[4])) for alert in OPEN_ALERTS]
    past = (("stale_data", "demo.load", "warning"), ("job_long", "train", "info"), ("disk_low", "disk", "critical"))
    for place in range(14):
        rule, subject, severity = past[place % 3]
        when, alert_id = at - (place + 1) * DAY, f"past{place:02d}"
        lasted = timedelta(minutes=20 + 37 * place)
        rows.append(_flip(alert_id, rule, subject, severity, message=f"{subject} was not well.", at=when))
        said = f"Lasted {lasted}; {subject} is well again."
        ended = _flip(alert_id, rule, subject, severity, message=said, at=when + lasted, since=when)
        rows.append(ended | {"flip_id": f"{alert_id}-r", "state": "resolved"})
    return pd.DataFrame(rows)


def _flip(
    alert_id: str, rule: str, subject: str, severity: str, *, message: str, at: pd.Timestamp, since: Any = None
) -> dict[str, Any]:
    evidence = {"run_id": "ingest000002", "tries": 3} if rule == "job_failed" else {"limit": 6, "value": 8}
    return {
        "flip_id": alert_id, "alert_id": alert_id, "rule": rule, "subject": subject, "state": "firing",
        "severity": severity, "message": message, "evidence": json.dumps(evidence), "since": since or at,
        "flipped_at": at, "run_id": "alert0000001",
    }  # fmt: skip


def acts(at: pd.Timestamp) -> pd.DataFrame:
    """One alert acknowledged, one asleep until tomorrow."""
    rows = [
        ("act1", "al-stale", "acknowledge", "otto", "the provider mends its feed", None),
        ("act2", "al-drift", "snooze", "ada", "holiday week", at + timedelta(hours=20)),
    ]
    columns = ["act_id", "alert_id", "kind", "actor", "reason", "until"]
    return _utc(pd.DataFrame(rows, columns=columns).assign(acted_at=at - timedelta(hours=1)), "until")


def notices(at: pd.Timestamp) -> pd.DataFrame:
    """What was sent of the open alerts, with two attempts that failed."""
    refused = "webhook: ops.example answered 503; it is tried again."
    rows = [
        ("n1", "al-job", "fired", "webhook", 1, "failed", refused, 70),
        ("n2", "al-job", "fired", "webhook", 2, "failed", refused, 68),
        ("n3", "al-job", "fired", "webhook", 3, "sent", None, 64),
        ("n4", "al-job", "fired", "email", 1, "sent", None, 70),
        ("n5", "al-job", "escalated", "email", 1, "sent", None, 9),
        ("n6", "al-stale", "fired", "email", 1, "sent", None, 450),
        ("n7", "past00", "resolved", "email", 1, "sent", None, 1400),
    ]
    columns = ["notification_id", "alert_id", "kind", "channel", "attempt", "state", "error", "minutes"]
    frame = pd.DataFrame(rows, columns=columns)
    started = [at - timedelta(minutes=back) for back in frame.pop("minutes")]
    ended = [one + timedelta(seconds=2) for one in started]
    frame = frame.assign(started_at=started, ended_at=ended, again_at=None, run_id="notify000001")
    return _utc(frame.assign(message_key=frame["alert_id"] + "-" + frame["kind"]), "again_at")


def maintenance(at: pd.Timestamp) -> pd.DataFrame:
    """A window that is over and one that comes."""
    rows = [
        ("w1", "*", "*", at - 6 * DAY, at - 6 * DAY + timedelta(hours=2), "move to the new disk"),
        (
            "w2",
            "stale_data",
            "demo.",
            at + 2 * DAY,
            at + 2 * DAY + timedelta(hours=4),
            "the provider's own maintenance",
        ),
    ]
    columns = ["window_id", "rule", "subject", "first_at", "last_at", "reason"]
    return pd.DataFrame(rows, columns=columns).assign(actor="ada", declared_at=at - 7 * DAY)


def backups(at: pd.Timestamp) -> pd.DataFrame:
    """One a night, three nights."""
    made = [at - back * DAY - timedelta(hours=8) for back in range(3)]
    return pd.DataFrame({
        "backup_id": ["b0", "b1", "b2"], "name": [f"sextant-{one:%Y%m%d}.sextant" for one in made], "made_at": made,
        "bytes": 61_000_000, "rows": 420_000, "sha256": "9f" * 32, "why": "daily", "run_id": "backup000001",
    })  # fmt: skip


def _utc(frame: pd.DataFrame, *names: str) -> pd.DataFrame:
    times = {name: pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]") for name in names}
    return frame.assign(**times)
