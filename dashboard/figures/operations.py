"""Frame -> figures of the operations: runs on a time line, what they take, what grows, what is revised. Pure."""

from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dashboard.figures import clocks
from dashboard.figures.charts import dress
from dashboard.figures.palette import Palette
from dashboard.figures.series import ticks
from dashboard.formats import steady, wall
from pipeline.machine import Projection

LANE_PX = 26
AHEAD = timedelta(days=30)
# A thinner bar where colour alone does not tell it from the others to every eye.
WIDTHS = {"skipped": 4, "cancelled": 8}
RUN_WORDS = {
    "succeeded": "went well",
    "skipped": "nothing to do",
    "running": "running",
    "cancelled": "cancelled",
    "failed": "failed",
}


def timeline(runs: pd.DataFrame, *, palette: Palette, zone: str, since: datetime, until: datetime) -> go.Figure:
    """One lane a job, a bar a run; rows as of `page_timeline`. Runs too short to see are drawn a little longer."""
    figure = go.Figure()
    least = (until - since) / 350
    clock = steady(zone, until)
    bars = runs.assign(start=wall(runs["started_at"], clock), end=wall(runs["ended_at"], clock))
    bars["told"] = wall(runs["started_at"], zone)
    bars["end"] = bars["end"].where(bars["end"] - bars["start"] > least, bars["start"] + least)
    colours = {
        "succeeded": palette.forecast,
        "skipped": palette.bar,
        "running": palette.actual,
        "cancelled": palette.operator,
        "failed": palette.outside,
    }
    for state, words in RUN_WORDS.items():
        part = bars[bars["state"] == state]
        if len(part):
            _bars(figure, part, words, {"color": colours[state], "width": WIDTHS.get(state, 13)})
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
    span = [wall(pd.Series([pd.Timestamp(one)]), clock).iloc[0] for one in (since, until + 2 * least)]
    figure.update_xaxes(
        range=span, tickformat="%H:%M\n%d %b", nticks=8, tickangle=0, showgrid=True, gridcolor=palette.grid
    )
    clocks.tell(figure, pd.Series([since, until]), palette, zone=zone, at=until, unified=False)
    return figure


def _bars(figure: go.Figure, part: pd.DataFrame, words: str, line: dict[str, Any]) -> None:
    x, y, said = [], [], []
    for bar in part.itertuples():
        x += [bar.start, bar.end, None]
        y += [bar.job, bar.job, None]
        said += [[f"{bar.took_s:,.1f} s", f"{bar.told:%H:%M:%S}"]] * 3
    figure.add_scatter(
        x=x,
        y=y,
        mode="lines",
        name=words,
        line=line,
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


def revisions(days: pd.DataFrame, *, palette: Palette, unit: str, height: int = 220, digits: int = 0) -> go.Figure:
    """Bars of the mean change of each local day's revised hours, a mark at the largest; rows as of `page_revisions`."""
    figure = go.Figure()
    x = pd.to_datetime(days["day"])
    figure.add_bar(
        x=x,
        y=days["mean_change"],
        name=f"mean change, {unit}",
        marker_color=palette.bar,
        customdata=days[["revised", "hours"]],
        hovertemplate=f"%{{y:,.{max(1, digits)}f}} "
        "(%{customdata[0]} of %{customdata[1]} hours)<extra>%{fullData.name}</extra>",
    )
    figure.add_scatter(
        x=x,
        y=days["largest"].where(days["revised"] > 0),
        name=f"largest change, {unit}",
        mode="markers",
        marker={"symbol": "line-ew-open", "size": 13, "color": palette.warning, "line": {"width": 2.5}},
        hovertemplate=f"%{{y:,.{max(1, digits)}f}}<extra>%{{fullData.name}}</extra>",
    )
    dress(figure, palette, height=height, digits=digits)
    figure.update_layout(hovermode="x unified")
    figure.update_yaxes(rangemode="tozero")
    figure.update_xaxes(tickformat="%d %b")
    return figure


def durations(runs: pd.DataFrame, *, palette: Palette, zone: str, limit: float, height: int = 240) -> go.Figure:
    """One point a run, beside the median and the 95th percentile of the 30 before it; rows as of `page_durations`.

    A run that took more than `limit` times that median is marked.
    """
    figure = go.Figure()
    x = wall(runs["started_at"], zone)
    long = is_long(runs, limit)
    for name, column, dash in (
        ("95 % of the 30 before", "p95_s", "dot"),
        ("median of the 30 before", "median_s", "solid"),
    ):
        line = {"color": palette.muted, "dash": dash, "width": 1.8, "shape": "hv"}
        figure.add_scatter(x=x, y=runs[column], name=name, mode="lines", line=line, hoverinfo="skip")
    marks = (
        ("run", ~long, palette.forecast, "circle", 6),
        (f"over {limit:g} x the median", long, palette.warning, "triangle-up", 12),
    )
    for name, which, colour, symbol, size in marks:
        part = runs[which]
        if len(part):
            figure.add_scatter(
                x=x[which],
                y=part["took_s"],
                name=name,
                mode="markers",
                marker={"color": colour, "symbol": symbol, "size": size},
                customdata=part[["run_id"]],
                hovertemplate="%{x|%a %d %b %H:%M}: %{y:,.1f} s<br>run %{customdata[0]}<extra></extra>",
            )
    dress(figure, palette, height=height)
    figure.update_yaxes(rangemode="tozero", tickformat=",.4~g")
    figure.update_xaxes(nticks=6, tickangle=0, tickformat=ticks(x.iloc[-1] - x.iloc[0]))
    return figure


def is_long(runs: pd.DataFrame, limit: float, least: int = 3) -> pd.Series:
    """Which runs took more than `limit` times the median of those before them, where `least` of these are known."""
    found: pd.Series = (runs["took_s"] > limit * runs["median_s"]) & (runs["n"] >= least)
    return found


def revision_ages(rows: pd.DataFrame, *, palette: Palette, unit: str, height: int = 220) -> go.Figure:
    """Bars of how far hours had moved at each age, with how many are so old; columns words, mean_change, n, n_moved."""
    figure = go.Figure()
    figure.add_bar(
        x=rows["words"],
        y=rows["mean_change"],
        marker_color=palette.forecast,
        width=0.5,
        text=[f"n = {n:,}" for n in rows["n"]],
        textposition="outside",
        customdata=rows[["n_moved", "n"]],
        hovertemplate=f"%{{y:,.2f}} {unit}<br>%{{customdata[0]:,}} of %{{customdata[1]:,}} hours moved<extra></extra>",
        cliponaxis=False,
    )
    dress(figure, palette, height=height)
    figure.update_layout(margin_t=24)
    figure.update_yaxes(rangemode="tozero", tickformat=",.3~g")
    return figure
