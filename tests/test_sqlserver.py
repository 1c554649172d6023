"""The nine tables -> points: each key, stamps and clock changes, pages, and what is refused."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.configuring.markets import load_markets
from pipeline.errors import BadRequest, NotYetPublished, SchemaChanged
from pipeline.markets import Series
from pipeline.publishing import load_publishing, point_of
from pipeline.settings import ROOT, Settings
from pipeline.sources import sqlserver
from pipeline.sources.base import POINT_COLUMNS, Window
from pipeline.sources.sql_drivers import BATCH
from pipeline.sources.sql_tables import TABLES, question_of
from pipeline.sources.sqlserver import SOURCE
from tests.servers import sql

NOW = datetime(2025, 1, 1, tzinfo=UTC)
WEEK = Window(datetime(2024, 6, 1, tzinfo=UTC), datetime(2024, 6, 8, tzinfo=UTC))
AUTUMN = Window(datetime(2024, 11, 3, 4, tzinfo=UTC), datetime(2024, 11, 3, 10, tzinfo=UTC))
SPRING = Window(datetime(2024, 3, 10, 5, tzinfo=UTC), datetime(2024, 3, 10, 11, tzinfo=UTC))


def series(key: str, minutes: int = 60, **more: Any) -> Series:
    told = {"kind": "measured", "delay": timedelta(), "ahead": timedelta(), "overlap": timedelta()} | more
    cadence = timedelta(minutes=minutes)
    return Series(
        id="tx.one", title="One", unit="MW", cadence=cadence, minimum=-1e6, maximum=1e6, keys={"sqlserver": key}, **told
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return sql.make(tmp_path / "ercot.db")


def read(file: Path, one: Series, window: Window = WEEK, now: datetime = NOW) -> pd.DataFrame:
    settings = Settings.load({"SEXTANT_SQL_DRIVER": "sqlite3", "SQL_DATABASE": str(file)})
    assert SOURCE.ready(settings) is None
    found = SOURCE.fetch([one], window, now=now, settings=settings)
    assert tuple(found.columns) == POINT_COLUMNS
    assert str(found["valid_at"].dtype) == str(found["made_at"].dtype) == "datetime64[us, UTC]"
    return found


def values(found: pd.DataFrame) -> dict[str, float]:
    stamps = found["valid_at"].dt.strftime("%d %H:%M")
    return dict(zip(stamps, found["value"].tolist(), strict=True))


HOURS = [("load_forecast_zone:HOUSTON", sql.FORECAST_ZONES, "OperDay, HourEnding, HOUSTON"),
         ("load_zone:far_west", sql.WEATHER_ZONES, "OperDay, HourEnding, FAR_WEST"),
         ("solar:SYSTEM_WIDE_GEN", sql.SOLAR, "DELIVERY_DATE, HOUR_ENDING, SYSTEM_WIDE_GEN"),
         ("wind:GEN_LZ_WEST", sql.WIND, "DELIVERY_DATE, HOUR_ENDING, GEN_LZ_WEST")]  # fmt: skip


@pytest.mark.parametrize(("key", "table", "columns"), HOURS)
def test_an_hour_ending_begins_an_hour_before(file: Path, key: str, table: str, columns: str) -> None:
    sql.fill(file, table, columns.split(", "), [("2024-06-02", "01:00", 10.1), ("2024-06-02", "24:00", 33.000000001)])
    assert values(read(file, series(key))) == {"02 05:00": 10.1, "03 04:00": 33.000000001}


@pytest.mark.parametrize("key", ["lmp", "rt_lmp"])
def test_a_price_of_dispatch_falls_on_the_grid_and_the_later_of_two_counts(file: Path, key: str) -> None:
    rows = [("2024-06-02 00:00:15", 1.0), ("2024-06-02 00:05:13", 2.0), ("2024-06-02 00:09:58", 3.0)]
    named = [(stamp, point, value + extra) for stamp, value in rows for point, extra in [("HB_NORTH", 0), ("LZ", 9)]]
    table = sql.LMP if key == "lmp" else sql.REAL_TIME
    sql.fill(file, table, ["SCEDTimestamp", "SettlementPoint", "LMP"], named[::-1])
    assert values(read(file, series(f"{key}:HB_NORTH", 5))) == {"02 05:00": 1.0, "02 05:05": 3.0}


def test_of_a_constraint_s_contingencies_the_dearest_counts(file: Path) -> None:
    rows = [("2024-06-02 00:00:15", "A", 5.0), ("2024-06-02 00:00:15", "A", 70.0), ("2024-06-02 00:00:15", "B", 99.0)]
    sql.fill(file, sql.SHADOW, ["SCEDTimeStamp", "ConstraintName", "ShadowPrice"], rows)
    assert values(read(file, series("shadow_price:A", 5))) == {"02 05:00": 70.0}


def test_an_interval_that_ends_at_the_hour_belongs_to_the_hour_before(file: Path) -> None:
    rows = [("2024-06-02 12:55:00", 1.0), ("2024-06-02 13:00:00", 2.0), ("2024-06-02 13:05:00", None)]
    sql.fill(file, sql.SOLAR_5MIN, ["INTERVAL_ENDING", "SYSTEM_WIDE_GEN"], rows)
    found = read(file, series("solar_5min:SYSTEM_WIDE_GEN", 5))
    assert found["valid_at"].dt.strftime("%H:%M").tolist() == ["17:50", "17:55", "18:00"]
    assert found["value"].tolist()[:2] == [1.0, 2.0]
    assert found["value"].isna().tolist() == [False, False, True]


def test_day_ahead_prices_say_when_they_were_out_unless_that_is_still_to_come(file: Path) -> None:
    rows = [("2024-06-02", "13:00", "HB_WEST", 20.5), ("2024-06-03", "1", "HB_WEST", 30.5), ("2024-06-03", "1", "X", 1)]
    sql.fill(file, sql.DAM, ["DeliveryDate", "HourEnding", "SettlementPoint", "SettlementPointPrice"], rows)
    one = series("dam:HB_WEST", kind="price")
    found = read(file, one, now=datetime(2024, 6, 2, 18, tzinfo=UTC))
    assert found["value"].tolist() == [20.5, 30.5]
    assert found["made_at"].iloc[0] == pd.Timestamp("2024-06-01 18:30Z")
    assert pd.isna(found["made_at"].iloc[1])


def test_of_several_postings_of_an_hour_one_counts_and_forecasts_do_not_say_when_they_were_made(file: Path) -> None:
    rows = [("2024-06-02", 1, None, 100.0), ("2024-06-02", 1, 88.0, 120.0), ("2024-06-02", 1, 87.0, 110.0)]
    for order in (rows, rows[::-1]):
        sql.fill(file, sql.WIND, ["DELIVERY_DATE", "HOUR_ENDING", "SYSTEM_WIDE_GEN", "STWPF_SYSTEM_WIDE"], order)
        assert values(read(file, series("wind:SYSTEM_WIDE_GEN"))) == {"02 05:00": 88.0}
        forecast = read(file, series("wind:STWPF_SYSTEM_WIDE", kind="forecast"))
        assert values(forecast) == {"02 05:00": 120.0}
        assert forecast["made_at"].isna().all()


def day(table_day: str, hours: list[Any], first: float = 1.0) -> list[tuple[Any, ...]]:
    return [(table_day, hour, first + number) for number, hour in enumerate(hours)]


def load(file: Path, rows: list[tuple[Any, ...]], window: Window, columns: str = "OperDay, HourEnding, COAST") -> Any:
    sql.fill(file, sql.WEATHER_ZONES, columns.split(", "), rows)
    return values(read(file, series("load_zone:COAST"), window))


@pytest.mark.parametrize("index", ["", "(OperDay, HourEnding, COAST)"])
def test_the_order_of_rows_tells_nothing_so_both_of_the_repeated_hours_are_left_out(file: Path, index: str) -> None:
    sql.run(file, *[f"CREATE INDEX i ON {sql.WEATHER_ZONES} {index}"] * bool(index))
    rows = [(day, hour, -value) for day, hour, value in day("2024-11-03", ["01:00", "02:00", "02:00", "03:00"])]
    assert load(file, rows, AUTUMN) == {"03 05:00": -1.0, "03 08:00": -4.0}


def test_a_flag_tells_the_repeated_hour_even_alone(tmp_path: Path) -> None:
    file = sql.make(tmp_path / "flag.db", more={sql.WEATHER_ZONES: "DSTFlag", sql.LMP: "RepeatHourFlag"})
    rows = [("2024-11-03", "02:00", 5.0, "Y"), ("2024-11-03", "03:00", 6.0, "N")]
    assert load(file, rows, AUTUMN, "OperDay, HourEnding, COAST, DSTFlag") == {"03 07:00": 5.0, "03 08:00": 6.0}
    stamps = [("2024-11-03 01:00:15", "P", 1.0, 0), ("2024-11-03 01:00:14", "P", 2.0, 1)]
    sql.fill(file, sql.LMP, ["SCEDTimestamp", "SettlementPoint", "LMP", "RepeatHourFlag"], stamps)
    assert values(read(file, series("lmp:P", 5), AUTUMN)) == {"03 07:00": 2.0, "03 06:00": 1.0}
    sql.fill(
        file, sql.LMP, ["SCEDTimestamp", "SettlementPoint", "LMP", "RepeatHourFlag"], [(stamps[0][0], "P", 1, "?")]
    )
    with pytest.raises(SchemaChanged, match="a flag '\\?' of the repeated hour"):
        read(file, series("lmp:P", 5), AUTUMN)


def test_stamps_of_the_repeated_hour_are_left_out_without_a_flag(file: Path) -> None:
    stamps = ["00:55:10", "01:00:12", "01:00:15", "01:55:00", "02:00:11"]
    rows = [(f"2024-11-03 {stamp}", "P", float(n)) for n, stamp in enumerate(stamps)]
    sql.fill(file, sql.LMP, ["SCEDTimestamp", "SettlementPoint", "LMP"], rows)
    assert values(read(file, series("lmp:P", 5), AUTUMN)) == {"03 05:55": 0.0, "03 08:00": 4.0}
    ends = [(f"2024-11-03 {stamp}", float(n)) for n, stamp in enumerate(["01:00", "01:00", "02:00", "02:05"])]
    sql.fill(file, sql.SOLAR_5MIN, ["INTERVAL_ENDING", "SYSTEM_WIDE_GEN"], ends)
    assert values(read(file, series("solar_5min:SYSTEM_WIDE_GEN", 5), AUTUMN)) == {"03 07:55": 2.0, "03 08:00": 3.0}


def test_postings_are_no_two_hours(file: Path) -> None:
    columns = ["DELIVERY_DATE", "HOUR_ENDING", "SYSTEM_WIDE_GEN"]
    sql.fill(file, sql.SOLAR, columns, day("2024-11-03", [1, 2, 2, 3]))
    assert values(read(file, series("solar:SYSTEM_WIDE_GEN"), AUTUMN)) == {"03 05:00": 1.0, "03 08:00": 4.0}


def test_the_spring_day_has_no_hour_three(file: Path) -> None:
    hours = ["01:00", "02:00", "03:00", "04:00"]
    assert load(file, day("2024-03-10", hours), SPRING) == {"10 06:00": 1.0, "10 07:00": 2.0, "10 08:00": 4.0}
    ends = [(f"2024-03-10 {stamp}", float(n)) for n, stamp in enumerate(["01:55", "02:00", "03:00", "03:05"])]
    sql.fill(file, sql.SOLAR_5MIN, ["INTERVAL_ENDING", "SYSTEM_WIDE_GEN"], ends)
    five = read(file, series("solar_5min:SYSTEM_WIDE_GEN", 5), SPRING)
    assert values(five) == {"10 07:50": 0.0, "10 07:55": 2.0, "10 08:00": 3.0}


def test_a_day_that_counts_an_hour_25_is_not_guessed_at(file: Path) -> None:
    rows = [*day("2024-11-02", [24], 7.0), *day("2024-11-03", list(range(1, 26)))]
    assert load(file, rows, AUTUMN) == {"03 04:00": 7.0}


@pytest.mark.parametrize(
    ("when", "hour"),
    [
        ("06/02/2024", "1:00"),
        ("2024-06-02 00:00:00", "1"),
        ("2024-06-02T00:00:00.0000000", 1.0),
        ("06/02/2024 00:00", 1),
    ],
)
def test_days_and_hours_are_read_as_people_write_them(when: str, hour: Any) -> None:
    assert begins([(when, hour, 1.0)]) == [pd.Timestamp("2024-06-02T05:00Z")]


def test_days_and_hours_are_read_as_drivers_give_them() -> None:
    days = [date(2024, 6, 2), datetime(2024, 6, 2)]  # noqa: DTZ001
    rows = [(days[0], Decimal("2"), 1.0), (days[1], time(2), 1.0)]
    assert begins(rows) == [pd.Timestamp("2024-06-02T06:00Z")] * 2


def begins(rows: list[tuple[Any, ...]]) -> list[pd.Timestamp]:
    return sqlserver._read(rows, TABLES["load_zone"], {}, series("load_zone:COAST"))["valid_at"].tolist()


@pytest.mark.parametrize(
    ("row", "words"),
    [(("2024-06-02", 0, 1.0), "an hour ending '0'"), (("2024-06-02", "1:30", 1.0), "an hour ending '1:30'"),
     (("2024-06-02 no", 1, 1.0), "no' for a time"), (("2024-06-02 00:00+01:00", 1, 1.0), "with an offset"),
     (("2024-06-02", 1, "many"), "'many' for a number")],
)  # fmt: skip
def test_what_is_no_stamp_or_number_is_refused_by_name(file: Path, row: tuple[Any, ...], words: str) -> None:
    with pytest.raises(SchemaChanged, match=words) as refusal:
        load(file, [row], WEEK)
    assert str(refusal.value).startswith("tx.one from sqlserver: ")
    assert str(refusal.value).endswith(".")


@pytest.mark.parametrize(
    ("one", "words"),
    [(series("lmps:X", 5), "has no key of the tables"), (series("lmp:", 5), "has no key of the tables"),
     (series("lmp:X"), "write cadence_min = 5"), (series("dam:X", 5), "write cadence_min = 60"),
     (series("load_zone:MARS"), "one of COAST, EAST"), (series("solar:STPPF_SYSTEM_WIDE"), 'kind = "forecast"')],
)  # fmt: skip
def test_a_key_that_cannot_be_read_says_what_to_write(one: Series, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        SOURCE.fetch([one], WEEK, now=NOW, settings=Settings.load({}))


def test_names_are_found_whatever_their_case(tmp_path: Path) -> None:
    create = "CREATE TABLE HIST_REALTIMELMP (settlementpoint, lmp REAL, scedTIMESTAMP)"
    file = sql.run(
        tmp_path / "case.db", create, "INSERT INTO HIST_REALTIMELMP VALUES ('P', 4.5, '2024-06-02 00:00:00')"
    )
    assert values(read(file, series("rt_lmp:P", 5))) == {"02 05:00": 4.5}


def test_a_table_or_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    file = sql.make(tmp_path / "few.db", [sql.FORECAST_ZONES])
    with pytest.raises(SchemaChanged, match=r"hist_RealTimeLMP.*take what needs it out of sextant\.toml"):
        read(file, series("rt_lmp:P", 5))
    other = sql.run(tmp_path / "less.db", f"CREATE TABLE {sql.WEATHER_ZONES} (OperDay, HourEnding, COAST)")
    with pytest.raises(SchemaChanged, match="has no column TOTAL, only OperDay, HourEnding, COAST"):
        read(other, series("load_zone:TOTAL"))


def test_beyond_what_is_published_nothing_is_published(file: Path) -> None:
    ahead = Window(NOW + timedelta(days=1), NOW + timedelta(days=2))
    with pytest.raises(NotYetPublished, match="ask again later"):
        read(file, series("load_zone:COAST"), ahead)
    assert read(file, series("load_zone:COAST")).empty


def test_a_long_table_is_read_in_pages_with_bounded_memory(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start, rows = datetime(2023, 3, 13), 150_000  # noqa: DTZ001
    stamps = (str(start + timedelta(minutes=5 * n, seconds=n % 60)) for n in range(rows))
    named = ((stamp, point, float(n)) for n, stamp in enumerate(stamps) for point in ("P", "Q"))
    sql.fill(file, sql.LMP, ["SCEDTimestamp", "SettlementPoint", "LMP"], named)
    sql.run(file, f"CREATE INDEX by_time ON {sql.LMP} (SCEDTimestamp)")
    monkeypatch.setattr(sqlserver, "PAGE", 10_000)
    whole = Window(datetime(2023, 3, 13, 5, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC))
    held: list[int] = []
    shape = sqlserver._read
    monkeypatch.setattr(sqlserver, "_read", lambda rows, *more: [held.append(len(rows)), shape(rows, *more)][1])
    found = read(file, series("lmp:P", 5), whole)
    # No hour is lost or doubled but those that the clocks do not tell: two autumns, a spring.
    untold = ("2023-11-05 01", "2024-11-03 01", "2024-03-10 02")
    clock = pd.date_range(start, periods=rows, freq="5min").strftime("%Y-%m-%d %H")
    told = [float(n) for n, hour in enumerate(clock) if hour not in untold]
    assert found["value"].tolist() == told
    assert found["valid_at"].is_monotonic_increasing
    assert len(held) > 12
    assert max(held) < 10_000 + BATCH


@pytest.mark.parametrize(
    ("stamps", "words"),
    [
        (["01/02/2024 00:00", "02/01/2023 00:00"], "text in another order than time"),
        (["1 June", "2 June"], "for a time"),
    ],
)
def test_a_server_that_sorts_stamps_as_text_is_not_followed(
    stamps: list[str], words: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Text(sqlserver.Database):
        """Answers as a server that keeps American dates as text; SQLite compares such texts otherwise."""

        def batches(self, _sql: str, _values: Any = ()) -> Any:
            yield [(stamp, 1.0) for stamp in stamps]

    monkeypatch.setattr(sqlserver, "PAGE", 2)
    one, names = series("lmp:P", 5), {"SCEDTimestamp": "t", "LMP": "v", "SettlementPoint": "p"}
    with pytest.raises(SchemaChanged, match=words):
        list(sqlserver._pages(Text(None, "qmark", texts=True), question_of(one), names, WEEK, one))


def test_all_keys_of_the_readme_s_tables_are_there() -> None:
    assert len(TABLES) == len({table.name for table in TABLES.values()}) == 9


def test_the_readme_s_example_can_be_configured_and_its_keys_read(tmp_path: Path) -> None:
    text = (
        (ROOT / "README.md").read_text(encoding="utf-8").partition("## Your own tables")[2].partition("\nKeys are")[0]
    )
    lines = [line.removeprefix("    ") for line in text.splitlines() if line.startswith("    ")]
    (tmp_path / "sextant.toml").write_text("\n".join(lines), encoding="utf-8")
    market = load_markets(tmp_path / "sextant.toml", ("texas",))["texas"]
    assert [question_of(one).table.name for one in market.series] == [sql.DAM, sql.REAL_TIME]
    assert (market.targets[0].published, point_of(market.targets[0])) == (("dart",), "HB_HOUSTON")
    assert list(load_publishing(tmp_path / "sextant.toml")) == ["dart"]
