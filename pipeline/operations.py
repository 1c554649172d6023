"""sextant.toml -> how the service is run: timetable, limits of alerts, channels and what is kept how long."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from pipeline.configuring.kinds import OF_DAY, SWITCH, ZONE, Checker, Key, nearest, number, whole, word
from pipeline.configuring.toml import read
from pipeline.discovery import declared, listed

SEVERITIES = ("info", "warning", "critical")
MISSED = ("run", "skip")
WORDS = {"job": "job", "alert": "rule", "channel": "channel"}
MINUTES, DAYS = number(0, 10080, what="minutes"), Key(number(1, 3650, what="days"))
SOME_MINUTES = number(0, 10080, above=True, what="minutes")
JOB = {
    "every_min": Key(SOME_MINUTES),
    "at": Key(OF_DAY),
    "zone": Key(ZONE),
    "missed": Key(word(MISSED)),
    "jitter_s": Key(number(0, 86400, what="seconds")),
    "deadline_min": Key(SOME_MINUTES),
    "tries": Key(whole(1, 3)),
}
ALERT = {
    "limit": Key(number(0)),
    "after_min": Key(MINUTES),
    "severity": Key(word(SEVERITIES)),
    "escalate_min": Key(MINUTES),
    "off": Key(SWITCH),
}
CHANNEL = {"least": Key(word(SEVERITIES))}
RETENTION = {f"{name}_days": DAYS for name in ("logs", "runs", "raw_versions", "shadows", "backups")}


@dataclass(frozen=True)
class JobPlan:
    """What `[job.NAME]` changes of a job's own timetable; None leaves it as the job says."""

    every: timedelta | None = None
    at: str | None = None
    zone: str | None = None
    missed: str | None = None
    jitter: timedelta | None = None
    deadline: timedelta | None = None
    tries: int | None = None


@dataclass(frozen=True)
class Tuning:
    """What `[alert.RULE]` changes of a rule; None leaves it as the rule says.

    `limit` is in the rule's own unit, `after` how long bad must last before it counts, `escalate` how long
    an alert may stay unacknowledged before it is sent again as critical.
    """

    limit: float | None = None
    after: timedelta | None = None
    severity: str | None = None
    escalate: timedelta | None = None
    off: bool = False


@dataclass(frozen=True)
class Retention:
    """How long is kept what no figure on screen needs any more."""

    logs: timedelta = timedelta(days=30)
    runs: timedelta = timedelta(days=400)
    raw_versions: timedelta = timedelta(days=400)
    shadows: timedelta = timedelta(days=120)
    backups: timedelta = timedelta(days=30)


@dataclass(frozen=True)
class Operations:
    """`channels` maps a channel to the least severity it is told of; a channel not named hears everything."""

    jobs: Mapping[str, JobPlan] = field(default_factory=dict)
    alerts: Mapping[str, Tuning] = field(default_factory=dict)
    channels: Mapping[str, str] = field(default_factory=dict)
    retention: Retention = Retention()


def load_operations(path: Path) -> Operations:
    """Read the tables job, alert, channel and retention of `path`; all may be absent.

    Raises ConfigError naming the place when a word or value cannot be used.
    """
    checker = Checker(read(path))
    found = check_operations(checker)
    checker.refuse()
    return found


def check_operations(checker: Checker) -> Operations:
    """The same of a file that is read already; mistakes are noted, and what is wrong is left as it usually is."""
    tables = checker.file.tables
    jobs = checker.tables(("job",), tables.get("job", {}), JOB)
    alerts = checker.tables(("alert",), tables.get("alert", {}), ALERT)
    channels = checker.tables(("channel",), tables.get("channel", {}), CHANNEL)
    kept = checker.table(("retention",), tables.get("retention", {}), RETENTION)
    _known(checker, "job", jobs, lambda: {"chain", *declared("pipeline.jobs", "JOB")})
    _known(checker, "alert", alerts, lambda: listed("pipeline.rules", "RULES"))
    _known(checker, "channel", channels, lambda: declared("pipeline.channels", "CHANNEL"))
    return Operations(
        jobs={name: _plan(row) for name, row in jobs.items()},
        alerts={name: _tuning(row) for name, row in alerts.items()},
        channels={name: row.get("least", SEVERITIES[0]) for name, row in channels.items()},
        retention=Retention(**{name.removesuffix("_days"): timedelta(days=days) for name, days in kept.items()}),
    )


def _known(checker: Checker, table: str, rows: Iterable[str], known: Callable[[], Iterable[str]]) -> None:
    """What may be named is looked up only where something is: the rules alone take long to load."""
    for name in rows:
        if name not in (names := set(known())):
            checker.say((table, name), f"{table}.{name} is no {WORDS[table]}; {nearest(name, names, 'there are')}")


def _plan(row: Mapping[str, Any]) -> JobPlan:
    return JobPlan(
        every=_span(row, "every_min", minutes=1),
        at=row.get("at"),
        zone=row.get("zone"),
        missed=row.get("missed"),
        jitter=_span(row, "jitter_s", minutes=1 / 60),
        deadline=_span(row, "deadline_min", minutes=1),
        tries=row.get("tries"),
    )


def _tuning(row: Mapping[str, Any]) -> Tuning:
    limit = row.get("limit")
    return Tuning(
        limit=None if limit is None else float(limit),
        after=_span(row, "after_min", minutes=1),
        severity=row.get("severity"),
        escalate=_span(row, "escalate_min", minutes=1),
        off=row.get("off", False),
    )


def _span(row: Mapping[str, Any], name: str, *, minutes: float) -> timedelta | None:
    value = row.get(name)
    return None if value is None else timedelta(minutes=value * minutes)
