"""Newest issue and its stored reasons -> what changed since the issue before it, for one hour."""

from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import formats, ui
from dashboard.figures import issues
from dashboard.formats import plain
from dashboard.panels import hours
from dashboard.ui import Frame

SAME = 0.5
"""Half a unit of the last digit shown: reasons that miss the change by more are said to."""


def show(frame: Frame, issue: pd.DataFrame) -> None:
    """A sentence and a figure for the chosen hour, at first the one that moved most; or why there are no reasons."""
    reasons = frame.ask("page_reasons", target=frame.target.id, due=issue["origin"].iloc[0])
    if reasons.empty:
        ui.empty("No reasons to show", why_none(issue), icon=":material/compare_arrows:")
        return
    moved = reasons.groupby("valid_at")["effect"].sum()
    options = [at.to_pydatetime() for at in moved.index]
    asked = hours.chosen()
    at: datetime = asked if asked and asked in options else options[int(moved.abs().argmax())]
    choice: Any = hours.follow("why_hour", at)
    st.segmented_control(
        "Hour to explain",
        options,
        format_func=lambda one: formats.hour(one, frame.zone),
        label_visibility="collapsed",
        **choice,
    )
    rows = reasons[reasons["valid_at"] == at].reset_index(drop=True)
    st.markdown(sentence(rows, frame.unit, frame.digits))
    ui.draw(
        frame.figure(
            "why", lambda: issues.waterfall(rows, palette=frame.palette, unit=frame.unit, digits=frame.digits), at
        ),
        key="why",
        alt=f"What moved the forecast of {formats.day_hour(at, frame.zone)}: {alt(rows, frame.unit, frame.digits)}",
    )
    st.caption(" ".join(_notes(frame, issue, rows)))


def sentence(rows: pd.DataFrame, unit: str, digits: int) -> str:
    """'**+212 MW since the last issue**, mostly because ...'; rows of one hour as from query `page_reasons`."""
    change = float(rows["effect"].sum())
    text = formats.signed(change, digits)
    if formats.is_zero(text):
        return f"**0 {unit} since the last issue**: what moved it up and down cancels out."
    same = rows[(rows["effect"] * change) > 0]
    main = same.iloc[int(same["effect"].abs().argmax())]
    link = "mostly from" if main["input"] == "rest" else "mostly because"
    return f"**{text} {unit} since the last issue**, {link} {plain(main.words)}."


def alt(rows: pd.DataFrame, unit: str, digits: int) -> str:
    """The figure in words."""
    found: Any = rows.itertuples()
    parts = [f"{formats.signed(row.effect, digits)} {unit}: {row.words}" for row in found]
    return "; ".join(parts)


def why_none(issue: pd.DataFrame) -> str:
    """Why nothing is stored about the change, in a sentence; rows as from query `page_issue`."""
    first = issue.iloc[0]
    if first.status == "withheld":
        return "The forecast is withheld, so there is no change to explain."
    if issue["change"].isna().all():
        return "There is no issue before it for the same hours, so there is no change to explain."
    if first.status == "fallback":
        return "This is a fallback; only forecasts of a model are explained."
    if first["mode"] == "replay":
        return "This issue was replayed afterwards; only issues made live are explained."
    if first.issuer == "reissue":
        return "This issue was made again after a change of model; no reasons were stored for that."
    return "No reasons were stored for this issue, which happens when the issue before it was no forecast of a model."


def _notes(frame: Frame, issue: pd.DataFrame, rows: pd.DataFrame) -> list[str]:
    first = rows.iloc[0]
    how = (
        "Exact: the model is linear, and each reason counts the same in whatever order they came"
        if rows["exact"].all()
        else "Hatched bars (\u2248) are approximate: Shapley values, means over the orders in which they can come"
    )
    notes = [
        f"{how}. Against the issue from origin {_at(frame, first.before_origin)}; all reasons add up to the change."
    ]
    stored = issue.loc[issue["valid_at"] == first.valid_at, "change"]
    if (
        len(stored)
        and pd.notna(stored.iloc[0])
        and abs(stored.iloc[0] - rows["effect"].sum()) > SAME * 10**-frame.digits
    ):
        notes.append(
            f"The card compares with another issue: {formats.signed(stored.iloc[0], frame.digits)} {frame.unit}."
        )
    if first.version_id != first.before_version_id:
        notes.append(f"The model changed in between: {plain(first.before_version_id)} to {plain(first.version_id)}.")
    found: Any = rows.itertuples()
    moved = [f"{plain(row.input)} {_moved(row)}" for row in found if pd.notna(row.moved)]
    return [*notes, f"Inputs moved by: {', '.join(moved)}."] if moved else notes


def _moved(row: Any) -> str:
    digits = 0 if abs(row.moved) >= 10 else 1
    return f"{formats.signed(row.moved, digits)} {plain(row.unit)}"


def _at(frame: Frame, origin: Any) -> str:
    return formats.zoned_hour(origin, frame.zone)
