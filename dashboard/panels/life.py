"""Registry and drift checks -> which model was live when, and whether the world has moved since it was trained."""

import pandas as pd
import streamlit as st

from dashboard import formats, ui
from dashboard.figures import life as life_charts
from dashboard.ui import Frame

REIGNS = 16
LISTED, CALM = 12, 5
KINDS = {"feature": "feature", "prediction": "forecast", "residual": "error"}


def timeline(frame: Frame) -> None:
    """Which version was live when."""
    reigns = frame.ask("timeline", target=frame.target.id).tail(REIGNS)
    if reigns.empty:
        return
    with ui.panel("Which model was live when"):
        figure = frame.figure(
            "timeline", lambda: life_charts.timeline(reigns, palette=frame.palette, zone=frame.zone, now=frame.now)
        )
        ui.draw(figure, key="timeline", alt="Bars of the times at which each version was the champion")
        st.caption(f"{formats.count(len(reigns), 'change')} of champion; blue is live now. {frame.clock} time.")


def drift(frame: Frame) -> None:
    """The newest check for drift: what drifted first, in words and as a table."""
    rows = frame.ask("page_drift", target=frame.target.id)
    with ui.panel("Drift", "Does the last week look like the same season and hours before?"):
        if rows.empty:
            ui.empty(
                "No check for drift yet",
                "The monitor job compares the last week with the same season and hours once a day.",
                icon=":material/difference:",
            )
            return
        _verdict(frame, rows)
        _subjects(frame, rows.head(LISTED if rows["drifted"].any() else CALM))


def _verdict(frame: Frame, rows: pd.DataFrame) -> None:
    drifted, first = rows[rows["drifted"]], rows.iloc[0]
    when = f"checked {formats.age(first.checked_at, frame.now)}"
    week = f"the week to {formats.zoned(first.window_end, frame.zone)}"
    if drifted.empty:
        effect = f"{first.effect:.1f} standard deviations in {formats.code(first.subject)}"
        largest = f" Its largest effect, {effect}, is one that earlier weeks had too." if pd.notna(first.effect) else ""
        st.markdown(
            f":material/check_circle: No drift: none of {formats.count(len(rows), 'subject')} of {week} is unlike its "
            f"past ({when}).{largest}"
        )
        return
    names = ", ".join(formats.code(name) for name in drifted["subject"].head(3))
    more = f" and {len(drifted) - 3} more" if len(drifted) > 3 else ""
    st.warning(
        f"**{len(drifted)} of {formats.count(len(rows), 'subject')} drifted** in {week}: {names}{more} ({when}).",
        icon=":material/difference:",
    )


def _subjects(frame: Frame, rows: pd.DataFrame) -> None:
    shown = rows.assign(
        state=["▲ drifted" if it else "● as before" for it in rows["drifted"]],
        kind=rows["kind"].map(KINDS),
        p_adjusted=[_chance(p) for p in rows["p_adjusted"]],
    )
    columns = {
        "state": st.column_config.TextColumn("", width=104),
        "subject": st.column_config.TextColumn("Subject", width="medium"),
        "kind": st.column_config.TextColumn("Kind"),
        "effect": st.column_config.NumberColumn(
            "Effect", format="%.2f", help="How far the last week lies from its reference, in standard deviations"
        ),
        "p_adjusted": st.column_config.TextColumn(
            "p, adjusted",
            alignment="right",
            help="How rarely an earlier week was so unlike its past, adjusted for the number of subjects",
        ),
        "psi": st.column_config.NumberColumn("PSI", format="%.2f", help="Population stability index"),
        "ks": st.column_config.NumberColumn("KS", format="%.2f", help="Kolmogorov-Smirnov distance"),
        "n": st.column_config.NumberColumn("n", format="%,d"),
        "n_reference": st.column_config.NumberColumn("n before", format="%,d"),
    }
    ui.table(shown, columns, colours=frame.palette, states=("state",), rows=6, alt="Subjects of the drift check")


def _chance(p: float) -> str:
    return formats.NONE if pd.isna(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"
