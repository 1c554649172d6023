"""forecast and backfill: versions beside the champion, issues made again, and how every band did."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from pipeline import registry
from pipeline.doctor import examine
from tests.conftest import Desk, ask

CYCLE = ("ingest", "actuals", "features", "forecast", "backfill")


@pytest.fixture
def two(full: Desk) -> Desk:
    """A desk whose champion v2 took over from v1, before its next issue."""
    full.done("train", families=["naive", "ridge"], force=True)
    assert registry.champion(full.warehouse, full.target.id)["version_id"] == "demo.load-v2"
    return full


def cycle(desk: Desk, hours: int = 1) -> None:
    for _ in range(hours):
        desk.now += timedelta(hours=1)
        for job in CYCLE:
            desk.done(job)


def newest(desk: Desk) -> pd.DataFrame:
    rows = "SELECT * FROM predictions WHERE origin = (SELECT max(origin) FROM predictions)"
    return ask(desk, f"{rows} ORDER BY issuer, version_id, horizon")


def of(rows: pd.DataFrame, issuer: str) -> pd.DataFrame:
    return rows[rows.issuer == issuer]


def v1_again(desk: Desk) -> None:
    with desk.warehouse.write() as session:
        registry.decide(
            session,
            target=desk.target.id,
            version_id="demo.load-v1",
            expected="demo.load-v2",
            kind="rollback",
            promote=True,
            actor="test",
            reason="for the test",
            evidence={},
            now=desk.now,
        )


def test_former_champions_forecast_in_shadow_at_the_same_moment(two: Desk) -> None:
    cycle(two)
    rows = newest(two)
    beside, ours = of(rows, "shadow"), of(rows, "sextant")
    assert beside.version_id.tolist() == ["demo.load-v1"] * 6
    assert ours.version_id.tolist() == ["demo.load-v2"] * 6
    assert beside.made_at.tolist() == ours.made_at.tolist()
    assert set(beside.status) == {"ok"}
    assert beside[["p05", "p10", "p50", "p90", "p95"]].notna().all(axis=None)
    assert (beside.p50.to_numpy() != ours.p50.to_numpy()).any()
    assert ask(two, "SELECT count(*) AS n FROM predictions WHERE issuer = 'shadow' AND mode = 'replay'").n.iloc[0] == 0


def test_the_errors_of_a_version_are_known_from_its_issues_and_its_shadows(two: Desk) -> None:
    cycle(two, 4)
    window = {"first": two.now - timedelta(days=30), "last": two.now}
    got = two.warehouse.ask("version_errors", target=two.target.id, version_id="demo.load-v1", **window)
    assert set(got.issuer) == {"sextant", "shadow"}
    shadow = got[got.issuer == "shadow"]
    assert len(shadow) == 3 + 2 + 1
    scored = ask(two, "SELECT * FROM accuracy WHERE version_id = 'demo.load-v1' AND issuer = 'shadow'")
    np.testing.assert_allclose(np.sort(shadow.error), np.sort(scored.p50 - scored.actual))


def test_a_damaged_shadow_leaves_the_issue_alone_and_is_named(two: Desk) -> None:
    row = registry.version(two.warehouse, two.target.id, "demo.load-v1")
    (two.settings.models / row["artifact"]).write_bytes(b"not the registered bytes")
    cycle(two)
    rows = newest(two)
    assert set(of(rows, "sextant").status) == {"ok"}
    assert of(rows, "shadow").empty
    log = ask(two, "SELECT log FROM job_runs WHERE job = 'forecast' ORDER BY started_at DESC LIMIT 1").log.iloc[0]
    assert "demo.load-v1 makes no shadow forecast" in log
    assert "changed since training" in log


def emptied(desk: Desk, version_id: str) -> None:
    """Give a version a file that loads but holds nothing to forecast with."""
    content = dict.fromkeys(registry.CONTENT) | {"state": {}}
    artifact = registry.store(content, folder=desk.settings.models, name="demo.load/empty")
    with desk.warehouse.write() as session:
        session._cursor.execute(
            f"UPDATE model_versions SET artifact = '{artifact.path}', sha256 = '{artifact.sha256}' "
            f"WHERE version_id = '{version_id}'"
        )


def test_a_shadow_that_fails_leaves_the_issue_alone(two: Desk) -> None:
    emptied(two, "demo.load-v1")
    cycle(two)
    rows = newest(two)
    assert set(of(rows, "sextant").status) == {"ok"}
    assert of(rows, "shadow").empty


def test_a_champion_that_fails_is_a_labelled_fallback_and_no_end(two: Desk) -> None:
    emptied(two, "demo.load-v2")
    cycle(two)
    ours = of(newest(two), "sextant")
    assert set(ours.status) == {"fallback"}
    assert ours.reason.str.startswith("demo.load-v2 failed: ").all()
    assert len(of(newest(two), "shadow")) == 6


def test_a_file_that_other_libraries_wrote_is_a_reason_and_no_crash(two: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_file: object) -> None:
        raise ModuleNotFoundError("No module named 'lightgbm'")

    monkeypatch.setattr("pipeline.registry.joblib.load", gone)
    cycle(two)
    ours = of(newest(two), "sextant")
    assert set(ours.status) == {"fallback"}
    assert ours.reason.str.contains("stored with other libraries .No module named 'lightgbm'.").all()


def test_an_input_that_did_not_come_is_named_and_done_without(full: Desk) -> None:
    full.now += timedelta(hours=1)
    full.done("ingest")
    with full.warehouse.write() as session:
        session._cursor.execute(
            "DELETE FROM raw WHERE series = 'demo.temperature_forecast' AND valid_at > TIMESTAMPTZ '2026-11-20 12:00Z'"
        )
    for job in ("actuals", "features", "forecast"):
        full.done(job)
    ours = of(newest(full), "sextant")
    assert set(ours.status) == {"reduced"}
    assert set(ours.reason) == {"made without temperature_forecast: not known at issue"}
    assert set(ours.version_id) == {"demo.load-v1"}
    assert ours[["p05", "p10", "p50", "p90", "p95"]].notna().all(axis=None)


def test_after_a_change_of_champion_the_newest_origin_can_be_issued_again(two: Desk) -> None:
    cycle(two)
    before = newest(two)
    v1_again(two)
    two.now += timedelta(minutes=5)
    two.done("forecast", reissue=two.target.id)
    rows = newest(two)
    again = of(rows, "reissue")
    assert again.version_id.tolist() == ["demo.load-v1"] * 6
    assert (again.made_at == pd.Timestamp(two.now)).all()
    assert again.p50.tolist() == of(before, "shadow").p50.tolist()
    pd.testing.assert_frame_equal(
        of(before, "sextant").reset_index(drop=True), of(rows, "sextant").reset_index(drop=True)
    )
    shown = ask(two, "SELECT * FROM issued_latest ORDER BY origin DESC, horizon LIMIT 6")
    assert set(shown.issuer) == {"reissue"}
    assert two.done("forecast", reissue=two.target.id)["state"] == "skipped"
    cycle(two)
    assert set(of(newest(two), "sextant").version_id) == {"demo.load-v1"}
    flaws = [f for f in examine(two.warehouse, two.settings.models, jobs=list(two.jobs)) if f.flaw]
    assert not flaws


def test_what_the_champion_issued_already_is_not_issued_again(full: Desk) -> None:
    row = full.done("forecast", reissue=full.target.id)
    assert row["state"] == "skipped"
    assert "demo.load-v1 has issued" in row["reason"]


def test_an_unknown_target_is_refused_with_the_known_ones(full: Desk) -> None:
    row = full.run("forecast", reissue="mars.load")
    assert row["state"] == "failed"
    assert "mars.load is no target; there are: demo.load" in row["error"]


def test_the_doctor_finds_an_origin_that_was_issued_twice(full: Desk) -> None:
    with full.warehouse.write() as session:
        session._cursor.execute(
            "INSERT INTO predictions SELECT * REPLACE ('shadow' AS issuer) FROM predictions "
            "WHERE issuer = 'sextant' AND origin = (SELECT max(origin) FROM predictions) AND horizon < 6"
        )
        session._cursor.execute(
            "INSERT INTO predictions SELECT * REPLACE ('naive' AS version_id) FROM predictions "
            "WHERE issuer = 'sextant' AND origin = (SELECT min(origin) FROM predictions)"
        )
    flaws = {f.check: f.flaw for f in examine(full.warehouse, full.settings.models, jobs=list(full.jobs)) if f.flaw}
    assert flaws["incomplete issues"].startswith("1 ")
    assert flaws["incomplete others"].startswith("1 ")


def test_scores_of_the_bands_are_what_pandas_finds(full: Desk) -> None:
    got = ask(full, "SELECT * FROM accuracy_latest WHERE issuer = 'sextant' ORDER BY origin, horizon")
    want = ask(full, "SELECT * FROM predictions WHERE issuer = 'sextant' ORDER BY origin, horizon")
    want = got[["origin", "horizon", "actual"]].merge(want, on=["origin", "horizon"])
    assert got.in_band90.tolist() == want.actual.between(want.p05, want.p95).tolist()
    np.testing.assert_allclose(got.width, want.p90 - want.p10)
    beyond = (want.p10 - want.actual).clip(lower=0) + (want.actual - want.p90).clip(lower=0)
    np.testing.assert_allclose(got.winkler, want.p90 - want.p10 + 10 * beyond)
    knots = want[["p05", "p10", "p50", "p90", "p95"]].to_numpy()
    pit = [
        np.interp(x, row, [0.05, 0.1, 0.5, 0.9, 0.95], left=0.0, right=1.0)
        for x, row in zip(want.actual, knots, strict=True)
    ]
    np.testing.assert_allclose(got.pit, pit)
    naive = ask(full, "SELECT * FROM accuracy_latest WHERE issuer = 'naive'")
    assert naive[["in_band90", "width", "winkler", "pit"]].isna().all(axis=None)
