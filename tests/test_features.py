"""features: against a slow independent reading, without leaks, and the same numbers one by one or in bulk."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pipeline import features, windows
from pipeline.calendars import Days
from pipeline.errors import ConfigError
from pipeline.features import Built, History, Versions, build
from pipeline.recipe import analog_days
from tests import slow_features
from tests.hourly import (
    BESIDE,
    COUNTRY,
    FIELDS,
    ZONE,
    bits,
    build_at,
    history,
    hours,
    issued,
    noise_after,
    subset,
    together,
    with_vintages,
)

CLOCK_CHANGES = ("2024-03-31", "2024-10-27")
NEW_YEAR = "2024-01-02"


def _row(built: Built, place: int) -> list[bytes]:
    keep = slice(place, place + 1)
    part = Built(built.batch.rows(keep), *(getattr(built, name)[keep] for name in BESIDE))
    return bits(part)


def _column(built: Built, name: str, horizon: int = 1) -> np.ndarray:
    batch = built.batch
    if name in batch.shared_names:
        return batch.shared[:, batch.shared_names.index(name)]
    return batch.target[:, horizon - 1, batch.target_names.index(name)]


@pytest.mark.parametrize("day", [*CLOCK_CHANGES, NEW_YEAR])
@pytest.mark.parametrize("vintages", [False, True], ids=["clean", "vintages"])
def test_every_feature_is_that_of_the_slow_reading(day: str, vintages: bool) -> None:
    whole = history(str(np.datetime64(day) - 50), 62)
    source = with_vintages(whole) if vintages else whole
    origins = np.datetime64(f"{day}T00", "h") + np.array([-200, -60, -3, -1, 0, 1, 2, 3, 20, 25, 170])
    built = build_at(source, origins)
    for place, origin in enumerate(origins):
        for horizon in (1, 4, 6):
            slow = slow_features.features(source, origin, issued(origins)[place], horizon)
            fast = {name: _column(built, name, horizon)[place] for name in features.names()}
            assert {name: slow.get(name, 0.0) for name in fast} == pytest.approx(fast, rel=1e-9, abs=1e-6)
            assert slow["level"] == pytest.approx(built.batch.level[place])
            assert slow["naive"] == pytest.approx(built.batch.naive[place, horizon - 1])
            assert (slow["stale"], slow["filled"]) == (built.stale_hours[place], built.filled_hours[place])


def test_the_slow_reading_leaves_no_feature_out() -> None:
    source = history("2024-01-01", 40)
    origin = hours("2024-02-08", 1)[0]
    slow = slow_features.features(source, origin, issued(np.array([origin]))[0], 1)
    assert set(features.names()) == set(slow) - {"level", "naive", "stale", "filled"}


@pytest.mark.parametrize("change", CLOCK_CHANGES)
def test_one_row_is_bit_for_bit_the_row_of_a_bulkbuild_at(change: str) -> None:
    source = with_vintages(history(str(np.datetime64(change) - 60), 75))
    origins = hours(str(np.datetime64(change) - 10), 22)
    bulk = build_at(source, origins)
    for place in range(0, len(origins), 13):
        assert bits(build_at(source, origins[place : place + 1])) == _row(bulk, place)


def test_a_row_needs_no_more_than_its_window_of_history() -> None:
    source = with_vintages(history("2023-09-01", 120))
    origin = hours("2023-12-20", 1)[7:8]
    age = origin[0] - source.valid_at
    recent = subset(source, age < np.timedelta64(windows.WINDOW_HOURS, "h"))
    assert len(recent) < len(source) / 2
    assert bits(build_at(recent, origin)) == bits(build_at(source, origin))


def test_chunks_and_the_order_of_origins_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    source = with_vintages(history("2024-01-01", 60))
    origins = hours("2024-02-10", 10)
    whole = build_at(source, origins)
    monkeypatch.setattr(features, "CHUNK", 7)
    assert bits(build_at(source, origins)) == bits(whole)
    assert bits(build_at(source, origins[::-1])) == bits(
        Built(whole.batch.rows(slice(None, None, -1)), *(getattr(whole, name)[::-1] for name in BESIDE))
    )


@pytest.mark.parametrize("step", [0, 1, 5, 29, 80, 300])
def test_noise_in_all_that_was_not_known_changes_no_bit(step: int) -> None:
    source = with_vintages(history("2024-02-20", 60))
    origins = hours("2024-04-01", 1)[:1] + step
    noisy = noise_after(source, origins[0], issued(origins)[0])
    assert (noisy.value != source.value).any()
    assert bits(build_at(noisy, origins)) == bits(build_at(source, origins))


def test_a_value_known_in_time_but_after_the_origin_is_not_used() -> None:
    source = history("2024-01-01", 60)
    origins = hours("2024-02-15", 1)[:1]
    late = issued(origins, 60 * 24)
    on_time = build(source, origins, issued(origins), zone=ZONE, country=COUNTRY)
    assert bits(build(source, origins, late, zone=ZONE, country=COUNTRY)) == bits(on_time)


def test_of_several_versions_the_newest_known_counts() -> None:
    source = history("2024-01-01", 45)
    origins = hours("2024-02-10", 1)[:3]
    hour = subset(source, source.valid_at == origins[0])
    revised = History(hour.valid_at, hour.value + 500, hour.known_at + np.timedelta64(60, "m"), *_tails(hour))
    again = History(hour.valid_at, hour.value + 900, hour.known_at + np.timedelta64(50, "h"), *_tails(hour))
    level = build_at(together(again, revised, source), origins).batch.recent
    assert level[0, -1] == hour.value[0]
    assert level[1, -2] == hour.value[0] + 500
    assert level[2, -3] == hour.value[0] + 500


def _tails(source: History) -> list[np.ndarray]:
    return [getattr(source, name) for name in FIELDS[1:]]


def test_among_versions_known_at_the_same_time_the_later_row_counts() -> None:
    source = history("2024-01-01", 45)
    second = History(source.valid_at, source.value + 1, source.known_at, *_tails(source))
    origins = hours("2024-02-10", 1)[:1]
    assert build_at(together(source, second), origins).batch.level == build_at(second, origins).batch.level


def test_an_hour_taken_back_counts_as_missing() -> None:
    source = history("2024-01-01", 45)
    origins = hours("2024-02-10", 1)[:1]
    hour = subset(source, source.valid_at == origins[0])
    nothing = np.full(1, np.nan)
    gone = History(hour.valid_at, nothing, hour.known_at + np.timedelta64(1, "m"), nothing, nothing, nothing)
    built = build_at(together(source, gone), origins)
    assert built.stale_hours[0] == 1
    assert np.isfinite(built.batch.shared).all()


def test_a_missing_hour_is_last_week_plus_the_current_difference() -> None:
    source = history("2024-01-01", 45)
    origins = hours("2024-02-10", 1)[:1]
    value = dict(zip(source.valid_at.tolist(), source.value, strict=True))
    at = [origins[0] - np.timedelta64(lag, "h") for lag in (168, 1, 169)]
    week, before, week_before = (value[stamp.item()] for stamp in at)
    built = build_at(subset(source, source.valid_at != origins[0]), origins)
    assert built.batch.level[0] == week + (before - week_before)
    assert (built.stale_hours[0], built.filled_hours[0]) == (1, 1)


def test_an_outage_is_counted_from_its_end_and_its_fills() -> None:
    source = history("2024-01-01", 50)
    origins = hours("2024-02-10", 1)
    silent = (source.valid_at >= origins[3]) & (source.valid_at < origins[9])
    built = build_at(subset(source, ~silent), origins)
    assert built.stale_hours[:12].tolist() == [0, 0, 0, 1, 2, 3, 4, 5, 6, 0, 0, 0]
    assert built.filled_hours[:12].tolist() == [0, 0, 0, 1, 2, 3, 4, 5, 6, 6, 6, 6]
    assert np.isfinite(built.batch.target).all()


def test_with_too_little_history_features_are_missing_not_wrong() -> None:
    source = history("2024-01-01", 10)
    built = build_at(source, hours("2024-01-09", 1))
    assert np.isnan(_column(built, "target_mean_4_weeks")).all()
    assert np.isfinite(_column(built, "lag_168")).all()
    assert built.filled_hours.max() == 0


def test_no_history_at_all_gives_rows_without_a_level() -> None:
    built = build_at(subset(history("2024-01-01", 1), np.array([], dtype=int)), hours("2024-01-01", 1)[:2])
    assert np.isnan(built.batch.level).all()
    assert built.stale_hours.tolist() == [windows.WINDOW_HOURS] * 2


def test_yesterday_means_the_same_local_hour_on_the_day_of_a_clock_change() -> None:
    source = history("2024-02-15", 50)
    value = dict(zip(source.valid_at.tolist(), source.value, strict=True))
    noon_summer = np.array(["2024-03-31T09"], dtype="datetime64[h]")
    built = build_at(source, noon_summer)
    noon_before = value[np.datetime64("2024-03-30T11").astype("datetime64[h]").item()]
    assert built.batch.local_hour[0, 0] == 12
    assert _column(built, "target_lag_24")[0] == noon_before - built.batch.level[0]


def test_analog_days_repeat_when_few_and_are_last_week_when_there_are_none() -> None:
    days = Days.over(0, 39, country="ES")
    kinds = np.zeros(40, dtype=np.int64)
    kinds[[30, 38]], kinds[36] = 1, 2
    back = analog_days(replace(days, kind=kinds))
    assert back[39].tolist() == [2, 4, 5]
    assert back[38].tolist() == [8, 8, 8]
    assert back[36].tolist() == [7, 7, 7]


def test_the_tail_of_an_hour_is_relative_to_its_mean_and_zero_when_missing() -> None:
    source = history("2024-01-01", 45)
    origins = hours("2024-02-10", 1)[:1]
    here = source.valid_at == origins[0]
    assert _column(build_at(source, origins), "last_05_today")[0] == (source.last_05 - source.value)[here][0]
    assert _column(build_at(subset(source, ~here), origins), "last_05_today")[0] == 0.0


def test_features_do_not_change_when_the_level_of_all_history_moves() -> None:
    source = history("2024-01-01", 60)
    moved = History(source.valid_at, source.value + 4096, source.known_at, *(tail + 4096 for tail in _tails(source)))
    origins = hours("2024-02-10", 3)
    assert build_at(moved, origins).batch.shared == pytest.approx(build_at(source, origins).batch.shared, abs=1e-6)
    assert build_at(moved, origins).batch.target == pytest.approx(build_at(source, origins).batch.target, abs=1e-6)


def test_the_operators_forecast_is_the_one_known_at_issue_and_no_feature() -> None:
    source, origins = history("2024-01-01", 45), hours("2024-02-10", 1)[:2]
    ahead = origins[0] + np.arange(1, 6)
    early = Versions(ahead, np.full(5, 1.0), issued(ahead, -600))
    late = Versions(ahead[:1], np.full(1, 2.0), issued(origins[1:]))
    both = Versions(*(np.concatenate([getattr(early, n), getattr(late, n)]) for n in ("valid_at", "value", "known_at")))
    built = build_at(source, origins, operator=both)
    assert np.array_equal(built.operator[0], [1, 1, 1, 1, 1, np.nan], equal_nan=True)
    assert np.array_equal(built.operator[1], [1, 1, 1, 1, np.nan, np.nan], equal_nan=True)
    assert bits(built) == bits(build_at(source, origins))
    now = build(source, origins[:1], issued(origins[1:]), zone=ZONE, country=COUNTRY, operator=both)
    assert now.operator[0, 0] == 2.0


def test_training_actuals_are_of_versions_known_by_then() -> None:
    source, origins = with_vintages(history("2024-01-01", 45)), hours("2024-02-05", 5)
    as_of = issued(origins)[60]
    actual = features.training_actuals(source, origins, as_of=as_of)
    for place in (0, 30, 58, 60):
        for horizon in (1, 6):
            at = slow_features.moment(origins[place] + np.timedelta64(horizon, "h"))
            known = slow_features.known_versions(source, at, slow_features.moment(as_of))
            assert np.array_equal(actual.value[place, horizon - 1], known.get(at, (np.nan,))[0], equal_nan=True)
    assert np.isnan(actual.value[60]).all()
    known = ~np.isnat(actual.known_at)
    assert (actual.known_at[known] <= as_of).all()
    assert (known == ~np.isnan(actual.value)).all()


def test_an_actual_taken_back_is_unknown() -> None:
    source, origins = history("2024-01-01", 3), hours("2024-01-02", 1)[:1]
    hour = subset(source, source.valid_at == origins[0] + np.timedelta64(1, "h"))
    nothing = np.full(1, np.nan)
    gone = History(hour.valid_at, nothing, hour.known_at + np.timedelta64(1, "m"), nothing, nothing, nothing)
    actual = features.training_actuals(together(source, gone), origins, as_of=np.datetime64("2025-01-01"))
    assert np.isnan(actual.value[0]).tolist() == [True] + [False] * 5
    assert np.isnat(actual.known_at[0]).tolist() == [True] + [False] * 5


def test_training_actuals_take_a_moment_per_origin() -> None:
    source, origins = history("2024-01-01", 45), hours("2024-02-05", 1)
    after = features.training_actuals(source, origins, as_of=issued(origins) + np.timedelta64(3, "h"))
    assert np.isfinite(after.value[:, :3]).all()
    assert np.isnan(after.value[:, 3:]).all()


def test_history_is_read_from_the_columns_of_the_table() -> None:
    frame = pd.DataFrame(
        {
            "valid_at": pd.to_datetime(["2024-03-01T10:00:00+01:00"], utc=True),
            "known_at": pd.to_datetime(["2024-03-01T10:12:13.5+00:00"], utc=True),
            **{key: [1.0] for key in FIELDS},
        }
    )
    read = History.of(frame)
    assert read.valid_at.tolist() == [np.datetime64("2024-03-01T09", "h").item()]
    assert read.known_at[0] == np.datetime64("2024-03-01T10:12:13.500000", "us")
    assert len(read) == 1


@pytest.mark.parametrize(("zone", "country"), [("Europe/Nowhere", "ES"), ("Europe/Madrid", "XX")])
def test_an_unknown_zone_or_country_is_refused(zone: str, country: str) -> None:
    with pytest.raises(ConfigError):
        build(
            history("2024-01-01", 2), hours("2024-01-01", 1), issued(hours("2024-01-01", 1)), zone=zone, country=country
        )
