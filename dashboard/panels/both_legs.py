"""Spread and the values of its two series -> which side an hour is on, both prices, what an hour is made of."""

from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import streamlit as st
from plotly.graph_objects import Figure

from dashboard import formats, links, ui, wording
from dashboard.figures import spread as charts
from dashboard.figures.palette import Palette
from dashboard.ui import Frame
from pipeline.markets import Series, Target

HOUR = timedelta(hours=1)
UP, DOWN = ":material/arrow_upward:", ":material/arrow_downward:"


def direction(target: Target, value: float) -> str:
    """The side of zero that is expected, with a sign."""
    above, below = wording.sides(target)
    if value == 0:
        return ":material/drag_handle: no difference"
    return f"{UP} {above}" if value > 0 else f"{DOWN} {below}"


def sides(figure: Figure, hours: pd.DataFrame, target: Target, palette: Palette) -> Figure:
    """The fan chart with both sides of zero told apart."""
    return charts.sides(figure, hours, wording.sides(target), palette)


def show(frame: Frame, since: datetime, *, near: bool = True) -> None:
    """Both prices from `since` on: what was, and what is known of the hours to come."""
    rows = hourly(frame, since)
    if rows[["minuend", "series"]].isna().all(axis=None):
        return
    first, second = wording.legs(frame.target)
    names = (first.title, second.title)
    figure = frame.figure(
        "legs",
        lambda: charts.legs(rows, names, palette=frame.palette, zone=frame.zone, now=frame.now, near=near),
        since,
        near,
    )
    st.markdown(f"**{wording.both(frame.target)}, {frame.unit}**")
    ui.draw(figure, key="legs", alt=f"{first.title} and {second.title} by hour")
    ahead = rows.loc[rows["minuend"].notna(), "valid_at"].max() if wording.known_ahead(frame.target) else pd.NaT
    reach = f"{first.title} is known to {formats.zoned(ahead + HOUR, frame.zone)}. " if pd.notna(ahead) else ""
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        st.caption(f"{reach}The spread is {first.title} less {second.title}.", width="content")
        for leg in (first, second):
            name = formats.begun(wording.short(leg, frame.target))
            links.page("data", name, icon=":material/sensors:", series=leg.id)


def hourly(frame: Frame, since: datetime) -> pd.DataFrame:
    """Rows of query `page_legs` from `since` on."""
    first, second = wording.legs(frame.target)
    rows: pd.DataFrame = frame.ask(
        "page_legs", since=since, minuend=first.id, series=second.id, minuend_per_hour=_per_hour(first),
        series_per_hour=_per_hour(second),
    )  # fmt: skip
    return rows


def ahead(frame: Frame, hours: pd.Series) -> pd.Series:
    """What the spread is taken from, such as the day-ahead price, in each of the hours; NaN where it is not known."""
    rows = hourly(frame, hours.min().to_pydatetime()).set_index("valid_at")["minuend"]
    return pd.Series(rows.reindex(hours).to_numpy(float), index=hours.index)


def stored(frame: Frame, at: datetime) -> None:
    """Every stored value behind the actual of the hour `at`."""
    first, second = wording.legs(frame.target)
    rows = frame.ask("page_leg_rows", minuend=first.id, series=second.id, hour=at)
    if rows.empty:
        st.caption(f":material/info: Neither {first.title} nor {second.title} is stored for this hour.")
        return
    titles = {first.id: first.title, second.id: second.title}
    number = f"%,.{frame.digits}f"
    text = st.column_config.TextColumn
    columns: dict[str, Any] = {
        "leg": text(wording.one_of_both(frame.target), pinned=True), "interval": text(f"Interval, {frame.clock}"),
        "value": st.column_config.NumberColumn(frame.unit, format=number),
        "versions": st.column_config.NumberColumn("Versions", format="%,d"),
        "made": text("Published"), "seen": text("First seen so"), "source": text("Source"), "run": text("Run"),
    }  # fmt: skip
    shown = pd.DataFrame(
        {
            "leg": rows["series"].map(titles),
            "interval": [formats.day_hour(one, frame.zone) for one in rows["valid_at"]],
            "value": rows["value"], "versions": rows["versions"],
            "made": [formats.zoned(one, frame.zone) for one in rows["made_at"]],
            "seen": [formats.zoned(one, frame.zone) for one in rows["seen_at"]],
            "source": rows["source"], "run": rows["run_id"],
        }
    )  # fmt: skip
    missing = [one.title for one in (first, second) if one.id not in set(rows["series"])]
    with st.expander(
        f"{wording.both(frame.target)} of this hour, {formats.count(len(rows), 'stored value')}",
        icon=":material/difference:",
    ):
        ui.table(
            shown,
            columns,
            colours=frame.palette,
            alt=f"Stored values of {formats.named(wording.both(frame.target))} of this hour",
        )
        if missing:
            st.caption(f"{' and '.join(missing)} is not known yet, so the hour has no actual.")


def _per_hour(series: Series) -> int:
    return max(1, round(HOUR / series.cadence))
