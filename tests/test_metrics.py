"""metrics: definitions checked on small numbers by hand and by property."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline import metrics

NAN = float("nan")
VALUES = arrays(np.float64, st.integers(1, 40), elements=st.floats(-1e5, 1e5))


def test_scores_of_three_pairs_are_those_worked_out_by_hand() -> None:
    forecast, actual = np.array([10.0, 22.0, 30.0]), np.array([8.0, 20.0, 40.0])
    assert metrics.mae(forecast, actual) == pytest.approx(14 / 3)
    assert metrics.rmse(forecast, actual) == pytest.approx(np.sqrt(108 / 3))
    assert metrics.bias(forecast, actual) == pytest.approx(-2.0)
    assert metrics.mape(forecast, actual) == pytest.approx(100 * (2 / 8 + 2 / 20 + 10 / 40) / 3)
    assert metrics.mase(forecast, actual, scale=7.0) == pytest.approx(2 / 3)
    assert metrics.coverage(forecast - 3, forecast + 3, actual) == pytest.approx(2 / 3)


def test_a_forecast_too_high_has_a_positive_bias() -> None:
    assert metrics.bias(np.array([5.0]), np.array([3.0])) == 2.0


def test_pairs_with_a_nan_do_not_count() -> None:
    forecast, actual = np.array([1.0, NAN, 5.0]), np.array([2.0, 3.0, NAN])
    assert metrics.count(forecast, actual) == 1
    for score in (metrics.mae, metrics.rmse):
        assert score(forecast, actual) == 1.0
    assert metrics.coverage(forecast, forecast + 1, actual) == 1.0
    assert metrics.pinball_loss(forecast, actual, level=0.9) == pytest.approx(0.9)


def test_a_column_without_pairs_scores_nan_and_no_warning() -> None:
    forecast, actual = np.array([[1.0, NAN], [3.0, NAN]]), np.array([[2.0, 1.0], [3.0, 1.0]])
    assert metrics.mae(forecast, actual, axis=0).tolist()[0] == 0.5
    assert np.isnan(metrics.mae(forecast, actual, axis=0)[1])
    assert metrics.count(forecast, actual, axis=0).tolist() == [2, 0]


def test_an_actual_of_zero_does_not_count_in_mape() -> None:
    assert metrics.mape(np.array([1.0, 3.0]), np.array([0.0, 2.0])) == 50.0


def test_the_scale_of_mase_is_the_error_of_same_hour_last_week() -> None:
    values = np.arange(400.0)
    assert metrics.seasonal_scale(values) == 168.0
    values[10] = NAN
    assert metrics.seasonal_scale(values) == 168.0


@pytest.mark.parametrize("values", [np.ones(10), np.full(400, 5.0)])
def test_mase_without_a_positive_scale_is_nan(values: np.ndarray) -> None:
    assert np.isnan(metrics.mase(np.array([1.0]), np.array([2.0]), scale=metrics.seasonal_scale(values)))


def test_skill_is_one_when_perfect_and_nan_against_a_perfect_reference() -> None:
    assert metrics.skill(np.array([0.0, 3.0, 6.0]), np.array(6.0)).tolist() == [1.0, 0.5, 0.0]
    assert np.isnan(metrics.skill(np.array(1.0), np.array(0.0)))


@settings(deadline=None)
@given(VALUES, VALUES)
def test_rmse_is_at_least_mae_and_mae_at_least_the_size_of_bias(forecast: np.ndarray, actual: np.ndarray) -> None:
    n = min(len(forecast), len(actual))
    forecast, actual = forecast[:n], actual[:n]
    slack = 1e-6
    assert metrics.rmse(forecast, actual) >= metrics.mae(forecast, actual) - slack
    assert metrics.mae(forecast, actual) >= abs(metrics.bias(forecast, actual)) - slack


@settings(deadline=None)
@given(VALUES, st.floats(-1e5, 1e5))
def test_pinball_loss_at_one_half_is_half_the_mae(actual: np.ndarray, quantile: float) -> None:
    loss = metrics.pinball_loss(np.full_like(actual, quantile), actual, level=0.5)
    assert loss == pytest.approx(metrics.mae(np.full_like(actual, quantile), actual) / 2)


@settings(deadline=None)
@given(arrays(np.float64, 101, elements=st.floats(-1e3, 1e3)), st.sampled_from([0.05, 0.1, 0.9, 0.95]))
def test_no_constant_beats_the_sample_quantile_in_pinball_loss(actual: np.ndarray, level: float) -> None:
    best = metrics.pinball_loss(np.full(101, np.quantile(actual, level)), actual, level=level)
    for other in (-500.0, 0.0, 0.5, 500.0):
        assert best <= metrics.pinball_loss(np.full(101, other), actual, level=level) + 1e-6


def test_the_standard_error_of_independent_values_is_the_textbook_one() -> None:
    values = np.random.default_rng(0).normal(0, 2, 20000)
    assert metrics.standard_error(values, lags=0) == pytest.approx(2 / np.sqrt(20000), rel=0.02)
    assert metrics.standard_error(values) == pytest.approx(2 / np.sqrt(20000), rel=0.2)


def test_the_standard_error_grows_with_autocorrelation() -> None:
    shocks = np.random.default_rng(0).normal(0, 1, 20005)
    values = np.convolve(shocks, np.ones(6), mode="valid")
    assert metrics.standard_error(values) == pytest.approx(6 / np.sqrt(20000), rel=0.2)
    assert metrics.standard_error(values) > 2 * metrics.standard_error(values, lags=0)


def slices_of_days(rng: np.random.Generator, days: list[int], draws: int = 200) -> np.ndarray:
    """(draws, 2): the mean size of six horizons' errors over `days`, each as good or bad as days are, and its doubt."""
    hours = np.add.outer(np.arange(24 * (max(days) + 1)), np.arange(6))
    found = []
    for _ in range(draws):
        level = rng.lognormal(0, 0.5, hours.max() // 24 + 1)[hours // 24]
        values = np.where(np.isin(hours // 24, days), np.abs(rng.normal(size=hours.shape)) * level, NAN)
        found.append((np.nanmean(values), metrics.mean_error(values)))
    return np.array(found)


@pytest.mark.parametrize(("days", "least"), [([0, 7, 14, 21], 0.75), (list(range(7)), 0.75), (list(range(30)), 0.9)])
def test_the_doubt_of_a_slice_is_about_as_large_as_its_mean_scatters(days: list[int], least: float) -> None:
    means, doubts = slices_of_days(np.random.default_rng(8), days).T
    assert least < doubts.mean() / means.std() < 1.2


@pytest.mark.parametrize("days", [[3], [3, 10], [3, 10, 17], [3, 4, 5]])
def test_few_days_do_not_say_how_far_their_mean_may_be_off(days: list[int]) -> None:
    rng = np.random.default_rng(9)
    means, doubts = slices_of_days(rng, days, draws=3).T
    assert np.isfinite(means).all()
    assert np.isnan(doubts).all()
    loss = np.where(np.isin(np.arange(24 * 20) // 24, days), rng.normal(size=480) ** 2, NAN)
    assert np.isnan(metrics.skill_error(loss, 2 + loss))


def test_hours_over_midnight_are_no_day_more() -> None:
    """Hours 20 to 24 of three days: the issues of a few evenings reach into the next day."""
    values = np.full((72, 6), NAN)
    values[[20, 44, 68]] = 1.0, 2.0, 3.0, 2.0, 1.0, 4.0
    assert np.isnan(metrics.mean_error(values))
    assert np.isnan(metrics.mean_error(np.full(300, NAN)))
    assert metrics.mean_error(np.ones(300)) == 0.0


def test_the_standard_error_of_one_value_is_nan() -> None:
    assert np.isnan(metrics.standard_error(np.array([1.0, NAN])))


def _hourly(days: int, *, memory: float, rng: np.random.Generator) -> np.ndarray:
    """Losses of overlapping horizons, with days that remember the day before."""
    day = np.zeros(days)
    for today in range(1, days):
        day[today] = memory * day[today - 1] + rng.normal()
    return np.convolve(rng.normal(size=days * 24 + 5), np.ones(6) / np.sqrt(6), mode="valid") + np.repeat(day, 24)


def test_equal_forecasts_are_told_apart_about_as_rarely_as_the_level_says() -> None:
    rng = np.random.default_rng(1)
    draws = [_hourly(60, memory=0.4, rng=rng) for _ in range(150)]
    p_values = [metrics.diebold_mariano(draw, np.zeros(len(draw))) for draw in draws]
    assert np.mean(np.array(p_values) < 0.05) <= 0.12
    naive = [abs(draw.mean()) / metrics.standard_error(draw, lags=0) for draw in draws]
    assert np.mean(np.array(naive) > 1.96) > 0.4


def test_a_clearly_better_forecast_is_told_apart() -> None:
    loss = _hourly(60, memory=0.4, rng=np.random.default_rng(1))
    assert metrics.diebold_mariano(loss, loss + 1 + 0.1 * loss[::-1]) < 0.001


def test_a_forecast_does_not_differ_from_itself() -> None:
    loss = np.random.default_rng(0).gamma(2, 1, (300, 6))
    assert metrics.diebold_mariano(loss, loss) == 1.0
    assert metrics.skill_error(loss, loss) == pytest.approx(0.0)


def test_unknown_hours_keep_their_place_in_the_standard_error() -> None:
    values = _hourly(200, memory=0.6, rng=np.random.default_rng(2))
    sliced = np.where(np.arange(len(values)) % 24 == 7, values, NAN)
    cut = sliced[~np.isnan(sliced)]
    assert metrics.standard_error(sliced) == pytest.approx(metrics.standard_error(cut, lags=7), rel=0.1)
    assert metrics.standard_error(sliced) > 1.15 * metrics.standard_error(cut, lags=0)


def test_the_horizons_of_an_origin_are_one_cluster() -> None:
    values = _hourly(100, memory=0.3, rng=np.random.default_rng(3))
    same = np.repeat(values[:, None], 6, axis=1)
    assert metrics.standard_error(same) == pytest.approx(metrics.standard_error(values))


def test_the_error_of_a_skill_is_how_much_it_varies_between_samples() -> None:
    rng = np.random.default_rng(4)
    pairs = [(rng.gamma(2, 1, 400), rng.gamma(2, 2, 400)) for _ in range(300)]
    skills = [1 - loss.mean() / reference.mean() for loss, reference in pairs]
    errors = [metrics.skill_error(loss, reference) for loss, reference in pairs]
    assert np.mean(errors) == pytest.approx(np.std(skills), rel=0.15)


def test_the_paired_error_is_smaller_when_both_err_at_the_same_hours() -> None:
    rng = np.random.default_rng(5)
    loss = rng.gamma(2, 1, 500)
    assert metrics.skill_error(loss, loss * 2 + rng.normal(0, 0.1, 500)) < 0.3 * metrics.skill_error(
        loss, 2 * rng.permutation(loss)
    )


def test_skill_against_an_unknown_or_perfect_reference_has_no_error() -> None:
    assert np.isnan(metrics.skill_error(np.ones(9), np.full(9, NAN)))
    assert np.isnan(metrics.skill_error(np.ones(9), np.zeros(9)))
    assert np.isnan(metrics.diebold_mariano(np.full(9, NAN), np.ones(9)))
