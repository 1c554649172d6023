"""The scale for spikes: there and back, columns of each kind, and what the families make of it."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline import features
from pipeline.exogenous import Exogenous
from pipeline.models import asinh, boosting_asinh, ridge_asinh
from pipeline.models.base import Batch, Floats
from pipeline.windows import History, Versions
from tests.hourly import hours, issued

HOURS = hours("2024-01-01", 150)
ORIGINS = HOURS[36 * 24 : -6]


def lesson(*, own_unit: bool) -> tuple[Batch, Floats]:
    """A price whose day-ahead price tells most of it, with spikes that come out of nothing."""
    rng = np.random.default_rng(5)
    ahead = 40 + 15 * np.sin(np.arange(len(HOURS)) * 2 * np.pi / 24) + rng.normal(0, 5, len(HOURS))
    price = ahead + rng.normal(0, 2, len(HOURS)) + np.where(rng.random(len(HOURS)) < 0.01, 800.0, 0.0)
    history = History(HOURS, price, issued(HOURS, 70), price, price, price)
    known = Versions(HOURS, ahead, issued(HOURS, -60 * 24))
    inputs = [Exogenous("dam", "price", own_unit, known, "USD/MWh")]
    built = features.build(history, ORIGINS, issued(ORIGINS), zone="America/Chicago", country="US", inputs=inputs)
    return built.batch, features.training_actuals(history, ORIGINS, as_of=issued(HOURS[-1:])[0]).value


def test_values_return_from_the_scale_within_what_was_learned() -> None:
    batch, actual = lesson(own_unit=False)
    scale = asinh.learn(batch, actual)
    np.testing.assert_allclose(asinh.from_z(scale, asinh.to_z(scale, actual)), actual, rtol=1e-9)
    beyond = asinh.from_z(scale, np.array([-99.0, 99.0]))
    np.testing.assert_allclose(beyond, [actual.min(), actual.max()], rtol=1e-9)


def test_a_column_in_the_targets_unit_stays_relative_and_one_of_another_is_drawn_to_its_own_middle() -> None:
    for own_unit in (True, False):
        batch, actual = lesson(own_unit=own_unit)
        scale = asinh.learn(batch, actual)
        drawn = asinh.to_batch(scale, batch)
        place = batch.target_names.index("x_dam_level")
        values = batch.target[:, :, place]
        z = drawn.target[:, :, place]
        if own_unit:
            there = asinh.to_z(scale, values + batch.level[:, None])
            np.testing.assert_allclose(z, there - drawn.level[:, None], atol=1e-9)
            assert scale["inputs"][1].shape == (2, 0)
        else:
            assert np.median(z) == pytest.approx(0.0, abs=1e-9)
            assert np.abs(z).max() < 3
        lag = batch.shared_names.index("lag_5")
        before = batch.shared[:, lag] + batch.level
        np.testing.assert_allclose(drawn.shared[:, lag] + drawn.level, asinh.to_z(scale, before), atol=1e-9)
        assert drawn.shared_names[-1] == "level"
        assert drawn.shared[:, -1].tobytes() == drawn.level.tobytes()
        weekday = batch.target_names.index("weekday")
        assert (drawn.target[:, :, weekday] == batch.target[:, :, weekday]).all()


def test_nothing_known_gives_a_scale_that_does_no_harm() -> None:
    batch, actual = lesson(own_unit=False)
    scale = asinh.learn(batch, np.full(actual.shape, np.nan))
    assert (scale["centre"], scale["scale"]) == (0.0, 1.0)
    assert np.isfinite(asinh.to_batch(scale, batch).target).all()


@pytest.mark.parametrize("family", [ridge_asinh.FAMILY, boosting_asinh.FAMILY], ids=lambda one: str(one.name))
def test_families_follow_the_day_ahead_price_and_say_nothing_without_it(
    family: ridge_asinh.RidgeAsinh, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(boosting_asinh.FAMILY._learner._parameters, "max_iter", 40)
    batch, actual = lesson(own_unit=False)
    cut = -14 * 24
    state = family.fit(batch.rows(slice(0, cut)), actual[:cut], seed=0, jobs=2)
    test = batch.rows(slice(cut, None))
    error = np.abs(family.predict(state, test) - actual[cut:])
    # The noise alone errs by 1.4 at the middle, yesterday by 6; a spike is a surprise to everybody.
    assert np.median(error) < 4.0
    blind = test.target.copy()
    blind[:5, :, test.target_names.index("x_dam_level")] = np.nan
    forecast = family.predict(state, replace(test, target=blind))
    assert np.isnan(forecast[:5]).all()
    assert np.isfinite(forecast[5:]).all()
