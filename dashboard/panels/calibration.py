"""Scored bands -> the part of the accuracy page on whether they hold what they promise, and how wide they are."""

import pandas as pd
import streamlit as st

from dashboard import formats, ui
from dashboard.figures import bands as band_charts
from dashboard.formats import BAND
from dashboard.ui import Frame

LEAST = 100


def show(frame: Frame, scored: dict[str, object]) -> None:
    """Draw it for the forecasts named by `scored`, the parameters of page_accuracy."""
    rows = frame.ask("page_calibration", zone=frame.target.zone, **scored)
    if rows.empty:
        with ui.panel("Are the bands right?"):
            ui.empty("No bands were scored", "Fallbacks without a trained model have none.", icon=":material/target:")
        return
    by_horizon, by_hour = rows[rows["horizon"].notna()], rows[rows["horizon"].isna()]
    left, right = st.columns(2, gap="medium")
    with left, ui.panel("Actuals inside the bands", "Of well-calibrated bands one holds 80 % of actuals, one 90 %"):
        figure = band_charts.coverage(by_horizon, palette=frame.palette)
        ui.draw(figure, key="coverage", alt="Share of actuals inside the 80 and the 90 % band by horizon")
    with right, ui.panel(f"Inside {BAND} by hour of day", f"Local hours of {formats.city(frame.target.zone)}"):
        figure = band_charts.coverage_by_hour(by_hour, palette=frame.palette)
        ui.draw(figure, key="coverage_hour", alt="Share of actuals inside the 80 % band by hour of day")
    left, right = st.columns(2, gap="medium")
    with (
        left,
        ui.panel("Where actuals fell", "Tenths of the forecast distribution; a tenth of actuals in each is right"),
    ):
        _pit(frame, scored)
    with right, ui.panel("Figures of the bands"):
        _table(frame, by_horizon)


def _pit(frame: Frame, scored: dict[str, object]) -> None:
    tenths = frame.ask("page_pit", **scored)
    if tenths.empty:
        ui.empty("No places were stored", "They are stored with every score from this release on.")
        return
    ui.draw(
        band_charts.pit(tenths, palette=frame.palette),
        key="pit",
        alt="Share of actuals in each tenth of the forecast distribution",
    )
    st.caption("A hump in the middle: bands too wide. High ends: too narrow. A slope: forecasts too high or too low.")


def _table(frame: Frame, rows: pd.DataFrame) -> None:
    number = f"%,.{frame.digits}f"
    table = rows.assign(
        horizon=[f"T+{h:.0f}" for h in rows["horizon"]],
        inside80=[formats.percent(share) for share in rows["inside80"]],
        inside90=[formats.percent(share) for share in rows["inside90"]],
    )
    columns = {
        "horizon": st.column_config.TextColumn("Horizon", pinned=True),
        "n": st.column_config.NumberColumn("n", format="%,d"),
        "inside80": st.column_config.TextColumn("In 80 % band", alignment="right"),
        "inside90": st.column_config.TextColumn("In 90 % band", alignment="right"),
        "width": st.column_config.NumberColumn(
            f"Width, {frame.unit}", format=number, help=f"Mean of {BAND}: the narrower, the sharper"
        ),
        "winkler": st.column_config.NumberColumn(
            f"Winkler, {frame.unit}",
            format=number,
            help="Width of the 80 % band plus ten times what an actual lies outside it, on average: lower is better",
        ),
    }
    ui.table(table, columns, colours=frame.palette, alt="Coverage, width and Winkler score by horizon")
    few = " Fewer than 100 hours: these shares may still change a lot." if rows["n"].min() < LEAST else ""
    st.caption(f"Sharp and right is the aim: a narrow band only counts if it holds its share.{few}")
