"""A button's click -> a confirmed, reasoned action: the dialogs of the models page."""

import pandas as pd
import streamlit as st

from dashboard import actions, formats, ui
from dashboard.ui import Frame


def ask_for(name: str, version_id: str = "", expected: str = "") -> None:
    """Callback of a button: open the dialog `name` with what the page shows at this moment."""
    st.session_state["dialog"] = {"name": name, "version_id": version_id, "expected": expected, "error": ""}


def _close() -> None:
    st.session_state["dialog"] = None


def show(frame: Frame, versions: pd.DataFrame) -> None:
    """Draw the dialog that is open, if any. Call it in every run: a rerun must not close it."""
    asked = st.session_state.get("dialog")
    if asked and asked["name"] == "retrain":
        _retrain_dialog(frame)
    elif asked:
        _roll_back_dialog(frame, versions)


@st.dialog("Retrain?", icon=":material/model_training:", on_dismiss=_close)
def _retrain_dialog(frame: Frame) -> None:
    asked = _asked()
    st.markdown(
        f"All families are compared on the last weeks of **{frame.target.id}**; the best becomes a new version, and "
        "the champion unless it is clearly worse. It takes some minutes; forecasts go on meanwhile."
    )
    st.text_input("Reason", key="retrain_reason", placeholder="Why now?", max_chars=300)
    _complaint(asked)
    st.button("Retrain", type="primary", key="retrain_go", on_click=_retrain, args=(frame,))


@st.dialog("Roll back the champion?", width="medium", icon=":material/undo:", on_dismiss=_close)
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
