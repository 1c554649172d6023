"""What becomes of model files that nobody needs."""

from dataclasses import replace

import pandas as pd
import pytest

from pipeline import registry, retention
from pipeline.doctor import examine
from pipeline.errors import ModelError
from tests.conftest import Desk, ask
from tests.test_registry import TARGET, change


def retire(desk: Desk, keep: int, run_id: str = "now") -> int:
    target = replace(desk.target, policy=replace(desk.target.policy, keep_versions=keep))
    return retention.retire(desk.warehouse, desk.settings.models, target, now=desk.now, run_id=run_id)


def files(desk: Desk) -> int:
    return len(list((desk.settings.models / TARGET).iterdir()))


def test_the_newest_versions_and_every_former_champion_are_kept(full: Desk) -> None:
    for _ in range(4):
        full.done("train", families=["naive"], force=True)
    assert retire(full, 2) == 2
    assert set(ask(full, "SELECT version_id FROM retirements").version_id) == {"demo.load-v2", "demo.load-v3"}
    assert files(full) == 3
    assert retire(full, 2) == 0
    flaws = [one for one in examine(full.warehouse, full.settings.models, jobs=[]) if one.flaw]
    assert not [one for one in flaws if one.check.startswith("artifact")]
    with pytest.raises(ModelError, match=r"v2: its file was retired on 20 Nov 2026; choose a kept version"):
        change(full, "demo.load-v2", "demo.load-v1", by="promote")


def test_what_a_crash_left_is_swept_and_what_is_not_ours_is_left_alone(full: Desk) -> None:
    full.done("train", families=["naive"], force=True)
    folder = full.settings.models / TARGET
    kept = files(full)
    crashed = full.run("train", families=[], force=True)
    assert crashed["state"] == "failed"
    for name in (f"{crashed['run_id']}.joblib", f".{crashed['run_id']}.joblib.99", "notes.joblib", "other.txt"):
        (folder / name).write_bytes(b"half")
    retired = registry.version(full.warehouse, TARGET, "demo.load-v2")
    with full.warehouse.write() as session:
        row = {"version_id": "demo.load-v2", "reason": "r", "retired_at": pd.Timestamp(full.now), "run_id": "now"}
        session.append("retirements", pd.DataFrame([row]))
    retire(full, 20)
    assert not (full.settings.models / retired["artifact"]).exists()
    assert files(full) == kept - 1 + 2
    assert (folder / "notes.joblib").exists()
    assert (folder / "other.txt").exists()


def test_training_retires_what_the_policy_does_not_keep(full: Desk) -> None:
    market = next(iter(full.markets.values()))
    target = replace(full.target, policy=replace(full.target.policy, keep_versions=1))
    full.markets[market.id] = replace(market, targets=(target,))
    for _ in range(2):
        full.done("train", families=["naive"], force=True)
    assert list(ask(full, "SELECT version_id FROM retirements").version_id) == ["demo.load-v2"]
