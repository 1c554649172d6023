"""Scored forecasts -> how good they were, beside naive and operator on the same hours."""

from datetime import timedelta

import pandas as pd
import streamlit as st

from dashboard import data, formats, ui
from dashboard.data import this_hour
from dashboard.figures import charts
from dashboard.figures.charts import ISSUERS
from dashboard.formats import BAND
from dashboard.panels import calibration, slices, uncertainty
from dashboard.ui import Frame

WINDOWS = {"7 days": timedelta(days=7), "30 days": timedelta(days=30), "90 days": timedelta(days=90)}


def page() -> None:
    """Window, headline figures, four charts and the table behind them."""
    with ui.page("Accuracy", travels=True) as frame:
        chosen = st.segmented_control(
            "Window", list(WINDOWS), default="30 days", required=True, key="window", bind="query-params",
            label_visibility="collapsed",
        )  # fmt: skip
        until = this_hour(frame.now) + timedelta(hours=1)
        window = {"target": frame.target.id, "since": until - WINDOWS[chosen or "30 days"], "until": until}
        scored = window | data.declared(frame.target)
        with ui.panel():
            scores = frame.ask("page_accuracy", **scored)
            if scores.empty:
                ui.empty(
                    "Nothing is scored in this window",
                    "A forecast is scored as soon as its hour is complete; run `python jobs.py run backfill`.",
                    icon=":material/target:",
                )
                slices.show(frame)
                return
            doubts = uncertainty.standard_errors(frame.ask("page_errors", **scored))
            scores = scores.merge(doubts, on=["horizon", "issuer"], how="left")
            _headline(frame, scores)
            _basis(frame, scores, window)
            _left_out(frame, scored)
            _charts(frame, scores, scored)
            calibration.show(frame, scored)
            _table(frame, scores)
        with ui.panel():
            slices.show(frame)


def _headline(frame: Frame, scores: pd.DataFrame) -> None:
    own = scores[scores["issuer"] == "sextant"]
    if own.empty:
        return
    ends = [own.iloc[0], own.iloc[-1]]
    tiles = [
        (
            f"MAE T+{row.horizon}",
            f"{formats.number(row.mae, frame.digits)} {frame.unit}",
            f"± {formats.number(row.mae_se, frame.digits)} {frame.unit}",
        )
        for row in ends
    ]
    tiles += [
        (f"Better than naive, T+{row.horizon}", formats.percent(row.skill), f"± {formats.percent(row.skill_se)}")
        for row in ends
    ]
    tiles += [(f"In {BAND}, T+{row.horizon}", formats.percent(row.coverage), "80 % is right") for row in ends]
    with st.grid(6, min_column_width=150):
        for label, value, more in tiles:
            with st.container(border=True, gap="xsmall"):
                st.metric(label, value)
                st.caption(more)


def _basis(frame: Frame, scores: pd.DataFrame, window: dict[str, object]) -> None:
    issues = frame.ask("page_issues", **window).iloc[0]
    compared = ", ".join(name for key, name in ISSUERS.items() if key in set(scores["issuer"]))
    own = scores[scores["issuer"] == "sextant"]
    st.caption(
        f"{compared} on common hours, {formats.stamp(scores['first_hour'].min(), frame.zone)} to "
        f"{formats.stamp(scores['last_hour'].max(), frame.zone)} {frame.clock}, n = {formats.number(own['n'].min())} "
        f"to {formats.number(own['n'].max())} a horizon. **{issues.replayed:,} of {formats.count(issues.n, 'issue')} "
        f"replayed**: computed afterwards with what was known then, not issued live. "
        f"{formats.count(own['n_fallback'].sum(), 'scored hour')} from fallbacks. {_missed(issues.missed)}"
    )
    if own["n"].min() < 100:
        st.info("Fewer than 100 hours a horizon: these figures may still change a lot.", icon=":material/info:")


def _missed(n: int) -> str:
    if not n:
        return "No issue was missed."
    return f"**{formats.count(n, 'issue')} missed**: not made in time, so they have no score as issued live."


def _left_out(frame: Frame, scored: dict[str, object]) -> None:
    """Say which hours the figures leave out because of declared events."""
    if not frame.target.events:
        return
    hours = frame.ask("page_declared", **scored).set_index("first")["n"]
    for event in frame.target.events:
        n = int(hours.get(pd.Timestamp(event.first), 0))
        if n:
            st.caption(
                f":material/event_busy: **{formats.count(n, 'hour')} left out** of all figures of this page: "
                f"{formats.plain(event.reason)} ({formats.stamp(event.first, frame.zone)} to "
                f"{formats.stamp(event.last, frame.zone)} {frame.clock})."
            )


def _charts(frame: Frame, scores: pd.DataFrame, scored: dict[str, object]) -> None:
    days = frame.ask("page_accuracy_by_day", zone=frame.zone, **scored)
    left, right = st.columns(2, gap="medium")
    with left, ui.panel(f"Mean absolute error, {frame.unit}"):
        ui.draw(charts.mae_by_horizon(scores, palette=frame.palette), key="mae", alt="Mean absolute error by horizon")
    with right, ui.panel(f"Bias, {frame.unit}", "Mean of forecast minus actual: above zero the forecast was too high"):
        ui.draw(charts.bias_by_horizon(scores, palette=frame.palette), key="bias", alt="Bias by horizon")
    with ui.panel(f"Mean absolute error by day, {frame.unit}", "All horizons together, local days"):
        ui.draw(charts.mae_by_day(days, palette=frame.palette), key="days", alt="Mean absolute error by day")


def _table(frame: Frame, scores: pd.DataFrame) -> None:
    number = f"%,.{frame.digits}f"
    table = scores.assign(
        horizon=[f"T+{h}" for h in scores["horizon"]],
        issuer=scores["issuer"].map(ISSUERS),
        skill=[formats.percent(share) for share in scores["skill"]],
        skill_se=[formats.percent(share) for share in scores["skill_se"]],
        coverage=[formats.percent(share) for share in scores["coverage"]],
        bias=[formats.signed(value, frame.digits) for value in scores["bias"]],
    )
    columns = {
        "horizon": st.column_config.TextColumn("Horizon", pinned=True),
        "issuer": st.column_config.TextColumn("Issuer"),
        "n": st.column_config.NumberColumn("n", format="%,d"),
        "mae": st.column_config.NumberColumn(f"MAE, {frame.unit}", format=number),
        "mae_se": st.column_config.NumberColumn("±", format=number, help="Standard error of the MAE"),
        "rmse": st.column_config.NumberColumn(f"RMSE, {frame.unit}", format=number),
        "bias": st.column_config.TextColumn(f"Bias, {frame.unit}", alignment="right"),
        "skill": st.column_config.TextColumn("Better than naive", alignment="right"),
        "skill_se": st.column_config.TextColumn("±", alignment="right", help="Standard error of the share"),
        "coverage": st.column_config.TextColumn(f"In {BAND}", alignment="right"),
        "pinball_loss": st.column_config.NumberColumn("Pinball loss", format=f"%,.{frame.digits + 1}f"),
        "n_replay": st.column_config.NumberColumn("Replayed", format="%,d"),
    }
    with ui.panel("Figures"):
        ui.table(table, columns, colours=frame.palette, rows=18, alt="Accuracy by horizon and issuer")
    st.caption(
        "Every forecast is scored against the newest version of its actual and again when that is revised. The naive "
        "forecast is last week's value moved by its present error. ± is one standard error and allows for neighbouring "
        "hours erring alike: differences within two of them may be chance."
    )


if __name__ == "__main__":
    page()
