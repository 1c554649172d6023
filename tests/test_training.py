"""Training on the demo market: what is learned from, how it is compared, and that every decision is a row."""

import json
import shutil
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline import comparing, promoting, registry
from pipeline.discovery import discover
from pipeline.errors import ConfigError
from pipeline.jobs import train
from pipeline.runner import Runner
from pipeline.settings import Settings
from tests.conftest import NOW, Desk, ask, desk_in
from tests.life import champion, newest_decision, roll_back, with_target


@pytest.fixture(scope="module")
def learned(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the filled warehouse whose champion is a second version, trained on all there is."""
    folder = tmp_path_factory.mktemp("learned") / "desk"
    shutil.copytree(template, folder)
    desk_in(folder).done("train", families=["naive", "ridge"])
    return folder


@pytest.fixture
def trained(learned: Path, tmp_path: Path) -> Desk:
    """A copy of it, free to be changed."""
    shutil.copytree(learned, tmp_path / "desk")
    return desk_in(tmp_path / "desk")


def log_of(desk: Desk, version_id: str) -> str:
    """What the run told that trained a version."""
    runs = "SELECT log FROM job_runs JOIN model_versions USING (run_id)"
    return str(ask(desk, f"{runs} WHERE version_id = '{version_id}'").log[0])


def test_training_registers_a_version_with_everything_needed_to_explain_it(trained: Desk) -> None:
    row = registry.champion(trained.warehouse, trained.target.id)
    assert row["version_id"] == "demo.load-v2"
    assert row["family"] == "ridge"
    assert row["n_rows"] > 2000
    assert len(row["data_hash"]) == len(row["sha256"]) == 64
    assert row["trained_to"] <= pd.Timestamp(NOW)
    assert "scikit-learn" in row["libraries"]
    assert '"champion_mae"' in row["evidence"]
    scores = ask(trained, "SELECT * FROM backtests")
    assert set(scores.family) == {"naive", "ridge"}
    assert (scores.n >= 600).all()


def test_the_same_data_are_not_trained_twice_unless_forced(trained: Desk) -> None:
    row = trained.done("train", families=["naive", "ridge"])
    assert (row["state"], row["reason"]) == ("skipped", "demo.load: no new data since v2")
    assert trained.done("train", families=["naive", "ridge"], force=True)["state"] == "succeeded"
    assert registry.champion(trained.warehouse, trained.target.id)["version_id"] == "demo.load-v3"


def test_a_clearly_worse_candidate_is_registered_but_not_promoted(full: Desk) -> None:
    full.done("train", families=["naive"])
    assert registry.champion(full.warehouse, full.target.id)["version_id"] == "demo.load-v1"
    refused = ask(full, "SELECT * FROM promotions WHERE outcome = 'refused'").iloc[0]
    assert refused.version_id == "demo.load-v2"
    assert "clearly worse" in refused.reason


def only(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Make these the only installed families."""
    known = {name: family for name, family in discover("pipeline.models", "FAMILY").items() if name in names}
    monkeypatch.setattr(train, "discover", lambda *_: known)


def test_training_uses_no_more_cores_than_it_is_given(full: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    given = []
    compare = comparing.compare
    monkeypatch.setattr(comparing, "compare", lambda *args, **kw: given.append(kw["cores"]) or compare(*args, **kw))
    full.settings = replace(full.settings, cores=3)
    full.done("train", families=["naive"])
    assert given == [3]
    assert [Settings.load({"SEXTANT_CORES": text}).cores for text in ("5", "0.5")] == [5, 1]
    with pytest.raises(ConfigError, match="SEXTANT_CORES='many' is not a number"):
        Settings.load({"SEXTANT_CORES": "many"})


def test_families_are_compared_side_by_side_and_told_as_they_finish(trained: Desk) -> None:
    log = log_of(trained, "demo.load-v2")
    for name in ("naive", "ridge"):
        assert f"demo.load: {name}, hold-out MAE " in log
    assert "demo.load: fitting ridge on everything" in log
    params = json.loads(registry.champion(trained.warehouse, trained.target.id)["params"])
    assert set(params["seconds"]) == {"naive", "ridge"}


def test_a_deep_training_comes_once_a_week_and_a_quick_one_on_the_days_between(
    full: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, "naive", "ridge")
    depths = []
    for hours in (0, 24, 24 * 6 + 1):
        full.now += timedelta(hours=hours)
        full.done("ingest")
        full.done("actuals")
        full.done("train")
        depths.append(json.loads(ask(full, "SELECT params FROM model_versions ORDER BY created_at").params.iloc[-1]))
    assert [(one["depth"], one["families"]) for one in depths] == [
        ("deep", ["naive", "ridge"]),
        ("quick", ["ridge"]),
        ("deep", ["naive", "ridge"]),
    ]
    full.done("train", force=True, depth="quick")
    assert "quick: comparing ridge" in ask(full, "SELECT log FROM job_runs ORDER BY started_at").log.iloc[-1]


def test_families_of_other_kinds_of_target_are_left_out(full: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "naive", "ridge")
    monkeypatch.setattr(type(discover("pipeline.models", "FAMILY")["naive"]), "kinds", ("price",))
    assert "deep: comparing ridge\n" in full.done("train", depth="deep")["log"]


def test_under_the_manual_policy_a_candidate_waits_until_somebody_promotes_it(full: Desk) -> None:
    with_target(full, policy=replace(full.target.policy, promotion="manual"))
    full.done("train", families=["ridge"])
    assert newest_decision(full).outcome == "waiting"
    assert champion(full) == "demo.load-v1"
    promoting.promote(
        full.warehouse,
        full.settings.models,
        target=full.target,
        version_id="demo.load-v2",
        expected="demo.load-v1",
        actor="ana",
        reason="looks good",
        now=full.now,
    )
    assert champion(full) == "demo.load-v2"


def test_under_the_manual_policy_even_the_first_model_waits(full: Desk) -> None:
    with full.warehouse.write() as session:
        session.script("DELETE FROM promotions")
    with_target(full, policy=replace(full.target.policy, promotion="manual"))
    full.done("train", families=["ridge"])
    assert (newest_decision(full).outcome, newest_decision(full).reason) == (
        "waiting",
        "waits for approval: no champion yet",
    )
    promoting.promote(
        full.warehouse,
        full.settings.models,
        target=full.target,
        version_id="demo.load-v2",
        expected=None,
        actor="ana",
        reason="begin",
        now=full.now,
    )
    assert champion(full) == "demo.load-v2"


def test_a_rollback_that_lands_during_a_training_wins(trained: Desk) -> None:
    assert champion(trained) == "demo.load-v2"

    def meanwhile(items: Iterable[Any], _label: str, _total: int | None = None) -> Iterable[Any]:
        roll_back(trained, "demo.load-v1", "demo.load-v2")
        return items

    runner = Runner(trained.settings, trained.markets, trained.warehouse, clock=lambda: trained.now, progress=meanwhile)
    row = runner.run(trained.jobs["train"], by="test", families=["ridge"], force=True)
    assert row["state"] == "succeeded"
    assert "demo.load-v3 (ridge" in row["log"]
    assert "not promoted: the champion changed meanwhile" in row["log"]
    assert champion(trained) == "demo.load-v1"
    assert newest_decision(trained).outcome == "refused"
    assert newest_decision(trained).reason.startswith("the champion became demo.load-v1 meanwhile; sound")


def test_a_promotion_is_dated_when_it_was_decided_not_when_training_began(full: Desk) -> None:
    began, ticks = full.now, iter(range(1, 10**6))
    runner = Runner(full.settings, full.markets, full.warehouse, clock=lambda: began + timedelta(seconds=next(ticks)))
    row = runner.run(full.jobs["train"], by="test", families=["ridge"], force=True)
    assert row["started_at"] < newest_decision(full).decided_at < row["ended_at"]


def test_after_a_rollback_the_same_again_has_to_win_until_there_are_new_data(trained: Desk) -> None:
    roll_back(trained, "demo.load-v1", "demo.load-v2")
    trained.done("train", families=["ridge"], force=True)
    assert "(demo.load-v2 was rolled back and this is the same again)" in newest_decision(trained).reason
    if champion(trained) == "demo.load-v3":
        roll_back(trained, "demo.load-v1", "demo.load-v3")
    trained.now += timedelta(days=1)
    trained.done("ingest")
    trained.done("actuals")
    trained.done("train", families=["ridge"])
    assert "was rolled back and this is the same again" in newest_decision(trained).reason


def test_after_a_rollback_a_week_of_new_data_is_a_new_start(trained: Desk) -> None:
    roll_back(trained, "demo.load-v1", "demo.load-v2")
    trained.now += timedelta(days=8)
    trained.done("ingest")
    trained.done("actuals")
    trained.done("train", families=["ridge"])
    assert newest_decision(trained).outcome == "promoted"
    assert newest_decision(trained).reason.startswith("sound and not clearly worse")
