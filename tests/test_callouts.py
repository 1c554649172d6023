"""What is said about six hours beside the last thirty days: peak, trough, steepest ramp and its rank, wide bands."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from dashboard.panels import callouts
from dashboard.panels.callouts import Wide

ZONE = "Europe/Madrid"
FIRST = datetime(2026, 11, 20, 10, tzinfo=UTC)
VALUES = (30000.0, 31000.0, 30800.0, 30500.0, 29000.0, 29500.0)


def issue(values: tuple[float | None, ...] = VALUES) -> pd.DataFrame:
    at = pd.date_range(FIRST, periods=6, freq="h")
    p50 = pd.Series(values, dtype=float)
    return pd.DataFrame({"valid_at": at, "horizon": range(1, 7), "p50": p50, "p10": p50 - 100, "p90": p50 + 200})


def actuals(days: int, step: float, newest: float = 29900.0) -> pd.DataFrame:
    """Hours of `days` up to the one before FIRST; on the nth day every ramp is n times `step`."""
    at = pd.date_range(FIRST - timedelta(hours=24 * days), FIRST - timedelta(hours=1), freq="h")
    ramp = [step * (1 + place // 24) for place in range(len(at))]
    rows = pd.DataFrame({"valid_at": at, "hour": at.tz_convert(ZONE).hour, "value": 30000.0, "ramp": ramp})
    rows.loc[len(rows) - 1, "value"] = newest
    return rows


def widths(**of: object) -> pd.DataFrame:
    row = {"horizon": 3, "valid_at": FIRST, "width": 900.0, "n": 700, "usual": 600.0, "narrower": 0.97} | of
    return pd.DataFrame([row])


def test_peak_and_trough_have_their_hour_and_band() -> None:
    found = callouts.find(issue(), actuals(30, 10), widths(), ZONE)
    assert found.peak is not None
    assert found.trough is not None
    assert (found.peak.at, found.peak.value, found.peak.low, found.peak.high) == (
        FIRST + timedelta(hours=1), 31000, 30900, 31200,
    )  # fmt: skip
    assert (found.trough.at, found.trough.value) == (FIRST + timedelta(hours=4), 29000)


def test_the_steepest_ramp_is_ranked_among_actual_ramps_to_that_hour_of_day() -> None:
    ramp = callouts.steepest(issue(), actuals(30, 100), ZONE)
    assert ramp is not None
    assert (ramp.at, ramp.change, ramp.measured) == (FIRST + timedelta(hours=4), -1500.0, False)
    # 100, 200 ... 3,000 MW: fourteen of thirty are smaller than 1,500.
    assert (ramp.share, ramp.n) == (pytest.approx(14 / 30), 30)


def test_the_step_from_the_newest_actual_to_the_first_hour_counts() -> None:
    ramp = callouts.steepest(issue(), actuals(30, 10, newest=27000.0), ZONE)
    assert ramp is not None
    assert (ramp.at, ramp.change, ramp.measured, ramp.share) == (FIRST, 3000.0, True, 1.0)


def test_an_actual_of_an_earlier_hour_starts_no_ramp() -> None:
    ramp = callouts.steepest(issue(), actuals(30, 10, newest=27000.0).iloc[:-1], ZONE)
    assert ramp is not None
    assert ramp.at == FIRST + timedelta(hours=4)


def test_a_withheld_hour_breaks_the_chain() -> None:
    values = (30000.0, None, 20000.0, 20100.0, 20200.0, 20300.0)
    ramp = callouts.steepest(issue(values).dropna(), actuals(30, 10, newest=29990.0), ZONE)
    assert ramp is not None
    assert ramp.change == 100.0


def test_too_few_days_give_no_rank() -> None:
    ramp = callouts.steepest(issue(), actuals(5, 10), ZONE)
    assert ramp is not None
    assert (ramp.share, ramp.n) == (None, 5)


def test_the_hour_of_day_is_local_across_a_clock_change() -> None:
    change = datetime(2026, 10, 25, 1, tzinfo=UTC)
    shown = issue().assign(valid_at=pd.date_range(change, periods=6, freq="h"))
    past = actuals(30, 1).assign(valid_at=lambda rows: rows["valid_at"] - (FIRST - change))
    past["hour"] = past["valid_at"].dt.tz_convert(ZONE).dt.hour
    ramp = callouts.steepest(shown, past, ZONE)
    assert ramp is not None
    # 06:00 CET is 05:00 UTC now and was 04:00 UTC before the change; both are thirty days of the hour 06.
    assert (ramp.at.hour, ramp.n) == (5, 30)


def test_a_wide_band_is_said_and_a_usual_one_is_not() -> None:
    assert callouts.unusual(widths()) == (Wide(FIRST, 900.0, 600.0, 0.97, 700),)
    assert callouts.unusual(widths(narrower=0.94)) == ()
    assert callouts.unusual(widths(width=610.0)) == ()
    assert callouts.unusual(widths(n=4)) == ()


def test_nothing_is_said_of_a_withheld_or_flat_forecast() -> None:
    withheld = callouts.find(issue((None,) * 6), actuals(30, 10), widths(), ZONE)
    assert (withheld.peak, withheld.trough, withheld.ramp, withheld.wide) == (None, None, None, ())
    flat = callouts.find(issue((30000.0,) * 6), actuals(30, 10, newest=30000.0), widths(n=1), ZONE)
    assert (flat.peak, flat.trough) == (None, None)
