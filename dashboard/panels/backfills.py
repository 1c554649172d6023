"""Backfills that were asked for + the gaps that are known -> what came of each: filled, still missing or not known."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import data, formats, ui
from dashboard.data import this_hour
from dashboard.ui import Frame
from pipeline.freshness import Freshness
from pipeline.markets import Market, Series

SINCE = timedelta(days=7)
SHOWN = 200
UNKNOWN = "○ not known"


@dataclass(frozen=True)
class Looked:
    """Where gaps of a series were looked for: from `first` to before its newest value, and up to `due` if it is late.

    `behind` is where the tail begins that a late series lacks and that is no gap yet; None for one that is not late.
    """

    cadence: pd.Timedelta
    first: pd.Timestamp
    behind: pd.Timestamp | None
    due: pd.Timestamp | None


def asked(frame: Frame, market: Market) -> pd.DataFrame:
    """Rows of `page_backfills` that ask for series of `market`: one of its own, or all there are."""
    rows: pd.DataFrame = frame.ask("page_backfills", since=this_hour(frame.now) - SINCE)
    return rows[rows["series"].isna() | rows["series"].isin([series.id for series in market.series])]


def show(frame: Frame, market: Market, rows: pd.DataFrame, gaps: pd.DataFrame, span: timedelta) -> None:
    """What was asked for in the last week; `rows` as from `asked`, `gaps` those of the last `span`."""
    if rows.empty:
        return
    looked = looked_at(frame, market, span)
    names = {series.id: series.title for series in market.series}
    table = pd.DataFrame([_row(frame, row, outcome(row, gaps, looked), names) for row in _tuples(rows.head(SHOWN))])
    columns = {
        "state": st.column_config.TextColumn(
            "Outcome",
            pinned=True,
            help=f"Of this market's series. Gaps are looked for in {span.days} days; older ones are not known",
        ),
        "series": st.column_config.TextColumn("Series"),
        "first": st.column_config.TextColumn(f"From, {frame.clock}"),
        "last": st.column_config.TextColumn(f"To, {frame.clock}"),
        "by": st.column_config.TextColumn("Asked by"),
        "when": st.column_config.TextColumn("When"),
        "rows": st.column_config.NumberColumn("New values", format="%,d"),
        "why": st.column_config.TextColumn("Why, or what went wrong", width="large"),
        "run": st.column_config.TextColumn("Run"),
    }
    st.markdown(f"**Backfills asked for, {SINCE.days} days**")
    ui.table(table, columns, colours=frame.palette, states=("state",), rows=6, alt="Backfills asked for, newest first")


def looked_at(frame: Frame, market: Market, span: timedelta) -> dict[str, Looked]:
    """Where quality.gaps looked for gaps of each series that has any value."""
    late = {one.series: one for one in data.look(frame.desk, market, frame.now)}
    since = pd.Timestamp(this_hour(frame.now) - span)
    found = {}
    for series in market.series:
        oldest = frame.ask("newest_point", series=series.id)["oldest"].iloc[0]
        if pd.notna(oldest):
            found[series.id] = _looked(series, max(oldest, since), late[series.id])
    return found


def _looked(series: Series, first: pd.Timestamp, one: Freshness) -> Looked:
    cadence = pd.Timedelta(series.cadence)
    if one.state != "late" or one.newest is None or one.due is None:
        return Looked(cadence, first, None, None)
    return Looked(cadence, first, pd.Timestamp(one.newest) + cadence, pd.Timestamp(one.due) + cadence)


def outcome(row: Any, gaps: pd.DataFrame, looked: dict[str, Looked]) -> str:
    """What came of a backfill, in words with a sign; `row` of query `page_backfills`, `gaps` as from quality.gaps."""
    if row.state not in ("succeeded", "skipped"):
        return {"queued": "◌ queued", "running": "◐ running", "failed": "▲ failed"}.get(row.state, f"⊘ {row.state}")
    only = data.word(row.series)
    mine = looked if only is None else {only: looked[only]} if only in looked else {}
    left = sum(missing(row.first, row.last, gaps[gaps["series"] == name], one) for name, one in mine.items())
    if left:
        return f"▲ {formats.count(left, 'slot')} still missing"
    if not mine or any(row.first < one.first for one in mine.values()):
        return UNKNOWN
    return "● filled" if pd.notna(row.rows_out) and row.rows_out else "○ nothing new"


def missing(first: pd.Timestamp, last: pd.Timestamp, gaps: pd.DataFrame, one: Looked) -> int:
    """Slots of one series in [first, last) that are not there, as far as that was looked at."""
    holes = [(gap.start_at, gap.end_at) for gap in _tuples(gaps)]
    if one.behind is not None and one.due is not None:
        holes.append((one.behind, one.due))
    return sum(_slots(start, min(end, last), one.cadence) - _slots(start, first, one.cadence) for start, end in holes
               if start < last and end > first)  # fmt: skip


def _slots(start: pd.Timestamp, end: pd.Timestamp, cadence: pd.Timedelta) -> int:
    """How many of the slots from `start` on begin before `end`."""
    return max(0, -((start - end) // cadence))


def _tuples(rows: pd.DataFrame) -> Any:
    return rows.itertuples()


def _row(frame: Frame, row: Any, state: str, names: dict[str, str]) -> dict[str, Any]:
    return {
        "state": state,
        "series": names.get(str(row.series), data.word(row.series) or "all"),
        "first": formats.stamp(row.first, frame.zone),
        "last": formats.stamp(row.last, frame.zone),
        "by": row.requested_by,
        "when": formats.age(row.queued_at, frame.now),
        "rows": row.rows_out,
        "why": data.word(row.error) or row.reason,
        "run": row.run_id,
    }
