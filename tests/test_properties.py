"""What holds for any numbers: of metrics, of bands, and of hours around clock changes. The same draws every time."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline import features, intervals, metrics
from pipeline.calendars import Clock, local_hour
from pipeline.intervals import EDGES, LEVELS, NOMINAL
from pipeline.slices import calendar_slices
from pipeline.windows import WINDOW_HOURS, History, Versions, Windows
from tests.hourly import issued

STEADY = settings(derandomize=True, deadline=None, max_examples=40)
FEW = settings(STEADY, max_examples=12)

HOUR = np.timedelta64(1, "h")
ZONES = ("Europe/Madrid", "America/Los_Angeles", "Australia/Melbourne", "Australia/Lord_Howe", "UTC")
CHANGES = [
    *("2023-03-26T01", "2023-10-29T01", "2024-03-31T01", "2024-10-27T01"),
    *("2024-03-10T10", "2024-11-03T09", "2024-04-06T16", "2024-10-05T16"),
]

NUMBERS = st.floats(-1e5, 1e5).map(lambda x: round(x, 3))
PAIRS = st.integers(2, 60).flatmap(lambda n: st.tuples(*[arrays(np.float64, n, elements=NUMBERS)] * 2))
TIMES = st.one_of(
    st.integers(0, 24 * 365 * 15).map(lambda hour: np.datetime64("2015-01-01T00", "h") + hour),
    st.tuples(st.sampled_from(CHANGES), st.integers(-200, 200)).map(lambda p: np.datetime64(p[0], "h") + p[1]),
)


@STEADY
@given(PAIRS, st.floats(0.01, 100))
def test_errors_scale_with_the_unit_and_shares_do_not(pair: tuple[np.ndarray, np.ndarray], unit: float) -> None:
    forecast, actual = pair
    for score in (metrics.mae, metrics.rmse, metrics.bias):
        assert score(unit * forecast, unit * actual) == pytest.approx(unit * score(forecast, actual), abs=1e-6)
    assert metrics.mape(unit * forecast, unit * actual) == pytest.approx(metrics.mape(forecast, actual), nan_ok=True)


@STEADY
@given(PAIRS, NUMBERS)
def test_errors_do_not_depend_on_the_level(pair: tuple[np.ndarray, np.ndarray], level: float) -> None:
    forecast, actual = pair
    for score in (metrics.mae, metrics.rmse, metrics.bias):
        assert score(forecast + level, actual + level) == pytest.approx(score(forecast, actual), abs=1e-6)


@STEADY
@given(PAIRS, st.data())
def test_unknown_pairs_are_as_good_as_absent(pair: tuple[np.ndarray, np.ndarray], data: st.DataObject) -> None:
    forecast, actual = pair
    gone = data.draw(arrays(np.bool_, len(forecast)))
    holes = np.where(gone, np.nan, forecast)
    for score in (metrics.count, metrics.mae, metrics.rmse, metrics.bias, metrics.mape):
        assert score(holes, actual) == pytest.approx(score(forecast[~gone], actual[~gone]), nan_ok=True)


@STEADY
@given(PAIRS, st.sampled_from([0.05, 0.1, 0.5, 0.9, 0.95]))
def test_the_actual_itself_is_the_best_quantile(pair: tuple[np.ndarray, np.ndarray], level: float) -> None:
    forecast, actual = pair
    assert metrics.pinball_loss(actual, actual, level=level) == 0
    assert metrics.pinball_loss(forecast, actual, level=level) >= 0


@STEADY
@given(PAIRS, st.floats(0, 1e5), st.floats(0, 1e5))
def test_a_wider_band_covers_no_less(pair: tuple[np.ndarray, np.ndarray], width: float, more: float) -> None:
    forecast, actual = pair
    narrow = metrics.coverage(forecast - width, forecast + width, actual)
    wide = metrics.coverage(forecast - width - more, forecast + width + more, actual)
    assert 0 <= narrow <= wide <= 1


@STEADY
@given(PAIRS, st.floats(0.01, 100))
def test_a_standard_error_knows_no_level_no_direction_and_the_unit(
    pair: tuple[np.ndarray, np.ndarray], unit: float
) -> None:
    values, _ = pair
    error = metrics.standard_error(values)
    assert error >= 0
    assert metrics.standard_error(values + 5e4) == pytest.approx(error, rel=1e-6, abs=1e-4)
    assert metrics.standard_error(values[::-1]) == pytest.approx(error, rel=1e-6, abs=1e-4)
    assert metrics.standard_error(unit * values) == pytest.approx(unit * error, rel=1e-6, abs=1e-4)


@STEADY
@given(PAIRS)
def test_a_p_value_is_a_probability_and_the_same_from_both_sides(pair: tuple[np.ndarray, np.ndarray]) -> None:
    one, other = (np.abs(values) for values in pair)
    p_value = metrics.diebold_mariano(one, other)
    assert np.isnan(p_value) or 0 <= p_value <= 1
    assert metrics.diebold_mariano(other, one) == pytest.approx(p_value, nan_ok=True)


@STEADY
@given(PAIRS)
def test_skill_is_at_most_one_and_its_error_no_less_than_zero(pair: tuple[np.ndarray, np.ndarray]) -> None:
    loss, reference = (np.abs(values) for values in pair)
    assert metrics.skill(loss.mean(), reference.mean()) <= 1 or reference.mean() == 0
    error = metrics.skill_error(loss, reference)
    assert np.isnan(error) or error >= 0


@STEADY
@given(
    arrays(np.float64, (48, 6), elements=NUMBERS),
    arrays(np.float64, (5, 6), elements=NUMBERS),
    arrays(np.float64, (6, 4), elements=st.floats(0.01, 0.99)),
    st.floats(0.1, 10),
)
def test_quantiles_keep_their_order_whatever_levels_are_aimed_at(
    errors: np.ndarray, point: np.ndarray, levels: np.ndarray, volatility: float
) -> None:
    hours = (np.arange(48)[:, None] + np.arange(6)) % 24
    calibration = intervals.calibrate(errors, hours, levels=levels)
    band = intervals.apply(calibration, point, hours[:5], volatility=volatility)
    assert (np.diff(np.stack([band[name] for name in LEVELS]), axis=0) >= 0).all()
    assert band["p50"].tobytes() == point.tobytes()


@STEADY
@given(arrays(np.float64, (48, 6), elements=NUMBERS), st.permutations(range(48)))
def test_a_calibration_does_not_depend_on_the_order_of_the_errors(errors: np.ndarray, order: list[int]) -> None:
    hours = (np.arange(48)[:, None] + np.arange(6)) % 24
    one, other = intervals.calibrate(errors, hours), intervals.calibrate(errors[order], hours[order])
    np.testing.assert_allclose(one.quantiles, other.quantiles, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(one.scale, other.scale, rtol=1e-9)


@FEW
@given(st.integers(0, 10_000), st.sampled_from(["normal", "laplace", "gumbel", "uniform"]), st.integers(150, 900))
def test_exchangeable_errors_fall_into_the_bands_as_often_as_promised(seed: int, shape: str, n: int) -> None:
    rng = np.random.default_rng(seed)
    fresh = 3000
    errors = getattr(rng, shape)(size=(n + fresh, 6)) * 100
    hours = rng.integers(0, 24, (n + fresh, 6))
    calibration = intervals.calibrate(errors[:n], hours[:n])
    band = intervals.apply(calibration, np.zeros((fresh, 6)), hours[n:])
    # Four standard deviations of the share that a calibration of n errors leaves beyond a quantile.
    for name, level in zip(EDGES, NOMINAL, strict=True):
        if name in ("p05", "p10"):
            share = np.mean(-errors[n:] < band[name])
            assert share <= level + 4 * np.sqrt(level * (1 - level) / n) / np.sqrt(6) + 0.01
        else:
            share = np.mean(-errors[n:] > band[name])
            assert share <= 1 - level + 4 * np.sqrt(level * (1 - level) / n) / np.sqrt(6) + 0.01
    assert metrics.coverage(band["p10"], band["p90"], -errors[n:]) <= 0.8 + 0.25 * np.sqrt(150 / n)


@STEADY
@given(TIMES, st.sampled_from(ZONES))
def test_horizons_are_consecutive_hours_and_the_local_clock_goes_along(origin: np.datetime64, zone: str) -> None:
    ahead = origin + np.arange(7) * HOUR
    local = local_hour(ahead, zone=zone)
    for hour, shown in zip(ahead, local, strict=True):
        utc = datetime.fromisoformat(str(hour) + ":00:00").replace(tzinfo=UTC)
        assert utc.astimezone(ZoneInfo(zone)).hour == shown
    steps = np.diff(local) % 24
    assert set(steps.tolist()) <= {0, 1, 2}
    assert np.sum(steps != 1) <= 1


@STEADY
@given(TIMES, st.sampled_from(ZONES), st.sampled_from([24, 48, 168, 336, 672]))
def test_some_clock_hours_before_is_within_an_hour_of_as_many_hours(
    origin: np.datetime64, zone: str, step: int
) -> None:
    clock = Clock.over(origin - 700 * HOUR, origin + HOUR, zone=zone)
    before = clock.utc_of(clock.local_of(np.array([origin])) - step)
    gap = int((origin - before[0]).astype(np.int64))
    assert abs(gap - step) <= 1
    assert (clock.local_of(before) % 24)[0] in {
        (clock.local_of(np.array([origin])) % 24)[0],
        (clock.local_of(np.array([origin])) % 24)[0] + 1,
    }


@STEADY
@given(TIMES, st.sampled_from(ZONES[:3]))
def test_a_local_day_has_23_24_or_25_hours_and_all_of_them_a_slice(origin: np.datetime64, zone: str) -> None:
    hours = origin + np.arange(5 * 24) * HOUR
    clock = Clock.over(hours[0], hours[-1], zone=zone)
    lengths = np.bincount(clock.local // 24 - clock.local[0] // 24)[1:-1]
    assert set(lengths.tolist()) <= {23, 24, 25}
    slices = calendar_slices(hours, zone=zone, country="ES")
    for prefix in ("hour=", "day="):
        assert (np.sum([mask for name, mask in slices.items() if name.startswith(prefix)], axis=0) == 1).all()
    changes = sum(int(length != 24) for length in lengths)
    assert len(np.unique(clock.local[slices.get("day=clock_change", np.zeros(len(hours), bool))] // 24)) >= changes


@STEADY
@given(TIMES, st.integers(0, 5))
def test_a_window_counts_hours_not_clock_hours(origin: np.datetime64, late: int) -> None:
    valid_at = origin - np.arange(WINDOW_HOURS + 5)[::-1] * HOUR
    value = valid_at.astype(np.int64).astype(np.float64)
    versions = Versions(valid_at, value, issued(valid_at, 70) + np.timedelta64(0, "us"))
    as_of = issued(np.array([origin - late * HOUR]))
    window = Windows.over(versions, origin, origin).known(np.array([origin]), as_of)[0][:, 0]
    assert np.isnan(window[:late]).all()
    assert (window[late:] == float(origin.astype(np.int64)) - np.arange(late, WINDOW_HOURS)).all()


@FEW
@given(TIMES, st.sampled_from(ZONES[:3]))
def test_a_demand_that_follows_the_clock_alone_is_forecast_by_last_week_across_a_change(
    origin: np.datetime64, zone: str
) -> None:
    valid_at = origin + np.arange(-WINDOW_HOURS - 1, 7) * HOUR
    hour = local_hour(valid_at, zone=zone)
    value = 25000 + 4000 * np.sin(2 * np.pi * hour / 24)
    source = History(valid_at, value, issued(valid_at, 70), value, value, value)
    origins = np.array([origin])
    built = features.build(source, origins, issued(origins), zone=zone, country="ES")
    ahead = hour[valid_at > origin]
    # The repeated and the skipped hour, 1 to 3 o'clock, have no like of theirs a week before.
    usual = ~np.isin(ahead, (1, 2, 3)) & (hour[valid_at == origin][0] not in (1, 2, 3))
    truth = features.training_actuals(source, origins, as_of=np.datetime64("2100-01-01", "us")).value[0]
    assert built.batch.local_hour[0].tolist() == ahead.tolist()
    assert built.batch.naive[0][usual] == pytest.approx(truth[usual])
