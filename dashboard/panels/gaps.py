"""Missing slots -> where they are, what is being done about them, and a button that asks again."""

from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import data, formats, looking_back, ui
from dashboard.data import this_hour
from dashboard.panels import backfills, confirming
from dashboard.panels.confirming import Question
from dashboard.picking import Picked
from dashboard.ui import Frame
from pipeline import quality
from pipeline.freshness import Freshness
from pipeline.markets import Market, Series

LOOK_BACK = timedelta(days=35)
TRIED_OUT = 3
SHOWN = 200
OPEN = ("queued", "running")


def show(frame: Frame, market: Market) -> None:
    """One row a gap, newest first, and the button for the selected one."""
    found = _found(frame, market)
    names = {series.id: series.title for series in market.series}
    asked = backfills.asked(frame, market)
    if len(found):
        _gaps(frame, found, names, asked)
    _whole(frame, market, found)
    backfills.show(frame, market, asked, found, LOOK_BACK)


def _whole(frame: Frame, market: Market, found: pd.DataFrame) -> None:
    """What there is to say of series without a gap: those without a single value have none, and are not whole."""
    silent = frame.desk.look(("silent", market.id, this_hour(frame.now)), lambda one: quality.silent(one, market))
    n, with_data = len(silent), len(market.series) - len(silent)
    judged = f"Judged are the {with_data} series with data; **{n} of {len(market.series)} have no value at all**"
    if silent and not with_data:
        st.markdown(f":material/warning: Nothing to judge: none of {formats.count(n, 'series', 'series')} has a value.")
    elif silent:
        sign = "" if len(found) else ":material/warning: No gap among those that can have one. "
        st.markdown(f"{sign}{judged}: {_few([series.title for series in silent])}.")
    elif found.empty:
        st.markdown(":material/check_circle: No gap: every slot that should be there is there.")


def _few(titles: list[str], most: int = 6) -> str:
    shown = ", ".join(formats.plain(one) for one in titles[:most])
    return shown if len(titles) <= most else f"{shown} and {len(titles) - most} more"


def catch_up(frame: Frame, series: Series, late: Freshness) -> None:
    """A button that asks for what a late series lacks at its end, which is no gap yet."""
    if late.newest is None or late.due is None:
        return
    first, last = late.newest + series.cadence, late.due + series.cadence
    asked = backfills.asked(frame, frame.desk.markets[frame.target.market])
    waits = bool(covering(asked, series.id, first, first + series.cadence)["state"].isin(OPEN).any())
    confirming.button(
        frame, _question(frame, series.id, series.title, first, last), key=f"catch-up-{series.id}", kind="tertiary",
        off="It is asked for already." if waits else "",
    )  # fmt: skip


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
        table, columns, colours=frame.palette, states=("state",), rows=8, alt="Gaps, newest first",
        picked=Picked("gaps", "gap", [gap_id(row) for row in rows.itertuples()]),
    )  # fmt: skip
    row = rows.iloc[picked if picked is not None else 0]
    open_run = covering(asked, row.series, row.start_at, row.end_at)
    _button(frame, row, names[row.series], chosen=picked is not None, waits=bool(open_run["state"].isin(OPEN).any()))


def gap_id(row: Any) -> str:
    """What the address calls a gap; its end moves as it is filled."""
    return f"{row.series}@{looking_back.written(row.start_at)}"


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


def _button(frame: Frame, row: pd.Series, name: str, *, chosen: bool, waits: bool) -> None:
    first, last = row.start_at.to_pydatetime(), row.end_at.to_pydatetime()
    question = _question(frame, str(row.series), name, first, last)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        confirming.button(
            frame, question, key="backfill", label="Backfill this gap", off="It is asked for already." if waits else ""
        )
        words = f"{name}, {_span(frame, first, last)}"
        st.caption(words if chosen else f"The newest: {words}. Select a row for another.", width="content")


def _question(frame: Frame, series: str, name: str, first: datetime, last: datetime) -> Question:
    words = (
        f"**{name}**, {_span(frame, first, last)}\n\nThe source is asked for the missing slots of this series in this "
        "window."
    )
    given = {"series": series, "first": first, "last": last}
    return Question("backfill", "Ask for it again?", words, "Backfill", ":material/healing:", given)


def _span(frame: Frame, first: datetime, last: datetime) -> str:
    return formats.between(first, last, frame.zone)
