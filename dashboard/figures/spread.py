"""Frames about a spread -> its figures: which side of zero, both prices, what a position earned, bins. Pure."""

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard import formats
from dashboard.figures import beyond, clocks
from dashboard.figures.charts import dress, hover, ticks
from dashboard.figures.palette import Palette

DIGITS = 2


def sides(figure: go.Figure, hours: pd.DataFrame, words: tuple[str, str], palette: Palette) -> go.Figure:
    """The fan chart `figure` with a line at zero, what above and below it means, and the newest issue marked by its
    sign: triangles point up above zero and down below, each in its colour."""
    figure.update_yaxes(zeroline=True, zerolinecolor=palette.muted, zerolinewidth=1.5, row=1, col=1)
    for trace in figure.data:
        if trace.name == "Newest issue":
            up = ~(hours["p50"] < 0)
            trace.marker.symbol = ["triangle-up" if one else "triangle-down" for one in up]
            trace.marker.color = [palette.forecast if one else palette.previous for one in up]
            trace.marker.size = 12
    for text, y, anchor in ((f"\u25b2 {words[0]}", 1.0, "top"), (f"\u25bc {words[1]}", 0.0, "bottom")):
        figure.add_annotation(
            text=text, xref="x domain", yref="y domain", x=0.005, y=y, xanchor="left", yanchor=anchor, showarrow=False,
            font={"size": 11, "color": palette.muted}, bgcolor=palette.paper, opacity=0.85,
        )  # fmt: skip
    return figure


def legs(
    hours: pd.DataFrame,
    names: tuple[str, str],
    *,
    palette: Palette,
    zone: str,
    now: datetime,
    height: int = 230,
    near: bool = False,
) -> go.Figure:
    """Both prices by hour, as steps; hours as from query `page_legs`, at the offset of `now`. `near`: spikes of what
    was measured are beyond the axis."""
    figure = go.Figure()
    clock = formats.steady(zone, now)
    x = formats.wall(hours["valid_at"], clock)
    looks = (("minuend", names[0], palette.previous, "dash", 2.0), ("series", names[1], palette.actual, "solid", 2.4))
    for column, name, colour, dash, width in looks:
        if hours[column].notna().any():
            figure.add_scatter(
                x=x, y=hours[column], name=name, mode="lines", hovertemplate=hover(DIGITS),
                line={"color": colour, "dash": dash, "width": width, "shape": "hv"},
            )  # fmt: skip
    at = formats.wall(pd.Series([pd.Timestamp(now)]), clock).iloc[0]
    figure.add_vline(x=at, line={"color": palette.muted, "width": 1})
    dress(figure, palette, height=height, digits=DIGITS)
    figure.update_layout(hovermode="x unified")
    figure.update_yaxes(zeroline=True, zerolinecolor=palette.muted)
    figure.update_xaxes(tickformat="%H:%M\n%a %d %b", range=[x.iloc[0] - timedelta(minutes=30), x.iloc[-1]])
    clocks.tell(figure, hours["valid_at"], palette, zone=zone, at=now)
    first, second = hours["minuend"], hours["series"]
    ends = beyond.span([first, second], [first[hours["valid_at"] > now]]) if near else None
    if ends is not None:
        further = second.where(second.abs() >= first.abs(), first).fillna(first)
        beyond.write(figure, x, further, ends, palette=palette, digits=DIGITS)
    return figure


def earned(rows: pd.DataFrame, *, palette: Palette, zone: str, currency: str, height: int = 330) -> go.Figure:
    """What one megawatt earned since the beginning, with its band, beside the baselines; rows as from
    panels.spread.earnings."""
    figure = go.Figure()
    x = formats.wall(rows["valid_at"], zone)
    band = rows.dropna(subset=["low", "high"])
    if len(band):
        edge = formats.wall(band["valid_at"], zone)
        figure.add_scatter(
            x=[*edge, *edge[::-1]], y=[*band["high"], *band["low"][::-1]], fill="toself", fillcolor=palette.band,
            mode="lines", line={"width": 0}, name="95 %", hoverinfo="skip",
        )  # fmt: skip
    template = f"%{{y:+,.0f}} {currency}<extra>%{{fullData.name}}</extra>"
    lines: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("long", "Always above zero", {"color": palette.previous, "width": 1.8, "dash": "dash"}),
        ("naive", "As naive says", {"color": palette.operator, "width": 1.8, "dash": "dashdot"}),
        ("earned", "As forecast", {"color": palette.forecast, "width": 2.8}),
        ("side", "Last hour's side", {"color": palette.other, "width": 2.2, "dash": "dot"}),
    )
    for column, name, line in lines:
        if column in rows and rows[column].notna().any():
            figure.add_scatter(x=x, y=rows[column], name=name, mode="lines", line=line, hovertemplate=template)
    dress(figure, palette, height=height)
    figure.update_layout(hovermode="x unified")
    figure.update_yaxes(zeroline=True, zerolinecolor=palette.text, zerolinewidth=1.5, tickformat=",.0f")
    figure.update_xaxes(type="date", tickformat="%d %b")
    return figure


def by_hour(rows: pd.DataFrame, *, palette: Palette, height: int = 300) -> go.Figure:
    """The share of hours whose direction was right, by local hour of day, with what holds it with 95 %, beside that of
    the side of the last known hour; rows as from panels.spread.hit_rates."""
    figure = go.Figure()
    if "side_hit_rate" in rows and rows["side_hit_rate"].notna().any():
        figure.add_scatter(
            x=rows["slice"], y=rows["side_hit_rate"], mode="markers", name="Last hour's side",
            marker={"color": palette.naive, "symbol": "diamond-open", "size": 9},
            customdata=np.column_stack([[formats.percent(one) for one in rows["side_hit_rate"]],
                                        [formats.number(n) for n in rows["n_side_hit_rate"]]]),
            hovertemplate="%{x}:00: %{customdata[0]} (n = %{customdata[1]})<extra>Last hour's side</extra>",
        )  # fmt: skip
    said = [formats.percent(one) for one in rows["hit_rate"]]
    figure.add_scatter(
        x=rows["slice"], y=rows["hit_rate"], mode="markers", name="Direction right",
        marker={"color": palette.forecast, "size": 9},
        error_y={
            "type": "data", "symmetric": False, "array": rows["high"] - rows["hit_rate"],
            "arrayminus": rows["hit_rate"] - rows["low"], "color": palette.muted, "thickness": 1.5, "width": 4,
        },
        customdata=np.column_stack([said, [formats.number(n) for n in rows["n_hit_rate"]]]),
        hovertemplate="%{x}:00: %{customdata[0]} (n = %{customdata[1]})<extra></extra>",
    )  # fmt: skip
    dress(figure, palette, height=height)
    figure.update_yaxes(tickformat=".0%")
    figure.update_xaxes(type="category", nticks=8, tickangle=0)
    return figure


def bins(rows: pd.DataFrame, *, palette: Palette, unit: str, height: int = 300) -> go.Figure:
    """Mean and median of the actuals by tenth of the forecasts; rows as from panels.spread.tenths."""
    figure = go.Figure()
    ends = [float(rows["forecast"].min()), float(rows["forecast"].max())]
    figure.add_scatter(
        x=ends, y=ends, mode="lines", name="Right", hoverinfo="skip",
        line={"color": palette.previous, "dash": "dash", "width": 2},
    )  # fmt: skip
    counts = [formats.number(n) for n in rows["n"]]
    template = f"forecast %{{x:,.2f}}: %{{y:,.2f}} {unit} (n = %{{customdata}})<extra>%{{fullData.name}}</extra>"
    figure.add_scatter(
        x=rows["forecast"], y=rows["median"], mode="markers", name="Median actual", customdata=counts,
        marker={"color": palette.other, "symbol": "diamond-open", "size": 9}, hovertemplate=template,
    )  # fmt: skip
    figure.add_scatter(
        x=rows["forecast"], y=rows["actual"], mode="markers", name="Mean actual", customdata=counts,
        marker={"color": palette.forecast, "size": 9}, hovertemplate=template,
        error_y={"type": "data", "array": rows["sure"], "color": palette.muted, "thickness": 1.5, "width": 4},
    )  # fmt: skip
    dress(figure, palette, height=height, digits=DIGITS)
    for update in (figure.update_xaxes, figure.update_yaxes):
        update(zeroline=True, zerolinecolor=palette.muted, tickformat=ticks(DIGITS))
    figure.update_xaxes(title={"text": f"mean forecast of the tenth, {unit}", "standoff": 4})
    return figure
