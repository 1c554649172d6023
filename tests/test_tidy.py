"""Retention: what is beyond its age goes once, nothing that a figure or a lesson needs goes ever."""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from pipeline import tidying
from pipeline.contracts import CONTRACTS
from pipeline.doctor import examine
from pipeline.operations import Operations, Retention
from pipeline.queries import queries
from pipeline.runner import Runner
from pipeline.runrows import new_run, run_frame
from tests.conftest import Desk, ask

LATER = timedelta(days=500)


def flaws(desk: Desk) -> list[str]:
    findings = examine(desk.warehouse, desk.settings.models, jobs=list(desk.jobs))
    return [f"{one.check}: {one.flaw}" for one in findings if one.flaw]


def tidied(desk: Desk, now: datetime, **spans: timedelta) -> dict[str, int]:
    return tidying.tidy(desk.warehouse, desk.markets, replace(Retention(), **spans), now=now)


def raw(desk: Desk, series: str, value: float, *, valid: datetime, seen: datetime) -> None:
    row: dict[str, Any] = {"series": series, "valid_at": valid, "value": value, "made_at": seen, "seen_at": seen}
    frame = pd.DataFrame([row | {"source": "test", "run_id": "old"}])
    for name in ("valid_at", "made_at", "seen_at"):
        frame[name] = pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]")
    with desk.warehouse.write() as session:
        session.append("raw", frame)


def run_row(desk: Desk, run_id: str, state: str, *, ended: datetime, log: str = "said") -> None:
    row = new_run("ingest", by="test", reason="", args={}, now=ended)
    row |= {"run_id": run_id, "state": state, "ended_at": ended, "log": log}
    with desk.warehouse.write() as session:
        session.append("job_runs", run_frame([row]))


def test_after_years_everything_a_figure_leads_to_is_there_and_a_second_run_removes_nothing(full: Desk) -> None:
    kept = ("actuals", "features", "predictions", "accuracy", "model_versions", "promotions", "audit", "raw")
    before = {table: full.rows(table) for table in kept}
    now = full.now + 4 * LATER
    assert sum(tidied(full, now).values()) > 0
    assert {table: full.rows(table) for table in kept} == before
    assert flaws(full) == []
    assert set(tidied(full, now).values()) == {0}


def test_logs_are_emptied_and_say_so_while_the_runs_stay(desk: Desk) -> None:
    run_row(desk, "old", "failed", ended=desk.now - timedelta(days=31))
    run_row(desk, "new", "failed", ended=desk.now - timedelta(days=29))
    assert tidied(desk, desk.now)["logs"] == 1
    logs = ask(desk, "SELECT log FROM job_runs ORDER BY run_id DESC").log.tolist()
    assert logs == ["removed after 30 days", "said"]


def test_runs_that_went_well_go_when_nothing_leads_to_them(desk: Desk) -> None:
    ended = desk.now - LATER
    for run_id, state in (("plain", "succeeded"), ("idle", "skipped"), ("old", "succeeded"), ("broke", "failed")):
        run_row(desk, run_id, state, ended=ended)
    run_row(desk, "recent", "succeeded", ended=desk.now)
    raw(desk, "demo.load", 1.0, valid=ended, seen=ended)
    assert tidied(desk, desk.now)["runs"] == 2
    assert set(ask(desk, "SELECT run_id FROM job_runs").run_id) == {"old", "broke", "recent"}
    assert flaws(desk) == []


def test_every_table_that_names_a_run_is_asked_before_one_goes(desk: Desk) -> None:
    tables = ask(
        desk, "SELECT table_name AS t FROM duckdb_columns() WHERE column_name LIKE '%run_id' AND NOT internal"
    ).t
    asked = re.findall(r"run_id FROM (\w+)", queries()["needless_runs"])
    assert set(tables) & set(CONTRACTS) == set(asked)


def test_a_replaced_value_goes_only_when_no_moment_since_and_no_lesson_needs_it(desk: Desk) -> None:
    first, hour = desk.now - 2 * LATER, timedelta(hours=1)
    valid = first + timedelta(days=10)
    for series in ("demo.load", "demo.load_forecast", "demo.price"):
        raw(desk, series, 0.0, valid=first, seen=first)
        for number, seen in enumerate((valid + hour, valid + 2 * hour, desk.now - hour)):
            raw(desk, series, float(number), valid=valid, seen=seen)
    run_row(desk, "old", "succeeded", ended=first)
    since = desk.now - Retention().raw_versions
    question = f"SELECT series, valid_at, arg_max(value, seen_at) AS v FROM raw WHERE seen_at <= '{since}' GROUP BY ALL"
    known = set(ask(desk, question).itertuples(index=False, name=None))
    assert tidied(desk, desk.now)["raw versions"] == 1
    left = ask(desk, "SELECT series, list(value ORDER BY value) AS v FROM raw GROUP BY series ORDER BY series")
    assert left.set_index("series").v.map(list).to_dict() == {
        "demo.load": [0.0, 1.0, 2.0],
        "demo.load_forecast": [0.0, 0.0, 1.0, 2.0],
        "demo.price": [0.0, 0.0, 1.0, 2.0],
    }
    assert set(ask(desk, question).itertuples(index=False, name=None)) == known


def test_what_the_first_load_brought_stays_so_that_nothing_seems_known_at_another_time(desk: Desk) -> None:
    first = desk.now - 2 * LATER
    raw(desk, "demo.load", 1.0, valid=first - timedelta(days=9), seen=first)
    raw(desk, "demo.load", 2.0, valid=first - timedelta(days=9), seen=first + timedelta(days=1))
    before = ask(desk, "SELECT valid_at, known_at FROM raw_known ORDER BY ALL")
    assert tidied(desk, desk.now)["raw versions"] == 0
    assert ask(desk, "SELECT valid_at, known_at FROM raw_known ORDER BY ALL").equals(before)


def test_an_input_of_a_model_keeps_its_versions(full: Desk) -> None:
    series = tidying.versions_of(full.markets)
    assert "demo.load" in series
    assert not {one.id for one in full.target.inputs} & set(series)


def test_shadows_and_their_scores_go_together_and_are_not_scored_again(full: Desk) -> None:
    full.done("train", families=["naive"], force=True)
    for _ in range(5):
        full.now += timedelta(hours=1)
        for job in ("ingest", "actuals", "features", "forecast", "backfill"):
            full.done(job)
    shadows = "SELECT count(*) AS n FROM {} WHERE issuer = 'shadow'"
    issued = ask(full, "SELECT count(*) AS n FROM predictions WHERE issuer <> 'shadow'").n[0]
    made = ask(full, shadows.format("predictions")).n[0]
    assert made > 0
    assert ask(full, shadows.format("accuracy")).n[0] > 0
    assert tidied(full, full.now, shadows=timedelta(hours=2))["shadow forecasts"] > 0
    left = ask(full, shadows.format("predictions")).n[0]
    assert 0 < left < made
    assert ask(full, "SELECT count(*) AS n FROM predictions WHERE issuer <> 'shadow'").n[0] == issued
    assert flaws(full) == []
    full.run("backfill")
    assert ask(full, shadows.format("predictions")).n[0] == left
    assert flaws(full) == []


def test_long_removals_are_made_of_short_writes(desk: Desk, monkeypatch: Any) -> None:
    monkeypatch.setattr(tidying, "CHUNK", 10)
    desk.done("ingest")
    rows, before = desk.rows("fetches"), desk.warehouse.version()
    writes = []
    write = desk.warehouse.write
    monkeypatch.setattr(desk.warehouse, "write", lambda: (writes.append(1), write())[1])
    assert tidied(desk, desk.now + LATER)["fetches"] == rows
    assert len(writes) >= rows / 10
    assert desk.warehouse.version() != before


def test_the_job_writes_the_sizes_of_the_day(full: Desk) -> None:
    row = full.done("tidy")
    sizes = ask(full, "SELECT * FROM capacity").set_index("what").value
    assert sizes["warehouse_bytes"] > 0
    assert sizes["rows:raw"] == full.rows("raw")
    assert row["rows_out"] == len(sizes)


def test_a_file_that_is_mostly_free_is_said_to_be(full: Desk) -> None:
    for statement in ("CREATE TABLE junk AS SELECT random() AS x FROM range(2000000)", "DROP TABLE junk"):
        with full.warehouse.write() as session:
            session.script(statement)
    assert tidying.free_share(full.warehouse) > 0.3
    assert "`python jobs.py compact` gives it back" in full.done("tidy")["log"]


def test_the_settings_say_how_long(full: Desk) -> None:
    run_row(full, "mine", "failed", ended=full.now - timedelta(days=3))
    operations = Operations(retention=Retention(logs=timedelta(days=2)))
    runner = Runner(full.settings, full.markets, full.warehouse, clock=lambda: full.now, operations=operations)
    runner.run(full.jobs["tidy"], by="test")
    assert ask(full, "SELECT log FROM job_runs WHERE run_id = 'mine'").log[0] == "removed after 2 days"
