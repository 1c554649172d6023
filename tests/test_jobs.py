"""The jobs on the demo market: each does its step once, and running it again changes nothing."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from pipeline import registry
from pipeline.doctor import examine
from pipeline.errors import ArtifactDamaged
from pipeline.warehouse import SCHEDULER, Warehouse
from tests.conftest import NOW, REPLAY_DAYS, Desk, ask

TABLES = ("raw", "actuals", "features", "predictions", "accuracy", "model_versions", "promotions", "backtests")


def test_running_every_job_twice_changes_no_row(full: Desk) -> None:
    for job in ("ingest", "actuals", "features", "forecast", "backfill"):
        full.done(job)
    full.done("train", families=["naive", "ridge"])
    before = {table: ask(full, f"SELECT * FROM {table} ORDER BY ALL") for table in TABLES}
    for job in ("ingest", "actuals", "features", "train", "forecast", "backfill"):
        full.done(job)
    for table, frame in before.items():
        pd.testing.assert_frame_equal(frame, ask(full, f"SELECT * FROM {table} ORDER BY ALL"))


def test_the_hourly_cycle_issues_once_an_hour_and_scores_what_came_true(full: Desk) -> None:
    issued = ask(full, "SELECT max(origin) AS newest FROM predictions").newest.iloc[0]
    for _ in range(4):
        full.now += timedelta(minutes=30)
        for job in ("ingest", "actuals", "features", "forecast", "backfill"):
            full.done(job)
    rows = ask(full, f"SELECT * FROM predictions WHERE origin > TIMESTAMPTZ '{issued}' AND issuer = 'sextant'")
    assert sorted(rows.origin.unique()) == [issued + pd.Timedelta(hours=h) for h in (1, 2)]
    assert rows.groupby("origin").horizon.apply(sorted).tolist() == [[1, 2, 3, 4, 5, 6]] * 2
    assert set(rows.status) == {"ok"}
    assert set(rows["mode"]) == {"live"}
    assert (rows.made_at > rows.origin + pd.Timedelta(hours=1)).all()
    scored = ask(full, f"SELECT * FROM accuracy WHERE origin > TIMESTAMPTZ '{issued - pd.Timedelta(hours=1)}'")
    assert not scored.empty


def test_accuracy_is_what_predictions_and_actuals_say(full: Desk) -> None:
    got = ask(full, "SELECT * FROM accuracy ORDER BY issuer, origin, horizon")
    predictions, actuals = ask(full, "SELECT * FROM predictions"), ask(full, "SELECT * FROM actuals_latest")
    want = predictions.merge(actuals[["valid_at", "value"]], on="valid_at").sort_values(["issuer", "origin", "horizon"])
    assert len(got) == len(want) > 1000
    np.testing.assert_allclose(got.error, want.p50 - want.value)
    ours = (want.issuer == "sextant").to_numpy()
    inside = (want.value >= want.p10) & (want.value <= want.p90)
    assert got.in_band[ours].tolist() == inside[ours].tolist()
    levels = {"p05": 0.05, "p10": 0.1, "p50": 0.5, "p90": 0.9, "p95": 0.95}
    loss = np.mean(
        [np.maximum(q * (want.value - want[n]), (q - 1) * (want.value - want[n])) for n, q in levels.items()], axis=0
    )
    np.testing.assert_allclose(got.pinball_loss[ours].astype(float), loss[ours])
    assert got.in_band[~ours].isna().all()


def test_every_forecast_has_a_comparator_made_at_the_same_moment(full: Desk) -> None:
    rows = ask(full, "SELECT * FROM predictions").pivot(index=["origin", "horizon"], columns="issuer", values="made_at")
    assert set(rows.columns) == {"sextant", "naive", "operator"}
    assert (rows.naive == rows.sextant).all()
    assert rows.operator.notna().all()


def test_replayed_issues_say_so_and_use_a_model_of_before(full: Desk) -> None:
    replayed = ask(full, "SELECT * FROM predictions WHERE mode = 'replay' AND issuer = 'sextant'")
    assert replayed.origin.nunique() == REPLAY_DAYS * 24 - 1
    as_of = ask(full, "SELECT as_of FROM champions").as_of.iloc[0]
    assert (replayed.made_at >= as_of).all()
    assert (replayed.written_at == pd.Timestamp(NOW)).all()


def test_a_model_trained_later_is_not_used_for_a_replay(full: Desk) -> None:
    then = full.now - timedelta(days=REPLAY_DAYS + 3)
    full.done("features", replay_from=then.isoformat(), replay_to=(then + timedelta(hours=5)).isoformat())
    full.done("forecast")
    rows = ask(
        full,
        f"SELECT * FROM predictions WHERE issuer = 'sextant' AND origin < TIMESTAMPTZ '{then + timedelta(hours=6)}'",
    )
    assert set(rows.status) == {"fallback"}
    assert "later data" in rows.reason.iloc[0]


def test_an_incomplete_hour_is_waited_for_and_then_answered_by_a_labelled_fallback(full: Desk) -> None:
    full.now += timedelta(hours=1)
    assert full.done("features")["state"] == "skipped"
    full.now += timedelta(minutes=25)
    full.done("features")
    full.done("forecast")
    rows = ask(full, "SELECT * FROM predictions ORDER BY origin DESC, issuer, horizon LIMIT 18")
    ours = rows[rows.issuer == "sextant"]
    assert set(ours.status) == {"fallback"}
    assert set(ours.version_id) == {"naive"}
    assert "1 hours of actuals are missing" in ours.reason.iloc[0]
    assert ours[["p10", "p50", "p90"]].notna().all(axis=None)


def test_without_a_model_the_fallback_has_no_band_and_says_why(desk: Desk) -> None:
    for job in ("ingest", "actuals", "features", "forecast"):
        desk.done(job)
    rows = ask(desk, "SELECT * FROM predictions WHERE issuer = 'sextant'")
    assert set(rows.status) == {"fallback"}
    assert rows.reason.iloc[0] == "no model is trained yet"
    assert rows.p50.notna().all()
    assert rows.p10.isna().all()


def test_without_last_week_the_forecast_is_withheld(full: Desk) -> None:
    with full.warehouse.write() as session:
        session._cursor.execute(f"DELETE FROM actuals WHERE valid_at < TIMESTAMPTZ '{NOW - timedelta(hours=20)}'")
        session._cursor.execute("DELETE FROM predictions")
        session._cursor.execute("DELETE FROM features")
    full.done("features")
    full.done("forecast")
    rows = ask(full, "SELECT * FROM predictions WHERE issuer = 'sextant'")
    assert set(rows.status) == {"withheld"}
    assert rows.p50.isna().all()
    assert "lacks an input" in rows.reason.iloc[0]
    full.done("backfill")


def test_a_damaged_artifact_is_never_loaded_and_the_fallback_names_it(full: Desk) -> None:
    row = registry.champion(full.warehouse, full.target.id)
    (full.settings.models / row["artifact"]).write_bytes(b"not the registered bytes")
    with pytest.raises(ArtifactDamaged, match="changed since training"):
        registry.load(row, folder=full.settings.models)
    full.now += timedelta(hours=1)
    for job in ("ingest", "actuals", "features", "forecast"):
        full.done(job)
    newest = ask(full, "SELECT * FROM predictions WHERE issuer = 'sextant' ORDER BY origin DESC LIMIT 1").iloc[0]
    assert newest.status == "fallback"
    assert "changed since training" in newest.reason
    flaws = [f.flaw for f in examine(full.warehouse, full.settings.models, jobs=list(full.jobs)) if f.flaw]
    assert flaws == [f"{(full.settings.models / row['artifact']).name} was changed since training"]


def test_a_revised_actual_is_scored_again_and_both_scores_are_kept(full: Desk) -> None:
    hour = ask(full, "SELECT max(valid_at) AS t FROM accuracy WHERE issuer = 'sextant' AND horizon = 1").t.iloc[0]
    with full.warehouse.write() as session:
        rows = (
            session._cursor.sql(
                f"SELECT * FROM raw WHERE series = 'demo.load' AND valid_at >= TIMESTAMPTZ '{hour}' "
                f"AND valid_at < TIMESTAMPTZ '{hour + pd.Timedelta(hours=1)}'"
            )
            .to_arrow_table()
            .to_pandas()
        )
        later = pd.Timestamp(full.now + timedelta(minutes=1))
        session.append("raw", rows.assign(value=rows.value + 120.0, seen_at=later, made_at=later))
    full.now += timedelta(minutes=2)
    full.done("actuals")
    full.done("backfill")
    scores = ask(
        full,
        "SELECT * FROM accuracy WHERE issuer = 'sextant' AND horizon = 1 "
        f"AND valid_at = TIMESTAMPTZ '{hour}' ORDER BY actual_known_at",
    )
    assert len(scores) == 2
    assert scores.actual.diff().iloc[1] == pytest.approx(120.0)
    assert scores.p50.nunique() == 1
    latest = ask(full, "SELECT * FROM accuracy_latest WHERE issuer = 'sextant' AND horizon = 1")
    assert (latest.valid_at == hour).sum() == 1


def test_the_doctor_finds_what_is_broken_on_purpose(full: Desk) -> None:
    def flaws() -> list[str]:
        return [f.check for f in examine(full.warehouse, full.settings.models, jobs=list(full.jobs)) if f.flaw]

    assert flaws() == []
    with full.warehouse.write() as session:
        run = session._cursor.execute
        run("INSERT INTO raw SELECT * FROM raw LIMIT 1")
        run("UPDATE predictions SET version_id = 'ghost' WHERE origin = (SELECT min(origin) FROM predictions)")
        run("DELETE FROM features WHERE origin = (SELECT max(origin) FROM features) AND horizon = 6")
        run("UPDATE accuracy SET actual = actual + 1 WHERE origin = (SELECT max(origin) FROM accuracy)")
        run("UPDATE job_runs SET state = 'running' WHERE job = 'train'")
        run("UPDATE predictions SET p10 = p90 + 1 WHERE origin = (SELECT max(origin) FROM predictions)")
        run("CREATE TABLE stray (at_local TIMESTAMP)")
    assert set(flaws()) == {
        "zone-aware columns",
        "grain of raw",
        "forecasts without version",
        "forecasts without features",
        "scores without forecast",
        "scores without actual",
        "crossing quantiles",
        "interrupted runs",
    }


def test_two_warehouse_objects_see_each_other(full: Desk) -> None:
    other = Warehouse(full.settings.warehouse)
    assert other.ask("champion", target=full.target.id).version_id.iloc[0] == "demo.load-v1"
    assert not other.scheduler_alive()
    with full.warehouse.job_lock(SCHEDULER):
        assert other.scheduler_alive()


def test_time_in_the_warehouse_is_utc(full: Desk) -> None:
    assert ask(full, "SELECT max(origin) AS t FROM predictions").t.iloc[0] == datetime(2026, 11, 20, 9, tzinfo=UTC)
