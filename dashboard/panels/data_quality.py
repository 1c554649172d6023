"""Checked days, actuals -> how sound each series is, and how much actuals move after their first publication."""

from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import data, formats, ui
from dashboard.data import this_hour
from dashboard.figures import operations as ops_charts
from dashboard.ui import Frame
from pipeline.markets import Market, Series

MONTH = timedelta(days=30)
AGES = {
    "1 hour": timedelta(hours=1),
    "6 hours": timedelta(hours=6),
    "1 day": timedelta(days=1),
    "7 days": timedelta(days=7),
}
VERDICTS = {
    "ok": "● ok",
    "partial": "◐ so far ok",
    "gaps": "▲ gaps",
    "flat": "▲ stuck",
    "jumps": "▲ jumps",
    "range": "▲ out of range",
}


def show(frame: Frame, market: Market) -> None:
    """The table of today and the seven days before."""
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


def _table(frame: Frame, rows: pd.DataFrame, market: Market) -> None:
    series = {one.id: one for one in market.series}
    table = pd.DataFrame([_row(row, series[str(row.series)]) for row in rows.itertuples()])
    columns = {
        "series": st.column_config.TextColumn("Series", pinned=True),
        "today": st.column_config.TextColumn("Today"),
        "missing_today": st.column_config.TextColumn("Missing today", alignment="right"),
        "complete": st.column_config.ProgressColumn(
            "Complete, 7 d", format="%.1f %%", min_value=0, max_value=100, width=120
        ),
        "bad": st.column_config.TextColumn("Flawed", alignment="right", help="Days with a flaw"),
        "gap": st.column_config.TextColumn("Longest gap", alignment="right"),
        "flat": st.column_config.TextColumn(
            "Standstill",
            alignment="right",
            help="The longest: the same value, unchanged; only of series that must move",
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
    left, right = st.columns(2, gap="medium")
    with left, ui.panel():
        st.markdown(f"**By day, {frame.unit}**")
        ui.draw(
            frame.figure("revised", lambda: _figure(frame, rows), since),
            key="revisions", alt="Mean and largest change of revised hours by day",
        )  # fmt: skip
    with right, ui.panel():
        _by_age(frame, since)
    mean = (rows["mean_change"] * rows["revised"]).sum() / revised
    settled = (rows["settled_s"] * rows["revised"]).sum() / revised
    st.caption(
        f"{revised:,} of {hours:,} hours ({formats.percent(revised / hours)}) were revised after they were first "
        f"complete, by {formats.number(mean, frame.finer)} {frame.unit} on average and at most "
        f"{formats.number(rows['largest'].max(), frame.finer)} {frame.unit}; the last revision came "
        f"{formats.span(settled)} later. Each forecast is scored against the newest version."
    )


def _figure(frame: Frame, rows: pd.DataFrame) -> Any:
    return ops_charts.revisions(rows, palette=frame.palette, unit=frame.unit, digits=frame.digits)


def _by_age(frame: Frame, since: datetime) -> None:
    """How far all hours had moved from their first version when that was so old, revised or not."""
    now = this_hour(frame.now)
    rows = frame.ask(
        "page_revision_ages", target=frame.target.id, since=since, now=now, ages=tuple(AGES.values())
    ).assign(words=list(AGES))
    old = rows[rows["n"] > 0]
    st.markdown(f"**By age since first publication, mean over all hours, {frame.unit}**")
    if old.empty:
        st.caption("No hour is old enough yet to tell.")
        return
    ui.draw(
        frame.figure("ages", lambda: ops_charts.revision_ages(old, palette=frame.palette, unit=frame.unit), since, now),
        key="ages", alt="Mean absolute change of an hour by the time since its first publication",
    )  # fmt: skip
    last = old.iloc[-1]
    st.caption(
        f"After {last.words} an hour has moved by {formats.number(last.mean_change, frame.finer)} {frame.unit} on "
        f"average, {formats.count(last.n_moved, 'hour')} of {last.n:,} at all; signed "
        f"{formats.signed(last.bias, frame.finer)} {frame.unit}. A bar counts the hours that are old enough for it."
    )
