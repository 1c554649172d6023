"""Frame -> figures of the operations: completeness by day, runs on a time line, what grows. Pure."""

from datetime import datetime, timedelta

import pandas as pd
import plotly.graph_objects as go

from dashboard.figures.charts import dress
from dashboard.figures.palette import Palette
from dashboard.formats import wall
from pipeline.machine import Projection

LANE_PX = 26
AHEAD = timedelta(days=30)
RUN_WORDS = {
    "succeeded": "went well",
    "skipped": "nothing to do",
    "running": "running",
    "cancelled": "cancelled",
    "failed": "failed",
}
VERDICTS = {"gaps": "gaps", "flat": "stuck", "jumps": "jump", "range": "out of range"}


def calendar(days: pd.DataFrame, *, names: dict[str, str], palette: Palette) -> go.Figure:
    """One row a series, one cell a local day coloured by the share that is there; rows as of `page_quality_days`.

    What else was found on a day is a mark in its cell. `names` gives the titles of the series in order.
    """
    shown = days[days["series"].isin(names)]
    share = shown.pivot(index="series", columns="day", values="share").reindex(list(names))
    figure = go.Figure(
        go.Heatmap(
            z=share.to_numpy(float) * 100,
            x=pd.to_datetime(share.columns),
            y=list(names.values()),
            zmin=0,
            zmax=100,
            colorscale=[[0, palette.outside], [0.9, palette.hole], [0.999, palette.hole], [1, palette.whole]],
            showscale=False,
            xgap=2,
            ygap=3,
            hovertemplate="%{y}, %{x|%a %d %b}<br>%{z:.1f} % there<extra></extra>",
        )
    )
    _flaws(figure, shown, names, palette)
    dress(figure, palette, height=96 + 34 * len(names))
    figure.update_yaxes(autorange="reversed", showgrid=False, tickformat=None, type="category", ticks="")
    figure.update_xaxes(tickformat="%d %b", nticks=8, showline=False)
    figure.update_layout(showlegend=True)
    if len(figure.data) == 1:
        figure.update_layout(height=64 + 34 * len(names), margin_t=12)
    return figure


def _flaws(figure: go.Figure, shown: pd.DataFrame, names: dict[str, str], palette: Palette) -> None:
    for verdict, (symbol, colour) in _marks(palette).items():
        part = shown[shown["verdict"] == verdict]
        if len(part):
            figure.add_scatter(
                x=pd.to_datetime(part["day"]),
                y=part["series"].map(names),
                mode="markers",
                name=VERDICTS[verdict],
                marker={"symbol": symbol, "size": 9, "color": colour, "line": {"color": palette.paper, "width": 1.5}},
                customdata=part[["present", "expected"]],
                hovertemplate=f"%{{y}}, %{{x|%a %d %b}}<br>{VERDICTS[verdict]}, "
                "%{customdata[0]:,} of %{customdata[1]:,} there<extra></extra>",
            )


def _marks(palette: Palette) -> dict[str, tuple[str, str]]:
    return {
        "gaps": ("circle-open", palette.text),
        "flat": ("line-ew-open", palette.text),
        "jumps": ("triangle-up", palette.text),
        "range": ("diamond", palette.text),
    }


def timeline(runs: pd.DataFrame, *, palette: Palette, zone: str, since: datetime, until: datetime) -> go.Figure:
    """One lane a job, a bar a run; rows as of `page_timeline`. Runs too short to see are drawn a little longer."""
    figure = go.Figure()
    least = (until - since) / 350
    bars = runs.assign(start=wall(runs["started_at"], zone), end=wall(runs["ended_at"], zone))
    bars["end"] = bars["end"].where(bars["end"] - bars["start"] > least, bars["start"] + least)
    colours = {
        "succeeded": palette.forecast,
        "skipped": palette.bar,
        "running": palette.other,
        "cancelled": palette.operator,
        "failed": palette.outside,
    }
    for state, words in RUN_WORDS.items():
        part = bars[bars["state"] == state]
        if len(part):
            _bars(figure, part, words, colours[state])
    failed = bars[bars["state"] == "failed"]
    if len(failed):
        figure.add_scatter(
            x=failed["start"],
            y=failed["job"],
            mode="markers",
            showlegend=False,
            hoverinfo="skip",
            marker={"symbol": "triangle-up", "size": 11, "color": palette.warning},
        )
    lanes = sorted(set(bars["job"]), reverse=True)
    dress(figure, palette, height=92 + LANE_PX * len(lanes))
    figure.update_yaxes(type="category", categoryorder="array", categoryarray=lanes, tickformat=None)
    span = [wall(pd.Series([pd.Timestamp(one)]), zone).iloc[0] for one in (since, until + 2 * least)]
    figure.update_xaxes(
        range=span, tickformat="%H:%M\n%d %b", nticks=8, tickangle=0, showgrid=True, gridcolor=palette.grid
    )
    return figure


def _bars(figure: go.Figure, part: pd.DataFrame, words: str, colour: str) -> None:
    x, y, said = [], [], []
    for bar in part.itertuples():
        x += [bar.start, bar.end, None]
        y += [bar.job, bar.job, None]
        said += [[f"{bar.took_s:,.1f} s", f"{bar.start:%H:%M:%S}"]] * 3
    figure.add_scatter(
        x=x,
        y=y,
        mode="lines",
        name=words,
        line={"color": colour, "width": 13},
        customdata=said,
        hovertemplate=f"%{{y}} at %{{customdata[1]}}: {words}, %{{customdata[0]}}<extra></extra>",
    )


def growth(
    lines: dict[str, pd.DataFrame],
    *,
    palette: Palette,
    zone: str,
    projected: Projection | None,
    height: int = 220,
) -> go.Figure:
    """One line a name over time (columns measured_at, value); `projected` goes on from the first line, dotted."""
    figure = go.Figure()
    looks = ((palette.forecast, "solid", 3), (palette.previous, "dash", 2), (palette.operator, "dashdot", 2),
             (palette.other, "longdash", 2))  # fmt: skip
    for (name, rows), (colour, dash, width) in zip(lines.items(), looks, strict=False):
        figure.add_scatter(
            x=wall(rows["measured_at"], zone),
            y=rows["value"],
            name=name,
            mode="lines",
            line={"color": colour, "dash": dash, "width": width},
            hovertemplate="%{y:,.1f}<extra>%{fullData.name}</extra>",
        )
    first = next(iter(lines.values()))
    if projected is not None and len(first):
        x = wall(pd.Series([first["measured_at"].iloc[-1], first["measured_at"].iloc[-1] + AHEAD]), zone)
        y = first["value"].iloc[-1] + projected.per_day * pd.Series([0.0, AHEAD / timedelta(days=1)])
        line = {"color": palette.forecast, "dash": "dot", "width": 2}
        figure.add_scatter(x=x, y=y, name="next 30 days", mode="lines", line=line, hoverinfo="skip")
    dress(figure, palette, height=height)
    figure.update_layout(hovermode="x unified")
    figure.update_yaxes(rangemode="tozero", tickformat=",.4~g")
    figure.update_xaxes(tickformat="%d %b", nticks=5)
    return figure


def revisions(days: pd.DataFrame, *, palette: Palette, unit: str, height: int = 220) -> go.Figure:
    """Bars of the mean change of each local day's revised hours, a mark at the largest; rows as of `page_revisions`."""
    figure = go.Figure()
    x = pd.to_datetime(days["day"])
    figure.add_bar(
        x=x,
        y=days["mean_change"],
        name=f"mean change, {unit}",
        marker_color=palette.bar,
        customdata=days[["revised", "hours"]],
        hovertemplate="%{y:,.1f} (%{customdata[0]} of %{customdata[1]} hours)<extra>%{fullData.name}</extra>",
    )
    figure.add_scatter(
        x=x,
        y=days["largest"].where(days["revised"] > 0),
        name=f"largest change, {unit}",
        mode="markers",
        marker={"symbol": "line-ew-open", "size": 13, "color": palette.warning, "line": {"width": 2.5}},
        hovertemplate="%{y:,.1f}<extra>%{fullData.name}</extra>",
    )
    dress(figure, palette, height=height)
    figure.update_layout(hovermode="x unified")
    figure.update_yaxes(rangemode="tozero")
    figure.update_xaxes(tickformat="%d %b")
    return figure
