"""Runs of a week and a month -> the share of each job's runs that went well, with how many it is of."""

from datetime import timedelta
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import formats, ui
from dashboard.data import this_hour
from dashboard.ui import Frame

WEEK, MONTH = timedelta(days=7), timedelta(days=30)
GOOD = 0.99


def show(frame: Frame) -> None:
    """One row a job, the worst of the week first."""
    hour = this_hour(frame.now)
    rows = frame.ask("page_success", since=hour - MONTH, recent=hour - WEEK)
    if rows.empty:
        st.caption("No run has ended in the last 30 days.")
        return
    rows = rows.assign(rate=[share(row.good_recent, row.failed_recent) for row in rows.itertuples()])
    rows = rows.sort_values(["rate", "job"], na_position="last", ignore_index=True)
    table = pd.DataFrame([_row(row) for row in rows.itertuples()])
    columns = {
        "job": st.column_config.TextColumn("Job", pinned=True),
        "state": st.column_config.TextColumn("7 days"),
        "week": st.column_config.ProgressColumn("Went well, 7 d", format="%.1f %%", min_value=0, max_value=100),
        "week_n": st.column_config.TextColumn("of runs", alignment="right"),
        "month": st.column_config.ProgressColumn("Went well, 30 d", format="%.1f %%", min_value=0, max_value=100),
        "month_n": st.column_config.TextColumn("of runs", alignment="right"),
        "missed": st.column_config.NumberColumn("Missed, 30 d", format="%,d", help="Planned and not made"),
        "cancelled": st.column_config.NumberColumn("Cancelled, 30 d", format="%,d"),
        "rescued": st.column_config.NumberColumn("By a further try", format="%,d", help="Failed first, then went well"),
    }
    ui.table(
        table, columns, colours=frame.palette, states=("state",), rows=14, alt="Share of runs that went well by job"
    )
    st.caption(
        "Runs that did their work or had none to do, of all that ended by themselves; missed and cancelled runs are "
        "counted beside it. A failed run that a further try made good counts as one of each."
    )


def share(good: float, failed: float) -> float | None:
    """The share that went well, or None where nothing ended."""
    return good / (good + failed) if good + failed else None


def _row(row: Any) -> dict[str, Any]:
    month = share(row.good, row.failed)
    failing = row.rate is not None and pd.notna(row.rate) and row.rate < GOOD
    return {
        "job": row.job,
        "state": formats.NONE if pd.isna(row.rate) else f"▲ {row.failed_recent:,} failed" if failing else "● well",
        "week": None if pd.isna(row.rate) else 100 * row.rate,
        "week_n": f"{row.good_recent + row.failed_recent:,}",
        "month": None if month is None else 100 * month,
        "month_n": f"{row.good + row.failed:,}",
        "missed": row.missed,
        "cancelled": row.cancelled,
        "rescued": row.rescued,
    }
