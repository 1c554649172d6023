"""A spread through the pipeline: hours of both legs, every revision of either, issued, scored, made again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import inputs
from pipeline.features import build
from pipeline.reproducing import reproduce
from tests.conftest import Desk, ask
from tests.spread_desk import HOUR, NOW, QUARTER, desk_in, fill, prices, published, put, spread

FAMILIES = ["naive", "ridge_asinh"]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Empty, in March: its day of the 8th has 23 hours in Chicago."""
    return desk_in(tmp_path, datetime(2026, 3, 10, 12, tzinfo=UTC))


def stored(desk: Desk, target: str = "hub.dart") -> pd.DataFrame:
    return ask(desk, f"SELECT * FROM actuals WHERE target = '{target}' ORDER BY valid_at, known_at")


@pytest.mark.parametrize(("day", "hours"), [("2026-03-08", 23), ("2026-11-01", 25)])
def test_an_hour_of_a_spread_is_the_difference_of_whole_hours_of_both_legs(
    tmp_path: Path, day: str, hours: int
) -> None:
    start, end = (pd.Timestamp(day, tz="America/Chicago") + pd.DateOffset(days=n) for n in (0, 1))
    ahead, later = prices(start.tz_convert("UTC").isoformat(), (end.tz_convert("UTC") - HOUR).isoformat())
    desk = desk_in(tmp_path, end.tz_convert("UTC").to_pydatetime() + timedelta(days=1))
    # One hour has three of its four quarters, one no day-ahead price.
    put(desk, "rtm", later.drop(later.index[13]), seen_at=desk.now)
    put(desk, "dam", ahead.drop(ahead.index[7]), seen_at=desk.now)
    desk.done("actuals")
    want = (ahead - later.groupby(later.index.floor("h")).mean()).drop(ahead.index[[3, 7]])
    got = stored(desk).set_index("valid_at")
    assert len(ahead) == hours
    assert len(got) == hours - 2
    np.testing.assert_allclose(got["value"], want, rtol=1e-12)
    last = later[later.index.minute == 45].to_numpy()
    np.testing.assert_allclose(got["last_15"], (ahead - last).drop(ahead.index[[3, 7]]), rtol=1e-12)
    assert set(got["n"]) == {1}


def test_each_revision_of_either_leg_is_a_version_known_when_both_were(desk: Desk) -> None:
    ahead, later = prices("2026-03-08T00:00", "2026-03-08T05:00")
    moments = [desk.now + timedelta(hours=place) for place in range(4)]
    put(desk, "rtm", later, seen_at=moments[0])
    desk.done("actuals")
    assert stored(desk).empty
    put(desk, "dam", ahead, seen_at=moments[1])
    # Both legs, one hour after the other; the second run finds only the third and fourth moment new.
    put(desk, "rtm", later.iloc[[0]] + 40.0, seen_at=moments[2])
    desk.now = moments[2]
    desk.done("actuals")
    put(desk, "dam", ahead.iloc[[0]] - 7.0, seen_at=moments[3])
    desk.now = moments[3] + timedelta(days=30)
    desk.done("actuals")
    got = stored(desk)
    first = got[got["valid_at"] == ahead.index[0]]
    plain = ahead.iloc[0] - later.iloc[:4].mean()
    np.testing.assert_allclose(first["value"], [plain, plain - 10, plain - 17], rtol=1e-12)
    assert first["known_at"].tolist() == [pd.Timestamp(moment) for moment in moments[1:]]
    assert len(got) == len(ahead) + 2
    assert desk.done("actuals")["state"] == "skipped"


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Four months of prices, trained for both targets, one live issue scored, its first actual then revised."""
    desk = desk_in(tmp_path_factory.mktemp("spread"))
    fill(desk)
    for job, args in (("actuals", {}), ("train", {"families": FAMILIES}), ("features", {}), ("forecast", {})):
        desk.done(job, **args)
    _, later = prices((pd.Timestamp(NOW).floor("h")).isoformat(), (pd.Timestamp(NOW) + HOUR).floor("h").isoformat())
    desk.now += 2 * HOUR
    put(desk, "rtm", later, seen_at=desk.now)
    desk.done("actuals")
    desk.done("backfill")
    desk.now += HOUR
    put(desk, "rtm", later.iloc[[0]] + 40.0, seen_at=desk.now)
    desk.done("actuals")
    desk.done("backfill")
    return desk


def test_a_trained_model_serves_though_no_forecast_could_be_a_price_of_the_series(issued: Desk) -> None:
    rows = ask(issued, "SELECT * FROM predictions WHERE issuer = 'sextant' AND target = 'hub.dart'")
    assert rows["status"].tolist() == ["ok"] * 6
    assert set(rows["version_id"]) == {"hub.dart-v1"}
    assert (rows["p50"].abs() < spread(issued).series.minimum).any()
    assert (rows["p05"] <= rows["p50"]).all()


def test_beside_it_stand_the_day_ahead_price_as_forecast_and_the_day_before(issued: Desk) -> None:
    rows = ask(issued, "SELECT * FROM predictions WHERE target = 'hub.dart' ORDER BY issuer, horizon")
    assert rows.loc[rows["issuer"] == "operator", "p50"].tolist() == [0.0] * 6
    past = stored(issued).groupby("valid_at")["value"].first()
    naive = rows[rows["issuer"] == "naive"]
    np.testing.assert_allclose(naive["p50"], past[naive["valid_at"] - timedelta(days=1)], rtol=1e-9)
    price = ask(issued, "SELECT * FROM predictions WHERE target = 'hub.rtm' AND issuer = 'operator' ORDER BY horizon")
    ahead = ask(issued, "SELECT valid_at, value FROM raw WHERE series = 'hub.dam'").set_index("valid_at")["value"]
    assert price["p50"].tolist() == ahead[price["valid_at"]].tolist()


def test_a_revised_leg_scores_the_forecast_again(issued: Desk) -> None:
    rows = ask(
        issued, "SELECT * FROM accuracy WHERE target = 'hub.dart' AND issuer = 'operator' AND horizon = 1 ORDER BY ALL"
    ).sort_values("actual_known_at")
    # The forecast is 0, so its error is the spread's other sign.
    first, second = rows["error"]
    assert second - first == pytest.approx(10.0)
    assert rows["actual_known_at"].iloc[1] == pd.Timestamp(issued.now)


def test_what_was_issued_can_be_made_again_to_the_last_bit(issued: Desk) -> None:
    origin = pd.Timestamp(NOW).floor("h") - HOUR
    for target in issued.markets["hub"].targets:
        again = reproduce(issued.warehouse, issued.settings.models, target, origin=origin)
        assert again.differences == ()


def test_scores_of_a_spread_are_of_direction_and_none_a_percentage(issued: Desk) -> None:
    rows = ask(issued, "SELECT * FROM backtests WHERE kind = 'hold_out' AND family = 'ridge_asinh'")
    dart, price = rows[rows["target"] == "hub.dart"], rows[rows["target"] == "hub.rtm"]
    assert rows["mape"].isna().all()
    assert dart["hit_rate"].between(0.5, 1).all()
    assert (dart["tail_mae"] > dart["mae"]).all()
    assert np.isfinite(dart["profit"]).all()
    assert np.isfinite(price["tail_mae"]).all()
    assert price[["hit_rate", "profit"]].isna().all(axis=None)
    told = ask(issued, "SELECT metrics FROM model_versions WHERE target = 'hub.dart'")["metrics"].iloc[0]
    assert "hit_rate" in told
    assert "NaN" not in told


def test_a_backtest_judges_the_day_ahead_price_as_a_contender(issued: Desk) -> None:
    issued.done("backtest", target="hub.dart", families=FAMILIES, days=21)
    rows = ask(issued, "SELECT * FROM backtests WHERE kind = 'backtest' AND slice = 'all' AND horizon = 0")
    scores = rows.set_index("family")
    assert set(scores.index) == {"naive", "operator", "ridge_asinh", "last_hour"}
    assert np.isnan(scores.loc["operator", "hit_rate"])
    assert scores.loc["operator", "profit"] == 0.0
    assert scores.loc["ridge_asinh", "skill_operator"] > 0


def test_tomorrow_is_no_forecast_of_the_operator_before_its_prices_are_out(tmp_path: Path) -> None:
    desk = desk_in(tmp_path)
    ahead, later = fill(desk, days=45)
    target = spread(desk)
    desk.done("actuals")
    # The last hours of the 19th in Chicago, as it would be were the results of the 20th an hour late at midnight.
    origins = np.arange(np.datetime64("2026-11-20T01"), np.datetime64("2026-11-20T05"))
    midnight, late = np.datetime64("2026-11-20T06"), np.datetime64("2026-11-20T04:30", "us")
    with desk.warehouse.read() as session:
        facts = inputs.facts(session, target, first=NOW - timedelta(hours=12), last=NOW, as_of=NOW)
        known = facts.operator
        assert known is not None
        assert set(np.unique(known.value)) == {0.0}
        known.known_at[known.valid_at >= midnight] = late
    built = facts.built(origins, inputs.usual_as_of(origins, target))
    ahead_of = origins[:, None] + np.arange(1, 7)
    unknown = (ahead_of >= midnight) & (built.as_of < late)[:, None]
    assert unknown.any(axis=1).tolist() == [True, True, True, False]
    np.testing.assert_array_equal(built.operator, np.where(unknown, np.nan, 0.0))
    assert published(ahead.index).max() < pd.Timestamp(NOW)
    assert later.index[-1] == pd.Timestamp(NOW).floor("h") - QUARTER


def test_the_naive_forecast_of_a_load_stays_last_week_and_the_current_error(issued: Desk) -> None:
    target = spread(issued)
    origins = np.arange(np.datetime64("2026-11-18T00"), np.datetime64("2026-11-20T00"))
    as_of = inputs.usual_as_of(origins, target)
    with issued.warehouse.read() as session:
        facts = inputs.facts(session, target, first=NOW - timedelta(days=4), last=NOW, as_of=NOW)
    plain = build(facts.history, origins, as_of, zone=target.zone, country=target.country, inputs=facts.inputs)
    steady = inputs.Facts(replace(target, kind="load"), facts.history, None, facts.inputs)
    assert steady.built(origins, as_of).batch.naive.tobytes() == plain.batch.naive.tobytes()
    yesterday = facts.built(origins, as_of).batch
    before = facts.history.value[np.searchsorted(facts.history.valid_at, origins[0] - 23 + np.arange(6))]
    np.testing.assert_allclose(yesterday.naive[0], before, rtol=1e-9)


def test_the_side_of_the_last_hour_is_scored_beside_the_families(issued: Desk) -> None:
    issued.done("backtest", target="hub.dart", families=FAMILIES, days=21)
    rows = ask(issued, "SELECT * FROM backtests WHERE target = 'hub.dart' AND family = 'last_hour' AND slice = 'all'")
    assert set(rows["kind"]) == {"hold_out", "backtest"}
    own = rows[(rows["kind"] == "backtest") & (rows["horizon"] == 3)].iloc[0]
    actuals = ask(issued, "SELECT valid_at, value FROM actuals WHERE target = 'hub.dart'").set_index("valid_at")[
        "value"
    ]
    # The newest hour in each version: the desk saw all of them at once.
    grid = actuals.groupby(level=0).last().asfreq("h")
    first, end = own["window_start"], own["window_end"]
    later, last = grid.shift(-3)[first:end], grid[first:end]
    both = later.notna() & last.notna()
    assert own["n"] == both.sum()
    assert own["profit"] == pytest.approx((np.sign(last) * later)[both].mean())
    assert own["hit_rate"] == pytest.approx((np.sign(last) == np.sign(later))[both].mean())
    assert own["mae"] == pytest.approx((later - last)[both].abs().mean())
    assert np.isnan(own["coverage"])
    price = ask(issued, "SELECT count(*) AS n FROM backtests WHERE target = 'hub.rtm' AND family = 'last_hour'")
    assert price["n"].iloc[0] == 0
    params = ask(issued, "SELECT params FROM model_versions WHERE target = 'hub.dart'")["params"].iloc[0]
    assert "last_hour" not in params
