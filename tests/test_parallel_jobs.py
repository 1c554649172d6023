"""Jobs with several targets: what fails of one keeps no other from its model, rows or issue, here and in processes."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

from pipeline.jobs import features, forecast
from pipeline.markets import Target
from tests.conftest import Desk, ask

NEWEST = """SELECT * EXCLUDE (run_id, written_at, made_at) FROM predictions
            WHERE origin = (SELECT max(origin) FROM predictions)"""
ORDER = ["target", "issuer", "version_id", "horizon"]


def twinned(desk: Desk) -> Desk:
    """The desk with a second target before the first, of which nothing is known."""
    (market,) = desk.markets.values()
    twin = replace(market.targets[0], id="demo.twin")
    desk.markets = {"demo": replace(market, targets=(twin, *market.targets))}
    return desk


def test_a_target_that_cannot_be_trained_keeps_no_other_from_it_in_processes(full: Desk) -> None:
    desk = twinned(replace(full, settings=replace(full.settings, cores=2)))
    row = desk.run("train", families=["ridge"], force=True)
    assert (row["state"], row["failure"]) == ("failed", "model")
    assert row["error"].startswith("demo.twin: training needs 124 days of actuals and has 0")
    assert "demo.load-v2 (ridge, hold-out MAE" in row["log"]
    assert row["rows_out"] == 1
    assert ask(desk, "SELECT version_id FROM model_versions WHERE target = 'demo.load'").version_id.tolist() == [
        "demo.load-v1",
        "demo.load-v2",
    ]


def test_a_bug_with_one_target_lets_the_others_have_their_rows(full: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = features._rows

    def rows(context: Any, target: Target) -> Any:
        return 1 // 0 if target.id == "demo.twin" else usual(context, target)

    desk = twinned(full)
    desk.now += timedelta(hours=1)
    for job in ("ingest", "actuals"):
        desk.done(job)
    monkeypatch.setattr(features, "_rows", rows)
    row = desk.run("features")
    assert (row["state"], row["failure"]) == ("failed", "bug")
    assert "demo.twin: ZeroDivisionError: " in row["log"]
    assert ask(desk, "SELECT count(*) AS n FROM features WHERE origin = (SELECT max(valid_at) FROM actuals)").n[0] == 6


def test_many_targets_are_issued_in_processes_as_few_are_here(full: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = twinned(replace(full, settings=replace(full.settings, cores=2)))
    desk.now += timedelta(hours=1)
    for job in ("ingest", "actuals", "features"):
        desk.done(job)
    monkeypatch.setattr(forecast, "MANY", 2)
    row = desk.done("forecast")
    found = ask(desk, NEWEST).sort_values(ORDER, ignore_index=True)
    assert "demo.load: 1 ok, last origin 20 Nov 10:00Z" in row["log"]
    assert {"sextant", "naive", "operator"} <= set(found.issuer)
    assert ask(desk, "SELECT count(*) AS n FROM reasons").n[0] > 0
    with desk.warehouse.write() as session:
        session.script(f"DELETE FROM predictions WHERE run_id = '{row['run_id']}'; DELETE FROM reasons")
    monkeypatch.undo()
    desk.done("forecast")
    pd.testing.assert_frame_equal(ask(desk, NEWEST).sort_values(ORDER, ignore_index=True), found)


def test_an_issue_that_fails_keeps_no_other_from_being_made(full: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = twinned(full)
    desk.now += timedelta(hours=1)
    for job in ("ingest", "actuals", "features"):
        desk.done(job)
    usual = forecast._pending

    def pending(context: Any, target: Target) -> Any:
        return 1 // 0 if target.id == "demo.twin" else usual(context, target)

    monkeypatch.setattr(forecast, "_pending", pending)
    row = desk.run("forecast")
    assert (row["state"], row["failure"]) == ("failed", "bug")
    assert "demo.twin: ZeroDivisionError: " in row["log"]
    issued = ask(desk, f"SELECT issuer FROM predictions WHERE run_id = '{row['run_id']}' AND target = 'demo.load'")
    assert set(issued.issuer) == {"sextant", "naive", "operator"}
