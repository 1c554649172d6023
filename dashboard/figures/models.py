"""Frame -> figures of how models err and what they look at: error by version over time, importance. Pure."""

from collections.abc import Mapping
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dashboard.figures.charts import dress, ticks
from dashboard.figures.palette import Palette
from dashboard.formats import short, wall

DASHES = ("dash", "dot", "dashdot", "longdash", "longdashdot")
SYMBOLS = ("square", "diamond", "triangle-up", "x", "cross")
COUNTED = " (n = %{customdata[0]:,}, %{customdata[1]:,} in shadow)<extra>%{fullData.name}</extra>"
NARROW = 0.05
"""Share of the width below which a reign is too narrow for its name."""


def error_history(
    rows: pd.DataFrame,
    *,
    palette: Palette,
    zone: str,
    champion: str | None,
    levels: Mapping[str, float],
    reigns: pd.DataFrame,
    height: int = 340,
    digits: int = 0,
) -> go.Figure:
    """One line a version; rows as from query `page_error_history` in local time, `champion` bold.

    `levels` are backtest MAEs by version id, drawn as thin lines across; `reigns` as from query `timeline` shade who
    was champion when.
    """
    figure = go.Figure()
    names = [name for name in ([champion] if champion else []) if (rows["version_id"] == name).any()]
    names += [name for name in reversed(dict.fromkeys(rows["version_id"])) if name != champion]
    first, last = rows["bucket"].min(), rows["bucket"].max()
    room = max((last - first) * 0.03, timedelta(hours=8))
    _shade(figure, _spans(reigns, zone, first - room, last + room), palette)
    for place, name in enumerate(names):
        look = _look(place if name == champion or champion not in names else place - 1, name == champion, palette)
        part = rows[rows["version_id"] == name]
        figure.add_scatter(
            x=part["bucket"], y=part["mae"], name=f"{short(name)}, champion" if name == champion else short(name),
            mode="lines+markers", customdata=part[["n", "n_shadow"]],
            hovertemplate=f"%{{y:,.{digits}f}}{COUNTED}", **look,
        )  # fmt: skip
        if name in levels:
            _level(figure, levels[name], name, look["line"]["color"], first - room, last + room)
    dress(figure, palette, height=height, digits=digits)
    figure.update_layout(hovermode="x unified")
    figure.update_yaxes(rangemode="tozero")
    figure.update_xaxes(tickformat="%d %b", range=[first - room, last + room])
    return figure


def importance(rows: pd.DataFrame, *, palette: Palette, digits: int = 0) -> go.Figure:
    """One bar a group of inputs, the largest on top, with one standard error; rows as from query `page_importances`."""
    figure = go.Figure()
    rows = rows.iloc[::-1]
    figure.add_bar(
        x=rows["increase"],
        y=rows["input"],
        orientation="h",
        marker_color=palette.forecast,
        width=0.6,
        error_x={"type": "data", "array": rows["increase_se"], "color": palette.muted, "thickness": 1.5, "width": 5},
        customdata=rows[["n_columns", "increase_se"]],
        hovertemplate=f"%{{x:+,.{max(1, digits)}f}} ± %{{customdata[1]:,.{max(1, digits)}f}}, "
        "%{customdata[0]} features<extra>%{y}</extra>",
    )
    dress(figure, palette, height=64 + 38 * len(rows))
    figure.update_layout(showlegend=False, margin={"l": 8, "r": 12, "t": 8, "b": 8})
    figure.update_xaxes(
        showgrid=True, gridcolor=palette.grid, tickformat=ticks(digits), zeroline=True, zerolinecolor=palette.muted
    )
    figure.update_yaxes(type="category", tickformat=None, showgrid=False)
    return figure


def _look(place: int, is_champion: bool, palette: Palette) -> dict[str, Any]:
    if is_champion:
        return {"line": {"color": palette.forecast, "width": 3}, "marker": {"symbol": "circle", "size": 8}}
    colours = (palette.previous, palette.operator, palette.other, palette.muted, palette.bar)
    line = {"color": colours[place % 5], "width": 2, "dash": DASHES[place % 5]}
    return {"line": line, "marker": {"symbol": SYMBOLS[place % 5], "size": 7}}


def _level(figure: go.Figure, mae: float, name: str, colour: str, first: Any, last: Any) -> None:
    figure.add_scatter(
        x=[first, last],
        y=[mae, mae],
        mode="lines",
        showlegend=False,
        name=f"{short(name)}, hold-out",
        line={"color": colour, "width": 1, "dash": "2px,3px"},
        hoverinfo="skip",
    )


def _spans(reigns: pd.DataFrame, zone: str, first: Any, last: Any) -> list[tuple[str, Any, Any]]:
    """(version, from, to) of each reign as the axis shows it."""
    if reigns.empty:
        return []
    starts = [*wall(reigns["live_from"], zone), last]
    spans = zip(reigns["version_id"], pairwise(starts), strict=True)
    return [(name, max(start, first), min(end, last)) for name, (start, end) in spans if start < last and end > first]


def _shade(figure: go.Figure, spans: list[tuple[str, Any, Any]], palette: Palette) -> None:
    if not spans:
        return
    width = max(end for _name, _start, end in spans) - min(start for _name, start, _end in spans)
    for place, (name, start, end) in enumerate(reversed(spans)):
        words = short(name) if (end - start) >= width * NARROW else ""
        figure.add_vrect(
            x0=start,
            x1=end,
            fillcolor=palette.hindcast_band if place % 2 == 0 else palette.future,
            line_width=0,
            layer="below",
            annotation_text=words,
            annotation_position="bottom left",
            annotation_font={"size": 11, "color": palette.muted},
        )
