"""Ways to say the side of a spread: what each knows, and the verdict on a better one."""

import numpy as np
import pandas as pd
import pytest

from benchmarks import dart_sides
from benchmarks.dart import Plan
from benchmarks.dart_sides import CAREFUL, CHOSEN, HALVED, MEAN, P50, RULE, WEIGHED
from benchmarks.dart_world import World, world
from pipeline.models import ridge_asinh
from pipeline.models.base import Floats
from tests import spread_desk

PLAN = Plan(("HB",), np.datetime64("2025-05-20T00"), np.datetime64("2025-05-30T00"), 0)
AXIS = np.arange(PLAN.first, PLAN.first + 480)


@pytest.fixture(autouse=True)
def few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """What these days have to tell is learned soon."""
    monkeypatch.setattr(dart_sides, "ROUNDS", 8)


@pytest.fixture(scope="module")
def one() -> World:
    """Five months of one settlement point."""
    ahead, later = spread_desk.prices("2025-01-01T00:00", "2025-06-01T00:00")
    mean = later.groupby(later.index.floor("h")).mean()
    frame = {"ts_utc": ahead.index, "settlement_point": "HB", "dam_spp": ahead.to_numpy()}
    return world("HB", pd.DataFrame(frame | {"rtm_spp_hourly_mean": mean.to_numpy()}))


def test_all_ways_speak_of_the_same_pairs_and_the_trees_know_a_side_when_they_see_one(one: World) -> None:
    axis, said = dart_sides.ways(one, ridge_asinh.FAMILY, PLAN)
    assert len(axis) == 240
    assert set(said) == {P50, RULE, MEAN, HALVED, CHOSEN, WEIGHED, CAREFUL, "actual"}
    assert len({np.isfinite(values).tobytes() for values in said.values()}) == 1
    assert said[RULE][0].tolist() == [one.built.batch.level[one.built.batch.origins == PLAN.first][0]] * 6
    np.testing.assert_array_equal(said[P50], said[MEAN])
    up = said["actual"] > 0
    for name in (CHOSEN, WEIGHED):
        assert np.abs(said[name]).max() <= 0.5
        assert said[name][up].mean() > said[name][~up].mean() + 0.02
    # Spikes of the real-time price weigh more.
    assert np.mean(said[WEIGHED] < 0) > np.mean(said[CHOSEN] < 0)


def test_a_forecast_moves_by_the_median_of_the_errors_known_as_the_day_begins() -> None:
    rng = np.random.default_rng(3)
    point, error = rng.normal(0, 5, (480, 6)), rng.normal(3, 1, (480, 6))
    moved = dart_sides.halved(point, point + error)
    np.testing.assert_array_equal(moved[:336], point[:336])
    # 14 days are there of T+1 on the 15th at 0 o'clock but for the hour that is not over.
    np.testing.assert_array_equal(moved[336:360], point[336:360])
    want = [np.median(error[: 360 - h - 1, h]) for h in range(6)]
    np.testing.assert_allclose((moved - point)[360:384], np.tile(want, (24, 1)))
    error[360:] = 99.0
    np.testing.assert_array_equal(dart_sides.halved(point, point + error)[:384], moved[:384])


def test_who_is_careful_takes_the_last_side_near_zero() -> None:
    found = dart_sides.careful(np.array([[0.9, -0.9, 1.1, -7.0]]), np.array([[-4.0, -4.0, -4.0, 4.0]]))
    assert found.tolist() == [[-4.0, -4.0, 1.1, -7.0]]


def _made(**other: Floats) -> dart_sides.Made:
    """Spreads of 2 and of -8 by turns; every way says they are all above 0, but for those named."""
    actual = np.tile([[2.0], [-8.0]], (240, 6))
    ways = dict.fromkeys((P50, RULE, MEAN, HALVED, CHOSEN, WEIGHED, CAREFUL), np.ones(actual.shape))
    return [(AXIS, ways | {"actual": actual} | other)] * 2


def test_a_way_that_is_right_more_often_beyond_doubt_falls_short_of_taking_p50() -> None:
    actual = _made()[0][1]["actual"]
    assert dart_sides.better(_made()) == []
    assert dart_sides.headline(_made(), []).endswith("(target: none) PASS")
    found = dart_sides.better(_made(**{CHOSEN: actual}))
    assert found == ["trees choose +50.0 points (+49.5 to +50.5)"]
    assert dart_sides.headline(_made(**{CHOSEN: actual}), found).endswith("FALLS SHORT")
    lucky = np.ones(actual.shape)
    lucky[101] = -1.0
    assert dart_sides.better(_made(**{CHOSEN: lucky})) == []


def test_the_table_and_the_words_on_where_both_differ() -> None:
    actual = _made()[0][1]["actual"]
    said = np.where(np.arange(6) < 3, actual, 1.0)
    made = _made(**{P50: said})
    head, *body = dart_sides.table(made)
    assert {len(row) for row in body} == {len(head)}
    row = dict(zip(head, body[1], strict=True))
    assert [row[name] for name in ("side of", "right", "earns", "T+1", "T+6")] == [
        "P50",
        "75.0%",
        "1.00",
        "100.0%",
        "50.0%",
    ]
    assert row["against the last hour's"].startswith("+25.0 points")
    assert row["gain in profit"].startswith("4.00 (")
    words = dart_sides.differing(_made(**{P50: np.where(np.arange(480)[:, None] % 4 < 2, actual, -1.0)}))
    assert words == (
        "P50 and the last hour differ in 75.0% of pairs. There P50 is right in 66.7%, and the spread is 8.0 USD/MWh "
        "where it is right and 2.0 where it is wrong."
    )
