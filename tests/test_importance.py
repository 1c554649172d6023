"""What a version looks at: every column in one group, shuffled alone, measured without the hold-out's lessons."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from pipeline import comparing, features, importance, training
from pipeline.configuring.markets import load_markets
from pipeline.errors import ModelError
from pipeline.exogenous import Exogenous
from pipeline.models.base import Batch, Floats
from pipeline.settings import ROOT
from tests.conftest import Desk, ask
from tests.hourly import history, hours, issued

INPUTS = (Exogenous("operator", "forecast", True, None, "MW"), Exogenous("warm", "measured", False, None, "degC"))
INPUTS = (*INPUTS, Exogenous("warm_ahead", "forecast", False, None, "degC"))


def batch(days: int = 3) -> Batch:
    origins = hours("2024-02-20", days)
    return features.build(history("2024-01-01", 60), origins, issued(origins), zone="Europe/Madrid", country="ES").batch


def test_every_column_belongs_to_exactly_one_group() -> None:
    columns = features.names(INPUTS)
    groups = {name: importance.group_of(name) for name in columns}
    own = {"level", "within_hour", "former_days", "calendar"}
    assert set(groups.values()) == own | {"operator", "operator_error", "warm", "warm_ahead"}
    assert groups["x_operator_error24"] == "operator_error"
    assert groups["x_warm_ahead_level"] == "warm_ahead"
    assert groups["lag_23"] == groups["mean_3"] == "level"
    assert groups["lag_24"] == groups["mean_168"] == groups["analog_delta_1"] == "former_days"
    assert groups["last_05_week"] == "within_hour"
    assert groups["local_hour"] == groups["annual_sin_1"] == "calendar"
    with pytest.raises(ModelError, match="column moon belongs to no group"):
        importance.group_of("moon")


def test_a_shuffle_moves_the_columns_of_one_group_and_no_other() -> None:
    rows = batch()
    order = np.random.default_rng(0).permutation(len(rows))
    for group in importance.counts(rows):
        mixed = importance.shuffled(rows, group, order)
        for name, before, after in (
            *zip(rows.shared_names, rows.shared.T, mixed.shared.T, strict=True),
            *zip(rows.target_names, np.moveaxis(rows.target, 2, 0), np.moveaxis(mixed.target, 2, 0), strict=True),
        ):
            expected = before[order] if importance.group_of(name) == group else before
            assert after.tobytes() == np.ascontiguousarray(expected).tobytes(), name
        moved_hour = (mixed.local_hour != rows.local_hour).any()
        assert moved_hour == (group == "calendar")
        assert (mixed.naive != rows.naive).any() == (group == "former_days")
        assert (mixed.level == rows.level).all()
    assert sum(importance.counts(rows).values()) == len(features.names())


@dataclass
class Hour:
    """Forecasts the level and as many MW as the local hour says; its error is known beforehand."""

    name: str = "hour"

    def predict(self, state: dict[str, Any], rows: Batch) -> Floats:
        return rows.level[:, None] + state["slope"] * rows.target[:, :, rows.target_names.index("local_hour")]


def lesson(rows: Batch, actual: Floats) -> Any:
    target = load_markets(ROOT / "sextant.toml", ("demo",))["demo"].targets[0]
    built = replace(features.build(history("2024-01-01", 60), rows.origins[:0], issued(rows.origins[:0]),
                                   zone="UTC", country="ES"), batch=rows)  # fmt: skip
    known = features.Actuals(actual, np.broadcast_to(rows.origins[:, None], actual.shape))
    return training.Lesson(target, None, None, built, known, "")  # type: ignore[arg-type]


def test_the_increase_is_that_of_the_mae_when_the_hour_means_nothing_any_more() -> None:
    rows, family = batch(20), Hour()
    rows = rows.rows(slice(0, 240))
    actual = family.predict({"slope": 10.0}, rows)
    candidate: Any = type("Candidate", (), {"held_out": {"slope": 10.0}, "family": family})()
    found = importance.importances(lesson(rows, actual), candidate).set_index("input")
    assert (found.n == importance.MOST_ORIGINS).all()
    assert (found.mae == 0).all()
    assert found.loc[found.index != "calendar", ["increase", "increase_se"]].eq(0).all(axis=None)
    # The mean distance of two hours of the day drawn at random is (24 * 24 - 1) / (3 * 24).
    assert found.increase["calendar"] == pytest.approx(10 * 575 / 72, rel=0.1)
    assert 0 < found.increase_se["calendar"] < 5
    actual[:, 3] = np.nan
    with pytest.raises(ModelError, match="hour: no origin of the hold-out has all its inputs and actuals"):
        importance.importances(lesson(rows, actual), candidate)


def test_training_writes_what_its_version_looks_at(full: Desk) -> None:
    log = full.done("train", families=["naive", "ridge"], force=True)["log"]
    rows = ask(full, "SELECT * FROM importances WHERE version_id = 'demo.load-v2' ORDER BY increase DESC")
    assert {"level", "within_hour", "former_days", "calendar"} <= set(rows.input)
    assert f"ridge looks most at {rows.input[0]}" in log
    assert rows.n_columns.sum() == len(features.names(full.target.inputs))
    assert (rows.repeats == 5).all()
    assert rows.increase[0] > 5 * rows.increase_se[0] > 0
    hold_out = ask(full, "SELECT avg(mae) AS mae FROM backtests WHERE family = 'ridge'").mae[0]
    assert rows.mae[0] == pytest.approx(hold_out, rel=0.15)


def test_the_state_that_is_shuffled_has_not_learned_the_hold_out(full: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[training.Lesson, comparing.Candidate]] = []
    find = importance.importances
    monkeypatch.setattr(importance, "importances", lambda one, made: seen.append((one, made)) or find(one, made))
    full.done("train", families=["naive", "ridge"], force=True)
    whole, made = seen[0]
    past, issue = ~whole.test, whole.built.as_of[whole.test][0]
    known = np.where(whole.actuals.known_at <= issue, whole.actuals.value, np.nan)[past]
    alone = made.family.fit(whole.built.batch.rows(past), known, seed=training.SEED, jobs=1)
    np.testing.assert_allclose(made.held_out["weights"], alone["weights"], rtol=1e-9)
    assert not np.allclose(made.state["weights"], alone["weights"], rtol=1e-3)


def test_a_version_serves_though_nobody_knows_what_it_looks_at(full: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise ModelError("blind")

    monkeypatch.setattr(importance, "importances", fails)
    row = full.done("train", families=["ridge"], force=True)
    assert "demo.load: what ridge looks at is not known: blind" in row["log"]
    assert "demo.load-v2" in set(ask(full, "SELECT version_id FROM model_versions").version_id)
    assert ask(full, "SELECT count(*) AS n FROM importances WHERE version_id = 'demo.load-v2'").n[0] == 0
