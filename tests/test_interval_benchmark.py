"""benchmarks/intervals and quantiles: the scores and the conformal correction on numbers small enough to check."""

import numpy as np
import pytest

pytest.importorskip("lightgbm", reason="LIGHTGBM ABSENT: the benchmark of intervals needs it")

from benchmarks import intervals, quantiles


def test_winkler_is_the_width_and_the_price_of_misses() -> None:
    truth = np.full((336, 6), 5.0)
    truth[:34] = 12.0
    hours = (np.arange(336)[:, None] + np.arange(1, 7)) % 24
    held = intervals._held(np.zeros(truth.shape), np.full(truth.shape, 10.0), truth, hours, 0.2)
    assert held.coverage == pytest.approx(1 - 34 / 336)
    assert held.winkler == pytest.approx(10 + 34 / 336 * 2 / 0.2 * 2)
    assert held.worst_week == pytest.approx(1 - 34 / 168)
    assert held.horizons == pytest.approx((1 - 34 / 336,) * 2)
    assert held.hours[0] < held.hours[1]


def test_conformal_bands_cover_what_they_promise_on_the_days_they_are_corrected_by() -> None:
    rng = np.random.default_rng(3)
    truth = rng.normal(0, 100, (1500, 6))
    narrow = np.broadcast_to(np.array([-20.0, -10.0, 10.0, 20.0]), (1500, 6, 4))
    late = np.arange(1500) >= 750
    for wider in (quantiles._conformal(narrow, truth, late), quantiles._rolling(narrow, truth, late)):
        inside = (wider[:, :, 1] <= truth[late]) & (truth[late] <= wider[:, :, 2])
        assert inside.mean() == pytest.approx(0.8, abs=0.03)


def test_a_rolling_correction_sees_no_day_after_its_own() -> None:
    truth = np.random.default_rng(3).normal(0, 100, (1500, 6))
    narrow = np.zeros((1500, 6, 4))
    late = np.arange(1500) >= 750
    changed = truth.copy()
    changed[750 + 48 - 6 :] += 1e6
    before, after = (quantiles._rolling(narrow, one, late) for one in (truth, changed))
    np.testing.assert_array_equal(before[:72], after[:72])
    assert (before[96:] != after[96:]).any()
