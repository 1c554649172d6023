"""One version -> all that it was made of and what became of it: data, features, libraries, file, decisions."""

import importlib.metadata
import json
import platform
from functools import cache
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import data, formats, links, ui
from dashboard.formats import code, plain
from dashboard.panels.decisions import KINDS, OUTCOMES
from dashboard.panels.importance import spoken
from dashboard.ui import Frame
from pipeline import features, registry
from pipeline.errors import ModelError
from pipeline.importance import group_of

SAME, OTHER, GONE = "● same", "▲ differs", "▲ not installed"


def show(frame: Frame, version_id: str | None) -> None:
    """Everything known of `version_id` (None: there is no version yet, nothing is drawn)."""
    if version_id is None:
        return
    rows = frame.ask("page_lineage", target=frame.target.id, version_id=version_id)
    with ui.panel(f"Lineage of {plain(version_id)}", "What it was made of, and what became of it"):
        if rows.empty:
            st.info(
                f"{plain(version_id)} is no version of {frame.target.id}; select one above.", icon=":material/info:"
            )
            return
        row = rows.iloc[0]
        with st.container(border=True, gap="small"):
            left, right = st.columns(2, gap="medium")
            with left:
                st.markdown("\n".join(f"- **{name}**: {words}" for name, words in _made_of(frame, row)))
            with right:
                st.markdown("\n".join(f"- **{name}**: {words}" for name, words in _became(frame, row)))
            _file(frame, row)
            _features(frame, row)
            _parameters(row)
            _libraries(frame, row)
            _decisions(frame, row.version_id)


def _made_of(frame: Frame, row: pd.Series) -> list[tuple[str, str]]:
    zone = frame.zone
    took = ""
    if data.moment(row.started_at) and data.moment(row.ended_at):
        took = f" in {formats.span((row.ended_at - row.started_at).total_seconds())}"
    by = f", asked by {plain(row.requested_by)}" if data.word(row.requested_by) else ""
    return [
        ("Family", plain(row.family)),
        (
            "Trained on",
            f"{formats.date(row.trained_from, zone)} to {formats.zoned(row.trained_to, zone)}",
        ),
        ("Rows", f"{formats.count(row.n_rows, 'hourly origin')}, six hours ahead each"),
        ("Known as of", formats.zoned(row.as_of, zone)),
        ("Data hash", code(row.data_hash[:24])),
        ("Feature set", code(row.feature_set)),
        ("Seed, commit", f"{row.seed}, {code(row.code_commit) if row.code_commit else 'outside a checkout'}"),
        ("Training run", f"[{code(row.run_id)}]({links.address('jobs', run=row.run_id)}){took}{by}"),
    ]


def _became(frame: Frame, row: pd.Series) -> list[tuple[str, str]]:
    reigns = frame.ask("timeline", target=frame.target.id)
    mine = reigns[reigns["version_id"] == row.version_id]
    parent = data.word(row.parent_id)
    retired = data.moment(row.retired_at)
    lines = [
        ("Created", formats.zoned(row.created_at, frame.zone)),
        ("Champion it met", f"[{plain(parent)}]({links.address('models', version=parent)})" if parent else "none"),
        *[("Champion", _reign(frame, one)) for one in mine.itertuples()],
    ]
    if mine.empty:
        lines.append(("Champion", "never"))
    if retired:
        lines.append(("Retired", f"{formats.zoned(retired, frame.zone)}: {plain(row.retired_why)}"))
    return lines


def _reign(frame: Frame, reign: Any) -> str:
    until = data.moment(reign.live_until)
    length = ((until or frame.now) - reign.live_from).total_seconds()
    words = (
        formats.between(reign.live_from, until, frame.zone)
        if until
        else f"{formats.zoned(reign.live_from, frame.zone)} until now"
    )
    return f"{words} ({formats.span(length)})"


def _file(frame: Frame, row: pd.Series) -> None:
    """Where the model lies, and a button that reads it and compares its fingerprint with the registered one."""
    st.markdown(f"**File** {code(row.artifact)} · SHA-256 {code(row.sha256)}")
    if data.moment(row.retired_at):
        st.caption(":material/delete: Its file was removed when it was retired.")
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            "Check the file", key="check_file", icon=":material/fact_check:", on_click=_check, args=(frame, row),
            help="Reads the file and compares its SHA-256 with the registered one; changes nothing.",
        )  # fmt: skip
        version_id, at, flaw = st.session_state.get("checked_file", ("", frame.now, ""))
        if version_id != row.version_id:
            st.caption("Not checked on this page yet; every load checks it too.", width="content")
        elif flaw:
            st.markdown(f":material/error: **Damaged.** {plain(flaw)}", width="content")
        else:
            st.markdown(
                f":material/check_circle: Checked {formats.age(at, frame.desk.clock())}: **ok**", width="content"
            )


def _check(frame: Frame, row: pd.Series) -> None:
    flaw = ""
    try:
        registry.read_bytes(row.artifact, row.sha256, folder=frame.desk.settings.models, version_id=row.version_id)
    except ModelError as error:
        flaw = str(error)
    st.session_state["checked_file"] = (row.version_id, frame.desk.clock(), flaw)


def grouped(names: list[str]) -> dict[str, list[str]]:
    """Feature names by what they are about, in the groups whose importance is shown. Each name is in one group."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(spoken(group_of(name)), []).append(name)
    return found


def _features(frame: Frame, row: pd.Series) -> None:
    names = None if row.feature_names is None else list(row.feature_names)
    present = features.feature_set(frame.target.inputs)
    if names is None and row.feature_set == present:
        names = list(features.names(frame.target.inputs))
    if names is None:
        st.caption(f"The names of feature set {code(row.feature_set)} are not stored.")
        return
    same = "the set in use now" if row.feature_set == present else "▲ not the set in use now"
    with st.expander(f"{formats.count(len(names), 'feature')}, {same}", icon=":material/view_column:"):
        for group, mine in grouped(names).items():
            st.markdown(f"**{plain(group)}** ({len(mine)}): {', '.join(code(name) for name in mine)}")


def _parameters(row: pd.Series) -> None:
    for title, icon, text in (
        ("Parameters", ":material/tune:", row.params),
        ("Hold-out metrics", ":material/target:", row.metrics),
    ):
        with st.expander(title, icon=icon):
            st.code(json.dumps(json.loads(text), indent=2, ensure_ascii=False), language="json", wrap_lines=True)


def _libraries(frame: Frame, row: pd.Series) -> None:
    rows = compared(json.loads(row.libraries))
    differ = sum(one["state"] != SAME for one in rows)
    words = f"{differ} of {formats.count(len(rows), 'library', 'libraries')} differ from those that run now"
    with st.expander(words if differ else f"{formats.count(len(rows), 'library', 'libraries')}, as they run now",
                     icon=":material/inventory_2:"):  # fmt: skip
        columns = {
            "state": st.column_config.TextColumn(""),
            "name": st.column_config.TextColumn("Library"),
            "then": st.column_config.TextColumn("When trained"),
            "now": st.column_config.TextColumn("Now"),
        }
        ui.table(
            pd.DataFrame(rows, columns=list(columns)), columns, colours=frame.palette, states=("state",),
            alt="Libraries of the version and of this server",
        )  # fmt: skip


def compared(then: dict[str, str]) -> list[dict[str, str]]:
    """Libraries a version was trained with beside those of this process: state, name, then, now."""
    rows = []
    for name, version in sorted(then.items()):
        now = installed(name)
        state = GONE if now is None else SAME if now == version else OTHER
        rows.append({"state": state, "name": name, "then": version, "now": now or formats.NONE})
    return rows


@cache
def installed(name: str) -> str | None:
    """The version of a library, or of python, that runs here; None where it is not installed."""
    if name == "python":
        return platform.python_version()
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _decisions(frame: Frame, version_id: str) -> None:
    rows = frame.ask("page_decisions_on", target=frame.target.id, version_id=version_id)
    if rows.empty:
        st.caption("No decision was made about it.")
        return
    lines = []
    for one in rows.itertuples():
        when = formats.zoned(one.decided_at, frame.zone)
        kind = KINDS.get(one.kind, one.kind)
        if one.version_id == version_id:
            what = f"{OUTCOMES[one.outcome][2:]} ({kind})"
        else:
            what = f"gave way to {plain(one.version_id)} ({kind})"
        lines.append(f"- {when}: **{what}**, {plain(one.actor)}: {plain(one.reason)}")
    with st.expander(f"{formats.count(len(rows), 'decision')} about it", icon=":material/gavel:"):
        st.markdown("\n".join(lines))
