"""drift: silent on a process that only has seasons and memory, loud on a change; what is too short is not judged."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline import drift, features
from pipeline.calendars import local_hour
from pipeline.drift import Signals
from tests.hourly import ZONE, build_at, history, hours

DAYS = 560
END = hours("2022-01-01", DAYS)[-1]
WEEK = np.timedelta64(168, "h")


def _signals(days: int = DAYS, *, seed: int = 0, memory: float = 0.97) -> Signals:
    """Three features with a daily shape, a slow season and a long memory, and a residual."""
    rng, n = np.random.default_rng(seed), days * 24
    hour = np.arange(n)
    noise = rng.normal(0, 1, (n, 4))
    for row in range(1, n):
        noise[row] += memory * noise[row - 1]
    season = 3 * np.sin(2 * np.pi * hour / (364 * 24)) + 5 * np.sin(2 * np.pi * hour / 24)
    return Signals(
        hours=hours("2022-01-01", days),
        local_hour=hour % 24,
        kinds=("feature", "feature", "feature", "residual"),
        subjects=("a", "b", "c", "T+1"),
        values=noise + season[:, None] * np.array([1.0, 1.0, 1.0, 0.0]),
    )


def _changed(signals: Signals, subject: int, change: np.ufunc) -> Signals:
    values = signals.values.copy()
    values[-168:, subject] = change(values[-168:, subject])
    return replace(signals, values=values)


def _drifted(signals: Signals, end: np.datetime64 = END) -> list[str]:
    rows = drift.check(signals, end=end)
    return rows.loc[rows["drifted"], "subject"].tolist()


def test_a_process_with_seasons_and_memory_seldom_alarms() -> None:
    found = [_drifted(signals, END - week * WEEK) for signals in (_signals(), _signals(seed=1)) for week in range(25)]
    assert sum(bool(one) for one in found) <= 1


def test_a_textbook_test_would_alarm_nearly_every_week() -> None:
    signals = _signals()
    rows = [drift.check(signals, end=END - week * WEEK).iloc[0] for week in range(20)]
    critical = [1.63 * np.sqrt(1 / row.n + 1 / row.n_reference) for row in rows]
    assert np.mean([row.ks > limit for row, limit in zip(rows, critical, strict=True)]) > 0.5


@pytest.mark.parametrize(
    "change",
    [lambda x: x + 25, lambda x: x.mean() + 9 * (x - x.mean()), lambda x: np.full_like(x, x[0])],
    ids=["shift", "wilder", "frozen"],
)
@pytest.mark.parametrize("subject", [1, 3], ids=["feature", "residual"])
def test_a_change_is_found_where_it_is(subject: int, change: np.ufunc) -> None:
    signals = _changed(_signals(), subject, change)
    assert _drifted(signals) == [signals.subjects[subject]]


def test_a_single_leap_of_a_residual_is_found() -> None:
    signals = _signals(memory=0.0)
    values = signals.values.copy()
    values[-60, 3] = 30.0
    assert _drifted(replace(signals, values=values)) == ["T+1"]
    assert _drifted(signals) == []


def test_the_week_before_christmas_is_compared_with_that_of_last_year() -> None:
    signals = _signals()
    values = signals.values.copy()
    for year in (0, 1):
        week = slice(len(values) - 168 - year * 364 * 24, len(values) - year * 364 * 24)
        values[week, 0] += 12
    alone = values.copy()
    alone[len(values) - 168 - 364 * 24 : len(values) - 364 * 24, 0] -= 12
    seen, unseen = (drift.check(replace(signals, values=v), end=END).iloc[0] for v in (values, alone))
    assert seen.effect < unseen.effect
    assert seen.p_value > unseen.p_value


def test_a_row_says_what_was_compared() -> None:
    row = drift.check(_signals(), end=END).iloc[0]
    assert (row.kind, row.subject, row.n) == ("feature", "a", 168)
    assert row.n_reference == 28 * 24 + 35 * 24 + 1
    assert row.window_end - row.window_start == np.timedelta64(167, "h")
    assert str(row.window_end) == "2023-07-14 23:00:00+00:00"
    assert 0 < row.ks < 1
    assert row.psi > 0
    assert row.p_adjusted >= row.p_value


def test_a_week_of_unknown_values_is_not_judged() -> None:
    row = drift.check(_changed(_signals(), 0, lambda x: np.full_like(x, np.nan)), end=END).iloc[0]
    assert row.n == 0
    assert np.isnan(row.p_value)
    assert not row.drifted


def test_what_often_is_zero_may_be_zero_for_a_week() -> None:
    signals = _signals()
    values = signals.values.copy()
    values[:, 0] = np.maximum(values[:, 0] - values[:, 0].mean(), 0)
    values[-168:, 0] = 0.0
    signals = replace(signals, values=values)
    assert drift.check(signals, end=END).p_value.iloc[0] > 0
    values[-168:, 0] = 0.5
    assert _drifted(signals) == ["a"]


@pytest.mark.parametrize("days", [20, 60])
def test_a_short_past_judges_nothing(days: int) -> None:
    signals = _signals(days)
    rows = drift.check(signals, end=signals.hours[-1])
    assert len(rows) == 4
    assert rows.p_value.isna().all()
    assert not rows.drifted.any()


def test_what_the_calendar_decides_is_no_signal_and_the_rest_is() -> None:
    source = history("2024-01-01", 60)
    built = build_at(source, hours("2024-02-10", 5))
    signals = drift.feature_signals(built, local_hour(built.batch.origins, zone=ZONE))
    assert {"level", "lag_24", "std_24", "target_lag_168", "last_05_today"} <= set(signals.subjects)
    assert not {"local_hour", "holiday", "annual_sin_1", "origin_monday", "weekday"} & set(signals.subjects)
    assert signals.values.shape == (120, len(signals.subjects))
    assert len(signals.subjects) < 1 + len(features.SHARED_NAMES) + len(features.TARGET_NAMES)


def test_the_adjustment_is_that_of_benjamini_and_hochberg() -> None:
    adjusted = drift._adjusted(np.array([0.01, np.nan, 0.04, 0.03]))
    assert adjusted[[0, 2, 3]].tolist() == pytest.approx([0.03, 0.04, 0.04])
    assert np.isnan(adjusted[1])


def test_what_comes_each_so_many_hours_is_judged_by_as_many_as_there_can_be() -> None:
    signals = _changed(_signals(memory=0.0), 3, lambda x: x + 25)
    values = signals.values.copy()
    values[np.arange(len(values)) % 6 > 0, 3] = np.nan
    seldom = replace(signals, values=values, every=(1, 1, 1, 6))
    assert _drifted(seldom) == ["T+1"]
    assert _drifted(replace(seldom, every=())) == []


def test_after_the_clocks_changed_an_hour_without_a_past_drifts_in_nothing() -> None:
    signals = _signals(400, memory=0.0)
    values = signals.values + 1000.0
    values[np.arange(len(values)) % 24 > 0, 3] = np.nan
    local = signals.local_hour.copy()
    local[-72:] = (local[-72:] + 1) % 24
    row = drift.check(
        replace(signals, values=values, local_hour=local, every=(1, 1, 1, 24)), end=signals.hours[-1]
    ).iloc[3]
    assert row.n == 4
    assert not row.drifted
