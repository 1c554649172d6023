"""ERCOT's public API over real HTTP: tokens, pages, postings and faults; a local server stands in for the provider."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from pipeline.configuring.markets import load_markets
from pipeline.errors import BadRequest, NotYetPublished, SchemaChanged, Throttled, Transient
from pipeline.markets import Series
from pipeline.settings import ROOT, Settings
from pipeline.sources import ercot_api
from pipeline.sources.base import Window
from pipeline.sources.ercot import SOURCE, Ercot
from pipeline.sources.ercot_tables import KINDS, facts
from pipeline.sources.http import polite_gap_s
from tests.servers import faults
from tests.servers.ercot import ACCOUNT, LOGIN, ErcotServer, spurious, throttled
from tests.servers.ercot_store import Store, guess, invented_store

SERIES = {one.id.partition(".")[2]: one for one in load_markets(ROOT / "sextant.toml", ("ercot",))["ercot"].series}
COAST, DAM, RTM, FORECAST = (
    SERIES[f"{name}"] for name in ("load_coast", "dam_hb_west", "rtm_lz_north", "load_forecast_coast")
)
NOW = datetime(2024, 10, 28, 10, tzinfo=UTC)
HOUR = pd.Timedelta("1h")


@pytest.fixture(scope="module")
def store() -> Store:
    return invented_store("2024-10-20", "2024-11-08")


@pytest.fixture
def server(store: Store) -> Iterator[ErcotServer]:
    with ErcotServer(store, NOW) as running:
        yield running


def settings(server: ErcotServer, **env: str) -> Settings:
    return Settings.load(server.env | {"SEXTANT_HTTP_TRIES": "1"} | env)


def fetch(
    server: ErcotServer, series: Series = COAST, start: str = "2024-10-25", end: str = "2024-10-26",
    source: Ercot = SOURCE, **env: str,
) -> pd.DataFrame:  # fmt: skip
    window = Window(*(datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (start, end)))
    return source.fetch([series], window, now=server.now, settings=settings(server, **env))


def keyed(key: str, like: Series = COAST) -> Series:
    return replace(like, keys={"ercot": key})


@pytest.mark.parametrize("day", ["2024-11-03", "2024-03-10"])
@pytest.mark.parametrize(("series", "frame", "column"), [
    (COAST, "load", "COAST"), (SERIES["load_fwest"], "load", "FWEST"), (SERIES["load_total"], "load", "ERCOT"),
    (SERIES["dam_lz_north"], "dam", "LZ_NORTH"), (RTM, "rtm", "LZ_NORTH"),
])  # fmt: skip
def test_a_clock_change_day_comes_whole_and_half_open(day: str, series: Series, frame: str, column: str) -> None:
    local = pd.Timestamp(day, tz="America/Chicago")
    around = invented_store(*((local + pd.DateOffset(days=shift)).strftime("%Y-%m-%d") for shift in (-2, 4)))
    start, end = (moment.tz_convert("UTC") for moment in (local, local + pd.DateOffset(days=1)))
    with ErcotServer(around, (end + pd.DateOffset(days=1)).to_pydatetime()) as server:
        points = fetch(server, series, start.isoformat()[:16], end.isoformat()[:16])
    expected = getattr(around, frame).loc[start : end - pd.Timedelta("1min"), column]
    assert points.set_index("valid_at")["value"].to_dict() == expected.to_dict()
    assert len(points) == len(expected) == (25 if day > "2024-06" else 23) * (timedelta(hours=1) // series.cadence)


def test_the_requests_are_as_documented(server: ErcotServer) -> None:
    fetch(server, RTM, source=Ercot())
    login, request = server.requests
    assert login.path == LOGIN
    assert login.one("scope") == "openid fec253ea-0d06-4272-a5e6-b478baeecd70 offline_access"
    assert request.path == "/api/public-reports/np6-905-cd/spp_node_zone_hub"
    assert request.headers["authorization"] == "Bearer token-1"
    assert request.headers["ocp-apim-subscription-key"] == ACCOUNT["ERCOT_SUBSCRIPTION_KEY"]
    asked = {name: values[0] for name, values in request.query.items()}
    assert asked == {"deliveryDateFrom": "2024-10-24", "deliveryDateTo": "2024-10-25", "settlementPoint": "LZ_NORTH",
                     "settlementPointType": "LZ", "size": "10000", "page": "1"}  # fmt: skip


def test_one_answer_serves_all_zones_of_a_run_and_a_later_run_asks_again(server: ErcotServer) -> None:
    source = Ercot()
    for name in ("load_coast", "load_west", "load_total"):
        fetch(server, SERIES[name], source=source)
    assert len(server.asked("np6-345-cd")) == 1
    server.now += timedelta(minutes=5)
    fetch(server, source=source)
    assert len(server.asked("np6-345-cd")) == 2


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (throttled, Throttled, "asked to slow down"),
        (faults.unavailable, Transient, "HTTP 503"),
        (faults.truncated, Transient, "broke off"),
        (faults.broken_json, Transient, "not complete JSON"),
        (faults.web_page, Transient, "a web page came"),
        (faults.answering(b"[]"), SchemaChanged, "no `_meta`"),
        (faults.edited(lambda doc: doc["_meta"].pop("totalPages")), SchemaChanged, "no `_meta` with totalRecords"),
        (faults.edited(lambda doc: doc.pop("fields")), SchemaChanged, "rows that do not fit its list `fields`"),
        (faults.edited(lambda doc: doc["data"][3].pop()), SchemaChanged, "rows that do not fit its list `fields`"),
        (faults.edited(lambda doc: doc.update(data=True)), SchemaChanged, "rows that do not fit its list `fields`"),
        (faults.edited(lambda doc: doc["fields"][4].update(name="Hour_Ending")), SchemaChanged, "two columns hour"),
        (faults.edited(lambda doc: doc["data"][5].__setitem__(3, 10**400)), SchemaChanged, "that is no number"),
        (faults.edited(lambda doc: doc["data"][5].__setitem__(0, "9999-12-31")), SchemaChanged, "in the year 9999"),
        (faults.edited(lambda doc: doc["fields"][3].update(name="p")), SchemaChanged, "no column settlementpointprice"),
        (faults.edited(lambda doc: doc["fields"][0].update(name="day")), SchemaChanged, "no column deliverydate or"),
        (faults.edited(lambda doc: doc["data"][5].__setitem__(3, "12,5")), SchemaChanged, "not a number ('12,5')"),
        (faults.edited(lambda doc: doc["data"][5].__setitem__(1, "26:00")), SchemaChanged, "an hour ending '26:00'"),
        (faults.edited(lambda doc: doc["data"].pop()), Transient, "47 of 48 rows came on 1 pages"),
        (faults.edited(lambda doc: doc["_meta"].update(totalPages=9999)), SchemaChanged, "9,999 pages"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_named_with_series_source_and_remedy(
    server: ErcotServer, fault: faults.Fault, kind: type[Exception], words: str
) -> None:
    server.faults.append(fault)
    with pytest.raises(kind) as caught:
        fetch(server, DAM, source=Ercot())
    assert str(caught.value).startswith("ercot.dam_hb_west from ercot: ")
    assert words in str(caught.value)


def test_throttling_says_when_to_come_back(server: ErcotServer) -> None:
    server.faults.append(throttled)
    with pytest.raises(Throttled) as caught:
        fetch(server, DAM)
    assert caught.value.retry_after_s == 20.0


def test_a_400_for_no_reason_is_asked_once_more(server: ErcotServer) -> None:
    server.faults.append(spurious)
    assert len(fetch(server, DAM)) == 24
    server.faults.extend([spurious, spurious])
    with pytest.raises(BadRequest, match="HTTP 400, Invalid query"):
        fetch(server, DAM)


def test_columns_are_found_by_name_in_any_order(server: ErcotServer, store: Store) -> None:
    def turned(document: dict[str, Any]) -> None:
        document["fields"].reverse()
        for row in document["data"]:
            row.reverse()

    server.faults.append(faults.edited(turned))
    assert fetch(server, source=Ercot())["value"].tolist() == store.load.loc["2024-10-25", "COAST"].tolist()


def test_all_pages_are_read(server: ErcotServer, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ercot_api, "PAGE_ROWS", 50)
    points = fetch(server, RTM, end="2024-10-26T12:00", source=Ercot())
    assert [request.one("page") for request in server.asked("np6-905-cd")] == list("123456")
    assert points["value"].tolist() == store.rtm.loc["2024-10-25":"2024-10-26 11:59", "LZ_NORTH"].tolist()


def test_a_load_zone_is_the_one_that_is_not_weighted_by_energy(server: ErcotServer, store: Store) -> None:
    def both(document: dict[str, Any]) -> None:
        document["data"] = [
            [*row[:4], kind, row[5] + extra, row[6]]
            for row in document["data"]
            for kind, extra in (("LZEW", 9), ("LZ", 0))
        ]

    server.faults.append(faults.edited(both))
    assert fetch(server, RTM)["value"].tolist() == store.rtm.loc["2024-10-25", "LZ_NORTH"].tolist()
    server.faults.append(faults.edited(lambda doc: [row.__setitem__(4, "LZEW") for row in doc["data"]]))
    with pytest.raises(SchemaChanged, match="no rows of type LZ, only LZEW"):
        fetch(server, RTM)


def test_a_forecast_is_the_last_posting_six_hours_before_its_hour(server: ErcotServer, store: Store) -> None:
    points = fetch(server, FORECAST, "2024-10-28T00:00", "2024-10-29T12:00", source=Ercot())
    valid_at, made_at = points["valid_at"], points["made_at"]
    assert points["valid_at"].nunique() == len(points) == 35
    last_word = (valid_at - 6 * HOUR).clip(upper=pd.Timestamp(NOW))
    assert (last_word - made_at).between(pd.Timedelta(0), HOUR, inclusive="left").all()
    actual = store.load["COAST"].reindex(valid_at).to_numpy()
    assert points["value"].tolist() == guess(actual, ((valid_at - made_at) / HOUR).to_numpy()).tolist()
    (request,) = server.asked("np3-565-cd")
    assert request.one("inUseFlag") == "true"


def test_the_model_in_use_is_told_by_its_flag_even_when_all_come(
    server: ErcotServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = fetch(server, FORECAST, source=Ercot())
    monkeypatch.setitem(ercot_api.REPORTS, "load_forecast", replace(ercot_api.REPORTS["load_forecast"], extra={}))
    pd.testing.assert_frame_equal(fetch(server, FORECAST, source=Ercot()), used)


@pytest.mark.parametrize(("kind", "column"), [("wind", "wind"), ("solar", "solar")])
def test_wind_and_sun_as_measured_and_as_forecast(server: ErcotServer, store: Store, kind: str, column: str) -> None:
    made = fetch(server, keyed(f"{kind}:SYSTEM"), "2024-10-27", "2024-10-28T12:00")
    assert made["value"].tolist() == store.plants.loc["2024-10-27":"2024-10-28 08:59", column].tolist()
    assert made["made_at"].isna().all()
    guessed = fetch(server, SERIES[f"{kind}_forecast"], "2024-10-27", "2024-10-28")
    assert (guessed["valid_at"] - guessed["made_at"] >= 6 * HOUR).all()
    assert len(guessed) == 24


def test_tomorrows_prices_come_at_noon_and_count_from_half_past_one(server: ErcotServer) -> None:
    tomorrow = {"start": "2024-10-29T05:00", "end": "2024-10-30T05:00"}
    server.now = datetime(2024, 10, 28, 17, 44, tzinfo=UTC)
    with pytest.raises(NotYetPublished, match=r"ercot\.dam_hb_west from ercot: nothing yet from 2024-10-29 05:00 UTC"):
        fetch(server, DAM, **tomorrow)
    server.now += timedelta(minutes=1)
    early = fetch(server, DAM, **tomorrow)
    assert len(early) == 24
    assert early["made_at"].isna().all()
    server.now += timedelta(hours=2)
    assert (fetch(server, DAM, **tomorrow)["made_at"] == pd.Timestamp("2024-10-28T18:30Z")).all()


def test_load_by_forecast_zone(server: ErcotServer, store: Store) -> None:
    points = fetch(server, keyed("load_fzn:HOUSTON"))
    assert points["value"].tolist() == (store.load.loc["2024-10-25", "ERCOT"] * 0.3).tolist()


@pytest.mark.parametrize(("key", "like", "words"), [
    ("load_forecast:COAST", COAST, 'kind = "forecast"'), ("dam:HB_WEST", COAST, 'kind = "price" or kind = "forecast"'),
    ("rtm:HB_WEST", COAST, "write cadence_min = 15"), ("load:COAST", FORECAST, 'write kind = "measured"'),
    ("wind:SYSTEM", RTM, "write cadence_min = 60"),
])  # fmt: skip
def test_a_key_that_cannot_fill_a_series_of_its_kind_and_cadence_is_refused(
    server: ErcotServer, key: str, like: Series, words: str
) -> None:
    with pytest.raises(BadRequest, match=words):
        fetch(server, keyed(key, like))
    assert server.requests == []


def test_an_hour_the_clock_never_shows_is_named_in_the_log_and_left_out(caplog: pytest.LogCaptureFixture) -> None:
    zones = dict.fromkeys(
        ("COAST", "EAST", "FAR_WEST", "NORTH", "NORTH_C", "SOUTHERN", "SOUTH_C", "WEST", "TOTAL"), 1.0
    )
    table = pd.DataFrame([{"OperDay": "2024-03-10", "HourEnding": f"0{hour}:00", **zones} for hour in (2, 3, 4)])
    found = facts(table, KINDS["load"])
    assert found["valid_at"].dt.hour.tolist() == [7, 8]
    assert "1, the first of 2024-03-10 hour ending 03:00, which the clock never shows" in caplog.text


def test_thirty_questions_a_minute_are_never_reached() -> None:
    assert 30 * polite_gap_s("api.ercot.com") > 60


@pytest.mark.parametrize(("key", "words"), [
    ("", "write load:... or load_fzn:..."), ("load:MARS", "write load:COAST or EAST"), ("lmp:X", "write load:..."),
])  # fmt: skip
def test_a_key_that_says_nothing_is_refused(server: ErcotServer, key: str, words: str) -> None:
    with pytest.raises(BadRequest, match=r"ercot\.load_coast has the key ercot") as caught:
        fetch(server, keyed(key))
    assert words in str(caught.value)
    assert server.requests == []
