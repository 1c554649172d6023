"""Checked days -> how complete and sound each series is, by day, and how much actuals move after publication."""

from datetime import timedelta
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import data, formats, ui
from dashboard.data import this_hour
from dashboard.figures import operations as ops_charts
from dashboard.ui import Frame
from pipeline.markets import Market, Series

CALENDAR, MONTH = timedelta(days=42), timedelta(days=30)
VERDICTS = {
    "ok": "● ok",
    "partial": "◐ so far ok",
    "gaps": "▲ gaps",
    "flat": "▲ stuck",
    "jumps": "▲ jumps",
    "range": "▲ out of range",
}


def show(frame: Frame, market: Market) -> None:
    """The table of today and the seven days before, and the calendar."""
    names = {series.id: series.title for series in market.series}
    with ui.panel("Quality, today and 7 days", "What the quality job found on the market's local days"):
        rows = frame.ask("page_quality")
        rows = rows[rows["series"].isin(names)]
        if rows.empty:
            ui.empty(
                "No day was checked yet",
                "The quality job looks for gaps, stuck meters, jumps and absurd values after every ingest.",
                icon=":material/fact_check:",
            )
            return
        _table(frame, rows, market)
    since = this_hour(frame.now).replace(hour=0) - CALENDAR
    with ui.panel("Completeness by day, 6 weeks"):
        days = frame.ask("page_quality_days", since=since, zone=market.zone)
        ui.draw(
            ops_charts.calendar(days, names=names, palette=frame.palette),
            key="calendar", alt="Share of the values that are there, by series and day",
        )  # fmt: skip
        st.caption(
            f"A cell is one day in {formats.city(market.zone)}; it is orange where values are missing, and a mark says "
            "what was found. Hours within declared events count as neither there nor missing."
        )


def _table(frame: Frame, rows: pd.DataFrame, market: Market) -> None:
    series = {one.id: one for one in market.series}
    table = pd.DataFrame([_row(row, series[str(row.series)]) for row in rows.itertuples()])
    columns = {
        "series": st.column_config.TextColumn("Series", pinned=True),
        "today": st.column_config.TextColumn("Today"),
        "missing_today": st.column_config.TextColumn("Missing today", alignment="right"),
        "complete": st.column_config.ProgressColumn("Complete, 7 d", format="%.1f %%", min_value=0, max_value=100),
        "bad": st.column_config.TextColumn("Days with a flaw", alignment="right"),
        "gap": st.column_config.TextColumn("Longest gap", alignment="right"),
        "flat": st.column_config.TextColumn(
            "Longest standstill", alignment="right", help="The same value, unchanged; only of series that must move"
        ),
        "jumps": st.column_config.NumberColumn("Jumps", format="%,d"),
        "range": st.column_config.NumberColumn("Out of range", format="%,d", help="Values in quarantine"),
        "duplicates": st.column_config.NumberColumn("Twice", format="%,d", help="The same slot twice in one answer"),
        "off_grid": st.column_config.NumberColumn("Off grid", format="%,d", help="Not at the start of an interval"),
        "revisions": st.column_config.TextColumn("Revisions", alignment="right"),
    }
    ui.table(table, columns, colours=frame.palette, states=("today",), alt="Data quality of each series")
    checked = rows["checked_at"].max()
    st.caption(
        f"Counts are of today and the seven days before, completeness of the seven only. Checked "
        f"{formats.age(data.moment(checked), frame.now)}."
    )


def _row(row: Any, series: Series) -> dict[str, Any]:
    complete = 100 * row.present / row.expected if row.expected else None
    moved = f", by {formats.number(row.revised_mean, 1)} on average" if pd.notna(row.revised_mean) else ""
    return {
        "series": series.title,
        "today": VERDICTS.get(row.verdict_today, row.verdict_today),
        "missing_today": f"{row.missing_today:,} of {row.expected_today:,}",
        "complete": complete,
        "bad": f"{row.days_bad:,} of {row.days:,}",
        "gap": _minutes(row.longest_gap_min),
        "flat": _minutes(row.flat_min) if series.flat else formats.NONE,
        "jumps": row.jumps,
        "range": row.out_of_range,
        "duplicates": row.duplicates,
        "off_grid": row.off_grid,
        "revisions": f"{row.revisions:,}{moved}",
    }


def _minutes(value: float) -> str:
    return formats.span(60 * value) if value else formats.NONE


def revisions(frame: Frame) -> None:
    """How far the hours of the target moved between first being complete and now."""
    since = this_hour(frame.now) - MONTH
    rows = frame.ask("page_revisions", target=frame.target.id, since=since, zone=frame.zone)
    if rows.empty:
        ui.empty("No actuals yet", "They appear with the first complete hour.", icon=":material/edit_note:")
        return
    hours, revised = int(rows["hours"].sum()), int(rows["revised"].sum())
    if not revised:
        st.caption(f"None of {hours:,} hours was revised after it was first complete.")
        return
    ui.draw(
        ops_charts.revisions(rows, palette=frame.palette, unit=frame.unit),
        key="revisions", alt="Mean and largest change of revised hours by day",
    )  # fmt: skip
    mean = (rows["mean_change"] * rows["revised"]).sum() / revised
    settled = (rows["settled_s"] * rows["revised"]).sum() / revised
    st.caption(
        f"{revised:,} of {hours:,} hours ({formats.percent(revised / hours)}) were revised after they were first "
        f"complete, by {formats.number(mean, 1)} {frame.unit} on average and at most "
        f"{formats.number(rows['largest'].max(), 1)} {frame.unit}; the last revision came "
        f"{formats.span(settled)} later. Each forecast is scored against the newest version."
    )
