"""What is learned from: inputs, declared events, and a feed that looks broken."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from pipeline import features, training
from pipeline.discovery import discover
from pipeline.markets import Event, Input
from pipeline.models.base import Batch
from tests.conftest import Desk, ask
from tests.life import champion, loaded, newest_decision, with_target


def test_too_little_history_fails_with_what_is_needed(desk: Desk) -> None:
    row = desk.run("train")
    assert row["state"] == "failed"
    assert "ingest more history" in row["error"]


def newest_rows(desk: Desk) -> Batch:
    """Feature rows of the last two days."""
    return training.gather(desk.warehouse, desk.target, as_of=desk.now).built.batch.rows(slice(-48, None))


def test_a_version_carries_the_errors_of_its_hold_out(full: Desk) -> None:
    with_target(full, inputs=())
    full.done("train", families=["naive", "ridge"])
    model, scores = loaded(full, "demo.load-v2"), ask(full, "SELECT * FROM backtests WHERE family = 'ridge'")
    origins = model.residuals["origin"]
    assert (np.diff(origins) > 0).all()
    assert (origins[-1] - origins[0]) / 24 == training.HOLD_OUT.days
    own = np.nanmean(np.abs(model.residuals["error"]), axis=0)
    newest = scores[scores.run_id == scores.run_id.iloc[-1]].sort_values("horizon")
    np.testing.assert_allclose(own, newest.mae, rtol=0.01)
    assert np.nanmean(np.abs(model.naive_residuals["error"])) > 1.3 * own.mean()
    assert (model.reduced, model.reduced_residuals) == (None, None)


def test_a_target_with_inputs_also_gets_a_model_that_does_without(full: Desk) -> None:
    operator = full.target.operator
    assert operator is not None
    inputs = (Input(**vars(operator), own_unit=True),)
    with_target(full, inputs=inputs)
    full.done("train", families=["ridge"])
    model = loaded(full, "demo.load-v2")
    assert model.reduced is not None
    assert model.reduced_residuals is not None
    batch, ridge = newest_rows(full), discover("pipeline.models", "FAMILY")["ridge"]
    plain = features.without_inputs(batch)
    assert batch.target.shape[2] > plain.target.shape[2]
    assert np.isfinite(ridge.predict(model.state, batch)).all()
    assert np.isfinite(ridge.predict(model.reduced, plain)).all()
    errors = [np.nanmean(np.abs(pool["error"])) for pool in (model.residuals, model.reduced_residuals)]
    assert errors[0] < errors[1]


def test_an_input_that_is_new_costs_nothing_of_the_history_before_it(full: Desk) -> None:
    operator = full.target.operator
    assert operator is not None
    with_target(full, inputs=(Input(**vars(operator), own_unit=True),))
    with full.warehouse.write() as session:
        session.script(f"DELETE FROM raw WHERE series = '{operator.id}' AND valid_at < '2026-11-01'")
    full.done("train", families=["ridge"])
    model = loaded(full, "demo.load-v2")
    assert np.isfinite(model.residuals["error"]).mean() > 0.9
    # The champion knew the input for longer, so the candidate may lose; it must not look like a cheat.
    assert "against the champion's" in newest_decision(full).reason
    batch, ridge = newest_rows(full), discover("pipeline.models", "FAMILY")["ridge"]
    assert model.reduced is not None
    whole, alone = ridge.predict(model.state, batch), ridge.predict(model.reduced, features.without_inputs(batch))
    np.testing.assert_allclose(whole, alone, rtol=1e-6)


def test_an_input_that_has_been_dead_since_weeks_does_not_stop_training(full: Desk) -> None:
    operator = full.target.operator
    assert operator is not None
    with_target(full, inputs=(Input(**vars(operator), own_unit=True),))
    with full.warehouse.write() as session:
        session.script(f"DELETE FROM raw WHERE series = '{operator.id}' AND valid_at > '2026-10-25'")
    row = full.done("train", families=["naive", "ridge"])
    assert "demo.load-v2 (ridge" in row["log"]
    assert np.isfinite(loaded(full, "demo.load-v2").residuals["error"]).mean() > 0.9


def test_hours_that_came_late_are_no_lesson_for_a_model_with_inputs(full: Desk) -> None:
    operator = full.target.operator
    assert operator is not None
    late = "TIMESTAMPTZ '2026-11-10 10:00+00'"
    with full.warehouse.write() as session:
        session.script(f"UPDATE actuals SET known_at = greatest(known_at, {late}) WHERE valid_at = {late}::DATE - 2")
    origin = np.datetime64("2026-11-08T00")
    assert origin in training.gather(full.warehouse, with_target(full, inputs=()), as_of=full.now).built.batch.origins
    target = with_target(full, inputs=(Input(**vars(operator), own_unit=True),))
    assert origin not in training.gather(full.warehouse, target, as_of=full.now).built.batch.origins


def test_declared_events_are_no_lesson_and_change_the_data(full: Desk) -> None:
    plain = training.gather(full.warehouse, full.target, as_of=full.now)
    first = pd.Timestamp("2026-11-02 10:33", tz="UTC")
    event = Event(first.to_pydatetime(), (first + timedelta(hours=5)).to_pydatetime(), "blackout")
    target = with_target(full, events=(event,))
    lesson = training.gather(full.warehouse, target, as_of=full.now)
    gone = np.setdiff1d(plain.built.batch.origins, lesson.built.batch.origins)
    assert gone[0] == np.datetime64("2026-11-02T10")
    assert gone[-1] == np.datetime64("2026-11-03T15")
    assert len(gone) == 6 + 24
    hidden = np.isnan(lesson.actuals.value[lesson.built.batch.origins == np.datetime64("2026-11-02T07")][0])
    assert list(hidden) == [False, False, True, True, True, True]
    assert lesson.data_hash != plain.data_hash


def overwrite(desk: Desk, hours: pd.DatetimeIndex, value: float) -> None:
    """New versions of hours, all of one value."""
    rows = pd.DataFrame({"valid_at": hours.as_unit("us"), "target": desk.target.id, "n": 12, "run_id": "mended"})
    rows[["value", "last_05", "last_15", "last_30"]] = value
    known = pd.Timestamp(desk.now) - timedelta(minutes=1)
    with desk.warehouse.write() as session:
        session.append("actuals", rows.assign(known_at=known, written_at=pd.Timestamp(desk.now)))


@pytest.mark.parametrize("value", [0.0, 27123.0])
def test_a_stuck_feed_is_refused_before_anything_is_trained(full: Desk, value: float) -> None:
    overwrite(full, pd.date_range("2026-11-14", periods=40, freq="h", tz="UTC"), value)
    row = full.run("train", families=["naive"])
    assert row["state"] == "failed"
    assert f"demo.load: 40 hours in a row from 14 Nov 2026 00:00Z hold the same value {value:g}" in row["error"]
    assert "Mend or import the hours, or declare them as an event" in row["error"]
    assert champion(full) == "demo.load-v1"
    assert list(ask(full, "SELECT version_id FROM model_versions WHERE number > 0").version_id) == ["demo.load-v1"]
    first = pd.Timestamp("2026-11-14", tz="UTC").to_pydatetime()
    with_target(full, events=(Event(first, first + timedelta(hours=40), "meters were off"),))
    full.done("train", families=["naive"])
