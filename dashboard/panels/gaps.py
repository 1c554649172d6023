"""Missing slots -> where they are, whether the source was asked for them, and a button that asks again."""

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


def show(frame: Frame, market: Market) -> None:
    """One row a gap, newest first, and the button for the selected one."""
    rows = _found(frame, market)
    if rows.empty:
        st.markdown(":material/check_circle: No gap: every slot that should be there is there.")
        return
    rows = rows.sort_values("start_at", ascending=False, ignore_index=True).head(SHOWN)
    names = {series.id: series.title for series in market.series}
    waiting = _asked_for(frame)
    table = pd.DataFrame([_row(frame, row, names, waiting) for row in rows.itertuples()])
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
    _button(frame, row, names[row.series], chosen=picked is not None)


def _found(frame: Frame, market: Market) -> pd.DataFrame:
    hour = this_hour(frame.now)
    return frame.desk.look(
        ("gaps", market.id, hour), lambda session: quality.gaps(session, market, hour, span=LOOK_BACK)
    )


def _asked_for(frame: Frame) -> list[tuple[pd.Timestamp, pd.Timestamp, str]]:
    """Windows that open runs of ingest are going to ask for: from, to and the run's state."""
    rows = frame.ask("page_backfills")
    return [(pd.Timestamp(row.first), pd.Timestamp(row.last), row.state) for row in rows.itertuples()]


def _row(frame: Frame, row: Any, names: dict[str, str], waiting: list[Any]) -> dict[str, Any]:
    state = next((state for first, last, state in waiting if first <= row.start_at and last >= row.end_at), None)
    asked = data.moment(row.asked_at)
    if state:
        shown = f"◐ backfill {state}"
    elif asked is None:
        shown = "◌ not asked for"
    else:
        shown = "○ known hole" if row.tries >= TRIED_OUT else "▲ open"
    last = f"{data.word(row.outcome)} {formats.age(asked, frame.now)}" if asked else "never asked"
    return {
        "series": names[row.series],
        "state": shown,
        "start": formats.stamp(row.start_at, frame.zone),
        "end": formats.stamp(row.end_at, frame.zone),
        "length": formats.span((row.end_at - row.start_at).total_seconds()),
        "slots": row.slots,
        "tries": row.tries,
        "message": f"{last}. {data.word(row.message) or ''}".strip(),
    }


def _button(frame: Frame, row: pd.Series, name: str, *, chosen: bool) -> None:
    first, last = row.start_at.to_pydatetime(), row.end_at.to_pydatetime()
    span = f"{formats.stamp(first, frame.zone)} to {formats.stamp(last, frame.zone)} {frame.clock}"
    question = Question(
        "backfill", "Ask for it again?", f"**{name}**, {span}\n\nThe source is asked for the missing slots of this "
        "window, for every series.", "Backfill", ":material/healing:",
        {"series": row.series, "first": first, "last": last},
    )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        confirming.button(frame, question, key="backfill", label="Backfill this gap")
        st.caption(
            f"{name}, {span}" if chosen else f"The newest: {name}, {span}. Select a row for another.", width="content"
        )
