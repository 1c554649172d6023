"""What a spread's legs, its comparator and a position on it are called comes from the configuration, on every page."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import data, wording
from dashboard.data import Desk
from dashboard.panels import overview
from pipeline.backtest import LAST_HOUR
from pipeline.markets import Target
from tests import market_filler
from tests.dashboards import NOW, seated, words
from tests.test_dashboard_markets import HUB, at, tables

VALLEY = "South Nodes apart"


@pytest.fixture(scope="module")
def desk(two_markets: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The two markets, the second spread of them being one real-time price less another."""
    folder = tmp_path_factory.mktemp("measured")
    shutil.copytree(two_markets, folder, dirs_exist_ok=True)
    config = market_filler.settings(folder)
    text = config.read_text(encoding="utf-8").replace('minuend = "dam_valley"', 'minuend = "rtm_hub"')
    text = text.replace('inputs = ["dam_valley"]', "inputs = []").replace("DART valley", "Nodes apart")
    config.write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEXTANT_CONFIG", str(config))
        with seated(folder / "w.duckdb", patch, NOW, markets="west,south") as made:
            # What stood beside a spread of a day-ahead price stands beside none of two measured ones.
            with made.warehouse.write() as session:
                session.script("DELETE FROM predictions WHERE target = 'south.dart_valley' AND issuer = 'operator'")
                session.script("DELETE FROM accuracy WHERE target = 'south.dart_valley' AND issuer = 'operator'")
            yield made


def target(desk: Desk, name: str) -> Target:
    return desk.targets[f"south.{name}"]


def everything(app: AppTest) -> str:
    """Texts, heads of columns with their help, and figures, but for the list of all of the market."""
    columns = [json.dumps(json.loads(one.proto.columns)) for one in app.dataframe if one.proto.columns]
    charts = [block.proto.spec for block in app.get("plotly_chart")]
    helps = [one.help or "" for one in [*app.header, *app.markdown, *app.metric]]
    return "\n".join([words(app), *columns, *charts, *helps]).lower()


def test_a_spread_of_a_day_ahead_price_is_told_as_one(desk: Desk) -> None:
    hub = target(desk, "dart_hub")
    assert wording.beside(hub) == "Day-ahead"
    assert wording.sides(hub) == ("day-ahead above real-time", "day-ahead below real-time")
    assert wording.reading(hub).startswith("Day-ahead: the real-time price taken to be the day-ahead price")
    assert wording.position(hub).startswith("One megawatt sold day-ahead and bought back in real time where")
    assert "before all costs" in wording.position(hub)
    assert wording.position(hub).endswith("not tradeable: from T+1 to T+6 the day-ahead gate has closed.")
    assert wording.both(hub) == "Both prices"
    assert wording.has_beside(hub)


def test_a_spread_of_two_measured_series_has_no_day_ahead(desk: Desk) -> None:
    valley = target(desk, "dart_valley")
    assert wording.sides(valley)[0] == "Real-time price, hub above Real-time price, valley"
    assert (wording.known_ahead(valley), wording.has_beside(valley), wording.reading(valley)) == (False, False, "")
    said = wording.position(valley)
    assert said.startswith("One megawatt sold at Real-time price, hub and bought at Real-time price, valley where")
    assert said.endswith("are measured, so from T+1 to T+6 neither is a price that one could have had.")
    assert "day-ahead" not in said.lower()


def test_a_price_that_is_not_called_day_ahead_keeps_its_own_name(desk: Desk) -> None:
    hub = target(desk, "dart_hub")
    assert hub.minuend is not None
    spot = replace(hub, minuend=replace(hub.minuend, title="Spot price"))
    assert wording.beside(spot) == "Spot price"
    assert wording.sides(spot)[1] == "Spot price below real-time"
    assert wording.why_not(spot, "at T+1") == "at T+1 Spot price is settled already"
    assert wording.reading(spot) == "Spot price: real-time taken to be the same, a spread of 0."
    price = replace(target(desk, "rtm"), operator=replace(hub.minuend, title="HUB price"))
    assert wording.beside(price) == "HUB price"
    assert wording.beside(replace(price, operator=hub.minuend)) == "Day-ahead"
    assert wording.beside(target(desk, "load")) == "Operator"


def test_a_spread_of_power_earns_nothing(desk: Desk) -> None:
    valley = target(desk, "dart_valley")
    minuend, series = (replace(one, unit="MW", title=f"Load {place}") for place, one in enumerate(valley.legs))
    power = replace(valley, minuend=minuend, series=series)
    assert wording.both(power) == "Both series"
    assert wording.one_of_both(power) == "Series"
    assert wording.earned(power) == "What the forecast's side adds up to"
    assert not {"megawatt", "costs", "sold"} & set(wording.position(power).replace(",", "").split())


def test_contenders_of_a_backtest_have_names(desk: Desk) -> None:
    hub = target(desk, "dart_hub")
    assert [wording.contender(one, hub) for one in ("operator", LAST_HOUR, "ridge")] == [
        "day-ahead", "last hour's side", "ridge",
    ]  # fmt: skip
    assert "the simplest rule of direction" in wording.rule(["naive", LAST_HOUR])
    assert wording.rule(["naive"]) == ""


@pytest.mark.parametrize("view", ["forecasts", "accuracy", "models"])
def test_no_page_of_a_measured_spread_says_day_ahead(desk: Desk, view: str) -> None:
    data.desk()
    app = at(view, target=VALLEY)
    said = everything(app)
    assert "real-time price, valley" in said or view == "models"
    assert "day-ahead" not in said
    if view == "forecasts":
        assert "operator" not in json.loads(_proto(app, "Forecast of the next six hours").columns)


def test_the_page_of_dart_still_says_day_ahead(desk: Desk) -> None:
    app = at("forecasts", target=HUB)
    assert json.loads(_proto(app, "Forecast of the next six hours").columns)["operator"]["label"] == "Day-ahead"


def test_measures_of_a_spread_come_in_sets_that_fit(desk: Desk) -> None:
    app = at("accuracy", target=HUB)
    heads = set(json.loads(_proto(app, "Measures by horizon").columns)) - {"_index"}
    assert {"mae_said", "skill_said", "tail_mae_said"} <= set(heads)
    assert not {"hit_rate_said", "coverage_said"} & set(heads)
    assert len(heads) <= 10
    app.button_group(key="columns").set_value("Direction").run()
    heads = set(json.loads(_proto(app, "Measures by horizon").columns)) - {"_index"}
    assert {"hit_rate_said", "side_hit_rate_said", "profit_said", "more_said"} <= set(heads)
    table = tables(app)["Measures by horizon"]
    assert table["more_said"].iloc[0].startswith(("+", "\u2212"))
    price = at("accuracy", target="South Real-time hub", columns="Direction")
    assert price.button_group(key="columns").options == ["Errors", "Bands and basis"]
    assert "columns" not in {one.key for one in at("accuracy", target="South Load").button_group}


def test_a_row_of_the_market_is_named_without_what_explains_it(desk: Desk) -> None:
    load = target(desk, "load")
    titles = ("SCE (SCE-TAC, Southern California Edison's load area)", "Hub (north)", "Hub (south)", "System")
    names = {f"West {title}": replace(load, title=title) for title in titles}
    assert [overview._short(one, names) for one in names] == ["SCE", "Hub (north)", "Hub (south)", "System"]


def _proto(app: AppTest, alt: str) -> Any:
    return next(one.proto for one in app.dataframe if one.proto.alt == alt)
