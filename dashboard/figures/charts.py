"""Frame -> figure, pure: nothing here asks, formats a page or knows a theme beyond its palette."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dashboard import formats
from dashboard.figures.palette import Palette

FONT = "Inter, system-ui, sans-serif"
ISSUERS = {"sextant": "Sextant", "naive": "Naive", "operator": "Operator"}


def hover(digits: int = 0) -> str:
    """What a point says of itself: its value with so many decimals, and the name of its line."""
    return f"%{{y:,.{digits}f}}<extra>%{{fullData.name}}</extra>"


def mae_by_horizon(rows: pd.DataFrame, *, palette: Palette, height: int = 300, digits: int = 0) -> go.Figure:
    """Bars for Sextant, lines for the comparators; rows as from query `page_accuracy`."""
    figure = go.Figure()
    for issuer, part in _issuers(rows):
        x = [f"T+{h}" for h in part["horizon"]]
        if issuer == "sextant":
            figure.add_bar(
                x=x,
                y=part["mae"],
                name=ISSUERS[issuer],
                marker_color=palette.forecast,
                width=0.55,
                text=[formats.number(value, digits) for value in part["mae"]],
                hovertemplate=hover(digits),
                error_y=_doubt(part, palette),
                **_inside(palette),
            )
        else:
            figure.add_scatter(
                x=x,
                y=part["mae"],
                name=ISSUERS[issuer],
                mode="lines+markers",
                hovertemplate=hover(digits),
                **_comparator(issuer, palette),
            )
    dress(figure, palette, height=height, digits=digits)
    figure.update_yaxes(rangemode="tozero")
    return figure


def families(rows: pd.DataFrame, *, palette: Palette, best: str, height: int = 320, digits: int = 0) -> go.Figure:
    """MAE along column `name`, one line a family; `best` is drawn bold."""
    figure = go.Figure()
    dashes = ("solid", "dash", "dot", "dashdot", "longdash")
    symbols = ("circle", "square", "diamond", "triangle-up", "x")
    colours = (palette.previous, palette.operator, palette.muted, palette.other, palette.bar)
    others = [name for name in dict.fromkeys(rows["family"]) if name != best]
    for name in [*([best] if best in set(rows["family"]) else []), *others]:
        part = rows[rows["family"] == name]
        place = others.index(name) % 5 if name in others else 0
        colour = palette.forecast if name == best else colours[place]
        figure.add_scatter(
            x=part["name"],
            y=part["mae"],
            name=name,
            mode="lines+markers",
            hovertemplate=hover(digits),
            line={
                "color": colour,
                "width": 3 if name == best else 1.8,
                "dash": "solid" if name == best else dashes[(place + 1) % 5],
            },
            marker={"symbol": symbols[0 if name == best else (place + 1) % 5], "size": 8 if name == best else 7},
        )
    dress(figure, palette, height=height, digits=digits)
    figure.update_layout(hovermode="x unified")
    figure.update_yaxes(rangemode="tozero")
    return figure


def ticks(digits: int) -> str:
    """How an axis writes values that have so many decimals: those that are 0 are left out."""
    return f",.{digits}~f" if digits else ",.0f"


def _comparator(issuer: str, palette: Palette) -> Mapping[str, Any]:
    colour = palette.naive if issuer == "naive" else palette.operator
    dash, symbol = ("dash", "diamond") if issuer == "naive" else ("dashdot", "square")
    return {"line": {"color": colour, "width": 2, "dash": dash}, "marker": {"symbol": symbol, "size": 7}}


def _doubt(part: pd.DataFrame, palette: Palette) -> Mapping[str, Any] | None:
    """Whiskers of one standard error, where it is known."""
    if "mae_se" not in part:
        return None
    return {"type": "data", "array": part["mae_se"], "color": palette.muted, "thickness": 1.5, "width": 5}


def _inside(palette: Palette) -> Mapping[str, Any]:
    return {
        "textposition": "inside",
        "insidetextanchor": "start",
        "textangle": 0,
        "constraintext": "none",
        "textfont": {"color": palette.paper},
    }


def _issuers(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    return [(name, rows[rows["issuer"] == name]) for name in ISSUERS if (rows["issuer"] == name).any()]


def called(figure: go.Figure, name: str, instead: str) -> go.Figure:
    """The figure with lines called `instead` where they are called `name`."""
    for trace in figure.data:
        words = str(trace.name or "")
        trace.name = words.replace(name, instead).replace(name.lower(), formats.named(instead)) or None
    return figure


def dress(figure: go.Figure, palette: Palette, *, height: int, digits: int = 0) -> None:
    """The look all figures share; `digits` are the decimals of the values."""
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 12, "t": 44, "b": 8},
        font={"family": FONT, "size": 12, "color": palette.muted},
        legend={
            "orientation": "h",
            "x": 0,
            "y": 1.02,
            "xanchor": "left",
            "yanchor": "bottom",
            "font": {"color": palette.text},
        },
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        hoverlabel={
            "bgcolor": palette.paper,
            "bordercolor": palette.grid,
            "font": {"family": FONT, "color": palette.text},
        },
        dragmode=False,
    )
    figure.update_xaxes(showgrid=False, showline=True, linecolor=palette.grid, automargin=True)
    figure.update_yaxes(gridcolor=palette.grid, zeroline=False, tickformat=ticks(digits), automargin=True)
