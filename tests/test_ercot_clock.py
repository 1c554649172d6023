"""ERCOT's clock: hours ending, flags, both clock changes and stamps without an offset."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from pipeline.sources.base import Window
from pipeline.sources.ercot_clock import around, day_ahead_at, days_of, stamps, starts


def start(day: str, hour: object, repeated: object = False) -> str:
    found = starts(pd.Series([day]), pd.Series([hour], dtype=object), pd.Series([repeated], dtype=object))
    return found.dt.strftime("%dT%H").fillna("never").iloc[0]


@pytest.mark.parametrize(
    ("day", "hour", "repeated", "expected"),
    [
        ("2024-01-10", 1, False, "10T06"),
        ("2024-01-10", "01:00", "N", "10T06"),
        ("01/10/2024", "1:00", "n", "10T06"),
        ("01/10/2024", "0100", "", "10T06"),
        ("2024-01-10", "24:00", False, "11T05"),
        ("2024-07-10", "2400", False, "11T04"),
        ("2024-07-10", 10, True, "10T14"),
        ("2024-11-03", "02:00", False, "03T06"),
        ("2024-11-03", "02:00", True, "03T07"),
        ("11/03/2024", "2:00", "Y", "03T07"),
        ("11/03/2024", "02:00 DST", "N", "03T07"),
        ("11/03/2024", "0200 *", "N", "03T07"),
        ("2024-11-03", 25, False, "never"),
        ("2024-11-03", "02:00:00", "yes", "03T07"),
        ("2024-06-01", 1.0, None, "01T05"),
        ("2024-11-03", 3, False, "03T08"),
        ("2024-03-10", 2, False, "10T07"),
        ("2024-03-10", 3, False, "never"),
        ("2024-03-10", 4, False, "10T08"),
        ("2024-11-04", 25, False, "never"),
    ],
)  # fmt: skip
def test_hours_ending_are_the_hours_that_begin_one_earlier(
    day: str, hour: object, repeated: object, expected: str
) -> None:
    assert start(day, hour, repeated) == expected


def test_a_day_that_counts_an_hour_25_is_left_out_for_its_labels_may_count_the_hours_passed() -> None:
    days, hours = pd.Series(["2024-11-03"] * 3 + ["2024-11-04"]), pd.Series([1, 3, 25, 1])
    found = starts(days, hours, pd.Series([False] * 4))
    assert found.isna().tolist() == [True, True, True, False]


def test_without_a_flag_neither_of_two_equal_hours_counts() -> None:
    hours = pd.Series(["01:00", "02:00", "02:00", "03:00"])
    found = starts(pd.Series(["2024-11-03"] * 4), hours, None)
    assert found.dt.strftime("%H").fillna("").tolist() == ["05", "", "", "08"]


@pytest.mark.parametrize(("day", "hours"), [("2024-11-03", 25), ("2024-03-10", 23), ("2024-06-01", 24)])
def test_every_quarter_of_a_day_comes_once(day: str, hours: int) -> None:
    midnight = pd.Timestamp(day, tz="America/Chicago")
    grid = pd.date_range(midnight, midnight + pd.DateOffset(days=1), freq="15min", inclusive="left").tz_convert("UTC")
    local = grid.tz_convert("America/Chicago")
    second = pd.Series(
        (grid - pd.Timedelta("1h")).tz_convert("America/Chicago").tz_localize(None) == local.tz_localize(None)
    )
    quarters = pd.Series(local.minute // 15 + 1)
    found = starts(pd.Series([day] * len(grid)), pd.Series(local.hour + 1), second, quarters)
    assert found.tolist() == grid.tolist()
    assert len(found) == 4 * hours


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [("hour", 26, "an hour ending '26'"), ("hour", "0", "an hour ending '0'"),
     ("hour", "1:30", "an hour ending '1:30'"), ("flag", "maybe", "a flag 'maybe'"),
     ("quarter", 5, "an interval '5'"), ("day", "2024-13-01", "2024-13-01"),
     ("day", "12/31/9999", "in the year 9999")],
)  # fmt: skip
def test_what_is_no_time_is_named(column: str, value: object, words: str) -> None:
    row = {"day": "2024-01-01", "hour": 1, "flag": False, "quarter": 1} | {column: value}
    day, hour, flag, quarter = (pd.Series([row[name]], dtype=object) for name in row)
    with pytest.raises(ValueError, match=words):
        starts(day, hour, flag, quarter)


def test_a_stamp_in_the_repeated_hour_is_the_later_one_and_one_that_never_was_moves_on() -> None:
    found = stamps(pd.Series(["2024-11-03T00:30:00", "2024-11-03T01:30:00", "2024-03-10T02:30:00"]))
    assert found.dt.strftime("%dT%H:%M").tolist() == ["03T05:30", "03T07:30", "10T08:00"]


def test_a_window_touches_central_days_and_stamps_reach_an_hour_beyond_it() -> None:
    window = Window(datetime(2024, 11, 3, 4, tzinfo=UTC), datetime(2024, 11, 4, 6, tzinfo=UTC))
    assert days_of(window) == ("2024-11-02", "2024-11-03")
    assert around(window.start, window.end) == ("2024-11-02T22:00:00", "2024-11-04T01:00:00")


def test_the_day_before_is_told_by_the_clock() -> None:
    hours = pd.Series(pd.to_datetime(["2024-11-03T05:00Z", "2024-11-04T06:00Z", "2024-03-11T04:00Z"]))
    found = day_ahead_at(hours, timedelta(hours=13, minutes=30))
    assert found.dt.strftime("%dT%H:%M").tolist() == ["02T18:30", "03T19:30", "09T19:30"]
