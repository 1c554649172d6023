"""Runs -> those that fit the reader's filters, kept in the address, as a table to choose one from."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import exports, formats, ui
from dashboard.data import this_hour
from dashboard.panels import going
from dashboard.panels.timetable import FAILURES, STATES
from dashboard.picking import Picked
from dashboard.ui import Frame

SHOWN = 300
WINDOWS = {"24 hours": timedelta(hours=24), "7 days": timedelta(days=7), "30 days": timedelta(days=30)}
WINDOWS["1 year"] = timedelta(days=366)
ALL = "all"
KEYS = {"job": "job", "state": "state", "failure": "failure", "by": "asked_by"}
"""What the address calls the filters; the Accuracy page has a `by` of its own."""


def show(frame: Frame, jobs: list[str], usual: dict[str, float]) -> str | None:
    """Filters and table; returns the id of the run that the address names, as it does when one is chosen."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.header("Run history", anchor=False, width="content")
        chosen = st.segmented_control(
            "History of", list(WINDOWS), default="7 days", required=True, key="over", bind="query-params",
            label_visibility="collapsed",
        )  # fmt: skip
    since = this_hour(frame.now) - WINDOWS[chosen or "7 days"]
    filters = _filters(frame, jobs, since)
    rows = frame.ask("page_runs", **filters, since=since, n=SHOWN)
    asked_for = st.query_params.get("run")
    if rows.empty:
        narrowed = any(value not in (ALL, "") for value in filters.values())
        hint = (
            "Choose a longer time or fewer filters." if narrowed else "Every run of a job is listed here, with its log."
        )
        ui.empty("No runs to show", hint, icon=":material/history:")
        return asked_for
    ui.table(
        _table(frame, rows, usual), _columns(frame), colours=frame.palette, states=("state", "usual"),
        alt="Run history", picked=Picked("runs", "run", rows["run_id"]),
    )  # fmt: skip
    _foot(rows)
    return asked_for


def _filters(frame: Frame, jobs: list[str], since: Any) -> dict[str, str]:
    askers = frame.ask("page_askers", since=since)["name"].tolist()
    kinds: dict[str, tuple[Mapping[str, str | None], str]] = {
        "job": ({ALL: "All jobs"} | dict.fromkeys(jobs), "Job"),
        "state": ({ALL: "All states"} | {name: words[2:] for name, words in STATES.items()}, "State"),
        "failure": ({ALL: "All failures"} | FAILURES, "Failure"),
        "by": ({ALL: "Asked by anyone"} | dict.fromkeys(askers), "Asked by"),
    }
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        found = {key: _one(KEYS[key], label, names) for key, (names, label) in kinds.items()}
        text = st.text_input(
            "Text in error or reason", key="text", bind="query-params", width=220, label_visibility="collapsed",
            placeholder="Text in error, reason or id", icon=":material/search:", max_chars=100,
        )  # fmt: skip
    return found | {"text": (text or "").strip()}


def _one(key: str, label: str, names: Mapping[str, str | None]) -> str:
    # What an address asks for may not have happened in this window; it is offered all the same.
    asked = st.session_state.get(key) or st.query_params.get(key)
    options = [*names] if not asked or asked in names or key != KEYS["by"] else [*names, asked]
    chosen = st.selectbox(
        label, options, key=key, bind="query-params", width=170, label_visibility="collapsed",
        format_func=lambda name: names.get(name) or name,
    )  # fmt: skip
    return str(chosen or ALL)


def _foot(rows: pd.DataFrame) -> None:
    total = int(rows["total"].iloc[0])
    count = formats.count(total, "run")
    shown = f"The newest {len(rows):,} of {count}" if total > len(rows) else f"{count}, newest first"
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.caption(f"{shown}. Select a row for its log, to cancel it or run it again.", width="stretch")
        st.download_button(
            "CSV", lambda: exports.csv(rows.drop(columns="total")), "runs.csv", "text/csv", key="runs_csv",
            icon=":material/download:", on_click="ignore", help="The runs listed here",
        )  # fmt: skip


def _table(frame: Frame, rows: pd.DataFrame, usual: dict[str, float]) -> pd.DataFrame:
    started = rows["started_at"].fillna(rows["slot_at"]).fillna(rows["queued_at"])
    return pd.DataFrame(
        {
            "state": rows["state"].map(STATES),
            "job": rows["job"],
            "started": [formats.stamp(at, frame.zone) for at in started],
            "took": [formats.span(value) for value in rows["took_s"]],
            "usual": [_times(took, usual.get(job)) for job, took in zip(rows["job"], rows["took_s"], strict=True)],
            "attempt": rows["attempt"],
            "failure": rows["failure"].map(FAILURES).fillna(""),
            "rows_in": rows["rows_in"],
            "rows_out": rows["rows_out"],
            "by": rows["requested_by"],
            "error": rows["error"].fillna(rows["cancel_reason"]).fillna(rows["reason"]),
        }
    )


def _times(took_s: Any, usual_s: float | None) -> str:
    """'▲ 3.1 x' where a run took much longer than its job's usual, '1.2 x' where it says anything at all."""
    if took_s is None or pd.isna(took_s) or not usual_s or max(took_s, usual_s) < 1:
        return ""
    times = took_s / usual_s
    return f"{'▲ ' if going.against(took_s, usual_s) else ''}{times:.1f} x"


def _columns(frame: Frame) -> dict[str, Any]:
    return {
        "state": st.column_config.TextColumn("State"),
        "job": st.column_config.TextColumn("Job"),
        "started": st.column_config.TextColumn(f"Started, {frame.clock}"),
        "took": st.column_config.TextColumn("Took", alignment="right", width=104),
        "usual": st.column_config.TextColumn(
            "Of usual", alignment="right", help="Against the median of the last 30 that went well"
        ),
        "attempt": st.column_config.NumberColumn("Try", format="%d", width=56),
        "failure": st.column_config.TextColumn("Failure"),
        "rows_in": st.column_config.NumberColumn("Rows in", format="%,d"),
        "rows_out": st.column_config.NumberColumn("Rows out", format="%,d"),
        "by": st.column_config.TextColumn("Asked by"),
        "error": st.column_config.TextColumn("Error or reason", width="large"),
    }
