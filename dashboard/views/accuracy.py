"""Scored forecasts -> how good they were, beside naive and operator on the same hours."""

from datetime import timedelta

import pandas as pd
import streamlit as st

from dashboard import charts, formats, ui
from dashboard.charts import ISSUERS
from dashboard.data import this_hour
from dashboard.formats import BAND
from dashboard.ui import Frame

WINDOWS = {"7 days": timedelta(days=7), "30 days": timedelta(days=30), "90 days": timedelta(days=90)}


def page() -> None:
    """Window, headline figures, four charts and the table behind them."""
    with ui.page("Accuracy") as frame:
        chosen = st.segmented_control(
            "Window", list(WINDOWS), default="30 days", required=True, key="window", bind="query-params",
            label_visibility="collapsed",
        )  # fmt: skip
        until = this_hour(frame.now) + timedelta(hours=1)
        window = {"target": frame.target.id, "since": until - WINDOWS[chosen or "30 days"], "until": until}
        with ui.panel():
            scores = frame.ask("page_accuracy", **window)
            if scores.empty:
                ui.empty(
                    "Nothing is scored in this window",
                    "A forecast is scored as soon as its hour is complete; run `python jobs.py run backfill`.",
                    icon=":material/target:",
                )
                return
            _headline(frame, scores)
            _basis(frame, scores, window)
            _charts(frame, scores, window)
            _table(frame, scores)


def _headline(frame: Frame, scores: pd.DataFrame) -> None:
    own = scores[scores["issuer"] == "sextant"]
    if own.empty:
        return
    first, last = own.iloc[0], own.iloc[-1]
    tiles = [
        (f"MAE T+{first.horizon}", f"{formats.number(first.mae, frame.digits)} {frame.unit}"),
        (f"MAE T+{last.horizon}", f"{formats.number(last.mae, frame.digits)} {frame.unit}"),
        (f"Better than naive, T+{first.horizon}", formats.percent(first.skill)),
        (f"Better than naive, T+{last.horizon}", formats.percent(last.skill)),
        (f"In {BAND}, T+{first.horizon}", formats.percent(first.coverage)),
        (f"In {BAND}, T+{last.horizon}", formats.percent(last.coverage)),
    ]
    with st.grid(6, min_column_width=150):
        for label, value in tiles:
            st.metric(label, value, border=True)


def _basis(frame: Frame, scores: pd.DataFrame, window: dict[str, object]) -> None:
    issues = frame.ask("page_issues", **window).iloc[0]
    compared = ", ".join(name for key, name in ISSUERS.items() if key in set(scores["issuer"]))
    own = scores[scores["issuer"] == "sextant"]
    st.caption(
        f"{compared} on common hours, {formats.stamp(scores['first_hour'].min(), frame.zone)} to "
        f"{formats.stamp(scores['last_hour'].max(), frame.zone)} {frame.clock}, n = {formats.number(own['n'].min())} "
        f"to {formats.number(own['n'].max())} a horizon. **{issues.replayed:,} of {formats.count(issues.n, 'issue')} "
        f"replayed**: computed afterwards with what was known then, not issued live. "
        f"{formats.count(own['n_fallback'].sum(), 'scored hour')} from fallbacks."
    )
    if own["n"].min() < 100:
        st.info("Fewer than 100 hours a horizon: these figures may still change a lot.", icon=":material/info:")


def _charts(frame: Frame, scores: pd.DataFrame, window: dict[str, object]) -> None:
    days = frame.ask("page_accuracy_by_day", zone=frame.zone, **window)
    own = scores[scores["issuer"] == "sextant"]
    left, right = st.columns(2, gap="medium")
    with left, ui.panel(f"Mean absolute error, {frame.unit}"):
        ui.draw(charts.mae_by_horizon(scores, palette=frame.palette), key="mae", alt="Mean absolute error by horizon")
    with right, ui.panel(f"Bias, {frame.unit}", "Mean of forecast minus actual: above zero the forecast was too high"):
        ui.draw(charts.bias_by_horizon(scores, palette=frame.palette), key="bias", alt="Bias by horizon")
    left, right = st.columns(2, gap="medium")
    with left, ui.panel(f"Mean absolute error by day, {frame.unit}", "All horizons together, local days"):
        ui.draw(charts.mae_by_day(days, palette=frame.palette), key="days", alt="Mean absolute error by day")
    with right, ui.panel(f"Actuals inside {BAND}", "A well-calibrated band holds 80 % of actuals"):
        if own["coverage"].notna().any():
            ui.draw(
                charts.coverage(own, palette=frame.palette),
                key="coverage",
                alt="Share of actuals inside the band by horizon",
            )
        else:
            ui.empty("No bands were issued", "Fallbacks without a trained model have none.", icon=":material/target:")


def _table(frame: Frame, scores: pd.DataFrame) -> None:
    number = f"%,.{frame.digits}f"
    table = scores.assign(
        horizon=[f"T+{h}" for h in scores["horizon"]],
        issuer=scores["issuer"].map(ISSUERS),
        skill=[formats.percent(share) for share in scores["skill"]],
        coverage=[formats.percent(share) for share in scores["coverage"]],
        bias=[formats.signed(value, frame.digits) for value in scores["bias"]],
    )
    columns = {
        "horizon": st.column_config.TextColumn("Horizon", pinned=True),
        "issuer": st.column_config.TextColumn("Issuer"),
        "n": st.column_config.NumberColumn("n", format="%,d"),
        "mae": st.column_config.NumberColumn(f"MAE, {frame.unit}", format=number),
        "rmse": st.column_config.NumberColumn(f"RMSE, {frame.unit}", format=number),
        "bias": st.column_config.TextColumn(f"Bias, {frame.unit}", alignment="right"),
        "skill": st.column_config.TextColumn("Better than naive", alignment="right"),
        "coverage": st.column_config.TextColumn(f"In {BAND}", alignment="right"),
        "pinball_loss": st.column_config.NumberColumn("Pinball loss", format=f"%,.{frame.digits + 1}f"),
        "n_replay": st.column_config.NumberColumn("Replayed", format="%,d"),
    }
    with ui.panel("Figures"):
        ui.table(table, columns, colours=frame.palette, rows=18, alt="Accuracy by horizon and issuer")
    st.caption(
        "Every forecast is scored against the newest version of its actual and again when that is revised. The naive "
        "forecast is last week's value moved by its present error. Errors of neighbouring hours resemble each other, "
        "so n overstates how much independent evidence there is."
    )


if __name__ == "__main__":
    page()
