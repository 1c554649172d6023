"""Frame -> figures of bands: coverage by horizon and hour, and where in the distribution actuals fell. Pure."""

import pandas as pd
import plotly.graph_objects as go

from dashboard.figures.charts import dress
from dashboard.figures.palette import Palette
from dashboard.formats import percent


def coverage(rows: pd.DataFrame, *, palette: Palette, height: int = 300) -> go.Figure:
    """Share of actuals inside the 80 and the 90 % band by horizon; rows as from query `page_calibration`."""
    figure = go.Figure()
    x = [f"T+{h:.0f}" for h in rows["horizon"]]
    looks = (("inside80", "80 % band", palette.forecast, 0.8), ("inside90", "90 % band", palette.other, 0.9))
    for name, label, colour, right in looks:
        figure.add_bar(
            x=x,
            y=rows[name],
            name=label,
            marker_color=colour,
            text=[percent(share) for share in rows[name]],
            textposition="inside",
            insidetextanchor="middle",
            textangle=-90,
            constraintext="none",
            textfont={"color": palette.paper, "size": 11},
            hovertemplate="%{y:.1%}<extra>%{fullData.name}</extra>",
        )
        _promise(figure, right, palette)
    dress(figure, palette, height=height)
    figure.update_layout(bargap=0.25, bargroupgap=0.06)
    figure.update_yaxes(range=[0, 1.04], tickformat=".0%", tickvals=[0, 0.2, 0.4, 0.6, 0.8, 0.9, 1])
    return figure


def coverage_by_hour(rows: pd.DataFrame, *, palette: Palette, height: int = 300) -> go.Figure:
    """Share of actuals inside the 80 % band by local hour; rows as from query `page_calibration`."""
    figure = go.Figure()
    figure.add_scatter(
        x=rows["hour"],
        y=rows["inside80"],
        customdata=rows["n"],
        mode="lines+markers",
        name="80 % band",
        line={"color": palette.forecast, "width": 2.5},
        hovertemplate="%{x}:00 %{y:.1%} (n = %{customdata:,})<extra></extra>",
    )
    _promise(figure, 0.8, palette)
    dress(figure, palette, height=height)
    figure.update_layout(showlegend=False, margin_t=16)
    every = range(0, 24, 3)
    figure.update_xaxes(tickvals=list(every), ticktext=[f"{hour:02d}" for hour in every], range=[-0.6, 23.6])
    figure.update_xaxes(zeroline=False)
    figure.update_yaxes(range=[min(0.5, rows["inside80"].min() - 0.05), 1.02], tickformat=".0%")
    return figure


def pit(tenths: pd.DataFrame, *, palette: Palette, height: int = 262) -> go.Figure:
    """Share of actuals in each tenth of the forecast distribution; rows as from query `page_pit`."""
    shares = tenths.set_index("tenth")["share"].reindex(range(10), fill_value=0)
    figure = go.Figure()
    figure.add_bar(
        x=[10 * tenth + 5 for tenth in shares.index],
        width=9,
        y=shares,
        marker_color=palette.forecast,
        text=[percent(share) for share in shares],
        textposition="inside",
        insidetextanchor="middle",
        textangle=0,
        textfont={"color": palette.paper},
        hovertemplate="%{y:.1%}<extra></extra>",
    )
    _promise(figure, 0.1, palette)
    dress(figure, palette, height=height)
    figure.update_layout(showlegend=False, margin_t=22)
    figure.update_xaxes(range=[-1, 101], zeroline=False)
    figure.update_xaxes(tickvals=list(range(0, 101, 20)), ticktext=[f"{share} %" for share in range(0, 101, 20)])
    figure.update_yaxes(rangemode="tozero", tickformat=".0%")
    return figure


def _promise(figure: go.Figure, share: float, palette: Palette) -> None:
    figure.add_hline(y=share, line={"color": palette.previous, "dash": "dash", "width": 2})
