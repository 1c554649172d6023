"""All targets of a market -> one row each: next hour, its change, extremes, status and error, with a way there."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from dashboard import choosing, data, formats, ui
from dashboard.data import due_origin, this_hour
from dashboard.ui import Frame
from pipeline.markets import Target

WEEK = timedelta(days=7)
FIRST = 200


def show(frame: Frame) -> None:
    """The table, where the market has several targets; asked in one query."""
    market = frame.desk.markets[frame.target.market]
    if len(market.targets) < 2:
        return
    names = {name: one for name, one in frame.desk.target_names().items() if one.market == market.id}
    with ui.panel(f"All of {market.name}", "The newest issue of each target, and how they did over 7 days"):
        rows = asked(frame, list(names.values())).set_index("target")
        table = pd.DataFrame([_row(frame, name, one, names, rows) for name, one in names.items()])
        ui.table(
            table,
            _columns(frame),
            colours=frame.palette,
            states=("status",),
            rows=20,
            alt=f"All of {market.name}",
        )
        none = [one.title for one in names.values() if one.id not in rows.index]
        idle = f" Without an issue in 7 days: {', '.join(formats.plain(one) for one in none)}." if none else ""
        st.caption(
            f"{formats.count(len(names), 'target')}, {formats.count(len(rows), 'issue')}. MAE over all horizons of the "
            f"issues of 7 days, fallbacks left out; n counts scored forecasts.{idle}"
        )


def asked(frame: Frame, targets: list[Target]) -> pd.DataFrame:
    """Rows of query `page_overview`."""
    until = this_hour(frame.now) + timedelta(hours=1)
    rows: pd.DataFrame = frame.ask(
        "page_overview", targets=tuple(one.id for one in targets), due=due_origin(frame.now), since=until - WEEK,
        until=until, **data.declared(frame.target),
    )  # fmt: skip
    return rows


def address(frame: Frame, name: str, one: Target) -> str:
    """The Forecasts page of a target, with the clock and moment of this one."""
    kept = {key: st.query_params[key] for key in ("clock", "at", "replayed") if key in st.query_params}
    market = {"market": one.market} if choosing.by_market(frame.desk) else {}
    return f"./?{urlencode(market | {'target': name} | kept)}"


def _row(frame: Frame, name: str, one: Target, names: dict[str, Target], rows: pd.DataFrame) -> dict[str, Any]:
    found: dict[str, Any] = {
        "target": ("\u25b8 " if one.id == frame.target.id else "") + _short(name, names),
        "unit": one.series.unit, "status": "\u25b2 no issue", "link": address(frame, name, one),
    }  # fmt: skip
    if one.id not in rows.index:
        return found
    row: Any = rows.loc[one.id]
    digits = formats.digits(one.series.unit)
    extremes = [(row.highest, row.highest_at)]
    if one.kind == "spread" and abs(row.lowest) > abs(row.highest):
        extremes = [(row.lowest, row.lowest_at)]
    value, at = extremes[0]
    return found | {
        "next": formats.number(row.p50, digits),
        "hour": formats.day_hour(row.valid_at, frame.zone),
        "change": formats.signed(row.change, digits),
        "peak": formats.NONE
        if pd.isna(value)
        else f"{formats.number(value, digits)} at {formats.hour(at, frame.zone)}",
        "status": _status(frame, one, row),
        "mae": formats.number(row.mae, digits),
        "n": row["n"],
    }


def _status(frame: Frame, one: Target, row: pd.Series) -> str:
    if data.late(one, row.origin.to_pydatetime(), frame.now):
        return f"\u25b2 stale, {formats.age(row.made_at, frame.now)}"
    if row.status != "ok":
        return f"\u25b2 {row.status}"
    return "\u25cf ok, replayed" if row["mode"] == "replay" else "\u25cf ok"


def _columns(frame: Frame) -> dict[str, Any]:
    text = st.column_config.TextColumn
    return {
        "target": text("Target", pinned=True, width=FIRST),
        "next": text("Next hour", alignment="right", help="P50 of T+1"),
        "hour": text(f"Begins, {frame.clock}"),
        "change": text("\u0394 last", alignment="right", help="Against the issue before, for the same hour"),
        "peak": text("Peak", alignment="right", help="Highest of the issue; of a spread the hour furthest from zero"),
        "unit": text("Unit"),
        "status": text("Newest issue"),
        "mae": text("MAE 7 d", alignment="right"),
        "n": st.column_config.NumberColumn("n", format="%,d"),
        "link": st.column_config.LinkColumn("", display_text="Open", width=70),
    }


def _short(name: str, names: dict[str, Target]) -> str:
    """The label up to a bracket that explains it, where that tells it from all others."""
    brief = [choosing.label(one, names).partition(" (")[0] for one in names]
    own = choosing.label(name, names)
    return own.partition(" (")[0] if brief.count(own.partition(" (")[0]) == 1 else own
