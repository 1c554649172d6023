"""Every family of pipeline/models: the promises that jobs and backtest build on."""

import io
from collections.abc import Iterator
from functools import cache
from typing import Any

import joblib
import numpy as np
import pytest

from pipeline import features
from pipeline.discovery import discover
from pipeline.errors import NotEnoughData
from pipeline.features import Built, History
from pipeline.models.base import Batch, Family, is_linear
from tests.hourly import COUNTRY, ZONE, history, hours, issued, noise_after
from tests.small_families import few_trees

FAMILIES = discover("pipeline.models", "FAMILY")
SOURCE = history("2023-12-01", 110)
TRAINED = hours("2024-01-26", 40)
LATER = hours("2024-03-08", 8)

pytestmark = pytest.mark.parametrize("name", sorted(FAMILIES))


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    """None of the promises is about the number of trees; with fewer they are asked in a third of the time."""
    with few_trees():
        yield


@cache
def _later() -> Batch:
    return _build(SOURCE, LATER).batch


def _build(source: History, origins: np.ndarray) -> Built:
    return features.build(source, origins, issued(origins), zone=ZONE, country=COUNTRY)


@cache
def _training() -> tuple[Built, np.ndarray]:
    built = _build(SOURCE, TRAINED)
    return built, features.training_actuals(SOURCE, TRAINED, as_of=issued(TRAINED)[-1]).value


@cache
def _fitted(name: str) -> dict[str, Any]:
    built, actual = _training()
    return FAMILIES[name].fit(built.batch, actual, seed=3, jobs=2)


def test_it_keeps_the_form_of_a_family(name: str) -> None:
    family: Family = FAMILIES[name]
    assert family.name == name
    assert isinstance(family.candidate, bool)
    assert type(_fitted(name)) is dict


def test_it_forecasts_a_finite_number_for_every_origin_and_horizon(name: str) -> None:
    forecast = FAMILIES[name].predict(_fitted(name), _later())
    assert forecast.shape == (len(LATER), 6)
    assert forecast.dtype == np.float64
    assert np.isfinite(forecast).all()


def test_it_is_no_worse_than_persistence_on_plain_demand(name: str) -> None:
    built = _build(SOURCE, LATER)
    actual = features.training_actuals(SOURCE, LATER, as_of=issued(LATER)[-1] + np.timedelta64(9, "D")).value
    error = np.abs(FAMILIES[name].predict(_fitted(name), built.batch) - actual).mean()
    assert error < np.abs(built.batch.level[:, None] - actual).mean() / 2


def test_two_fits_of_one_seed_forecast_bit_for_bit_the_same(name: str) -> None:
    (built, actual), later = _training(), _later()
    again = FAMILIES[name].fit(built.batch, actual, seed=3, jobs=1)
    once, twice = (FAMILIES[name].predict(state, later) for state in (_fitted(name), again))
    assert once.tobytes() == twice.tobytes()


def test_one_origin_is_forecast_as_among_many(name: str) -> None:
    later = _later()
    whole = FAMILIES[name].predict(_fitted(name), later)
    for place in range(0, len(later), 29):
        alone = FAMILIES[name].predict(_fitted(name), later.rows(slice(place, place + 1)))
        assert alone.tobytes() == whole[place : place + 1].tobytes()


def test_noise_in_all_that_was_not_known_changes_no_bit_of_its_forecast(name: str) -> None:
    family = FAMILIES[name]
    for origin in LATER[::37]:
        one = np.array([origin])
        noisy = noise_after(SOURCE, origin, issued(one)[0])
        clean, spoiled = (family.predict(_fitted(name), _build(source, one).batch) for source in (SOURCE, noisy))
        assert clean.tobytes() == spoiled.tobytes()


def test_its_state_survives_storage(name: str) -> None:
    stored = io.BytesIO()
    joblib.dump(_fitted(name), stored)
    later = _later()
    forecast = FAMILIES[name].predict(joblib.load(stored), later)
    assert forecast.tobytes() == FAMILIES[name].predict(_fitted(name), later).tobytes()


def test_rows_without_an_actual_change_no_bit_of_what_it_learns(name: str) -> None:
    built, actual = _training()
    early = _build(SOURCE, hours("2023-12-01", 15)).batch
    unknown = np.full((len(early), 6), np.nan)
    state = FAMILIES[name].fit(_joined(early, built.batch), np.concatenate([unknown, actual]), seed=3, jobs=2)
    later = _later()
    assert FAMILIES[name].predict(state, later).tobytes() == FAMILIES[name].predict(_fitted(name), later).tobytes()


def test_it_learns_beside_rows_whose_features_are_missing(name: str) -> None:
    built, actual = _training()
    early = _build(SOURCE, hours("2023-12-01", 15)).batch
    assert np.isnan(early.shared).any()
    known = features.training_actuals(SOURCE, early.origins, as_of=issued(TRAINED)[-1]).value
    state = FAMILIES[name].fit(_joined(early, built.batch), np.concatenate([known, actual]), seed=3, jobs=2)
    assert np.isfinite(FAMILIES[name].predict(state, _later())).all()


_PER_ORIGIN = ("origins", "level", "naive", "shared", "target", "local_hour", "recent")


def _joined(first: Batch, second: Batch) -> Batch:
    rows = {key: np.concatenate([getattr(first, key), getattr(second, key)]) for key in _PER_ORIGIN}
    return Batch(**rows, shared_names=first.shared_names, target_names=first.target_names)


def test_an_origin_without_a_level_has_no_forecast_and_harms_no_other(name: str) -> None:
    later = _later()
    blank = {key: getattr(later, key).copy() for key in _PER_ORIGIN}
    for key in ("level", "naive", "shared", "target", "recent"):
        blank[key][5] = np.nan
    broken = type(later)(**blank, shared_names=later.shared_names, target_names=later.target_names)
    forecast = FAMILIES[name].predict(_fitted(name), broken)
    whole = FAMILIES[name].predict(_fitted(name), later)
    assert np.isnan(forecast[5]).all()
    assert np.delete(forecast, 5, axis=0).tobytes() == np.delete(whole, 5, axis=0).tobytes()


def test_one_that_calls_itself_linear_is(name: str) -> None:
    family: Family = FAMILIES[name]
    if not is_linear(family):
        return
    later = _later()
    one, other = later.rows(slice(0, 24)), later.rows(slice(24 * 7, 24 * 8))
    fields = ("level", "naive", "shared", "target", "recent")
    middle = {key: (getattr(one, key) + getattr(other, key)) / 2 for key in fields}
    between = Batch(
        **middle,
        origins=one.origins,
        local_hour=one.local_hour,
        shared_names=one.shared_names,
        target_names=one.target_names,
    )
    assert (one.local_hour == other.local_hour).all()
    first, second, mean = (family.predict(_fitted(name), batch) for batch in (one, other, between))
    np.testing.assert_allclose(mean, (first + second) / 2, rtol=1e-9)


def test_it_says_so_when_there_is_too_little_to_learn_from(name: str) -> None:
    if not _fitted(name):
        return  # It learns nothing, so nothing is too little.
    built, actual = _training()
    with pytest.raises(NotEnoughData, match=f"{name} needs .* history"):
        FAMILIES[name].fit(built.batch.rows(slice(0, 100)), actual[:100], seed=3, jobs=1)
