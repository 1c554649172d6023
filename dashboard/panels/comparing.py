"""Newest issue and another -> both on one chart, their hours side by side, and how each came about and did."""

from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import data, formats, looking_back, ui
from dashboard.figures import issues
from dashboard.formats import plain
from dashboard.panels import hours
from dashboard.ui import Frame

OFFERED = 72


def show(frame: Frame, issue: pd.DataFrame) -> None:
    """Beside the newest issue, at first the one before it, or that of `?with=` in the address."""
    newest = issue["origin"].iloc[0].to_pydatetime()
    asked = looking_back.parsed(st.query_params.get("with"))
    listed = frame.ask("page_origins", target=frame.target.id, due=newest, n=OFFERED, other=asked)
    listed = listed[listed["origin"] < newest]
    if listed.empty:
        st.caption(":material/info: There is no earlier issue to compare with.")
        return
    options = [at.to_pydatetime() for at in listed["origin"]]
    if asked is not None and asked not in options:
        st.caption(
            f":material/info: No earlier issue counts from {formats.zoned(asked, frame.zone)}; this is the one before."
        )
    other: datetime = asked if asked in options and asked else options[0]
    made = dict(zip(options, listed["made_at"], strict=True))
    st.selectbox(
        "Compare with the issue of",
        options,
        format_func=lambda at: formats.zoned(made[at], frame.zone),
        width=260,
        **hours.follow("other_issue", other, "with"),
    )
    rows = frame.ask("page_compared", target=frame.target.id, origin=newest, other=other)
    heads = frame.ask("page_heads", target=frame.target.id, origin=newest, other=other)
    _drawn(frame, rows, heads, other)


def _drawn(frame: Frame, rows: pd.DataFrame, heads: pd.DataFrame, other: datetime) -> None:
    names = ("Newest issue", f"Issue of {formats.stamp(heads['made_at'].iloc[-1], frame.zone)}")
    if rows[["p50", "other_p50", "actual"]].isna().all(axis=None):
        st.caption(":material/info: Neither issue has a number, and no hour of them is measured.")
        return
    left, right = st.columns([5, 4], gap="medium")
    with left:
        figure = frame.figure("compared", lambda: _figure(frame, rows, names), other)
        ui.draw(figure, key="compared", alt=f"Newest issue and the {names[1].lower()}, each with P10 to P90")
    with right:
        _table(frame, rows)
        st.caption(_scores(rows, frame, names))
    st.markdown(
        "\n".join(f"- **{name}**: {_head(frame, row)}" for name, row in zip(names, heads.itertuples(), strict=True))
    )


def _figure(frame: Frame, rows: pd.DataFrame, names: tuple[str, str]) -> Any:
    return issues.compared(
        rows, palette=frame.palette, zone=frame.zone, now=frame.now, unit=frame.unit, names=names, digits=frame.digits
    )


def _table(frame: Frame, rows: pd.DataFrame) -> None:
    number = f"%,.{frame.digits}f"
    shown = pd.DataFrame(
        {
            "hour": [formats.day_hour(at, frame.zone) for at in rows["valid_at"]],
            **{name: _said(frame, rows[one]) for name, one in (("newest", "p50"), ("other", "other_p50"))},
            "difference": [formats.signed(value, frame.digits) for value in rows["difference"]],
            "actual": _said(frame, rows["actual"]),
        }
    )

    def quantity(label: str, width: int) -> Any:
        if frame.is_spread:
            return st.column_config.TextColumn(label, width=width, alignment="right")
        return st.column_config.NumberColumn(label, format=number, width=width)

    columns = {
        "hour": st.column_config.TextColumn(
            f"Hour, {frame.clock}", pinned=True, width=formats.width(shown["hour"], 104 + 24 * (len(frame.clock) > 8))
        ),
        "newest": quantity(f"Newest, {frame.unit}", 96 if len(frame.unit) < 5 else 130),
        "other": quantity("Other", 76),
        "difference": st.column_config.TextColumn("Difference", alignment="right", width=88, help="Newest less other"),
        "actual": quantity("Actual", 76),
    }
    ui.table(shown, columns, colours=frame.palette, alt="Two issues hour by hour", rows=13)


def _said(frame: Frame, values: pd.Series) -> Any:
    """As they are, of a spread as words: its sign is the minus that stands everywhere else."""
    return [formats.number(one, frame.digits) for one in values] if frame.is_spread else values


def _scores(rows: pd.DataFrame, frame: Frame, names: tuple[str, str]) -> str:
    """How each did where hours are measured, and on the hours that both forecast."""
    measured = rows[rows["actual"].notna()]
    parts = []
    for name, column in zip(names, ("p50", "other_p50"), strict=True):
        errors = (measured[column] - measured["actual"]).dropna().abs()
        if len(errors):
            mae = f"MAE {formats.number(errors.mean(), frame.digits)} {frame.unit}"
            parts.append(f"{name}: {mae} over {formats.count(len(errors), 'measured hour')}")
    common = int(rows["difference"].notna().sum())
    moved = rows["difference"].abs().mean()
    both = (
        f"{formats.count(common, 'common hour')}, mean difference {formats.number(moved, frame.digits)} {frame.unit}"
        if common
        else "No common hours"
    )
    return ". ".join([both, *(parts or ["No hour of either is measured yet"])]) + "."


def _head(frame: Frame, row: Any) -> str:
    how = "re-issued" if row.issuer == "reissue" else "replayed" if row.mode == "replay" else "issued live"
    words = [
        f"{how} {formats.zoned(row.made_at, frame.zone)}",
        f"model {plain(row.version_id)}",
        f"status {row.status}",
    ]
    if row.reason:
        words[-1] += f" ({plain(row.reason)})"
    if data.moment(row.as_of) is not None:
        words.append(f"inputs known as of {formats.zoned(row.as_of, frame.zone)}")
        words.append(f"{formats.count(row.stale_hours, 'stale hour')}, {row.filled_hours:,.0f} filled")
    return " · ".join(words)
