"""Newest issue, or one hour -> where its numbers come from: issue, version, inputs, actual, how to make it again."""

from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import data, formats, links, looking_back, ui
from dashboard.formats import code, plain
from dashboard.panels import both_legs, clipboard, hours
from dashboard.ui import Frame

ODD = ("reduced", "fallback", "withheld", "missed")


def caption(frame: Frame, issue: pd.DataFrame, since: datetime, until: datetime) -> None:
    """One line about the newest issue, and about the issues of the 30 days from `since` to `until`."""
    first = issue.iloc[0]
    counts = frame.ask("page_issues", target=frame.target.id, since=since, until=until).iloc[0]
    verb, mode = "Issued", "issued live"
    if first.issuer == "reissue":
        verb, mode = "Re-issued", f"first issued {formats.zoned(first.first_made_at, frame.zone)}"
    elif first["mode"] == "replay":
        mode = "replayed afterwards with what was known then"
    words = [
        f"{verb} {formats.zoned(first.made_at, frame.zone)}, {mode}",
        f"model {plain(first.version_id)}",
        f"inputs as of {formats.zoned(first.as_of, frame.zone)}",
        f"{counts.replayed:,} of {formats.count(counts.n, 'issue')} of the last 30 days replayed",
    ]
    odd = [f"{counts[status]:,} {status}" for status in ODD if counts[status]]
    words += [", ".join(odd)] if odd else []
    st.caption(" · ".join(words) + f". Times are {frame.clock} time and name the start of the hour.")


def show(frame: Frame, issue: pd.DataFrame, past: timedelta) -> None:
    """Everything behind the number of one hour, at first T+1; any hour of the chart can be chosen, `past` back."""
    first, last = issue["valid_at"].iloc[0], issue["valid_at"].iloc[-1]
    offered = [at.to_pydatetime() for at in pd.date_range(first - past, last, freq="h")]
    asked = hours.chosen()
    if asked is not None and asked not in offered and asked.minute == 0:
        offered = sorted([*offered, asked])
    at = asked if asked in offered else first.to_pydatetime()
    st.selectbox(
        "Hour", offered, format_func=lambda one: _name(frame, one), width=220, **hours.follow("source_hour", at)
    )
    forecasts = frame.ask("page_hour", target=frame.target.id, hour=at, due=issue["origin"].iloc[0])
    if forecasts.empty:
        st.caption(f":material/info: No issue up to this moment forecast the hour {_name(frame, at)}.")
        return
    # The chart shows the newest issue for hours to come and T+1 for those before.
    row = forecasts.iloc[0]
    with st.container(gap="xsmall", key="provenance"):
        st.markdown("\n".join(f"- {line}" for line in _lines(frame, row, at)))
        _links(row)
        st.caption("Make this issue again and compare it bit for bit:")
        command = f"python jobs.py reproduce --forecast {frame.target.id}@{looking_back.written(row.origin)}"
        # A block of code would make every reader of the page load a highlighter of 1.5 MB.
        st.markdown(code(command))
        clipboard.words(command, key="copy_command", name="Copy the command")
    hours.jump("provenance")
    if frame.is_spread:
        both_legs.stored(frame, at)
    if len(forecasts) > 1:
        _history(frame, forecasts)


def _lines(frame: Frame, row: Any, at: datetime) -> list[str]:
    band = "no band" if pd.isna(row.p10) else formats.reach(row.p10, row.p90, frame.digits)
    value = "withheld" if pd.isna(row.p50) else f"{_number(frame, row.p50)} {frame.unit}"
    how = "re-issued" if row.issuer == "reissue" else "replayed afterwards" if row["mode"] == "replay" else "live"
    reason = f" ({plain(row.reason)})" if row.reason else ""
    return [
        f"**Forecast**: {value}, {band}, T+{row.horizon} of the issue from origin {_stamp(frame, row.origin)}",
        f"**Issue**: {how}, status {row.status}{reason}, made {_stamp(frame, row.made_at)}, "
        f"stored {_stamp(frame, row.written_at)}",
        f"**Inputs**: {_inputs(frame, row)}",
        f"**Model**: {_version(frame, row.version_id)}",
        f"**Actual**: {_actual(frame, at)}",
    ]


def _inputs(frame: Frame, row: Any) -> str:
    if data.moment(row.as_of) is None:
        return "not stored"
    stale = f"{formats.count(row.stale_hours, 'hour')} stale, {row.filled_hours:,.0f} filled"
    return f"known as of {_stamp(frame, row.as_of)}, feature set {code(row.feature_set)}, {stale}"


def _version(frame: Frame, version: str) -> str:
    rows = frame.ask("page_source_version", version=version)
    if rows.empty:
        return f"{plain(version)}, not stored by then"
    one = rows.iloc[0]
    if not one.sha256:
        return f"{plain(version)}, a rule without training"
    since, until = formats.date(one.trained_from, frame.zone), formats.date(one.trained_to, frame.zone)
    return (
        f"{plain(version)}, {plain(one.family)}, trained {since} {formats.NONE} {until} on {one.n_rows:,} origins; "
        f"data {code(one.data_hash[:12])}, file {code(one.sha256[:12])}, "
        + (f"code {code(one.code_commit[:12])}" if one.code_commit else "code outside a checkout")
    )


def _actual(frame: Frame, at: datetime) -> str:
    rows = frame.ask("page_hour_actual", target=frame.target.id, hour=at)
    if rows.empty:
        return "not measured yet"
    one = rows.iloc[0]
    known = f"known {_stamp(frame, one.known_at)}, stored {_stamp(frame, one.written_at)}"
    words = f"{_number(frame, one.value)} {frame.unit}, {known}"
    if one.versions == 1:
        return f"{words}, one version"
    moved = formats.signed(one.value - one.first_value, frame.digits)
    return f"{words}, version {one.versions:,} ({moved} {frame.unit} since the first)"


def _links(row: Any) -> None:
    with st.container(horizontal=True, gap="medium"):
        version = f"Version {plain(row.version_id)}"
        links.page("models", version, icon=":material/model_training:", version=row.version_id)
        links.page("jobs", f"Run {plain(row.run_id)}", icon=":material/monitor_heart:", run=row.run_id)


def _history(frame: Frame, rows: pd.DataFrame) -> None:
    number = f"%,.{frame.digits}f"
    shown = pd.DataFrame(
        {
            "horizon": [f"T+{one}" for one in rows["horizon"]],
            "made": [formats.stamp(one, frame.zone) for one in rows["made_at"]],
            "p50": rows["p50"],
            "p10": rows["p10"],
            "p90": rows["p90"],
            "status": rows["status"],
            "version": rows["version_id"],
        }
    )
    columns = {
        "horizon": st.column_config.TextColumn("Horizon", width=64, pinned=True),
        "made": st.column_config.TextColumn(f"Made, {frame.clock}"),
        "p50": st.column_config.NumberColumn(f"P50, {frame.unit}", format=number),
        "p10": st.column_config.NumberColumn("P10", format=number),
        "p90": st.column_config.NumberColumn("P90", format=number),
        "status": st.column_config.TextColumn("Status"),
        "version": st.column_config.TextColumn("Model"),
    }
    with st.expander(f"All {len(rows)} issues for this hour", icon=":material/stacks:"):
        ui.table(shown, columns, colours=frame.palette, alt="Every issue for this hour, newest first")


def _name(frame: Frame, at: datetime) -> str:
    return f"{formats.local(at, frame.zone):%a %H:%M %Z}"


def _stamp(frame: Frame, at: Any) -> str:
    return formats.zoned(at, frame.zone)


def _number(frame: Frame, value: float) -> str:
    return formats.number(value, frame.digits)
