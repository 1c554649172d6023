"""ERCOT's files, dashboards and display, which need no account, over real HTTP to a local server."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from pipeline.configuring.markets import load_markets
from pipeline.errors import BadRequest, NotYetPublished, SchemaChanged, Transient
from pipeline.markets import Series
from pipeline.settings import ROOT, Settings
from pipeline.sources import ercot_dashboard
from pipeline.sources.base import Window
from pipeline.sources.ercot import Ercot
from pipeline.sources.ercot_mis import REPORTS, ErcotMis, _chosen, parse_file
from tests.servers import faults
from tests.servers.ercot import ErcotServer
from tests.servers.ercot_files import zipped
from tests.servers.ercot_store import Store, guess, invented_store
from tests.servers.faults import Answer

SERIES = {one.id.partition(".")[2]: one for one in load_markets(ROOT / "sextant.toml", ("ercot",))["ercot"].series}
COAST, DAM, RTM, FORECAST = (
    SERIES[name] for name in ("load_coast", "dam_lz_north", "rtm_lz_north", "load_forecast_south")
)
TOTAL, DAY_AHEAD = SERIES["load_total"], SERIES["load_day_ahead"]
NOW = datetime(2024, 11, 4, 14, tzinfo=UTC)
AUTUMN = ("2024-11-03T05:00", "2024-11-04T06:00")
HOUR = pd.Timedelta("1h")


@pytest.fixture(scope="module")
def store() -> Store:
    return invented_store("2024-10-20", "2024-11-14")


@pytest.fixture
def server(store: Store) -> Iterator[ErcotServer]:
    with ErcotServer(store, NOW) as running:
        yield running


def fetch(server: ErcotServer, series: Series, start: str, end: str, source: Any = None) -> pd.DataFrame:
    window = Window(*(datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (start, end)))
    settings = Settings.load(server.env | {"SEXTANT_HTTP_TRIES": "1"})
    return (source or ErcotMis()).fetch([series], window, now=server.now, settings=settings)


def shown(server: ErcotServer, series: Series, start: str, end: str) -> pd.DataFrame:
    return fetch(server, series, start, end, ercot_dashboard.SOURCE)


@pytest.mark.parametrize(("series", "frame", "column"), [(COAST, "load", "COAST"), (DAM, "dam", "LZ_NORTH")])
def test_the_autumn_day_comes_whole_from_files(
    server: ErcotServer, store: Store, series: Series, frame: str, column: str
) -> None:
    points = fetch(server, series, *AUTUMN)
    expected = getattr(store, frame).loc[AUTUMN[0] : "2024-11-04 05:59", column]
    assert points.set_index("valid_at")["value"].to_dict() == expected.to_dict()
    assert len(points) == 25


def test_a_file_for_each_quarter_and_none_is_opened_twice(server: ErcotServer, store: Store) -> None:
    source = ErcotMis()
    for name in ("rtm_lz_north", "rtm_hb_west"):
        points = fetch(server, SERIES[name], "2024-11-03T05:30", "2024-11-03T08:30", source)
        expected = store.rtm.loc["2024-11-03 05:30":"2024-11-03 08:29", name[4:].upper()]
        assert points["value"].tolist() == expected.tolist()
    assert len(server.asked("mirDownload")) == 3 * 4
    assert all(request.one("doclookupId").endswith("0") for request in server.asked("mirDownload"))
    server.now += timedelta(minutes=5)
    fetch(server, RTM, "2024-11-03T05:30", "2024-11-03T08:30", source)
    assert len(server.asked("mirDownload")) == 3 * 4
    assert len(server.asked("IceDocListJsonWS")) == 2


@pytest.mark.parametrize(("name", "quarter", "chosen"), [
    ("x.SPPHLZNP6905_20241104_0415_csv.zip", "2024-11-04T10:00", True), ("x.zip", "2024-11-04T10:00", True),
    ("x.SPPHLZNP6905_20241104_0430_csv.zip", "2024-11-04T10:00", False),
    ("x.SPPHLZNP6905_20241103_0115_xhr_csv.zip", "2024-11-03T07:00", True),
    ("x.SPPHLZNP6905_20241103_0115_csv.zip", "2024-11-03T06:00", True),
    ("x.SPPHLZNP6905_20241103_0115_csv.zip", "2024-11-03T08:00", False),
])  # fmt: skip
def test_a_quarter_whose_file_comes_hours_late_is_found_by_its_name(name: str, quarter: str, chosen: bool) -> None:
    start = pd.Timestamp(quarter, tz="UTC")
    listed = pd.DataFrame({"id": ["1"], "published": [start + 11 * HOUR], "name": [name]})
    window = Window(start.to_pydatetime(), (start + HOUR / 4).to_pydatetime())
    assert len(_chosen(listed, REPORTS["rtm"], window, NOW)) == chosen


def test_the_repeated_hour_is_told_by_the_name_where_there_is_no_flag() -> None:
    text = b"DeliveryDate,DeliveryHour,DeliveryInterval,SettlementPointName,SettlementPointType,SettlementPointPrice\n"
    packed = zipped("a.CSV", text + b"11/03/2024,2,1,HB_WEST ,HU,12.5\n")
    told = {"published": pd.Timestamp("2024-11-03T07:16Z"), "names": "x"}
    flags = [parse_file(packed, file=f"cdr{mark}.zip", **told)["dstflag"].tolist() for mark in ("", "_xhr")]
    assert flags == [["N"], ["Y"]]


def test_a_forecast_comes_from_as_few_files_as_say_its_last_words(server: ErcotServer, store: Store) -> None:
    points = fetch(server, FORECAST, "2024-11-04T11:00", "2024-11-05T11:00")
    lead = points["valid_at"] - points["made_at"]
    assert points["valid_at"].nunique() == len(points) == 24
    assert (lead >= 6 * HOUR).all()
    actual = store.load["SOUTH"].reindex(points["valid_at"]).to_numpy()
    assert points["value"].tolist() == guess(actual, (lead / HOUR).to_numpy()).tolist()
    assert len(server.asked("mirDownload")) == points["made_at"].nunique() == 10


def test_wind_and_sun_are_forecast_in_files_too(server: ErcotServer, store: Store) -> None:
    for name in ("wind", "solar"):
        points = fetch(server, SERIES[f"{name}_forecast"], "2024-11-04T16:00", "2024-11-04T20:00")
        lead = (points["valid_at"] - points["made_at"]) / HOUR
        actual = store.plants[name].reindex(points["valid_at"]).to_numpy()
        assert points["value"].tolist() == guess(actual, lead.to_numpy()).tolist()


def test_what_is_no_longer_kept_is_nothing_and_what_is_to_come_is_said(server: ErcotServer) -> None:
    assert fetch(server, DAM, "2024-10-01T00:00", "2024-10-02T00:00").empty
    assert server.asked("mirDownload") == []
    for start, end in (("2024-11-20T00:00", "2024-11-21T00:00"), ("2024-11-05T06:00", "2024-11-05T12:00")):
        with pytest.raises(NotYetPublished, match=r"ercot\.dam_lz_north from ercot_mis: no file has its hours from"):
            fetch(server, DAM, start, end)


def test_any_point_may_be_asked_for(server: ErcotServer, store: Store) -> None:
    source, node = ErcotMis(), replace(DAM, keys={"ercot_mis": "dam:NODE_1"})
    text = b"DeliveryDate,HourEnding,SettlementPoint,SettlementPointPrice,DSTFlag\n"
    lines = b"".join(b"11/04/2024,10:00,%s,%d,N\n" % line for line in ((b"NODE_1", 5), (b"HB_WEST", 6), (b"NODE_2", 7)))
    hours = ("2024-11-04T15:00", "2024-11-04T16:00")
    assert len(fetch(server, DAM, *hours, source)) == 1
    server.faults.extend([faults.answering(zipped("a.csv", text + lines))] * 9)
    assert fetch(server, node, *hours, source)["value"].tolist() == [5.0]


def test_a_later_file_corrects_an_earlier_one(server: ErcotServer) -> None:
    text = b"DeliveryDate,HourEnding,SettlementPoint,SettlementPointPrice,DSTFlag\n11/03/2024,15:00,LZ_NORTH,99,N\n"
    server.faults.extend([unchanged, unchanged, in_zip("a.csv", text)])
    assert fetch(server, DAM, "2024-11-03T20:00", "2024-11-03T21:00")["value"].tolist() == [99.0]
    assert len(server.asked("mirDownload")) == 2


def in_zip(name: str, text: bytes) -> faults.Fault:
    return faults.answering(zipped(name, text))


def unchanged(answer: Answer) -> Answer:
    return answer


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (faults.truncated, Transient, "broke off"),
        (faults.broken_json, Transient, "is damaged"),
        (faults.web_page, Transient, "a web page came"),
        (in_zip("a.xml", b"<x/>"), SchemaChanged, "with 0 .csv files in one zip"),
        (in_zip("a.csv", b""), SchemaChanged, "that is no table of texts"),
        (in_zip("a.csv", b"DeliveryDate,Price\n11/03/2024,5\n"), SchemaChanged, "no column hourending or deliveryhour"),
    ],
)  # fmt: skip
def test_a_file_gone_wrong_is_named(
    server: ErcotServer, fault: faults.Fault, kind: type[Exception], words: str
) -> None:
    server.faults.extend([unchanged, fault, fault, fault])
    with pytest.raises(kind, match=r"ercot\.dam_lz_north from ercot_mis: ") as caught:
        fetch(server, DAM, *AUTUMN)
    assert words in str(caught.value)


def rows_of(day: Any) -> list[dict[str, Any]]:
    return day["data"] if isinstance(day, dict) else []


LISTED = b'{"ListDocsByRptTypeRes":{"DocumentList":%s}}'


@pytest.mark.parametrize(
    ("document", "kind", "words"),
    [
        (b"{}", SchemaChanged, "no ListDocsByRptTypeRes with a DocumentList"),
        (LISTED % b'[{"Document":{"DocID":"1"}}]', SchemaChanged, "a document without DocID"),
        (LISTED % b'[{"Document":{"DocID":"1","FriendlyName":"a_csv","ConstructedName":"a","PublishDate":"?"}}]',
         SchemaChanged, "a PublishDate that is no time"),
        (LISTED % b"[]", NotYetPublished, "no file has its hours"),
        (b'{"ListDocsByRptTypeRes":{}}', NotYetPublished, "no file has its hours"),
        (LISTED % b'{"Document":{"DocID":"1","FriendlyName":"a_xml","ConstructedName":"a","PublishDate":"2024-11-03"}}',
         NotYetPublished, "no file has its hours"),
    ],
)  # fmt: skip
def test_a_list_gone_wrong_is_named(server: ErcotServer, document: bytes, kind: type[Exception], words: str) -> None:
    server.faults.append(faults.answering(document))
    with pytest.raises(kind, match=words):
        fetch(server, DAM, *AUTUMN)


@pytest.mark.parametrize("source", [Ercot, ErcotMis])
def test_the_display_fills_the_hours_since_the_daily_report(server: ErcotServer, store: Store, source: Any) -> None:
    points = fetch(server, COAST, "2024-11-03T00:00", "2024-11-04T14:00", source())
    expected = store.load.loc["2024-11-03":"2024-11-04 12:59", "COAST"]
    assert points.set_index("valid_at")["value"].sort_index().to_dict() == expected.to_dict()
    assert [one.path[18:26] for one in server.asked("actual_loads")] == ["20241104"]


def test_before_the_report_the_display_of_the_autumn_day_has_all_25_hours(server: ErcotServer, store: Store) -> None:
    server.now = datetime(2024, 11, 4, 11, 30, tzinfo=UTC)
    points = fetch(server, COAST, *AUTUMN)
    assert points["value"].tolist() == store.load.loc[AUTUMN[0] : "2024-11-04 05:59", "COAST"].tolist()
    assert {one.path[18:26] for one in server.asked("actual_loads")} == {"20241103"}


def test_a_display_that_fails_leaves_the_report(server: ErcotServer, caplog: pytest.LogCaptureFixture) -> None:
    window = ("2024-11-03T05:00", "2024-11-04T14:00")
    server.faults.extend([unchanged, unchanged, unchanged, faults.unavailable])
    assert len(fetch(server, COAST, *window)) == 25
    assert "The hours since the last report are missing." in caplog.text
    server.faults.extend([unchanged, faults.unavailable])
    with pytest.raises(Transient, match=r"ercot\.load_coast from ercot_mis: HTTP 503"):
        fetch(server, COAST, "2024-11-04T12:00", "2024-11-04T14:00")


@pytest.mark.parametrize(
    ("page", "kind", "words"),
    [
        ("<html><table></table></html>", SchemaChanged, "no table with a column Hour Ending"),
        ("<html><table><tr><td>Oper Day</td><td>Hour Ending</td></tr><tr><td>x</td></tr></table></html>",
         SchemaChanged, "rows that do not fit the header"),
        ("<html><table><tr><td>Oper Day</td><td>Hour Ending</td></tr><tr><td>11/04/2024</td><td>0100</td></tr></html>",
         SchemaChanged, "no column coast"),
        ("<html><table><tr><td>Oper Day", Transient, "is not complete"),
    ],
)  # fmt: skip
def test_a_display_gone_wrong_is_named(server: ErcotServer, page: str, kind: type[Exception], words: str) -> None:
    server.faults.extend([unchanged, faults.answering(page.encode())])
    with pytest.raises(kind, match=words):
        fetch(server, COAST, "2024-11-04T12:00", "2024-11-04T14:00")


def test_just_after_midnight_the_display_is_empty(server: ErcotServer) -> None:
    server.now = datetime(2024, 11, 4, 7, 5, tzinfo=UTC)
    with pytest.raises(NotYetPublished):
        fetch(server, COAST, "2024-11-04T06:00", "2024-11-04T07:05")
    assert len(server.asked("actual_loads")) == 1


def test_the_dashboard_holds_hours_by_their_end(server: ErcotServer, store: Store) -> None:
    loads = shown(server, TOTAL, "2024-11-03T05:00", "2024-11-05T00:00")
    assert loads["value"].tolist() == store.load.loc["2024-11-03 05:00":"2024-11-04 12:59", "ERCOT"].tolist()
    ahead = shown(server, DAY_AHEAD, *AUTUMN)
    assert ahead["valid_at"].nunique() == 25
    assert ahead["value"].tolist() == (store.load.loc[AUTUMN[0] : "2024-11-04 05:59", "ERCOT"] * 1.02).round(4).tolist()
    demand = replace(TOTAL, keys={"ercot_dashboard": "dashboard:demand"})
    readings = replace(demand, cadence=timedelta(minutes=5))
    assert len(shown(server, readings, "2024-11-04T06:00", "2024-11-04T14:00")) == 96
    for one, words in ((demand, "write cadence_min = 5"), (replace(readings, kind="forecast"), 'kind = "measured"')):
        with pytest.raises(BadRequest, match=words):
            shown(server, one, "2024-11-04T06:00", "2024-11-04T14:00")


def test_the_dashboard_shows_three_days_only(server: ErcotServer) -> None:
    with pytest.raises(NotYetPublished, match="it shows yesterday, today and tomorrow only"):
        shown(server, TOTAL, "2024-11-01T00:00", "2024-11-02T00:00")
    server.faults.append(faults.edited(lambda doc: doc.pop("nextDay")))
    assert len(shown(server, TOTAL, *AUTUMN)) == 25
    with pytest.raises(BadRequest, match="write dashboard:load or dashboard:day_ahead or dashboard:demand"):
        shown(server, COAST, *AUTUMN)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (faults.answering(b"[]"), "rows of another shape"),
        (faults.edited(lambda doc: doc.pop("currentDay")), "no currentDay"),
        (faults.edited(lambda doc: [row.pop("systemLoad", 0) for day in doc.values() for row in rows_of(day)]),
         "no systemLoad"),
        (faults.edited(lambda doc: doc["previousDay"]["data"][0].update(timestamp="2024-11-03 01:00:00")),
         "a `datetime` without an offset"),
        (faults.edited(lambda doc: doc["previousDay"]["data"][0].update(timestamp="0001-01-01T00:00:00-06:00")),
         "rows of another shape"),
        (faults.edited(lambda doc: doc["previousDay"]["data"][0].update(systemLoad="many")), "not a number ('many')"),
    ],
)  # fmt: skip
def test_a_dashboard_gone_wrong_is_named(server: ErcotServer, fault: faults.Fault, words: str) -> None:
    server.faults.append(fault)
    with pytest.raises(SchemaChanged, match=r"ercot\.load_total from ercot_dashboard: ") as caught:
        shown(server, TOTAL, *AUTUMN)
    assert words in str(caught.value)
