"""Direction beside its simplest rule, shares with honest intervals, and series without data: what pages say of them."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dashboard import formats, measuring
from dashboard.data import Desk
from dashboard.figures import accuracy as measures
from dashboard.figures import palette
from dashboard.figures import spread as charts
from dashboard.panels import spread
from pipeline import asof, quality
from pipeline.asof import Moment
from tests import market_filler
from tests.dashboards import NOW, words
from tests.test_dashboard_markets import HUB, at, seen, tables
from tests.test_dashboard_spreads import HOUR, ID, scores, stored


@pytest.fixture
def desk(two_markets: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with market_filler.desk(two_markets, monkeypatch) as made:
        yield made


def said_as(value: float, digits: int = 0) -> str:
    return f"{value:+,.{digits}f}".replace("-", formats.MINUS)


def test_direction_is_set_beside_the_side_of_the_last_hour_known_at_issue(desk: Desk) -> None:
    rows, actuals = scores(desk), stored(desk, "actuals").query("target == @ID").set_index("valid_at")["value"]
    last = rows["origin"].map(actuals)
    right, gains = np.sign(last) == np.sign(rows["actual"]), np.sign(last) * rows["actual"]
    app = seen("accuracy", target=HUB, horizon="T+1")
    said = words(app)
    assert f" · last hour's side: {100 * right.mean():.0f} %" in said
    assert f" · last hour's side: {said_as(gains.mean(), 2)}; not tradeable" in said
    assert f"**last hour's side {said_as(gains.sum())} USD**, n = {len(rows)}" in said
    more = (np.sign(rows["p50"]) * rows["actual"] - gains).sum()
    assert f"Sextant less that on the same hours {said_as(more)} USD (95 %: " in said
    points = 100 * ((np.sign(rows["p50"]) == np.sign(rows["actual"])).mean() - right.mean())
    assert f"Sextant less that on the same hours {said_as(points, 1)} points (95 %: " in said
    assert "is chance" not in said
    assert "as chance gives" not in said
    table = next(one for name, one in tables(app).items() if name.startswith("Measures by"))
    assert table["side_hit_rate_said"].iloc[0] == f"{100 * right.mean():.0f} %"
    assert table["n_tail_mae"].iloc[0] == np.ceil(0.05 * table["n"].iloc[0])


def test_a_correction_that_came_after_the_issue_is_not_known_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hour = pd.Timestamp(NOW).floor("h") - 6 * HOUR
    with market_filler.fill(tmp_path, days=1).write() as session:
        session.script(
            "INSERT INTO actuals SELECT * REPLACE (-12345.0 AS value, $known::TIMESTAMPTZ AS known_at) FROM actuals "
            "WHERE target = $target AND valid_at = $hour",
            target=ID, hour=hour.to_pydatetime(), known=(hour + 3 * HOUR).to_pydatetime(),
        )  # fmt: skip
        session.script(
            "DELETE FROM actuals WHERE target = $target AND valid_at = $gone", target=ID,
            gone=(hour + HOUR).to_pydatetime(),
        )  # fmt: skip
    with market_filler.desk(tmp_path, monkeypatch) as desk:
        last = desk.ask("page_last_sides", target=ID, since=NOW - timedelta(days=1), until=NOW)
        last = last.set_index("origin")["last"]
        versions = stored(desk, "actuals").query("target == @ID and valid_at == @hour")["value"]
        assert last[hour] == versions[versions != -12345.0].iloc[0]
        assert hour + HOUR not in last.index
        assert hour + 2 * HOUR in last.index


def test_the_rule_is_drawn_wherever_direction_and_profit_are(desk: Desk) -> None:
    rows = scores(desk).assign(naive=1.0, last=1.0)
    rows.loc[3, "last"] = np.nan
    found = spread.earnings(rows)
    assert found["side"].iloc[-1] == pytest.approx(rows["actual"].drop(3).sum())
    figure = charts.earned(found, palette=palette.DARK, zone="UTC", currency="USD")
    assert "Last hour's side" in {one.name for one in figure.data}
    one = measuring.spikes(rows, ("hit_rate", "profit"))
    assert one["n_side_profit"] == len(rows) - 1
    table = pd.DataFrame([one | {"name": "T+1", "slice": "T+1", "n": len(rows), "low": 0.4, "high": 0.7}])
    for metric in ("hit_rate", "profit"):
        drawn = measures.by_slice(table, metric, palette=palette.LIGHT, digits=2)
        assert [trace.name for trace in drawn.data][-1] == "Last hour's side"
    by_hour = charts.by_hour(table, palette=palette.LIGHT)
    assert {trace.name for trace in by_hour.data} == {"Direction right", "Last hour's side"}
    assert "side_hit_rate" not in measuring.spikes(rows.drop(columns="last"), ("hit_rate",))


def test_a_share_has_an_interval_inside_0_and_1_also_where_all_hours_are_alike() -> None:
    low, high = measuring.likely(1.0, float("nan"), 30)
    assert (low, high) == (pytest.approx(30 / (30 + 1.96**2)), 1.0)
    low, high = measuring.likely(0.97, 0.05, 30)
    assert 0.6 < low < 0.97 < high <= 1.0
    low, high = measuring.likely(0.6, 0.02, 600)
    assert (low, high) == (pytest.approx(0.6 - 1.96 * 0.02, abs=0.002), pytest.approx(0.6 + 1.96 * 0.02, abs=0.002))
    assert np.isnan(measuring.likely(0.6, float("nan"), 600)).all()
    assert np.isnan(measuring.likely(1.0, float("nan"), 2)).all()


def test_series_without_a_value_are_not_called_whole(two_markets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with market_filler.desk(two_markets, monkeypatch, more=8) as desk:
        with desk.warehouse.read() as session:
            assert len(quality.silent(session, desk.markets["west"])) == 8
            assert quality.silent(session, desk.markets["south"]) == ()
        said = words(at("data", target="West System"))
        assert "Judged are the 4 series with data; **8 of 12 have no value at all**: Zone00 load, " in said
        assert "and 2 more." in said
        assert "every slot that should be there is there" not in said


def test_looking_back_with_what_was_replayed_keeps_the_prices_fetched_later(desk: Desk) -> None:
    then = NOW - timedelta(days=2)
    late = {"seen": NOW, "id": "south.rtm_hub"}
    with desk.warehouse.write() as session:
        session.script("UPDATE raw SET seen_at = $seen WHERE series = $id", **late)
    counts = {}
    for replayed in (False, True):
        with desk.warehouse.read() as session:
            asof.cut(session, Moment(then, replayed))
            asked = {"since": then - timedelta(days=1), "minuend": "south.dam_hub", "series": "south.rtm_hub"}
            rows = session.ask("page_legs", **asked, minuend_per_hour=1, series_per_hour=1)
            counts[replayed] = int(rows["series"].notna().sum()) if len(rows) else 0
    assert counts[False] == 0
    assert 20 <= counts[True] <= 24
