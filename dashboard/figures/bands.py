"""Frame -> figures of bands: whether quantiles hold what they promise, where actuals fell, and how wide bands are."""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard import formats
from dashboard.figures.charts import dress
from dashboard.figures.palette import Palette
from dashboard.formats import percent


def reliability(rows: pd.DataFrame, *, palette: Palette, height: int = 300) -> go.Figure:
    """Promised against observed share of actuals below each quantile; rows as from calibrating.reliability."""
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", name="Right", hoverinfo="skip",
        line={"color": palette.previous, "dash": "dash", "width": 2},
    )  # fmt: skip
    figure.add_scatter(
        x=rows["level"], y=rows["observed"], mode="lines+markers", name="Observed",
        line={"color": palette.forecast, "width": 2}, marker={"size": 9},
        error_y={"type": "data", "array": rows["sure"], "color": palette.muted, "thickness": 1.5, "width": 5},
        customdata=np.column_stack(
            [
                [f"P{100 * level:02.0f}" for level in rows["level"]],
                [f"{100 * share:.1f} %" for share in rows["observed"]],
                ["" if np.isnan(one) else f" ± {100 * one:.1f}" for one in rows["sure"]],
                [formats.number(n) for n in rows["n"]],
            ]
        ),
        hovertemplate="%{customdata[1]}%{customdata[2]} of actuals at or below %{customdata[0]} "
        "(n = %{customdata[3]})<extra></extra>",
    )  # fmt: skip
    dress(figure, palette, height=height)
    ticks = {"tickvals": [0.05, 0.25, 0.5, 0.75, 0.95], "tickformat": ".0%", "range": [-0.02, 1.02], "zeroline": False}
    figure.update_xaxes(**ticks, title={"text": "promised", "standoff": 4})
    figure.update_yaxes(**ticks, title={"text": "observed", "standoff": 4})
    return figure


def pit(tenths: pd.DataFrame, *, palette: Palette, height: int = 300) -> go.Figure:
    """Share of actuals in each tenth of the forecast distribution; tenths as from calibrating.pit."""
    figure = go.Figure()
    middle = [10 * tenth + 5 for tenth in tenths["tenth"]]
    figure.add_bar(
        x=middle, width=9, y=tenths["share"], marker_color=palette.forecast, name="Actuals",
        text=[percent(share) for share in tenths["share"]], textposition="inside", insidetextanchor="start",
        textangle=0, constraintext="none", textfont={"color": palette.paper, "size": 10},
        customdata=[formats.number(n) for n in tenths["n"]],
        hovertemplate="%{y:.1%} (n = %{customdata})<extra></extra>",
    )  # fmt: skip
    shaded: Any = tenths.assign(middle=middle).dropna(subset=["low", "high"]).itertuples()
    for row in shaded:
        figure.add_shape(
            type="rect", x0=row.middle - 5, x1=row.middle + 5, y0=row.low, y1=row.high, line_width=0,
            fillcolor=palette.previous, opacity=0.28,
        )  # fmt: skip
    figure.add_hline(y=0.1, line={"color": palette.previous, "dash": "dash", "width": 2})
    dress(figure, palette, height=height)
    figure.update_layout(showlegend=False, margin_t=22)
    figure.update_xaxes(range=[-1, 101], zeroline=False)
    figure.update_xaxes(tickvals=list(range(0, 101, 20)), ticktext=[f"{share} %" for share in range(0, 101, 20)])
    figure.update_yaxes(rangemode="tozero", tickformat=".0%")
    return figure


def width_by_horizon(rows: pd.DataFrame, *, palette: Palette, height: int = 300, digits: int = 0) -> go.Figure:
    """Mean width of the 80 % band as bars and its Winkler score as points; rows as from calibrating.by_horizon."""
    figure = go.Figure()
    x = [f"T+{one}" for one in rows["horizon"]]
    counts = [formats.number(n) for n in rows["n"]]
    figure.add_bar(
        x=x, y=rows["width"], name="Width", marker_color=palette.forecast, width=0.55, customdata=counts,
        hovertemplate=f"%{{y:,.{max(1, digits)}f}} (n = %{{customdata}})<extra>Width</extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=x, y=rows["winkler"], name="Winkler score", mode="markers", customdata=counts,
        marker={"color": palette.other, "symbol": "diamond", "size": 10},
        error_y={"type": "data", "array": rows["winkler_se"], "color": palette.muted, "thickness": 1.5, "width": 5},
        hovertemplate=f"%{{y:,.{max(1, digits)}f}} (n = %{{customdata}})<extra>Winkler score</extra>",
    )  # fmt: skip
    dress(figure, palette, height=height, digits=digits)
    figure.update_yaxes(rangemode="tozero")
    return figure


def width_by_hour(rows: pd.DataFrame, *, palette: Palette, height: int = 300, digits: int = 0) -> go.Figure:
    """Mean width of the 80 % band by local hour; rows as from calibrating.by_hour."""
    figure = go.Figure()
    figure.add_scatter(
        x=rows["hour"], y=rows["width"], mode="lines+markers", name="Width",
        line={"color": palette.forecast, "width": 2.5},
        customdata=np.column_stack(
            [[formats.number(n) for n in rows["n"]], [percent(share) for share in rows["inside80"]]]
        ),
        hovertemplate=f"%{{x:02d}}:00 %{{y:,.{max(1, digits)}f}}, "
        "%{customdata[1]} inside (n = %{customdata[0]})<extra></extra>",
    )  # fmt: skip
    dress(figure, palette, height=height, digits=digits)
    figure.update_layout(showlegend=False, margin_t=16)
    every = range(0, 24, 3)
    figure.update_xaxes(tickvals=list(every), ticktext=[f"{hour:02d}" for hour in every], range=[-0.6, 23.6])
    figure.update_xaxes(zeroline=False)
    figure.update_yaxes(rangemode="tozero")
    return figure
