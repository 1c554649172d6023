"""Checked days -> the map of what is there: one row a series, one cell a local day. Pure."""

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from dashboard.figures.charts import dress
from dashboard.figures.palette import Palette

VERDICTS = {"gaps": "gaps", "flat": "stuck", "jumps": "jump", "range": "out of range"}
CLOCK = "clock change"
MANY_DAYS = 60
ROW_PX = 34


def calendar(days: pd.DataFrame, *, names: Mapping[str, str], palette: Palette, chosen: str | None = None) -> go.Figure:
    """Cells coloured by the share that is there, a mark where more was found; rows as of `page_quality_days`.

    `names` gives the titles of the series in order, `chosen` (a day in ISO 8601) is framed. A click on a cell selects
    a point whose customdata begins with the day and the id of the series.
    """
    shown = days[days["series"].isin(list(names))]
    share = shown.pivot(index="series", columns="day", values="share").reindex(list(names))
    half, dates = pd.Timedelta(hours=12), pd.to_datetime(share.columns)
    figure = go.Figure(
        go.Heatmap(
            z=share.to_numpy(float) * 100,
            x=dates,
            y=list(names.values()),
            zmin=0,
            zmax=100,
            colorscale=[[0, palette.outside], [0.9, palette.hole], [0.999, palette.hole], [1, palette.whole]],
            showscale=False,
            xgap=2 if len(share.columns) <= MANY_DAYS else 0,
            ygap=3,
            hoverinfo="skip",
        )
    )
    _marks(figure, shown, names, palette, small=len(share.columns) > MANY_DAYS)
    _clicks(figure, shown, names)
    dress(figure, palette, height=96 + ROW_PX * len(names))
    figure.update_yaxes(autorange="reversed", showgrid=False, tickformat=None, type="category", ticks="")
    # Marks would make room for themselves at both ends.
    figure.update_xaxes(
        tickformat="%d %b", nticks=6, tickangle=0, showline=False, range=[dates.min() - half, dates.max() + half]
    )
    figure.update_layout(showlegend=True, clickmode="event+select", hoverdistance=12)
    if len(figure.data) == 2:
        figure.update_layout(height=64 + ROW_PX * len(names), margin_t=12, showlegend=False)
    if chosen:
        day = pd.Timestamp(chosen)
        figure.add_vrect(
            x0=day - half, x1=day + half, line={"color": palette.text, "width": 1.5}, fillcolor="rgba(0,0,0,0)"
        )
    return figure


def _marks(figure: go.Figure, shown: pd.DataFrame, names: Mapping[str, str], palette: Palette, *, small: bool) -> None:
    looks = {"gaps": "circle-open", "flat": "line-ew-open", "jumps": "triangle-up", "range": "diamond"}
    parts = {VERDICTS[verdict]: (shown[shown["verdict"] == verdict], look) for verdict, look in looks.items()}
    # One mark a day is enough: the clock changes for every series.
    changed = shown[shown["clock_change"]].drop_duplicates("day").assign(series=next(iter(names)))
    parts[CLOCK] = (changed, "hourglass")
    for words, (part, symbol) in parts.items():
        if len(part):
            figure.add_scatter(
                x=pd.to_datetime(part["day"]),
                y=part["series"].map(names),
                mode="markers",
                name=words,
                marker={
                    "symbol": symbol,
                    "size": 6 if small else 9,
                    "color": palette.text,
                    "line": {"color": palette.paper, "width": 1 if small else 1.5},
                },
                unselected={"marker": {"opacity": 1}},
                hoverinfo="skip",
            )


def _clicks(figure: go.Figure, shown: pd.DataFrame, names: Mapping[str, str]) -> None:
    """A map of colours knows no selection, so a point nobody sees lies on every cell and tells about it."""
    figure.add_scatter(
        x=pd.to_datetime(shown["day"]),
        y=shown["series"].map(names),
        mode="markers",
        showlegend=False,
        marker={"symbol": "square", "size": 26, "opacity": 0},
        unselected={"marker": {"opacity": 0}},
        selected={"marker": {"opacity": 0}},
        customdata=[
            [
                row.day,
                row.series,
                f"{row.present:,} of {row.expected:,} there",
                _said(str(row.verdict), bool(row.clock_change)),
            ]
            for row in shown.itertuples()
        ],
        hovertemplate="%{y}, %{x|%a %d %b}<br>%{customdata[2]}%{customdata[3]}<extra></extra>",
    )


def _said(verdict: str, clock_change: bool) -> str:
    words = [VERDICTS[verdict]] if verdict in VERDICTS else []
    return "".join(f"<br>{one}" for one in [*words, *([CLOCK] if clock_change else [])])
