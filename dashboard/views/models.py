"""Registry -> versions, why each was promoted, how families compare; retrain and roll back."""

from typing import Any

import pandas as pd
import streamlit as st

from dashboard import charts, data, dialogs, formats, ui
from dashboard.formats import BAND
from dashboard.ui import Frame

SHOWN = 200
OPEN = ("queued", "running")
DECISIONS = {"promoted": "● promoted", "refused": "○ refused"}


def page() -> None:
    """Champion, actions, the live training run, versions, promotions, backtest."""
    with ui.page("Models") as frame, ui.panel():
        versions = frame.ask("page_versions", target=frame.target.id)
        _champion(frame, versions)
        _training(frame)
        picked = _versions(frame, versions)
        _buttons(frame, versions, picked)
        _backtest(frame, versions)
        _promotions(frame)
        dialogs.show(frame, versions)


def _champion(frame: Frame, versions: pd.DataFrame) -> None:
    champion = versions[versions["is_champion"].eq(True)]
    if champion.empty:
        st.info(
            "No champion yet: forecasts are labelled fallbacks until a training run promotes one.",
            icon=":material/info:",
        )
        return
    row = champion.iloc[0]
    tiles = [
        ("Champion", row.version_id.removeprefix(f"{frame.target.id}-"), row.family),
        ("Backtest MAE", f"{formats.number(row.mae, 1)} {frame.unit}", "mean over T+1 to T+6"),
        (f"In {BAND}", formats.percent(row.coverage), "in the backtest; 80 % is right"),
        ("Trained to", formats.day(row.trained_to, frame.zone), f"{formats.number(row.n_rows)} hourly origins"),
    ]
    with st.grid(4, min_column_width=150):
        for label, value, more in tiles:
            with st.container(border=True, gap="xsmall"):
                st.metric(label, value)
                st.caption(more)


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
    asked = f"Asked by {run.requested_by} {formats.stamp(run.queued_at, frame.zone)} {frame.clock}"
    why = f": {run.reason}" if run.reason else ""
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
    elif run.state == "failed":
        st.error(f"**Training run {run.run_id} failed.** {run.error} {asked}.", icon=":material/error:")
    elif data.word(run.version_id):
        verdict = f"{run.decision}: {run.decision_reason}" if data.word(run.decision) else "not judged"
        took = (
            formats.span((run.ended_at - run.started_at).total_seconds())
            if data.moment(run.started_at)
            else formats.NONE
        )
        st.caption(
            f":material/check_circle: Newest training run `{run.run_id}` ended "
            f"{formats.age(run.ended_at, frame.desk.clock())} after {took} with **{run.version_id}**, {verdict}. "
            f"{asked}."
        )
    else:
        st.caption(f":material/check_circle: Newest training run `{run.run_id}` {run.state}: no new version. {asked}.")


def _versions(frame: Frame, versions: pd.DataFrame) -> pd.Series | None:
    st.subheader("Versions", anchor=False)
    if versions.empty:
        ui.empty(
            "No version was trained yet",
            "Retrain below, or run `python jobs.py run train`.",
            icon=":material/model_training:",
        )
        return None
    table = pd.DataFrame(
        {
            "role": ["★ champion" if is_it else "" for is_it in versions["is_champion"].eq(True)],
            "version": versions["version_id"],
            "family": versions["family"],
            "mae": versions["mae"],
            "coverage": [formats.percent(share) for share in versions["coverage"]],
            "created": [formats.stamp(at, frame.zone) for at in versions["created_at"]],
            "window": [_window(row, frame.zone) for row in versions.itertuples()],
            "n_rows": versions["n_rows"],
            "data_hash": versions["data_hash"].str[:12],
            "commit": versions["code_commit"],
            "sha256": versions["sha256"].str[:12],
        }
    )
    picked = ui.table(
        table,
        _version_columns(frame),
        colours=frame.palette,
        states=("role",),
        alt="Model versions, newest first",
        rows=10,
        key="versions",
    )
    return None if picked is None else versions.iloc[picked]


def _window(row: Any, zone: str) -> str:
    return f"{formats.date(row.trained_from, zone)} {formats.NONE} {formats.date(row.trained_to, zone)}"


def _version_columns(frame: Frame) -> dict[str, object]:
    return {
        "role": st.column_config.TextColumn("", width=96),
        "version": st.column_config.TextColumn("Version"),
        "family": st.column_config.TextColumn("Family"),
        "mae": st.column_config.NumberColumn(
            f"Backtest MAE, {frame.unit}", format="%,.1f", help="Mean over T+1 to T+6 of its own hold-out"
        ),
        "coverage": st.column_config.TextColumn(f"In {BAND}", alignment="right"),
        "created": st.column_config.TextColumn(f"Created, {frame.clock}"),
        "window": st.column_config.TextColumn("Trained on"),
        "n_rows": st.column_config.NumberColumn("Origins", format="%,d"),
        "data_hash": st.column_config.TextColumn("Data hash", help="Fingerprint of the training data and feature set"),
        "commit": st.column_config.TextColumn("Commit"),
        "sha256": st.column_config.TextColumn("Artifact", help="SHA-256 of the model file, checked at every load"),
    }


def _buttons(frame: Frame, versions: pd.DataFrame, picked: pd.Series | None) -> None:
    champion = versions[versions["is_champion"].eq(True)]
    possible = picked is not None and not champion.empty and picked.version_id != champion["version_id"].iloc[0]
    with st.container(horizontal=True):
        st.button(
            "Retrain",
            icon=":material/model_training:",
            on_click=dialogs.ask_for,
            args=("retrain",),
            disabled=not frame.user.may("retrain"),
        )
        st.button(
            f"Roll back to {picked.version_id}" if possible and picked is not None else "Roll back",
            icon=":material/undo:",
            on_click=dialogs.ask_for,
            args=(
                "roll_back",
                *((picked.version_id, champion["version_id"].iloc[0]) if possible and picked is not None else ("", "")),
            ),
            disabled=not (possible and frame.user.may("roll_back")),
            help=None if possible else "Select a version that is not the champion first.",
        )


def _backtest(frame: Frame, versions: pd.DataFrame) -> None:
    st.subheader(f"Families compared, MAE in {frame.unit}", anchor=False)
    summary = frame.ask("page_families", target=frame.target.id)
    if summary.empty:
        ui.empty(
            "No backtest yet",
            "Every training run compares all families on the same hold-out weeks.",
            icon=":material/compare:",
        )
        return
    champion = versions[versions["is_champion"].eq(True)]
    best = champion["family"].iloc[0] if len(champion) else summary["family"].iloc[0]
    rows = frame.ask("page_backtest", target=frame.target.id)
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
            f"The newest backtest, mean over T+1 to T+6, best first; hold-out {formats.date(first, frame.zone)} to "
            f"{formats.date(last, frame.zone)}, never trained on. Bold line: the champion's family."
        )


def _promotions(frame: Frame) -> None:
    rows = frame.ask("page_promotions", target=frame.target.id, n=SHOWN)
    if rows.empty:
        return
    st.subheader("Decisions", anchor=False)
    table = rows.assign(
        decided_at=[formats.stamp(at, frame.zone) for at in rows["decided_at"]],
        outcome=rows["outcome"].map(DECISIONS),
        kind=rows["kind"].map({"train": "training", "rollback": "roll back"}),
    )
    columns = {
        "decided_at": st.column_config.TextColumn(f"When, {frame.clock}", pinned=True),
        "kind": st.column_config.TextColumn("Kind"),
        "outcome": st.column_config.TextColumn("Outcome"),
        "version_id": st.column_config.TextColumn("Version"),
        "previous_version_id": st.column_config.TextColumn("Champion before"),
        "actor": st.column_config.TextColumn("Who"),
        "reason": st.column_config.TextColumn("Why", width="large"),
    }
    ui.table(table, columns, colours=frame.palette, states=("outcome",), rows=10, alt="Promotions and roll backs")


if __name__ == "__main__":
    page()
