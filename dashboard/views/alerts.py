"""Alerts -> what is wrong now and what to do about it; what was wrong, who was told, and declared maintenance."""

import re
from datetime import timedelta

import pandas as pd
import streamlit as st

from dashboard import formats, links, ui
from dashboard.data import moment, this_hour
from dashboard.formats import plain
from dashboard.panels import alert_card, alert_history, confirming, maintenance
from dashboard.ui import Frame

FORTNIGHT = timedelta(days=14)
SHOWN = 20
ALL, OTHER = "All", "Of no market"


def page() -> None:
    """The alert the address names, open alerts, history, deliveries, maintenance."""
    with ui.page("Alerts") as frame:
        named = st.query_params.get("alert")
        if named:
            with ui.panel():
                _named(frame, named)
        with ui.panel():
            _open(frame, but=named)
        with ui.panel():
            alert_history.history(frame)
        with ui.panel("Deliveries, 14 days", "Every attempt to tell somebody is written down before it is made"):
            alert_history.deliveries(frame, since=this_hour(frame.now) - FORTNIGHT)
        with ui.panel():
            maintenance.show(frame, since=this_hour(frame.now) - FORTNIGHT)
        confirming.show(frame)


def _named(frame: Frame, alert_id: str) -> None:
    """The one alert that a message or a link leads to, open or over."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.header("This alert", anchor=False, width="content")
        st.button("Show all", key="all_alerts", icon=":material/close:", type="tertiary", on_click=links.forget,
                  args=("alert",))  # fmt: skip
    rows = frame.ask("page_alert", alert_id=alert_id)
    if rows.empty:
        st.warning(f"No alert is called {plain(alert_id)} here.", icon=":material/search_off:")
        return
    with st.container(border=True, gap="xsmall"):
        alert_card.show(frame, next(rows.itertuples()), whole=True)


def _open(frame: Frame, *, but: str | None) -> None:
    rows = frame.ask("page_open_alerts")
    checked = frame.ask("page_judged")["ended_at"].iloc[0]
    looked = f"Rules checked {formats.age(moment(checked), frame.now)}." if moment(checked) else ""
    if rows.empty:
        never = moment(checked) is None
        ui.empty(
            "Nothing has been checked yet" if never else "No open alerts",
            "The alert job judges every rule every few minutes." if never else f"All is well. {looked}",
            icon=":material/notifications_none:" if never else ":material/check_circle:",
        )
        return
    about = _about(frame, rows)
    st.caption(f"{formats.count(len(rows), 'open alert')}, worst first. {looked}")
    others = rows[(rows["alert_id"] != but) & about]
    if len(others) < len(rows[rows["alert_id"] != but]):
        st.caption(f"{formats.count(len(others), 'alert')} of them shown: choose All for the others.")
    for row in others.head(SHOWN).itertuples():
        with ui.panel(), st.container(border=True, gap="xsmall"):
            alert_card.show(frame, row)
    if len(others) > SHOWN:
        st.caption(f"{formats.count(len(others) - SHOWN, 'more open alert')} below, in the history.")


def _about(frame: Frame, rows: pd.DataFrame) -> "pd.Series[bool]":
    """Which alerts are about the chosen market: its series, targets and versions; asked where there are several."""
    markets = frame.desk.markets
    named = {one.name: market for market, one in markets.items() if of_market(rows["subject"], market).any()}
    every = pd.Series(data=True, index=rows.index)
    if len(markets) < 2 or not named:
        return every
    chosen = st.segmented_control(
        "Alerts of", [ALL, *named, OTHER], default=ALL, required=True, key="of", bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    if chosen in named:
        return of_market(rows["subject"], named[chosen])
    of_any = [of_market(rows["subject"], market) for market in markets]
    return ~pd.concat(of_any, axis=1).any(axis=1) if chosen == OTHER else every


def of_market(subjects: "pd.Series[str]", market: str) -> "pd.Series[bool]":
    """Whether each subject is the market, one of its series, targets or versions, or a job's part about it."""
    return subjects.str.contains(rf"(?:^|:){re.escape(market)}(?:[.]|$)", regex=True)


if __name__ == "__main__":
    page()
