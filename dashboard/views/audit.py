"""Audit rows -> who did what, when and why, newest first: filtered, paged, one of them whole, files to take along."""

import json
from datetime import timedelta
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import exports, formats, ui
from dashboard.data import this_hour
from dashboard.formats import code, plain
from dashboard.identity import NEEDS
from dashboard.picking import Picked
from dashboard.ui import Frame

PAGE, EXPORTED = 50, 100_000
WORDS = {"started": "◌ started", "ok": "● ok", "denied": "⊘ denied", "failed": "▲ failed"}
OUTCOMES = {"": "All outcomes", "ok": "Ok", "denied": "Denied", "failed": "Failed", "started": "Started"}
WINDOWS: dict[str, timedelta | None] = {
    "7 days": timedelta(days=7), "30 days": timedelta(days=30), "1 year": timedelta(days=365), "All": None,
}  # fmt: skip
BEGINNING = pd.Timestamp("2000-01-01", tz="UTC").to_pydatetime()
Choice = dict[str, Any]


def page() -> None:
    """Filters, counts by outcome, a page of rows, the selected row whole, files to download."""
    with ui.page("Audit") as frame:
        with ui.panel():
            st.caption(
                ":material/lock: Append-only: every attempt to change something leaves its rows, refused ones too, and "
                "nothing in Sextant changes or removes them, whatever their age."
            )
            known = frame.ask("page_audit_words")
            if known.empty:
                ui.empty(
                    "Nobody has changed anything yet",
                    "Every retrain, promotion, cancelled run, acknowledged alert and so on leaves its rows, refused "
                    "ones too.",
                    icon=":material/history:",
                )
                return
            choice = _choice(frame, known)
            _rows(frame, choice)
        with ui.panel():
            _entry(frame)


def names(actions: list[str]) -> dict[str, str]:
    """What can be done, as the pages call it: all that need a role, and what else was written down."""
    return {"": "All actions"} | {one: one.replace("_", " ").capitalize() for one in sorted({*NEEDS, *actions})}


def _choice(frame: Frame, known: pd.DataFrame) -> Choice:
    labels = names(list(known["action"].unique()))
    people = {"": "Everybody"} | {name: name for name in sorted(known["actor"].unique())}
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        window = st.selectbox("Window", list(WINDOWS), index=3, key="period", bind="query-params", width=120)
        action = _select("Action", labels, key="action", width=200)
        actor = _select("Who", people, key="who", width=180)
        outcome = _select("Outcome", OUTCOMES, key="outcome", width=150)
        words = st.text_input(
            "Contains", key="contains", bind="query-params", placeholder="subject, reason, detail", max_chars=200,
            width=260,
        )  # fmt: skip
    length = WINDOWS[window or "All"]
    since = BEGINNING if length is None else this_hour(frame.now) - length
    return {
        "since": since, "action": action, "actor": actor, "outcome": outcome, "words": (words or "").strip()
    }  # fmt: skip


def _select(label: str, options: dict[str, str], *, key: str, width: int) -> str:
    chosen = st.selectbox(
        label, list(options), format_func=lambda one: options.get(one, one), key=key, bind="query-params", width=width
    )
    return chosen or ""


def _rows(frame: Frame, choice: Choice) -> None:
    counts = _counts(frame, choice)
    n = int(counts.sum()) if not choice["outcome"] else int(counts.get(choice["outcome"], 0))
    if not n:
        ui.empty("Nothing matches", "Choose another window, person, action or outcome.", icon=":material/filter_alt:")
        return
    pages = -(-n // PAGE)
    number = 1
    if pages > 1:
        number = min(st.pagination(pages, key="page_number", bind="query-params"), pages)
    rows = frame.ask("page_audit_log", n=PAGE, skip=PAGE * (number - 1), **choice)
    ui.table(
        shown(frame, rows), _columns(frame), colours=frame.palette, states=("outcome",), rows=18,
        alt="Audit log, newest first", picked=Picked("entries", "entry", rows["audit_id"]),
    )  # fmt: skip
    first = PAGE * (number - 1)
    st.caption(
        f"Rows {formats.number(first + 1)} to {formats.number(first + len(rows))} of {formats.number(n)}, newest "
        "first. An action writes 'started' before it begins and how it ended after; a lone 'started' was interrupted. "
        "Select a row to see it whole."
    )
    _downloads(frame, choice, n)


def _counts(frame: Frame, choice: Choice) -> "pd.Series[int]":
    """How many rows of the choice ended how; drawn as badges."""
    params = {name: value for name, value in choice.items() if name != "outcome"}
    counts: pd.Series[int] = frame.ask("page_audit_counts", **params).set_index("outcome")["n"]
    colours = {"ok": "green", "denied": "orange", "failed": "orange", "started": "gray"}
    icons = {"ok": "check_circle", "denied": "block", "failed": "warning", "started": "hourglass_empty"}
    with st.container(horizontal=True, gap="small"):
        for outcome, colour in colours.items():
            n = formats.number(int(counts.get(outcome, 0)))
            st.badge(f"{n} {outcome}", icon=f":material/{icons[outcome]}:", color=colour)  # type: ignore[arg-type]
    return counts


def shown(frame: Frame, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows as the table shows them."""
    labels = names([])
    return rows.assign(
        acted_at=[formats.stamp(at, frame.zone) for at in rows["acted_at"]],
        outcome=rows["outcome"].map(WORDS),
        action=[labels.get(one, one.replace("_", " ").capitalize()) for one in rows["action"]],
    )


def _columns(frame: Frame) -> dict[str, Any]:
    return {
        "acted_at": st.column_config.TextColumn(f"When, {frame.clock}"),
        "actor": st.column_config.TextColumn("Who"),
        "role": st.column_config.TextColumn("Role"),
        "action": st.column_config.TextColumn("Action"),
        "subject": st.column_config.TextColumn("Subject"),
        "outcome": st.column_config.TextColumn("Outcome"),
        "reason": st.column_config.TextColumn("Why", width="large"),
        "detail": st.column_config.TextColumn("Detail", width="large"),
    }


def _downloads(frame: Frame, choice: Choice, n: int) -> None:
    """All rows of the choice as files; made only when somebody takes one."""

    def rows() -> pd.DataFrame:
        found: pd.DataFrame = frame.desk.warehouse.ask("page_audit_log", n=EXPORTED, skip=0, **choice)
        return found

    with st.container(horizontal=True, gap="small"):
        st.download_button(
            "CSV", lambda: exports.csv(rows()), "sextant-audit.csv", "text/csv", key="audit_csv",
            icon=":material/download:", on_click="ignore",
        )  # fmt: skip
        st.download_button(
            "Parquet", lambda: exports.parquet(rows()), "sextant-audit.parquet", "application/vnd.apache.parquet",
            key="audit_parquet", icon=":material/download:", on_click="ignore",
        )  # fmt: skip
    if n > EXPORTED:
        st.caption(f"Files hold the newest {formats.number(EXPORTED)} rows; choose a shorter window for older ones.")


def _entry(frame: Frame) -> None:
    """The selected row with its whole detail, and the other rows of the same attempt."""
    audit_id = st.query_params.get("entry")
    if not audit_id:
        return
    rows = frame.ask("page_audit_entry", audit_id=audit_id)
    if rows.empty:
        st.caption(f"There is no audit row {code(audit_id)} in this warehouse.")
        return
    row = rows[rows["is_it"]].iloc[0]
    with st.container(border=True, gap="small"):
        st.markdown(
            f"**{WORDS[row.outcome]}** · {plain(row.action.replace('_', ' '))} {code(row.subject)} · "
            f"{plain(row.actor)}, {plain(row.role)} · {formats.local(row.acted_at, frame.zone):%a %d %b %Y %H:%M:%S %Z}"
        )
        st.markdown(f"Why: {plain(row.reason) if row.reason else 'no reason was given'}")
        st.code(pretty(row.detail), language="json", wrap_lines=True)
        others = rows[~rows["is_it"]]
        if len(others):
            words = "; ".join(
                f"{WORDS[one.outcome]} {formats.local(one.acted_at, frame.zone):%H:%M:%S}"
                for one in others.itertuples()
            )
            st.caption(f"Of the same person, about the same, within an hour: {words}. Row {code(audit_id)}.")


def pretty(detail: str) -> str:
    """JSON with one fact a line; what is no JSON as it is."""
    try:
        return json.dumps(json.loads(detail), indent=2, ensure_ascii=False)
    except ValueError:
        return detail


if __name__ == "__main__":
    page()
