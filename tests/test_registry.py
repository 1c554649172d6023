"""Which model was live when, who may follow it, and what becomes of the files nobody needs."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from pipeline import promoting, registry
from pipeline.errors import ArtifactDamaged, ModelError, NoChampion, StalePremise
from pipeline.warehouse import Session
from tests.conftest import Desk, ask

TARGET = "demo.load"
START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def register(session: Session, number: int, *, artifact: str = "") -> str:
    at = START + number * DAY
    row = {
        "target": TARGET, "family": "naive", "created_at": at, "as_of": at, "trained_from": START, "trained_to": at,
        "data_hash": str(number), "n_rows": 1, "feature_set": "fs", "params": {}, "metrics": {}, "libraries": {},
        "code_commit": "", "artifact": artifact, "sha256": "", "seed": 7, "run_id": f"run{number}",
    }  # fmt: skip
    return registry.register(session, row)


def decide(session: Session, version: int, day: float, *, kind: str = "train", outcome: str = "promoted") -> None:
    registry.decide(
        session,
        target=TARGET,
        version_id=f"{TARGET}-v{version}",
        expected=registry.champion_id(session, TARGET),
        kind=kind,
        promote=outcome == "promoted",
        otherwise=outcome if outcome != "promoted" else "refused",
        actor="ana",
        reason="because",
        evidence={},
        now=START + day * DAY,
    )


@pytest.fixture
def eventful(desk: Desk) -> Desk:
    """Five promotions and two rollbacks, with refusals and a wait between them."""
    with desk.warehouse.write() as session:
        for number in range(1, 8):
            register(session, number)
        decide(session, 1, 1)
        decide(session, 2, 2)
        decide(session, 3, 3, outcome="refused")
        decide(session, 4, 4)
        decide(session, 2, 4.5, kind="rollback")
        decide(session, 5, 5)
        decide(session, 6, 6, outcome="waiting")
        decide(session, 6, 6.5, kind="promote")
        decide(session, 5, 7, kind="rollback")
    return desk


def test_which_version_was_live_at_any_moment_is_one_question(eventful: Desk) -> None:
    live = {1: 1, 1.9: 1, 2: 2, 3.5: 2, 4: 4, 4.49: 4, 4.5: 2, 4.99: 2, 5: 5, 6.2: 5, 6.5: 6, 6.99: 6, 7: 5, 99: 5}
    for day, version in live.items():
        row = registry.champion_at(eventful.warehouse, TARGET, START + day * DAY)
        assert row["version_id"] == f"{TARGET}-v{version}", day
    assert registry.champion_at(eventful.warehouse, TARGET, START + 4.7 * DAY)["kind"] == "rollback"
    with pytest.raises(NoChampion, match="no model was live at 01 Jan 2026 12:00Z"):
        registry.champion_at(eventful.warehouse, TARGET, START + 0.5 * DAY)


def test_the_timeline_has_a_row_for_every_reign_without_gap_or_overlap(eventful: Desk) -> None:
    reigns = registry.timeline(eventful.warehouse, TARGET)
    assert [int(name[-1]) for name in reigns.version_id] == [1, 2, 4, 2, 5, 6, 5]
    assert list(reigns.kind) == ["train", "train", "train", "rollback", "train", "promote", "rollback"]
    assert list(reigns.live_until[:-1]) == list(reigns.live_from[1:])
    assert pd.isna(reigns.live_until.iloc[-1])


def test_the_newest_reigns_and_the_newest_challenger_follow_in_shadow(eventful: Desk) -> None:
    rows = registry.shadows(eventful.warehouse, TARGET, 3)
    assert [(row["version_id"][-1], row["role"]) for row in rows] == [
        ("6", "former"),
        ("2", "former"),
        ("4", "former"),
        ("7", "challenger"),
    ]
    assert [row["version_id"][-1] for row in registry.shadows(eventful.warehouse, TARGET, 1)] == ["6", "7"]


def test_a_rollback_is_known_until_a_person_brings_the_version_back(eventful: Desk) -> None:
    left = registry.rolled_back_from(eventful.warehouse, TARGET)
    assert left is not None
    assert left["version_id"] == f"{TARGET}-v6"
    with eventful.warehouse.write() as session:
        decide(session, 7, 8)
    # A training that promotes another version does not make this one any better.
    again = registry.rolled_back_from(eventful.warehouse, TARGET)
    assert again is not None
    assert again["version_id"] == f"{TARGET}-v6"
    with eventful.warehouse.write() as session:
        decide(session, 6, 9, kind="promote")
    assert registry.rolled_back_from(eventful.warehouse, TARGET) is None


def test_a_promotion_decided_on_a_stale_premise_is_written_as_refused(full: Desk) -> None:
    with full.warehouse.write() as session:
        promoted = registry.decide(
            session,
            target=full.target.id,
            version_id="demo.load-v1",
            expected="demo.load-v0",
            kind="train",
            promote=True,
            actor="train",
            reason="sound",
            evidence={},
            now=full.now,
        )
    assert not promoted
    assert "became demo.load-v1 meanwhile" in ask(full, "SELECT * FROM promotions ORDER BY number").reason.iloc[-1]


def change(desk: Desk, version: str, expected: str | None, *, by: str = "roll_back", reason: str = "looks odd") -> None:
    getattr(promoting, by)(
        desk.warehouse,
        desk.settings.models,
        target=desk.target,
        version_id=version,
        expected=expected,
        actor="ana",
        reason=reason,
        now=desk.now,
    )


def test_a_rollback_changes_the_champion_and_the_next_issue(full: Desk) -> None:
    full.done("train", families=["naive", "ridge"])
    change(full, "demo.load-v1", "demo.load-v2")
    assert registry.champion(full.warehouse, TARGET)["version_id"] == "demo.load-v1"
    full.now += timedelta(hours=1)
    for job in ("ingest", "actuals", "features", "forecast"):
        full.done(job)
    newest = ask(full, "SELECT * FROM predictions WHERE issuer = 'sextant' ORDER BY origin DESC LIMIT 1").iloc[0]
    assert newest.version_id == "demo.load-v1"


def test_a_refused_version_can_be_promoted_by_hand_and_says_who_did_it(full: Desk) -> None:
    full.done("train", families=["naive"])
    change(full, "demo.load-v2", "demo.load-v1", by="promote", reason="to see naive live")
    row = registry.champion(full.warehouse, TARGET)
    assert (row["version_id"], row["kind"], row["actor"]) == ("demo.load-v2", "promote", "ana")
    assert row["reason"] == "to see naive live"
    assert '"tried_on": 24' in row["evidence"]


def test_only_a_former_champion_can_be_rolled_back_to(full: Desk) -> None:
    full.done("train", families=["naive"])
    assert registry.champion(full.warehouse, TARGET)["version_id"] == "demo.load-v1"
    with pytest.raises(ModelError, match=r"demo\.load-v2 never was the champion"):
        change(full, "demo.load-v2", "demo.load-v1")
    assert registry.champion(full.warehouse, TARGET)["version_id"] == "demo.load-v1"


@pytest.mark.parametrize("by", ["roll_back", "promote"])
@pytest.mark.parametrize(
    ("version", "expected", "reason", "error"),
    [
        ("demo.load-v9", "demo.load-v1", "odd", ModelError),
        ("demo.load-v1", "demo.load-v1", "odd", ModelError),
        ("naive", "demo.load-v1", "odd", ModelError),
        ("demo.load-v1", "demo.load-v7", "odd", StalePremise),
        ("demo.load-v1", None, "odd", StalePremise),
        ("demo.load-v1", "demo.load-v7", " ", ModelError),
    ],
)
def test_a_change_that_makes_no_sense_changes_nothing(
    full: Desk, by: str, version: str, expected: str | None, reason: str, error
) -> None:
    before = ask(full, "SELECT * FROM promotions")
    with pytest.raises(error):
        change(full, version, expected, by=by, reason=reason)
    pd.testing.assert_frame_equal(before, ask(full, "SELECT * FROM promotions"))


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_a_rollback_to_a_damaged_artifact_is_refused_and_nothing_changes(full: Desk, damage: str) -> None:
    full.done("train", families=["naive", "ridge"])
    before = ask(full, "SELECT * FROM promotions")
    path = full.settings.models / registry.version(full.warehouse, TARGET, "demo.load-v1")["artifact"]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content) if damage == "changed" else path.unlink()
    with pytest.raises(ArtifactDamaged, match=r"demo\.load-v1: its file"):
        change(full, "demo.load-v1", "demo.load-v2")
    pd.testing.assert_frame_equal(before, ask(full, "SELECT * FROM promotions"))
    assert registry.champion(full.warehouse, TARGET)["version_id"] == "demo.load-v2"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"state": {}, "calibration": {}}, "trained by an older release; retrain"),
        (dict.fromkeys(registry.CONTENT) | {"state": {}}, "of another feature set or family"),
    ],
)
def test_a_version_of_another_release_cannot_become_champion(full: Desk, content: dict, words: str) -> None:
    artifact = registry.store(content, folder=full.settings.models, name=f"{TARGET}/old")
    with full.warehouse.write() as session:
        version = register(session, 2, artifact=artifact.path)
    with full.warehouse.write() as session:
        session.script(
            "UPDATE model_versions SET sha256 = $sha WHERE version_id = $id", sha=artifact.sha256, id=version
        )
    with pytest.raises(ModelError, match=words):
        change(full, version, "demo.load-v1", by="promote")


def test_a_challenger_stands_up_to_the_champions_own_forecasts_and_else_to_what_was_issued(full: Desk) -> None:
    shadow = (
        "SELECT * REPLACE ('shadow' AS issuer, 'demo.load-v0' AS version_id, 'ok' AS status, 7.0 AS error) "
        "FROM accuracy WHERE issuer = 'sextant' AND origin < '2026-11-16'"
    )
    with full.warehouse.write() as session:
        session.script(f"INSERT INTO accuracy BY NAME {shadow}")
    window = {"target": TARGET, "first": full.now - 30 * DAY, "last": full.now}
    rows = full.warehouse.ask("champion_errors", own=False, version_id="demo.load-v0", **window)
    early = rows["origin"] < pd.Timestamp("2026-11-16", tz="UTC")
    assert not rows.duplicated(["origin", "horizon"]).any()
    assert (rows.loc[early, "error"] == 7.0).all()
    assert (rows.loc[~early, "error"] != 7.0).all()
    assert early.any()
    assert not early.all()
    other = full.warehouse.ask("champion_errors", own=False, version_id="demo.load-v1", **window)
    assert len(other) == len(rows)
    assert (other["error"] != 7.0).all()
    own = full.warehouse.ask("champion_errors", own=True, version_id="demo.load-v0", **window)
    assert (own["error"] == 7.0).all()
    assert len(own) == early.sum()


def test_a_version_retired_while_it_was_tried_is_not_promoted(full: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    full.done("train", families=["naive"])
    loaded = registry.load

    def load_then_retire(row: dict[str, object], **rest: object) -> object:
        model = loaded(row, **rest)  # type: ignore[arg-type]
        rows = pd.DataFrame({"version_id": [row["version_id"]], "reason": "old", "retired_at": pd.Timestamp(full.now)})
        with full.warehouse.write() as session:
            session.append("retirements", rows.assign(run_id="other"))
        return model

    monkeypatch.setattr(registry, "load", load_then_retire)
    present = registry.champion(full.warehouse, TARGET)["version_id"]
    other = "demo.load-v1" if present != "demo.load-v1" else "demo.load-v2"
    with pytest.raises(ModelError, match="retired meanwhile"):
        promoting.promote(
            full.warehouse, full.settings.models, target=full.target, version_id=other, expected=present,
            actor="ana", reason="try", now=full.now,
        )  # fmt: skip
    assert registry.champion(full.warehouse, TARGET)["version_id"] == present
