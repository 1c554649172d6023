"""Newest issue -> what the trader needs: six hours, their certainty, and how good such forecasts were."""

from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import data, exports, formats, links, looking_back, ui, wording
from dashboard.data import due_origin, this_hour
from dashboard.figures import charts
from dashboard.formats import plain
from dashboard.panels import (
    both_legs,
    callouts,
    cards,
    clipboard,
    comparing,
    fan_chart,
    hierarchy,
    overview,
    provenance,
    reasons,
)
from dashboard.picking import Picked
from dashboard.ui import Frame

NOT_YET = "The first issue appears after `python jobs.py all`, or within minutes of starting the scheduler."
NOT_BY_THEN = "Nothing was stored by that moment; look back to a later one."
PAST = timedelta(hours=18)
MONTH = timedelta(days=30)
ICONS = {"reduced": ":material/filter_alt_off:", "fallback": ":material/shield:", "withheld": ":material/block:"}
DOWNLOADED = ["horizon", "valid_at", "local_time", "unit", "p05", "p10", "p50", "p90", "p95", "operator", "change",
              "status", "reason", "mode", "issuer", "version_id", "origin", "made_at"]  # fmt: skip


def page() -> None:
    """Cards, fan chart, table, recent errors."""
    with ui.page("Forecasts", travels=True) as frame, ui.panel():
        issue = frame.ask("page_issue", target=frame.target.id, due=due_origin(frame.now))
        if issue.empty:
            ui.empty(
                "No forecast was issued yet",
                NOT_BY_THEN if frame.looks_back else NOT_YET,
                icon=":material/show_chart:",
            )
            return
        _now(frame, issue)
        _record(frame, issue)
        _around(frame)
        _behind(frame, issue)


def _now(frame: Frame, issue: pd.DataFrame) -> None:
    with ui.panel():
        _banners(frame, issue)
        cards.show(frame, issue)
    with ui.panel():
        callouts.show(frame, issue, **_month(frame))
    with ui.panel():
        fan_chart.show(frame, PAST)
    with ui.panel():
        provenance.caption(frame, issue, **_month(frame))


def _record(frame: Frame, issue: pd.DataFrame) -> None:
    scores = frame.ask("page_accuracy", target=frame.target.id, **_month(frame), **data.declared(frame.target))
    left, right = st.columns([9, 5], gap="medium")
    with left, ui.panel():
        _table(frame, issue, scores)
    with right, ui.panel():
        _errors(frame, scores)


def _around(frame: Frame) -> None:
    """The parts it is made of, and the other targets of its market."""
    if frame.target.parts:
        hierarchy.show(frame)
    overview.show(frame)


def _behind(frame: Frame, issue: pd.DataFrame) -> None:
    left, right = st.columns(2, gap="large")
    with left, ui.panel("What changed since the last issue", "Effects of what became known in between, for one hour"):
        reasons.show(frame, issue)
    with right, ui.panel("Where a number comes from", "Select a row of the table above, or an hour here"):
        provenance.show(frame, issue, PAST)
    with ui.panel("Compare two issues"):
        comparing.show(frame, issue)


def _month(frame: Frame) -> dict[str, datetime]:
    until = this_hour(frame.now) + timedelta(hours=1)
    return {"since": until - MONTH, "until": until}


def _banners(frame: Frame, issue: pd.DataFrame) -> None:
    first = issue.iloc[0]
    if frame.fresh.stale:
        st.warning(
            f"No new issue since {formats.zoned(first.made_at, frame.zone)}; "
            f"{formats.count(frame.fresh.hours_late, 'issue')} missing. T+1 to T+6 count from that issue, so hours "
            "that have begun or passed are marked.",
            icon=":material/schedule:",
        )
    if first.status == "withheld":
        st.error(f"The forecast is withheld: {plain(first.reason)}.", icon=ICONS["withheld"])
    elif first.status == "reduced":
        st.warning(
            f"This forecast is reduced, {plain(first.reason)}. The champion then looks at the target's own past only, "
            "so errors may be somewhat larger.",
            icon=ICONS["reduced"],
        )
    elif first.status == "fallback":
        st.warning(
            f"This is a fallback, not the champion's forecast: {plain(first.reason)}. "
            "Shown is the naive forecast with its own band.",
            icon=ICONS["fallback"],
        )

    if first.issuer == "reissue":
        st.info(
            f"Re-issued {formats.zoned(first.made_at, frame.zone)} by {plain(first.version_id)} after a "
            f"change of model; first issued {formats.zoned(first.first_made_at, frame.zone)} by "
            f"{plain(first.first_version_id)}.",
            icon=":material/published_with_changes:",
        )


def _table(frame: Frame, issue: pd.DataFrame, scores: pd.DataFrame) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        unit = f", {frame.unit}" if len(frame.unit) > 4 else ""
        hours = {6: "six hours"}.get(len(issue), formats.count(len(issue), "hour"))
        st.header(f"Next {hours}{unit}", anchor=False, width="content")
        _downloads(frame, issue)
    own = scores[scores["issuer"] == "sextant"].set_index("horizon") if len(scores) else pd.DataFrame()
    table = pd.DataFrame(
        {
            "horizon": [f"T+{h}" for h in issue["horizon"]],
            "hour": [formats.day_hour(at, frame.zone) for at in issue["valid_at"]],
            **{name: _said(frame, issue[name]) for name in ("p50", "p10", "p90")},
            "change": [formats.signed(value, frame.digits) for value in issue["change"]],
            "operator": _known(frame, issue),
            "mae": [own["mae"].get(h) if len(own) else None for h in issue["horizon"]],
            "coverage": [own["coverage"].get(h, float("nan")) * 100 if len(own) else None for h in issue["horizon"]],
            "n": [own["n"].get(h) if len(own) else None for h in issue["horizon"]],
        }
    )
    ui.table(
        table, _columns(frame, table["hour"]), colours=frame.palette, alt="Forecast of the next six hours",
        picked=Picked("six_hours", "hour", [looking_back.written(at) for at in issue["valid_at"]]),
    )  # fmt: skip
    _sources(frame)


def _said(frame: Frame, values: pd.Series) -> Any:
    """As they are, of a spread as words: its sign is the minus that stands everywhere else."""
    return [formats.number(one, frame.digits) for one in values] if frame.is_spread else values


def _sources(frame: Frame) -> None:
    """Where the figures of other columns come from."""
    with st.container(horizontal=True, gap="medium"):
        links.page("accuracy", "MAE and share in band", icon=":material/target:", window="30 days")
        if frame.target.operator is not None:
            name = "Operator's series" if frame.operator == "Operator" else frame.target.operator.title
            links.page("data", name, icon=":material/sensors:", series=frame.target.operator.id)


def _columns(frame: Frame, hours: pd.Series) -> dict[str, object]:
    number = f"%,.{frame.digits}f"

    def quantity(label: str, width: int, help_text: str | None = None) -> object:
        return st.column_config.NumberColumn(label, format=number, width=width, help=help_text)

    def forecast(label: str, width: int) -> object:
        return (
            st.column_config.TextColumn(label, width=width, alignment="right")
            if frame.is_spread
            else quantity(label, width)
        )

    columns: dict[str, object] = {
        "horizon": st.column_config.TextColumn("Horizon", width=64, pinned=True),
        "hour": st.column_config.TextColumn("Hour", width=formats.width(hours, 82), help=f"Its start, {frame.clock}"),
        "p50": forecast(f"P50, {frame.unit}" if len(frame.unit) < 5 else "P50", 74),
        "p10": forecast("P10", 62),
        "p90": forecast("P90", 62),
        "change": st.column_config.TextColumn("Δ last", alignment="right", width=62, help="Against the previous issue"),
        "operator": _beside(frame, number),
        "mae": quantity("MAE 30 d", 72, "Mean absolute error of the last 30 days"),
        "coverage": st.column_config.ProgressColumn(
            "In band, 30 d",
            format="%.0f %%",
            min_value=0,
            max_value=100,
            width=108 - (formats.width(hours, 82) - 82) // 2,
            help="Actuals inside P10 to P90; 80 % is right",
        ),
        "n": st.column_config.NumberColumn("n", format="%,d", width=48, help="Scored forecasts behind MAE and share"),
    }
    gone = set() if wording.has_beside(frame.target) else {"operator"}
    return {name: column for name, column in columns.items() if name not in gone}


def _beside(frame: Frame, number: str) -> object:
    """The column of what else is known of the hour."""
    told = frame.target.minuend or frame.target.operator
    words = "The operator's forecast for the hour as it was known at issue"
    if told is not None and told.kind == "price":
        words = f"{told.title}, of the hour; empty before it is published"
    return st.column_config.NumberColumn(frame.operator, format=number, width=78, help=words)


def _known(frame: Frame, issue: pd.DataFrame) -> pd.Series:
    """The operator's forecast of each hour, of a spread what it is taken from."""
    return both_legs.ahead(frame, issue["valid_at"]) if frame.is_spread else issue["operator"]


def _downloads(frame: Frame, issue: pd.DataFrame) -> None:
    name = f"{frame.target.id}-{issue['origin'].iloc[0]:%Y%m%dT%H%MZ}"
    rows = frame.made("downloaded", lambda: _downloaded(frame, issue))

    with st.container(horizontal=True, gap="xsmall", width="content", vertical_alignment="center"):
        clipboard.button(frame, rows, key="copy", name="Copy the next six hours as a table")
        st.download_button(
            "CSV", lambda: exports.csv(rows), f"{name}.csv", "text/csv",
            icon=":material/download:", type="tertiary", on_click="ignore",
        )  # fmt: skip
        st.download_button(
            "Parquet", lambda: exports.parquet(rows), f"{name}.parquet", "application/vnd.apache.parquet",
            icon=":material/download:", type="tertiary", on_click="ignore",
        )  # fmt: skip


def _downloaded(frame: Frame, issue: pd.DataFrame) -> pd.DataFrame:
    local = [formats.local(at, frame.target.zone).isoformat() for at in issue["valid_at"]]
    return issue.assign(local_time=local, unit=frame.unit)[DOWNLOADED]


def _errors(frame: Frame, scores: pd.DataFrame) -> None:
    st.header(f"Mean absolute error, 30 days, {frame.unit}", anchor=False)
    if scores.empty:
        ui.empty(
            "Nothing is scored yet",
            "Forecasts are scored as soon as their hours are complete.",
            icon=":material/target:",
        )
        return
    ui.draw(
        frame.figure(
            "mae", lambda: charts.mae_by_horizon(scores, palette=frame.palette, height=262, digits=frame.digits)
        ),
        key="mae",
        alt="Mean absolute error by horizon for Sextant, the naive forecast and the operator",
    )
    own = scores[scores["issuer"] == "sextant"]
    st.caption(
        f"Common hours only, n = {formats.number(own['n'].min())} to {formats.number(own['n'].max())} a horizon; "
        f"of T+1 {own['n_replay'].iloc[0]:,} replayed."
    )


if __name__ == "__main__":
    page()
