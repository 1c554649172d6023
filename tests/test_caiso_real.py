"""OASIS with the documented rows and with real hours: to the last digit, and into the warehouse."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from pipeline.configuring.markets import load_markets
from pipeline.markets import Series
from pipeline.settings import ROOT, Settings
from pipeline.sources.base import Window
from pipeline.sources.caiso import SOURCE
from pipeline.sources.oasis import RUNS, parse
from tests.conftest import ask, desk_in
from tests.servers.caiso import CaisoServer, invented_store, real_hours, real_system
from tests.servers.oasis import DAM_PRICE_HEADER, LOAD_HEADER, RTM_PRICE_HEADER, zipped

DATA = ROOT.parent / "shared" / "data"
MARKET = load_markets(ROOT / "sextant.toml", ("caiso",))["caiso"]
real = pytest.mark.skipif(not DATA.exists(), reason="REAL DATA ABSENT: shared/data is needed beside the repository")
SAMPLE = {"CA ISO-TAC": 28184, "PGE-TAC": 12413, "SCE-TAC": 13734, "SDGE-TAC": 1786, "VEA-TAC": 100, "MWD-TAC": 151}
ACTUAL_ROW = (
    "2023-08-13T20:00:00-00:00,2023-08-13T21:00:00-00:00,0,2023-08-13,14,0,ACTUAL,{area},"
    "Total Actual Hourly Integrated Load,SYS_FCST_ACT_MW,3,{mw},ACTUAL,80"
)
OTHER_ROWS = (
    "2023-08-13T01:00:00-00:00,2023-08-13T02:00:00-00:00,2,2023-08-12,19,0,2DA,AVA,Demand Forecast 2-Day Ahead,"
    "SYS_FCST_2DA_MW,1.8,1501.95,2DA,1",
    "2023-08-13T02:00:00-00:00,2023-08-13T02:05:00-00:00,0,2023-08-12,20,1,RTM,CA ISO-TAC,RTM 5Min Load Forecast,"
    "SYS_FCST_5MIN_MW,5,33784.39,RTD,161",
)
PRICE_ROWS = {
    "lmp:DAM": "{day}T15:00:00-00:00,{day}T16:00:00-00:00,{day},8,0,N,N,N,DAM,{kind},{item},N,A,1,{value},1",
    "lmp:RTM": "{day}T15:00:00-00:00,{day}T15:05:00-00:00,{day},8,N,N,N,RTM,{kind},{item},N,A,0,{value},1,1",
}


def settings(server: CaisoServer) -> Settings:
    return Settings.load({"SEXTANT_CAISO_URL": server.url, "SEXTANT_HTTP_TRIES": "1"})


def year_of(server: CaisoServer, series: list[Series], start: str, end: str) -> pd.DataFrame:
    """[start, end) in the widest windows, one column a series."""
    first, last = (pd.Timestamp(day, tz="UTC").to_pydatetime() for day in (start, end))
    found = []
    while first < last:
        window = Window(first, min(first + SOURCE.max_window, last))
        found.append(SOURCE.fetch(series, window, now=server.now, settings=settings(server)))
        first = window.end
    return pd.concat(found).pivot(index="valid_at", columns="series", values="value")


def test_the_documented_rows_mean_what_they_say() -> None:
    rows = [ACTUAL_ROW.format(area=area, mw=mw) for area, mw in SAMPLE.items()]
    body = zipped("20230813_20230814_SLD_FCST_N_20231115_21_27_45_v1.csv", "\n".join([LOAD_HEADER, *rows, *OTHER_ROWS]))
    found = parse(body.body, run=RUNS["ACTUAL"], names="x").set_index("place")
    assert found["value"].to_dict() == SAMPLE
    assert set(found["valid_at"]) == {pd.Timestamp("2023-08-13T20:00Z")}
    assert found["value"].drop("CA ISO-TAC").sum() == found.loc["CA ISO-TAC", "value"]
    assert parse(body.body, run=RUNS["2DA"], names="x")["value"].tolist() == [1501.95]
    assert parse(body.body, run=RUNS["RTD"], names="x")["value"].tolist() == [33784.39]


@pytest.mark.parametrize(("run", "header"), [("lmp:DAM", DAM_PRICE_HEADER), ("lmp:RTM", RTM_PRICE_HEADER)])
def test_of_a_price_and_its_parts_the_price_is_read(run: str, header: str) -> None:
    parts = {"MCC": ("LMP_CONG_PRC", "-1.68082"), "LMP": ("LMP_PRC", "74.63"), "MCE": ("LMP_ENE_PRC", "48.9464")}
    rows = [
        PRICE_ROWS[run].format(day="2022-02-01", kind=kind, item=item, value=value)
        for kind, (item, value) in parts.items()
    ]
    other = rows[1].replace(f",{run.removeprefix('lmp:')},", ",RUC,").replace("74.63", "99")
    found = parse(zipped("prices.csv", "\n".join([header, *rows, other])).body, run=RUNS[run], names="x")
    assert found[["place", "value"]].values.tolist() == [["N", 74.63]]


def test_the_market_goes_through_ingest_and_a_second_time_changes_nothing(tmp_path: Path) -> None:
    store, now = invented_store("2024-10-30", "2024-11-10"), datetime(2024, 11, 6, 10, tzinfo=UTC)
    with CaisoServer(store, now) as server:
        env = {"SEXTANT_MARKETS": "caiso", "SEXTANT_CAISO_URL": server.url, "SEXTANT_HTTP_TRIES": "1"}
        desk = desk_in(tmp_path, now=now, **env)
        names = ("system", "smud", "system_forecast", "np15_forecast")
        series = tuple(one for one in MARKET.series if one.id.removeprefix("caiso.") in names)
        desk.markets = {"caiso": replace(MARKET, sources=("caiso",), series=series, history=timedelta(days=7))}
        desk.done("ingest")
        rows = desk.rows("raw")
        desk.done("ingest")
    assert desk.rows("raw") == rows
    assert desk.rows("quarantine") == 0
    found = ask(desk, "SELECT series, valid_at, value, made_at FROM raw").set_index(["series", "valid_at"])
    hour = pd.Timestamp("2024-11-03T09:00Z")
    assert found.loc[("caiso.smud", hour), "value"] == store["ACTUAL"].loc[hour, "BANCSMUD"]
    assert found.loc[("caiso.smud", hour), "made_at"] == hour + timedelta(minutes=90)
    assert found.loc[("caiso.np15_forecast", hour), "made_at"] == pd.Timestamp("2024-11-02T17:00Z")
    last = found.loc["caiso.system_forecast"].index.max()
    assert last == pd.Timestamp("2024-11-07T07:00Z")


def test_an_area_that_never_has_data_is_not_asked_for_its_whole_past_for_ever(tmp_path: Path) -> None:
    now = datetime(2024, 11, 6, 10, tzinfo=UTC)
    with CaisoServer({"ACTUAL": invented_store("2024-11-01", "2024-11-07")["ACTUAL"][["PGE-TAC"]]}, now) as server:
        desk = desk_in(tmp_path, now=now, SEXTANT_CAISO_URL=server.url)
        series = tuple(one for one in MARKET.series if one.id in ("caiso.np15", "caiso.smud"))
        desk.markets = {"caiso": replace(MARKET, sources=("caiso",), series=series, history=timedelta(days=95))}
        asked = []
        for _ in range(5):
            desk.done("ingest")
            asked.append(len(server.requests) - sum(asked))
            desk.now += timedelta(minutes=5)
    assert asked[0] == 4
    assert asked[3:] == [1, 1]
    newest = server.requests[-1]
    assert newest.one("startdatetime") == "20241104T09:00-0000"


@real
def test_a_real_year_of_five_areas_comes_back_to_the_last_digit() -> None:
    hours = real_hours(DATA / "caiso_load_hourly.parquet").loc["2023"]
    series = [replace(MARKET.series[0], id=area, keys={"caiso": f"ACTUAL:{area}"}) for area in hours]
    with CaisoServer({"ACTUAL": hours}, datetime(2024, 1, 2, tzinfo=UTC)) as server:
        found = year_of(server, series, "2023-01-01", "2024-01-01")
        assert len(server.requests) == 13
    assert len(hours) == 8760
    pd.testing.assert_frame_equal(
        found[hours.columns], hours.dropna(how="all"), check_exact=True, check_names=False, check_freq=False
    )
    for day, count in (("2023-03-12", 23), ("2023-11-05", 25)):
        first = pd.Timestamp(day, tz="America/Los_Angeles")
        assert len(found.loc[first : first + pd.DateOffset(days=1) - pd.Timedelta("1h")]) == count


@real
def test_the_real_system_and_its_operators_forecast_come_back_across_autumn() -> None:
    store = {
        run: values.loc["2019-10-15":"2019-12-14"]
        for run, values in real_system(DATA / "eia930_hourly.parquet").items()
    }
    system, ahead = (one for one in MARKET.series if one.id in ("caiso.system", "caiso.system_forecast"))
    with CaisoServer(store, datetime(2020, 1, 2, tzinfo=UTC)) as server:
        found = year_of(server, [system, ahead], "2019-10-15", "2019-12-15")
    for one, run in ((system, "ACTUAL"), (ahead, "DAM")):
        expected = store[run]["CA ISO-TAC"].dropna()
        pd.testing.assert_series_equal(
            found[one.id].dropna(), expected, check_exact=True, check_names=False, check_freq=False
        )
    day = pd.Timestamp("2019-11-03", tz="America/Los_Angeles")
    assert len(found.loc[day : day + pd.DateOffset(days=1) - pd.Timedelta("1h")]) == 25


@real
def test_real_five_minute_rows_are_read_as_the_forecast_they_are() -> None:
    rows = pd.read_parquet(DATA / "caiso_load_5min.parquet")
    fine = rows.pivot(index="ts_utc", columns="tac_area", values="load_mw")
    base = replace(MARKET.series[0], kind="forecast", cadence=timedelta(minutes=5))
    series = [replace(base, id=area, keys={"caiso": f"RTD:{area}"}) for area in fine]
    with CaisoServer({"RTD": fine}, datetime(2025, 9, 3, tzinfo=UTC)) as server:
        found = year_of(server, series, "2025-08-29", "2025-09-03")
    pd.testing.assert_frame_equal(found[fine.columns], fine, check_exact=True, check_names=False, check_freq=False)
