"""Target that parts add up to, such as a system of zones -> how far their sum is from it, forecast and measured."""

from datetime import timedelta
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import formats, ui
from dashboard.data import due_origin, this_hour
from dashboard.figures import hierarchy as charts
from dashboard.ui import Frame

DAY = timedelta(days=1)


def show(frame: Frame) -> None:
    """The difference of each hour of the newest issue and of the last 24 measured hours."""
    target = frame.target
    with ui.panel(f"Parts of {target.title}", f"The sum of {_names(frame, target.parts)} beside it"):
        asked: dict[str, Any] = {"total": target.id, "parts": target.parts}
        issue = frame.ask("page_hierarchy_forecast", due=due_origin(frame.now), **asked)
        # The newest 24 hours that were measured, however late actuals are.
        until = min(this_hour(frame.now), (frame.fresh.newest_actual or frame.now) + timedelta(hours=1))
        actuals = frame.ask("page_hierarchy_actuals", since=until - DAY, until=until, **asked)
        if issue.empty and actuals.empty:
            ui.empty("Nothing to add up yet", "Neither the total nor a part has hours.", icon=":material/account_tree:")
            return
        left, right = st.columns(2, gap="medium")
        with left:
            _table(frame, issue)
        with right:
            figure = frame.figure("parts", lambda: _figure(frame, actuals, issue), until)
            ui.draw(figure, key="parts", alt=f"Sum of the parts of {target.title} less itself, measured and forecast")
        _words(frame, issue, actuals)


def _figure(frame: Frame, actuals: pd.DataFrame, issue: pd.DataFrame) -> Any:
    return charts.differences(
        actuals, issue, palette=frame.palette, zone=frame.zone, now=frame.now, unit=frame.unit, digits=frame.digits
    )


def _table(frame: Frame, issue: pd.DataFrame) -> None:
    number, text = f"%,.{frame.digits}f", st.column_config.TextColumn
    table = pd.DataFrame(
        {
            "horizon": [f"T+{one}" for one in issue["horizon"]],
            "hour": [formats.day_hour(at, frame.zone) for at in issue["valid_at"]],
            "total": issue["total"],
            "parts": issue["parts"],
            "difference": [formats.signed(one, frame.digits) for one in issue["difference"]],
            "percent": [_percent(one) for one in issue["percent"]],
            "missing": [_gone(frame, row) for row in issue.itertuples()],
        }
    )
    columns = {
        "horizon": text("Horizon", width=64, pinned=True),
        "hour": text(f"Hour, {frame.clock}"),
        "total": st.column_config.NumberColumn(f"Total, {frame.unit}", format=number),
        "parts": st.column_config.NumberColumn("Sum of parts", format=number),
        "difference": text("Difference", alignment="right", help="Sum of the parts less the total"),
        "percent": text("Of the total", alignment="right"),
        "missing": text("Missing"),
    }
    shown = {name: one for name, one in columns.items() if name != "missing" or any(table["missing"])}
    ui.table(table, shown, colours=frame.palette, states=("missing",) if "missing" in shown else (), rows=6,
             alt="Total and sum of its parts, newest issue")  # fmt: skip


def _percent(value: float) -> str:
    return formats.NONE if pd.isna(value) else f"{formats.signed(value, 2)} %"


def _gone(frame: Frame, row: Any) -> str:
    return f"\u25b2 {_names(frame, tuple(row.missing))}" if len(row.missing) else ""


def _names(frame: Frame, ids: tuple[str, ...]) -> str:
    known = frame.desk.targets
    return ", ".join(known[one].title if one in known else one for one in ids)


def _words(frame: Frame, issue: pd.DataFrame, actuals: pd.DataFrame) -> None:
    known = actuals[actuals["difference"].notna()]
    said = []
    if len(known):
        furthest = known.iloc[int(known["difference"].abs().argmax())]
        said.append(
            f"Measured, n = {formats.count(len(known), 'hour')} of the last 24: parts less total "
            f"{formats.signed(known['difference'].mean(), frame.digits)} {frame.unit} on average, at most "
            f"{formats.signed(furthest.difference, frame.digits)} {frame.unit} ({_percent(furthest.percent)}) at "
            f"{formats.day_hour(furthest.valid_at, frame.zone)}"
        )
    lacking = sorted({one for row in (*actuals["missing"], *issue["missing"]) for one in row})
    if lacking:
        said.append(
            f":material/warning: **Not known in some hours, so no sum is shown there: {_names(frame, tuple(lacking))}**"
        )
    unmeasured = int((~actuals["total_known"]).sum())
    if unmeasured:
        said.append(f"{formats.count(unmeasured, 'hour')} without a measured total")
    st.caption(". ".join([*said, "Each is forecast by its own model, so small differences are as they should be."]))
