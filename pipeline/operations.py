"""sextant.toml -> how the service is run: timetable, limits of alerts, channels and what is kept how long."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipeline.errors import ConfigError

SEVERITIES = ("info", "warning", "critical")
MISSED = ("run", "skip")


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
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path.name}: {error}; mend the file or restore it from git.") from error
    try:
        return Operations(
            jobs={name: _plan(f"job.{name}", row) for name, row in tables.get("job", {}).items()},
            alerts={name: _tuning(f"alert.{name}", row) for name, row in tables.get("alert", {}).items()},
            channels={name: _channel(f"channel.{name}", row) for name, row in tables.get("channel", {}).items()},
            retention=_retention(tables.get("retention", {})),
        )
    except (ValueError, AttributeError, TypeError) as error:
        raise ConfigError(f"{path.name}: {error}; mend the value.") from error


def _plan(where: str, row: Mapping[str, Any]) -> JobPlan:
    _known(where, row, ("every_min", "at", "zone", "missed", "jitter_s", "deadline_min", "tries"))
    if "at" in row:
        try:
            time.fromisoformat(row["at"])
        except (TypeError, ValueError) as error:
            raise ValueError(f"{where}.at is {row['at']!r}; write a time of day such as '03:30'") from error
    if "zone" in row:
        try:
            ZoneInfo(row["zone"])
        except (ZoneInfoNotFoundError, ValueError, TypeError) as error:
            raise ValueError(f"{where}.zone {row['zone']!r} is no time zone; write one such as 'UTC'") from error
    tries = _number(where, row, "tries", least=1)
    return JobPlan(
        every=_span(where, row, "every_min", minutes=1),
        at=row.get("at"),
        zone=row.get("zone"),
        missed=_word(where, row, "missed", MISSED),
        jitter=_span(where, row, "jitter_s", minutes=1 / 60),
        deadline=_span(where, row, "deadline_min", minutes=1),
        tries=None if tries is None else int(tries),
    )


def _tuning(where: str, row: Mapping[str, Any]) -> Tuning:
    _known(where, row, ("limit", "after_min", "severity", "escalate_min", "off"))
    if not isinstance(row.get("off", False), bool):
        raise ValueError(f"{where}.off is {row['off']!r}; write true or false")
    return Tuning(
        limit=_number(where, row, "limit"),
        after=_span(where, row, "after_min", minutes=1),
        severity=_word(where, row, "severity", SEVERITIES),
        escalate=_span(where, row, "escalate_min", minutes=1),
        off=row.get("off", False),
    )


def _channel(where: str, row: Mapping[str, Any]) -> str:
    _known(where, row, ("least",))
    return _word(where, row, "least", SEVERITIES) or SEVERITIES[0]


def _retention(row: Mapping[str, Any]) -> Retention:
    names = tuple(vars(Retention()))
    _known("retention", row, tuple(f"{name}_days" for name in names))
    spans = {name: _span("retention", row, f"{name}_days", minutes=24 * 60) for name in names}
    return Retention(**{name: span for name, span in spans.items() if span is not None})


def _known(where: str, row: Mapping[str, Any], names: tuple[str, ...]) -> None:
    strange = sorted(set(row) - set(names))
    if strange:
        raise ValueError(f"{where} has {', '.join(strange)}; it may have {', '.join(names)}")


def _word(where: str, row: Mapping[str, Any], name: str, words: tuple[str, ...]) -> str | None:
    if row.get(name) not in (None, *words):
        raise ValueError(f"{where}.{name} is {row[name]!r}; use one of {', '.join(words)}")
    return row.get(name)


def _span(where: str, row: Mapping[str, Any], name: str, *, minutes: float) -> timedelta | None:
    value = _number(where, row, name)
    return None if value is None else timedelta(minutes=value * minutes)


def _number(where: str, row: Mapping[str, Any], name: str, *, least: float = 0) -> float | None:
    value = row.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < float("inf"):
        raise ValueError(f"{where}.{name} is {value!r}; write a number of at least {least:g}")
    return float(value)
