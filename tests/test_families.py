"""What single families promise beyond the contract of all: updates, members, spikes, short histories, size."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from pipeline import features
from pipeline.discovery import discover
from pipeline.errors import ModelError, NotEnoughData
from pipeline.exogenous import Exogenous
from pipeline.markets import TARGET_KINDS
from pipeline.models import boosting, direct, ensemble, hourly, ridge, ridge_asinh
from pipeline.models.base import Batch, Floats
from pipeline.settings import ROOT
from pipeline.windows import Versions
from tests.hourly import build_at, history, hours, issued

SOURCE = history("2023-01-01", 460)
ORIGINS = hours("2023-02-10", 100)


def lesson(origins: np.ndarray = ORIGINS) -> tuple[Batch, Floats]:
    late = issued(origins)[-1] + np.timedelta64(9, "D")
    return build_at(SOURCE, origins).batch, features.training_actuals(SOURCE, origins, as_of=late).value


def test_every_kind_of_target_has_a_candidate_besides_naive() -> None:
    families = discover("pipeline.models", "FAMILY").values()
    for kind in TARGET_KINDS:
        assert [one.name for one in families if kind in one.kinds and one.candidate and one.name != "naive"]
    assert {kind for family in families for kind in family.kinds} == set(TARGET_KINDS)


def test_what_a_row_would_have_been_forecast_unlearned_is_that_of_a_fit_without_it() -> None:
    rng = np.random.default_rng(0)
    rows, hour = rng.normal(size=(24 * 30, 4)), np.tile(np.arange(24), 30)
    change = rows @ np.array([3.0, -2.0, 1.0, 0.5]) + rng.normal(size=len(rows))
    left_out = hourly.solve(hourly.Moments.of(rows, change, hour)).left_out(rows, change, hour)
    for place in (5, 300):
        kept = np.arange(len(rows)) != place
        lines = hourly.solve(hourly.Moments.of(rows[kept], change[kept], hour[kept]))
        alone = hourly.line(lines.weights, lines.offset, rows[place : place + 1], hour[place : place + 1])
        assert left_out[place] == pytest.approx(alone[0], abs=0.03)
        assert abs(left_out[place] - change[place]) > 0.1


def test_less_than_a_season_is_not_gone_on_with() -> None:
    batch, actual = lesson()
    annual = [name.startswith("annual") for name in batch.target_names]
    assert not direct.fit_span(batch, actual).target[:, :, annual].any()
    year = hours("2023-02-10", 310)[::6]
    batch, actual = lesson(year)
    assert direct.fit_span(batch, actual) is batch


def test_a_spike_in_the_lessons_does_not_bend_the_families_for_prices() -> None:
    families = discover("pipeline.models", "FAMILY")
    batch, actual = lesson()
    test, truth = batch.rows(slice(-240, None)), actual[-240:]
    spiked = actual[:-240].copy()
    spiked[np.arange(7, len(spiked), 211)] += 1e6
    for name in ("boosting_asinh", "ridge_asinh"):
        state = families[name].fit(batch.rows(slice(0, -240)), spiked, seed=0, jobs=2)
        assert np.abs(families[name].predict(state, test) - truth).mean() < 1500
    state = ridge.FAMILY.fit(batch.rows(slice(0, -240)), spiked, seed=0, jobs=1)
    assert np.abs(ridge.FAMILY.predict(state, test) - truth).mean() > 3000


def test_asinh_keeps_forecasts_within_what_was_seen() -> None:
    batch, actual = lesson()
    state = ridge_asinh.FAMILY.fit(batch, actual, seed=0, jobs=1)
    wild = replace(batch, shared=batch.shared * 50)
    forecast = ridge_asinh.FAMILY.predict(state, wild)
    assert np.nanmin(actual) - 1e-6 <= forecast.min()
    assert forecast.max() <= np.nanmax(actual) + 1e-6


def test_the_ensemble_is_the_mean_of_the_members_in_its_state() -> None:
    batch, actual = lesson(hours("2023-02-10", 60))
    families = discover("pipeline.models", "FAMILY")
    state = ensemble.FAMILY.fit(batch, actual, seed=0, jobs=2)
    assert tuple(state) == ensemble.FAMILY.members
    parts = [families[name].predict(part, batch) for name, part in state.items()]
    assert ensemble.FAMILY.predict(state, batch).tobytes() == np.mean(np.stack(parts), axis=0).tobytes()


def test_recursive_trees_follow_an_input_from_step_to_step() -> None:
    told = Versions(SOURCE.valid_at, SOURCE.value, SOURCE.valid_at.astype("datetime64[us]") - np.timedelta64(2, "D"))
    inputs = [Exogenous("operator", "forecast", True, told)]
    built = features.build(SOURCE, ORIGINS, issued(ORIGINS), zone="Europe/Madrid", country="ES", inputs=inputs)
    _, actual = lesson()
    family, cut = discover("pipeline.models", "FAMILY")["boosting_recursive"], -240
    errors = []
    for batch in (built.batch, features.without_inputs(built.batch)):
        state = family.fit(batch.rows(slice(0, cut)), actual[:cut], seed=0, jobs=2)
        errors.append(np.nanmean(np.abs(family.predict(state, batch.rows(slice(cut, None))) - actual[cut:]), axis=0))
    # An operator that is always right helps at every step, the last one included.
    assert (errors[0] < 0.7 * errors[1]).all()


def test_an_ensemble_of_a_library_that_is_gone_says_so() -> None:
    batch, _ = lesson(hours("2023-02-10", 2))
    with pytest.raises(ModelError, match="fitted with lost, which is not installed; install it or retrain"):
        ensemble.FAMILY.predict({"lost": {}}, batch)


def test_without_the_optional_libraries_their_families_are_left_out_and_the_ensemble_uses_what_there_is() -> None:
    code = (
        "import sys; sys.modules.update(lightgbm=None, xgboost=None)\n"
        "from pipeline.discovery import discover\n"
        "families = discover('pipeline.models', 'FAMILY')\n"
        "print(*families['ensemble'].members, '|', *(name for name in families if 'gb' in name))"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == [boosting.FAMILY.name, "boosting_recursive", "mlp", "|"]


@pytest.mark.parametrize("name", ["boosting", "boosting_recursive", "boosting_asinh"])
def test_trees_say_that_no_row_is_complete(name: str) -> None:
    batch, actual = lesson(hours("2023-02-10", 30))
    target = batch.target.copy()
    target[:, :, batch.target_names.index("target_lag_24")] = np.nan
    family = discover("pipeline.models", "FAMILY")[name]
    with pytest.raises(NotEnoughData, match=f"{name} needs rows with all features known and has none"):
        family.fit(replace(batch, target=target), actual, seed=0, jobs=1)
