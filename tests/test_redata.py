"""REData over real HTTP: several series in one answer, local wall clock, clock changes, faults."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from pipeline.configuring.markets import load_markets
from pipeline.errors import AuthRefused, BadRequest, NotYetPublished, SchemaChanged, Transient
from pipeline.settings import ROOT, Settings
from pipeline.sources.base import Window
from pipeline.sources.redata import SOURCE, wall_clock
from tests.servers import faults
from tests.servers.grid import GridServer
from tests.servers.store import invented_store

SERIES = {one.id: one for one in load_markets(ROOT / "sextant.toml", ("es",))["es"].series}
WIDGET = [SERIES["es.load"], SERIES["es.load_forecast"], SERIES["es.load_programme"]]
COLUMNS = {"es.load": "load", "es.load_forecast": "forecast", "es.load_programme": "programme"}
NOW = datetime(2024, 10, 28, 10, tzinfo=UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def store() -> pd.DataFrame:
    return invented_store("2024-10-20", "2024-10-31")


@pytest.fixture
def server(store: pd.DataFrame) -> Iterator[GridServer]:
    with GridServer(store, NOW) as running:
        yield running


def fetch(server: GridServer, start: str = "2024-10-25", end: str = "2024-10-26") -> pd.DataFrame:
    settings = Settings.load({"SEXTANT_REDATA_URL": server.url + "/", "SEXTANT_HTTP_TRIES": "1"})
    return SOURCE.fetch(WIDGET, Window(utc(start), utc(end)), now=server.now, settings=settings)


def test_one_request_brings_all_series(server: GridServer, store: pd.DataFrame) -> None:
    points = fetch(server)
    assert len(server.requests) == 1
    for name, column in COLUMNS.items():
        found = points[points["series"] == name]
        assert found["valid_at"].tolist() == store.loc["2024-10-25"].index.tolist()
        assert found["value"].tolist() == store.loc["2024-10-25", column].tolist()
    assert points["made_at"].isna().all()


def test_two_series_of_one_indicator_both_get_it(server: GridServer) -> None:
    settings = Settings.load({"SEXTANT_REDATA_URL": server.url, "SEXTANT_HTTP_TRIES": "1"})
    pair = [WIDGET[0], replace(WIDGET[0], id="es.again")]
    points = SOURCE.fetch(pair, Window(utc("2024-10-25"), utc("2024-10-26")), now=server.now, settings=settings)
    assert points["series"].value_counts().to_dict() == {"es.load": 288, "es.again": 288}


def test_the_request_is_as_documented_and_carries_no_token(server: GridServer) -> None:
    fetch(server)
    (request,) = server.requests
    assert request.path == "/es/datos/demanda/demanda-tiempo-real"
    assert request.one("start_date") == "2024-10-25T02:00"
    assert request.one("end_date") == "2024-10-26T01:59"
    assert request.one("time_trunc") == "hour"
    assert request.one("geo_ids") == "8741"
    assert "x-api-key" not in request.headers


def test_plans_reach_beyond_now_and_demand_does_not(server: GridServer) -> None:
    points = fetch(server, "2024-10-28", "2024-10-29")
    newest = points.groupby("series")["valid_at"].max()
    assert newest["es.load"] == pd.Timestamp("2024-10-28 09:45Z")
    assert newest["es.load_forecast"] == pd.Timestamp("2024-10-28 22:55Z")


@pytest.mark.parametrize(("day", "slots"), [("2024-10-27", 300), ("2024-03-31", 276)])
def test_clock_change_days_have_every_slot_once(day: str, slots: int) -> None:
    start = pd.Timestamp(day, tz="Europe/Madrid")
    window = Window(*(edge.tz_convert("UTC").to_pydatetime() for edge in (start, start + pd.DateOffset(days=1))))
    around = invented_store(str((start - pd.DateOffset(days=1)).date()), str((start + pd.DateOffset(days=2)).date()))
    with GridServer(around, NOW) as server:
        settings = Settings.load({"SEXTANT_REDATA_URL": server.url})
        points = SOURCE.fetch(WIDGET[:1], window, now=NOW, settings=settings)
    assert points["valid_at"].nunique() == len(points) == slots
    assert points["value"].tolist() == around.loc[window.start : window.end, "load"].iloc[:-1].tolist()


@pytest.mark.parametrize("first", ["00:00", "00:30", "01:00", "01:30"])
@pytest.mark.parametrize("minutes", [30, 60, 120])
def test_a_window_that_cuts_the_repeated_hour_is_still_complete(server: GridServer, first: str, minutes: int) -> None:
    start = utc(f"2024-10-27T{first}")
    end = start + timedelta(minutes=minutes)
    points = fetch(server, start.replace(tzinfo=None).isoformat(), end.replace(tzinfo=None).isoformat())
    load = points[points["series"] == "es.load"]
    assert load["valid_at"].tolist() == pd.date_range(start, end, freq="5min", inclusive="left").tolist()


def test_ends_inside_the_repeated_hour_move_outwards() -> None:
    asked = wall_clock(Window(utc("2024-10-27T00:30"), utc("2024-10-27T01:30")))
    assert asked == {"start_date": "2024-10-27T01:30", "end_date": "2024-10-27T03:29"}


def test_no_data_is_empty_when_due_and_not_yet_published_when_ahead(server: GridServer) -> None:
    server.outage(since=utc("2024-10-24T10:00"))
    empty = fetch(server, "2024-10-25", "2024-10-26")
    assert empty.empty
    assert str(empty["valid_at"].dtype) == "datetime64[us, UTC]"
    with pytest.raises(NotYetPublished, match="nothing yet from 2024-10-29 00:00 UTC on; ask again later"):
        fetch(server, "2024-10-29", "2024-10-30")


def test_a_series_the_answer_leaves_out_has_no_rows(server: GridServer) -> None:
    server.faults.append(faults.edited(lambda doc: doc["included"].pop(0)))
    assert set(fetch(server)["series"]) == {"es.load_forecast", "es.load_programme"}


def test_nulls_become_nan_and_repeated_rows_are_kept_for_the_caller(server: GridServer) -> None:
    server.faults.extend([faults.nulls, faults.duplicates])
    assert fetch(server)["value"].isna().sum() > 0
    assert len(fetch(server)) > 3 * 288


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (faults.forbidden, AuthRefused, "REData needs no token"),
        (faults.firewall, AuthRefused, "a firewall blocks this address"),
        (faults.unavailable, Transient, "HTTP 503"),
        (faults.broken_json, Transient, "not complete JSON"),
        (faults.answering(b'{"errors":[{"detail":"Fechas"}]}', 400), BadRequest, "HTTP 400, Fechas"),
        (faults.new_schema, SchemaChanged, "a row without `datetime` and `value`"),
        (faults.answering(b'{"data":{}}'), SchemaChanged, "no list `included`"),
        (faults.answering(b'{"included":[{"id":"10"}]}'), SchemaChanged, "no part 1293, 544, 545, only 10"),
        (faults.answering(b'{"included":[{"id":"1293"}]}'), SchemaChanged, "a part without a list"),
    ],
)
def test_what_goes_wrong_is_named_with_series_source_and_remedy(
    server: GridServer, fault: faults.Fault, kind: type[Exception], words: str
) -> None:
    server.faults.append(fault)
    with pytest.raises(kind) as caught:
        fetch(server)
    assert str(caught.value).startswith("es.load")
    assert " from redata: " in str(caught.value)
    assert words in str(caught.value)


def test_a_series_outside_the_widget_is_refused_clearly(server: GridServer) -> None:
    odd = replace(SERIES["es.price"], keys={"esios": "600"})
    window = Window(utc("2024-10-25"), utc("2024-10-26"))
    with pytest.raises(BadRequest, match=r"es\.price is not part of REData's widget; remove it or use esios"):
        SOURCE.fetch([odd], window, now=NOW, settings=Settings.load({"SEXTANT_REDATA_URL": server.url}))
    assert server.requests == []


def test_it_is_always_ready() -> None:
    assert SOURCE.ready(Settings.load({})) is None
