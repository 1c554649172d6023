"""ESIOS over real HTTP: formats, clock changes, faults; a local server stands in for the provider."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from pipeline.configuring.markets import load_markets
from pipeline.errors import AuthRefused, BadRequest, NotYetPublished, SchemaChanged, Throttled, Transient
from pipeline.markets import Series
from pipeline.settings import ROOT, Settings
from pipeline.sources.base import Window
from pipeline.sources.esios import SOURCE, parse
from tests.servers import faults
from tests.servers.grid import GridServer
from tests.servers.store import invented_store, spain_store

DATA = ROOT.parent / "shared" / "data" / "spain_5min.parquet"
SERIES = {one.id: one for one in load_markets(ROOT / "sextant.toml", ("es",))["es"].series}
LOAD, PRICE = SERIES["es.load"], SERIES["es.price"]
AUTUMN, SPRING = (pd.Timestamp(day, tz="Europe/Madrid") for day in ("2024-10-27", "2024-03-31"))
NOW = datetime(2024, 10, 28, 10, tzinfo=UTC)


@pytest.fixture(scope="module")
def store() -> pd.DataFrame:
    return invented_store("2024-10-20", "2024-10-31")


@pytest.fixture
def server(store: pd.DataFrame) -> Iterator[GridServer]:
    with GridServer(store, NOW) as running:
        yield running


def settings(server: GridServer, **env: str) -> Settings:
    known = {"SEXTANT_ESIOS_URL": server.url, "ESIOS_API_KEY": server.token, "SEXTANT_HTTP_TRIES": "1"}
    return Settings.load(known | env)


def fetch(
    server: GridServer, series: Series = LOAD, start: str = "2024-10-25", end: str = "2024-10-26", **env: str
) -> pd.DataFrame:
    window = Window(*(datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (start, end)))
    return SOURCE.fetch([series], window, now=server.now, settings=settings(server, **env))


def local_day(day: pd.Timestamp) -> Window:
    end = day + pd.DateOffset(days=1)
    return Window(day.tz_convert("UTC").to_pydatetime(), end.tz_convert("UTC").to_pydatetime())


def test_a_window_comes_back_whole_and_half_open(server: GridServer, store: pd.DataFrame) -> None:
    points = fetch(server, start="2024-10-25T00:00", end="2024-10-25T02:00")
    expected = store.loc["2024-10-25 00:00":"2024-10-25 01:55", "load"]
    assert points["valid_at"].tolist() == expected.index.tolist()
    assert points["value"].tolist() == expected.tolist()
    assert points["made_at"].isna().all()


def test_the_request_is_as_documented_and_never_truncates_time(server: GridServer) -> None:
    fetch(server)
    (request,) = server.requests
    assert request.path == "/indicators/1293"
    assert request.one("start_date") == "2024-10-25T00:00:00+00:00"
    assert request.one("end_date") == "2024-10-25T23:59:59+00:00"
    assert request.one("geo_ids[]") == "8741"
    assert "time_trunc" not in request.query
    assert request.headers["x-api-key"] == server.token
    assert request.headers["accept"] == "application/json; application/vnd.esios-api-v2+json"
    assert "host" in request.headers
    assert request.headers["host"].startswith("127.0.0.1:")


@pytest.mark.parametrize(("day", "slots"), [(AUTUMN, 300), (SPRING, 276)])
def test_clock_change_days_have_every_slot_once(day: pd.Timestamp, slots: int) -> None:
    around = invented_store(str((day - pd.DateOffset(days=1)).date()), str((day + pd.DateOffset(days=2)).date()))
    with GridServer(around, NOW) as server:
        window = local_day(day)
        points = SOURCE.fetch([LOAD], window, now=NOW, settings=settings(server))
    assert points["valid_at"].nunique() == len(points) == slots
    expected = around.loc[window.start : window.end, "load"].iloc[:-1]
    assert points["value"].tolist() == expected.tolist()


def test_the_wrong_datetime_utc_of_the_repeated_hour_is_really_served_and_not_read(server: GridServer) -> None:
    body = (
        '{"indicator":{"id":1293,"values":['
        '{"value":1,"datetime":"2024-10-27T02:00:00.000+02:00","datetime_utc":"2024-10-27T00:00:00Z","geo_id":8741},'
        '{"value":2,"datetime":"2024-10-27T02:00:00.000+01:00","datetime_utc":"2024-10-27T00:00:00Z","geo_id":8741}]}}'
    )
    points = parse(body.encode(), series=LOAD, indicator="1293", geo=8741)
    assert points["valid_at"].dt.hour.tolist() == [0, 1]
    seen: list[str] = []
    server.faults.append(
        faults.edited(lambda doc: seen.extend(row["datetime_utc"] for row in doc["indicator"]["values"]))
    )
    fetch(server, start="2024-10-27T00:00", end="2024-10-27T02:00")
    assert seen.count("2024-10-27T00:30:00Z") == 2
    assert "2024-10-27T01:30:00Z" not in seen


def test_prices_are_spanish_only_even_when_all_countries_answer(server: GridServer, store: pd.DataFrame) -> None:
    points = fetch(server, PRICE)
    assert server.requests[0].one("geo_ids[]") == "3"
    assert points["value"].tolist() == store.loc["2024-10-25", "price"].iloc[::12].tolist()
    rows = [{"value": geo, "datetime": "2024-10-25T00:00+02:00", "geo_id": geo} for geo in (1, 2, 3)]
    body = str({"indicator": {"id": 600, "values": rows}}).replace("'", '"').encode()
    assert parse(body, series=PRICE, indicator="600", geo=3)["value"].tolist() == [3.0]


def test_quarter_hour_prices_become_means_of_complete_hours() -> None:
    stamps = pd.date_range("2025-12-01", periods=8, freq="15min", tz="Europe/Madrid")
    rows = [{"value": k, "datetime": stamp.isoformat(), "geo_id": 3} for k, stamp in enumerate(stamps[:7])]
    before = {"value": 50, "datetime": "2025-11-30T23:00:00+01:00", "geo_id": 3}
    body = str({"indicator": {"id": 600, "values": [before, *rows, rows[1]]}}).replace("'", '"').encode()
    points = parse(body, series=PRICE, indicator="600", geo=3)
    assert points["value"].tolist() == [50.0, 1.5]
    assert points["valid_at"].tolist() == [pd.Timestamp("2025-11-30 22:00Z"), pd.Timestamp("2025-11-30 23:00Z")]


def test_quarter_hour_prices_over_http_equal_hourly_ones(store: pd.DataFrame) -> None:
    with GridServer(store, NOW) as hourly, GridServer(store, NOW, price_step=15) as quarterly:
        pd.testing.assert_frame_equal(fetch(quarterly, PRICE), fetch(hourly, PRICE))


def test_an_off_grid_row_does_not_disturb_its_day() -> None:
    rows = [{"value": 1, "datetime": f"2024-10-25T00:0{minute}:00+02:00", "geo_id": 8741} for minute in (0, 5, 7)]
    body = str({"indicator": {"id": 1293, "values": rows}}).replace("'", '"').encode()
    assert len(parse(body, series=LOAD, indicator="1293", geo=8741)) == 3


def test_nulls_become_nan_and_repeated_rows_are_kept_for_the_caller(server: GridServer) -> None:
    server.faults.extend([faults.nulls, faults.duplicates])
    assert fetch(server)["value"].isna().sum() == 29
    assert len(fetch(server)) == 290


def test_an_answer_without_rows_is_empty_when_due_and_not_yet_published_otherwise(server: GridServer) -> None:
    server.outage(since=datetime(2024, 10, 25, tzinfo=UTC))
    late = fetch(server, start="2024-10-26", end="2024-10-27")
    assert late.empty
    assert str(late["valid_at"].dtype) == "datetime64[us, UTC]"
    server.outage(since=None)
    with pytest.raises(NotYetPublished, match=r"es\.load from esios: nothing yet from 2024-10-29 00:00 UTC"):
        fetch(server, start="2024-10-29", end="2024-10-30")


def test_tomorrows_price_appears_at_a_quarter_past_one_local(server: GridServer) -> None:
    tomorrow = {"start": "2024-10-28T23:00", "end": "2024-10-29T23:00"}
    server.now = datetime(2024, 10, 28, 12, 14, tzinfo=UTC)
    with pytest.raises(NotYetPublished):
        fetch(server, PRICE, **tomorrow)
    server.now += timedelta(minutes=1)
    assert len(fetch(server, PRICE, **tomorrow)) == 24


def test_a_revision_is_seen_from_its_moment_on(server: GridServer, store: pd.DataFrame) -> None:
    slot = datetime(2024, 10, 25, 6, tzinfo=UTC)
    server.revise("load", slot, 12345.0, visible_from=NOW + timedelta(hours=1))
    before = fetch(server).set_index("valid_at")["value"]
    server.now = NOW + timedelta(hours=1)
    after = fetch(server).set_index("valid_at")["value"]
    assert before[slot] == store.loc[slot, "load"]
    assert after[slot] == 12345.0
    assert (before != after).sum() == 1


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (faults.unauthorized, AuthRefused, "set ESIOS_API_KEY to a token"),
        (faults.forbidden, AuthRefused, "set ESIOS_API_KEY to a token"),
        (faults.firewall, AuthRefused, "a firewall blocks this address"),
        (faults.unavailable, Transient, "HTTP 503"),
        (faults.truncated, Transient, "broke off"),
        (faults.web_page, Transient, "a web page came"),
        (faults.new_schema, SchemaChanged, "a row without `datetime` and `value`"),
        (faults.answering(b"[]"), SchemaChanged, "no object `indicator`"),
        (faults.answering(b'{"indicator":{"id":1,"values":[]}}'), SchemaChanged, "indicator 1 instead of 1293"),
        (faults.answering(b'{"indicator":{"id":1293,"values":[{"value":1}]}}'), SchemaChanged, "without `geo_id`"),
        (
            faults.edited(lambda doc: [row.update(geo_id=8742) for row in doc["indicator"]["values"]]),
            SchemaChanged, "no rows of geography 8741, only of 8742",
        ),
        (
            faults.edited(lambda doc: doc["indicator"]["values"][5].update(datetime="2024-10-25T00:00:00")),
            SchemaChanged, "a `datetime` without an offset ('2024-10-25T00:00:00')",
        ),
        (
            faults.edited(lambda doc: doc["indicator"]["values"][5].update(datetime="2024-13-25T00:00:00Z")),
            SchemaChanged, "the format has changed",
        ),
        (
            faults.edited(lambda doc: doc["indicator"]["values"][5].update(value="24.858")),
            SchemaChanged, "a `value` that is not a number ('24.858')",
        ),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_named_with_series_source_and_remedy(
    server: GridServer, fault: faults.Fault, kind: type[Exception], words: str
) -> None:
    server.faults.append(fault)
    with pytest.raises(kind) as caught:
        fetch(server)
    assert str(caught.value).startswith("es.load from esios: ")
    assert words in str(caught.value)
    assert server.token not in str(caught.value)


def test_a_wide_window_gets_504_with_the_advice_to_narrow_it(server: GridServer) -> None:
    server.widest = timedelta(hours=12)
    with pytest.raises(Transient, match=r"HTTP 504.*ask for a narrower window"):
        fetch(server)


def test_a_wrong_token_is_refused_and_never_shown(server: GridServer) -> None:
    with pytest.raises(AuthRefused) as caught:
        fetch(server, ESIOS_API_KEY="another-token")
    assert "another-token" not in str(caught.value)


def test_a_token_that_the_provider_echoes_is_not_shown(server: GridServer) -> None:
    server.faults.append(faults.answering(f'{{"message":"bad token {server.token}"}}'.encode(), 400))
    with pytest.raises(BadRequest, match=r"bad token \*\*\*"):
        fetch(server)


def test_rows_outside_the_window_are_dropped(server: GridServer) -> None:
    def widen(document: dict[str, Any]) -> None:
        rows = document["indicator"]["values"]
        rows += [rows[0] | {"datetime": text} for text in ("2024-10-25T01:55+02:00", "2024-10-26T02:00+02:00")]

    server.faults.append(faults.edited(widen))
    assert len(fetch(server)) == 288


def test_readiness_needs_a_token_that_can_be_sent() -> None:
    assert SOURCE.ready(Settings.load({"ESIOS_API_KEY": "abc"})) is None
    assert "set ESIOS_API_KEY" in str(SOURCE.ready(Settings.load({})))
    broken = SOURCE.ready(Settings.load({"ESIOS_API_KEY": "secret\n"}))
    assert "blanks or characters no token has" in str(broken)
    assert "secret" not in str(broken)


def test_a_series_without_an_indicator_is_refused(server: GridServer) -> None:
    with pytest.raises(BadRequest, match=r"es\.load has no ESIOS indicator; add keys\.esios"):
        fetch(server, replace(LOAD, keys={}))
    assert server.requests == []


def test_under_chaos_an_answer_is_right_or_a_passing_error(server: GridServer, store: pd.DataFrame) -> None:
    server.chaos(seed=1, share=0.5)
    whole = failed = 0
    for _ in range(16):
        try:
            points = fetch(server)
        except (Transient, Throttled):
            failed += 1
            continue
        assert points["value"].tolist() == store.loc["2024-10-25", "load"].tolist()
        whole += 1
    assert whole > 3
    assert failed > 3


@pytest.mark.skipif(not DATA.exists(), reason=f"REAL DATA ABSENT: {DATA.name} is needed beside the repository")
def test_two_real_years_replay_in_thirty_day_windows() -> None:
    store = spain_store(DATA, "2022-01-01", "2024-01-01")
    end = store.index[-1].to_pydatetime() + timedelta(minutes=5)
    values: list[float] = []
    with GridServer(store, end + timedelta(days=1)) as server:
        start = store.index[0].to_pydatetime()
        while start < end:
            window = Window(start, min(start + SOURCE.max_window, end))
            points = SOURCE.fetch([LOAD], window, now=server.now, settings=settings(server))
            values += points["value"].tolist()
            start = window.end
        assert len(server.requests) == 25
    assert values == store["load"].tolist()
