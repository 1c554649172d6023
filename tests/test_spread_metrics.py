"""What is asked of forecasts of a spread: direction, spikes, profit, worked out by hand and with honest intervals."""

import numpy as np
import pytest

from pipeline import metrics, scoring
from pipeline.models.base import Floats

NAN = float("nan")
FORECAST = np.array([2.0, -1.0, 3.0, 0.0, -2.0, 5.0, NAN, 1.0])
ACTUAL = np.array([1.0, 4.0, -6.0, 8.0, -3.0, 0.0, 9.0, NAN])


def test_the_hit_rate_counts_only_hours_in_which_both_have_a_direction() -> None:
    np.testing.assert_array_equal(metrics.hits(FORECAST, ACTUAL), [1, 0, 0, NAN, 1, NAN, NAN, NAN])
    assert metrics.hit_rate(FORECAST, ACTUAL) == 0.5
    wide = metrics.hit_rate(np.stack([FORECAST, -FORECAST], axis=1), ACTUAL[:, None], axis=0)
    assert wide.tolist() == [0.5, 0.5]
    assert np.isnan(metrics.hit_rate(np.zeros(3), np.ones(3)))


def test_a_position_earns_the_spread_in_the_direction_of_the_forecast() -> None:
    np.testing.assert_array_equal(metrics.earnings(FORECAST, ACTUAL), [1, -4, -6, 0, 3, 0, NAN, NAN])
    assert metrics.profit(FORECAST, ACTUAL) == pytest.approx(-1.0)


def test_the_tail_is_the_largest_twentieth_by_size() -> None:
    actual = np.concatenate([np.ones(38), [-100.0, 50.0]])
    forecast = np.zeros(40)
    forecast[38] = -90.0
    assert np.flatnonzero(~np.isnan(metrics.tail(forecast, actual))).tolist() == [38, 39]
    assert metrics.tail_mae(forecast, actual) == 30.0
    # A tie at the edge counts whole, what is unknown not at all.
    assert metrics.tail_mae(np.zeros(4), np.array([5.0, -5.0, NAN, 1.0])) == 5.0
    assert np.isnan(metrics.tail_mae(np.full(3, NAN), np.ones(3)))


def test_days_that_are_alike_make_the_interval_of_the_hit_rate_wider() -> None:
    rng = np.random.default_rng(2)
    days = np.repeat(rng.random(120) < 0.6, 24).astype(float)
    actual = np.where(days > 0, 1.0, -1.0)
    low, high = metrics.confidence(metrics.hits(np.ones(len(actual)), actual))
    alone = 1.96 * np.sqrt(0.6 * 0.4 / len(actual))
    assert low < days.mean() < high
    assert high - low > 3 * 2 * alone
    shuffled = metrics.confidence(metrics.hits(np.ones(len(actual)), rng.permutation(actual)))
    assert shuffled[1] - shuffled[0] < (high - low) / 2
    assert np.isnan(metrics.confidence(np.ones(50))).all()


@pytest.mark.parametrize(
    ("kind", "known"),
    [
        ("load", {"mape"}),
        ("generation", {"mape"}),
        ("price", {"tail_mae"}),
        ("spread", {"hit_rate", "tail_mae", "profit"}),
    ],
)
def test_each_kind_of_target_has_the_scores_that_say_something_of_it(kind: str, known: set[str]) -> None:
    found = scoring.scores(_wide(FORECAST), _wide(ACTUAL), 1.0, None, {}, kind)
    asked = {"mape", "hit_rate", "tail_mae", "profit"}
    assert {name for name in asked if not np.isnan(found[name])} == known


def _wide(values: Floats) -> Floats:
    return np.repeat(values[:, None], 2, axis=1)
