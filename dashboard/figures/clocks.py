"""Figure drawn at one offset from UTC -> the same with true local hours, where clocks change within it. Pure.

Times of a figure stand at one offset (formats.steady), so that no hour lies upon another. Where the clocks of the zone
change in between, what Plotly would write on one side of the change is an hour off: so ticks and hovers are written
here.
"""

from datetime import datetime, timedelta

import pandas as pd
import plotly.graph_objects as go

from dashboard import formats
from dashboard.figures.palette import Palette

STEPS = (1, 3, 6, 12, 24)
MOST_TICKS = 8
BY_HOUR = timedelta(days=4)
"""A longer axis has days alone."""
HOUR = pd.Timedelta(hours=1)


def change(first: datetime, last: datetime, zone: str) -> pd.Timestamp | None:
    """The first hour in (first, last] at which clocks in `zone` show another offset than before."""
    hours = pd.date_range(pd.Timestamp(first).floor("h"), pd.Timestamp(last), freq="h")
    offsets = [formats.local(one, zone).utcoffset() for one in hours]
    places = [place for place in range(1, len(hours)) if offsets[place] != offsets[place - 1]]
    return hours[places[0]] if places else None


def tell(
    figure: go.Figure, moments: pd.Series, palette: Palette, *, zone: str, at: datetime, unified: bool = True
) -> None:
    """Write true local hours on the time axes and, of a figure whose hover names the time once, into that.

    `moments` are the aware times drawn, `at` the one whose offset the figure stands at. Without a change of clocks
    among them nothing is done.
    """
    first, last = moments.min(), moments.max()
    turned = change(first, last, zone)
    if turned is None:
        return
    clock = formats.steady(zone, at)
    marks = ticks(first, last, zone)
    figure.update_xaxes(
        tickmode="array",
        tickangle=0,
        tickvals=formats.wall(pd.Series(list(marks)), clock).tolist(),
        ticktext=list(marks.values()),
    )
    place = formats.wall(pd.Series([turned]), clock).iloc[0]
    names = (formats.zone_name(turned - HOUR, zone), formats.zone_name(turned, zone))
    figure.add_shape(
        type="line", xref="x", yref="paper", x0=place, x1=place, y0=0, y1=1,
        line={"color": palette.muted, "width": 1, "dash": "dot"},
    )  # fmt: skip
    early = turned - first < last - turned
    figure.add_annotation(
        text=f"{names[0]} \u2192 {names[1]}", x=place, xref="x", y=0, yref="paper", yanchor="bottom",
        xanchor="left" if early else "right", showarrow=False, font={"size": 10, "color": palette.muted},
        bgcolor=palette.paper, opacity=0.85,
    )  # fmt: skip
    if unified:
        _hover(figure, moments, zone, formats.wall(moments, clock))


def ticks(first: pd.Timestamp, last: pd.Timestamp, zone: str) -> dict[pd.Timestamp, str]:
    """Moments to write on an axis, with their words: few round local hours, the day where it begins; of a long axis
    days."""
    hours = [one for one in pd.date_range(first.ceil("h"), last, freq="h") if not _again(one, zone)]
    by_hour = last - first <= BY_HOUR
    step = next((one for one in STEPS if len(hours) / one <= MOST_TICKS), 24) if by_hour else 24
    found = [one for one in hours if formats.local(one, zone).hour % step == 0]
    found = found[:: -(-len(found) // MOST_TICKS) or 1]
    said, day = {}, ""
    for one in found:
        shown = formats.local(one, zone)
        new = f"{shown:%a %d %b}" if by_hour else f"{shown:%d %b}"
        words = [f"{shown:%H:%M}" if by_hour else "", new if new != day else ""]
        said[one], day = "<br>".join(word for word in words if word), new
    return said


def _again(moment: pd.Timestamp, zone: str) -> bool:
    """Whether clocks showed this hour one hour ago too."""
    return formats.local(moment, zone).hour == formats.local(moment - HOUR, zone).hour


def hours(moments: pd.Series, zone: str) -> list[str]:
    """Each moment as a reader's clock shows it, with the zone's name."""
    return [formats.zoned(one, zone) for one in moments]


def _hover(figure: go.Figure, moments: pd.Series, zone: str, x: pd.Series) -> None:
    """The box of a hover names the true hour in a line that cannot be seen on the figure."""
    known = pd.concat([pd.to_numeric(pd.Series(list(trace.y)), errors="coerce") for trace in figure.data])
    figure.add_scatter(
        x=x, y=[float(known.median())] * len(x), mode="markers", marker={"size": 1, "color": "rgba(0,0,0,0)"},
        customdata=hours(moments, zone), hovertemplate="%{customdata}<extra></extra>", name="Hour", showlegend=False,
        legendrank=1,
    )  # fmt: skip
    figure.update_xaxes(hoverformat="Hour")
