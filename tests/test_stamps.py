"""Runs that take their time -> rows that say when they were stored, so that nobody looks back at what was not there."""

from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest

from pipeline import asof
from pipeline.asof import Moment
from pipeline.reproducing import reproduce
from pipeline.runner import Runner
from tests.conftest import Desk

STEP = timedelta(seconds=7)
LATE = timedelta(hours=1)
JOBS: dict[str, dict[str, Any]] = {
    "ingest": {},
    "actuals": {},
    "features": {},
    "forecast": {},
    "backfill": {},
    "train": {"families": ["naive", "ridge"], "force": True},
    "backtest": {"families": ["naive"], "days": 3},
}
TABLES = {
    "ingest": {"raw", "fetches"},
    "actuals": {"actuals"},
    "features": {"features"},
    "forecast": {"predictions", "reasons"},
    "backfill": {"accuracy"},
    "train": {"model_versions", "backtests", "importances", "promotions"},
    "backtest": {"backtests"},
}


@pytest.fixture
def slow(full: Desk) -> tuple[Desk, Runner]:
    """A desk an hour later, whose clock goes on by STEP whenever it is looked at."""
    ticks = count()
    begun = full.now + LATE
    return full, Runner(full.settings, full.markets, full.warehouse, clock=lambda: begun + next(ticks) * STEP)


def stored(desk: Desk, table: str, run_id: str, at: datetime | None = None) -> int:
    """How many rows of a run there are in a table, or were at a moment."""
    with desk.warehouse.read() as session:
        if at is not None:
            asof.cut(session, Moment(at))
        return int(session.rows(f"SELECT count(*) FROM {table} WHERE run_id = '{run_id}'")[0][0])


def test_what_a_run_stores_was_not_there_when_it_began(slow: tuple[Desk, Runner]) -> None:
    desk, runner = slow
    for name, args in JOBS.items():
        run = runner.run(desk.jobs[name], by="test", **args)
        assert run["state"] == "succeeded", (name, run["error"])
        found = {table: stored(desk, table, run["run_id"]) for table in TABLES[name]}
        assert all(found.values()), (name, found)
        early = {table: stored(desk, table, run["run_id"], run["started_at"]) for table in found}
        assert not any(early.values()), (name, early)
        assert {table: stored(desk, table, run["run_id"], run["ended_at"]) for table in found} == found


def test_a_forecast_of_a_slow_run_can_be_made_again(slow: tuple[Desk, Runner]) -> None:
    desk, runner = slow
    for name in ("ingest", "actuals", "features", "forecast"):
        runner.run(desk.jobs[name], by="test", **JOBS[name])
    newest = desk.warehouse.ask("newest_issue", target=desk.target.id, due=desk.now + LATE)["origin"].iloc[0]
    found = reproduce(desk.warehouse, desk.settings.models, desk.target, origin=newest.to_pydatetime())
    assert not found.differences
