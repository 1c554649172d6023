"""Scored forecasts of one horizon -> their signed errors, hour by day, with the holes."""

from typing import Any

import pandas as pd
import streamlit as st

from dashboard import formats, measuring, slicing, ui
from dashboard.figures import accuracy as charts
from dashboard.panels.chosen import Chosen
from pipeline.markets import Target


def show(chosen: Chosen) -> None:
    """The map, and what its colours mean."""
    frame, horizon = chosen.frame, chosen.horizon or 1
    with ui.panel(
        f"Errors by hour and day, T+{horizon}, {frame.unit}", "Forecast minus actual; choose a horizon above"
    ):
        rows = measuring.of_horizon(chosen.whole, horizon)
        if rows["error"].notna().sum() == 0:
            ui.empty("No hour of this horizon is scored", "Choose another window or horizon.", ":material/grid_on:")
            return
        found = chosen.made("cells", lambda: cells(rows, frame.target, frame.unit, frame.digits))
        figure = frame.figure(
            "heat_map",
            lambda: charts.heat_map(
                found, clocks=clocks(found), palette=frame.palette, unit=frame.unit, digits=frame.digits
            ),
            *chosen.key,
        )
        ui.draw(figure, key="heat_map", alt=f"Errors at T+{horizon}, a column a day and a row an hour of day")
        n, holes = int(found["error"].notna().sum()), int(found["error"].isna().sum())
        st.caption(
            f"Orange: forecast too high; blue: too low; the paler, the nearer. Grey: {formats.count(holes, 'hour')} "
            f"without a score (not issued, not yet scored or a declared event). The largest 2 % of errors "
            f"share the last colour. n = {formats.number(n)}, local days of "
            f"{formats.city(frame.target.zone)}, {chosen.span}."
        )


def cells(rows: pd.DataFrame, target: Target, unit: str, digits: int = 0) -> pd.DataFrame:
    """One row an hour from the first to the last of `rows` (one horizon): `day`, `clock`, `error` (NaN: no score), and
    in words what is known (`said`) or missing (`why`). The hour that a clock change repeats has a row of its own."""
    spine = pd.date_range(rows["valid_at"].min(), rows["valid_at"].max(), freq="h")
    table = rows.drop_duplicates("valid_at", keep="last").set_index("valid_at").reindex(spine)
    local = slicing.local(pd.Series(spine, index=spine), target)
    clock, day = local.dt.strftime("%H:00"), local.dt.strftime("%Y-%m-%d")
    again = pd.DataFrame({"day": day, "clock": clock}).duplicated().to_numpy()
    declared = table["declared"].notna()
    table = table.assign(
        valid_at=spine, day=day, clock=clock.where(~again, clock + " again"), error=table["error"].mask(declared)
    )
    return table.assign(
        said=[_said(row, target, unit, digits) for row in table.itertuples()],
        why=[
            f"{formats.stamp(at, target.zone)}: " + ("declared event, left out" if gone else "no score")
            for at, gone in zip(spine, declared, strict=True)
        ],
    ).reset_index(drop=True)[["valid_at", "day", "clock", "error", "said", "why"]]


def clocks(found: pd.DataFrame) -> list[str]:
    """The rows of the map, in the order of a day."""
    return sorted(set(found["clock"]) | {f"{hour:02d}:00" for hour in range(24)})


def _said(row: Any, target: Target, unit: str, digits: int) -> str:
    if pd.isna(row.error):
        return ""
    zone = formats.zone_name(row.valid_at, target.zone)
    return (
        f"{formats.stamp(row.valid_at, target.zone)} {zone}<br>"
        f"error {formats.signed(row.error, digits)} {unit}<br>"
        f"forecast {formats.number(row.p50, digits)}, actual {formats.number(row.actual, digits)}<br>"
        f"{formats.short(row.version_id)}, {row.mode}"
    )
