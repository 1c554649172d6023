"""Figures of the operations show what their rows say, and nothing that is not in them."""

from datetime import timedelta

import pandas as pd
import pytest

from dashboard.figures import completeness
from dashboard.figures import operations as ops_charts
from dashboard.figures.palette import LIGHT
from pipeline.machine import Projection
from tests.dashboards import NOW

ZONE = "Europe/Madrid"
NAMES = {"demo.load": "Demand", "demo.price": "Price"}


def days(verdicts: dict[str, str], share: float = 0.5) -> pd.DataFrame:
    """Rows of one series; a day with a verdict has `share` of its values."""
    return pd.DataFrame([
        {"series": "demo.load", "day": day, "present": 144, "expected": 288, "verdict": verdict,
         "share": 1.0 if verdict in ("ok", "flat") else share, "clock_change": day == "2026-10-25"}
        for day, verdict in verdicts.items()
    ])  # fmt: skip


def test_a_day_is_coloured_by_its_share_and_marked_by_its_flaw() -> None:
    rows = days({"2026-11-18": "ok", "2026-11-19": "gaps", "2026-11-20": "flat"})
    figure = completeness.calendar(rows, names=NAMES, palette=LIGHT)
    assert list(figure.data[0].y) == ["Demand", "Price"]
    assert list(figure.data[0].z[0]) == [100, 50, 100]
    assert pd.isna(figure.data[0].z[1]).all()
    marks = {mark.name: [f"{pd.Timestamp(x):%d}" for x in mark.x] for mark in figure.data[1:-1]}
    assert marks == {"gaps": ["19"], "stuck": ["20"]}


def test_a_run_of_a_second_is_drawn_long_enough_to_be_seen_but_tells_its_time() -> None:
    start = pd.Timestamp(NOW) - timedelta(hours=2)
    runs = pd.DataFrame({
        "job": ["ingest", "train"], "state": ["failed", "running"], "started_at": [start, start],
        "ended_at": [start + timedelta(seconds=1), pd.Timestamp(NOW)], "took_s": [1.0, 7200.0],
    })  # fmt: skip
    span = {"since": NOW - timedelta(hours=24), "until": NOW}
    figure = ops_charts.timeline(runs, palette=LIGHT, zone=ZONE, **span)
    lanes = {trace.name: trace for trace in figure.data}
    assert pd.Timestamp(lanes["failed"].x[1]) - pd.Timestamp(lanes["failed"].x[0]) == timedelta(hours=24) / 350
    assert lanes["failed"].customdata[0][0] == "1.0 s"
    assert f"{pd.Timestamp(lanes['running'].x[0]):%H:%M}" == "09:20"
    assert figure.data[-1].marker.symbol == "triangle-up"


def test_a_projection_goes_on_from_the_last_measurement() -> None:
    rows = pd.DataFrame({"measured_at": pd.to_datetime([NOW - timedelta(days=9), NOW]), "value": [100.0, 118.0]})
    grown = Projection(per_day=2.0, days=9, n=10, days_left=None)
    figure = ops_charts.growth({"warehouse": rows}, palette=LIGHT, zone=ZONE, projected=grown)
    assert list(figure.data[1].y) == [118, 178]
    assert len(ops_charts.growth({"warehouse": rows}, palette=LIGHT, zone=ZONE, projected=None).data) == 1


def test_a_day_without_revisions_has_no_largest_change() -> None:
    rows = pd.DataFrame({
        "day": ["2026-11-19", "2026-11-20"], "hours": [24, 10], "revised": [0, 2], "mean_change": [0.0, 5.0],
        "largest": [0.0, 7.0],
    })  # fmt: skip
    figure = ops_charts.revisions(rows, palette=LIGHT, unit="MW")
    assert pd.isna(figure.data[1].y[0])
    assert figure.data[1].y[1] == pytest.approx(7)


def test_a_cell_tells_its_day_when_it_is_clicked_and_the_chosen_day_is_framed() -> None:
    rows = days({"2026-10-25": "ok", "2026-10-26": "gaps"})
    figure = completeness.calendar(rows, names=NAMES, palette=LIGHT, chosen="2026-10-26")
    told = [list(point) for point in figure.data[-1].customdata]
    assert told == [
        ["2026-10-25", "demo.load", "144 of 288 there", "<br>clock change"],
        ["2026-10-26", "demo.load", "144 of 288 there", "<br>gaps"],
    ]
    (frame,) = figure.layout.shapes
    assert (f"{frame.x0:%d %H}", f"{frame.x1:%d %H}") == ("25 12", "26 12")
    assert [mark.name for mark in figure.data[1:-1]] == ["gaps", "clock change"]


def test_a_run_is_long_against_those_before_it_only_once_enough_are_known() -> None:
    runs = pd.DataFrame({
        "run_id": list("abcd"), "started_at": pd.date_range(NOW, periods=4, freq="h"), "took_s": [9.0, 9.0, 2.0, 9.0],
        "median_s": [None, 2.0, 2.0, 2.0], "p95_s": [None, 3.0, 3.0, 3.0], "n": [0, 2, 3, 4],
    })  # fmt: skip
    assert ops_charts.is_long(runs, 3).tolist() == [False, False, False, True]
    marks = {trace.name: trace for trace in ops_charts.durations(runs, palette=LIGHT, zone=ZONE, limit=3).data}
    assert list(marks["over 3 x the median"].y) == [9]
    assert list(marks["run"].y) == [9, 9, 2]


def test_a_bar_of_an_age_tells_how_many_hours_are_so_old() -> None:
    rows = pd.DataFrame({"words": ["1 hour", "1 day"], "mean_change": [0.0, 2.5], "n": [700, 600], "n_moved": [0, 40]})
    (bar,) = ops_charts.revision_ages(rows, palette=LIGHT, unit="MW").data
    assert (list(bar.text), list(bar.y)) == (["n = 700", "n = 600"], [0, 2.5])
