"""Newest issue -> one card an hour: value, change against the issue before, band."""

from datetime import timedelta
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import formats
from dashboard.panels import both_legs, hours
from dashboard.ui import Frame

UNBROKEN = "\u2011"
"""A hyphen at which no line ends."""


def show(frame: Frame, issue: pd.DataFrame) -> None:
    """The cards in a row, or in several where it is narrow; rows as from query `page_issue`."""
    with st.grid(6, min_column_width=150):
        for row in issue.itertuples():
            with st.container(border=True, gap="xsmall", height="stretch"):
                _card(frame, row)


def _card(frame: Frame, row: Any) -> None:
    label = f"T+{row.horizon} · {formats.hour(row.valid_at, frame.zone)}"
    if row.valid_at + timedelta(hours=1) <= frame.now:
        label += " · passed"
    elif row.valid_at <= frame.now and frame.fresh.stale:
        label += " · running"
    first = pd.isna(row.change)
    st.button(
        label, key=f"card-{row.horizon}", icon=":material/account_tree:", icon_position="right", type="tertiary",
        on_click=hours.lead, args=(row.valid_at,), help="Where this number comes from",
    )  # fmt: skip
    change = None if pd.isna(row.p50) else "first issue" if first else formats.signed(row.change, frame.digits)
    st.metric(
        label,
        "withheld" if pd.isna(row.p50) else formats.number(row.p50, frame.digits),
        delta=change,
        delta_color="off",
        delta_arrow="off"
        if first or (change is not None and formats.is_zero(change))
        else "up"
        if row.change > 0
        else "down",
        delta_description=None if first else "vs last",
        label_visibility="collapsed",
    )
    st.caption(_band(frame, row))
    if frame.is_spread and pd.notna(row.p50):
        st.caption(both_legs.direction(frame.target, row.p50).replace("-", UNBROKEN))


def _band(frame: Frame, row: Any) -> str:
    if pd.isna(row.p10):
        return f"no band · {frame.unit}"
    return f"{formats.reach(row.p10, row.p90, frame.digits)} {frame.unit}"
