"""Values of a chart -> an axis that a few spikes do not flatten, and in words what lies beyond it. Pure."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard import formats
from dashboard.figures.palette import Palette

NEAR, TIMES, MARGIN = 0.8, 4.0, 0.15
"""The share of what was that an axis always holds, how many times as far the rest must reach to be left beyond it, and
the room at each end."""
Span = tuple[float, float]


def span(past: Sequence[pd.Series], held: Sequence[pd.Series] = ()) -> Span | None:
    """The ends of an axis that holds all of `held`, zero, and of each of `past` the NEAR share next to its median.

    None where the whole is not TIMES as long: then nothing flattens anything.
    """
    values = [_known(one) for one in past]
    core = np.concatenate([*(_nearest(one) for one in values), *(_known(one) for one in held), [0.0]])
    whole = np.concatenate([*values, core])
    size = float(core.max() - core.min())
    if not size or float(whole.max() - whole.min()) <= TIMES * size:
        return None
    # What is a little further than the core has room too.
    core = whole[(whole >= core.min() - size) & (whole <= core.max() + size)]
    room = MARGIN * float(core.max() - core.min())
    return float(core.min() - room), float(core.max() + room)


def write(
    figure: go.Figure,
    x: pd.Series,
    values: pd.Series,
    ends: Span,
    *,
    palette: Palette,
    digits: int,
    row: int = 1,
    most: int | None = None,
) -> None:
    """Hold the axis to `ends` and write at its edge how far `values` go where they leave it, once for each run.

    With `most` only the furthest so many of each side are written.
    """
    figure.update_yaxes(range=list(ends), row=row if _has_rows(figure) else None, col=1 if _has_rows(figure) else None)
    number = values.to_numpy(float)
    for side, outside in ((1, number > ends[1]), (-1, number < ends[0])):
        furthest = [run[np.argmax(side * number[run])] for run in _runs(outside)]
        for place in sorted(furthest, key=lambda one: -side * number[one])[:most]:
            sign = "\u25b2" if side > 0 else "\u25bc"
            figure.add_annotation(
                text=f"{sign} {formats.number(number[place], digits)}", x=x.iloc[place], y=ends[1 if side > 0 else 0],
                yref="y" if row == 1 else f"y{row}", yanchor="top" if side > 0 else "bottom", xanchor="center",
                showarrow=False, font={"size": 11, "color": palette.text}, bgcolor=palette.paper, opacity=0.9,
            )  # fmt: skip


def beyond(values: pd.Series, ends: Span | None) -> int:
    """How many of `values` the axis leaves out."""
    return 0 if ends is None else int(((values < ends[0]) | (values > ends[1])).sum())


def _known(values: pd.Series) -> np.ndarray:
    number = values.to_numpy(float)
    known: np.ndarray = number[np.isfinite(number)]
    return known


def _nearest(values: np.ndarray) -> np.ndarray:
    """The NEAR share of `values` next to their median."""
    if not len(values):
        return values
    away = np.abs(values - np.median(values))
    near: np.ndarray = values[away <= np.quantile(away, NEAR)]
    return near


def _runs(flags: np.ndarray) -> list[np.ndarray]:
    places = np.flatnonzero(flags)
    return np.split(places, np.flatnonzero(np.diff(places) > 1) + 1) if len(places) else []


def _has_rows(figure: go.Figure) -> bool:
    return getattr(figure, "_grid_ref", None) is not None
