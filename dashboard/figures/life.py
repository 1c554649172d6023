"""Frame -> figures of models' lives: who was live when, and two versions' next six hours. Pure."""

from datetime import datetime, timedelta

import pandas as pd
import plotly.graph_objects as go

from dashboard.figures import clocks
from dashboard.figures.charts import dress, hover
from dashboard.figures.palette import Palette
from dashboard.formats import BAND, short, steady, wall

ROW_PX = 30
KINDS = {
    "train": ("after training", "circle"),
    "promote": ("by a person", "diamond"),
    "rollback": ("rolled back to", "triangle-left"),
}


def timeline(reigns: pd.DataFrame, *, palette: Palette, zone: str, now: datetime) -> go.Figure:
    """One row a version, a bar for each time it was live; reigns as from query `timeline`, oldest first."""
    figure = go.Figure()
    bars = reigns.assign(
        version=reigns["version_id"].map(short),
        start=wall(reigns["live_from"], zone),
        end=wall(reigns["live_until"].fillna(pd.Timestamp(now)), zone),
    )
    for bar, is_live in zip(bars.itertuples(), bars["live_until"].isna(), strict=True):
        figure.add_scatter(
            x=[bar.start, bar.end],
            y=[bar.version] * 2,
            mode="lines",
            line={"color": palette.forecast if is_live else palette.bar, "width": 11},
            showlegend=False,
            hoverinfo="skip",
        )
    for kind in KINDS:
        if (bars["kind"] == kind).any():
            _changes(figure, bars[bars["kind"] == kind], kind, palette)
    names = list(dict.fromkeys(bars["version"]))
    last = bars["end"].max()
    first = min(bars["start"].min(), last - timedelta(days=1))
    dress(figure, palette, height=112 + ROW_PX * len(names))
    figure.update_yaxes(type="category", categoryorder="array", categoryarray=names, showgrid=False, tickformat=None)
    figure.update_xaxes(
        showgrid=True,
        gridcolor=palette.grid,
        nticks=7,
        range=[first - (last - first) * 0.02, last + (last - first) * 0.01],
        tickformat="%d %b" if last - first > timedelta(days=4) else "%H:%M\n%d %b",
    )
    return figure


def _changes(figure: go.Figure, bars: pd.DataFrame, kind: str, palette: Palette) -> None:
    label, symbol = KINDS[kind]
    figure.add_scatter(
        x=bars["start"],
        y=bars["version"],
        mode="markers",
        name=label,
        marker={"symbol": symbol, "size": 12, "color": palette.text, "line": {"color": palette.paper, "width": 2}},
        customdata=bars[["family", "actor", "reason"]],
        hovertemplate="%{y} (%{customdata[0]}) %{x|%d %b %H:%M}<br>%{customdata[1]}: %{customdata[2]}<extra></extra>",
    )


def two_forecasts(
    forecasts: pd.DataFrame, *, palette: Palette, zone: str, height: int = 260, digits: int = 0
) -> go.Figure:
    """Six hours of candidate and champion, each with its band where it has one; rows as of pipeline.preview.Preview."""
    figure = go.Figure()
    looks = {
        "champion": ({"color": palette.forecast, "width": 3}, "circle"),
        "candidate": ({"color": palette.previous, "width": 2.5, "dash": "dash"}, "diamond"),
    }
    clock = steady(zone, forecasts["valid_at"].max())
    for role, (line, symbol) in looks.items():
        part = forecasts[forecasts["role"] == role].sort_values("valid_at")
        if part.empty:
            continue
        x = wall(part["valid_at"], clock)
        if part["p10"].notna().all():
            _band(figure, part.assign(x=x), role, palette)
        figure.add_scatter(
            x=x,
            y=part["p50"],
            name=f"{short(part['version_id'].iloc[0])}, {role}",
            mode="lines+markers",
            line=line,
            marker={"symbol": symbol, "size": 8},
            hovertemplate=hover(digits),
        )
    dress(figure, palette, height=height, digits=digits)
    figure.update_layout(hovermode="x unified")
    figure.update_xaxes(tickformat="%H:%M")
    clocks.tell(figure, forecasts["valid_at"], palette, zone=zone, at=forecasts["valid_at"].max())
    return figure


def _band(figure: go.Figure, part: pd.DataFrame, role: str, palette: Palette) -> None:
    """The champion's band is filled, the candidate's drawn by its edges: both can be told where they overlap."""
    if role == "champion":
        edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
        figure.add_scatter(x=part["x"], y=part["p10"], showlegend=False, **edge)
        figure.add_scatter(
            x=part["x"], y=part["p90"], fill="tonexty", fillcolor=palette.band, name=f"Its {BAND}", **edge
        )
        return
    name = f"{BAND} of {short(part['version_id'].iloc[0])}"
    edge = {"mode": "lines", "line": {"color": palette.previous, "width": 1.2, "dash": "dot"}, "hoverinfo": "skip"}
    figure.add_scatter(x=part["x"], y=part["p10"], showlegend=False, **edge)
    figure.add_scatter(x=part["x"], y=part["p90"], name=name, **edge)
