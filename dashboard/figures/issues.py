"""Two issues, or the reasons between them -> figures of what changed from one to the other. Pure, like charts."""

from datetime import datetime
from html import escape
from textwrap import wrap

import pandas as pd
import plotly.graph_objects as go

from dashboard.figures import clocks
from dashboard.figures.charts import dress, hover
from dashboard.figures.fan import band, head
from dashboard.figures.palette import Palette
from dashboard.formats import number, signed, steady, wall

ROW_PX, LINE_PX, BAR = 46, 16, 0.4
LINE, LINES = 46, 2
"""Signs of a reason that stand in one line above its bar, also on a phone, and how many lines it may have."""


def compared(
    hours: pd.DataFrame,
    *,
    palette: Palette,
    zone: str,
    now: datetime,
    unit: str,
    names: tuple[str, str],
    digits: int = 0,
) -> go.Figure:
    """Two issues with their bands and the actuals, at the offset of `now`; hours as from query `page_compared`."""
    figure = go.Figure()
    x = wall(hours["valid_at"], steady(zone, now))
    band(figure, x, hours["other_p10"], hours["other_p90"], palette.hindcast_band)
    band(figure, x, hours["p10"], hours["p90"], palette.band)
    _line(figure, x, hours["actual"], "Actual", {"color": palette.actual, "width": 2.4}, "circle", digits)
    _line(
        figure,
        x,
        hours["other_p50"],
        names[1],
        {"color": palette.previous, "width": 2, "dash": "dash"},
        "diamond",
        digits,
    )
    _line(figure, x, hours["p50"], names[0], {"color": palette.forecast, "width": 2.8}, "circle", digits)
    for column in ("other_p10", "other_p90"):
        # The band of the older issue is also outlined, because two fills over each other cannot be told apart.
        if hours[column].notna().any():
            line = {"color": palette.previous, "width": 1, "dash": "dot"}
            figure.add_scatter(x=x, y=hours[column], mode="lines", line=line, showlegend=False, hoverinfo="skip")
    dress(figure, palette, height=300, digits=digits)
    figure.update_layout(hovermode="x unified")
    figure.update_xaxes(tickformat="%H:%M\n%a %d %b")
    head(figure, escape(unit), {"size": 11, "color": palette.muted})
    clocks.tell(figure, hours["valid_at"], palette, zone=zone, at=now)
    return figure


def _line(
    figure: go.Figure, x: pd.Series, y: pd.Series, name: str, line: dict[str, object], symbol: str, digits: int
) -> None:
    if y.notna().any():
        figure.add_scatter(
            x=x, y=y, name=name, mode="lines+markers", line=line, marker={"size": 7, "symbol": symbol},
            hovertemplate=hover(digits),
        )  # fmt: skip


def waterfall(reasons: pd.DataFrame, *, palette: Palette, unit: str, digits: int) -> go.Figure:
    """From the previous issue to the newest, one bar a reason of one hour; rows as from query `page_reasons`.

    Bars start where the one before ended; the axis counts from the previous issue. Approximate ones are hatched
    and begin with an almost-equal sign.
    """
    effects = reasons["effect"].astype(float).tolist()
    ends = pd.Series(effects).cumsum().tolist()
    total = ends[-1]
    bases, sizes = [0.0, *ends[:-1], 0.0], [*effects, total]
    words = [
        *(_words(row) for row in reasons.itertuples()),
        f"<b>Newest issue, {number(reasons['p50'].iloc[0], digits)} {escape(unit)}</b>",
    ]
    rows = list(range(len(sizes)))
    figure = go.Figure(
        go.Bar(
            y=rows, x=sizes, base=bases, orientation="h", width=BAR, showlegend=False, cliponaxis=False,
            marker={
                "color": [_colour(size, palette) for size in effects] + [palette.actual],
                "pattern": {"shape": ["" if one else "/" for one in reasons["exact"]] + [""], "fgcolor": palette.paper,
                            "solidity": 0.35, "size": 5},
            },
            text=[signed(size, digits) for size in sizes], textposition="outside", hoverinfo="skip",
            textfont={"color": palette.text, "size": 12},
        )
    )  # fmt: skip
    row_px = ROW_PX + LINE_PX * any("<br>" in text for text in words)
    _label(figure, words, palette, above=round(BAR * row_px / 2) + 3)
    low, high = min(0.0, *ends), max(0.0, *ends)
    room = 0.18 * ((high - low) or 1.0)
    dress(figure, palette, height=84 + len(rows) * row_px, digits=digits)
    figure.update_layout(margin={"t": 22, "l": 8, "r": 12, "b": 40}, bargap=0)
    figure.update_yaxes(range=[len(rows) - 0.55, -0.85], showticklabels=False, showgrid=False, ticks="")
    figure.update_xaxes(
        range=[low - room, high + room], showgrid=True, gridcolor=palette.grid, zeroline=True,
        zerolinecolor=palette.muted, nticks=6,
        title={"text": f"{escape(unit)} against the previous issue", "font": {"size": 11, "color": palette.muted}},
    )  # fmt: skip
    return figure


def _label(figure: go.Figure, words: list[str], palette: Palette, above: int) -> None:
    for row, text in enumerate(words):
        figure.add_annotation(
            text=text, xref="paper", x=0, y=row, yshift=above, xanchor="left", yanchor="bottom", align="left",
            showarrow=False, font={"size": 12, "color": palette.text}, bgcolor=palette.paper, borderpad=1,
        )  # fmt: skip


def _words(row: object) -> str:
    sign = "" if getattr(row, "exact", True) else "\u2248 "
    lines = wrap(f"{sign}{getattr(row, 'words', '')}", LINE)
    kept = [*lines[: LINES - 1], lines[LINES - 1] + "..."] if len(lines) > LINES else lines
    return "<br>".join(escape(line) for line in kept)


def _colour(size: float, palette: Palette) -> str:
    return palette.forecast if size >= 0 else palette.previous
