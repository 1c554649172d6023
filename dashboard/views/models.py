"""Registry -> champion, policy, who waits, versions, drift and decisions; retrain, promote and roll back."""

from datetime import timedelta

import pandas as pd
import streamlit as st

from dashboard import data, formats, ui
from dashboard.data import this_hour
from dashboard.figures import charts
from dashboard.formats import BAND
from dashboard.panels import decisions, dialogs, life, versions
from dashboard.ui import Frame

OPEN = ("queued", "running")
MONTH = timedelta(days=30)


def page() -> None:
    """Champion, policy, approval, the live training run, versions, timeline, drift, families, decisions."""
    with ui.page("Models") as frame, ui.panel():
        rows = frame.ask("page_versions", target=frame.target.id, since=this_hour(frame.now) - MONTH)
        found = rows[rows["is_champion"].eq(True)]
        champion = None if found.empty else found.iloc[0]
        champion_id = None if champion is None else str(champion.version_id)
        _champion(frame, champion)
        decisions.policy(frame)
        with ui.panel():
            versions.waiting(frame, champion_id)
        _training(frame)
        with ui.panel():
            picked = versions.table(frame, rows)
            versions.buttons(frame, picked, champion_id)
        life.timeline(frame)
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
    issues = "no scored issues yet" if pd.isna(row.live_n) else f"30 days, {formats.count(row.live_n, 'issue')}"
    tiles = [
        ("Champion", formats.short(row.version_id), row.family),
        ("Live MAE", _quantity(frame, row.live_mae), issues),
        ("Backtest MAE", _quantity(frame, row.mae), "mean over T+1 to T+6"),
        (f"In {BAND}", formats.percent(row.coverage), "in the backtest; 80 % is right"),
        (
            "Trained to",
            f"{formats.local(row.trained_to, frame.zone):%d %b}",
            f"{formats.number(row.n_rows)} hourly origins",
        ),
    ]
    with st.grid(5, min_column_width=150):
        for label, value, more in tiles:
            with st.container(border=True, gap="xsmall"):
                st.metric(label, value)
                st.caption(more)


def _quantity(frame: Frame, value: float) -> str:
    return formats.NONE if pd.isna(value) else f"{formats.number(value, 1)} {frame.unit}"


def _training(frame: Frame) -> None:
    rows = frame.ask("page_training", target=frame.target.id)
    is_open = not rows.empty and rows["state"].iloc[0] in OPEN

    @st.fragment(run_every=2 if is_open else None)
    def live() -> None:
        newest = frame.ask("page_training", target=frame.target.id)
        if newest.empty:
            return
        run = newest.iloc[0]
        with ui.panel():
            _training_state(frame, run)
        if is_open and run.state not in OPEN and not st.session_state.get("dialog"):
            st.rerun(scope="app")

    live()


def _training_state(frame: Frame, run: pd.Series) -> None:
    asked = f"Asked by {formats.plain(run.requested_by)} {formats.stamp(run.queued_at, frame.zone)} {frame.clock}"
    why = f": {formats.plain(run.reason)}" if run.reason else ""
    if run.state == "queued":
        st.info(f"**Training run {run.run_id} is queued.** {asked}{why}", icon=":material/schedule:")
        if not frame.desk.warehouse.scheduler_alive():
            st.warning(
                "No scheduler is running, so nobody will start it: run `python jobs.py schedule`.",
                icon=":material/pause_circle:",
            )
    elif run.state == "running":
        took = formats.span((frame.desk.clock() - run.started_at).total_seconds())
        st.info(
            f"**Training run {run.run_id} is running** for {took}. {asked}{why}", icon=":material/progress_activity:"
        )
        if run.log:
            st.caption(f"Last said: {formats.plain(run.log.splitlines()[-1])}")
    elif run.state == "failed":
        st.error(f"**Training run {run.run_id} failed.** {formats.plain(run.error)} {asked}.", icon=":material/error:")
    elif data.word(run.version_id):
        verdict = formats.plain(f"{run.decision}: {run.decision_reason}") if data.word(run.decision) else "not judged"
        took = (
            formats.span((run.ended_at - run.started_at).total_seconds())
            if data.moment(run.started_at)
            else formats.NONE
        )
        st.caption(
            f":material/check_circle: Newest training run `{run.run_id}` ended "
            f"{formats.age(run.ended_at, frame.desk.clock())} after {took} with "
            f"**{formats.plain(run.version_id)}**, {verdict}. {asked}."
        )
    else:
        st.caption(f":material/check_circle: Newest training run `{run.run_id}` {run.state}: no new version. {asked}.")


def _families(frame: Frame, champion: pd.Series | None) -> None:
    st.subheader(f"Families compared, MAE in {frame.unit}", anchor=False)
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
        figure = charts.families(rows, palette=frame.palette, best=best)
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
