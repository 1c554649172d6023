"""Today's Outlook over real HTTP: local days, clock changes, the table of yesterday, faults."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest

from pipeline.configuring.markets import load_markets
from pipeline.errors import BadRequest, NotYetPublished, SchemaChanged, Transient
from pipeline.markets import Series
from pipeline.settings import ROOT, Settings
from pipeline.sources.answers import BrokenBody
from pipeline.sources.base import Window
from pipeline.sources.caiso_outlook import SOURCE, parse
from tests.servers import faults
from tests.servers.caiso import CaisoServer, invented_store

ZONE = "America/Los_Angeles"
SERIES = {one.id: one for one in load_markets(ROOT / "sextant.toml", ("caiso_now",))["caiso_now"].series}
DEMAND, DAY_AHEAD, HOUR_AHEAD = (SERIES[f"caiso_now.{name}"] for name in ("demand", "day_ahead", "hour_ahead"))
NOW = datetime(2024, 11, 6, 10, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def store() -> dict[str, pd.DataFrame]:
    return invented_store("2024-10-30", "2024-11-10")


@pytest.fixture
def server(store: dict[str, pd.DataFrame]) -> Iterator[CaisoServer]:
    with CaisoServer(store, NOW) as running:
        yield running


def fetch(server: CaisoServer, *series: Series, start: str = "2024-11-01", end: str = "2024-11-02") -> pd.DataFrame:
    settings = Settings.load({"SEXTANT_CAISO_OUTLOOK_URL": server.url, "SEXTANT_HTTP_TRIES": "1"})
    window = Window(*(datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (start, end)))
    return SOURCE.fetch(series or [DEMAND], window, now=server.now, settings=settings)


def test_a_window_is_cut_from_the_local_days_it_touches(server: CaisoServer, store: dict[str, pd.DataFrame]) -> None:
    points = fetch(server, DEMAND, DAY_AHEAD, HOUR_AHEAD)
    paths = [request.path for request in server.requests]
    assert paths == [f"/outlook/history/{day}/demand.csv" for day in ("20241031", "20241101")]
    assert server.requests[0].one("_") == str(int(NOW.timestamp() * 1000))
    for one in (DEMAND, DAY_AHEAD, HOUR_AHEAD):
        mine = points[points["series"] == one.id]
        expected = store["outlook"].loc["2024-11-01", one.keys["caiso_outlook"]]
        assert mine["valid_at"].tolist() == expected.index.tolist()
        assert mine["value"].tolist() == expected.tolist()


def test_today_is_asked_of_current_and_its_blank_future_is_left_out(server: CaisoServer) -> None:
    points = fetch(server, start="2024-11-06T08:00", end="2024-11-06T12:00")
    assert [request.path for request in server.requests] == ["/outlook/current/demand.csv"]
    assert points["valid_at"].iloc[0] == pd.Timestamp("2024-11-06T08:00Z")
    assert points["valid_at"].iloc[-1] == pd.Timestamp("2024-11-06T09:45Z")
    ahead = fetch(server, DAY_AHEAD, start="2024-11-06T08:00", end="2024-11-08")
    assert ahead["valid_at"].iloc[-1] == pd.Timestamp("2024-11-07T07:55Z")


def test_a_table_of_yesterday_under_todays_address_is_not_taken(server: CaisoServer) -> None:
    window = {"start": "2024-11-06T07:00", "end": "2024-11-06T08:30"}
    server.now = datetime(2024, 11, 6, 8, 6, tzinfo=UTC)
    stale = []
    server.faults.append(lambda answer: stale.append(answer) or answer)
    yesterday = fetch(server, **window)
    assert yesterday["valid_at"].iloc[-1] == pd.Timestamp("2024-11-06T07:50Z")
    server.faults += [lambda answer: answer, lambda _: stale[0]]
    assert fetch(server, **window)["valid_at"].tolist() == yesterday["valid_at"].tolist()


def test_forecasts_count_as_known_from_the_start_of_their_hour_or_day(server: CaisoServer) -> None:
    points = fetch(server, DEMAND, DAY_AHEAD, HOUR_AHEAD).set_index(["series", "valid_at"])["made_at"]
    noon = pd.Timestamp("2024-11-01T19:35Z")
    assert points[DEMAND.id].isna().all()
    assert points[DAY_AHEAD.id, noon] == pd.Timestamp("2024-11-01T07:00Z")
    assert points[HOUR_AHEAD.id, noon] == pd.Timestamp("2024-11-01T19:00Z")
    later = fetch(server, HOUR_AHEAD, start="2024-11-06T10:00", end="2024-11-06T12:00").set_index("valid_at")["made_at"]
    assert later["2024-11-06T10:05Z"] == pd.Timestamp("2024-11-06T10:00Z")
    assert later["2024-11-06T11:00Z":].isna().all()


def test_the_autumn_hour_that_passed_twice_is_not_guessed(server: CaisoServer, store: dict[str, pd.DataFrame]) -> None:
    points = fetch(server, start="2024-11-03T07:00", end="2024-11-04T08:00").set_index("valid_at")["value"]
    day = store["outlook"].loc["2024-11-03T07:00":"2024-11-04T07:55", "demand"]
    assert len(day) == 300
    twice = day["2024-11-03T08:00Z":"2024-11-03T09:55Z"].index
    pd.testing.assert_series_equal(points, day.drop(twice), check_names=False, check_freq=False)


def test_the_spring_day_has_23_hours_and_no_more() -> None:
    spring = invented_store("2024-03-09", "2024-03-12")
    with CaisoServer(spring, NOW) as server:
        points = fetch(server, start="2024-03-10T08:00", end="2024-03-11T07:00").set_index("valid_at")["value"]
    expected = spring["outlook"].loc["2024-03-10T08:00":"2024-03-11T06:55", "demand"]
    assert len(expected) == 276
    pd.testing.assert_series_equal(points, expected, check_names=False, check_freq=False)


CLOCK = [f"{n // 12:02d}:{n % 12 * 5:02d}" for n in range(288)]
AUTUMN, SPRING, USUAL = date(2024, 11, 3), date(2024, 3, 10), date(2024, 6, 1)


def parsed(times: list[str], day: date) -> pd.Series:
    rows = [f"{time},3,2,{number}" for number, time in enumerate(times)]
    table = "\n".join(["Time,Day ahead forecast,Hour ahead forecast,Current demand", *rows])
    return parse(table.encode(), day=day, now=NOW, names="x").set_index("valid_at")["demand"]


@pytest.mark.parametrize("after", [[], ["00:00"]])
@pytest.mark.parametrize(
    ("day", "times", "hours"),
    [
        (USUAL, CLOCK, 24),
        (AUTUMN, CLOCK, 23),
        (AUTUMN, [*CLOCK[:24], *CLOCK[12:]], 23),
        (SPRING, [*CLOCK[:24], *CLOCK[36:]], 23),
        (SPRING, CLOCK, 23),
    ],
)
def test_a_day_may_be_told_by_the_clock_or_as_it_passed(
    day: date, times: list[str], hours: int, after: list[str]
) -> None:
    found = parsed([*times, *after], day)
    assert len(found) == 12 * hours
    assert found.index[-1] == pd.Timestamp(f"{day} 23:55", tz=ZONE)
    assert found.iloc[-1] == len(times) - 1, "the last hour has its own rows"


def test_a_day_of_another_length_is_not_taken() -> None:
    for times in (CLOCK[:276], [*CLOCK[:-1], "00:00"]):
        with pytest.raises(BrokenBody, match=f"the table has {len(times)} rows, none of 23:55, and is cut off"):
            parsed(times, SPRING)
    for times in ([*CLOCK[:24], *CLOCK[36:]], CLOCK[1:], [*CLOCK, *CLOCK]):
        with pytest.raises(SchemaChanged, match=f"{len(times)} rows up to 23:55 instead of 288"):
            parsed(times, USUAL)


def test_a_day_without_a_table_is_empty_and_a_day_to_come_not_published(server: CaisoServer) -> None:
    assert fetch(server, start="2024-09-01", end="2024-09-02").empty
    asked = len(server.requests)
    with pytest.raises(NotYetPublished, match=r"caiso_now\.demand from caiso_outlook: nothing yet from 2024-11-08"):
        fetch(server, start="2024-11-08", end="2024-11-09")
    assert len(server.requests) == asked


@pytest.mark.parametrize(
    ("series", "words"),
    [
        (replace(DEMAND, keys={}), "use one of demand, hour_ahead, day_ahead"),
        (replace(DEMAND, kind="forecast"), "needs kind = 'measured' and cadence_min = 5"),
        (replace(DAY_AHEAD, kind="measured"), "needs kind = 'forecast'"),
        (replace(DEMAND, cadence=timedelta(hours=1)), "cadence_min = 5"),
    ],
)
def test_a_series_it_cannot_fill_is_refused(server: CaisoServer, series: Series, words: str) -> None:
    with pytest.raises(BadRequest) as caught:
        fetch(server, series)
    assert words in str(caught.value)
    assert server.requests == []


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (faults.web_page, Transient, "a web page came"),
        (faults.broken_json, Transient, "is cut off"),
        (faults.truncated, Transient, "broke off"),
        (faults.answering(b"", 400), BadRequest, "HTTP 400"),
        (faults.answering(b""), SchemaChanged, "no column Time"),
        (
            lambda answer: replace(answer, body=answer.body.replace(b"Current demand", b"Demand")),
            SchemaChanged, "no column Current demand",
        ),
        (
            lambda answer: replace(answer, body=answer.body.replace(b"12:35,", b"25:35,")),
            SchemaChanged, "a row that is not of a time and numbers",
        ),
        (
            lambda answer: replace(answer, body=answer.body.replace(b"12:35,", b"12:35,n/a")),
            SchemaChanged, "a row that is not of a time and numbers",
        ),
        (
            lambda answer: replace(answer, body=b"\n".join(line[:9] for line in answer.body.split(b"\n"))),
            SchemaChanged, "no column",
        ),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_named(server: CaisoServer, fault: faults.Fault, kind: type[Exception], words: str) -> None:
    server.faults.append(fault)
    with pytest.raises(kind) as caught:
        fetch(server)
    assert str(caught.value).startswith("caiso_now.demand from caiso_outlook: ")
    assert words in str(caught.value)


def test_no_forecast_of_the_market_needs_tomorrow_which_the_outlook_does_not_show() -> None:
    (target,) = load_markets(ROOT / "sextant.toml", ("caiso_now",))["caiso_now"].targets
    assert target.operator == DAY_AHEAD
    assert not {DAY_AHEAD, HOUR_AHEAD} & set(target.inputs)
