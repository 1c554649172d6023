"""Spikes that would flatten a chart stay beyond its axis and are written at its edge; a reader can have them all."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dashboard.figures import beyond, fan, palette, spread
from tests import market_filler
from tests.dashboards import NOW, seated, words
from tests.test_dashboard_markets import HUB, at

HOURS = pd.date_range("2024-08-20 06:00", periods=24, freq="h", tz="UTC").as_unit("us")
AT = datetime(2024, 8, 21, 0, 27, tzinfo=UTC)


def rows(spikes: dict[int, float]) -> pd.DataFrame:
    """Eighteen measured hours around 5, and an issue of six."""
    actual = np.where(np.arange(24) < 18, 5 + np.arange(24) % 5, np.nan)
    for place, value in spikes.items():
        actual[place] = value
    issue = np.where(np.arange(24) >= 18, 12.0, np.nan)
    blank = np.full(24, np.nan)
    return pd.DataFrame({
        "valid_at": HOURS, "actual": actual, "hindcast": actual * 0.5, "hindcast_p10": blank, "hindcast_p90": blank,
        "operator": blank, "previous": issue - 1, "p50": issue, "p10": issue - 20, "p90": issue + 20, "horizon": blank,
        "error": actual * -0.5, "in_band": [None] * 24,
    })  # fmt: skip


def drawn(hours: pd.DataFrame, *, near: bool = True) -> Any:
    return fan.draw(hours, palette=palette.LIGHT, zone="UTC", now=AT, unit="USD/MWh", digits=2, near=near)


def edges(figure: Any) -> list[str]:
    return [one.text for one in figure.layout.annotations if one.text[:1] in "\u25b2\u25bc" and one.text[2:3] != "d"]


def test_a_spike_stays_beyond_the_axis_and_is_written_at_its_edge() -> None:
    hours = rows({9: -2400.13, 10: -1401.0, 14: 900.0})
    low, high = drawn(hours).layout.yaxis.range
    assert low < -8
    assert high > 32
    assert high - low < 80
    assert edges(drawn(hours))[:2] == ["\u25b2 900.00", "\u25bc \u22122,400.13"]
    ends = fan.reach(hours)
    assert beyond.beyond(hours["actual"], ends) == 3
    assert beyond.beyond(hours["actual"], None) == 0


def test_the_errors_below_have_an_axis_of_their_own() -> None:
    figure = drawn(rows({9: -2400.0}))
    assert figure.layout.yaxis2.range[1] < 50
    assert "\u25b2 1,200.00" in edges(figure)


def test_all_is_on_the_axis_where_asked_for_and_where_nothing_is_flattened() -> None:
    assert drawn(rows({9: -2400.0}), near=False).layout.yaxis.range is None
    assert edges(drawn(rows({9: -2400.0}), near=False)) == []
    assert drawn(rows({9: 60.0})).layout.yaxis.range is None
    assert fan.reach(rows({})) is None
    nothing = pd.Series([np.nan, np.nan])
    assert beyond.span([nothing], [nothing]) is None


def test_what_is_forecast_is_on_the_axis_however_high() -> None:
    hours = rows({})
    hours.loc[20, ["p50", "p90"]] = [2000.0, 4000.0]
    figure = drawn(hours)
    assert figure.layout.yaxis.range is None or figure.layout.yaxis.range[1] > 4000


def test_a_price_that_is_known_of_hours_to_come_is_on_the_axis() -> None:
    legs = pd.DataFrame({"valid_at": HOURS, "minuend": 30.0, "series": np.where(np.arange(24) < 18, 28.0, np.nan)})
    legs.loc[9, "series"] = 3048.0
    told = {"palette": palette.LIGHT, "zone": "UTC", "now": AT, "near": True}
    figure = spread.legs(legs, ("Day-ahead", "Real-time"), **told)
    assert figure.layout.yaxis.range[1] < 60
    assert edges(figure) == ["\u25b2 3,048.00"]
    legs.loc[22, "minuend"] = 2224.0
    assert spread.legs(legs, ("Day-ahead", "Real-time"), **told).layout.yaxis.range is None


@pytest.fixture(scope="module")
def spiked(two_markets: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The hub's spread went to -2,400 four hours ago; of the valley's nothing was ever known."""
    folder = tmp_path_factory.mktemp("spiked")
    shutil.copytree(two_markets, folder, dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEXTANT_CONFIG", str(market_filler.settings(folder)))
        with seated(folder / "w.duckdb", patch, NOW, markets="west,south") as desk:
            with desk.warehouse.write() as session:
                session.script(
                    "UPDATE actuals SET value = -2400 WHERE target = 'south.dart_hub' AND valid_at = $hour",
                    hour=NOW.replace(minute=0) - timedelta(hours=4),
                )
                session.script("DELETE FROM actuals WHERE target = 'south.dart_valley'")
                session.script(
                    "UPDATE predictions SET p50 = NULL, p05 = NULL, p10 = NULL, p90 = NULL, p95 = NULL, "
                    "status = 'withheld', reason = 'no model' WHERE target = 'south.dart_valley'"
                )
            yield


@pytest.mark.usefixtures("spiked")
def test_a_reader_can_have_the_whole_range() -> None:
    app = at("forecasts", target=HUB)
    assert "beyond the axis" in words(app)
    assert "range" in _fan(app)["layout"]["yaxis"]
    app.toggle(key="whole").set_value(True).run()
    assert "beyond the axis" not in words(app)
    assert "range" not in _fan(app)["layout"]["yaxis"]
    assert "range" not in _fan(at("forecasts", target=HUB, whole="true"))["layout"]["yaxis"]


@pytest.mark.usefixtures("spiked")
def test_a_target_of_which_nothing_is_known_has_words_and_no_empty_charts() -> None:
    app = at("forecasts", target="South DART valley")
    said = words(app)
    assert "Nothing to draw yet" in said
    assert "No hour of DART valley is measured" in said
    assert "Neither issue has a number" in said
    assert not [spec for spec in _specs(app) if "annotations" in spec["layout"] and "now 0" in json.dumps(spec)]


def _specs(app: Any) -> list[Any]:
    return [json.loads(block.proto.spec) for block in app.get("plotly_chart")]


def _fan(app: Any) -> Any:
    return next(one for one in _specs(app) if any(trace.get("name") == "Newest issue" for trace in one["data"]))
