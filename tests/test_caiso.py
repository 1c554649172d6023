"""OASIS over real HTTP: runs, areas, prices, clock changes, zips and faults, from a local server."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from pipeline.configuring.markets import load_markets
from pipeline.errors import BadRequest, NotYetPublished
from pipeline.markets import Series
from pipeline.settings import ROOT, Settings
from pipeline.sources.base import Window
from pipeline.sources.caiso import SOURCE
from tests.servers.caiso import CaisoServer, invented_store, table_edited

MARKET = load_markets(ROOT / "sextant.toml", ("caiso",))["caiso"]
SERIES = {one.id: one for one in MARKET.series}
SYSTEM, NP15, AHEAD = SERIES["caiso.system"], SERIES["caiso.np15"], SERIES["caiso.system_forecast"]
PRICE = SERIES["caiso.price_np15"]
NOW = datetime(2024, 11, 6, 10, tzinfo=UTC)
AUTUMN, SPRING = (pd.Timestamp(day, tz="America/Los_Angeles") for day in ("2024-11-03", "2024-03-10"))


@pytest.fixture(scope="module")
def store() -> dict[str, pd.DataFrame]:
    return invented_store("2024-10-30", "2024-11-10")


@pytest.fixture
def server(store: dict[str, pd.DataFrame]) -> Iterator[CaisoServer]:
    with CaisoServer(store, NOW) as running:
        yield running


def settings(server: CaisoServer, **env: str) -> Settings:
    return Settings.load({"SEXTANT_CAISO_URL": server.url, "SEXTANT_HTTP_TRIES": "1"} | env)


def window(start: str, end: str) -> Window:
    return Window(*(datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (start, end)))


def fetch(server: CaisoServer, *series: Series, start: str = "2024-11-01", end: str = "2024-11-02") -> pd.DataFrame:
    return SOURCE.fetch(series or [SYSTEM], window(start, end), now=server.now, settings=settings(server))


def keyed(key: str, kind: str, minutes: int = 60) -> Series:
    return replace(SYSTEM, id="caiso.keyed", kind=kind, keys={"caiso": key}, cadence=timedelta(minutes=minutes))


def values(points: pd.DataFrame, series: Series) -> pd.Series:
    """By `valid_at`, which OASIS does not order."""
    return points[points["series"] == series.id].set_index("valid_at")["value"].sort_index()


def test_the_request_is_as_documented(server: CaisoServer) -> None:
    fetch(server, SYSTEM, NP15)
    (request,) = server.requests
    assert request.path == "/oasisapi/SingleZip"
    asked = {name: request.one(name) for name in request.query}
    assert asked == {
        "queryname": "SLD_FCST", "version": "1", "resultformat": "6", "market_run_id": "ACTUAL",
        "tac_area_name": "CA ISO-TAC,PGE-TAC", "startdatetime": "20241101T00:00-0000",
        "enddatetime": "20241102T00:00-0000",
    }  # fmt: skip


def test_runs_are_asked_apart_and_their_areas_together(server: CaisoServer, store: dict[str, pd.DataFrame]) -> None:
    names = ("system", "np15", "sce", "sdge", "smud")
    wanted = [SERIES[f"caiso.{name}{what}"] for name in names for what in ("", "_forecast")]
    points = fetch(server, *wanted)
    assert [request.one("market_run_id") for request in server.requests] == ["ACTUAL", "DAM"]
    for one in wanted:
        run, place = one.keys["caiso"].split(":")
        assert values(points, one).tolist() == store[run].loc["2024-11-01", place].tolist()


@pytest.mark.parametrize(("day", "hours"), [(AUTUMN, 25), (SPRING, 23)])
def test_clock_change_days_have_every_hour_once(day: pd.Timestamp, hours: int) -> None:
    end = day + pd.DateOffset(days=1)
    around = invented_store(str((day - pd.DateOffset(days=1)).date()), str((day + pd.DateOffset(days=3)).date()))
    asked = Window(*(moment.tz_convert("UTC").to_pydatetime() for moment in (day, end)))
    with CaisoServer(around, NOW) as server:
        points = SOURCE.fetch([SYSTEM, AHEAD], asked, now=NOW, settings=settings(server))
    expected = around["ACTUAL"].loc[asked.start : asked.end, "CA ISO-TAC"].iloc[:-1]
    assert len(expected) == hours
    pd.testing.assert_series_equal(values(points, SYSTEM), expected, check_names=False, check_freq=False)
    made_at = points.loc[points["series"] == AHEAD.id, "made_at"].dt.tz_convert(day.tz)
    assert set(made_at) == {
        pd.Timestamp(day.date()).tz_localize(day.tz) - pd.DateOffset(days=1) + pd.DateOffset(hour=10)
    }


def test_every_run_gives_its_own_values_and_when_they_were_public(server: CaisoServer, store) -> None:
    wanted = {
        "DAM": keyed("DAM:CA ISO-TAC", "forecast"), "2DA": keyed("2DA:CA ISO-TAC", "forecast"),
        "7DA": keyed("7DA:CA ISO-TAC", "forecast"), "RTD": keyed("RTD:CA ISO-TAC", "forecast", 5),
        "RTPD": keyed("RTPD:CA ISO-TAC", "forecast", 15),
    }  # fmt: skip
    made = {"DAM": "10-31T17:00Z", "2DA": "10-30T17:00Z", "7DA": "10-25T17:00Z", "RTD": "11-01T20:05Z"}
    for run, one in wanted.items():
        points = fetch(server, one)
        assert values(points, one).tolist() == store[run].loc["2024-11-01", "CA ISO-TAC"].tolist()
        noon = points.set_index("valid_at").loc["2024-11-01T20:00Z", "made_at"]
        assert noon == pd.Timestamp(f"2024-{made.get(run, '11-01T20:15Z')}")
    assert server.requests[-1].one("market_run_id") == "RTM"
    assert server.requests[-1].one("execution_type") == "RTPD"


def test_a_fresh_forecast_does_not_say_when_it_was_made(server: CaisoServer) -> None:
    server.now = datetime(2024, 11, 5, 17, 9, tzinfo=UTC)
    tomorrow = {"start": "2024-11-06T08:00", "end": "2024-11-07T08:00"}
    with pytest.raises(NotYetPublished, match=r"caiso\.system_forecast from caiso: nothing yet from 2024-11-06 08:00"):
        fetch(server, AHEAD, **tomorrow)
    server.now += timedelta(minutes=1)
    early = fetch(server, AHEAD, **tomorrow)
    assert len(early) == 24
    assert early["made_at"].isna().all()
    server.now = datetime(2024, 11, 5, 18, tzinfo=UTC)
    assert set(fetch(server, AHEAD, **tomorrow)["made_at"]) == {pd.Timestamp(server.now)}


def test_measured_values_leave_their_moment_to_the_delay_and_are_not_asked_of_the_future(server: CaisoServer) -> None:
    assert fetch(server)["made_at"].isna().all()
    with pytest.raises(NotYetPublished):
        fetch(server, start="2024-11-07", end="2024-11-08")
    assert len(server.requests) == 1


@pytest.mark.parametrize("key", ["RTD:CA ISO-TAC", "RTPD:CA ISO-TAC", "DAM:CA ISO-TAC", "lmp:DAM:TH_NP15_GEN-APND"])
def test_a_forecast_is_never_taken_for_a_measurement(server: CaisoServer, key: str) -> None:
    with pytest.raises(
        BadRequest, match=r"caiso\.keyed is of kind 'measured', but .* of CAISO is the .*(ahead|minute)"
    ):
        fetch(server, keyed(key, "measured", 5))
    assert server.requests == []


@pytest.mark.parametrize(
    ("series", "words"),
    [
        (replace(SYSTEM, keys={}), "write RUN:PLACE, such as ACTUAL:PGE-TAC"),
        (keyed("ACTUAL:", "measured"), "write RUN:PLACE"),
        (keyed("RUC:PGE-TAC", "forecast"), "with one of the runs ACTUAL, DAM"),
        (keyed("ACTUAL:PGE-TAC", "forecast"), "is the measured hourly load; use kind = 'measured'"),
        (keyed("ACTUAL:PGE-TAC", "measured", 5), "needs cadence_min = 60"),
        (
            keyed("RTD:PGE-TAC", "forecast"),
            "needs cadence_min = 5, because RTD of CAISO is the five-minute load forecast",
        ),
    ],
)
def test_a_key_that_cannot_be_is_refused_before_anything_is_asked(
    server: CaisoServer, series: Series, words: str
) -> None:
    with pytest.raises(BadRequest) as caught:
        fetch(server, series)
    assert words in str(caught.value)
    assert server.requests == []


def test_prices_are_the_whole_price_and_not_its_parts(server: CaisoServer, store: dict[str, pd.DataFrame]) -> None:
    real_time = keyed("lmp:RTM:TH_SP15_GEN-APND", "measured", 5)
    points = fetch(server, PRICE, real_time)
    assert values(points, PRICE).tolist() == store["lmp:DAM"].loc["2024-11-01", "TH_NP15_GEN-APND"].tolist()
    assert values(points, real_time).tolist() == store["lmp:RTM"].loc["2024-11-01", "TH_SP15_GEN-APND"].tolist()
    first, second = server.requests
    assert (first.one("queryname"), first.one("version"), first.one("node")) == ("PRC_LMP", "12", "TH_NP15_GEN-APND")
    assert (second.one("queryname"), second.one("version")) == ("PRC_INTVL_LMP", "3")
    assert set(points.loc[points["series"] == PRICE.id, "made_at"].dt.tz_convert("America/Los_Angeles").dt.hour) == {14}


def test_rows_that_were_not_asked_for_are_left_out(server: CaisoServer) -> None:
    good = fetch(server, SYSTEM)

    def more(text: str) -> str:
        header, *lines = text.splitlines()
        others = [line.replace("CA ISO-TAC", "AVA").replace(",3.8,", ",1.8,") for line in lines]
        runs = [line.replace(",ACTUAL,", ",DAM,").replace("SYS_FCST_ACT_MW", "SYS_FCST_DA_MW") for line in lines]
        early = lines[0].replace("2024-11-01", "2024-10-20").replace("2024-11-02", "2024-10-21")
        return "\n".join([header, *others, *lines, *runs, early])

    server.faults.append(table_edited(more))
    pd.testing.assert_frame_equal(fetch(server, SYSTEM), good)


def test_empty_cells_are_nan(server: CaisoServer) -> None:
    server.faults.append(table_edited(lambda text: text.replace(text.splitlines()[1].split(",")[11], "", 1)))
    assert fetch(server)["value"].isna().sum() == 1


def test_no_data_is_empty_when_due_and_not_yet_published_otherwise(server: CaisoServer) -> None:
    assert fetch(server, keyed("ACTUAL:XYZ", "measured")).empty
    server.outage(since=datetime(2024, 11, 1, tzinfo=UTC))
    late = fetch(server, start="2024-11-02", end="2024-11-03")
    assert late.empty
    assert str(late["valid_at"].dtype) == "datetime64[us, UTC]"
    server.outage(since=None)
    with pytest.raises(NotYetPublished, match="nothing yet from 2024-11-06 09:30"):
        fetch(server, start="2024-11-06T09:30", end="2024-11-06T10:00")


def test_thirty_days_may_be_asked_wherever_they_begin_and_more_is_refused_in_its_words(server: CaisoServer) -> None:
    assert len(fetch(server, start="2024-10-04T23:45", end="2024-11-03T23:45")) == 5 * 24
    with pytest.raises(
        BadRequest, match=r"error 1004, Data can be requested for period of 31 days only; ask for at most"
    ):
        fetch(server, start="2024-10-02", end="2024-11-03")
