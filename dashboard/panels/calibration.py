"""Scored bands -> the part of the Accuracy page on whether they hold what they promise, and how wide they are."""

from collections.abc import Callable

import pandas as pd
import streamlit as st

from dashboard import calibrating, formats, measuring, ui
from dashboard.figures import bands as charts
from dashboard.formats import BAND
from dashboard.panels.chosen import Chosen
from pipeline import metrics

LEAST = 100


def show(chosen: Chosen) -> None:
    """Reliability and places, sharpness and figures of the issued bands."""
    frame = chosen.frame
    banded = calibrating.banded(chosen.rows)
    rows = measuring.of_horizon(banded, chosen.horizon)
    if rows.empty:
        with ui.panel("Are the bands right?"):
            ui.empty("No bands were scored", "Fallbacks without a trained model have none.", icon=":material/target:")
        return
    left, right = st.columns(2, gap="medium")
    with left, ui.panel("Are the quantiles right?", "Share of actuals at or below each; on the dashed line is right"):
        _reliability(chosen, rows)
    with (
        right,
        ui.panel("Where actuals fell", "Tenths of the forecast distribution; a tenth of actuals in each is right"),
    ):
        _pit(chosen, rows)
    left, right = st.columns(2, gap="medium")
    with left, ui.panel(f"Width of {BAND} and Winkler score, {frame.unit}", "The lower the better, if coverage holds"):
        held = chosen.made("held", lambda: calibrating.by_horizon(banded))
        figure = frame.figure(
            "width", lambda: charts.width_by_horizon(held, palette=frame.palette, digits=frame.digits), *chosen.key
        )
        ui.draw(figure, key="width", alt="Mean width of the 80 % band and its Winkler score by horizon")
        st.caption(f"All horizons, {chosen.span}, n = {_range(held['n'])} a horizon. Bars are one standard error.")
    with right, ui.panel(f"Width of {BAND} by hour of day, {frame.unit}, {chosen.about}"):
        hours = chosen.made("held_hours", lambda: calibrating.by_hour(rows, frame.target))
        figure = frame.figure(
            "width_hour", lambda: charts.width_by_hour(hours, palette=frame.palette, digits=frame.digits), *chosen.key
        )
        ui.draw(figure, key="width_hour", alt="Mean width of the 80 % band by local hour of day")
        st.caption(f"Local hours of {formats.city(frame.target.zone)}, {chosen.span}, n = {formats.number(len(rows))}.")
    with ui.panel("Figures of the bands"):
        _table(chosen, held)


def _range(counts: pd.Series) -> str:
    least, most = formats.number(counts.min()), formats.number(counts.max())
    return least if least == most else f"{least} to {most}"


def _reliability(chosen: Chosen, rows: pd.DataFrame) -> None:
    points = chosen.made("reliability", lambda: calibrating.reliability(rows))
    figure = chosen.frame.figure(
        "reliability", lambda: charts.reliability(points, palette=chosen.frame.palette), *chosen.key
    )
    ui.draw(
        figure, key="reliability", alt="Share of actuals at or below P05, P10, P50, P90 and P95 against the promise"
    )
    pairs = zip(calibrating.LEVELS, points["observed"], strict=True)
    said = ", ".join(f"P{100 * level:02.0f} {100 * share:.1f} %" for level, share in pairs)
    st.caption(f"{said}; n = {formats.number(len(rows))}, {chosen.about}, {chosen.span}. {_sure(points['sure'])}")


def _pit(chosen: Chosen, rows: pd.DataFrame) -> None:
    tenths = chosen.made("pit", lambda: calibrating.pit(rows))
    figure = chosen.frame.figure("pit", lambda: charts.pit(tenths, palette=chosen.frame.palette), *chosen.key)
    ui.draw(figure, key="pit", alt="Share of actuals in each tenth of the forecast distribution")
    few = "" if tenths["low"].notna().all() else ", which so few days do not tell"
    st.caption(
        "A hump in the middle: bands too wide. High ends: too narrow. A slope: forecasts too high or too low. Shaded: "
        f"what right ones give in 95 of 100 cases{few}; "
        f"n = {formats.number(len(rows))}, {chosen.about}, {chosen.span}."
    )


def _sure(sure: pd.Series) -> str:
    if sure.isna().all():
        return f"Below {metrics.LEAST_DAYS} days it is not said how sure that is."
    return "Bars hold 95 % and allow for alike neighbours."


def _table(chosen: Chosen, rows: pd.DataFrame) -> None:
    frame = chosen.frame

    text = st.column_config.TextColumn
    table = rows.assign(
        name=[f"T+{one}" for one in rows["horizon"]],
        in80=_doubted(rows, "inside80", formats.percent, 1, scale=100),
        in90=_doubted(rows, "inside90", formats.percent, 1, scale=100),
        width_said=_doubted(rows, "width", lambda one: formats.number(one, frame.digits), frame.digits),
        winkler_said=_doubted(rows, "winkler", lambda one: formats.number(one, frame.digits), frame.digits),
    )
    columns = {
        "name": text("Horizon", pinned=True),
        "n": st.column_config.NumberColumn("n", format="%,d"),
        "in80": text("In 80 % band", alignment="right"),
        "in90": text("In 90 % band", alignment="right"),
        "width_said": text(
            f"Width, {frame.unit}", alignment="right", help=f"Mean of {BAND}: the narrower, the sharper"
        ),
        "winkler_said": text(
            f"Winkler, {frame.unit}",
            alignment="right",
            help="Width of the 80 % band plus ten times what an actual lies outside it, on average: lower is better",
        ),
    }
    ui.table(table, columns, colours=frame.palette, alt="Coverage, width and Winkler score by horizon")
    few = " Fewer than 100 hours: these shares may still change a lot." if rows["n"].min() < LEAST else ""
    st.caption(
        f"Sharp and right is the aim: a narrow band only counts if it holds its share. ± is one standard error; "
        f"{chosen.span}.{few}"
    )


def _doubted(
    rows: pd.DataFrame, name: str, said: Callable[[float], str], digits: int, *, scale: float = 1
) -> list[str]:
    """Each value with its standard error, where there is one."""
    pairs = zip(rows[name], rows[f"{name}_se"], strict=True)
    return [said(one) + ("" if pd.isna(se) else f" ± {formats.number(scale * se, digits)}") for one, se in pairs]
