"""Total and sum of its parts by hour -> the figure of their difference. Pure."""

from datetime import datetime

import pandas as pd
import plotly.graph_objects as go

from dashboard.figures import clocks
from dashboard.figures.charts import dress
from dashboard.figures.palette import Palette
from dashboard.formats import MINUS, steady, wall


def differences(
    actuals: pd.DataFrame, issue: pd.DataFrame, *, palette: Palette, zone: str, now: datetime, unit: str,
    digits: int = 0, height: int = 240,
) -> go.Figure:  # fmt: skip
    """Parts less total as bars, measured and forecast; rows as from the queries `page_hierarchy_actuals` and
    `page_hierarchy_forecast`, drawn at the offset of `now`."""
    figure = go.Figure()
    clock = steady(zone, now)
    looks = (("Measured", actuals, palette.bar, ""), ("Forecast", issue, palette.forecast, "/"))
    for name, rows, colour, shape in looks:
        known = rows[rows["difference"].notna()]
        if len(known):
            figure.add_bar(
                x=wall(known["valid_at"], clock), y=known["difference"], name=name, marker_color=colour,
                marker_pattern={"shape": shape, "fgcolor": palette.paper, "fillmode": "overlay", "solidity": 0.3,
                                "size": 5},
                customdata=known["percent"].abs().map("{:.2f} %".format),
                hovertemplate=f"%{{y:+,.{digits}f}} {unit} (%{{customdata}})<extra>{name}, parts {MINUS} total</extra>",
            )  # fmt: skip
    dress(figure, palette, height=height, digits=digits)
    figure.update_layout(bargap=0.2)
    figure.update_yaxes(zeroline=True, zerolinecolor=palette.text)
    figure.update_xaxes(tickformat="%H:%M\n%a %d %b")
    times = pd.concat([actuals["valid_at"], issue["valid_at"]], ignore_index=True)
    clocks.tell(figure, times, palette, zone=zone, at=now, unified=False)
    return figure
