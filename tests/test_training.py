"""Training, promotion and rollback on the demo market: every decision is a row and nothing changes by accident."""

from datetime import timedelta

import pandas as pd
import pytest

from pipeline import registry
from pipeline.errors import ModelError, StalePremise
from tests.conftest import NOW, Desk, ask


def test_training_registers_a_version_with_everything_needed_to_explain_it(full: Desk) -> None:
    full.done("train", families=["naive", "ridge"])
    row = registry.champion(full.warehouse, full.target.id)
    assert row["version_id"] == "demo.load-v2"
    assert row["family"] == "ridge"
    assert row["n_rows"] > 2000
    assert len(row["data_hash"]) == len(row["sha256"]) == 64
    assert row["trained_to"] <= pd.Timestamp(NOW)
    assert "scikit-learn" in row["libraries"]
    assert '"champion_mae"' in row["evidence"]
    scores = ask(full, "SELECT * FROM backtests")
    assert set(scores.family) == {"naive", "ridge"}
    assert (scores.n >= 600).all()


def test_the_same_data_are_not_trained_twice_unless_forced(full: Desk) -> None:
    full.done("train", families=["naive", "ridge"])
    row = full.done("train", families=["naive", "ridge"])
    assert (row["state"], row["reason"]) == ("skipped", "demo.load: no new data since v2")
    assert full.done("train", families=["naive", "ridge"], force=True)["state"] == "succeeded"
    assert registry.champion(full.warehouse, full.target.id)["version_id"] == "demo.load-v3"


def test_a_clearly_worse_candidate_is_registered_but_not_promoted(full: Desk) -> None:
    full.done("train", families=["naive"])
    assert registry.champion(full.warehouse, full.target.id)["version_id"] == "demo.load-v1"
    refused = ask(full, "SELECT * FROM promotions WHERE outcome = 'refused'").iloc[0]
    assert refused.version_id == "demo.load-v2"
    assert "clearly worse" in refused.reason


def test_too_little_history_fails_with_what_is_needed(desk: Desk) -> None:
    row = desk.run("train")
    assert row["state"] == "failed"
    assert "ingest more history" in row["error"]


def test_a_rollback_changes_the_champion_and_the_next_issue(full: Desk) -> None:
    full.done("train", families=["naive", "ridge"])
    target = full.target.id
    registry.roll_back(
        full.warehouse,
        full.settings.models,
        target=target,
        version_id="demo.load-v1",
        expected="demo.load-v2",
        actor="ana",
        reason="v2 looks odd",
        now=full.now,
    )
    assert registry.champion(full.warehouse, target)["version_id"] == "demo.load-v1"
    full.now += timedelta(hours=1)
    for job in ("ingest", "actuals", "features", "forecast"):
        full.done(job)
    newest = ask(full, "SELECT * FROM predictions WHERE issuer = 'sextant' ORDER BY origin DESC LIMIT 1").iloc[0]
    assert newest.version_id == "demo.load-v1"


@pytest.mark.parametrize(
    ("version", "expected", "error"),
    [
        ("demo.load-v9", "demo.load-v1", ModelError),
        ("demo.load-v1", "demo.load-v1", ModelError),
        ("naive", "demo.load-v1", ModelError),
        ("demo.load-v1", "demo.load-v7", StalePremise),
    ],
)
def test_a_rollback_that_makes_no_sense_changes_nothing(full: Desk, version: str, expected: str, error) -> None:
    before = ask(full, "SELECT * FROM promotions")
    with pytest.raises(error):
        registry.roll_back(
            full.warehouse,
            full.settings.models,
            target=full.target.id,
            version_id=version,
            expected=expected,
            actor="ana",
            reason="",
            now=full.now,
        )
    pd.testing.assert_frame_equal(before, ask(full, "SELECT * FROM promotions"))


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
