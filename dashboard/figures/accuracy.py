"""Frames of measures and errors -> figures of the Accuracy page: by slice, heat map, trend. Pure."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard import formats
from dashboard.figures.charts import dress, ticks
from dashboard.figures.palette import Palette

LINES = {"naive": ("Naive", "dash", "diamond"), "operator": ("Operator", "dashdot", "square")}
SHARES = {"skill": "n", "coverage": "n_band", "hit_rate": "n_hit_rate"}
"""Measures that are shares, and how many forecasts each is of."""
RIGHT = {"coverage": 0.8}
"""A line across: the share that is right."""
CLIPPED = 0.98
"""The share of errors that the colours of the heat map tell apart; what is larger has the last colour."""


def by_slice(rows: pd.DataFrame, metric: str, *, palette: Palette, digits: int = 0, height: int = 320) -> go.Figure:
    """One bar or point a slice with whiskers of one standard error; rows as from panels.by_slice.sliced."""
    figure = go.Figure()
    if metric in SHARES:
        _shares(figure, rows, metric, palette)
    else:
        _bars(figure, rows, metric, palette, 2 if metric == "relative" else digits)
    dress(figure, palette, height=height, digits=digits)
    figure.update_xaxes(type="category", tickangle=-60 if len(rows) > 12 else 0)
    if metric in SHARES:
        figure.update_yaxes(tickformat=".0%", zeroline=metric == "skill", zerolinecolor=palette.muted)
    elif metric in ("bias", "profit"):
        figure.update_yaxes(zeroline=True, zerolinecolor=palette.muted)
    else:
        figure.update_yaxes(rangemode="tozero", tickformat=",.2f" if metric == "relative" else ticks(digits))
    return figure


def _bars(figure: go.Figure, rows: pd.DataFrame, metric: str, palette: Palette, digits: int) -> None:
    said = [formats.number(value, digits) for value in rows[metric]]
    figure.add_bar(
        x=rows["name"], y=rows[metric], name="Sextant", marker_color=palette.forecast, width=0.62,
        text=said if len(rows) <= 12 else None, textposition="inside", insidetextanchor="start", textangle=0,
        constraintext="none", textfont={"color": palette.paper, "size": 11},
        error_y=_whiskers(rows[f"{metric}_se"], palette),
        customdata=np.column_stack([said, _counts(rows[f"n_{metric}" if f"n_{metric}" in rows else "n"])]),
        hovertemplate="%{x}: %{customdata[0]} (n = %{customdata[1]})<extra>Sextant</extra>",
    )  # fmt: skip
    if metric == "profit" and "side_profit" in rows and rows["side_profit"].notna().any():
        figure.add_scatter(
            x=rows["name"], y=rows["side_profit"], name="Last hour's side", mode="markers",
            marker={"color": palette.naive, "symbol": "diamond", "size": 9},
            customdata=_counts(rows["n_side_profit"]),
            hovertemplate=f"%{{y:+,.{digits}f}} (n = %{{customdata}})<extra>%{{fullData.name}}</extra>",
        )  # fmt: skip
    for name in LINES if metric == "mae" else ():
        if rows[f"{name}_mae"].notna().any():
            _line(figure, rows["name"], rows[f"{name}_mae"], name, palette, _counts(rows["n"]), digits=digits)


def _shares(figure: go.Figure, rows: pd.DataFrame, metric: str, palette: Palette) -> None:
    looks = {
        "skill": (("skill", "Against naive", palette.naive, "diamond"),
                  ("skill_operator", "Against operator", palette.operator, "square")),
        "coverage": (("coverage", f"In {formats.BAND}", palette.forecast, "circle"),),
        "hit_rate": (("hit_rate", "Direction right", palette.forecast, "circle"),
                     ("side_hit_rate", "Last hour's side", palette.naive, "diamond")),
    }  # fmt: skip
    for column, label, colour, symbol in looks[metric]:
        if column in rows and rows[column].notna().any():
            figure.add_scatter(
                x=rows["name"], y=rows[column], name=label, mode="markers",
                marker={"color": colour, "symbol": symbol, "size": 10},
                error_y=_whiskers(rows[f"{column}_se"], palette) if f"{column}_se" in rows else None,
                customdata=np.column_stack(
                    [
                        [formats.percent(share) for share in rows[column]],
                        _counts(rows[f"n_{column}" if column.startswith("side_") else SHARES[metric]]),
                    ]
                ),
                hovertemplate="%{x}: %{customdata[0]} (n = %{customdata[1]})<extra>%{fullData.name}</extra>",
            )  # fmt: skip
    if metric in RIGHT:
        figure.add_hline(y=RIGHT[metric], line={"color": palette.previous, "dash": "dash", "width": 2})


def _line(
    figure: go.Figure,
    x: Any,
    y: pd.Series,
    name: str,
    palette: Palette,
    counts: list[str],
    width: float = 2,
    digits: int = 0,
) -> None:
    label, dash, symbol = LINES[name]
    colour = palette.naive if name == "naive" else palette.operator
    figure.add_scatter(
        x=x, y=y, name=label, mode="lines+markers" if width > 1.5 else "lines", customdata=counts,
        line={"color": colour, "width": width, "dash": dash}, marker={"symbol": symbol, "size": 7},
        hovertemplate=f"%{{y:,.{digits}f}} (n = %{{customdata}})<extra>%{{fullData.name}}</extra>",
    )  # fmt: skip


def _whiskers(doubt: pd.Series, palette: Palette) -> Mapping[str, Any]:
    return {"type": "data", "array": doubt, "color": palette.muted, "thickness": 1.5, "width": 4}


def _counts(n: pd.Series) -> list[str]:
    return [formats.number(one) for one in n]


def heat_map(
    cells: pd.DataFrame, *, clocks: list[str], palette: Palette, unit: str, digits: int = 0, height: int = 430
) -> go.Figure:
    """Signed errors, a column a day and a row a clock hour of `clocks`; cells as from panels.heat_map.cells.

    Zero has the colour of the page, forecasts too high are orange, too low blue; an hour without a score is grey.
    """
    days = sorted(cells["day"].unique())
    known = cells["error"].abs().dropna()
    reach = float(known.quantile(CLIPPED)) if len(known) else 1.0
    figure = go.Figure()
    holes = cells[cells["error"].isna()]
    figure.add_heatmap(
        x=days, y=clocks, z=_grid(holes.assign(one=1.0), "one", days, clocks), showscale=False, xgap=1, ygap=1,
        colorscale=[[0, palette.bar], [1, palette.bar]], zmin=0, zmax=1,
        customdata=_grid(holes, "why", days, clocks), name="No score",
        hovertemplate="%{customdata}<extra></extra>", hoverongaps=False,
    )  # fmt: skip
    figure.add_heatmap(
        x=days, y=clocks, z=_grid(cells, "error", days, clocks), xgap=1, ygap=1, zmin=-reach, zmax=reach, zmid=0,
        colorscale=[[0, palette.forecast], [0.5, palette.paper], [1, palette.previous]],
        colorbar={
            "title": {"text": unit, "side": "top"}, "thickness": 12, "outlinewidth": 0, "len": 0.9,
            "tickformat": f",.{digits}f",
        },
        customdata=_grid(cells, "said", days, clocks), name="Error",
        hovertemplate="%{customdata}<extra></extra>", hoverongaps=False,
    )  # fmt: skip
    dress(figure, palette, height=height)
    figure.update_layout(margin_t=12)
    figure.update_yaxes(
        type="category", categoryorder="array", categoryarray=clocks, autorange="reversed", showgrid=False
    )
    figure.update_yaxes(tickvals=[clock for clock in clocks if int(clock[:2]) % 3 == 0 or clock.endswith("again")])
    figure.update_xaxes(type="date", tickformat="%d %b", showgrid=False)
    return figure


def _grid(cells: pd.DataFrame, column: str, days: list[Any], clocks: list[str]) -> Any:
    table = cells.pivot_table(index="clock", columns="day", values=column, aggfunc="first", dropna=False)
    table = table.reindex(index=clocks, columns=days)
    if column in ("why", "said"):
        return table.astype(object).where(table.notna(), "").to_numpy()
    return table.to_numpy(float)


def trend(
    points: pd.DataFrame, *, marks: pd.DataFrame, stretches: pd.DataFrame, limit: float | None, palette: Palette,
    unit: str, height: int = 340, digits: int = 0,
) -> go.Figure:  # fmt: skip
    """Rolling MAE of 7 days with the most that the alert rule allows; points, marks and stretches as from panels.trend.

    All times as a wall clock shows them. `limit` is the target's own, in its unit.
    """
    figure = go.Figure()
    for row in stretches.itertuples():
        figure.add_vrect(
            x0=row.first, x1=row.last, fillcolor=palette.outside, opacity=0.16, line_width=0, layer="below"
        )
    for name in LINES:
        if points[name].notna().any():
            _line(
                figure, points["at"], points[name], name, palette, _counts(points["n_common"]), width=1.3, digits=digits
            )
    figure.add_scatter(
        x=points["at"], y=points["allowed"], name="Most allowed", mode="lines", connectgaps=False,
        line={"color": palette.warning, "width": 1.6, "shape": "hv"}, customdata=_counts(points["n_before"]),
        hovertemplate=f"%{{y:,.{digits}f}} (28 days before, n = %{{customdata}})<extra>Most allowed</extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=points["at"], y=points["mae"], name="Sextant, 7 days", mode="lines+markers", customdata=_counts(points["n"]),
        line={"color": palette.forecast, "width": 2.6}, marker={"size": 5},
        hovertemplate=f"%{{y:,.{digits}f}} (n = %{{customdata}})<extra>Sextant</extra>",
    )  # fmt: skip
    if limit is not None:
        figure.add_hline(
            y=limit, line={"color": palette.warning, "dash": "dot", "width": 2},
            annotation={"text": f"own limit {formats.number(limit, digits)} {unit}", "font": {"color": palette.text}},
        )  # fmt: skip
    for place, (at, label) in enumerate(zip(marks["at"], marks["label"], strict=True)):
        _mark(figure, at, label, palette, place)
    dress(figure, palette, height=height, digits=digits)
    figure.update_layout(hovermode="x unified", margin_t=64)
    figure.update_yaxes(rangemode="tozero")
    figure.update_xaxes(type="date", tickformat="%d %b")
    return figure


def _mark(figure: go.Figure, at: Any, label: str, palette: Palette, place: int) -> None:
    """A thin line where another version took over, its name on one of two rows so that neighbours can be read."""
    figure.add_shape(
        type="line", x0=at, x1=at, y0=0, y1=1, yref="paper", line={"color": palette.muted, "width": 1, "dash": "dot"}
    )
    figure.add_annotation(
        x=at, y=0.04 + 0.08 * (place % 2), yref="paper", text=label, showarrow=False, xanchor="left", xshift=3,
        font={"color": palette.muted, "size": 11},
    )  # fmt: skip
