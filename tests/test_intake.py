"""Absurd, early, off-grid and contradictory points are refused with a sentence; good ones of the batch stay."""

from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.configuring.markets import load_markets
from pipeline.intake import sift
from pipeline.markets import Series
from pipeline.planning import cut, merged, windows_of
from pipeline.settings import ROOT
from pipeline.sources.base import Window

NOW = pd.Timestamp("2026-11-20T10:20Z")
SERIES: Series = load_markets(ROOT / "sextant.toml", ("demo",))["demo"].series[0]


def points(*rows: tuple[str, float]) -> pd.DataFrame:
    times, values = zip(*rows, strict=True)
    return pd.DataFrame(
        {
            "series": SERIES.id,
            "valid_at": pd.to_datetime(list(times), utc=True).as_unit("us"),
            "value": list(values),
            "made_at": pd.DatetimeIndex([pd.NaT] * len(rows)).as_unit("us").tz_localize("UTC"),
        }
    )


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (("2026-11-20T09:00Z", 0.0), "0 MW is outside 10,000 to 60,000 MW"),
        (("2026-11-20T09:00Z", 417_669.0), "417,669 MW is outside"),
        (("2026-11-20T09:02Z", 25_000.0), "5-minute grid; check the time zone"),
        (("2026-11-20T11:20Z", 25_000.0), "lies in the future"),
    ],
)
def test_a_bad_point_is_refused_with_one_sentence_and_the_good_one_stays(row: tuple[str, float], words: str) -> None:
    good, refused = sift(points(("2026-11-20T08:55Z", 26_000.0), row), SERIES, now=NOW)
    assert good.value.tolist() == [26_000.0]
    (sentence,) = refused.reason
    assert sentence.startswith("demo.load at 2026-11-20")
    assert words in sentence
    assert sentence.count(".") >= 1


def test_exact_repeats_are_dropped_and_contradictions_keep_the_last_one_stated() -> None:
    frame = points(("2026-11-20T09:00Z", 2e4), ("2026-11-20T09:00Z", 2e4), ("2026-11-20T09:00Z", 2.1e4))
    good, refused = sift(frame, SERIES, now=NOW)
    assert good.value.tolist() == [2.1e4]
    assert "stated more than once" in refused.reason.iloc[0]


def test_an_absurd_repeat_does_not_push_out_the_good_value() -> None:
    good, refused = sift(points(("2026-11-20T09:00Z", 2e4), ("2026-11-20T09:00Z", 0.0)), SERIES, now=NOW)
    assert good.value.tolist() == [2e4]
    assert len(refused) == 1


def test_nulls_are_no_values_and_order_does_not_matter() -> None:
    frame = points(("2026-11-20T09:05Z", 2.1e4), ("2026-11-20T09:00Z", 2e4), ("2026-11-20T09:10Z", float("nan")))
    good, refused = sift(frame, SERIES, now=NOW)
    assert good.value.tolist() == [2e4, 2.1e4]
    assert refused.empty


def test_an_empty_answer_is_fine() -> None:
    good, refused = sift(points(("2026-11-20T09:00Z", 2e4)).iloc[:0], SERIES, now=NOW)
    assert good.empty
    assert refused.empty


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 60)), max_size=12), st.integers(1, 90))
def test_merging_and_cutting_keep_the_time_covered(pairs: list[tuple[int, int]], widest: int) -> None:
    start = pd.Timestamp("2026-03-28T00:00Z").to_pydatetime()
    minute = pd.Timedelta(minutes=1).to_pytimedelta()
    windows = [Window(start + a * minute, start + (a + n) * minute) for a, n in pairs]
    pieces = cut(merged(windows), widest * minute)
    covered = {a + k for a, n in pairs for k in range(n)}
    got = [
        int((piece.start - start) / minute) + k
        for piece in pieces
        for k in range(int((piece.end - piece.start) / minute))
    ]
    assert sorted(got) == sorted(covered)
    assert all(piece.end - piece.start <= widest * minute for piece in pieces)


def test_missing_slots_become_one_window_for_each_unbroken_run() -> None:
    slots = pd.Series(pd.to_datetime(["2026-11-20T00:00Z", "2026-11-20T00:05Z", "2026-11-20T00:15Z"], utc=True))
    windows = windows_of(slots, SERIES.cadence)
    assert [(w.start.minute, w.end.minute) for w in windows] == [(0, 10), (15, 20)]
    assert windows_of(slots.iloc[:0], SERIES.cadence) == []


def test_of_several_issues_of_a_forecast_the_last_word_six_hours_before_counts() -> None:
    series = replace(SERIES, kind="forecast", ahead=pd.Timedelta(hours=12).to_pytimedelta())
    at, later = "2026-11-20T09:00Z", "2026-11-20T12:00Z"
    frame = points((at, 2e4), (at, 2.1e4), (at, 2.2e4), (at, 0.0), (later, 2.3e4), (later, 2.4e4))
    made = ["2026-11-20T00:00Z", "2026-11-20T03:00Z", "2026-11-20T04:00Z", "2026-11-20T02:00Z"]
    made += ["2026-11-20T10:00Z", "2026-11-20T08:00Z"]
    frame = frame.assign(made_at=pd.to_datetime(made, utc=True).as_unit("us"))
    good, refused = sift(frame, series, now=NOW)
    # The absurd one of 02:00 is no word; of an hour that has none that early, the earliest counts.
    assert good[["value", "made_at"]].values.tolist() == [
        [2.1e4, pd.Timestamp(made[1])],
        [2.4e4, pd.Timestamp(made[5])],
    ]
    assert len(refused) == 1
    again = pd.concat([frame, frame.iloc[[1]].assign(value=2.5e4)])
    assert sift(again, series, now=NOW)[0].value.tolist() == [2.5e4, 2.4e4]
    assert len(sift(frame.assign(made_at=points(*[(at, 1.0)] * 6)["made_at"]), series, now=NOW)[1]) == 4
