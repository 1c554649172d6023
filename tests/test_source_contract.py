"""What every source promises, checked on each plug-in of the folder against a local server or its own market."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from pipeline.configuring.markets import load_markets
from pipeline.discovery import discover
from pipeline.errors import NotYetPublished
from pipeline.markets import Market, Series
from pipeline.settings import ROOT, Settings
from pipeline.sources.base import POINT_COLUMNS, Window
from tests.servers.caiso import CaisoServer
from tests.servers.caiso import invented_store as invented_california
from tests.servers.ercot import ErcotServer
from tests.servers.ercot_store import invented_store as invented_texas
from tests.servers.grid import GridServer
from tests.servers.store import invented_store
from tests.servers.weather import WeatherServer

SOURCES = discover("pipeline.sources", "SOURCE")
MARKETS = load_markets(ROOT / "sextant.toml", ("demo", "es", "caiso", "caiso_now", "ercot"))
NOW = datetime(2024, 10, 28, 10, tzinfo=UTC)
DAY = Window(datetime(2024, 10, 26, 22, tzinfo=UTC), datetime(2024, 10, 27, 23, tzinfo=UTC))

# 25 hours as well, of what it shows: from the local midnight before yesterday on.
SHOWN = {"ercot_dashboard": Window(datetime(2024, 10, 27, 5, tzinfo=UTC), datetime(2024, 10, 28, 6, tzinfo=UTC))}


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    """Where each provider's local server is."""
    with (
        GridServer(invented_store("2024-10-20", "2024-10-31"), NOW) as spain,
        CaisoServer(invented_california("2024-10-20", "2024-11-07"), NOW) as california,
        ErcotServer(invented_texas("2024-10-16", "2024-11-07"), NOW) as texas,
        WeatherServer(NOW) as weather,
    ):
        env = {
            "SEXTANT_HTTP_TRIES": "1",
            **{"SEXTANT_SQL_DRIVER": "sqlite3", "SQL_DATABASE": "ercot.db"},
            **{"SEXTANT_ESIOS_URL": spain.url, "SEXTANT_REDATA_URL": spain.url, "ESIOS_API_KEY": spain.token},
            **{"SEXTANT_CAISO_URL": california.url, "SEXTANT_CAISO_OUTLOOK_URL": california.url},
            **texas.env,
            **weather.env(),
        }
        yield Settings.load(env)


@pytest.fixture(params=sorted(SOURCES))
def source(request: pytest.FixtureRequest) -> Any:
    return SOURCES[request.param]


def market_of(source: Any) -> Market:
    served = [market for market in MARKETS.values() if source.name in market.sources]
    if not served:
        pytest.skip(f"NO MARKET IN sextant.toml NAMES {source.name}: its contract is untested here")
    return served[0]


def series_of(source: Any) -> list[Series]:
    return [one for one in market_of(source).series if source.name in one.keys]


def test_it_states_its_name_and_limits(source: Any) -> None:
    assert source.name.isidentifier()
    assert source.max_window >= timedelta(days=1)
    assert all(source.group(one) for one in series_of(source))


def test_it_is_ready_or_says_in_one_sentence_what_is_missing(source: Any, settings: Settings) -> None:
    assert source.ready(settings) is None
    missing = source.ready(Settings.load({}))
    assert missing is None or (missing.endswith(".") and "\n" not in missing)


def test_points_have_the_agreed_columns_and_types(source: Any, settings: Settings) -> None:
    for one in series_of(source):
        points = source.fetch([one], DAY, now=NOW, settings=settings)
        assert tuple(points.columns) == POINT_COLUMNS
        assert set(points["series"]) == {one.id}
        assert str(points["valid_at"].dtype) == str(points["made_at"].dtype) == "datetime64[us, UTC]"
        assert points["value"].dtype == "float64"


def test_a_25_hour_day_is_complete_and_nothing_lies_outside_the_window(source: Any, settings: Settings) -> None:
    day = SHOWN.get(source.name, DAY)
    for one in series_of(source):
        points = source.fetch([one], day, now=NOW, settings=settings)
        assert points["valid_at"].min() == pd.Timestamp(day.start)
        assert points["valid_at"].max() < pd.Timestamp(day.end)
        assert points["valid_at"].nunique() == timedelta(hours=25) // one.cadence


def test_nothing_is_published_before_its_time(source: Any, settings: Settings) -> None:
    ahead = Window(NOW - timedelta(hours=3), NOW + timedelta(hours=3))
    for one in series_of(source):
        points = source.fetch([one], ahead, now=NOW, settings=settings)
        assert not (points["made_at"] > pd.Timestamp(NOW)).any()
        if one.kind == "measured":
            assert (points["valid_at"] + one.cadence <= pd.Timestamp(NOW)).all()


def test_asking_twice_gives_the_same(source: Any, settings: Settings) -> None:
    one = series_of(source)[0]
    first, second = (source.fetch([one], DAY, now=NOW, settings=settings) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)


def test_several_series_come_in_one_frame(source: Any, settings: Settings) -> None:
    wanted = series_of(source)
    points = source.fetch(wanted, DAY, now=NOW, settings=settings)
    assert set(points["series"]) == {one.id for one in wanted}


def test_a_far_future_holds_nothing(source: Any, settings: Settings) -> None:
    future = Window(NOW + timedelta(days=300), NOW + timedelta(days=301))
    points, said = pd.DataFrame(columns=list(POINT_COLUMNS)), "."
    try:
        points = source.fetch(series_of(source)[:1], future, now=NOW, settings=settings)
    except NotYetPublished as error:
        said = str(error)
    assert points.empty
    assert tuple(points.columns) == POINT_COLUMNS
    assert said.endswith(".")
