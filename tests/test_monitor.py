"""The monitor asks for a retrain when there is a reason, in words, once; and is silent otherwise."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.markets import Event
from tests.conftest import NOW, Desk, ask, desk_in
from tests.filler import fill


def _requests(desk: Desk) -> list[dict[str, object]]:
    rows = ask(desk, "SELECT * FROM job_runs WHERE requested_by = 'monitor' ORDER BY queued_at")
    return [{str(key): value for key, value in row.items()} for row in rows.to_dict("records")]


def _run_sql(desk: Desk, sql: str) -> None:
    with desk.warehouse.write() as session:
        session.script(sql)


@pytest.fixture
def scored(tmp_path: Path) -> Desk:
    """35 days of scored issues and a champion of three days ago; too little history to look for drift."""
    fill(tmp_path / "warehouse.duckdb", NOW)
    return desk_in(tmp_path)


def test_a_healthy_desk_is_left_alone_and_its_check_is_written(full: Desk) -> None:
    row = full.done("monitor")
    assert "no reason to retrain" in row["log"]
    rows = ask(full, "SELECT * FROM drift")
    assert set(rows.kind) == {"feature", "prediction", "residual"}
    assert not rows.drifted.any()
    assert rows.target.unique().tolist() == ["demo.load"]
    assert not _requests(full)


def test_it_looks_once_an_hour_and_for_drift_once_a_day(full: Desk) -> None:
    assert full.done("monitor")["state"] == "succeeded"
    assert full.done("monitor")["state"] == "skipped"
    full.now += timedelta(hours=1)
    assert full.done("monitor")["state"] == "succeeded"
    assert ask(full, "SELECT count(DISTINCT run_id) AS n FROM drift").n[0] == 1
    full.now += timedelta(days=1)
    full.done("monitor")
    assert ask(full, "SELECT count(DISTINCT run_id) AS n FROM drift").n[0] == 2


def test_an_old_champion_is_a_reason(full: Desk) -> None:
    full.now += timedelta(days=9)
    full.done("monitor")
    (run,) = _requests(full)
    assert run["state"] == "queued"
    assert run["reason"] == "demo.load-v1 was trained 17 days ago, over 10"
    assert json.loads(str(run["args"])) == {"depth": "quick", "target": "demo.load"}


def test_a_champion_that_is_old_because_newer_versions_were_refused_is_none(full: Desk) -> None:
    full.now += timedelta(days=9)
    _run_sql(full, f"UPDATE model_versions SET created_at = TIMESTAMPTZ '{full.now - timedelta(hours=2)}'")
    assert "no reason to retrain" in full.done("monitor")["log"]


def test_without_a_model_there_is_nothing_to_watch(desk: Desk) -> None:
    row = desk.done("monitor")
    assert "no model is trained yet" in row["log"]
    assert not _requests(desk)


def test_an_error_above_its_own_past_is_a_reason(scored: Desk) -> None:
    assert "no reason to retrain" in scored.done("monitor")["log"]
    scored.now += timedelta(hours=1)
    _run_sql(scored, f"UPDATE accuracy SET error = 1.5 * error WHERE origin >= TIMESTAMPTZ '{NOW - timedelta(days=6)}'")
    scored.done("monitor")
    (run,) = _requests(scored)
    assert "MAE of the last 7 days is" in str(run["reason"])
    assert "of the 28 days before on the same hours of day" in str(run["reason"])
    assert json.loads(str(run["args"]))["depth"] == "deep"


@pytest.mark.parametrize("factor", [1.1, 0.5])
def test_an_error_that_is_a_little_larger_or_smaller_is_none(scored: Desk, factor: float) -> None:
    since = NOW - timedelta(days=7)
    _run_sql(scored, f"UPDATE accuracy SET error = {factor} * error WHERE origin >= TIMESTAMPTZ '{since}'")
    assert "no reason to retrain" in scored.done("monitor")["log"]


def test_errors_of_hours_that_were_not_scored_before_do_not_count(scored: Desk) -> None:
    since = NOW - timedelta(days=7)
    hard = "hour(timezone('Europe/Madrid', valid_at)) IN (7, 8, 9)"
    _run_sql(
        scored,
        f"UPDATE accuracy SET error = 9 * error WHERE {hard} AND origin >= TIMESTAMPTZ '{since}';"
        f"DELETE FROM accuracy WHERE {hard} AND origin < TIMESTAMPTZ '{since}'",
    )
    assert "no reason to retrain" in scored.done("monitor")["log"]


def test_a_declared_event_is_no_worse_error(scored: Desk) -> None:
    since = NOW - timedelta(days=3)
    _run_sql(scored, f"UPDATE accuracy SET error = 9 * error WHERE valid_at >= TIMESTAMPTZ '{since}'")
    (market,) = scored.markets.values()
    event = Event(since, NOW + timedelta(days=1), "a blackout")
    targets = tuple(replace(target, events=(event,)) for target in market.targets)
    declared = replace(scored, markets={market.id: replace(market, targets=targets)})
    assert "no reason to retrain" in declared.done("monitor")["log"]
    scored.now += timedelta(hours=1)
    assert "MAE of the last 7 days is" in scored.done("monitor")["log"]


def test_few_scores_are_no_evidence(scored: Desk) -> None:
    since = NOW - timedelta(days=7)
    _run_sql(scored, f"UPDATE accuracy SET error = 9 * error WHERE origin >= TIMESTAMPTZ '{since}'")
    _run_sql(scored, f"DELETE FROM accuracy WHERE origin < TIMESTAMPTZ '{NOW - timedelta(days=12)}'")
    assert "no reason to retrain" in scored.done("monitor")["log"]


def test_drift_is_a_reason_and_names_what_drifted(full: Desk) -> None:
    last_week = f"valid_at >= TIMESTAMPTZ '{NOW - timedelta(days=7)}'"
    wilder = ", ".join(
        f"{name} = 25000 + 2.5 * ({name} - 25000)" for name in ("value", "last_05", "last_15", "last_30")
    )
    _run_sql(full, f"UPDATE actuals SET {wilder} WHERE {last_week}")
    full.done("monitor")
    (run,) = _requests(full)
    assert "drift in" in str(run["reason"])
    assert "standard deviations" in str(run["reason"])
    rows = ask(full, "SELECT * FROM drift WHERE drifted")
    assert {"lag_1"} <= set(rows.subject)
    assert (rows.p_adjusted <= 0.01).all()


def test_it_asks_once_a_day_and_not_while_a_training_waits(full: Desk) -> None:
    full.now += timedelta(days=9)
    full.done("monitor")
    full.now += timedelta(hours=1)
    assert "a training waits or runs already" in full.done("monitor")["log"]
    _run_sql(full, "UPDATE job_runs SET state = 'failed' WHERE requested_by = 'monitor'")
    full.now += timedelta(hours=1)
    assert "was asked for within the last day" in full.done("monitor")["log"]
    assert len(_requests(full)) == 1
    full.now += timedelta(days=1)
    full.done("monitor")
    assert len(_requests(full)) == 2
