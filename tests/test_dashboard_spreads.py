"""Spreads, parts and all of a market on pages: each figure is what the stored rows say, and has a word and a sign."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dashboard import measuring, wording
from dashboard.data import Desk
from dashboard.figures import palette
from dashboard.figures import spread as charts
from dashboard.panels import both_legs, spread
from dashboard.views.alerts import of_market
from dashboard.views.data import attribution
from pipeline import metrics
from tests import market_filler
from tests.dashboards import NOW, words
from tests.test_dashboard_markets import HUB, SYSTEM, asked, at, seen, tables

HOUR = timedelta(hours=1)
ID = "south.dart_hub"
UNTIL = NOW.replace(minute=0) + HOUR


@pytest.fixture
def desk(two_markets: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with market_filler.desk(two_markets, monkeypatch) as made:
        yield made


def stored(desk: Desk, table: str) -> pd.DataFrame:
    with desk.warehouse.read() as session:
        rows: pd.DataFrame = session._cursor.sql(f"SELECT * FROM {table}").to_arrow_table().to_pandas()
    return rows


def scores(desk: Desk, horizon: int = 1) -> pd.DataFrame:
    rows = stored(desk, "accuracy")
    mine = rows[(rows["target"] == ID) & (rows["issuer"] == "sextant") & (rows["horizon"] == horizon)]
    return mine.sort_values("valid_at", ignore_index=True)


def test_a_spread_has_its_side_of_zero_in_a_word_and_a_sign(desk: Desk) -> None:
    said = words(seen("forecasts", target=HUB))
    issue = desk.ask("page_issue", target=ID, due=NOW - HOUR)
    above = int((issue["p50"] > 0).sum())
    assert said.count(":material/arrow_upward: day\u2011ahead above real\u2011time") == above
    assert said.count(":material/arrow_downward: day\u2011ahead below real\u2011time") == 6 - above
    assert f"Largest above zero **{issue['p50'].max():.2f} USD/MWh**" in said
    assert "Largest below zero" in said
    assert not {"Peak", "Trough", "Steepest"} & set(said.replace("**", " ").split())
    target = desk.targets[ID]
    assert both_legs.direction(target, 0.0).endswith("no difference")
    assert wording.sides(target) == ("day-ahead above real-time", "day-ahead below real-time")


def test_the_fan_of_a_spread_marks_each_hour_by_its_sign(desk: Desk) -> None:
    specs = [json.loads(block.proto.spec) for block in seen("forecasts", target=HUB).get("plotly_chart")]
    fan = next(one for one in specs if any(trace.get("name") == "Newest issue" for trace in one["data"]))
    newest = next(trace for trace in fan["data"] if trace.get("name") == "Newest issue")
    issue = desk.ask("page_issue", target=ID, due=NOW - HOUR)["p50"]
    assert newest["marker"]["symbol"][-6:] == ["triangle-up" if one >= 0 else "triangle-down" for one in issue]
    assert {"▲ day-ahead above real-time", "▼ day-ahead below real-time"} <= {
        one["text"] for one in fan["layout"]["annotations"]
    }
    assert fan["layout"]["yaxis"]["zeroline"] is True
    legs = next(one for one in specs if any("Day-ahead price" in trace.get("name", "") for trace in one["data"]))
    assert [trace["name"] for trace in legs["data"]] == ["Day-ahead price, hub", "Real-time price, hub"]


def test_the_day_ahead_price_stands_beside_the_hours_where_it_is_known(desk: Desk) -> None:
    table = tables(seen("forecasts", target=HUB))["Forecast of the next six hours"]
    raw = stored(desk, "raw").query("series == 'south.dam_hub'").set_index("valid_at")["value"]
    first = pd.Timestamp(NOW).floor("h")
    assert table["operator"].tolist() == [raw[first + n * HOUR] for n in range(6)]


def test_an_hour_of_a_leg_counts_only_when_it_is_whole(desk: Desk) -> None:
    asked_for: dict[str, Any] = {"since": NOW - 5 * HOUR, "minuend": "south.dam_hub", "series": "south.rtm_hub"}
    whole = desk.ask("page_legs", **asked_for, minuend_per_hour=1, series_per_hour=1)
    quarters = desk.ask("page_legs", **asked_for, minuend_per_hour=1, series_per_hour=4)
    assert whole["series"].notna().sum() == 4
    assert quarters["series"].isna().all()
    assert quarters["minuend"].equals(whole["minuend"])


def test_where_an_actual_comes_from_shows_the_rows_of_both_prices(desk: Desk) -> None:
    hour = NOW.replace(minute=0) - 3 * HOUR
    app = at("forecasts", target=HUB, hour=f"{hour:%Y-%m-%dT%H:%MZ}")
    rows = tables(app)["Stored values of both prices of this hour"]
    assert rows["leg"].tolist() == ["Day-ahead price, hub", "Real-time price, hub"]
    assert rows["run"].eq("ingest000001").all()
    actual = scores(desk).set_index("valid_at")["actual"][pd.Timestamp(hour)]
    assert rows["value"].iloc[0] - rows["value"].iloc[1] == pytest.approx(actual)
    ahead = at("forecasts", target=HUB, hour=f"{NOW.replace(minute=0) + HOUR:%Y-%m-%dT%H:%MZ}")
    assert "Real-time price, hub is not known yet, so the hour has no actual" in words(ahead)


def test_measures_of_a_spread_are_what_the_stored_scores_say(desk: Desk) -> None:
    rows = scores(desk)
    app = seen("accuracy", target=HUB, horizon="T+1")
    tiles = {one.label: one.value for one in app.metric}
    sign = np.sign(rows["p50"]) * np.sign(rows["actual"])
    assert tiles["Direction right, T+1"] == f"{100 * (sign > 0).mean():.0f} %"
    assert tiles["P&L T+1"] == f"{(np.sign(rows['p50']) * rows['actual']).mean():+.2f}"
    size = rows["actual"].abs()
    spikes = rows["error"].abs()[size >= size.nlargest(int(np.ceil(0.05 * len(rows)))).min()]
    assert tiles["Tail MAE T+1"] == f"{spikes.mean():.2f}"
    assert tiles["Pinball loss T+1"] == f"{rows['pinball_loss'].mean():.2f}"
    said = words(app)
    assert f"n = {len(spikes)}" in said
    assert f"**{(np.sign(rows['p50']) * rows['actual']).sum():+,.0f} USD** (95 %: " in said
    assert "not tradeable: at T+1 the day-ahead gate has closed" in said
    assert " ± " in said


def test_what_a_megawatt_earned_has_a_band_only_once_days_can_tell(desk: Desk) -> None:
    rows = scores(desk).assign(naive=1.0)
    found = spread.earnings(rows)
    gains = metrics.earnings(rows["p50"].to_numpy(), rows["actual"].to_numpy())
    assert found["earned"].iloc[-1] == pytest.approx(gains.sum())
    assert found["long"].iloc[-1] == pytest.approx(rows["actual"].sum())
    young = found["valid_at"] - found["valid_at"].iloc[0] < (metrics.LEAST_DAYS - 1) * timedelta(days=1)
    assert found.loc[young, "low"].isna().all()
    half = (found["high"] - found["low"]).iloc[-1] / 2
    assert half == pytest.approx(1.96 * len(rows) * measuring.mean_error(rows, gains))
    assert spread.earnings(rows.head(3))["low"].isna().all()
    figure = charts.earned(found, palette=palette.DARK, zone="UTC", currency="USD")
    assert [one.name for one in figure.data] == ["95 %", "Always above zero", "As naive says", "As forecast"]


def test_tenths_hold_all_hours_in_the_order_of_the_forecast(desk: Desk) -> None:
    rows = scores(desk)
    found = spread.tenths(rows)
    assert found["n"].sum() == len(rows)
    assert found["forecast"].is_monotonic_increasing
    lowest = rows.nsmallest(int(found["n"].iloc[0]), "p50")
    assert found["actual"].iloc[0] == pytest.approx(lowest["actual"].mean())
    assert found["median"].iloc[0] == pytest.approx(lowest["actual"].median())


def test_a_total_is_set_against_the_sum_of_its_parts(desk: Desk) -> None:
    app = seen("forecasts", target=SYSTEM)
    table = tables(app)["Total and sum of its parts, newest issue"]
    rows = stored(desk, "predictions").query("issuer == 'sextant'")
    newest = rows[rows["origin"] == rows["origin"].max()].set_index(["target", "horizon"])["p50"]
    parts = sum(newest[f"west.{zone}"] for zone in market_filler.ZONES)
    assert table["parts"].to_numpy() == pytest.approx(parts.to_numpy())
    assert not table["missing"].any()
    assert "n = 24 hours of the last 24: parts less total −35 MW on average" in words(app)  # noqa: RUF001
    assert "Parts of" not in words(seen("forecasts", target=HUB))


def test_a_part_without_an_issue_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with market_filler.fill(tmp_path, days=1).write() as session:
        session.script("DELETE FROM predictions WHERE target = 'west.coast' AND valid_at > $now", now=NOW)
        session.script(
            "DELETE FROM actuals WHERE target = 'west.desert' AND valid_at > $now - INTERVAL 3 HOUR", now=NOW
        )
    with market_filler.desk(tmp_path, monkeypatch):
        app = at("forecasts", target=SYSTEM)
        table = tables(app)["Total and sum of its parts, newest issue"]
        assert table["missing"].iloc[-1] == "▲ Coast"
        assert table["difference"].iloc[-1] == "–"  # noqa: RUF001
        assert "so no sum is shown there: Coast, Desert" in words(app)


def test_all_of_a_market_is_one_row_a_target(desk: Desk) -> None:
    rows = desk.ask(
        "page_overview", targets=("south.dart_hub", "south.load"), due=NOW, since=NOW - timedelta(days=7), until=NOW,
        firsts=(), lasts=(),
    ).set_index("target")  # fmt: skip
    issue = desk.ask("page_issue", target=ID, due=NOW)
    one = rows.loc[ID]
    assert (one.p50, one.change) == (issue["p50"].iloc[0], issue["change"].iloc[0])
    assert (one.highest, one.lowest) == (issue["p50"].max(), issue["p50"].min())
    found = stored(desk, "accuracy").query("target == @ID and issuer == 'sextant'")
    found = found[found["origin"] >= pd.Timestamp(NOW) - timedelta(days=7)]
    assert (one.mae, one.n) == (pytest.approx(found["error"].abs().mean()), len(found))
    event = {"firsts": (NOW - timedelta(days=8),), "lasts": (NOW - timedelta(days=1),)}
    left = desk.ask("page_overview", targets=(ID,), due=NOW, since=NOW - timedelta(days=7), until=NOW, **event)
    assert 0 < left["n"].iloc[0] < one.n
    shown = desk.ask(
        "page_overview", targets=(ID,), due=NOW, since=UNTIL - timedelta(days=7), until=UNTIL, firsts=(), lasts=()
    ).iloc[0]
    table = tables(seen("forecasts", target=HUB))["All of South"].set_index("target")
    assert list(table.index) == ["Load", "Real-time hub · price", "▸ DART hub", "DART valley"]
    assert table.loc["▸ DART hub", "mae"] == f"{shown.mae:.2f}"
    assert table["status"].eq("● ok").all()


def test_what_is_shown_of_a_market_follows_the_moment_looked_back_to(desk: Desk) -> None:
    app = at("forecasts", target=HUB, at="2026-11-18T10:20Z")
    assert (
        "Wed 18 Nov" in tables(app)["All of South"]["hour"].iloc[0]
        or "Wed" in tables(app)["All of South"]["hour"].iloc[0]
    )
    assert asked(app, "at") == "2026-11-18T10:20Z"
    legs = next(
        json.loads(block.proto.spec) for block in app.get("plotly_chart") if "Real-time price" in block.proto.spec
    )
    real_time = next(trace for trace in legs["data"] if trace["name"].startswith("Real-time"))
    last = pd.DatetimeIndex(real_time["x"])[pd.notna(_values(real_time["y"]))].max()
    assert last == pd.Timestamp("2026-11-18 03:00")


def _values(y: Any) -> Any:
    if isinstance(y, dict):
        import base64

        return np.frombuffer(base64.b64decode(y["bdata"]), dtype=y["dtype"])
    return np.array(y, dtype=float)


def test_models_show_what_suits_a_spread(desk: Desk) -> None:
    app = at("models", target=HUB)
    columns = tables(app)["Families, mean over horizons, best first"]
    order = json.loads(next(one for one in app.dataframe if "Families" in one.proto.alt).proto.columns)
    assert {"hit_rate", "profit", "tail_mae", "pinball_loss"} <= set(order)
    assert "mase" not in order
    assert columns["hit_rate"].eq("58 %").all()


def test_alerts_of_a_market_are_those_of_its_series_targets_and_versions() -> None:
    subjects = pd.Series(["west.load", "west", "western.load", "train:west.load", "ingest", "west.system-v3"])
    assert of_market(subjects, "west").tolist() == [True, True, False, True, False, True]


def test_alerts_can_be_those_of_one_market(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flips = pd.DataFrame(
        [
            {"flip_id": f"a{place}", "alert_id": f"a{place}", "rule": rule, "subject": subject, "severity": "warning",
             "state": "firing", "message": f"Something about {subject}.", "evidence": "{}", "since": NOW,
             "flipped_at": NOW, "run_id": "r"}
            for place, (rule, subject) in enumerate((("gaps", "west.north"), ("drift", ID), ("job_late", "ingest")))
        ]
    ).astype({"since": "datetime64[us, UTC]", "flipped_at": "datetime64[us, UTC]"})  # fmt: skip
    with market_filler.fill(tmp_path, days=1).write() as session:
        names = {column.name for column in session.columns("alert_flips")}
        session.append("alert_flips", flips.assign(**dict.fromkeys(names - set(flips), None))[sorted(names)])
    with market_filler.desk(tmp_path, monkeypatch):
        app = at("alerts")
        assert app.button_group(key="of").options == ["All", "West", "South", "Of no market"]
        for chosen, subject in (("West", "west.north"), ("South", ID), ("Of no market", "ingest")):
            app.button_group(key="of").set_value(chosen).run()
            said = words(app)
            assert f"Something about {subject.replace('_', chr(92) + '_')}" in said
            assert "1 alert of them shown" in said


def test_weather_says_whose_it_is(desk: Desk) -> None:
    market = desk.markets["west"]
    assert attribution(market) == ""
    weather = replace(market.series[0], keys={"weather": "temperature_2m"})
    said = attribution(replace(market, series=(*market.series, weather)))
    assert said == "Weather data by [Open-Meteo.com](https://open-meteo.com/), licence CC BY 4.0."


def test_the_zone_of_a_figure_is_the_markets_own_at_a_change_of_clocks() -> None:
    hours = pd.date_range("2026-11-01 04:00", periods=6, freq="h", tz="UTC").as_unit("us")
    rows = pd.DataFrame({"valid_at": hours, "minuend": 30.0, "series": 28.0})
    now = datetime(2026, 11, 1, 8, 20, tzinfo=UTC)
    figure = charts.legs(rows, ("Day-ahead", "Real-time"), palette=palette.LIGHT, zone="America/Chicago", now=now)
    x = pd.DatetimeIndex(figure.data[0].x)
    assert (np.diff(x) == np.timedelta64(1, "h")).all()
    assert "Real-time" in {one.name for one in figure.data}
