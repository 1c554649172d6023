"""A button's click -> a confirmed, reasoned action: the dialogs of the models page."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import actions, formats, identity, ui
from dashboard.figures import life as life_charts
from dashboard.panels.error_history import chance, difference, left_out
from dashboard.panels.training import usual_words
from dashboard.ui import Frame
from pipeline.errors import ModelError, NoChampion, SextantError
from pipeline.guard import DOUBT, LEAST_COMMON
from pipeline.preview import DAYS, Apart, Preview, preview

TITLES = {"candidate": "New", "champion": "Champion now"}
DEPTHS = {"deep": "Deep: compare all families", "quick": "Quick: refit the champion's family"}


def ask_for(name: str, version_id: str = "", expected: str | None = None) -> None:
    """Callback of a button: open the dialog `name` (retrain, promote or roll_back) with what the page shows now."""
    st.session_state["dialog"] = {"name": name, "version_id": version_id, "expected": expected, "error": ""}


def _close() -> None:
    st.session_state["dialog"] = None


def show(frame: Frame) -> None:
    """Draw the dialog that is open, if any. Call it in every run: a rerun must not close it."""
    asked = st.session_state.get("dialog")
    shown = {"retrain": _retrain_dialog, "promote": _promote_dialog, "roll_back": _roll_back_dialog}
    if asked and asked["name"] in shown:
        shown[asked["name"]](frame)


@st.dialog("Retrain?", icon=":material/model_training:", on_dismiss=_close)
def _retrain_dialog(frame: Frame) -> None:
    asked = _asked()
    st.markdown(
        f"Families are compared on the last weeks of **{frame.target.id}**; the best becomes a new version, and "
        "what happens to it follows the policy on the page. Forecasts go on meanwhile."
    )
    depth = st.radio("Depth", list(DEPTHS), format_func=DEPTHS.__getitem__, key="retrain_depth")
    usual = usual_words(frame, depth or "deep").removeprefix("; usual is ")
    st.caption(f"Usually takes {usual}." if usual else "It takes some minutes.")
    st.text_input("Reason", key="retrain_reason", placeholder="Why now?", max_chars=300)
    _complaint(asked)
    st.button("Retrain", type="primary", key="retrain_go", on_click=_retrain, args=(frame,))


@st.dialog("Make it the champion?", width="medium", icon=":material/how_to_reg:", on_dismiss=_close)
def _promote_dialog(frame: Frame) -> None:
    _change_dialog(frame, "Promote")


@st.dialog("Roll back the champion?", width="medium", icon=":material/undo:", on_dismiss=_close)
def _roll_back_dialog(frame: Frame) -> None:
    _change_dialog(frame, "Roll back")


def _change_dialog(frame: Frame, verb: str) -> None:
    asked = _asked()
    wanted, present = asked["version_id"], asked["expected"]
    instead = f"instead of **{formats.plain(present)}**" if present else "instead of the naive fallback"
    st.markdown(
        f"Forecasts will come from **{formats.plain(wanted)}** {instead}. Its file is verified and tried first."
    )
    premise = _stale(frame, asked)
    refused = _compare(frame, asked)
    st.text_input(f"Type {formats.plain(wanted)} to confirm", key="change_typed")
    st.text_input("Reason", key="change_reason", placeholder="Why?", max_chars=300)
    st.checkbox(
        "Issue again at once",
        key="change_at_once",
        help="Makes the newest issue anew with the new champion; otherwise it begins with the next issue.",
    )
    _complaint(asked)
    st.button(
        verb, type="primary", key="change_go", on_click=_change, args=(frame,), disabled=premise or refused,
        help="It would be refused: see above." if premise or refused else None,
    )  # fmt: skip


def _stale(frame: Frame, asked: dict[str, Any]) -> bool:
    """Whether somebody changed the champion since the dialog was opened; then it says so."""
    rows = frame.ask("champion", target=frame.target.id)
    present = None if rows.empty else str(rows["version_id"].iloc[0])
    if present == asked["expected"]:
        return False
    st.error(
        f"The champion is {formats.plain(present or 'nobody')} by now, no longer "
        f"{formats.plain(asked['expected'] or 'nobody')}: somebody changed it meanwhile. Close this, look again and "
        "decide anew.",
        icon=":material/sync_problem:",
    )
    return True


def _asked() -> dict[str, Any]:
    asked: dict[str, Any] | None = st.session_state.get("dialog")
    if asked is None:
        # The action of this dialog went through: only a run of the whole page closes it.
        st.rerun()
    return asked


def _complaint(asked: dict[str, Any]) -> None:
    if asked["error"]:
        st.error(formats.plain(asked["error"]), icon=":material/error:")


def _compare(frame: Frame, asked: dict[str, Any]) -> bool:
    """Both versions' recent errors and next hours; returns whether the version cannot serve, as its file is no good.

    Computed once, because every key typed draws the dialog anew.
    """
    if "preview" not in asked:
        with st.spinner("Comparing both versions …"):
            asked["preview"] = _previewed(frame, asked["version_id"])
    found: Preview | SextantError = asked["preview"]
    if isinstance(found, NoChampion):
        st.warning("There is no champion yet to compare it with.", icon=":material/compare:")
        return False
    if isinstance(found, SextantError):
        st.warning(f"The versions cannot be compared: {formats.plain(found)}", icon=":material/broken_image:")
        return isinstance(found, ModelError)
    _two(frame, found)
    return False


def _two(frame: Frame, found: Preview) -> None:
    if found.flaw:
        st.warning(
            f"The champion's own file is no good, so it is judged by what it issued: {formats.plain(found.flaw)}",
            icon=":material/broken_image:",
        )
    st.table(_errors(frame, found.errors), hide_index=True, border="horizontal")
    st.caption(_basis(found.errors) + left_out(frame, frame.now - timedelta(days=max(DAYS))))
    st.markdown("\n".join(f"- {line}" for line in verdicts(found.apart, frame.unit)))
    if len(found.forecasts):
        figure = life_charts.two_forecasts(found.forecasts, palette=frame.palette, zone=frame.zone, digits=frame.digits)
        ui.draw(figure, key="preview", alt="The next six hours as both versions forecast them")
        origin = found.forecasts["origin"].max()
        st.caption(
            f"Six hours from the newest origin, {formats.zoned(origin, frame.zone)}." + _apart(frame, found.forecasts)
        )


def verdicts(windows: Mapping[int, Apart], unit: str) -> list[str]:
    """One line a window: the difference, its standard error and how likely chance is."""
    lines = []
    for days, found in windows.items():
        if pd.isna(found.p_value):
            words = f"no verdict: {formats.count(found.n, 'common origin')}, {LEAST_COMMON} are needed"
        else:
            sure = "may be chance" if found.p_value >= DOUBT else "hardly chance"
            way = "lower" if found.difference < 0 else "higher"
            p = chance(found.p_value)
            words = (
                f"the new one's MAE is {way}: **{difference(found, unit)}**, {sure} "
                f"(p {formats.plain(p) if p.startswith('<') else f'= {p}'})"
            )
        lines.append(f"{days} days: {words}")
    return lines


def _previewed(frame: Frame, version_id: str) -> Preview | SextantError:
    desk = frame.desk
    try:
        return preview(desk.warehouse, desk.settings.models, frame.target, version_id, now=frame.now)
    except SextantError as error:
        return error


def _errors(frame: Frame, errors: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for role, part in errors.groupby("role", sort=False):
        mae = part.set_index("days")["mae"]
        shown = {f"MAE, {days} days": f"{formats.number(mae.get(days), 1)} {frame.unit}" for days in DAYS}
        rows.append({"Role": TITLES[str(role)], "Version": formats.short(part["version_id"].iloc[0])} | shown)
    return pd.DataFrame(rows)


def _basis(errors: pd.DataFrame) -> str:
    words = []
    for days, part in errors.groupby("days"):
        n = int(part["n"].iloc[0])
        by = "; ".join(
            f"{formats.short(version)} {basis}"
            for version, basis in zip(part["version_id"], part["basis"], strict=True)
        )
        words.append(f"{days} days: {formats.count(n, 'common origin')}" + (f" ({by})" if n else ""))
    return ". ".join(words) + ". Only hours that both forecast count, so the figures can be compared."


def _apart(frame: Frame, forecasts: pd.DataFrame) -> str:
    points = forecasts.pivot_table(index="valid_at", columns="role", values="p50").dropna()
    if points.shape[1] < 2 or points.empty:
        return ""
    difference = points["candidate"] - points["champion"]
    most = difference.iloc[difference.abs().argmax()]
    return f" The new one lies at most {formats.signed(most, frame.digits)} {frame.unit} from the champion's."


def _retrain(frame: Frame) -> None:
    if not st.session_state.get("dialog"):
        # The second click of a double one: the first has done it.
        return
    reason, depth = st.session_state.get("retrain_reason", ""), st.session_state.get("retrain_depth")

    def act() -> str:
        now = frame.desk.clock()
        run_id = actions.retrain(frame.desk, user=_user(), target=frame.target.id, reason=reason, now=now, depth=depth)
        return f"Training run {run_id} is queued."

    _settle(ui.attempt(act))


def _change(frame: Frame) -> None:
    asked = st.session_state.get("dialog")
    if not asked:
        return
    version_id, reason = asked["version_id"], st.session_state.get("change_reason", "")
    if st.session_state.get("change_typed", "").strip() != version_id:
        _settle(f"Type {version_id} exactly as written.")
        return
    at_once = st.session_state.get("change_at_once", False)
    try:
        user = _user()
    except SextantError as error:
        _settle(str(error))
        return
    who = {"user": user, "target": frame.target.id, "reason": reason, "now": frame.desk.clock()}

    def act() -> str:
        actions.change_champion(
            frame.desk, action=asked["name"], version_id=version_id, expected=asked["expected"], **who
        )
        return f"{version_id} is the champion" + ("." if at_once else " from the next issue on.")

    def issue() -> str:
        return f"Run {actions.reissue(frame.desk, **who)} is queued to issue again."

    # Should the second fail, the first stands: the dialog stays and says so.
    _settle(ui.attempt(act) or (ui.attempt(issue) if at_once else ""))


def _user() -> identity.User:
    """Asked anew at every action: a role may have been taken away since the page was drawn."""
    return identity.current_user()


def _settle(error: str) -> None:
    if error:
        st.session_state["dialog"] = st.session_state["dialog"] | {"error": error}
    else:
        _close()
