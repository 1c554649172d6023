"""Registry -> versions, why each was promoted, how families compare; retrain and roll back."""

import pandas as pd
import streamlit as st

from dashboard import actions, charts, data, formats, ui
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
        _dialogs(frame, versions)


def _champion(frame: Frame, versions: pd.DataFrame) -> None:
    champion = versions[versions["is_champion"].eq(True)]
    if champion.empty:
        st.info("No champion yet: forecasts are labelled fallbacks until a training run promotes one.", icon=":material/info:")
        return
    row = champion.iloc[0]
    tiles = [
        ("Champion", row.version_id.removeprefix(f"{frame.target.id}-"), row.family),
        ("Backtest MAE", f"{formats.number(row.mae, 1)} {frame.unit}", "mean over T+1 to T+6"),
        ("In P10–P90", formats.percent(row.coverage), "in the backtest; 80 % is right"),  # noqa: RUF001
        ("Trained to", formats.date(row.trained_to, frame.zone), f"{formats.number(row.n_rows)} origins"),
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
        if is_open and run.state not in OPEN:
            st.rerun(scope="app")

    live()


def _training_state(frame: Frame, run: pd.Series) -> None:
    asked = f"Asked by {run.requested_by} {formats.stamp(run.queued_at, frame.zone)} {frame.clock}"
    why = f": {run.reason}" if run.reason else ""
    if run.state == "queued":
        st.info(f"**Training run {run.run_id} is queued.** {asked}{why}", icon=":material/schedule:")
        if not frame.desk.warehouse.scheduler_alive():
            st.warning(
                "No scheduler is running, so nobody will start it: run `python jobs.py schedule`.", icon=":material/pause_circle:"
            )
    elif run.state == "running":
        took = formats.span((frame.desk.clock() - run.started_at).total_seconds())
        st.info(f"**Training run {run.run_id} is running** for {took}. {asked}{why}", icon=":material/progress_activity:")
    elif run.state == "failed":
        st.error(f"**Training run {run.run_id} failed.** {run.error} {asked}.", icon=":material/error:")
    elif data.word(run.version_id):
        verdict = f"{run.decision}: {run.decision_reason}" if data.word(run.decision) else "not judged"
        took = formats.span((run.ended_at - run.started_at).total_seconds()) if data.moment(run.started_at) else formats.NONE
        st.caption(
            f":material/check_circle: Newest training run `{run.run_id}` ended {formats.age(run.ended_at, frame.desk.clock())} "
            f"after {took} with **{run.version_id}**, {verdict}. {asked}."
        )
    else:
        st.caption(f":material/check_circle: Newest training run `{run.run_id}` {run.state}: no new version. {asked}.")


def _versions(frame: Frame, versions: pd.DataFrame) -> pd.Series | None:
    st.subheader("Versions", anchor=False)
    if versions.empty:
        ui.empty("No version was trained yet", "Retrain below, or run `python jobs.py run train`.", icon=":material/model_training:")
        return None
    table = pd.DataFrame(
        {
            "role": ["★ champion" if is_it else "" for is_it in versions["is_champion"].eq(True)],
            "version": versions["version_id"],
            "family": versions["family"],
            "mae": versions["mae"],
            "coverage": versions["coverage"],
            "created": [formats.stamp(at, frame.zone) for at in versions["created_at"]],
            "window": [_window(row, frame.zone) for row in versions.itertuples()],
            "n_rows": versions["n_rows"],
            "data_hash": versions["data_hash"].str[:12],
            "commit": versions["code_commit"],
            "sha256": versions["sha256"].str[:12],
        }
    )
    event = st.dataframe(
        table, hide_index=True, column_config=_version_columns(frame), on_select="rerun", selection_mode="single-row", key="versions",
        row_height=36, alt="Model versions, newest first", placeholder=formats.NONE, height=400 if len(table) > 10 else "content",
    )  # fmt: skip
    picked = event.selection.rows
    return versions.iloc[picked[0]] if picked and picked[0] < len(versions) else None


def _window(row: tuple[object, ...], zone: str) -> str:
    return f"{formats.date(row.trained_from, zone)} – {formats.date(row.trained_to, zone)}"  # noqa: RUF001


def _version_columns(frame: Frame) -> dict[str, object]:
    return {
        "role": st.column_config.TextColumn("", width=96),
        "version": st.column_config.TextColumn("Version"),
        "family": st.column_config.TextColumn("Family"),
        "mae": st.column_config.NumberColumn(f"Backtest MAE, {frame.unit}", format="%,.1f", help="Mean over T+1 to T+6 of its own hold-out"),
        "coverage": st.column_config.NumberColumn("In P10–P90", format="percent"),  # noqa: RUF001
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
            "Retrain", icon=":material/model_training:", on_click=_open, args=("retrain",), disabled=not frame.user.may("retrain")
        )
        st.button(
            f"Roll back to {picked.version_id}" if possible and picked is not None else "Roll back",
            icon=":material/undo:",
            on_click=_open,
            args=("roll_back", *((picked.version_id, champion["version_id"].iloc[0]) if possible and picked is not None else ("", ""))),
            disabled=not (possible and frame.user.may("roll_back")),
            help=None if possible else "Select a version that is not the champion first.",
        )


def _open(name: str, version_id: str = "", expected: str = "") -> None:
    st.session_state["dialog"] = {"name": name, "version_id": version_id, "expected": expected, "error": ""}


def _close() -> None:
    st.session_state["dialog"] = None


def _dialogs(frame: Frame, versions: pd.DataFrame) -> None:
    asked = st.session_state.get("dialog")
    if asked and asked["name"] == "retrain":
        _retrain_dialog(frame)
    elif asked:
        _roll_back_dialog(frame, versions)


@st.dialog("Retrain?", icon=":material/model_training:", on_dismiss=_close)
def _retrain_dialog(frame: Frame) -> None:
    asked = _asked()
    st.markdown(
        f"All families are compared on the last weeks of **{frame.target.id}**; the best becomes a new version, and the "
        "champion unless it is clearly worse. It takes some minutes; forecasts go on meanwhile."
    )
    st.text_input("Reason", key="retrain_reason", placeholder="Why now?", max_chars=300)
    _complaint(asked)
    st.button("Retrain", type="primary", key="retrain_go", on_click=_retrain, args=(frame,))


@st.dialog("Roll back the champion?", icon=":material/undo:", on_dismiss=_close)
def _roll_back_dialog(frame: Frame, versions: pd.DataFrame) -> None:
    asked = _asked()
    wanted, present = asked["version_id"], asked["expected"]
    st.markdown(f"Forecasts from the next issue on will come from **{wanted}** instead of **{present}**.")
    _preview(frame, versions, wanted, present)
    st.text_input(f"Type {wanted} to confirm", key="roll_back_typed")
    st.text_input("Reason", key="roll_back_reason", placeholder="Why?", max_chars=300)
    _complaint(asked)
    st.button("Roll back", type="primary", key="roll_back_go", on_click=_roll_back, args=(frame,))


def _asked() -> dict[str, str]:
    asked: dict[str, str] | None = st.session_state.get("dialog")
    if asked is None:
        # The action of this dialog went through: only a run of the whole page closes it.
        st.rerun()
    return asked


def _complaint(asked: dict[str, str]) -> None:
    if asked["error"]:
        st.error(asked["error"], icon=":material/error:")


def _preview(frame: Frame, versions: pd.DataFrame, wanted: str, present: str) -> None:
    rows = versions.set_index("version_id").loc[[wanted, present]]
    table = pd.DataFrame(
        {
            "": ["Roll back to", "Champion now"],
            "Version": rows.index,
            "Family": rows["family"].to_list(),
            f"Backtest MAE, {frame.unit}": [formats.number(value, 1) for value in rows["mae"]],
            "Trained to": [formats.date(at, frame.zone) for at in rows["trained_to"]],
        }
    )
    st.table(table, hide_index=True, border="horizontal")
    st.caption("Each MAE is over that version's own hold-out weeks, so a small difference says little.")


def _retrain(frame: Frame) -> None:
    reason = st.session_state.get("retrain_reason", "")

    def act() -> str:
        now = frame.desk.clock()
        run_id = actions.retrain(frame.desk, user=_user(), target=frame.target.id, reason=reason, now=now)
        return f"Training run {run_id} is queued."

    _settle(ui.attempt(act))


def _roll_back(frame: Frame) -> None:
    asked = st.session_state["dialog"]
    if st.session_state.get("roll_back_typed", "").strip() != asked["version_id"]:
        _settle(f"Type {asked['version_id']} exactly as written.")
        return

    def act() -> str:
        actions.roll_back(
            frame.desk,
            user=_user(),
            target=frame.target.id,
            version_id=asked["version_id"],
            expected=asked["expected"],
            reason=st.session_state.get("roll_back_reason", ""),
            now=frame.desk.clock(),
        )
        return f"{asked['version_id']} is the champion from the next issue on."

    _settle(ui.attempt(act))


def _user() -> actions.User:
    """Asked anew at every action: a role may have been taken away since the page was drawn."""
    return actions.current_user(st.get_option("server.address"))


def _settle(error: str) -> None:
    if error:
        st.session_state["dialog"] = st.session_state["dialog"] | {"error": error}
    else:
        _close()


def _backtest(frame: Frame, versions: pd.DataFrame) -> None:
    st.subheader("Families compared", anchor=False)
    summary = frame.ask("page_families", target=frame.target.id)
    if summary.empty:
        ui.empty("No backtest yet", "Every training run compares all families on the same hold-out weeks.", icon=":material/compare:")
        return
    champion = versions[versions["is_champion"].eq(True)]
    best = champion["family"].iloc[0] if len(champion) else summary["family"].iloc[0]
    rows = frame.ask("page_backtest", target=frame.target.id)
    left, right = st.columns([2, 3], gap="medium")
    with left, ui.panel():
        figure = charts.families(rows, palette=frame.palette, unit=frame.unit, best=best)
        ui.draw(figure, key="families", alt="Backtest MAE by horizon for each family")
    with right, ui.panel():
        columns = {
            "family": st.column_config.TextColumn("Family", pinned=True),
            "mae": st.column_config.NumberColumn(f"MAE, {frame.unit}", format="%,.1f"),
            "rmse": st.column_config.NumberColumn("RMSE", format="%,.1f"),
            "bias": st.column_config.NumberColumn("Bias", format="%,.1f"),
            "mase": st.column_config.NumberColumn("MASE", format="%.3f"),
            "coverage": st.column_config.NumberColumn("In P10–P90", format="percent"),  # noqa: RUF001
            "n": st.column_config.NumberColumn("n", format="%,d"),
        }
        st.dataframe(
            summary, hide_index=True, column_config=columns, column_order=list(columns), alt="Families, mean over horizons, best first",
            placeholder=formats.NONE,
        )  # fmt: skip
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
    st.dataframe(
        table, hide_index=True, column_config=columns, column_order=list(columns), row_height=36, alt="Promotions and roll backs",
        placeholder=formats.NONE, height=400 if len(table) > 10 else "content",
    )  # fmt: skip


if __name__ == "__main__":
    page()
