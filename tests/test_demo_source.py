"""The invented market: deterministic, realistic enough to be hard, and never ahead of its clock."""

import hashlib
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from pipeline.configuring.markets import load_markets
from pipeline.errors import BadRequest
from pipeline.markets import Series
from pipeline.settings import ROOT, Settings
from pipeline.sources import demo
from pipeline.sources.base import Window

NOW = datetime(2026, 11, 20, 10, 20, tzinfo=UTC)
SERIES = {one.id: one for one in load_markets(ROOT / "sextant.toml", ("demo",))["demo"].series}


def points(name: str, start: datetime, end: datetime, now: datetime = NOW) -> pd.DataFrame:
    series: Series = SERIES[f"demo.{name}"]
    return demo.SOURCE.fetch([series], Window(start, end), now=now, settings=Settings.load({}))


def hourly(values: np.ndarray, times: pd.DatetimeIndex) -> pd.Series:
    return pd.Series(values, times).resample("h").mean()


def test_a_value_is_the_same_whenever_and_however_it_is_asked() -> None:
    wide = points("load", NOW - timedelta(days=40), NOW)
    narrow = points("load", NOW - timedelta(days=3), NOW - timedelta(days=2), NOW + timedelta(days=900))
    pd.testing.assert_frame_equal(narrow, wide[wide["valid_at"].isin(narrow["valid_at"])].reset_index(drop=True))


def test_another_process_invents_the_same_market() -> None:
    code = (
        "import hashlib, pandas as pd; from pipeline.sources import demo;"
        "t = pd.date_range('2026-01-01', periods=999, freq='5min', tz='UTC');"
        "print(hashlib.sha256(demo.demand(t).tobytes()).hexdigest())"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    times = pd.date_range("2026-01-01", periods=999, freq="5min", tz="UTC")
    assert run.stdout.strip() == hashlib.sha256(demo.demand(times).tobytes()).hexdigest()


def test_three_years_of_five_minutes_take_about_a_second() -> None:
    times = pd.date_range("2023-11-20", "2026-11-20", freq="5min", tz="UTC")
    begun = time.perf_counter()
    values = demo.demand(times)
    assert time.perf_counter() - begun < 3.0
    assert 15_000 < values.min() < 20_000
    assert 35_000 < values.max() < 42_000
    assert len(np.unique(values)) > 10_000


def test_measured_values_appear_when_their_interval_is_over_and_the_delay_has_passed() -> None:
    load = points("load", NOW - timedelta(hours=1), NOW + timedelta(hours=1))
    assert load["valid_at"].max() == pd.Timestamp("2026-11-20 10:05", tz="UTC")
    assert (load["made_at"] - load["valid_at"] == timedelta(minutes=13)).all()
    later = points("load", NOW - timedelta(hours=1), NOW + timedelta(hours=1), NOW + timedelta(minutes=3))
    assert later["valid_at"].max() == pd.Timestamp("2026-11-20 10:10", tz="UTC")


@pytest.mark.parametrize(("name", "utc"), [("load_forecast", "08:30"), ("price", "12:15")])
def test_a_day_is_published_whole_on_the_day_before_in_local_time(name: str, utc: str) -> None:
    out = pd.Timestamp(f"2026-11-20 {utc}", tz="UTC")
    day = (datetime(2026, 11, 20, 23, tzinfo=UTC), datetime(2026, 11, 21, 23, tzinfo=UTC))
    assert points(name, *day, now=out - timedelta(minutes=1)).empty
    published = points(name, *day, now=out)
    assert len(published) == 24
    assert (published["made_at"] == out).all()


def test_the_temperature_forecast_is_renewed_until_six_hours_before_the_hour() -> None:
    hour = datetime(2026, 11, 20, 18, tzinfo=UTC)
    said = {
        ahead: points("temperature_forecast", hour, hour + timedelta(hours=1), now=hour - timedelta(hours=ahead)).iloc[
            0
        ]
        for ahead in (30, 20, 14, 6, 1, -400)
    }
    assert [said[ahead].made_at for ahead in (30, 20, 14, 6)] == [
        pd.Timestamp(f"2026-11-{made}:00", tz="UTC") for made in ("19 07", "19 19", "20 01", "20 07")
    ]
    assert said[30].value != said[20].value
    assert said[6].tolist() == said[1].tolist() == said[-400].tolist()


def test_the_error_of_the_temperature_forecast_grows_with_its_lead() -> None:
    times = pd.date_range("2025-11-20", "2026-11-20", freq="h", tz="UTC").as_unit("us")
    errors = [
        np.std(
            demo.temperature_forecast(times, (times - pd.Timedelta(hours=lead)).floor("6h")) - demo.temperature(times)
        )
        for lead in (6, 18, 36)
    ]
    assert 0.2 < errors[0] < 0.7 * errors[1] < 0.7 * errors[2] < 2.0


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25)])
def test_clock_change_days_have_23_and_25_different_hours(day: str, hours: int) -> None:
    start = pd.Timestamp(day, tz="Europe/Madrid")
    end = start + pd.DateOffset(days=1)
    found = points("load_forecast", start.to_pydatetime().astimezone(UTC), end.to_pydatetime().astimezone(UTC))
    assert found["valid_at"].nunique() == hours
    assert found["made_at"].nunique() == 1
    five = points("load", start.to_pydatetime().astimezone(UTC), end.to_pydatetime().astimezone(UTC))
    assert len(five) == hours * 12


def test_rest_days_are_lower_and_no_midnight_has_a_cliff() -> None:
    times = pd.date_range("2026-09-07", "2026-12-20", freq="5min", tz="UTC")
    load = pd.Series(demo.demand(times), times.tz_convert("Europe/Madrid"))
    noon = load[load.index.hour == 12]
    assert noon[noon.index.day_of_week == 6].mean() < 0.9 * noon[noon.index.day_of_week < 5].mean()
    holiday = noon[noon.index.strftime("%m-%d") == "10-12"]
    assert holiday.mean() < 0.95 * noon[noon.index.day_of_week == 0].mean()
    steps = load.diff().abs()
    assert steps[steps.index.hour * 60 + steps.index.minute == 0].max() < 500


def test_the_operator_is_good_but_beatable_and_its_errors_persist() -> None:
    times = pd.date_range("2025-11-20", "2026-11-20", freq="5min", tz="UTC", inclusive="left")
    actual = hourly(demo.demand(times), times)
    error = demo.operator_forecast(actual.index) - actual
    assert 0.012 < (error.abs() / actual).mean() < 0.02
    assert abs(error.mean()) < 150
    assert error.autocorr(1) > 0.7
    assert abs(error.autocorr(72)) < 0.3


def test_next_hour_is_neither_trivial_nor_hopeless() -> None:
    times = pd.date_range("2025-11-20", "2026-11-20", freq="5min", tz="UTC", inclusive="left")
    actual = hourly(demo.demand(times), times)
    operator = pd.Series(demo.operator_forecast(actual.index), actual.index)
    for horizon, low, high in ((1, 0.004, 0.008), (6, 0.011, 0.018)):
        guess = actual.shift(horizon) + operator - operator.shift(horizon)
        assert low < ((guess - actual).abs() / actual).mean() < high


def test_temperature_and_price_look_like_spain() -> None:
    times = pd.date_range("2025-11-20", "2026-11-20", freq="h", tz="UTC")
    warm = pd.Series(demo.temperature(times), times)
    assert warm[warm.index.month == 7].mean() > warm[warm.index.month == 1].mean() + 12
    assert -12 < warm.min() < warm.max() < 45
    price = demo.price(times)
    assert -10 < price.min() < price.max() < 250


def test_an_unknown_series_is_refused_with_the_known_ones() -> None:
    odd = SERIES["demo.load"]
    odd = Series(**{**odd.__dict__, "id": "demo.wind", "keys": {"demo": "wind"}})
    with pytest.raises(BadRequest, match=r"demo\.wind: the demo market has no 'wind'; use one of load"):
        demo.SOURCE.fetch([odd], Window(NOW, NOW), now=NOW, settings=Settings.load({}))
