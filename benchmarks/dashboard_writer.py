"""A warehouse -> a job beside the readers that beats as runs do, and walks of the chain that write what a page shows.

The chain walks every five minutes; here every WALK_S, so everything a page was told turns old ten times as often.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

import pandas as pd

from pipeline import processes
from pipeline.runs import claim, note, request
from pipeline.warehouse import Warehouse

BEAT_S = 5.0
"""How often the job under way writes heartbeat and log: three times as often as one does that logs all the time."""
WALK_S = 30.0
FIRST_S = 4.0
"""The first walk comes early, so that a short measurement has one too."""
POINTS = 12
LOOK_BACK = timedelta(days=2)
"""As the backfill job looks back."""
AHEAD = timedelta(minutes=90)
"""Later than the invented rows of the warehouse are dated, early in an hour even ahead of the clock."""
REVISED, MOVED = 12.0, 25.0
"""MW by which a walk revises the newest actual and moves the issue."""


@dataclass
class Written:
    """What was written: heartbeats, walks of the chain, and rows of the tables that the page reads."""

    beats: int = 0
    walks: int = 0
    rows: int = 0


@contextmanager
def writing(path: Path, target: str) -> Iterator[Written]:
    """Write beside what is measured, until the end of the block."""
    over, written, house = Event(), Written(), Warehouse(path)
    now = datetime.now(UTC)
    running = request(house, "backup", by="benchmark", reason="beside the sessions", args={}, now=now)
    with house.write() as session:
        claim(session, running, pid=os.getpid(), born=processes.born(), now=now)
    thread = Thread(target=_write, args=(house, target, running, written, over), daemon=True)
    thread.start()
    try:
        yield written
    finally:
        over.set()
        thread.join()


def _write(house: Warehouse, target: str, running: str, written: Written, over: Event) -> None:
    beat = walk_at = time.monotonic()
    walk_at += FIRST_S
    while not over.wait(max(0.0, min(beat, walk_at) - time.monotonic())):
        if time.monotonic() >= walk_at:
            walk_at += WALK_S
            written.walks += 1
            written.rows += walk(house, target, written.walks, datetime.now(UTC))
        else:
            beat += BEAT_S
            with house.write() as session:
                note(session, running, heartbeat_at=datetime.now(UTC), log=f"{written.beats} steps done")
            written.beats += 1


def walk(house: Warehouse, target: str, number: int, now: datetime) -> int:
    """What a walk of the chain stores: new points, the newest hour revised, an issue made anew, scores; returns rows.

    Each in a write of its own, as the jobs do it.
    """
    due = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    issue = house.ask("page_issue", target=target, due=due)
    hours = house.ask("page_fan", target=target, due=due, since=due - timedelta(hours=17))
    tables = {
        "raw": _points(target, number, now),
        "actuals": _revised(hours.dropna(subset="actual").iloc[-1], target, number, now),
        "predictions": _moved(issue, target, number, now),
    }
    rows = 0
    for table, frame in tables.items():
        with house.write() as session:
            rows += session.upsert(table, frame)
    scores = house.ask("unscored", since=now - LOOK_BACK, as_of=now + AHEAD).assign(
        scored_at=pd.Timestamp(now), run_id="walk"
    )
    with house.write() as session:
        return rows + session.append("accuracy", scores)


def _points(target: str, number: int, now: datetime) -> pd.DataFrame:
    at = pd.date_range(end=pd.Timestamp(now).floor("5min"), periods=POINTS, freq="5min").as_unit("us")
    told = {"made_at": now, "seen_at": now, "source": "demo", "run_id": "walk"}
    return _micro(pd.DataFrame({"series": target, "valid_at": at, "value": 27_000.0 + number} | told))


def _revised(hour: pd.Series, target: str, number: int, now: datetime) -> pd.DataFrame:
    value = float(hour["actual"]) + REVISED
    parts = dict.fromkeys(("value", "last_05", "last_15", "last_30"), value)
    row = {"target": target, "valid_at": hour["valid_at"], **parts, "n": POINTS, "run_id": "walk"}
    known = max(pd.Timestamp(now), hour["valid_at"] + AHEAD + timedelta(seconds=number))
    return _micro(pd.DataFrame([row | {"known_at": known, "written_at": now}]))


def _moved(issue: pd.DataFrame, target: str, number: int, now: datetime) -> pd.DataFrame:
    kept = issue[["origin", "horizon", "valid_at", "version_id", "mode", "status", "reason"]]
    levels = issue[["p05", "p10", "p50", "p90", "p95"]] + MOVED * (1 if number % 2 else -1)
    made = max(pd.Timestamp(now), issue["made_at"].max() + timedelta(seconds=1))
    told = {"target": target, "issuer": "reissue", "made_at": made, "written_at": now, "run_id": "walk"}
    return _micro(kept.join(levels).assign(**told))


def _micro(frame: pd.DataFrame) -> pd.DataFrame:
    times = frame.select_dtypes("datetimetz").columns
    return frame.assign(**{name: frame[name].dt.as_unit("us") for name in times})
