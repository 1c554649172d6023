"""Scored forecasts, the alert rule's own figures, champions and alerts -> how the error of a week went over time."""

from datetime import timedelta

import pandas as pd
import streamlit as st

from dashboard import formats, measuring, ui
from dashboard.figures import accuracy as charts
from dashboard.panels.chosen import WEEK, Chosen
from pipeline import erring

RULES = ("error_up", "error_limit", "coverage_off")
SHORT, FINE, COARSE = timedelta(days=14), timedelta(hours=6), timedelta(days=1)


def show(chosen: Chosen) -> None:
    """The line, what it may be at most, and what happened on the way."""
    frame = chosen.frame
    with ui.panel(
        f"Error of seven days over time, {frame.unit}", "All horizons together, as the alert “error_up” counts"
    ):
        rows = points(chosen)
        if rows[["mae", "mae_all"]].isna().all(axis=None):
            ui.empty("No week has enough scores", "A line needs a week of scored issues.", icon=":material/timeline:")
            return
        marks, stretches = _happened(chosen)
        limit = erring.limits(frame.target, _times(chosen, "error_limit")).get("mae")
        drawn = rows.assign(at=formats.wall(rows["until"], frame.zone), mae=rows["mae"].fillna(rows["mae_all"]))
        drawn = drawn.assign(n=drawn["n"].fillna(drawn["n_all"]).astype(int))
        figure = frame.figure(
            "trend",
            lambda: charts.trend(
                drawn, marks=marks, stretches=stretches, limit=limit, palette=frame.palette, unit=frame.unit,
                digits=frame.digits,
            ),
            *chosen.key,
        )  # fmt: skip
        ui.draw(figure, key="trend", alt="Mean absolute error of seven days over time with the most that is allowed")
        _words(chosen, rows, stretches)


def moments(chosen: Chosen) -> list[pd.Timestamp]:
    """The ends of the weeks that are shown, from the end of the window back, a day or six hours apart."""
    step = FINE if chosen.until - chosen.since <= SHORT else COARSE
    count = int((chosen.until - chosen.since) / step) + 1
    return [pd.Timestamp(chosen.until - step * back) for back in range(count)][::-1]


def points(chosen: Chosen) -> pd.DataFrame:
    """One row a moment `until`: `mae`, `n`, `mae_before`, `n_before` and `allowed` as the alert rule has them, NaN
    where it keeps silent; `mae_all` and `n_all` of whatever is scored; MAE of `naive` and `operator` over
    `n_common`."""

    def build() -> pd.DataFrame:
        target, untils = chosen.frame.target, moments(chosen)
        changes = erring.changes(chosen.frame.ask, target, [one.to_pydatetime() for one in untils])
        allowed = changes["mae_before"] * erring.allowed(target, _times(chosen, "error_up"))
        rows = chosen.longer[chosen.longer["declared"].isna() & chosen.longer["status"].isin(["ok", "reduced"])]
        rolling = _rolling(rows, untils)
        return rolling.merge(changes.assign(allowed=allowed), on="until", how="left")

    return chosen.made("trend", build)


def _rolling(rows: pd.DataFrame, untils: list[pd.Timestamp]) -> pd.DataFrame:
    common = measuring.common(rows)
    found = []
    for until in untils:
        week, beside = (part[(part["origin"] >= until - WEEK) & (part["origin"] < until)] for part in (rows, common))
        means = {name: beside[name].abs().mean() for name in measuring.COMPARATORS}
        means |= {"mae_all": week["error"].abs().mean()}
        found.append({"until": until, "n_all": len(week), "n_common": len(beside)} | means)
    return pd.DataFrame(found).astype({"until": rows["origin"].dtype})


def _times(chosen: Chosen, rule: str) -> float:
    """What sextant.toml multiplies a rule's limit by."""
    tuning = chosen.frame.desk.operations.alerts.get(rule)
    return erring.USUAL if tuning is None or tuning.limit is None else tuning.limit


def _happened(chosen: Chosen) -> tuple[pd.DataFrame, pd.DataFrame]:
    frame = chosen.frame
    new = frame.ask("page_new_champions", **chosen.window)
    marks = pd.DataFrame(
        {"at": formats.wall(new["decided_at"], frame.zone), "label": [formats.short(one) for one in new["version_id"]]}
    )
    fired = frame.ask("page_error_alerts", rules=RULES, **chosen.window)
    end = fired["resolved_at"].fillna(pd.Timestamp(chosen.until)).clip(upper=pd.Timestamp(chosen.until))
    first = fired["flipped_at"].clip(lower=pd.Timestamp(chosen.since))
    stretches = fired.assign(first=formats.wall(first, frame.zone), last=formats.wall(end, frame.zone))
    return marks, stretches


def _words(chosen: Chosen, rows: pd.DataFrame, stretches: pd.DataFrame) -> None:
    frame, target = chosen.frame, chosen.frame.target
    last = rows.iloc[-1]
    factor = erring.allowed(target, _times(chosen, "error_up"))
    if pd.isna(last["mae"]):
        now = f"The newest week has too few scores for the alert to judge (n = {formats.number(last['n_all'])})."
    else:
        over = last["mae"] > last["allowed"]
        sign = ":material/warning: **above**" if over else ":material/check_circle: within"
        now = (
            f"Newest week {formats.number(last['mae'], frame.digits)} {frame.unit} (n = {formats.number(last['n'])}), "
            f"{sign} the {formats.number(last['allowed'], frame.digits)} allowed: {formats.percent(factor - 1)} above "
            f"the 28 days before (n = {formats.number(last['n_before'])})."
        )
    own = erring.limits(target, _times(chosen, "error_limit"))
    percent = f" Its own limit of MAPE is {formats.number(own['mape'], 1)} %." if "mape" in own else ""
    shaded = f" Shaded: {formats.count(len(stretches), 'alert')} on its error or bands." if len(stretches) else ""
    st.caption(
        f"{now}{percent} Dotted uprights: a new champion.{shaded} From scores as they are known now, fallbacks left "
        f"out; naive and {formats.named(frame.operator)} on the hours that all of them forecast; {chosen.span}."
    )
