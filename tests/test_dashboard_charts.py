"""Frames become figures; nothing is asked or drawn twice."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from dashboard.figures import charts, fan, palette
from dashboard.figures import life as life_charts

NOW = datetime(2026, 11, 20, 10, 20, tzinfo=UTC)


def hours(start: str = "2026-11-20 00:00", n: int = 16, issue: int = 10) -> pd.DataFrame:
    valid_at = pd.date_range(start, periods=n, freq="h", tz="UTC").as_unit("us")
    place = np.arange(n)
    ahead = pd.Series(np.where(place >= issue, place - issue + 1, np.nan))
    known = pd.Series(np.where(place < issue, 100.0, np.nan))
    frame = pd.DataFrame({"valid_at": valid_at, "actual": known, "horizon": ahead, "operator": 101.0, "previous": 99.0})
    frame["hindcast"] = frame["hindcast_p10"] = frame["hindcast_p90"] = known
    for name in ("p10", "p50", "p90"):
        frame[name] = pd.Series(np.where(place >= issue, 100.0, np.nan))
    frame["error"] = known - 98
    frame["in_band"] = [None if place >= issue else place != 3 for place in range(n)]
    return frame


def scores() -> pd.DataFrame:
    rows = [(h, issuer, 100.0 * h) for issuer in ("naive", "operator", "sextant") for h in (1, 2)]
    frame = pd.DataFrame(rows, columns=["horizon", "issuer", "mae"])
    return frame.assign(bias=-3.0, coverage=0.79, n=50, family=frame["issuer"], name="T+1", day="2026-11-20")


def test_the_fan_is_drawn_in_local_time() -> None:
    figure = fan.draw(hours(), palette=palette.LIGHT, zone="Europe/Madrid", now=NOW, unit="MW")
    actual = next(trace for trace in figure.data if trace.name == "Actual")
    assert pd.Timestamp(actual.x[0]) == pd.Timestamp("2026-11-20 01:00")


def test_a_clock_change_never_folds_the_line() -> None:
    rows = hours("2026-10-24 18:00")
    figure = fan.draw(
        rows, palette=palette.LIGHT, zone="Europe/Madrid", now=datetime(2026, 10, 25, 4, tzinfo=UTC), unit="MW"
    )
    actual = next(trace for trace in figure.data if trace.name == "Actual")
    assert (np.diff(pd.DatetimeIndex(actual.x)) == np.timedelta64(1, "h")).all()


def test_an_error_outside_the_band_is_orange() -> None:
    figure = fan.draw(hours(), palette=palette.LIGHT, zone="UTC", now=NOW, unit="MW")
    bars = next(trace for trace in figure.data if trace.type == "bar")
    assert [colour == palette.LIGHT.outside for colour in bars.marker.color[:5]] == [False, False, False, True, False]


def test_a_hole_in_the_band_stays_a_hole() -> None:
    rows = hours()
    rows.loc[12, ["p10", "p90"]] = np.nan
    figure = fan.draw(rows, palette=palette.LIGHT, zone="UTC", now=NOW, unit="MW")
    band = next(trace for trace in figure.data if trace.name == "P10–P90")  # noqa: RUF001
    assert list(band.x).count(None) == 2


def test_a_withheld_issue_draws_no_line_of_its_own() -> None:
    rows = hours().assign(p10=np.nan, p50=np.nan, p90=np.nan)
    figure = fan.draw(rows, palette=palette.LIGHT, zone="UTC", now=NOW, unit="MW")
    assert "Newest issue" not in {trace.name for trace in figure.data}


def test_the_now_line_is_left_out_when_now_is_far_beyond_the_chart() -> None:
    near = fan.draw(hours(), palette=palette.LIGHT, zone="UTC", now=NOW, unit="MW")
    far = fan.draw(hours(), palette=palette.LIGHT, zone="UTC", now=NOW + timedelta(days=2), unit="MW")
    assert [any("now" in (note.text or "") for note in figure.layout.annotations) for figure in (near, far)] == [
        True,
        False,
    ]


@pytest.mark.parametrize("theme", ["light", "dark", None])
def test_every_theme_draws_sextant_first_and_in_its_colour(theme: str | None) -> None:
    colours = palette.of(theme)
    figure = charts.mae_by_horizon(scores(), palette=colours)
    assert [trace.name for trace in figure.data] == ["Sextant", "Naive", "Operator"]
    assert figure.data[0].marker.color == colours.forecast


def test_an_issuer_without_rows_is_no_empty_legend_entry() -> None:
    rows = scores()
    rows = rows[rows["issuer"] != "operator"]
    figure = charts.mae_by_horizon(rows, palette=palette.LIGHT)
    assert "Operator" not in {trace.name for trace in figure.data}


def test_the_champions_family_is_the_bold_line() -> None:
    figure = charts.families(scores(), palette=palette.LIGHT, best="operator")
    assert figure.data[0].name == "operator"
    assert figure.data[0].line.width > figure.data[1].line.width


def reigns() -> pd.DataFrame:
    starts = pd.to_datetime(["2026-11-01", "2026-11-10", "2026-11-15"], utc=True)
    return pd.DataFrame(
        {
            "version_id": ["demo.load-v1", "demo.load-v2", "demo.load-v1"],
            "family": "ridge",
            "kind": ["train", "train", "rollback"],
            "actor": "ada",
            "reason": "v2 drifts",
            "live_from": starts,
            "live_until": [starts[1], starts[2], pd.NaT],
        }
    )


def test_the_timeline_has_a_bar_a_reign_and_marks_who_is_live_now() -> None:
    figure = life_charts.timeline(reigns(), palette=palette.LIGHT, zone="Europe/Madrid", now=NOW)
    bars = [trace for trace in figure.data if trace.mode == "lines"]
    assert [bar.y[0] for bar in bars] == ["v1", "v2", "v1"]
    assert [bar.line.color == palette.LIGHT.forecast for bar in bars] == [False, False, True]
    assert pd.Timestamp(bars[2].x[1]) == pd.Timestamp("2026-11-20 11:20")
    assert [trace.name for trace in figure.data if trace.mode == "markers"] == ["after training", "rolled back to"]


def test_a_preview_without_the_candidates_hours_draws_the_champion_alone() -> None:
    six = pd.DataFrame({"valid_at": pd.date_range(NOW, periods=6, freq="h"), "p50": 1.0, "p10": 0.5, "p90": 1.5})
    rows = six.assign(role="champion", version_id="demo.load-v3")
    alone = life_charts.two_forecasts(rows, palette=palette.DARK, zone="UTC")
    assert [trace.name for trace in alone.data if trace.name] == ["Its P10–P90", "v3, champion"]  # noqa: RUF001
    both = pd.concat([rows, six.assign(role="candidate", version_id="demo.load-v4", p10=np.nan, p90=np.nan)])
    assert "v4, candidate" in {
        trace.name for trace in life_charts.two_forecasts(both, palette=palette.DARK, zone="UTC").data
    }


def test_whiskers_show_the_standard_error_where_it_is_known() -> None:
    known = charts.mae_by_horizon(scores().assign(mae_se=2.0), palette=palette.LIGHT)
    assert list(known.data[0].error_y.array) == [2.0, 2.0]
    assert charts.mae_by_horizon(scores(), palette=palette.LIGHT).data[0].error_y.array is None
