"""intervals: conformal bands cover what they promise, never cross and may differ by horizon and volatility."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline import intervals, metrics
from pipeline.errors import NotEnoughData
from pipeline.intervals import LEVELS, MINIMUM_ERRORS

NAN = float("nan")


def _hours(n: int) -> np.ndarray:
    return (np.arange(n)[:, None] + np.arange(1, 7)) % 24


def _errors(n: int, *, seed: int = 0) -> np.ndarray:
    """Skewed errors, three times as wide by day as by night, growing with the horizon."""
    width = np.where((_hours(n) >= 8) & (_hours(n) < 20), 300.0, 100.0) * np.sqrt(np.arange(1, 7))
    return (np.random.default_rng(seed).gamma(2, 1, (n, 6)) - 2) * width


@settings(deadline=None)
@given(
    arrays(np.float64, (MINIMUM_ERRORS + 5, 6), elements=st.floats(-1e4, 1e4)),
    arrays(np.float64, (7, 6), elements=st.floats(-1e5, 1e5)),
)
def test_quantiles_never_cross_and_the_median_is_the_point(errors: np.ndarray, point: np.ndarray) -> None:
    band = intervals.apply(intervals.calibrate(errors, _hours(len(errors))), point, _hours(7))
    assert list(band) == list(LEVELS)
    stacked = np.stack(list(band.values()))
    assert (np.diff(stacked, axis=0) >= 0).all()
    assert (band["p50"] == point).all()


def test_fresh_errors_fall_into_the_bands_as_often_as_promised() -> None:
    band = intervals.apply(intervals.calibrate(_errors(1440), _hours(1440)), np.zeros((20000, 6)), _hours(20000))
    actual = -_errors(20000, seed=1)
    assert metrics.coverage(band["p10"], band["p90"], actual, axis=0) == pytest.approx(0.8, abs=0.03)
    assert metrics.coverage(band["p05"], band["p95"], actual, axis=0) == pytest.approx(0.9, abs=0.03)
    for name, level in LEVELS.items():
        if name != "p50":
            assert np.mean(actual <= band[name]) == pytest.approx(level, abs=0.02)


def test_every_part_of_the_day_is_covered_though_its_errors_differ_in_width() -> None:
    band = intervals.apply(intervals.calibrate(_errors(1440), _hours(1440)), np.zeros((20000, 6)), _hours(20000))
    actual = -_errors(20000, seed=1)
    for hours in (range(0, 6), range(10, 18)):
        inside = np.isin(_hours(20000), list(hours))
        share = metrics.coverage(band["p05"][inside], band["p95"][inside], actual[inside])
        assert share == pytest.approx(0.9, abs=0.05)


def test_forecasts_that_were_too_high_move_the_band_down() -> None:
    errors = np.random.default_rng(0).normal(500, 10, (200, 6))
    band = intervals.apply(intervals.calibrate(errors, _hours(200)), np.zeros((1, 6)), _hours(1))
    assert (band["p10"] < -450).all()
    assert (band["p90"] == 0).all()


def test_with_few_errors_the_conformal_quantile_is_an_outer_order_statistic() -> None:
    errors = np.tile(np.arange(1.0, 40.0)[:, None], 6)
    noon = np.full((39, 6), 12)
    band = intervals.apply(intervals.calibrate(errors, noon), np.zeros((1, 6)), np.full((1, 6), 12))
    assert band["p05"] == pytest.approx(-38.0)
    assert band["p10"] == pytest.approx(-36.0)
    band = intervals.apply(intervals.calibrate(-errors, noon), np.zeros((1, 6)), np.full((1, 6), 12))
    assert band["p95"] == pytest.approx(38.0)
    assert band["p90"] == pytest.approx(36.0)


def test_unknown_errors_are_left_out_and_a_missing_point_gives_a_missing_band() -> None:
    errors = _errors(200)
    gaps = np.concatenate([errors, np.full((50, 6), NAN)])
    with_gaps, without = intervals.calibrate(gaps, _hours(250)), intervals.calibrate(errors, _hours(200))
    for part in ("scale", "quantiles", "n"):
        np.testing.assert_array_equal(getattr(with_gaps, part), getattr(without, part))
    band = intervals.apply(intervals.calibrate(errors, _hours(200)), np.full((1, 6), NAN), _hours(1))
    assert all(np.isnan(values).all() for values in band.values())


def test_perfect_forecasts_give_a_band_of_no_width() -> None:
    band = intervals.apply(intervals.calibrate(np.zeros((100, 6)), _hours(100)), np.ones((1, 6)), _hours(1))
    assert all((values == 1).all() for values in band.values())


def test_levels_may_differ_by_horizon() -> None:
    errors = _errors(400)
    levels = np.tile([0.05, 0.10, 0.90, 0.95], (6, 1))
    levels[2] = [0.01, 0.02, 0.98, 0.99]
    band = intervals.apply(intervals.calibrate(errors, _hours(400), levels=levels), np.zeros((1, 6)), _hours(1))
    usual = intervals.apply(intervals.calibrate(errors, _hours(400)), np.zeros((1, 6)), _hours(1))
    wider = (band["p90"] - band["p10"]) > (usual["p90"] - usual["p10"])
    assert wider[0].tolist() == [False, False, True, False, False, False]


def test_levels_that_cross_make_no_quantiles_that_cross() -> None:
    calibration = intervals.calibrate(_errors(400), _hours(400), levels=np.array([0.2, 0.1, 0.9, 0.8]))
    stacked = np.stack(list(intervals.apply(calibration, np.zeros((1, 6)), _hours(1)).values()))
    assert (np.diff(stacked, axis=0) >= 0).all()


def test_volatility_widens_every_quantile_alike() -> None:
    calibration = intervals.calibrate(_errors(400), _hours(400))
    calm, wild = (intervals.apply(calibration, np.zeros((1, 6)), _hours(1), volatility=v) for v in (1.0, 2.0))
    for name in LEVELS:
        np.testing.assert_allclose(wild[name], 2 * calm[name])


@pytest.mark.parametrize("errors", [np.zeros((0, 6)), np.zeros((MINIMUM_ERRORS - 1, 6)), np.full((90, 6), NAN)])
def test_too_few_errors_are_refused_with_their_number(errors: np.ndarray) -> None:
    with pytest.raises(NotEnoughData, match=f"need {MINIMUM_ERRORS} scored forecasts and have"):
        intervals.calibrate(errors, np.zeros(errors.shape, dtype=np.int64))
