"""Frame -> figure, pure: nothing here asks, formats a page or knows a theme beyond its palette."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboard.palette import Palette

FONT = "Inter, system-ui, sans-serif"
ISSUERS = {"sextant": "Sextant", "naive": "Naive", "operator": "Operator"}
HOVER = "%{y:,.0f}<extra>%{fullData.name}</extra>"


def fan(hours: pd.DataFrame, *, palette: Palette, zone: str, now: datetime, unit: str) -> go.Figure:
    """Hours as from query `page_fan`; times are drawn at the offset that `zone` has at `now`."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.78, 0.22], vertical_spacing=0.09)
    x = _wall(hours["valid_at"], zone, now)
    _hindcast(figure, x, hours, palette)
    _issue(figure, x, hours, palette)
    _errors(figure, x, hours, palette)
    _now_line(figure, x, palette, zone=zone, now=now)
    _dress(figure, palette, height=470)
    figure.update_layout(hovermode="x unified", uirevision=str(x.iloc[-1]), bargap=0.25)
    figure.update_yaxes(title={"text": unit, "standoff": 6}, row=1, col=1)
    figure.update_yaxes(nticks=4, zeroline=True, zerolinecolor=palette.muted, row=2, col=1)
    figure.update_xaxes(tickformat="%H:%M\n%a %d %b", range=[x.iloc[0] - timedelta(minutes=30), x.iloc[-1] + timedelta(minutes=40)])
    figure.add_annotation(
        text="Error of the T+1 forecast (forecast − actual); orange: actual outside P10–P90",  # noqa: RUF001
        xref="paper", yref="y2 domain", x=0, y=1.34, showarrow=False, xanchor="left",
        font={"size": 11, "color": palette.muted},
    )
    return figure


def mae_by_horizon(rows: pd.DataFrame, *, palette: Palette, unit: str, height: int = 300) -> go.Figure:
    """Bars for Sextant, lines for the comparators; rows as from query `page_accuracy`."""
    figure = go.Figure()
    for issuer, part in _issuers(rows):
        x = [f"T+{h}" for h in part["horizon"]]
        if issuer == "sextant":
            figure.add_bar(
                x=x, y=part["mae"], name=ISSUERS[issuer], marker_color=palette.forecast, width=0.55,
                text=[f"{value:,.0f}" for value in part["mae"]], textposition="outside", cliponaxis=False,
                textfont={"color": palette.text}, hovertemplate=HOVER,
            )
        else:
            figure.add_scatter(x=x, y=part["mae"], name=ISSUERS[issuer], mode="lines+markers", hovertemplate=HOVER,
                               **_comparator(issuer, palette))
    _dress(figure, palette, height=height)
    figure.update_yaxes(rangemode="tozero", title={"text": unit, "standoff": 6})
    return figure


def bias_by_horizon(rows: pd.DataFrame, *, palette: Palette, unit: str, height: int = 300) -> go.Figure:
    """One group of bars a horizon, one bar an issuer; above zero means forecast too high."""
    figure = go.Figure()
    colours = {"sextant": palette.forecast, "naive": palette.naive, "operator": palette.operator}
    shapes = {"sextant": "", "naive": "/", "operator": "."}
    for issuer, part in _issuers(rows):
        figure.add_bar(
            x=[f"T+{h}" for h in part["horizon"]], y=part["bias"], name=ISSUERS[issuer],
            marker={"color": colours[issuer], "pattern": {"shape": shapes[issuer], "size": 5}},
            hovertemplate="%{y:+,.0f}<extra>%{fullData.name}</extra>",
        )
    _dress(figure, palette, height=height)
    figure.update_yaxes(title={"text": unit, "standoff": 6}, zeroline=True, zerolinecolor=palette.muted)
    return figure


def mae_by_day(days: pd.DataFrame, *, palette: Palette, unit: str, height: int = 300) -> go.Figure:
    """One line an issuer; days as from query `page_accuracy_by_day`."""
    figure = go.Figure()
    for issuer, part in _issuers(days):
        style = (
            {"line": {"color": palette.forecast, "width": 2.5}, "marker": {"size": 6}}
            if issuer == "sextant"
            else _comparator(issuer, palette)
        )
        figure.add_scatter(x=pd.to_datetime(part["day"]), y=part["mae"], name=ISSUERS[issuer], mode="lines+markers",
                           customdata=part["n"], hovertemplate="%{y:,.0f} (n = %{customdata:,})<extra>%{fullData.name}</extra>", **style)
    _dress(figure, palette, height=height)
    figure.update_layout(hovermode="x unified")
    figure.update_yaxes(rangemode="tozero", title={"text": unit, "standoff": 6})
    figure.update_xaxes(tickformat="%d %b")
    return figure


def coverage(rows: pd.DataFrame, *, palette: Palette, height: int = 300) -> go.Figure:
    """Share of actuals inside P10-P90 by horizon against the 80 % it should be."""
    figure = go.Figure()
    figure.add_bar(
        x=[f"T+{h}" for h in rows["horizon"]], y=rows["coverage"], marker_color=palette.forecast, width=0.55,
        name="Inside P10–P90", text=[f"{value:.0%}" for value in rows["coverage"]],  # noqa: RUF001
        textposition="outside", textfont={"color": palette.text}, cliponaxis=False,
        hovertemplate="%{y:.1%}<extra></extra>",
    )
    figure.add_scatter(
        x=[f"T+{h}" for h in rows["horizon"]], y=[0.8] * len(rows), name="Should be 80 %", mode="lines",
        line={"color": palette.previous, "dash": "dash", "width": 2}, hoverinfo="skip",
    )
    _dress(figure, palette, height=height)
    figure.update_yaxes(range=[0, 1.08], tickformat=".0%", tickvals=[0, 0.2, 0.4, 0.6, 0.8, 1])
    return figure


def families(rows: pd.DataFrame, *, palette: Palette, unit: str, best: str, height: int = 320) -> go.Figure:
    """MAE by horizon, one line a family; rows as from query `page_backtest`. `best` is drawn bold."""
    figure = go.Figure()
    dashes = ("solid", "dash", "dot", "dashdot", "longdash")
    symbols = ("circle", "square", "diamond", "triangle-up", "x")
    colours = (palette.previous, palette.operator, palette.muted, palette.outside, palette.bar)
    others = [name for name in dict.fromkeys(rows["family"]) if name != best]
    for name in [*([best] if best in set(rows["family"]) else []), *others]:
        part = rows[rows["family"] == name]
        place = others.index(name) % 5 if name in others else 0
        colour = palette.forecast if name == best else colours[place]
        figure.add_scatter(
            x=[f"T+{h}" for h in part["horizon"]], y=part["mae"], name=name, mode="lines+markers", hovertemplate=HOVER,
            line={"color": colour, "width": 3 if name == best else 1.8, "dash": "solid" if name == best else dashes[(place + 1) % 5]},
            marker={"symbol": symbols[0 if name == best else (place + 1) % 5], "size": 8 if name == best else 7},
        )
    _dress(figure, palette, height=height)
    figure.update_layout(hovermode="x unified")
    figure.update_yaxes(rangemode="tozero", title={"text": unit, "standoff": 6})
    return figure


def _hindcast(figure: go.Figure, x: pd.Series, hours: pd.DataFrame, palette: Palette) -> None:
    past = hours["horizon"].isna() | (hours["horizon"] == 1)
    _band(figure, x, hours["hindcast_p10"].where(past), hours["hindcast_p90"].where(past), palette.hindcast_band)
    lines: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("hindcast", "T+1 hindcast", {"color": palette.forecast, "width": 1.5, "dash": "dot"}),
        ("operator", "Operator", {"color": palette.operator, "width": 1.5, "dash": "dashdot"}),
        ("actual", "Actual", {"color": palette.actual, "width": 2.4}),
    )
    for column, name, line in lines:
        if hours[column].notna().any():
            values = hours[column].where(past) if column == "hindcast" else hours[column]
            figure.add_scatter(x=x, y=values, name=name, mode="lines", line=line, hovertemplate=HOVER, row=1, col=1)


def _issue(figure: go.Figure, x: pd.Series, hours: pd.DataFrame, palette: Palette) -> None:
    _band(figure, x, hours["p10"], hours["p90"], palette.band, name="P10–P90 (80 %)")  # noqa: RUF001
    if hours["previous"].notna().any():
        line = {"color": palette.previous, "width": 1.8, "dash": "dash"}
        figure.add_scatter(x=x, y=hours["previous"], name="Previous issue", mode="lines", line=line,
                           hovertemplate=HOVER, row=1, col=1)
    figure.add_scatter(
        x=x, y=hours["p50"], name="Newest issue (P50)", mode="lines+markers", line={"color": palette.forecast, "width": 2.8},
        marker={"size": 9, "line": {"width": 1.5, "color": palette.paper}}, hovertemplate=HOVER, row=1, col=1,
    )


def _band(figure: go.Figure, x: pd.Series, low: pd.Series, high: pd.Series, colour: str, name: str = "") -> None:
    known = np.flatnonzero((low.notna() & high.notna()).to_numpy())
    if not len(known):
        return
    # One closed outline for each unbroken run, so that a gap in the band stays a gap.
    outline_x: list[Any] = []
    outline_y: list[Any] = []
    for run in np.split(known, np.flatnonzero(np.diff(known) > 1) + 1):
        outline_x += [*x.iloc[run], *x.iloc[run[::-1]], None]
        outline_y += [*low.iloc[run], *high.iloc[run[::-1]], None]
    figure.add_scatter(x=outline_x, y=outline_y, fill="toself", fillcolor=colour, mode="lines", line={"width": 0},
                       name=name, showlegend=bool(name), hoverinfo="skip", row=1, col=1)


def _errors(figure: go.Figure, x: pd.Series, hours: pd.DataFrame, palette: Palette) -> None:
    outside = hours["in_band"].eq(False)
    colours = [palette.outside if out else palette.bar for out in outside]
    figure.add_bar(x=x, y=hours["error"], marker_color=colours, name="Error of T+1", showlegend=False,
                   hovertemplate="%{y:+,.0f}<extra>Error of T+1</extra>", row=2, col=1)


def _now_line(figure: go.Figure, x: pd.Series, palette: Palette, *, zone: str, now: datetime) -> None:
    at = _wall(pd.Series([pd.Timestamp(now)]), zone, now).iloc[0]
    if at > x.iloc[-1] + timedelta(hours=1):
        return
    end = x.iloc[-1] + timedelta(minutes=40)
    figure.add_vrect(x0=at, x1=max(at, end), fillcolor=palette.future, line_width=0, layer="below", row=1, col=1)
    figure.add_shape(type="line", xref="x", yref="paper", x0=at, x1=at, y0=0, y1=1, line={"color": palette.muted, "width": 1})
    figure.add_annotation(text=f"now {at:%H:%M}", x=at, y=1, yref="paper", xanchor="right", yanchor="bottom", showarrow=False,
                          font={"size": 11, "color": palette.muted})


def _comparator(issuer: str, palette: Palette) -> Mapping[str, Any]:
    colour = palette.naive if issuer == "naive" else palette.operator
    dash, symbol = ("dash", "diamond") if issuer == "naive" else ("dashdot", "square")
    return {"line": {"color": colour, "width": 2, "dash": dash}, "marker": {"symbol": symbol, "size": 7}}


def _issuers(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    return [(name, rows[rows["issuer"] == name]) for name in ISSUERS if (rows["issuer"] == name).any()]


def _wall(times: pd.Series, zone: str, now: datetime) -> pd.Series:
    offset = pd.Timestamp(now).tz_convert(ZoneInfo(zone)).utcoffset() or timedelta()
    return times.dt.tz_convert("UTC").dt.tz_localize(None) + offset


def _dress(figure: go.Figure, palette: Palette, *, height: int) -> None:
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 12, "t": 44, "b": 8},
        font={"family": FONT, "size": 12, "color": palette.muted},
        legend={"orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom", "font": {"color": palette.text}},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        hoverlabel={"bgcolor": palette.paper, "bordercolor": palette.grid, "font": {"family": FONT, "color": palette.text}},
        dragmode=False,
    )
    figure.update_xaxes(showgrid=False, showline=True, linecolor=palette.grid, automargin=True)
    figure.update_yaxes(gridcolor=palette.grid, zeroline=False, tickformat=",.0f", automargin=True)
