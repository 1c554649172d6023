"""Warehouse -> how the service is, for people or as JSON; the exit code is for monitoring."""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pipeline import status
from pipeline.commands.base import Command, Desk
from pipeline.errors import SextantError
from pipeline.status import WORDS, Row, Status

NONE = "-"
SIGNS = {"ok": "●", "warning": "▲", "critical": "✖", "unknown": "?"}


def run(desk: Desk, options: argparse.Namespace) -> int:
    """Print the status; exit code 0 ok, 1 warning, 2 critical, 3 it cannot be told. Changes nothing."""
    try:
        found = status.look(desk.warehouse, desk.settings, desk.markets, desk.runner.clock())
    except (SextantError, OSError) as error:
        print(json.dumps({"worst": "unknown", "reasons": [str(error)]}) if options.json else f"? unknown: {error}")
        return WORDS.index("unknown")
    if options.json:
        print(json.dumps(asdict(found), default=str, indent=1))
    else:
        print("\n".join(_lines(found)))
    return WORDS.index(found.worst)


def _lines(found: Status) -> Iterator[str]:
    yield f"{SIGNS[found.worst]} {found.worst.upper()}  Sextant at {_when(found.at, found.at)}"
    yield from (f"  {reason}" for reason in found.reasons)
    yield f"\nscheduler  {_scheduler(found)}"
    yield from _table("forecasts", found.targets, _target, found.at)
    yield from _table("series", found.series, _series, found.at)
    yield from _table("jobs", found.jobs, _job, found.at)
    backup = found.backup
    yield (
        f"\nbackup     {_when(backup['made_at'], found.at)}, {_size(backup['bytes'])}"
        if backup["made_at"]
        else ("\nbackup     none yet: `python jobs.py backup`")
    )
    yield f"storage    {_capacity(found.capacity)}"


def _table(title: str, rows: tuple[Row, ...], cells: Any, now: datetime) -> Iterator[str]:
    """Columns as wide as their widest cell."""
    table = [cells(row, now) for row in rows]
    widths = [max(len(row[place]) for row in table) for place in range(len(table[0]))] if table else []
    yield f"\n{title}" if table else f"\n{title}: none yet"
    for row in table:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _scheduler(found: Status) -> str:
    row = found.scheduler
    if not row["alive"]:
        return "not running" + (f", last sign of life {_when(row['heartbeat_at'], found.at)}" if row["pid"] else "")
    since = _when(row["started_at"], found.at)
    return f"leads on {row['host']} (process {row['pid']}) since {since}; {row['n_queued']} wait"


def _target(row: Row, now: datetime) -> tuple[str, ...]:
    if row["origin"] is None:
        return row["target"], "nothing issued yet", "", "", ""
    replayed = f", {row['n_replay']:,} replayed" if row["n_replay"] else ""
    counts = f"n {row['n_scored']:,}{replayed}"
    return (
        row["target"],
        f"origin {row['origin']:%d %b %H:%M}Z {row['status']}, {_when(row['made_at'], now)}",
        f"{row['champion'] or 'no model'}",
        f"MAE 7 d {row['mae']:,.1f} {row['unit']} (naive {row['mae_naive']:,.1f}, {counts})"
        if row["n_scored"]
        else "not scored",
        f"{row['n_missed']} missed in 7 d",
    )


def _series(row: Row, now: datetime) -> tuple[str, ...]:
    newest = f"to {row['newest']:%d %b %H:%M}Z" if row["newest"] else "no data"
    return row["series"], row["state"], newest, row["why"] or ""


def _job(row: Row, now: datetime) -> tuple[str, ...]:
    total = row["n_good"] + row["n_failed"]
    return (
        row["job"],
        row["state"] or NONE,
        _when(row["ended_at"] or row["started_at"] or row["queued_at"], now),
        f"{row['took_s']:.1f} s" if row["took_s"] is not None else NONE,
        f"usually {row['median_s']:.1f} s" if row["median_s"] is not None else "",
        f"{row['n_good']:,} of {total:,} well in 7 d",
        f"next {row['next_at']:%d %b %H:%M}Z" if row["next_at"] else "",
        (row["error"] or "").splitlines()[0] if row["state"] == "failed" and row["error"] else "",
    )


def _capacity(row: Row) -> str:
    used = ", ".join(f"{name} {_size(row[f'{name}_bytes'])}" for name in ("warehouse", "models", "backups"))
    room = f"{_size(row['disk_free_bytes'])} of {_size(row['disk_total_bytes'])} free"
    growth = row["growth"]
    if growth is None:
        return f"{used}; {room}; growth is not known yet (3 days of measurements are needed)"
    left = growth["days_left"]
    full = "" if left is None or left > 3650 else f", full in {left:,.0f} days"
    return f"{used}; {room}; grows {_size(growth['per_day'])} a day (median of {growth['days']:.0f} days){full}"


def _when(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return "never"
    minutes = (now - moment).total_seconds() / 60
    ago = (
        f"{minutes:.0f} min"
        if minutes < 120
        else f"{minutes / 60:.0f} h"
        if minutes < 2880
        else f"{minutes / 1440:.0f} d"
    )
    return f"{moment:%d %b %H:%M}Z" + ("" if minutes < 0.5 else f" ({ago} ago)")


def _size(count: float | None) -> str:
    if count is None:
        return NONE
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024 or unit == "GiB":
            break
        count /= 1024
    return f"{count:,.0f} {unit}" if unit == "B" else f"{count:,.1f} {unit}"


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="everything, as one JSON object")


COMMAND = Command(
    "status",
    "how the service is; exit code 0 ok, 1 warning, 2 critical, 3 unknown",
    run,
    _arguments,
    refused=WORDS.index("unknown"),
)
