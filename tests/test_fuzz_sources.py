"""Whatever a provider sends, a source returns points or one of its own errors: never a bug of ours. Seeded."""

import json
import random
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.configuring.markets import load_markets
from pipeline.discovery import discover
from pipeline.errors import DataRefused, SourceError
from pipeline.markets import Place, Series
from pipeline.settings import ROOT, Settings
from pipeline.sources.answers import BrokenBody, changed, decode_json, points, provider_message, retry_after_s
from pipeline.sources.base import POINT_COLUMNS, Window
from pipeline.sources.ercot_clock import stamps
from pipeline.sources.files import read_file
from pipeline.sources.http import Client
from pipeline.sources.meteo import wait_s
from pipeline.sources.questions import Answer, Question
from tests.mangling import (
    CELLS,
    bytes_mangled,
    json_mangled,
    table_mangled,
    zip_mangled,
    zipped,
    zips_of_other_kinds,
)

SOURCES = discover("pipeline.sources", "SOURCE")
NOW = datetime(2024, 11, 4, 10, tzinfo=UTC)
WINDOW = Window(datetime(2024, 11, 3, 5, tzinfo=UTC), datetime(2024, 11, 4, 9, tzinfo=UTC))
ANY = load_markets(ROOT / "sextant.toml", ("es",))["es"].series[0]
SETTINGS = Settings.load({
    "SEXTANT_HTTP_TRIES": "1", "ESIOS_API_KEY": "key-1", "ERCOT_USERNAME": "user-1", "ERCOT_PASSWORD": "word-1",
    "ERCOT_SUBSCRIPTION_KEY": "key-2",
})  # fmt: skip
RANDOM, MOST, FEW = 100, 40, 12

OASIS = b"""INTERVALSTARTTIME_GMT,INTERVALENDTIME_GMT,OPR_DT,MARKET_RUN_ID,TAC_AREA_NAME,XML_DATA_ITEM,MW
2024-11-03T07:00:00-00:00,2024-11-03T08:00:00-00:00,2024-11-03,DAM,PGE-TAC,SYS_FCST_DA_MW,33913
2024-11-03T08:00:00-00:00,2024-11-03T09:00:00-00:00,2024-11-03,DAM,PGE-TAC,SYS_FCST_DA_MW,
"""
OASIS_ERROR = b"<m:R><m:ERR_CODE>1000</m:ERR_CODE><m:ERR_DESC>No data</m:ERR_DESC></m:R>"
OUTLOOK = "\n".join([
    "Time,Day ahead forecast,Hour ahead forecast,Current demand",
    *(f"{n // 12:02d}:{n % 12 * 5:02d},32655,31647,31446" for n in range(288)),
]).encode()  # fmt: skip
ESIOS = {"indicator": {"id": 1, "values": [
    {"value": 2.5, "datetime": f"2024-11-03T12:{minute}:00.000+01:00", "geo_id": 8741} for minute in (
        "00", "15", "30", "45"
    )
]}}  # fmt: skip
REDATA = {"included": [
    {"id": "x", "attributes": {"values": [{"value": 2.5, "datetime": "2024-11-03T12:00:00.000+01:00"}]}}
]}  # fmt: skip
LAST_DAY = "temperature_2m_previous_day1"
WEATHER = [{
    "utc_offset_seconds": 0, "location_id": 0, "hourly_units": {"temperature_2m": "°C", LAST_DAY: "°C"},
    "hourly": {"time": ["2024-11-03T12:00", "2024-11-03T13:00"], "temperature_2m": [7.1, None], LAST_DAY: [7, 8.5]},
}]  # fmt: skip
ZONES = ["COAST", "EAST", "FAR_WEST", "NORTH", "NORTH_C", "SOUTHERN", "SOUTH_C", "WEST", "TOTAL"]
LOADS = f"OperDay,HourEnding,{','.join(ZONES)},DSTFlag\n11/03/2024,01:00{',10.5' * 9},N\n11/03/2024,24:00{',9' * 9},N\n"
PRICES = (
    "DeliveryDate,DeliveryHour,DeliveryInterval,SettlementPointName,SettlementPointType,SettlementPointPrice,DSTFlag\n"
    "11/03/2024,1,1,HB_HOUSTON,HU,10.1,N\n11/03/2024,1,2,HB_HOUSTON,HU,10.2,N\n"
)
DISPLAY = (
    f"<html><table><tr><th>Oper Day</th><th>Hour Ending</th>{''.join(f'<th>{zone}</th>' for zone in ZONES)}</tr>"
    f"<tr><td>11/03/2024</td><td>0900</td>{'<td>100.5</td>' * 9}</tr></table></html>"
).encode()
LIST = {"ListDocsByRptTypeRes": {"DocumentList": [{"Document": {
    "DocID": "1", "PublishDate": "2024-11-04T02:30:00-06:00", "FriendlyName": "x_csv", "ConstructedName": "x.zip",
}}]}}  # fmt: skip
PAGE = {
    "_meta": {"totalRecords": 2, "totalPages": 1},
    "fields": [{"name": name} for name in (
        "deliveryDate", "hourEnding", "settlementPoint", "settlementPointPrice", "DSTFlag"
    )],
    "data": [["2024-11-03", "01:00", "HB_HOUSTON", 17.23, False], ["2024-11-03", "24:00", "HB_HOUSTON", 17, True]],
}  # fmt: skip
FORECASTS = {
    "_meta": {"totalRecords": 1, "totalPages": 1},
    "fields": [{"name": name} for name in (
        "postedDatetime", "deliveryDate", "hourEnding", "inUseFlag", "coast", "east", "farWest", "north",
        "northCentral", "southern", "southCentral", "west", "systemTotal",
    )],
    "data": [["2024-11-02T10:00:00", "2024-11-03", "05:00", True, *range(9)]],
}  # fmt: skip
TOKEN = {"id_token": "a.b.c", "expires_in": "3600"}
SHOWN = {
    "previousDay": {"data": [{"timestamp": "2024-11-03 01:00:00-0500", "systemLoad": 42.5}]},
    "currentDay": {"data": []}, "nextDay": {"data": []},
}  # fmt: skip


def series(source: str, key: str, kind: str = "measured", minutes: int = 60) -> Series:
    places = (Place("a", 40.0, -3.0, 1.0),)
    unit = "degC" if source == "weather" else ANY.unit
    return replace(
        ANY, id="m.s", keys={source: key}, kind=kind, cadence=timedelta(minutes=minutes), places=places, unit=unit
    )


def texts(document: object) -> bytes:
    return json.dumps(document).encode()


@dataclass(frozen=True)
class Case:
    """A series, the good answers by a part of their address, and the one among them that is mangled."""

    one: Series
    good: Mapping[str, bytes]
    part: str = ""
    packed: str = ""
    most: int = MOST

    def mangled(self) -> Iterator[bytes]:
        good = self.good[self.part]
        json_like = good[:1] in (b"{", b"[")
        found = [*bytes_mangled(good, 6, RANDOM), *(json_mangled(good) if json_like else table_mangled(good))]
        if self.packed:
            found = [zipped(one, self.packed) for one in found] + [*zip_mangled(good, self.packed, 7, RANDOM)]
            yield from zips_of_other_kinds(good, self.packed)
        yield from random.Random(8).sample(found, min(len(found), self.most))


FILES = {"IceDoc": texts(LIST), "mirDownload": LOADS.encode(), "cdr/html": DISPLAY}
NO_FILES = FILES | {"IceDoc": texts({"ListDocsByRptTypeRes": {}})}
CASES = {
    "caiso": Case(series("caiso", "DAM:PGE-TAC", "forecast"), {"": OASIS}, packed="a.csv"),
    "caiso error": Case(series("caiso", "DAM:PGE-TAC", "forecast"), {"": OASIS_ERROR}, packed="a.xml"),
    "outlook": Case(series("caiso_outlook", "day_ahead", "forecast", 5), {"": OUTLOOK}),
    "esios": Case(series("esios", "1"), {"": texts(ESIOS)}),
    "redata": Case(series("redata", "x"), {"": texts(REDATA)}),
    "weather": Case(series("weather", "temperature_2m", "forecast"), {"": texts(WEATHER)}),
    "ercot token": Case(series("ercot", "dam:HB_HOUSTON", "price"), {"": texts(PAGE), "token": texts(TOKEN)}, "token"),
    "ercot page": Case(series("ercot", "dam:HB_HOUSTON", "price"), {"": texts(PAGE), "token": texts(TOKEN)}),
    "ercot forecast": Case(
        series("ercot", "load_forecast:COAST", "forecast"), {"": texts(FORECASTS), "token": texts(TOKEN)}
    ),
    "ercot list": Case(series("ercot_mis", "load:COAST"), FILES, "IceDoc"),
    "ercot loads": Case(series("ercot_mis", "load:COAST"), FILES, "mirDownload", "a.csv", FEW),
    "ercot prices": Case(
        series("ercot_mis", "rtm:HB_HOUSTON", minutes=15), FILES | {"mirDownload": PRICES.encode()}, "mirDownload",
        "a.csv", FEW,
    ),
    "ercot display": Case(series("ercot_mis", "load:COAST"), NO_FILES, "cdr/html", most=FEW),
    "ercot dashboard": Case(series("ercot_dashboard", "dashboard:load"), {"": texts(SHOWN)}),
}  # fmt: skip


def answering(case: Case, body: bytes | None = None) -> Callable[..., Answer]:
    """The client's way to a provider, ending here: with good answers, or `body` in place of the mangled one."""

    def download(_client: Client, question: Question, _deadline: float) -> Answer:
        part = max((part for part in case.good if part in question.url), key=len)
        good = case.good[part]
        if part == "mirDownload" or (part == case.part and case.packed):
            good = zipped(good, case.packed or "a.csv")
        return Answer(200, {}, good if body is None or part != case.part else body)

    return download


def refusal(ask: Callable[[], pd.DataFrame]) -> str:
    """What was said; nothing where points came. Anything but our own errors ends the test."""
    try:
        found = ask()
    except (SourceError, DataRefused) as error:
        return str(error)
    assert tuple(found.columns) == POINT_COLUMNS
    assert found["value"].dtype == "float64"
    return ""


def fetched(case: Case) -> pd.DataFrame:
    source: Any = SOURCES[next(iter(case.one.keys))]
    return type(source)().fetch([case.one], WINDOW, now=NOW, settings=SETTINGS)


@pytest.mark.parametrize("name", CASES)
def test_a_mangled_answer_is_read_or_refused_in_one_sentence(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES[name]
    monkeypatch.setattr(Client, "_download", answering(case))
    assert fetched(case).empty == (name == "caiso error")
    said = set()
    for body in case.mangled():
        monkeypatch.setattr(Client, "_download", answering(case, body))
        said.add(refusal(partial(fetched, case)))
    assert len(said) > 2
    assert all(words.startswith("m.s from ") and "\n" not in words and words.encode() for words in said - {""})


BAD = (None, "", "x", "9999-12-31", "0001-01-01", "2024-11-03 01:30:00", "2024-03-10 02:30:00", 5, -1, 1e300,
       "2024-11-03T00:00:00+00:00", float("inf"), b"\xff", "24:00", "25", "0", "1.5", "9" * 400)  # fmt: skip
TABLES = {
    "load_zone:COAST": (
        "hist_ActualSystemLoadbyWeatherZone(OperDay,HourEnding,COAST,DSTFlag)", ("2024-11-03", "02:00", 5.0, "N")
    ),
    "dam:HB": (
        "hist_DAMSettlementPointPrices(DeliveryDate,HourEnding,SettlementPoint,SettlementPointPrice)",
        ("2024-11-03", "02:00", "HB", 5.0),
    ),
    "rt_lmp:HB": ("hist_RealTimeLMP(SCEDTimestamp,SettlementPoint,LMP)", ("2024-11-03 05:00:10", "HB", 5.0)),
}  # fmt: skip


@pytest.mark.parametrize("key", TABLES)
def test_an_odd_row_of_a_table_is_read_or_refused_in_one_sentence(key: str, tmp_path: Path) -> None:
    table, good = TABLES[key]
    one = series("sqlserver", key, "measured", 5 if key.startswith("rt") else 60)
    settings = Settings.load({"SEXTANT_SQL_DRIVER": "sqlite3", "SQL_DATABASE": str(tmp_path / "a.db")})
    opened = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    for words in ("PRAGMA synchronous = OFF", "PRAGMA journal_mode = MEMORY", f"CREATE TABLE {table}"):
        opened.execute(words)
    said = set()
    for at in range(len(good)):
        for bad in random.Random(at).sample(BAD, FEW // 2):
            opened.execute(f"DELETE FROM {table.partition('(')[0]}")
            for row in (good, (*good[:at], bad, *good[at + 1 :])):
                opened.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(good))})", row)
            ask = partial(SOURCES["sqlserver"].fetch, [one], WINDOW, now=NOW, settings=settings)
            said.add(refusal(ask))
    opened.close()
    assert len(said) > 2
    assert all(words.startswith("m.s from sqlserver: ") for words in said - {""})


def test_an_odd_file_is_read_or_refused_in_one_sentence(tmp_path: Path) -> None:
    good = b"valid_at,value,made_at\n2024-11-03T12:00Z,5,\n2024-11-03T13:00Z,6,2024-11-03T14:00Z\n"
    path, said = tmp_path / "a.csv", set()
    for body in random.Random(9).sample([*bytes_mangled(good, 10, RANDOM), *table_mangled(good)], FEW):
        path.write_bytes(body)
        said.add(refusal(lambda: read_file(path, ANY)[0]))
    assert len(said) > 2
    assert all(words.startswith("a.csv") for words in said - {""})


def test_words_and_headers_of_any_kind_are_understood_or_left_alone() -> None:
    bodies = [*json_mangled(b'{"errors": [{"detail": "Daily API request limit exceeded"}]}'), b'{"errors": ' * 900]
    for body in [*bodies, b'{"errors": ' * 900 + b"1" + b"}" * 900, *bytes_mangled(b"Too many", 11, RANDOM)]:
        assert "\n" not in provider_message(body).encode().decode()
        assert (wait_s(body, now=NOW) or 0.0) <= 86_400.0
    for text in (*CELLS, "Mon, 1 Jan 99999999999999999999 00:00:00 GMT", "Fri, 31 Dec 9999 23:00:00 GMT"):
        found = retry_after_s({"Retry-After": text, "Date": "Sun, 03 Nov 2024 10:00:00 GMT"})
        assert found is None or 0.0 <= found <= 86_400.0


@pytest.mark.parametrize("body", [b"[" * 100_000, b'["\\ud800"]', b'["\xed\xa0\x80"]', b'["\xff"]', b"", b"1" * 5000])
def test_json_that_nobody_could_use_is_broken(body: bytes) -> None:
    with pytest.raises(BrokenBody, match="is not complete JSON"):
        decode_json(body)


@pytest.mark.parametrize("text", ["\N{SNOWMAN}", "\N{GRINNING FACE}", "\\u2603"])
def test_json_of_any_letters_is_read_escaped_or_not(text: str) -> None:
    for escaped in (True, False):
        for code in ("utf-8", "utf-8-sig", "utf-16"):
            assert decode_json(json.dumps([text], ensure_ascii=escaped).encode(code)) == [text]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"datetime": "0001-01-01T00:00:00-06:00", "value": 1}, "a time in the year 1$"),
        ({"datetime": "2024-11-03T12:00Z", "value": 10**400}, "a `value` beyond any number"),
    ],
)
def test_points_are_of_times_and_numbers_that_can_be_reckoned_with(row: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        points("m.s", [row])


@pytest.mark.parametrize("stamp", ["2024-11-03T01:00:00-05:00", 5, "0001-01-01T00:00:00", "x"])
def test_a_posting_is_dated_by_the_clock_of_texas_and_nothing_else(stamp: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        stamps(pd.Series(["2024-11-03T01:00:00", stamp], dtype="object"))
    with pytest.raises(ValueError, match=r"\w"):
        stamps(pd.Series([stamp], dtype="object"))


def test_a_change_of_format_is_told_in_one_sentence_without_advice_to_programmers() -> None:
    said = str(changed("m.s", "x", 'time data "x" is odd. You might want to try:\n    - passing `format`'))
    assert said.startswith('m.s from x: the answer has time data "x" is odd; the format has changed')
    assert len(str(changed("m.s", "x", "no column " + 500 * "long "))) < 500
