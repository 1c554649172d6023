"""calendars: the local clock and back again, day types and holidays."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.calendars import DAY_TYPES, MONDAY, SATURDAY, SUNDAY, Clock, Days, local_hour
from pipeline.errors import ConfigError

MADRID = "Europe/Madrid"


def _ordinal(text: str) -> int:
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


def _day(text: str, country: str = "ES") -> Days:
    return Days.over(_ordinal(text), _ordinal(text), country=country)


def _clock(first: str, last: str, zone: str = MADRID) -> Clock:
    return Clock.over(np.datetime64(first, "h"), np.datetime64(last, "h"), zone=zone)


@settings(deadline=None)
@given(
    st.integers(min_value=0, max_value=24 * 365 * 40),
    st.sampled_from([MADRID, "America/Los_Angeles", "Australia/Melbourne", "UTC", "Etc/GMT-10"]),
)
def test_the_local_clock_is_that_of_the_standard_library(hour: int, zone: str) -> None:
    utc = datetime(1990, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
    local = utc.astimezone(ZoneInfo(zone))
    stamp = np.datetime64(utc.replace(tzinfo=None), "h")
    clock = Clock.over(stamp - 30, stamp + 30, zone=zone)
    found = int(clock.local_of(np.array([stamp]))[0])
    assert (found // 24, found % 24) == ((local.date() - date(1970, 1, 1)).days, local.hour)
    assert local_hour(np.array([[stamp]]), zone=zone).tolist() == [[local.hour]]


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=24 * 365 * 20))
def test_the_way_back_from_the_local_clock_ends_at_an_hour_that_shows_it(hour: int) -> None:
    stamp = np.datetime64("2005-01-01T00", "h") + hour
    clock = Clock.over(stamp - 30, stamp + 30, zone=MADRID)
    local = clock.local_of(np.array([stamp]))
    back = clock.utc_of(local)
    assert clock.local_of(back) == local
    assert stamp - back[0] in (np.timedelta64(0, "h"), np.timedelta64(1, "h"))


def test_the_repeated_hour_of_autumn_is_looked_up_as_its_first() -> None:
    clock = _clock("2024-10-26T00", "2024-10-28T00")
    twice = np.array(["2024-10-27T00", "2024-10-27T01"], dtype="datetime64[h]")
    assert (clock.local_of(twice) % 24).tolist() == [2, 2]
    assert clock.utc_of(clock.local_of(twice)).tolist() == [twice[0].item()] * 2


def test_the_skipped_hour_of_spring_is_the_hour_that_took_its_place() -> None:
    clock = _clock("2024-03-30T00", "2024-04-01T00")
    skipped = _ordinal("2024-03-31") * 24 + 2
    assert clock.utc_of(np.array([skipped]))[0] == np.datetime64("2024-03-31T01")


def test_a_day_of_a_clock_change_has_23_or_25_hours() -> None:
    for first, length in (("2024-03-30T12", 23), ("2024-10-26T12", 25)):
        clock = _clock(first, str(np.datetime64(first, "h") + 48))
        day = np.unique(clock.local // 24)[1]
        assert (clock.local // 24 == day).sum() == length


def test_a_public_holiday_is_a_sunday_whatever_its_weekday() -> None:
    friday = _day("2024-11-01")
    assert friday.holiday[0]
    assert friday.weekday[0] == 4
    assert friday.kind[0] == SUNDAY


def test_eve_and_day_after_surround_a_holiday() -> None:
    days = Days.over(_ordinal("2024-10-31"), _ordinal("2024-11-02"), country="ES")
    assert days.eve.tolist() == [True, False, False]
    assert days.holiday.tolist() == [False, True, False]
    assert days.after.tolist() == [False, False, True]


def test_a_working_day_between_two_days_off_is_a_bridge() -> None:
    assert _day("2022-10-31").bridge[0]
    assert not _day("2022-10-28").bridge[0]
    assert not _day("2022-11-02").bridge[0]


def test_the_christmas_period_runs_from_24_december_to_6_january() -> None:
    days = Days.over(_ordinal("2023-12-23"), _ordinal("2024-01-07"), country="ES")
    assert days.christmas.tolist() == [False] + [True] * 14 + [False]


def test_the_day_of_year_of_a_leap_year_ends_at_365() -> None:
    assert _day("2024-12-31").day_of_year[0] == 365
    assert _day("2023-01-01").day_of_year[0] == 0


def test_weekdays_without_a_holiday_keep_their_own_type() -> None:
    week = Days.over(_ordinal("2024-09-02"), _ordinal("2024-09-08"), country="ES")
    assert [DAY_TYPES[kind] for kind in week.kind] == ["monday", *["midweek"] * 3, "friday", "saturday", "sunday"]
    assert (week.kind[0], week.kind[5]) == (MONDAY, SATURDAY)


def test_a_subdivision_has_its_own_holidays() -> None:
    cup_day = "2014-11-04"
    assert _day(cup_day, "AU-VIC").holiday[0]
    assert not _day(cup_day, "AU").holiday[0]


def test_an_unknown_country_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="'XX'"):
        _day("2024-01-01", "XX")


def test_an_unknown_zone_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="'Europe/Nowhere'"):
        _clock("2024-01-01T00", "2024-01-02T00", "Europe/Nowhere")
