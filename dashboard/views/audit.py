"""Audit rows -> who did what, when and why, newest first."""

import streamlit as st

from dashboard import formats, ui
from dashboard.identity import NEEDS
from dashboard.ui import Frame

SHOWN = 500
WORDS = {"started": "◌ started", "ok": "● ok", "denied": "⊘ denied", "failed": "▲ failed"}
ACTIONS = {"all": "All actions"} | {name: name.replace("_", " ").capitalize() for name in NEEDS}


def page() -> None:
    """A filter and the newest rows."""
    with ui.page("Audit") as frame, ui.panel():
        _rows(frame)


def _rows(frame: Frame) -> None:
    action = st.selectbox(
        "Action", list(ACTIONS), format_func=ACTIONS.__getitem__, key="action", bind="query-params", width=240,
        label_visibility="collapsed",
    )  # fmt: skip
    rows = frame.ask("page_audit", action=action or "all", n=SHOWN)
    if rows.empty:
        ui.empty(
            "Nobody has changed anything yet",
            "Every retrain, promotion, cancelled run, acknowledged alert and so on leaves its rows, refused ones too.",
            icon=":material/history:",
        )
        return
    table = rows.assign(
        acted_at=[formats.stamp(at, frame.zone) for at in rows["acted_at"]],
        outcome=rows["outcome"].map(WORDS),
        action=rows["action"].map(ACTIONS).fillna(rows["action"]),
    )
    columns = {
        "acted_at": st.column_config.TextColumn(f"When, {frame.clock}", pinned=True),
        "actor": st.column_config.TextColumn("Who"),
        "role": st.column_config.TextColumn("Role"),
        "action": st.column_config.TextColumn("Action"),
        "subject": st.column_config.TextColumn("Subject"),
        "outcome": st.column_config.TextColumn("Outcome"),
        "reason": st.column_config.TextColumn("Why", width="large"),
        "detail": st.column_config.TextColumn("Detail", width="large"),
    }
    ui.table(table, columns, colours=frame.palette, states=("outcome",), rows=18, alt="Audit log, newest first")
    shown = f"The newest {SHOWN:,} rows. " if len(rows) == SHOWN else ""
    st.caption(
        f"{shown}An action writes 'started' before it begins and how it ended after; a lone 'started' was interrupted."
    )


if __name__ == "__main__":
    page()
