"""The benchmark of spreads: what was known when, no look ahead, counted by pandas alone, short where it is short."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks import dart, dart_recount, dart_tables
from benchmarks.dart import AHEAD, LAST, OURS, YESTERDAY, Answer, Plan
from benchmarks.dart_world import PRICES, day_ahead_known, prices, world
from pipeline.inputs import has_operator
from pipeline.models import ridge_asinh
from pipeline.models.base import Batch, Floats
from tests import spread_desk

PLAN = Plan(("HB",), np.datetime64("2025-05-20T00"), np.datetime64("2025-05-30T00"), 2)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Five months of one settlement point."""
    ahead, later = spread_desk.prices("2025-01-01T00:00", "2025-06-01T00:00")
    mean = later.groupby(later.index.floor("h")).mean()
    frame = {"ts_utc": ahead.index, "settlement_point": "HB", "dam_spp": ahead.to_numpy()}
    return pd.DataFrame(frame | {"rtm_spp_hourly_mean": mean.to_numpy()})


@pytest.fixture(scope="module")
def said(rows: pd.DataFrame) -> Answer:
    """Ten days of answers of everybody."""
    return dart.answer(world("HB", rows), ridge_asinh.FAMILY, PLAN)


def test_day_ahead_prices_are_known_at_half_past_one_the_day_before_whatever_the_clock_does() -> None:
    hours = pd.Series(pd.to_datetime(["2025-03-10T04:00Z", "2025-03-09T05:59Z", "2025-11-03T06:00Z"]))
    want = ["2025-03-08T19:30Z", "2025-03-07T19:30Z", "2025-11-02T19:30Z"]
    assert day_ahead_known(hours).tolist() == [pd.Timestamp(one) for one in want]


def test_a_contender_stands_on_what_was_known_when_the_forecast_was_issued(rows: pd.DataFrame, said: Answer) -> None:
    spread = (rows["dam_spp"] - rows["rtm_spp_hourly_mean"]).to_numpy()
    first = int((PLAN.first - rows["ts_utc"].iloc[0].tz_localize(None).to_datetime64()) // np.timedelta64(1, "h"))
    assert said.actual[0].tolist() == pytest.approx(spread[first + 1 : first + 7])
    assert said.point[LAST][0].tolist() == pytest.approx([spread[first]] * 6)
    assert said.point[YESTERDAY][0].tolist() == pytest.approx(spread[first - 23 : first - 17])
    assert (said.point[AHEAD] == 0).all()
    assert has_operator(world("HB", rows).facts.target)


class Peeking(ridge_asinh.RidgeAsinh):
    """Takes T+1 from the row of the next origin, where there is one."""

    def predict(self, state: dict[str, Any], batch: Batch) -> Floats:
        point = super().predict(state, batch)
        point[:-1, 0] = batch.level[1:]
        return point


def test_noise_in_all_that_came_later_changes_no_forecast_but_that_of_who_peeks(
    rows: pd.DataFrame, said: Answer
) -> None:
    one = world("HB", rows)
    assert dart.looks_ahead(one, ridge_asinh.FAMILY, said, PLAN) == []
    peeking = Peeking()
    point = dart.rolling(one, peeking, PLAN.first - dart.HOLD_OUT, PLAN.last)[-len(said.origins) :]
    assert np.median(np.abs(point - said.actual)[:, 0]) < 1e-9
    found = dart.looks_ahead(one, peeking, replace(said, point=said.point | {OURS: point}), PLAN)
    assert found == ["HB 2025-05-23T07Z", "HB 2025-05-26T15Z"]


def test_pandas_alone_counts_the_same(rows: pd.DataFrame, said: Answer) -> None:
    ours = dart_tables.numbers([said])
    again = dart_recount.recount(dart_recount.joined(dart.stored([said]), rows))
    assert ours == pytest.approx(again, rel=1e-9)
    assert ours["n"] == 240 * 6
    assert 0.7 < ours["coverage 80"] < 0.9


def test_tables_and_headline_say_who_is_better_and_at_which_horizon_nobody_is(said: Answer) -> None:
    errors, quantiles, direction, horizons, sides = dart_tables.tables([said, said])
    assert [row[0] for row in errors] == ["MAE", "HB", "HB", "all"]
    assert {len(row) for row in errors} == {len(errors[0])}
    assert {len(row) for row in quantiles} == {len(quantiles[0])}
    assert {len(row) for row in direction} == {len(direction[0])}
    for table in (horizons, sides):
        assert [row[0] for row in table[1:]] == [f"T+{h}" for h in range(1, 7)]
        assert {len(row) for row in table} == {len(table[0])}
    assert direction[0][1:] == sides[0][1:]
    # Two points that are one say no more than one.
    assert direction[1][1] == direction[3][1]
    assert dart_tables.misses([said]) == []
    far = {name: values.copy() for name, values in said.point.items()}
    far[OURS][:, 5] = 50.0
    worse = Answer(said.name, said.origins, said.actual, far, said.edges)
    assert "no better than day-ahead at T+6" in dart_tables.headline([worse])
    lost = Answer(said.name, said.origins, said.actual, far | {OURS: far[LAST] * 3}, said.edges)
    assert "MAE is not below that of day-ahead" in dart_tables.misses([lost])


def _made(ours: Floats, last: Floats, actual: Floats) -> Answer:
    """One settlement point of which only the direction counts."""
    flat, edges = np.zeros(actual.shape), np.zeros((*actual.shape, 4))
    point = {OURS: ours, AHEAD: flat, LAST: last, YESTERDAY: flat}
    return Answer("HB", np.arange(PLAN.first, PLAN.first + len(actual)), actual, point, dict.fromkeys(point, edges))


def test_direction_is_judged_beside_the_side_of_the_last_hour_pair_by_pair() -> None:
    actual = np.tile([[2.0], [-1.0]], (120, 6))
    last, ours = np.ones(actual.shape), np.where(np.arange(6) < 3, actual, 1.0)
    found = _made(ours, last, actual)
    *_, by_point, _, by_horizon = dart_tables.tables([found])
    row, near, far = (
        dict(zip(table[0], table[place], strict=True))
        for table, place in ((by_point, 1), (by_horizon, 1), (by_horizon, 6))
    )
    assert row["last hour's side is right"] == "50.0%"
    assert row["last hour's side earns"] == "0.50"
    assert row["gain"].startswith("+25.0 points (")
    assert row["gain in profit"].startswith("0.50 (")
    assert near["gain"].startswith("+50.0 points")
    assert far["gain"] == "+0.0 points (+0.0 to +0.0)"
    assert far["right"].split()[0] == far["last hour's side is right"]
    line = dart_tables.headline([found])
    assert "direction right in 75.0%, the last hour's side in 50.0% (gain +25.0 points" in line
    assert "direction no better than the last hour's side at T+4, T+5, T+6;" in line
    # Three hours more of 240 may be luck.
    side = actual.copy()
    side[100:103] *= -1
    assert "direction no better than the last hour's side at any horizon" in dart_tables.headline(
        [_made(actual, side, actual)]
    )
    # Who says nothing but the rule gains nothing, however high his share of right sides.
    rule = dart_tables.headline([_made(actual, 2 * actual, actual)])
    assert "direction right in 100.0%" in rule
    assert rule.endswith("profit no better than the last hour's side at any horizon")


@pytest.mark.skipif(not PRICES.exists(), reason="the real prices are not here (expected in ../shared/data)")
def test_the_real_prices_become_a_spread_of_whole_hours() -> None:
    found = prices()
    one = world("HB_WEST", found)
    mine = found[found["settlement_point"] == "HB_WEST"].set_index("ts_utc")
    want = (mine["dam_spp"] - mine["rtm_spp_hourly_mean"]).dropna()
    assert len(one.facts.history) == len(want)
    np.testing.assert_array_equal(one.facts.history.value, want.sort_index())
    test = one.built.batch.origins >= dart.FULL.first
    assert (one.built.missing_inputs[test] == "").all()
    assert (one.actuals.known_at[test][:, 0] > one.built.as_of[test]).all()
