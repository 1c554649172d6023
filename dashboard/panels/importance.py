"""Rows of `importances` -> what a version looks at: a bar a group of inputs, and how that was found."""

import streamlit as st

from dashboard import formats, ui
from dashboard.figures import models as figures
from dashboard.ui import Frame
from pipeline.importance import CALENDAR, FORMER_DAYS, LEVEL, WITHIN_HOUR

WORDS = {
    LEVEL: "the last hours",
    WITHIN_HOUR: "readings within the hour",
    FORMER_DAYS: "former days and weeks",
    CALENDAR: "calendar",
}


def spoken(group: str) -> str:
    """What a reader calls a group of features: 'temperature_error' -> 'temperature error'."""
    return WORDS.get(group, group.replace("_", " "))


def show(frame: Frame, version_id: str | None) -> None:
    """What `version_id` looks at; None: there is no version yet, nothing is drawn."""
    if version_id is None:
        return
    rows = frame.ask("page_importances", target=frame.target.id, version_id=version_id).copy()
    with ui.panel(
        f"What {formats.plain(version_id)} looks at", "By how much its error grows without a group of inputs"
    ):
        if rows.empty:
            ui.empty(
                f"No importance is known of {formats.plain(version_id)}",
                "Training runs write it down for each new version.",
                icon=":material/bar_chart:",
            )
            return
        rows["input"] = rows["input"].map(spoken)
        figure = frame.figure(
            "importance", lambda: figures.importance(rows, palette=frame.palette, digits=frame.digits), version_id
        )
        ui.draw(figure, key="importance", alt="Growth of the error when a group of inputs is shuffled, largest on top")
        one = rows.iloc[0]
        mae = f"{formats.number(one.mae, frame.finer)} {frame.unit}"
        st.caption(
            f"By how much the hold-out MAE of {mae} grows, in {frame.unit}, when the values of one group of inputs are "
            f"exchanged between hours, so that they say nothing more: mean of "
            f"{formats.count(one.repeats, 'shuffle')}, n = {formats.count(one.n, 'origin')}; whiskers are one standard "
            f"error over the shuffles. Groups that say the same share their importance."
        )
