"""Checked days -> a map of what is there, and what was wrong on the day that is chosen."""

from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from dashboard import data, formats, ui
from dashboard.data import this_hour
from dashboard.figures import completeness
from dashboard.ui import Frame
from pipeline.markets import Market, Series

SPANS = {"6 weeks": timedelta(days=42), "26 weeks": timedelta(days=182)}
NO_DAY = "none"
MANY = 20
"""Of more series than these, the map shows those with a flaw."""


def show(frame: Frame, market: Market) -> None:
    """The map of the last weeks; a cell or the list of days with a flaw chooses the day told about below it."""
    names = {series.id: series.title for series in market.series}
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.header("Completeness by day", anchor=False, width="content")
        controls = st.container(horizontal=True, width="content", vertical_alignment="center", gap="small")
    chosen = controls.segmented_control(
        "Weeks", list(SPANS), default="6 weeks", required=True, key="weeks", bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    since = this_hour(frame.now).replace(hour=0) - SPANS[chosen or "6 weeks"]
    days = frame.ask("page_quality_days", since=since, zone=market.zone)
    days = days[days["series"].isin(names)]
    if days.empty:
        ui.empty("No day was checked yet", "The quality job checks every day of every series.", ":material/grid_on:")
        return
    with controls:
        day = _day(days)
    names, sound = _drawn(names, days)
    figure = frame.figure(
        "calendar", lambda: completeness.calendar(days, names=names, palette=frame.palette, chosen=day),
        since, market.id, day, *names,
    )  # fmt: skip
    # A new key for every choice: a remembered selection would choose its day again.
    key = f"calendar-{day}"
    st.plotly_chart(
        figure, theme=None, key=key, on_select=_picked, selection_mode=("points",),
        alt="Share of the values that are there, by series and day", config={"displayModeBar": False},
    )  # fmt: skip
    st.caption(
        f"A cell is one day in {formats.city(market.zone)}; it is orange where values are missing, and a mark says "
        "what was found. Hours within declared events count as neither there nor missing. Select a cell, or a day of "
        "the list, to see what was wrong."
        + (f" {formats.count(sound, 'further series', 'further series')} had no flaw and no row here." if sound else "")
    )
    _found(frame, market, day)


def _drawn(names: dict[str, str], days: pd.DataFrame) -> tuple[dict[str, str], int]:
    """The series that have a row in the map, and how many have none: of many series those with a flaw."""
    if len(names) <= MANY:
        return names, 0
    flawed = set(days.loc[~days["verdict"].isin(("ok", "partial")), "series"])
    drawn = {one: title for one, title in names.items() if one in flawed} or dict(list(names.items())[:MANY])
    return drawn, len(names) - len(drawn)


def _day(days: pd.DataFrame) -> str | None:
    """The chosen day, from the list of those with a flaw and whatever the link or the map named."""
    bad = days[~days["verdict"].isin(("ok", "partial")) | days["clock_change"]]
    options = sorted({*bad["day"]}, reverse=True)
    wanted = st.session_state.get("day") or st.query_params.get("day")
    if wanted in set(days["day"]) and wanted not in options:
        options = sorted({*options, wanted}, reverse=True)
    if st.session_state.get("day") not in (None, NO_DAY, *options):
        st.session_state["day"] = NO_DAY
    chosen = st.selectbox(
        "Day", [NO_DAY, *options], key="day", bind="query-params", width=190, label_visibility="collapsed",
        format_func=lambda one: "Choose a day" if one == NO_DAY else one,
    )  # fmt: skip
    return None if chosen in (None, NO_DAY) else str(chosen)


def _picked() -> None:
    """Callback of the map: make the day of the cell that was clicked the chosen one."""
    for key, event in st.session_state.items():
        if str(key).startswith("calendar-") and event and event.selection.points:
            st.session_state["day"] = str(event.selection.points[0]["customdata"][0])
            return


def _found(frame: Frame, market: Market, day: str | None) -> None:
    if day is None:
        return
    noon = datetime.combine(datetime.fromisoformat(day).date(), time(12), ZoneInfo(market.zone))
    rows = frame.ask("page_quality_day", at=noon)
    series = {one.id: one for one in market.series}
    rows = rows[rows["series"].isin(series)]
    with st.container(border=True, gap="xsmall"):
        changed = " The clocks changed that day." if rows["clock_change"].any() else ""
        st.markdown(f"**{noon:%A %d %B %Y}** in {formats.city(market.zone)}.{changed}")
        st.markdown("\n".join(f"- {_words(frame, row, series[str(row.series)])}" for row in rows.itertuples()))
        st.caption(f"Checked {formats.age(data.moment(rows['checked_at'].max()), frame.now)}.")


def _words(frame: Frame, row: Any, series: Series) -> str:
    """One series' day in a sentence: what is there, then every flaw with its size and place."""
    flaws = []
    if row.missing:
        flaws.append(f"longest gap {formats.span(60 * row.longest_gap_min)}")
    if row.verdict == "flat":
        since = f" from {formats.zoned_hour(row.flat_from, frame.zone)}" if data.moment(row.flat_from) else ""
        flaws.append(f"the same value for {formats.span(60 * row.flat_min)}{since}")
    if row.jumps:
        where = f" at {formats.zoned_hour(row.jump_at, frame.zone)}" if data.moment(row.jump_at) else ""
        flaws.append(f"{formats.count(row.jumps, 'jump')}, the largest {formats.number(row.largest_jump, 1)} "
                     f"{series.unit}{where}")  # fmt: skip
    counts = ((row.out_of_range, "value out of range", "values out of range"),
              (row.duplicates, "slot twice", "slots twice"),
              (row.off_grid, "value off the grid", "values off the grid"))  # fmt: skip
    flaws += [formats.count(n, one, many) for n, one, many in counts if n]
    if row.revisions:
        by = (
            f", by {formats.number(row.revised_mean, 1)} {series.unit} on average" if pd.notna(row.revised_mean) else ""
        )
        flaws.append(f"{formats.count(row.revisions, 'revision')}{by}")
    sign = ":material/check_circle:" if row.verdict in ("ok", "partial") else ":material/warning:"
    told = f"; {'; '.join(flaws)}" if flaws else ""
    return f"{sign} **{series.title}**: {row.present:,} of {row.expected:,} values there{told}."
