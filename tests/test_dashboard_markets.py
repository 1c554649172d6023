"""Several markets: which one is chosen, what each page then says, in whose clock and in which measures."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from dashboard import choosing, formats, links
from dashboard.data import Desk
from dashboard.views import forecasts
from tests import market_filler
from tests.dashboards import opened, words

CHICAGO = "America/Chicago"
HUB, SYSTEM = "South DART hub", "West System"
HOUR = timedelta(hours=1)


@pytest.fixture
def desk(two_markets: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with market_filler.desk(two_markets, monkeypatch) as made:
        yield made


def at(view: str, **query: str) -> AppTest:
    app = opened(view, **query)
    assert not app.exception
    return app


@cache
def seen(view: str, **query: str) -> AppTest:
    """A page to look at, over what the desk of a test holds when it is first asked for."""
    return at(view, **query)


def asked(app: AppTest, name: str) -> str | None:
    found = app.query_params.get(name)
    return found[0] if isinstance(found, list) else found


def chosen(app: AppTest) -> tuple[Any, Any]:
    return app.button_group(key="market").value, app.button_group(key="target").value


def tables(app: AppTest) -> dict[str, pd.DataFrame]:
    return {one.proto.alt: one.value for one in app.dataframe if one.proto.alt}


def figures(app: AppTest) -> str:
    return "\n".join(block.proto.spec for block in app.get("plotly_chart"))


def test_a_market_comes_before_its_targets_and_remembers_the_one_looked_at(desk: Desk) -> None:
    app = at("alerts")
    assert chosen(app) == ("west", SYSTEM)
    assert app.button_group(key="target").options == ["System", "North", "Coast", "Desert"]
    app.button_group(key="target").set_value("West Coast").run()
    app.button_group(key="market").set_value("south").run()
    assert chosen(app) == ("south", "South Load")
    assert (asked(app, "market"), asked(app, "target")) == ("south", None)
    assert app.button_group(key="target").options == [
        "Load",
        "Real-time hub · price",
        "DART hub",
        "DART valley",
    ]
    app.button_group(key="target").set_value(HUB).run()
    app.button_group(key="market").set_value("west").run()
    assert chosen(app) == ("west", "West Coast")
    assert (asked(app, "market"), asked(app, "target")) == (None, "West Coast")
    app.button_group(key="market").set_value("south").run()
    assert (chosen(app), asked(app, "target")) == (("south", HUB), HUB)


def test_an_address_of_before_names_its_target_in_every_way_it_was_called(desk: Desk) -> None:
    for name in ("DART hub", "south.dart_hub"):
        app = at("alerts", target=name)
        assert (chosen(app), asked(app, "target"), asked(app, "market")) == (("south", HUB), HUB, "south")
    # The target says which market, whatever else the address says.
    assert chosen(at("alerts", target="West Desert", market="south")) == ("west", "West Desert")
    assert chosen(at("alerts", market="nowhere")) == ("west", SYSTEM)
    names = desk.target_names()
    assert choosing.sought(names, "Load", "south") == "South Load"
    assert choosing.sought(names, "Elsewhere Load") == "South Load"
    assert choosing.sought(names, "Moon") is None


def test_a_target_that_is_off_or_gone_is_said_to_be(desk: Desk) -> None:
    app = at("alerts", target="Moon", market="south")
    assert "No target is called `Moon` here: it is switched off" in words(app)
    assert (chosen(app), asked(app, "target")) == (("south", "South Load"), None)
    app.run()
    assert "`Moon`" in words(app)
    app.button_group(key="target").set_value(HUB).run()
    assert "`Moon`" not in words(app)


def test_links_carry_market_target_and_clock(desk: Desk) -> None:
    app = at("forecasts", target=HUB, market="south", clock="UTC")
    for one in app.get("page_link"):
        query = parse_qs(one.proto.query_string)
        assert (query["market"], query["target"], query["clock"]) == (["south"], [HUB], ["UTC"])
    rows = tables(app)["All of South"]
    there = parse_qs(urlsplit(rows["link"].iloc[-1]).query)
    assert there == {"market": ["south"], "target": ["South DART valley"], "clock": ["UTC"]}


def test_a_clock_follows_the_market_of_the_target(desk: Desk) -> None:
    app = at("forecasts", target=HUB)
    assert app.button_group(key="clock").options == ["Chicago", "UTC"]
    assert "Forecast 04:12 CST" in words(app)
    app.button_group(key="market").set_value("west").run()
    assert app.button_group(key="clock").options == ["Los Angeles", "UTC"]
    assert "Forecast 02:12 PST" in words(app)
    app.button_group(key="clock").set_value("UTC").run()
    app.button_group(key="market").set_value("south").run()
    assert app.button_group(key="clock").value == "UTC"
    assert "Forecast 10:12 UTC" in words(app)


@pytest.mark.parametrize(("kind", "name"), [("load", SYSTEM), ("price", "South Real-time hub"), ("spread", HUB)])
def test_each_kind_of_target_is_measured_as_suits_it(desk: Desk, kind: str, name: str) -> None:
    app = at("accuracy", target=name)
    said, options = words(app), app.button_group(key="metric").options
    columns = " ".join(tables(app)["Measures by horizon"].columns)
    assert ("MAPE" in said or "Relative" in options) == (kind != "spread")
    assert ("Direction right" in said, "P&L" in options) == ((kind == "spread"),) * 2
    assert ("hit_rate_said" in columns, "profit_said" in columns) == ((kind == "spread"),) * 2
    assert "MAPE" not in said + figures(app) or kind == "load"
    assert ("%" in said and "MASE" in said) == (kind == "price")


def test_a_measure_that_the_next_target_lacks_gives_way(desk: Desk) -> None:
    app = at("accuracy", target=SYSTEM, metric="Relative", market="west")
    assert "Mean absolute percentage error, %" in words(app)
    app.button_group(key="market").set_value("south").run()
    app.button_group(key="target").set_value(HUB).run()
    assert not app.exception
    assert app.button_group(key="metric").value == "MAE"
    assert "percentage" not in words(app)


def test_prices_have_two_decimals_and_loads_none(desk: Desk) -> None:
    load, spread = seen("forecasts", target=SYSTEM), seen("forecasts", target=HUB)
    issue = desk.ask("page_issue", target="south.dart_hub", due=market_filler.NOW - HOUR)
    assert [one.value for one in spread.metric] == [formats.number(value, 2) for value in issue["p50"]]
    assert all("." not in one.value for one in load.metric)
    assert "USD/MWh" in words(spread)
    assert "%{y:,.2f}" in figures(spread)
    assert "%{y:,.0f}" not in figures(spread)
    assert "%{y:,.2f}" not in figures(load)


@pytest.mark.parametrize(
    ("start", "shown"),
    [
        # Clocks were put back at 07:00 UTC and forward at 08:00 UTC.
        (datetime(2026, 11, 1, 5, tzinfo=UTC), ["00:00", "01:00 CDT", "01:00 CST", "02:00"]),
        (datetime(2026, 3, 8, 6, tzinfo=UTC), ["00:00", "01:00", "03:00", "04:00"]),
    ],
)
def test_chicago_changes_its_clocks(start: datetime, shown: list[str]) -> None:
    hours = [start + n * HOUR for n in range(4)]
    assert [formats.hour(one, CHICAGO) for one in hours] == shown
    assert [formats.hour(one, "UTC") for one in hours] == [f"{one:%H:%M}" for one in hours]
    assert {formats.zone_name(hours[0], CHICAGO), formats.zone_name(hours[3], CHICAGO)} == {"CDT", "CST"}
    assert formats.between(hours[0], hours[3], CHICAGO).count("CDT") == 1


def test_the_hour_that_chicago_has_twice_is_told_apart_on_the_page_and_in_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime(2026, 11, 1, 5, 20, tzinfo=UTC)
    market_filler.fill(tmp_path, now, days=1)
    with market_filler.desk(tmp_path, monkeypatch, now) as desk:
        app = at("forecasts", target=HUB)
        cards = [one.label for one in app.button if str(one.key).startswith("card-")]
        assert cards[:4] == ["T+1 · 00:00", "T+2 · 01:00 CDT", "T+3 · 01:00 CST", "T+4 · 02:00"]
        figure = next(block.proto.spec for block in app.get("plotly_chart") if "Newest issue" in block.proto.spec)
        assert figure.count("2026-11-01T01:00:00") >= 1
        assert "Too few hours for tenths" in words(at("accuracy", target=HUB))
        assert "Forecast 00:12 CDT" in words(app)
        issue = desk.ask("page_issue", target="south.dart_hub", due=now)
    frame = type("Frame", (), {"target": desk.targets["south.dart_hub"], "unit": "USD/MWh"})()
    rows = forecasts._downloaded(frame, issue)
    assert list(rows["local_time"].str[11:])[1:3] == ["01:00:00-05:00", "01:00:00-06:00"]
    assert str(rows["valid_at"].dt.tz) == "UTC"


def test_a_zone_without_letters_is_named_by_its_offset() -> None:
    assert formats.zone_name(market_filler.NOW, "America/Sao_Paulo") == "UTC-03"
    assert formats.zoned_hour(market_filler.NOW, "Asia/Kolkata") == "15:50 IST"


def test_a_choice_of_many_is_a_list_in_a_sensible_order(two_markets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with market_filler.desk(two_markets, monkeypatch, more=26) as made:
        kinds = [one.kind for one in made.target_names().values() if one.market == "south"]
        assert kinds == ["load", "price", "spread", "spread"]
        app = at("data", market="west")
        choice = app.selectbox(key="target")
        assert len(choice.options) == 30
        assert len(choosing.beside(made, made.targets["west.north"])) == 30
        # Tiles of what is not as it should be, and the rest as a number.
        said = words(app)
        assert "4 current" in said
        assert (said.count("No data]"), "11 more series late or without data" in said) == (15, True)
        app = at("forecasts", market="west")
        assert len(tables(app)["All of West"]) == 30
        assert "Without an issue in 7 days: Zone00" in words(app)


def test_few_targets_of_several_markets_are_one_choice(two_markets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "MANY", 8)
    with market_filler.desk(two_markets, monkeypatch) as made:
        assert not choosing.by_market(made)
        app = at("alerts", target=HUB)
        assert app.button_group(key="target").options[0] == SYSTEM
        assert len(choosing.beside(made, made.targets["south.load"])) == 8
        assert links.COMMON[0] == "market"
