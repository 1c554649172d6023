"""Figures and cuts of the Accuracy page: what is missing is visibly missing, zero has no colour of its own."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dashboard import calibrating, exports, measuring
from dashboard.figures import accuracy as charts
from dashboard.figures import bands, palette
from dashboard.panels import heat_map
from pipeline.configuring.markets import load_markets
from pipeline.markets import Target
from pipeline.settings import ROOT


@pytest.fixture(scope="module")
def target() -> Target:
    return load_markets(Path(ROOT / "sextant.toml"), ("demo",))["demo"].targets[0]


def scored(first: str, hours: int) -> pd.DataFrame:
    at = pd.date_range(first, periods=hours, freq="h", tz="UTC").as_unit("us")
    error = np.linspace(-300.0, 300.0, hours)
    return pd.DataFrame(
        {
            "origin": at - pd.Timedelta("1h"), "horizon": 1, "valid_at": at, "p50": 1000 + error, "actual": 1000.0,
            "error": error, "naive": 2 * error, "operator": np.nan, "version_id": "demo.load-v3", "mode": "live",
            "status": "ok", "in_band": 1.0, "in_band90": 1.0, "width": 500.0, "winkler": 500.0,
            "pit": np.linspace(0, 1, hours), "declared": pd.Series(pd.NaT, index=range(hours), dtype=at.dtype),
        }
    )  # fmt: skip


def test_a_missing_hour_is_grey_and_says_so(target: Target) -> None:
    cells = heat_map.cells(scored("2026-11-10", 48).drop(index=[20, 21]), target, "MW")
    figure = charts.heat_map(cells, clocks=heat_map.clocks(cells), palette=palette.LIGHT, unit="MW")
    holes, errors = figure.data
    assert np.nansum(holes.z) == 2
    assert holes.colorscale[0][1] == palette.LIGHT.bar
    assert "Tue 10 Nov 21:00: no score" in holes.customdata.ravel().tolist()
    assert np.isfinite(errors.z).sum() == 46
    assert not (np.isfinite(holes.z) & np.isfinite(errors.z)).any()


def test_the_colours_are_even_around_zero_which_has_the_pages_own(target: Target) -> None:
    rows = scored("2026-11-10", 48)
    cells = heat_map.cells(rows.assign(error=rows["error"] + 200), target, "MW")
    errors = charts.heat_map(cells, clocks=heat_map.clocks(cells), palette=palette.DARK, unit="MW").data[1]
    assert (errors.zmin, errors.zmid) == (-errors.zmax, 0)
    assert [colour for _, colour in errors.colorscale] == [
        palette.DARK.forecast, palette.DARK.paper, palette.DARK.previous,
    ]  # fmt: skip


def test_the_hour_that_a_clock_change_repeats_has_a_row_of_its_own(target: Target) -> None:
    cells = heat_map.cells(scored("2026-10-24 22:00", 25), target, "MW")
    assert heat_map.clocks(cells)[2:4] == ["02:00", "02:00 again"]
    assert cells["day"].eq("2026-10-25").all()
    assert not cells[["day", "clock"]].duplicated().any()
    again = cells.set_index("clock")["said"]
    assert "CEST" in again["02:00"]
    assert "CET<" in again["02:00 again"]


def trend_points() -> pd.DataFrame:
    at = pd.date_range("2026-11-01", periods=3, freq="D")
    return pd.DataFrame(
        {"at": at, "mae": [250.0, 260, 320], "n": 900, "allowed": [np.nan, 300, 300], "n_before": [np.nan, 4000, 4000],
         "naive": 600.0, "operator": np.nan, "n_common": 880}
    )  # fmt: skip


def test_the_trend_shows_threshold_champions_alerts_and_the_own_limit() -> None:
    points = trend_points()
    marks = pd.DataFrame({"at": [points["at"][1]], "label": ["v3"]})
    stretches = pd.DataFrame({"first": [points["at"][1]], "last": [points["at"][2]]})
    figure = charts.trend(points, marks=marks, stretches=stretches, limit=310.0, palette=palette.LIGHT, unit="MW")
    assert [trace.name for trace in figure.data] == ["Naive", "Most allowed", "Sextant, 7 days"]
    assert sorted(shape.type for shape in figure.layout.shapes) == ["line", "line", "rect"]
    assert {note.text for note in figure.layout.annotations} == {"v3", "own limit 310 MW"}
    assert list(figure.data[2].customdata) == ["900"] * 3


def test_an_issuer_that_nobody_knows_is_not_drawn_and_does_not_thin_the_hours() -> None:
    rows = scored("2026-11-10", 48)
    assert measuring.comparators(rows) == ["naive"]
    assert len(measuring.common(rows)) == 48
    found = measuring.by_slice(rows, rows["mode"], ["live"], measuring.Relative("MAPE")).assign(name="live")
    assert found["skill"].iloc[0] == pytest.approx(0.5)
    assert np.isnan(found["skill_operator"].iloc[0])
    for metric, names in {"mae": ["Sextant", "Naive"], "skill": ["Against naive"]}.items():
        figure = charts.by_slice(found, metric, palette=palette.LIGHT)
        assert [trace.name for trace in figure.data] == names


def test_an_actual_of_zero_has_no_percentage_and_a_standstill_no_scale() -> None:
    rows = scored("2026-11-10", 48).assign(actual=[0.0, *[100.0] * 47])
    assert np.isnan(measuring.Relative("MAPE").of(rows)[0])
    assert np.isnan(measuring.Relative("MASE", 0.0).of(rows)).all()
    assert measuring.Relative("MASE", 100.0).of(rows)[0] == pytest.approx(3.0)


def test_a_tenth_in_which_nothing_fell_is_drawn_empty_with_its_band() -> None:
    rows = scored("2026-11-10", 120)
    tenths = calibrating.pit(rows.assign(pit=rows["pit"].where(rows["pit"] > 0.1, 0.55)))
    assert tenths["n"].iloc[0] == 0
    assert (tenths["high"] > 0.1).all()
    figure = bands.pit(tenths, palette=palette.LIGHT)
    assert figure.data[0].y[0] == 0
    assert len(figure.layout.shapes) == 11


def test_of_a_few_days_it_is_not_said_how_sure_shares_are() -> None:
    rows = scored("2026-11-10", 48)
    tenths, points = calibrating.pit(rows), calibrating.reliability(rows)
    assert tenths[["low", "high"]].isna().all(axis=None)
    assert [shape.type for shape in bands.pit(tenths, palette=palette.LIGHT).layout.shapes] == ["line"]
    assert points["sure"].isna().all()
    drawn = bands.reliability(points, palette=palette.LIGHT).data[1]
    assert drawn.customdata[2].tolist() == ["P50", f"{100 * points['observed'][2]:.1f} %", "", "48"]
    known = bands.reliability(calibrating.reliability(scored("2026-11-10", 200)), palette=palette.LIGHT).data[1]
    assert known.customdata[2][2].startswith(" \u00b1 ")


def test_reliability_bars_are_at_least_those_of_independent_hours() -> None:
    points = calibrating.reliability(scored("2026-11-10", 200))
    assert (points["sure"] >= 1.96 * np.sqrt(points["level"] * (1 - points["level"]) / 200) - 1e-12).all()
    assert points["observed"].tolist() == pytest.approx([0.05, 0.1, 0.5, 0.9, 0.95], abs=0.01)


def test_a_version_named_like_a_formula_is_harmless_in_the_export() -> None:
    assert b"'=cmd" in exports.csv(pd.DataFrame({"slice": ["=cmd|calc"], "mae": [-1.5]}))
