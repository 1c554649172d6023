"""Figures over a change of clocks: an hour stands on the axis and in the hover as a reader's clock shows it."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from dashboard import formats
from dashboard.figures import clocks, fan, hierarchy, palette, series
from dashboard.figures.series import Line

CHICAGO = "America/Chicago"
AUTUMN = pd.Series(pd.date_range("2024-11-02 18:00", periods=24, freq="h", tz="UTC"))
SPRING = pd.Series(pd.date_range("2024-03-09 21:00", periods=24, freq="h", tz="UTC"))
NOW = datetime(2024, 11, 3, 5, 20, tzinfo=UTC)


def drawn(moments: pd.Series, at: datetime, *, unified: bool = True) -> go.Figure:
    figure = go.Figure(go.Scatter(x=formats.wall(moments, formats.steady(CHICAGO, at)), y=np.arange(len(moments))))
    clocks.tell(figure, moments, palette.LIGHT, zone=CHICAGO, at=at, unified=unified)
    return figure


@pytest.mark.parametrize("moments", [AUTUMN, SPRING])
@pytest.mark.parametrize("end", [0, -1])
def test_each_tick_is_the_hour_a_clock_shows_there(moments: pd.Series, end: int) -> None:
    at = moments.iloc[end].to_pydatetime()
    figure = drawn(moments, at)
    axis = figure.layout.xaxis
    shown = formats.wall(moments, formats.steady(CHICAGO, at)).tolist()
    told = [formats.hour(moments[shown.index(pd.Timestamp(place))], CHICAGO)[:5] for place in axis.tickvals]
    assert [text[:5] for text in axis.ticktext] == told
    assert 4 <= len(told) == len(set(axis.tickvals)) <= clocks.MOST_TICKS


def test_the_hover_names_the_hour_and_the_zone_and_the_change_is_marked() -> None:
    figure = drawn(AUTUMN, NOW)
    hour = figure.data[-1]
    place = AUTUMN.tolist().index(pd.Timestamp("2024-11-03 10:00", tz="UTC"))
    assert hour.customdata[place] == "Sun 03 Nov 04:00 CST"
    assert hour.customdata[place - 4] == "Sun 03 Nov 01:00 CDT"
    assert hour.customdata[place - 3] == "Sun 03 Nov 01:00 CST"
    assert hour.hovertemplate == "%{customdata}<extra></extra>"
    assert "CDT \u2192 CST" in {one.text for one in figure.layout.annotations}


def test_without_a_change_a_figure_stays_as_it_is() -> None:
    figure = drawn(AUTUMN + pd.Timedelta(days=3), NOW)
    assert figure.layout.xaxis.tickvals is None
    assert len(figure.data) == 1


def test_a_long_axis_has_days() -> None:
    said = clocks.ticks(pd.Timestamp("2024-10-20", tz="UTC"), pd.Timestamp("2024-11-20", tz="UTC"), CHICAGO)
    assert {formats.local(one, CHICAGO).hour for one in said} == {0}
    assert next(iter(said.values())) == "20 Oct"
    assert len(said) <= clocks.MOST_TICKS


def test_the_fan_the_parts_and_the_values_of_a_series_tell_true_hours() -> None:
    columns = ("p10", "p50", "p90", "previous", "hindcast", "hindcast_p10", "hindcast_p90", "actual", "error")
    rows = pd.DataFrame({"valid_at": AUTUMN, "horizon": np.nan, "operator": np.nan, "in_band": None})
    rows = rows.assign(**dict.fromkeys(columns, 1.0))
    figure = fan.draw(rows, palette=palette.DARK, zone=CHICAGO, now=NOW, unit="USD/MWh", digits=2)
    assert figure.layout.xaxis2.ticktext is not None
    assert "USD/<br>MWh" in {one.text for one in figure.layout.annotations}
    assert figure.layout.margin.l == fan.ROOM
    parts = rows.assign(difference=1.0, percent=1.0)[["valid_at", "difference", "percent"]]
    bars = hierarchy.differences(parts, parts, palette=palette.DARK, zone=CHICAGO, now=NOW, unit="MW")
    assert bars.layout.xaxis.ticktext is not None
    points = pd.DataFrame({"valid_at": AUTUMN, "value": 1.0})
    line = series.line(
        Line(points, 24, 24, 1.0, 1.0), palette=palette.DARK, zone=CHICAGO, title="A", unit="MW",
        since=AUTUMN.iloc[0], until=AUTUMN.iloc[-1],
    )  # fmt: skip
    assert line.data[0].customdata[-1] == "Sun 03 Nov 11:00 CST"
    assert "%{customdata}" in line.data[0].hovertemplate


def test_a_column_of_hours_has_room_for_the_name_of_the_zone() -> None:
    assert formats.width(["Sun 01:00 CDT", "Sun 02:00"], 82) == 118
    assert formats.width(["Sun 02:00"], 82) == 82
    assert formats.reach(-11.59, -0.7, 2) == "\u221211.59 to \u22120.70"
    assert formats.reach(1.0, 2.0) == "1 \u2013 2"
