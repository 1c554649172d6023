"""CSV and Parquet files -> points and refused rows."""

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from pipeline.errors import DataRefused
from pipeline.markets import Series
from pipeline.sources.base import POINT_COLUMNS
from pipeline.sources.files import Refused, read_file

MADRID = "Europe/Madrid"


def series(name: str = "es.load") -> Series:
    zero = timedelta(0)
    return Series(
        id=name, title=name, kind="measured", unit="MW", cadence=timedelta(hours=1), delay=zero, ahead=zero,
        overlap=zero, minimum=0.0, maximum=1e5, keys={},
    )  # fmt: skip


def csv_file(folder: Path, *lines: str) -> Path:
    path = folder / "load.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def read(path: Path, zone: str | None = None, **columns: str) -> tuple[pd.DataFrame, list[Refused]]:
    return read_file(path, series(), zone, **columns)


def test_a_csv_with_offsets_becomes_utc_points(tmp_path: Path) -> None:
    points, refused = read(
        csv_file(tmp_path, "valid_at,value", "2024-07-01T02:00+02:00,24000", "2024-07-01 01:00Z,24500.5")
    )
    assert list(points.columns) == list(POINT_COLUMNS)
    assert points["valid_at"].tolist() == [pd.Timestamp("2024-07-01 00:00Z"), pd.Timestamp("2024-07-01 01:00Z")]
    assert points["value"].tolist() == [24000.0, 24500.5]
    assert points["made_at"].isna().all()
    assert str(points.dtypes["made_at"]) == str(points.dtypes["valid_at"]) == "datetime64[us, UTC]"
    assert refused == []


def test_times_without_an_offset_need_a_stated_zone(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "valid_at,value", "2024-07-01 02:00,24000")
    with pytest.raises(DataRefused, match=r"load\.csv: the times in valid_at have no offset; state the time zone"):
        read(path)
    points, _ = read(path, MADRID)
    assert points["valid_at"].tolist() == [pd.Timestamp("2024-07-01 00:00Z")]


def test_an_offset_in_the_file_wins_over_the_stated_zone(tmp_path: Path) -> None:
    points, _ = read(csv_file(tmp_path, "valid_at,value", "2024-07-01T02:00Z,1", "2024-07-01T02:00,2"), MADRID)
    assert points["valid_at"].dt.hour.tolist() == [2, 0]


def test_one_row_without_an_offset_among_others_is_refused_alone(tmp_path: Path) -> None:
    points, refused = read(csv_file(tmp_path, "valid_at,value", "2024-07-01T02:00Z,1", "2024-07-01T03:00,2"))
    assert len(points) == 1
    assert refused[0].reason == "load.csv: valid_at '2024-07-01T03:00' has no offset and no time zone was stated."


@pytest.mark.parametrize(
    ("stamp", "value", "words"),
    [
        ("27/10/2024 02:00", "1", "is not an ISO 8601 time"),
        ("2024-10-32T02:00Z", "1", "is not an ISO 8601 time"),
        ("2024-10-20T24:00Z", "1", "is not an ISO 8601 time"),
        ("2024-10-20T02:00+99:00", "1", "is not an ISO 8601 time"),
        ("2024-10-20+01:00", "1", "is not an ISO 8601 time"),
        ("0001-01-01T00:00Z", "1", "is not an ISO 8601 time"),
        ("", "1", "is not an ISO 8601 time"),
        ("2024-10-20T02:00Z", "24.000,5", "is not a number"),
        ("2024-10-20T02:00Z", "0x10", "is not a number"),
        ("2024-10-20T02:00Z", "inf", "is not a number"),
        ("2024-10-20T02:00Z", "1e999", "is absurdly large"),
    ],
)
def test_a_malformed_row_is_listed_and_the_others_are_kept(tmp_path: Path, stamp: str, value: str, words: str) -> None:
    lines = ("valid_at;value", "2024-01-01T00:00Z;24000", f"{stamp};{value}", "2024-01-01T02:00Z;25000")
    points, refused = read(csv_file(tmp_path, *lines))
    assert points["value"].tolist() == [24000.0, 25000.0]
    assert [(row.valid_at, row.value, row.series) for row in refused] == [(stamp, value, "es.load")]
    assert words in refused[0].reason
    assert refused[0].reason.endswith(".")


def test_local_hours_that_do_not_exist_once_are_refused_with_the_reason(tmp_path: Path) -> None:
    stamps = ["2024-03-31T01:30", "2024-03-31T02:30", "2024-10-27T02:30", "2024-10-27T03:30"]
    points, refused = read(csv_file(tmp_path, "valid_at,value", *(f"{stamp},1" for stamp in stamps)), MADRID)
    assert len(points) == 2
    assert [row.valid_at for row in refused] == stamps[1:3]
    assert all("does not exist once in Europe/Madrid (clock change)" in row.reason for row in refused)


def test_both_hours_of_an_autumn_night_are_told_apart_by_their_offsets(tmp_path: Path) -> None:
    rows = ("2024-10-27T02:30+02:00,1", "2024-10-27T02:30+01:00,2")
    points, refused = read(csv_file(tmp_path, "valid_at,value", *rows), MADRID)
    assert points["valid_at"].dt.hour.tolist() == [0, 1]
    assert refused == []


def test_empty_values_become_nan_and_exact_repeats_are_kept_once(tmp_path: Path) -> None:
    rows = ("2024-01-01T00:00Z,", "2024-01-01T01:00Z,7", "2024-01-01T01:00Z,7.0", "2024-01-01T02:00Z,null")
    points, refused = read(csv_file(tmp_path, "valid_at,value", *rows))
    assert points["value"].isna().tolist() == [True, False, True]
    assert refused == []


def test_rows_that_contradict_each_other_are_all_refused(tmp_path: Path) -> None:
    rows = ("2024-01-01T00:00Z,5", "2024-01-01T01:00Z,7", "2024-01-01T02:00+01:00,8")
    points, refused = read(csv_file(tmp_path, "valid_at,value", *rows))
    assert points["value"].tolist() == [5.0]
    assert [row.value for row in refused] == ["7", "8"]
    assert "is one of several for the same time" in refused[0].reason


def test_two_vintages_of_one_hour_are_no_contradiction(tmp_path: Path) -> None:
    rows = ("2024-01-02T00:00Z,5,2024-01-01T08:00Z", "2024-01-02T00:00Z,6,2024-01-01T20:00Z", "2024-01-03T00:00Z,7,")
    points, refused = read(csv_file(tmp_path, "valid_at,value,made_at", *rows))
    assert points["made_at"].dt.hour.tolist()[:2] == [8, 20]
    assert points["made_at"].isna().tolist() == [False, False, True]
    assert refused == []


def test_a_long_file_holds_several_series(tmp_path: Path) -> None:
    rows = ("2024-01-01T00:00Z,5,load", "2024-01-01T00:00Z,6,price", "2024-01-01T00:00Z,7,wind")
    wanted = {"load": series("es.load"), "price": series("es.price")}
    points, refused = read_file(csv_file(tmp_path, "valid_at,value,series", *rows), wanted)
    assert points["series"].tolist() == ["es.load", "es.price"]
    assert refused[0].reason == "load.csv: series 'wind' is not asked for; use one of es.load, es.price."


def test_a_wide_file_holds_one_column_a_series(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "ts_utc,load_mw,other", "2024-01-01 00:00,5,x", "2024-01-01 01:00,bad,x")
    points, refused = read_file(path, {"load_mw": series()}, "UTC", time_column="ts_utc")
    assert points["value"].tolist() == [5.0]
    assert refused[0].value == "bad"


def test_a_row_with_too_many_cells_is_refused_alone(tmp_path: Path) -> None:
    points, refused = read(csv_file(tmp_path, "valid_at,value", "2024-01-01T00:00Z,5", "2024-01-01T01:00Z,24,5"))
    assert len(points) == 1
    assert refused[0].reason == "load.csv: 3 cells where 2 are named."


def test_parquet_is_judged_by_the_same_rules(tmp_path: Path) -> None:
    path = tmp_path / "load.parquet"
    times = pd.date_range("2024-01-01", periods=3, freq="h", tz=MADRID)
    pd.DataFrame({"valid_at": times, "value": [1.0, None, float("inf")]}).to_parquet(path)
    points, refused = read(path)
    assert points["valid_at"].tolist() == times[:2].tz_convert("UTC").tolist()
    assert points["value"].isna().tolist() == [False, True]
    assert "'inf' is not a number" in refused[0].reason


def test_naive_times_in_parquet_need_a_zone_and_may_be_the_index(tmp_path: Path) -> None:
    path = tmp_path / "load.parquet"
    index = pd.DatetimeIndex(["2024-07-01 02:00"], name="valid_at")
    pd.DataFrame({"value": [1]}, index=index).to_parquet(path)
    with pytest.raises(DataRefused, match="state the time zone"):
        read(path)
    assert read(path, MADRID)[0]["valid_at"].tolist() == [pd.Timestamp("2024-07-01 00:00Z")]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("load.csv", b"", "cannot be read|holds no rows"),
        ("load.csv", b"valid_at,value\n", "holds no rows"),
        ("load.csv", b"valid_at,value\n\xff\xfe,1\n", "cannot be read"),
        ("load.csv", b"value,value\n1,2\n", "two columns have one name"),
        ("load.csv", b"time,mw\n2024-01-01T00:00Z,5\n", "has no column valid_at, value, only time, mw"),
        ("load.parquet", b"PAR1 no", "cannot be read"),
        ("load.xlsx", b"PK", "only .csv and .parquet"),
    ],
)
def test_a_file_that_cannot_be_understood_is_refused_whole(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataRefused, match=words):
        read(path)


def test_a_missing_file_and_an_unknown_zone_are_refused_clearly(tmp_path: Path) -> None:
    with pytest.raises(DataRefused, match=r"gone\.csv cannot be read"):
        read(tmp_path / "gone.csv")
    with pytest.raises(DataRefused, match="'Europe/Madird' is no time zone; use a name like Europe/Madrid"):
        read(csv_file(tmp_path, "valid_at,value", "2024-01-01T00:00,1"), "Europe/Madird")
