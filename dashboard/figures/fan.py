"""Hours around now -> the fan chart: what happened, what was issued, and how wrong T+1 was. Pure, like charts."""

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboard.figures import beyond, clocks
from dashboard.figures.charts import dress, hover
from dashboard.figures.palette import Palette
from dashboard.formats import BAND, MINUS, steady, wall

SHORT, ROOM = 4, 46
"""Signs of a unit that stand in one line beside an axis, and pixels left of it that a longer one takes."""


def draw(
    hours: pd.DataFrame, *, palette: Palette, zone: str, now: datetime, unit: str, digits: int = 0, near: bool = False
) -> go.Figure:  # fmt: skip
    """Hours as from query `page_fan`; times are drawn at the offset that `zone` has at `now` and told as its clocks
    show them. `near`: spikes of the past are beyond the axis, see `reach`."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.78, 0.22], vertical_spacing=0.09)
    x = wall(hours["valid_at"], steady(zone, now))
    _hindcast(figure, x, hours, palette, digits)
    _issue(figure, x, hours, palette, digits)
    _errors(figure, x, hours, palette, digits)
    _now_line(figure, x, palette, zone=zone, now=now)
    dress(figure, palette, height=470, digits=digits)
    figure.update_layout(hovermode="x unified", uirevision=str(x.iloc[-1]), bargap=0.25)
    figure.update_yaxes(nticks=4, zeroline=True, zerolinecolor=palette.muted, row=2, col=1)
    figure.update_xaxes(
        tickformat="%H:%M\n%a %d %b", range=[x.iloc[0] - timedelta(minutes=30), x.iloc[-1] + timedelta(minutes=40)]
    )
    _notes(figure, unit, {"size": 11, "color": palette.muted})
    clocks.tell(figure, hours["valid_at"], palette, zone=zone, at=now)
    if near:
        for row, values, ends in (
            (1, hours["actual"], reach(hours)),
            (2, hours["error"], beyond.span([hours["error"]])),
        ):
            if ends is not None:
                beyond.write(
                    figure, x, values, ends, palette=palette, digits=digits, row=row, most=1 if row == 2 else None
                )
    return figure


def reach(hours: pd.DataFrame) -> beyond.Span | None:
    """The axis that holds the issues with their bands, whatever spiked before; None: nothing flattens it."""
    issues = [hours[name] for name in ("p10", "p50", "p90", "previous")]
    return beyond.span([hours[name] for name in ("actual", "hindcast", "operator")], issues)


def _notes(figure: go.Figure, unit: str, small: dict[str, Any]) -> None:
    """The unit above the axis, and what the lower part shows."""
    head(figure, unit, small)
    figure.add_annotation(
        text=f"T+1 error, forecast {MINUS} actual; orange: outside {BAND}", xref="paper", yref="y2 domain", x=0, y=1.34,
        showarrow=False, xanchor="left", font=small,
    )  # fmt: skip


def head(figure: go.Figure, unit: str, small: dict[str, Any]) -> None:
    """Write the unit above the axis, with room for a long one."""
    figure.add_annotation(
        text=upright(unit), xref="paper", yref="paper", x=0, y=1, xanchor="right", yanchor="bottom", showarrow=False,
        font=small, xshift=-6, yshift=6,
    )  # fmt: skip
    if len(unit) > SHORT:
        figure.update_layout(margin_l=ROOM)


def upright(unit: str) -> str:
    """A unit as it stands at the head of an axis, in two lines where it is long."""
    return unit.replace("/", "/<br>", 1) if len(unit) > SHORT else unit


def _hindcast(figure: go.Figure, x: pd.Series, hours: pd.DataFrame, palette: Palette, digits: int) -> None:
    past = hours["horizon"].isna() | (hours["horizon"] == 1)
    band(
        figure,
        x,
        hours["hindcast_p10"].where(past),
        hours["hindcast_p90"].where(past),
        palette.hindcast_band,
        row=1,
        col=1,
    )
    lines: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("hindcast", "T+1 hindcast", {"color": palette.forecast, "width": 1.5, "dash": "dot"}),
        ("operator", "Operator", {"color": palette.operator, "width": 1.5, "dash": "dashdot"}),
        ("actual", "Actual", {"color": palette.actual, "width": 2.4}),
    )
    for rank, (column, name, line) in zip((1006, 1005, 1002), lines, strict=True):
        if hours[column].notna().any():
            values = hours[column].where(past) if column == "hindcast" else hours[column]
            figure.add_scatter(
                x=x,
                y=values,
                name=name,
                mode="lines",
                line=line,
                hovertemplate=hover(digits),
                legendrank=rank,
                row=1,
                col=1,
            )


def _issue(figure: go.Figure, x: pd.Series, hours: pd.DataFrame, palette: Palette, digits: int) -> None:
    band(figure, x, hours["p10"], hours["p90"], palette.band, name=BAND, row=1, col=1)
    if hours["previous"].notna().any():
        line = {"color": palette.previous, "width": 1.8, "dash": "dash"}
        figure.add_scatter(
            x=x,
            y=hours["previous"],
            name="Previous issue",
            mode="lines",
            line=line,
            hovertemplate=hover(digits),
            legendrank=1003,
            row=1,
            col=1,
        )
    if hours["p50"].isna().all():
        return
    figure.add_scatter(
        x=x,
        y=hours["p50"],
        name="Newest issue",
        mode="lines+markers",
        line={"color": palette.forecast, "width": 2.8},
        marker={"size": 9, "line": {"width": 1.5, "color": palette.paper}},
        hovertemplate=hover(digits),
        legendrank=1001,
        row=1,
        col=1,
    )


def band(
    figure: go.Figure, x: pd.Series, low: pd.Series, high: pd.Series, colour: str, name: str = "", **place: Any
) -> None:
    """Fill between `low` and `high`, one closed outline for each unbroken run, so that a gap stays a gap.

    `place` says which subplot, as Plotly's `row` and `col`, or anything else of a trace.
    """
    known = np.flatnonzero((low.notna() & high.notna()).to_numpy())
    if not len(known):
        return
    outline_x: list[Any] = []
    outline_y: list[Any] = []
    for run in np.split(known, np.flatnonzero(np.diff(known) > 1) + 1):
        outline_x += [*x.iloc[run], *x.iloc[run[::-1]], None]
        outline_y += [*low.iloc[run], *high.iloc[run[::-1]], None]
    figure.add_scatter(
        x=outline_x, y=outline_y, fill="toself", fillcolor=colour, mode="lines", line={"width": 0}, name=name,
        showlegend=bool(name), hoverinfo="skip", legendrank=1004, **place,
    )  # fmt: skip


def _errors(figure: go.Figure, x: pd.Series, hours: pd.DataFrame, palette: Palette, digits: int) -> None:
    outside = hours["in_band"].eq(False)
    colours = [palette.outside if out else palette.bar for out in outside]
    figure.add_bar(
        x=x,
        y=hours["error"],
        marker_color=colours,
        name="Error of T+1",
        showlegend=False,
        hovertemplate=f"%{{y:+,.{digits}f}}<extra>Error of T+1</extra>",
        row=2,
        col=1,
    )


def _now_line(figure: go.Figure, x: pd.Series, palette: Palette, *, zone: str, now: datetime) -> None:
    at = wall(pd.Series([pd.Timestamp(now)]), steady(zone, now)).iloc[0]
    if at > x.iloc[-1] + timedelta(hours=1):
        return
    end = x.iloc[-1] + timedelta(minutes=40)
    figure.add_vrect(x0=at, x1=max(at, end), fillcolor=palette.future, line_width=0, layer="below", row=1, col=1)
    figure.add_shape(
        type="line", xref="x", yref="paper", x0=at, x1=at, y0=0, y1=1, line={"color": palette.muted, "width": 1}
    )
    figure.add_annotation(
        text=f"now {at:%H:%M}",
        x=at,
        y=1,
        yref="paper",
        xanchor="right",
        yanchor="bottom",
        showarrow=False,
        font={"size": 11, "color": palette.muted},
    )
