"""Registry -> champion, policy, versions, lineage, errors, drift, decisions; retrain, promote and roll back."""

from datetime import timedelta

import pandas as pd
import streamlit as st

from dashboard import data, formats, ui
from dashboard.data import this_hour
from dashboard.figures import charts
from dashboard.formats import BAND
from dashboard.panels import decisions, dialogs, error_history, importance, life, lineage, training, versions
from dashboard.ui import Frame

MONTH = timedelta(days=30)


def page() -> None:
    """Champion, policy, approval, training, versions, lineage, errors, timeline, drift, families, decisions."""
    with ui.page("Models") as frame, ui.panel():
        since = this_hour(frame.now) - MONTH
        rows = frame.ask("page_versions", target=frame.target.id, since=since, **data.declared(frame.target))
        found = rows[rows["is_champion"].eq(True)]
        champion = None if found.empty else found.iloc[0]
        champion_id = None if champion is None else str(champion.version_id)
        _champion(frame, champion)
        decisions.policy(frame)
        with ui.panel():
            versions.waiting(frame, champion_id)
        training.show(frame)
        looked_at = champion_id
        with ui.panel():
            picked = versions.table(frame, rows)
            versions.buttons(frame, picked, champion_id)
            looked_at = st.query_params.get("version") or champion_id
        lineage.show(frame, looked_at)
        error_history.show(frame, rows, champion_id)
        error_history.shadows(frame, champion_id)
        life.timeline(frame)
        importance.show(frame, looked_at)
        life.drift(frame)
        _families(frame, champion)
        with ui.panel():
            decisions.panel(frame)
        dialogs.show(frame)


def _champion(frame: Frame, row: pd.Series | None) -> None:
    if row is None:
        st.info(
            "No champion yet: forecasts are labelled fallbacks until a version is promoted.",
            icon=":material/info:",
        )
        return
    issues = "no scored issues yet" if pd.isna(row.live_n) else f"n = {formats.count(row.live_n, 'issue')} of 30 days"
    held = versions.hold_out(row, frame.zone)
    tiles = [
        ("Champion", formats.short(row.version_id), row.family),
        ("Live MAE", _quantity(frame, row.live_mae), issues),
        ("Backtest MAE", _quantity(frame, row.mae), f"mean over T+1 to T+6 · {held}"),
        (f"In {BAND}", formats.percent(row.coverage), f"in the backtest; 80 % is right · {held}"),
        (
            "Trained to",
            f"{formats.local(row.trained_to, frame.zone):%d %b}",
            f"{formats.number(row.n_rows)} hourly origins",
        ),
    ]
    with st.grid(5, min_column_width=150):
        for label, value, more in tiles:
            with st.container(border=True, gap="xsmall", height="stretch"):
                st.metric(label, value)
                st.caption(more)
    if said := error_history.left_out(frame, frame.now - MONTH):
        st.caption(f"Live MAE:{said}")


def _quantity(frame: Frame, value: float) -> str:
    return formats.NONE if pd.isna(value) else f"{formats.number(value, 1)} {frame.unit}"


def _families(frame: Frame, champion: pd.Series | None) -> None:
    st.header(f"Families compared, MAE in {frame.unit}", anchor=False)
    summary = frame.ask("page_families", target=frame.target.id)
    if summary.empty:
        ui.empty(
            "No backtest yet",
            "Every training run compares all families on the same hold-out weeks.",
            icon=":material/compare:",
        )
        return
    best = summary["family"].iloc[0] if champion is None else champion.family
    rows = frame.ask("page_backtest", target=frame.target.id)
    rows = rows.assign(name=[f"T+{horizon}" for horizon in rows["horizon"]])
    left, right = st.columns([2, 3], gap="medium")
    with left, ui.panel():
        figure = frame.figure("families", lambda: charts.families(rows, palette=frame.palette, best=best), best)
        ui.draw(figure, key="families", alt="Backtest MAE by horizon for each family")
    with right, ui.panel():
        columns = {
            "family": st.column_config.TextColumn("Family", pinned=True),
            "mae": st.column_config.NumberColumn(f"MAE, {frame.unit}", format="%,.1f"),
            "rmse": st.column_config.NumberColumn("RMSE", format="%,.1f"),
            "bias": st.column_config.NumberColumn("Bias", format="%,.1f"),
            "mase": st.column_config.NumberColumn("MASE", format="%.3f"),
            "coverage": st.column_config.TextColumn(f"In {BAND}", alignment="right"),
            "n": st.column_config.NumberColumn("n", format="%,d"),
        }
        shown = summary.assign(coverage=[formats.percent(share) for share in summary["coverage"]])
        ui.table(shown, columns, colours=frame.palette, alt="Families, mean over horizons, best first")
        first, last = summary["window_start"].min(), summary["window_end"].max()
        st.caption(
            f"The newest comparison, mean over T+1 to T+6, best first; hold-out {formats.date(first, frame.zone)} to "
            f"{formats.date(last, frame.zone)}, never trained on. Bold line: the champion's family."
        )


if __name__ == "__main__":
    page()
