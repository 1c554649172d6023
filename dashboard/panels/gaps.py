"""Missing slots -> where they are, what is being done about them, and a button that asks again."""

from datetime import timedelta
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import data, formats, ui
from dashboard.data import this_hour
from dashboard.panels import confirming
from dashboard.panels.confirming import Question
from dashboard.ui import Frame
from pipeline import quality
from pipeline.markets import Market

LOOK_BACK = timedelta(days=35)
TRIED_OUT = 3
SHOWN = 200
BACKFILLS = timedelta(days=7)
OPEN = ("queued", "running")


def show(frame: Frame, market: Market) -> None:
    """One row a gap, newest first, and the button for the selected one."""
    found = _found(frame, market)
    names = {series.id: series.title for series in market.series}
    asked = frame.ask("page_backfills", since=this_hour(frame.now) - BACKFILLS)
    if found.empty:
        st.markdown(":material/check_circle: No gap: every slot that should be there is there.")
    else:
        _gaps(frame, found, names, asked)
    _backfills(frame, asked, found, names)


def _gaps(frame: Frame, found: pd.DataFrame, names: dict[str, str], asked: pd.DataFrame) -> None:
    rows = found.sort_values("start_at", ascending=False, ignore_index=True).head(SHOWN)
    table = pd.DataFrame([_row(frame, row, names, asked) for row in rows.itertuples()])
    columns = {
        "series": st.column_config.TextColumn("Series", pinned=True),
        "state": st.column_config.TextColumn("State"),
        "start": st.column_config.TextColumn(f"From, {frame.clock}"),
        "end": st.column_config.TextColumn(f"To, {frame.clock}"),
        "length": st.column_config.TextColumn("Length", alignment="right"),
        "slots": st.column_config.NumberColumn("Slots", format="%,d"),
        "tries": st.column_config.NumberColumn("Answers without", format="%,d", help="Answers that left it empty"),
        "message": st.column_config.TextColumn("Last answer", width="large"),
    }
    picked = ui.table(
        table, columns, colours=frame.palette, states=("state",), rows=8, key="gaps", alt="Gaps, newest first"
    )
    row = rows.iloc[picked if picked is not None else 0]
    open_run = covering(asked, row.series, row.start_at, row.end_at)
    _button(frame, row, names[row.series], chosen=picked is not None, waits=bool(open_run["state"].isin(OPEN).any()))


def _found(frame: Frame, market: Market) -> pd.DataFrame:
    hour = this_hour(frame.now)
    return frame.desk.look(
        ("gaps", market.id, hour), lambda session: quality.gaps(session, market, hour, span=LOOK_BACK)
    )


def _state(row: Any, asked: pd.DataFrame) -> str:
    """What is being done about a gap, else what the source said when it was asked for it."""
    mine = covering(asked, str(row.series), row.start_at, row.end_at)
    waits = mine[mine["state"].isin(OPEN)]
    if len(waits):
        return f"◐ backfill {waits['state'].iloc[0]}"
    if data.moment(row.asked_at) is None:
        return "◌ not asked for"
    return (
        f"○ known hole, asked {_times(row.tries)}" if row.tries >= TRIED_OUT else f"▲ open, asked {_times(row.tries)}"
    )


def _times(n: int) -> str:
    return {0: "in vain", 1: "once", 2: "twice"}.get(n, f"{n:,} times")


def covering(asked: pd.DataFrame, series: str, first: Any, last: Any) -> pd.DataFrame:
    """Those of `asked` (rows of `page_backfills`) that ask for a whole gap; without a series they ask for each."""
    whole = (asked["first"] <= first) & (asked["last"] >= last)
    found: pd.DataFrame = asked[whole & (asked["series"].isna() | (asked["series"] == series))]
    return found


def _row(frame: Frame, row: Any, names: dict[str, str], asked: pd.DataFrame) -> dict[str, Any]:
    at = data.moment(row.asked_at)
    last = f"{data.word(row.outcome)} {formats.age(at, frame.now)}" if at else "never asked"
    return {
        "series": names[row.series],
        "state": _state(row, asked),
        "start": formats.stamp(row.start_at, frame.zone),
        "end": formats.stamp(row.end_at, frame.zone),
        "length": formats.span((row.end_at - row.start_at).total_seconds()),
        "slots": row.slots,
        "tries": row.tries,
        "message": f"{last}. {data.word(row.message) or ''}".strip(),
    }


def _backfills(frame: Frame, asked: pd.DataFrame, gaps: pd.DataFrame, names: dict[str, str]) -> None:
    """What was asked for in the last week, and what came of it."""
    if asked.empty:
        return
    rows = [(row, _left(row, gaps)) for row in asked.head(SHOWN).itertuples()]
    table = pd.DataFrame([_backfill(frame, row, left, names) for row, left in rows])
    columns = {
        "state": st.column_config.TextColumn("Outcome", pinned=True),
        "series": st.column_config.TextColumn("Series"),
        "first": st.column_config.TextColumn(f"From, {frame.clock}"),
        "last": st.column_config.TextColumn(f"To, {frame.clock}"),
        "by": st.column_config.TextColumn("Asked by"),
        "when": st.column_config.TextColumn("When"),
        "rows": st.column_config.NumberColumn("New values", format="%,d"),
        "why": st.column_config.TextColumn("Why, or what went wrong", width="large"),
        "run": st.column_config.TextColumn("Run"),
    }
    st.markdown(f"**Backfills asked for, {BACKFILLS.days} days**")
    ui.table(table, columns, colours=frame.palette, states=("state",), rows=6, alt="Backfills asked for, newest first")


def _left(row: Any, gaps: pd.DataFrame) -> int:
    """Missing slots of gaps that the window of a backfill still holds, as far as it asked for their series."""
    touched = (gaps["start_at"] < row.last) & (gaps["end_at"] > row.first)
    return int(gaps.loc[touched & ((gaps["series"] == row.series) | (data.word(row.series) is None)), "slots"].sum())


def _backfill(frame: Frame, row: Any, left: int, names: dict[str, str]) -> dict[str, Any]:
    ended = "● filled" if not left else f"▲ {formats.count(left, 'slot')} still missing"
    shown = {"queued": "◌ queued", "running": "◐ running", "succeeded": ended, "skipped": ended, "failed": "▲ failed"}
    return {
        "state": shown.get(row.state, f"⊘ {row.state}"),
        "series": names.get(str(row.series), data.word(row.series) or "all"),
        "first": formats.stamp(row.first, frame.zone),
        "last": formats.stamp(row.last, frame.zone),
        "by": row.requested_by,
        "when": formats.age(row.queued_at, frame.now),
        "rows": row.rows_out,
        "why": data.word(row.error) or row.reason,
        "run": row.run_id,
    }


def _button(frame: Frame, row: pd.Series, name: str, *, chosen: bool, waits: bool) -> None:
    first, last = row.start_at.to_pydatetime(), row.end_at.to_pydatetime()
    span = f"{formats.stamp(first, frame.zone)} to {formats.stamp(last, frame.zone)} {frame.clock}"
    question = Question(
        "backfill", "Ask for it again?", f"**{name}**, {span}\n\nThe source is asked for the missing slots of this "
        "series in this window.", "Backfill", ":material/healing:",
        {"series": row.series, "first": first, "last": last},
    )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        confirming.button(
            frame, question, key="backfill", label="Backfill this gap", off="It is asked for already." if waits else ""
        )
        st.caption(
            f"{name}, {span}" if chosen else f"The newest: {name}, {span}. Select a row for another.", width="content"
        )
