"""An issued forecast is made again to the last bit, or what differs is named."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from pipeline.errors import ArtifactDamaged, ModelError, UnknownForecast
from pipeline.reproducing import Reproduction, reproduce
from tests.conftest import Desk, ask
from tests.test_cli import call

NEWEST = datetime(2026, 11, 20, 9, tzinfo=UTC)


def _again(desk: Desk, origin: datetime = NEWEST, version_id: str = "") -> Reproduction:
    return reproduce(desk.warehouse, desk.settings.models, desk.target, origin=origin, version_id=version_id)


def _run_sql(desk: Desk, sql: str) -> None:
    with desk.warehouse.write() as session:
        session.script(sql)


def _next_hour(desk: Desk) -> None:
    desk.now += timedelta(hours=1)
    for job in ("ingest", "actuals", "features", "forecast", "backfill"):
        desk.done(job)


@pytest.mark.parametrize("back", [0, 1, 30, 24 * 7])
def test_live_and_replayed_issues_are_made_again_to_the_last_bit(full: Desk, back: int) -> None:
    found = _again(full, NEWEST - timedelta(hours=back))
    assert found.differences == ()
    assert found.table.identical.all()
    assert found.table.horizon.tolist() == [1, 2, 3, 4, 5, 6]
    assert (found.version_id, found.issuer) == ("demo.load-v1", "sextant")
    assert found.notes == ()


def test_what_came_later_changes_nothing(full: Desk) -> None:
    for _ in range(2):
        _next_hour(full)
    full.done("train", families=["naive", "ridge"], force=True)
    _next_hour(full)
    revised = "SELECT * REPLACE (value + 500 AS value, TIMESTAMPTZ '2026-11-20 15:00Z' AS seen_at) FROM raw"
    _run_sql(full, f"INSERT INTO raw {revised} WHERE series = 'demo.load' AND valid_at >= '2026-11-20 05:00Z'")
    full.now += timedelta(hours=3)
    full.done("actuals")
    for hours in (0, 1, 2, 3):
        assert _again(full, NEWEST + timedelta(hours=hours)).differences == ()


def test_history_that_was_imported_later_is_not_used(full: Desk) -> None:
    known = "SELECT * REPLACE (value + 900 AS value, known_at - INTERVAL 1 MINUTE AS known_at, "
    known += "TIMESTAMPTZ '2026-11-21' AS written_at) FROM actuals WHERE valid_at = '2026-11-20 07:00Z'"
    _run_sql(full, f"INSERT INTO actuals {known}")
    _run_sql(full, "UPDATE actuals SET known_at = known_at + INTERVAL 2 MINUTE WHERE written_at = '2026-11-21'")
    assert _again(full).differences == ()


def test_a_fallback_is_made_again_too(full: Desk) -> None:
    full.now += timedelta(hours=1, minutes=25)
    full.done("features")
    full.done("forecast")
    found = _again(full, NEWEST + timedelta(hours=1))
    assert found.version_id == "naive"
    assert found.table.p10.notna().all()
    assert found.differences == ()


def test_a_fallback_without_a_model_has_no_bands_and_is_made_again(desk: Desk) -> None:
    for job in ("ingest", "actuals", "features", "forecast"):
        desk.done(job)
    found = _again(desk)
    assert found.differences == ()
    assert found.table.p10.isna().all()


def test_a_reduced_issue_is_made_again(full: Desk) -> None:
    full.now += timedelta(hours=1)
    full.done("ingest")
    _run_sql(full, "DELETE FROM raw WHERE series = 'demo.load_forecast' AND valid_at >= '2026-11-20 10:00Z'")
    for job in ("actuals", "features", "forecast"):
        full.done(job)
    origin = NEWEST + timedelta(hours=1)
    status = ask(full, f"SELECT DISTINCT status FROM predictions WHERE issuer = 'sextant' AND origin = '{origin}'")
    assert status.status.tolist() == ["reduced"]
    assert _again(full, origin).differences == ()


def test_a_shadow_is_made_again_by_its_version(full: Desk) -> None:
    full.done("train", families=["naive", "ridge"], force=True)
    _next_hour(full)
    found = _again(full, NEWEST + timedelta(hours=1), "demo.load-v1")
    assert found.issuer == "shadow"
    assert found.differences == ()
    assert _again(full, NEWEST + timedelta(hours=1)).version_id == "demo.load-v2"


def test_a_reissue_is_made_again_by_its_version(full: Desk) -> None:
    full.now += timedelta(minutes=5)
    full.done("train", families=["naive", "ridge"], force=True)
    full.done("forecast", reissue="demo.load")
    found = _again(full, version_id="demo.load-v2")
    assert found.issuer == "reissue"
    assert found.differences == ()
    assert _again(full).issuer == "sextant"


def test_a_stored_number_that_was_changed_is_named(full: Desk) -> None:
    _run_sql(full, f"UPDATE predictions SET p50 = p50 + 1e-9 WHERE origin = '{NEWEST}' AND horizon = 2")
    found = _again(full)
    assert [words.split(",")[0] for words in found.differences] == ["p50 differs at 1 of 6 horizons"]
    assert found.table.identical.tolist() == [True, False, True, True, True, True]


def test_a_stored_feature_that_was_changed_is_named(full: Desk) -> None:
    changed = '"values" = list_concat("values"[:1], [0.0], "values"[3:])'
    _run_sql(full, f"UPDATE features SET level = level + 1, {changed} WHERE origin = '{NEWEST}'")
    level, row = _again(full).differences
    assert level == "feature row: level differs"
    assert row.startswith("feature row: 1 of ")
    assert row.endswith(" features differ, such as lag_2")


def test_other_versions_of_libraries_are_noted(full: Desk) -> None:
    libraries = json.loads(ask(full, "SELECT libraries::VARCHAR AS l FROM model_versions WHERE number > 0").l[0])
    _run_sql(full, f"UPDATE model_versions SET libraries = '{json.dumps(libraries | {'numpy': '1.0'})}'")
    (note,) = _again(full).notes
    assert note.startswith("demo.load-v1 was trained with numpy 1.0, this is ")


def test_what_was_never_issued_is_refused(full: Desk) -> None:
    with pytest.raises(UnknownForecast, match="nothing was issued for 2030-01-01T00:00Z"):
        _again(full, datetime(2030, 1, 1, tzinfo=UTC))
    with pytest.raises(UnknownForecast, match=r"nothing was issued for .* by demo.load-v9"):
        _again(full, version_id="demo.load-v9")


def test_features_of_another_release_are_refused(full: Desk) -> None:
    _run_sql(full, "UPDATE features SET feature_set = 'old'")
    with pytest.raises(UnknownForecast, match="are of feature set old, this code makes"):
        _again(full)


def test_a_damaged_or_retired_model_is_refused(full: Desk) -> None:
    path = full.settings.models / ask(full, "SELECT artifact FROM champions").artifact[0]
    content = path.read_bytes()
    path.write_bytes(content + b" ")
    with pytest.raises(ArtifactDamaged, match="changed since training"):
        _again(full)
    path.write_bytes(content)
    with full.warehouse.write() as session:
        row = {"version_id": "demo.load-v1", "reason": "old", "retired_at": pd.Timestamp(full.now), "run_id": ""}
        session.append("retirements", pd.DataFrame([row]))
    with pytest.raises(ModelError, match="was retired on 20 Nov 2026"):
        _again(full)


def test_the_command_says_identical_or_what_differs(full: Desk, environment: Callable[..., dict[str, str]]) -> None:
    words = ("reproduce", "--forecast", "demo.load@2026-11-20T09:00Z")
    done = call(*words, env=environment())
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip().endswith("identical to the last bit")
    assert "again_p50" in done.stdout
    _run_sql(full, f"UPDATE predictions SET p90 = p90 + 1 WHERE origin = '{NEWEST}'")
    done = call(*words, env=environment())
    assert done.returncode == 1
    assert "p90 differs at 6 of 6 horizons, by up to 1" in done.stdout
    assert call("reproduce", "--forecast", "demo.moon@2026-11-20T09:00Z", env=environment()).returncode == 2
    assert call("reproduce", "--forecast", "demo.load@yesterday", env=environment()).returncode == 2
