"""Values of one series -> the few that a screen can show, extremes kept, and the line they make. Pure."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from tsdownsample import MinMaxDownsampler

from dashboard.figures import clocks
from dashboard.figures.charts import dress
from dashboard.figures.palette import Palette
from dashboard.formats import steady, wall

DRAWN = 1200
"""More points than a line of this width has pixels for."""
EXACT = 2400
"""Up to here every value is drawn: one a quarter of an hour for three weeks, one every five minutes for a week."""


@dataclass(frozen=True)
class Line:
    """Columns valid_at (UTC) and value of what is drawn (NaN breaks the line), of the `n` values there are."""

    points: pd.DataFrame
    n: int
    drawn: int
    low: float | None
    high: float | None

    @property
    def exact(self) -> bool:
        """Whether every value is drawn."""
        return self.drawn == self.n


def thinned(rows: pd.DataFrame, *, cadence: timedelta, most: int = DRAWN, exact: int = EXACT) -> Line:
    """At most about `most` of `rows` (columns valid_at, value; in time order): the least and the largest of each
    stretch, both ends, and both sides of every hole that can be seen; all of them when they are `exact` or fewer."""
    there = rows[rows["value"].notna()].reset_index(drop=True)
    n = len(there)
    if n == 0:
        return Line(there, 0, 0, None, None)
    at = there["valid_at"].dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[us]")
    value = there["value"].to_numpy(float)
    wide = np.timedelta64(round(cadence.total_seconds() * 1.5), "s")
    keep = np.arange(n)
    if n > exact:
        wide = max(wide, (at[-1] - at[0]) / (most // 2))
        keep = MinMaxDownsampler().downsample(  # type: ignore[no-untyped-call]
            value, n_out=most - 2 - most % 2
        )
    holes = np.flatnonzero(np.diff(at) > wide)
    keep = np.unique(np.concatenate([keep, [0, n - 1], holes, holes + 1])).astype(int)
    breaks = pd.DataFrame({"valid_at": there["valid_at"].iloc[holes] + cadence, "value": np.nan})
    points = pd.concat([there.iloc[keep], breaks]).sort_values("valid_at", ignore_index=True)
    return Line(points[["valid_at", "value"]], n, len(keep), float(value.min()), float(value.max()))


def line(
    shown: Line, *, palette: Palette, zone: str, title: str, unit: str, since: pd.Timestamp, until: pd.Timestamp,
    height: int = 320,
) -> go.Figure:  # fmt: skip
    """The line from `since` to `until` (aware), at the offset `zone` has at `until`; a stretch can be marked."""
    large = shown.high is None or max(abs(shown.high), abs(shown.low or 0)) >= 1000
    # Prices are paid to the hundredth, however high.
    digits = 2 if "/MWh" in unit else 0 if large else 1
    figure, clock = go.Figure(), steady(zone, until)
    figure.add_scatter(
        x=wall(shown.points["valid_at"], clock),
        y=shown.points["value"],
        name=title,
        mode="lines+markers" if shown.drawn <= 48 else "lines",
        connectgaps=False,
        line={"color": palette.forecast, "width": 1.8},
        marker={"size": 5},
        hovertemplate=f"%{{x|%a %d %b %H:%M}}<br>%{{y:,.{digits}f}} {unit}<extra></extra>",
    )
    if clocks.change(since, until, zone) is not None:
        figure.data[0].customdata = clocks.hours(shown.points["valid_at"], zone)
        figure.data[0].hovertemplate = f"%{{customdata}}<br>%{{y:,.{digits}f}} {unit}<extra></extra>"
    dress(figure, palette, height=height)
    span = [one.tz_convert(clock).tz_localize(None) for one in (since, until)]
    figure.update_xaxes(
        range=span, nticks=8, showgrid=True, gridcolor=palette.grid, tickangle=0, tickformat=ticks(until - since)
    )
    clocks.tell(figure, pd.Series([since, until]), palette, zone=zone, at=until, unified=False)
    crosses = shown.low is not None and shown.low < 0
    figure.update_yaxes(tickformat=",.0f" if large else ",.4~g", zeroline=crosses, zerolinecolor=palette.muted)
    figure.update_layout(
        dragmode="select",
        selectdirection="h",
        showlegend=False,
        margin_t=12,
        newselection={"line": {"color": palette.previous, "width": 2, "dash": "dot"}},
        activeselection={"fillcolor": palette.previous, "opacity": 0.15},
    )
    return figure


def ticks(span: timedelta) -> str:
    """How times on an axis of this length are written: with the hour as long as it tells anything."""
    if span <= timedelta(days=4):
        return "%H:%M\n%d %b"
    return "%d %b" if span <= timedelta(days=120) else "%d %b\n%Y"
