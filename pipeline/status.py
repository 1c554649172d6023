"""Warehouse + machine -> how the service is right now, as plain data for people, JSON and metrics.

Everything is read off the data themselves and the locks, so it is true also where no scheduler runs to raise alerts.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from pipeline import freshness, machine
from pipeline.errors import WrongFile
from pipeline.markets import Market, Target
from pipeline.punctuality import current_origin, newest_due
from pipeline.settings import Settings
from pipeline.warehouse import Session, Warehouse

WEEK, HOUR = timedelta(days=7), timedelta(hours=1)
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
WORDS = ("ok", "warning", "critical", "unknown")
Row = dict[str, Any]


@dataclass(frozen=True)
class Status:
    """`worst` is one of WORDS and its place there is the exit code of `jobs.py status`; `reasons` say why it is not ok.

    Rows are plain values by name, times aware UTC or None, sizes in bytes, durations in seconds.
    """

    at: datetime
    worst: str
    reasons: tuple[str, ...]
    scheduler: Row
    targets: tuple[Row, ...]
    series: tuple[Row, ...]
    jobs: tuple[Row, ...]
    alerts: tuple[Row, ...]
    backup: Row
    capacity: Row


def look(warehouse: Warehouse, settings: Settings, markets: dict[str, Market], now: datetime) -> Status:
    """The service as it stands at `now`.

    Raises NoWarehouse, Busy, Held as a read does, WrongFile when the warehouse is of an older release.
    """
    with warehouse.read() as session:
        if not session.migrated():
            raise WrongFile(
                "the warehouse is of an older release; any job migrates it, as `python jobs.py doctor` does."
            )
        sizes = machine.measure(warehouse, settings)
        term = _rows(session.ask("status_term"))[0]
        jobs = _rows(session.ask("status_jobs", since=now - WEEK))
        alerts = _rows(session.ask("status_alerts"))
        targets = _targets(session, [one for market in markets.values() for one in market.targets], now)
        series = [vars(one) for market in markets.values() for one in freshness.look(session, market, now)]
        names = machine.sharing(warehouse, settings)
        history = session.ask("capacity_history", names=names, since=now - timedelta(days=60))
    scheduler = {name: term[name] for name in ("host", "pid", "started_at", "heartbeat_at", "ended_at", "n_queued")}
    scheduler["alive"] = warehouse.scheduler_alive()
    growth = machine.project(history, room=sizes["disk_free_bytes"])
    judged = _judge(scheduler, targets, series, alerts)
    return Status(
        at=now,
        worst=WORDS[max((WORDS.index(word) for word, _ in judged), default=0)],
        reasons=tuple(reason for _, reason in judged),
        scheduler=scheduler,
        targets=tuple(targets),
        series=tuple(series),
        jobs=tuple(jobs),
        alerts=tuple(alerts),
        backup={"made_at": term["backup_at"], "bytes": term["backup_bytes"]},
        capacity=sizes | {"growth": None if growth is None else vars(growth)},
    )


def _targets(session: Session, targets: list[Target], now: datetime) -> list[Row]:
    """All targets in two questions: those without an issue in the last week are looked for in all there is."""
    asked: dict[str, Any] = {"since": now - WEEK, "due": current_origin(now)}
    found = _rows(session.ask("status_targets", targets=[one.id for one in targets], back=now - WEEK, **asked))
    silent = [row["target"] for row in found if row["origin"] is None]
    older = _rows(session.ask("status_targets", targets=silent, back=BEGINNING, **asked)) if silent else []
    by_id = {row["target"]: row for row in [*found, *older]}
    return [_target(one, by_id[one.id], now) for one in targets]


def _target(target: Target, row: Row, now: datetime) -> Row:
    due = newest_due(now - target.issue_delay - target.issue_grace, target.every)
    late = 0 if row["origin"] is None else max(0, -((row["origin"] - due) // target.every))
    return {"target": target.id, "unit": target.series.unit} | row | {"hours_late": late}


def _judge(scheduler: Row, targets: list[Row], series: list[Row], alerts: list[Row]) -> list[tuple[str, str]]:
    """(word, reason) of everything that is not well."""
    found = []
    if not scheduler["alive"]:
        found.append(
            ("critical", "no scheduler runs: nothing is fetched, forecast or trained; start `python jobs.py schedule`")
        )
    for row in targets:
        if row["n_ahead"]:
            found.append(("critical", _ahead(row)))
        if row["origin"] is None:
            found.append(("warning", f"{row['target']}: nothing was issued yet"))
        elif row["hours_late"]:
            found.append(("critical", f"{row['target']}: {row['hours_late']} issues are due and missing"))
        elif row["status"] != "ok":
            found.append(("warning", f"{row['target']}: the newest forecast is {row['status']}: {row['reason']}"))
    # A series that no source in use carries is never asked for, and nobody waits for it.
    wrong = [row for row in series if row["state"] == "late" or (row["state"] == "none" and row["asked_at"])]
    found += [("warning", f"{row['series']}: {row['why']}") for row in wrong]
    for row in alerts:
        found.append(
            ("critical" if row["severity"] == "critical" else "warning", f"alert {row['rule']}: {row['message']}")
        )
    return found


def _ahead(row: Row) -> str:
    many = "1 issue lies" if row["n_ahead"] == 1 else f"{row['n_ahead']} issues lie"
    return (
        f"{row['target']}: {many} in the future, to origin {row['ahead_to']:%d %b %H:%M}Z: the clock was ahead; "
        "see that this machine's time is right. Those hours are not issued again"
    )


def _rows(frame: pd.DataFrame) -> list[Row]:
    """Rows as plain values: times as datetime, anything missing as None."""
    return [{str(key): _plain(value) for key, value in row.items()} for row in frame.to_dict("records")]


def _plain(value: Any) -> Any:
    if value is None or value is pd.NaT or (isinstance(value, float) and value != value) or value is pd.NA:
        return None
    return value.to_pydatetime() if isinstance(value, pd.Timestamp) else value
