"""backtest: fits see nothing that was not known, scores are on common origins; and real Spanish demand."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from pipeline import backtest, features, intervals, metrics
from pipeline.errors import NotEnoughData
from pipeline.features import Actuals, Built
from pipeline.models import forest_recursive, naive, ridge
from pipeline.models.base import Batch, Floats
from tests.hourly import COUNTRY, ZONE, history, hours, issued, spain, with_vintages

FOREVER = np.datetime64("2100-01-01", "us")


@dataclass
class Spy:
    """A family that remembers what it was shown and forecasts the number of its fits."""

    name: str = "spy"
    candidate: bool = False
    fits: list[tuple[Batch, Floats]] = field(default_factory=list)

    def fit(self, batch: Batch, actual: Floats, *, seed: int, jobs: int) -> dict[str, Any]:
        self.fits.append((batch, actual))
        return {"number": float(len(self.fits))}

    def predict(self, state: dict[str, Any], batch: Batch) -> Floats:
        return np.full(batch.naive.shape, state["number"])


def _world(*, vintages: bool = False) -> tuple[Built, Actuals]:
    source = history("2024-01-01", 80)
    source = with_vintages(source) if vintages else source
    origins = hours("2024-02-06", 40)
    built = features.build(source, origins, issued(origins), zone=ZONE, country=COUNTRY)
    return built, features.training_actuals(source, origins, as_of=FOREVER)


def _roll(family: Any, built: Built, actual: Actuals, test_from: str, **options: Any) -> Floats:
    return backtest.rolling_origin(
        family,
        built.batch,
        actual.value,
        known_at=actual.known_at,
        as_of=built.as_of,
        test_from=np.datetime64(test_from, "h"),
        **options,
    )


@pytest.mark.parametrize("vintages", [False, True], ids=["clean", "vintages"])
def test_a_fit_sees_only_pairs_whose_target_was_known_when_its_block_is_issued(vintages: bool) -> None:
    built, actual = _world(vintages=vintages)
    spy = Spy()
    _roll(spy, built, actual, "2024-03-01", refit_every=timedelta(days=1))
    known_at = dict(zip(built.batch.origins.tolist(), actual.known_at, strict=True))
    starts = hours("2024-03-01", len(spy.fits))[::24]
    assert len(spy.fits) == 16
    for start, (batch, pairs) in zip(starts, spy.fits, strict=True):
        now = issued(np.array([start]))[0]
        assert (batch.origins < start).all()
        shown = np.array([known_at[origin] for origin in batch.origins.tolist()])
        assert (shown[~np.isnan(pairs)] <= now).all()
        assert np.isnan(pairs[~(shown <= now)]).all()


def test_the_last_pairs_before_a_test_are_held_back_by_horizon() -> None:
    built, actual = _world()
    spy = Spy()
    _roll(spy, built, actual, "2024-03-01")
    pairs = spy.fits[0][1]
    assert np.isfinite(pairs[-1]).tolist() == [True] + [False] * 5
    assert np.isfinite(pairs[-6]).all()


def test_every_block_is_forecast_by_its_own_fit() -> None:
    built, actual = _world()
    forecast = _roll(Spy(), built, actual, "2024-03-01", refit_every=timedelta(days=2))
    assert forecast.shape == (16 * 24, 6)
    assert forecast[:, 0].tolist() == np.repeat(np.arange(1.0, 9.0), 48).tolist()


def test_without_refits_one_fit_serves_all() -> None:
    built, actual = _world()
    spy = Spy()
    assert (_roll(spy, built, actual, "2024-03-01") == 1).all()
    assert len(spy.fits) == 1


def test_noise_in_actuals_after_the_start_changes_no_bit_of_a_single_fit() -> None:
    built, actual = _world()
    late = actual.known_at > issued(hours("2024-03-01", 1))[0]
    spoiled = Actuals(np.where(late, 1e9, actual.value), actual.known_at)
    clean = _roll(ridge.FAMILY, built, actual, "2024-03-01")
    assert _roll(ridge.FAMILY, built, spoiled, "2024-03-01").tobytes() == clean.tobytes()


def test_a_test_window_without_origins_is_refused() -> None:
    built, actual = _world()
    with pytest.raises(NotEnoughData, match="left to test"):
        _roll(Spy(), built, actual, "2030-01-01")


def test_a_test_window_without_a_past_is_refused() -> None:
    built, actual = _world()
    with pytest.raises(NotEnoughData, match="start the test later"):
        _roll(Spy(), built, actual, "2024-01-01")


def _scored() -> tuple[dict[str, Floats], Floats, np.ndarray]:
    actual = np.arange(60.0).reshape(10, 6)
    return {"high": actual + 2, "low": actual - 1}, actual, hours("2024-01-01", 1)[:10]


def test_scores_count_common_origins_only() -> None:
    forecasts, actual, origins = _scored()
    forecasts["high"][:3, 0] = np.nan
    actual[9, 1] = np.nan
    rows = backtest.score(forecasts, actual, origins=origins, scale=4.0).set_index(["family", "horizon"])
    assert rows.loc[("low", 1), "n"] == 7
    assert rows.loc[("high", 1), "n"] == 7
    assert rows.loc[("low", 2), "n"] == 9
    assert rows.loc[("low", 3), "n"] == 10


def test_scores_are_those_of_the_metrics() -> None:
    forecasts, actual, origins = _scored()
    rows = backtest.score(forecasts, actual, origins=origins, scale=4.0).set_index(["family", "horizon"])
    high = rows.loc[("high", 1)]
    assert (high["mae"], high["rmse"], high["bias"], high["mase"]) == (2.0, 2.0, 2.0, 0.5)
    assert rows.loc[("low", 1), "bias"] == -1.0
    assert np.isnan(high["pinball_loss"])
    assert high["window_start"].isoformat() == "2024-01-01T00:00:00+00:00"
    assert high["window_end"].isoformat() == "2024-01-01T09:00:00+00:00"


def test_bands_are_scored_by_pinball_loss_and_coverage() -> None:
    forecasts, actual, origins = _scored()
    band = {name: forecasts["high"] + shift for name, shift in zip(intervals.LEVELS, (-3, -2, 0, 1, 2), strict=True)}
    rows = backtest.score(forecasts, actual, origins=origins, scale=4.0, bands={"high": band})
    rows = rows.set_index(["family", "horizon"])
    assert rows.loc[("high", 1), "coverage"] == 1.0
    losses = [
        metrics.pinball_loss(band[name], actual, level=level, axis=0)[0] for name, level in intervals.LEVELS.items()
    ]
    assert rows.loc[("high", 1), "pinball_loss"] == pytest.approx(np.mean(losses))
    assert np.isnan(rows.loc[("low", 1), "coverage"])


def test_scores_without_a_common_origin_are_refused() -> None:
    forecasts, actual, origins = _scored()
    forecasts["high"][:, 2] = np.nan
    with pytest.raises(NotEnoughData, match="at horizon 3"):
        backtest.score(forecasts, actual, origins=origins, scale=1.0)


def test_skills_are_paired_and_their_own_reference_has_none() -> None:
    rng = np.random.default_rng(0)
    actual = rng.normal(0, 1, (400, 6))
    forecasts = {"naive": actual + rng.normal(0, 2, actual.shape), "good": actual + rng.normal(0, 1, actual.shape)}
    operator = actual + rng.normal(0, 1, actual.shape)
    operator[:100] = np.nan
    origins = hours("2024-01-01", 17)[:400]
    rows = backtest.score(forecasts, actual, origins=origins, scale=1.0, operator=operator)
    rows = rows.set_index(["family", "horizon"])
    assert rows.loc[("good", 3), "skill_naive"] == pytest.approx(0.5, abs=0.08)
    assert 0.01 < rows.loc[("good", 3), "skill_naive_se"] < 0.06
    assert rows.loc[("good", 3), "p_value"] < 0.01
    assert rows.loc[("good", 3), "skill_operator"] == pytest.approx(0.0, abs=0.15)
    assert rows.loc[("naive", 3), ["skill_naive", "p_value"]].isna().all()
    assert rows.loc[("operator", 3), "n"] == 300
    assert np.isnan(rows.loc[("operator", 3), "skill_operator"])


def test_a_slice_is_scored_over_all_horizons_on_its_own_pairs() -> None:
    forecasts, actual, origins = _scored()
    forecasts["low"][:5] -= 3
    early = np.repeat(np.arange(10) < 5, 6).reshape(10, 6)
    rows = backtest.score(
        forecasts, actual, origins=origins, scale=1.0, slices={"early": early, "never": ~early & early}
    )
    rows = rows.set_index(["family", "slice", "horizon"]).sort_index()
    assert rows.loc[("low", "early", 0), ["n", "mae"]].tolist() == [30, 4.0]
    assert rows.loc[("low", "all", 0), ["n", "mae"]].tolist() == [60, 2.5]
    assert rows.loc[("low", "all", 1), "n"] == 10
    assert "never" not in rows.index.get_level_values("slice")


def test_bands_of_a_test_day_are_calibrated_on_earlier_days_only() -> None:
    rng = np.random.default_rng(0)
    actual, point = rng.normal(0, 1, (480, 6)), np.zeros((480, 6))
    origins = hours("2024-01-01", 20)
    hour = (np.arange(480)[:, None] + np.arange(1, 7)) % 24
    known_at = issued(origins)[:, None] + np.arange(1, 7).astype("timedelta64[h]")

    def bands(values: np.ndarray) -> dict[str, np.ndarray]:
        return backtest.rolling_bands(point, values, hour, known_at=known_at, as_of=issued(origins))

    clean = bands(actual)
    assert np.isnan(clean["p10"][:48]).all()
    assert np.isfinite(clean["p10"][72:]).all()
    spoiled = actual.copy()
    spoiled[known_at > issued(origins)[240]] = 1e6
    dirty = bands(spoiled)
    for name in intervals.LEVELS:
        assert dirty[name][:264].tobytes() == clean[name][:264].tobytes()
    assert (dirty["p95"][288:] > 1e3).any()
    assert metrics.coverage(clean["p10"][240:], clean["p90"][240:], actual[240:]) == pytest.approx(0.8, abs=0.06)


def test_on_real_spanish_demand_ridge_halves_the_naive_error() -> None:
    source, operator = spain("2022-11-20", "2024-04-01")
    origins = np.arange(source.valid_at.min() + 36 * 24, source.valid_at.max() - 6)
    built = features.build(source, origins, issued(origins), zone=ZONE, country=COUNTRY, operator=operator)
    actual = features.training_actuals(source, origins, as_of=FOREVER)
    test = built.batch.origins >= np.datetime64("2024-01-01T00")
    forecasts = {
        family.name: _roll(family, built, actual, "2024-01-01T00", refit_every=timedelta(days=30))
        for family in (ridge.FAMILY, naive.FAMILY)
    }
    scale = metrics.seasonal_scale(built.batch.level[~test])
    rows = backtest.score(forecasts, actual.value[test], origins=origins[test], scale=scale)
    mean = rows.groupby("family")["mae"].mean()
    assert rows["n"].min() > 2000
    assert mean["ridge"] < 0.6 * mean["naive"]
    assert mean["ridge"] < 400
    assert (rows[rows["family"] == "ridge"]["mase"] < 0.4).all()
    band = intervals.apply(
        intervals.calibrate(forecasts["ridge"][:1100] - actual.value[test][:1100], built.batch.local_hour[test][:1100]),
        forecasts["ridge"][1100:],
        built.batch.local_hour[test][1100:],
    )
    inside = metrics.coverage(band["p05"], band["p95"], actual.value[test][1100:])
    assert inside == pytest.approx(0.9, abs=0.05)


@pytest.mark.slow
def test_on_real_spanish_demand_ridge_is_well_below_the_recursive_forest() -> None:
    source, _ = spain("2023-05-20", "2024-03-01")
    origins = np.arange(source.valid_at.min() + 36 * 24, source.valid_at.max() - 6)
    built = features.build(source, origins, issued(origins), zone=ZONE, country=COUNTRY)
    actual = features.training_actuals(source, origins, as_of=FOREVER)
    test = built.batch.origins >= np.datetime64("2024-02-01T00")
    forecasts = {
        family.name: _roll(family, built, actual, "2024-02-01T00", jobs=2)
        for family in (ridge.FAMILY, forest_recursive.FAMILY)
    }
    rows = backtest.score(forecasts, actual.value[test], origins=origins[test], scale=1.0)
    mean = rows.groupby("family")["mae"].mean()
    assert mean["ridge"] < 0.7 * mean["forest_recursive"]
