"""Versions of a target -> their table, the panel of who waits for approval, and the buttons that act on them."""

from typing import Any

import pandas as pd
import streamlit as st

from dashboard import data, formats, ui
from dashboard.formats import BAND
from dashboard.identity import NEEDS
from dashboard.panels import decisions, dialogs
from dashboard.picking import Picked
from dashboard.ui import Frame


def waiting(frame: Frame, champion: str | None) -> None:
    """Who waits for a person's approval, with the evidence; nothing when nobody does."""
    rows = frame.ask("page_waiting", target=frame.target.id)
    if rows.empty:
        return
    row = rows.iloc[0]
    with st.container(border=True, gap="small"):
        st.markdown(
            f":material/pending_actions: **{formats.plain(row.version_id)} waits for approval** ({row.family}, trained "
            f"{formats.zoned(row.decided_at, frame.zone)}). Until then the champion stays."
        )
        st.markdown("\n".join(f"- {formats.plain(line)}" for line in decisions.words(row, frame.unit)[1:]))
        if len(rows) > 1:
            older = formats.count(len(rows) - 1, "older one waits", "older ones wait")
            st.caption(f"{older} too: select them in the table below.")
        st.button(
            f"Promote {formats.plain(row.version_id)}",
            icon=":material/how_to_reg:",
            type="primary",
            key="approve",
            on_click=dialogs.ask_for,
            args=("promote", row.version_id, champion),
            disabled=bool(lacks(frame, "promote")),
            help=lacks(frame, "promote") or None,
        )


def table(frame: Frame, versions: pd.DataFrame) -> pd.Series | None:
    """Draw the versions; returns the one that is selected, or that the address names (`?version=`)."""
    st.header("Versions", anchor=False)
    if versions.empty:
        ui.empty(
            "No version was trained yet",
            "Retrain below, or run `python jobs.py run train`.",
            icon=":material/model_training:",
        )
        return None
    count = frame.target.policy.shadow_versions
    shadows = set(frame.ask("shadows", targets=(frame.target.id,), counts=(count,))["version_id"])
    shown = pd.DataFrame(
        {
            "role": [_role(row, row.version_id in shadows) for row in versions.itertuples()],
            "version": versions["version_id"],
            "family": versions["family"],
            "live": versions["live_mae"],
            "live_n": [_basis(row) for row in versions.itertuples()],
            "mae": versions["mae"],
            "coverage": [formats.percent(share) for share in versions["coverage"]],
            "hold_out": [hold_out(row, frame.zone) for row in versions.itertuples()],
            "created": [formats.stamp(at, frame.zone) for at in versions["created_at"]],
            "window": [_window(row, frame.zone) for row in versions.itertuples()],
            "n_rows": versions["n_rows"],
            "data_hash": versions["data_hash"].str[:12],
            "commit": versions["code_commit"],
            "sha256": versions["sha256"].str[:12],
        }
    )
    picked = ui.table(
        shown, _columns(frame), colours=frame.palette, states=("role",), alt="Model versions, newest first", rows=8,
        picked=Picked("versions", "version", versions["version_id"]),
    )  # fmt: skip
    return None if picked is None else versions.iloc[picked]


def buttons(frame: Frame, picked: pd.Series | None, champion: str | None) -> None:
    """Retrain, and make the selected version the champion where that is possible."""
    hindered = hurdle(picked, champion)
    name, icon, label = "promote", ":material/how_to_reg:", "Make champion"
    if picked is not None and picked.was_champion:
        name, icon, label = "roll_back", ":material/undo:", "Roll back"
    named = f"{label}: {formats.plain(picked.version_id)}" if picked is not None and not hindered else label
    with st.container(horizontal=True):
        st.button(
            "Retrain",
            icon=":material/model_training:",
            on_click=dialogs.ask_for,
            args=("retrain",),
            disabled=bool(lacks(frame, "retrain")),
            help=lacks(frame, "retrain") or None,
        )
        st.button(
            named,
            icon=icon,
            on_click=dialogs.ask_for,
            args=(name, "" if picked is None else picked.version_id, champion),
            disabled=bool(hindered or lacks(frame, name)),
            help=formats.plain(hindered or lacks(frame, name)) or None,
        )


def lacks(frame: Frame, action: str) -> str:
    """What the reader lacks to do `action`, or ""."""
    return "" if frame.user.may(action) else f"Needs the role {NEEDS[action]}."


def hurdle(picked: pd.Series | None, champion: str | None) -> str:
    """Why the selected version cannot become the champion, or ""; `picked` as from query `page_versions`."""
    if picked is None:
        return "Select a version that is not the champion first."
    if picked.version_id == champion:
        return "It is the champion already."
    retired = data.moment(picked.retired_at)
    return f"Its file was retired on {retired:%d %b %Y}: {picked.retired_why}." if retired else ""


def _role(row: Any, in_shadow: bool) -> str:
    if row.is_champion is True:
        return "★ champion"
    if data.moment(row.retired_at):
        return "○ retired"
    return "◐ shadow" if in_shadow else ""


def _basis(row: Any) -> str:
    """'720 issued', '120 shadow', '720, 120 shadow'."""
    if pd.isna(row.live_n):
        return formats.NONE
    issued, shadow = int(row.live_n - row.shadow_n), int(row.shadow_n)
    parts = [f"{issued:,} issued"] * bool(issued) + [f"{shadow:,} shadow"] * bool(shadow)
    return ", ".join(parts)


def hold_out(row: Any, zone: str) -> str:
    """What the figures of a version's backtest rest on: 'n = 1,320 a horizon, 12 Sep to 7 Nov'."""
    if pd.isna(row.hold_out_n):
        return formats.NONE
    first, last = formats.local(row.hold_out_from, zone), formats.local(row.hold_out_to, zone)
    return f"n = {formats.number(row.hold_out_n)} a horizon, {first:%d %b} to {last:%d %b}"


def _window(row: Any, zone: str) -> str:
    return f"{formats.date(row.trained_from, zone)} {formats.NONE} {formats.date(row.trained_to, zone)}"


def _columns(frame: Frame) -> dict[str, object]:
    return {
        "role": st.column_config.TextColumn("", width=96, help="Shadow: forecasts each hour beside the champion"),
        "version": st.column_config.TextColumn("Version"),
        "family": st.column_config.TextColumn("Family"),
        "live": st.column_config.NumberColumn(
            f"Live MAE 30 d, {frame.unit}",
            format=f"%,.{frame.finer}f",
            help="Of its own forecasts of the last 30 days, over all horizons. Versions were live in different hours: "
            "the preview of a change compares on common ones",
        ),
        "live_n": st.column_config.TextColumn("Issues", help="Behind the live MAE: as issued or in shadow"),
        "mae": st.column_config.NumberColumn(
            f"Backtest MAE, {frame.unit}", format=f"%,.{frame.finer}f", help="Mean over T+1 to T+6 of its own hold-out"
        ),
        "coverage": st.column_config.TextColumn(f"In {BAND}", alignment="right", help="In the backtest"),
        "hold_out": st.column_config.TextColumn("Backtest over", help="Hours that the version had not learned from"),
        "created": st.column_config.TextColumn(f"Created, {frame.clock}"),
        "window": st.column_config.TextColumn("Trained on"),
        "n_rows": st.column_config.NumberColumn("Origins", format="%,d"),
        "data_hash": st.column_config.TextColumn("Data hash", help="Fingerprint of the training data and feature set"),
        "commit": st.column_config.TextColumn("Commit"),
        "sha256": st.column_config.TextColumn("Artifact", help="SHA-256 of the model file, checked at every load"),
    }
