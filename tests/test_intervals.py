"""intervals: conformal bands cover what they promise, never cross and are plain data."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline import intervals, metrics
from pipeline.calendars import local_hour
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
    assert intervals.calibrate(gaps, _hours(250)) == intervals.calibrate(errors, _hours(200))
    band = intervals.apply(intervals.calibrate(errors, _hours(200)), np.full((1, 6), NAN), _hours(1))
    assert all(np.isnan(values).all() for values in band.values())


def test_perfect_forecasts_give_a_band_of_no_width() -> None:
    band = intervals.apply(intervals.calibrate(np.zeros((100, 6)), _hours(100)), np.ones((1, 6)), _hours(1))
    assert all((values == 1).all() for values in band.values())


def test_a_calibration_survives_json() -> None:
    calibration = intervals.calibrate(_errors(100), _hours(100))
    assert json.loads(json.dumps(calibration)) == calibration


def test_errors_as_issued_give_the_same_calibration_as_their_matrix() -> None:
    origins = np.datetime64("2024-03-25T00", "h") + np.arange(200)
    errors = _errors(200)
    valid_at = origins[:, None] + np.arange(1, 7).astype("timedelta64[h]")
    frame = pd.DataFrame(
        {
            "origin": pd.to_datetime(np.repeat(origins, 6).astype("datetime64[us]"), utc=True),
            "horizon": np.tile(np.arange(1, 7), 200),
            "valid_at": pd.to_datetime(valid_at.ravel().astype("datetime64[us]"), utc=True),
            "error": errors.ravel(),
        }
    ).sample(frac=1, random_state=0)
    direct = intervals.calibrate(errors, local_hour(valid_at, zone="Europe/Madrid"))
    assert intervals.calibrate_frame(frame, zone="Europe/Madrid") == direct


@pytest.mark.parametrize("errors", [np.zeros((0, 6)), np.zeros((MINIMUM_ERRORS - 1, 6)), np.full((90, 6), NAN)])
def test_too_few_errors_are_refused_with_their_number(errors: np.ndarray) -> None:
    with pytest.raises(NotEnoughData, match=f"need {MINIMUM_ERRORS} scored forecasts and have"):
        intervals.calibrate(errors, np.zeros(errors.shape, dtype=np.int64))


def test_a_frame_that_lacks_a_horizon_is_refused() -> None:
    origins = pd.date_range("2024-01-01", periods=60, freq="h", tz="UTC")
    frame = pd.DataFrame({"origin": origins, "horizon": 1, "valid_at": origins, "error": 1.0})
    with pytest.raises(NotEnoughData, match="horizon 2"):
        intervals.calibrate_frame(frame, zone="UTC")
