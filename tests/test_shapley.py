"""What a coalition is worth -> the share of each player, and whether the shares depend on the order."""

from itertools import permutations

import numpy as np

from pipeline import explaining


def test_shapley_values_are_the_mean_over_all_orders_of_coming_in() -> None:
    worth = np.random.default_rng(0).normal(size=(16, 3))
    expected = np.zeros((4, 3))
    for order in permutations(range(4)):
        inside = 0
        for player in order:
            expected[player] += (worth[inside | 1 << player] - worth[inside]) / 24
            inside |= 1 << player
    np.testing.assert_allclose(explaining.shapley(worth), expected, atol=1e-12)
    np.testing.assert_allclose(explaining.shapley(worth).sum(axis=0), worth[-1] - worth[0], atol=1e-12)


def test_exact_is_what_adds_the_same_in_every_order() -> None:
    parts = np.array([[3.0, 30_000.0], [-1.0, 2.5], [0.25, 1e-3]])
    masks = np.arange(8)[:, None] >> np.arange(3) & 1
    worth = 30_000 + masks @ parts
    assert explaining.additive(worth).tolist() == [True, True]
    worth[7, 0] += 0.01
    assert explaining.additive(worth).tolist() == [False, True]
    assert explaining.additive(worth[:1]).tolist() == [True, True]
