"""The tables through the ingest job: invented rows, and two years of ERCOT's own load and prices to the last digit."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from pipeline.configuring.markets import load_markets
from pipeline.settings import ROOT
from pipeline.sources import sql_drivers, sqlserver
from pipeline.sources.base import Window
from tests.conftest import Desk, ask, desk_in
from tests.servers import sql
from tests.test_sqlserver import read, series

DATA = ROOT.parent / "shared" / "data"
real = pytest.mark.skipif(not DATA.exists(), reason="NO REAL DATA BESIDE THE REPOSITORY: the ERCOT files are not tried")
ZONES = {"COAST": "COAST", "EAST": "EAST", "FWEST": "FAR_WEST", "NORTH": "NORTH", "NCENT": "NORTH_C",
         "SOUTH": "SOUTHERN", "SCENT": "SOUTH_C", "WEST": "WEST", "ERCOT": "TOTAL"}  # fmt: skip
MARKET = """
[market.tx]
name = "Texas"
zone = "America/Chicago"
country = "US"
sources = ["sqlserver"]
history_days = 60
currency = "USD"

[market.tx.series.coast]
title = "Coast"
kind = "measured"
unit = "MW"
cadence_min = 60
delay_min = 60
minimum = 0
maximum = 40000
keys = { sqlserver = "load_zone:COAST" }

[market.tx.series.real_time]
title = "Houston, real time"
kind = "measured"
unit = "USD/MWh"
cadence_min = 5
minimum = -300
maximum = 6000
keys = { sqlserver = "rt_lmp:HB_HOUSTON" }

[market.tx.target.coast]
title = "Coast"
"""


def stamped(moments: pd.Series) -> tuple[pd.Series, pd.Series]:
    """UTC starts as the tables have them: the day, and the hour that ends."""
    local = moments.dt.tz_convert("America/Chicago").dt.tz_localize(None)
    return local.dt.strftime("%Y-%m-%d"), (local.dt.hour + 1).map("{:02d}:00".format)


def repeated(moments: pd.Series) -> list[str]:
    """The flag of each hour: Y in the second of the two that share a name."""
    return ["Y" if one.fold else "N" for one in moments.dt.tz_convert("America/Chicago")]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    sql.make(tmp_path / "ercot.db", [sql.WEATHER_ZONES])
    now = datetime(2024, 11, 20, 10, 20, tzinfo=UTC)
    desk = desk_in(tmp_path, now=now, SEXTANT_SQL_DRIVER="sqlite3", SQL_DATABASE=str(tmp_path / "ercot.db"))
    desk.settings.config.write_text(MARKET, encoding="utf-8")
    desk.markets = load_markets(desk.settings.config, ("tx",))
    return desk


def test_ingest_asks_for_what_is_new_and_a_missing_table_stops_nothing_else(desk: Desk, tmp_path: Path) -> None:
    moments = pd.Series(pd.date_range("2024-09-01", "2024-11-20 08:00", freq="h", tz="UTC"))
    day, hour = stamped(moments)
    rows = [(d, h, 1000.0 + n / 7) for n, (d, h) in enumerate(zip(day, hour, strict=True))]
    sql.fill(tmp_path / "ercot.db", sql.WEATHER_ZONES, ["OperDay", "HourEnding", "COAST"], rows)
    first = desk.run("ingest")
    assert (first["state"], first["failure"]) == ("failed", "refused")
    assert "tx.real_time from sqlserver: the table or a column is not there" in first["error"]
    stored = ask(desk, "SELECT valid_at, value, made_at FROM raw ORDER BY valid_at")
    told = ~moments.isin([pd.Timestamp("2024-11-03T06:00Z"), pd.Timestamp("2024-11-03T07:00Z")])
    asked = told & (moments >= pd.Timestamp(desk.now).floor("h") - timedelta(days=60))
    assert stored["valid_at"].tolist() == moments[asked].tolist()
    assert stored["value"].tolist() == [value for (_, _, value), is_asked in zip(rows, asked, strict=True) if is_asked]
    assert (stored["made_at"] - stored["valid_at"] == pd.Timedelta(hours=2)).all()
    desk.now += timedelta(hours=1)
    sql.fill(tmp_path / "ercot.db", sql.WEATHER_ZONES, ["OperDay", "HourEnding", "COAST"], [("2024-11-20", 4, 7.0)])
    assert desk.run("ingest")["rows_out"] == 1
    later = f"series = 'tx.coast' AND run_id <> '{first['run_id']}'"
    windows = f"SELECT max(epoch(window_end - window_start)) AS s FROM fetches WHERE {later}"
    assert ask(desk, windows).s.iloc[0] <= 5 * 3600


def test_a_page_of_hours_ends_with_a_day_so_the_repeated_hour_stays_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = pd.Series(pd.date_range("2024-11-01 05:00", "2024-11-06 05:00", freq="h", tz="UTC"))
    file = sql.make(tmp_path / "load.db", [sql.WEATHER_ZONES], more={sql.WEATHER_ZONES: "DSTFlag"})
    rows = zip(*stamped(moments), moments.index.astype(float).tolist(), repeated(moments), strict=True)
    sql.fill(file, sql.WEATHER_ZONES, ["OperDay", "HourEnding", "COAST", "DSTFlag"], rows)
    monkeypatch.setattr(sqlserver, "PAGE", 30)
    monkeypatch.setattr(sql_drivers, "BATCH", 7)
    window = Window(moments.iloc[0].to_pydatetime(), moments.iloc[-1].to_pydatetime())
    found = read(file, series("load_zone:COAST"), window)
    assert found["valid_at"].tolist() == moments[:-1].tolist()
    assert found["value"].tolist() == list(range(5 * 24))


@real
def test_two_years_of_real_load_are_read_to_the_last_digit(tmp_path: Path) -> None:
    load = pd.read_parquet(DATA / "ercot_load_hourly.parquet")
    parts = load["hour_ending_raw"].str.extract(r"^(\d\d)/(\d\d)/(\d{4}) (\S+)")
    day = parts[2] + "-" + parts[0] + "-" + parts[1]
    numbers = [load[name].astype("float64") for name in ZONES]
    file = sql.make(tmp_path / "load.db", [sql.WEATHER_ZONES], more={sql.WEATHER_ZONES: "DSTFlag"})
    columns = ["OperDay", "HourEnding", "DSTFlag", *ZONES.values()]
    rows = zip(day, parts[3], repeated(load["ts_utc"]), *numbers, strict=True)
    sql.fill(file, sql.WEATHER_ZONES, columns, rows)
    whole = Window(datetime(2023, 1, 1, 6, tzinfo=UTC), datetime(2025, 1, 1, 6, tzinfo=UTC))
    for ours, theirs in ZONES.items():
        window = whole if ours in ("COAST", "ERCOT") else Window(datetime(2023, 11, 1, tzinfo=UTC), whole.end)
        found = read(file, series(f"load_zone:{theirs}"), window)
        expected = load[load["ts_utc"].between(window.start, window.end, inclusive="left")]
        assert found["valid_at"].tolist() == expected["ts_utc"].tolist()
        assert found["value"].tolist() == expected[ours].astype("float64").tolist()
    for clock_day, hours in (("2023-03-12", 23), ("2023-11-05", 25), ("2024-03-10", 23), ("2024-11-03", 25)):
        start = pd.Timestamp(clock_day, tz="America/Chicago")
        end = (start + pd.DateOffset(days=1)).tz_convert("UTC")
        one_day = Window(start.tz_convert("UTC").to_pydatetime(), end.to_pydatetime())
        assert len(read(file, series("load_zone:COAST"), one_day)) == hours


@real
def test_real_day_ahead_prices_are_read_to_the_last_digit(tmp_path: Path) -> None:
    prices = pd.read_parquet(DATA / "ercot_prices_hourly.parquet").dropna(subset=["dam_spp"]).sort_values("ts_utc")
    day, hour = stamped(prices["ts_utc"])
    file = sql.make(tmp_path / "dam.db", [sql.DAM])
    columns = ["DeliveryDate", "HourEnding", "SettlementPoint", "SettlementPointPrice"]
    values = prices["dam_spp"].astype("float64")
    sql.fill(file, sql.DAM, columns, zip(day, hour, prices["settlement_point"], values, strict=True))
    whole = Window(datetime(2024, 1, 1, 6, tzinfo=UTC), datetime(2025, 10, 1, tzinfo=UTC))
    found = read(file, series("dam:HB_WEST", kind="price"), whole, now=datetime(2025, 10, 2, tzinfo=UTC))
    expected = prices[(prices["settlement_point"] == "HB_WEST") & (prices["ts_utc"] < pd.Timestamp(whole.end))]
    # The file lacks the second of two hours in autumn 2024; alone, the first may be either.
    alone = expected["ts_utc"] == pd.Timestamp("2024-11-03 06:00Z")
    assert alone.sum() == 1
    assert found["valid_at"].tolist() == expected.loc[~alone, "ts_utc"].tolist()
    assert found["value"].tolist() == expected.loc[~alone, "dam_spp"].astype("float64").tolist()
    assert (found["made_at"] < found["valid_at"]).all()
