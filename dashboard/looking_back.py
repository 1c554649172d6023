"""Address of a page -> the past moment it is to show, if any; and the controls and words that go with it."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import data, formats, links
from dashboard.data import Desk
from dashboard.states import panel
from pipeline.asof import Moment
from pipeline.markets import Target

FIRST_YEAR = 2000
STEP = timedelta(minutes=5)
SCORED = timedelta(days=372)
"""The longest window of scores on offer, with the week before it that its first point is made of."""


def chosen(desk: Desk) -> Moment | None:
    """The moment that `?at=2026-11-20T10:20Z` (and `&replayed=1`) names; of other words it is told."""
    text = st.query_params.get("at")
    if not text:
        return None
    moment = parsed(text)
    if moment is None or moment > desk.clock():
        st.warning(
            f"The address asks for {formats.code(text)}, which is no past moment such as 2026-11-20T10:20Z; "
            "this is the present.",
            icon=":material/history:",
        )
        return None
    return Moment(moment, replayed=st.query_params.get("replayed") == "1")


def parsed(text: str | None) -> datetime | None:
    """An aware time of an address in UTC; None for other words and for years before FIRST_YEAR."""
    try:
        moment = datetime.fromisoformat(text or "")
        if moment.tzinfo is None or not FIRST_YEAR <= moment.year <= 9000:
            return None
    except ValueError:
        return None
    return moment.astimezone(UTC)


def written(moment: datetime) -> str:
    """As addresses write it, cut up to the next whole second: '2026-11-20T10:20Z', '2026-11-20T10:20:07Z'."""
    at = pd.Timestamp(moment).tz_convert(UTC).ceil("s")
    return f"{at:%Y-%m-%dT%H:%M:%SZ}" if at.second else f"{at:%Y-%m-%dT%H:%MZ}"


def instant(day: date, clock: time, zone: str) -> datetime:
    """The moment a clock in `zone` shows this, as UTC; the first of two, and after a gap the end of the gap."""
    wall = pd.Timestamp(datetime.combine(day, clock))
    return wall.tz_localize(zone, ambiguous=True, nonexistent="shift_forward").tz_convert(UTC).to_pydatetime()


def controls(present: Desk, target: Target, then: Moment | None, zone: str) -> None:
    """A popover to choose a past moment, step from issue to issue, and come back; times are of the clock in `zone`."""
    now = present.clock()
    at = now if then is None else then.at
    with st.popover("Look back", icon=":material/history:", type="tertiary", help="See the page as it was"):
        local, today = formats.local(at, zone), formats.local(now, zone).date()
        key = "now" if then is None else f"{written(at)} {zone}"
        st.date_input("Day", local.date(), max_value=today, key=f"look_day {key}", format="YYYY-MM-DD")
        st.time_input(
            f"Time, {formats.city(zone)}",
            local.time().replace(second=0, microsecond=0),
            key=f"look_time {key}",
            step=STEP,
        )
        st.button("Show", on_click=_show, args=(key, zone, now), icon=":material/visibility:", width="stretch")
        with panel():
            _steps(present, target, then, at, now)


def _steps(present: Desk, target: Target, then: Moment | None, at: datetime, now: datetime) -> None:
    # In the present the next whole minute will do: a question about this very instant was never asked before.
    asked = pd.Timestamp(at).ceil("min").to_pydatetime() if then is None else at
    steps = present.ask("page_steps", target=target.id, at=asked, replayed=bool(then and then.replayed)).iloc[0]
    before, after = data.moment(steps.before), data.moment(steps.after)
    with st.container(horizontal=True, gap="xsmall"):
        _step("Issue before", ":material/chevron_left:", before, now)
        _step("Issue after", ":material/chevron_right:", after, now, disabled=then is None)
        st.button("Now", on_click=_back, disabled=then is None, icon=":material/last_page:", type="tertiary")


def _step(label: str, icon: str, to: datetime | None, now: datetime, *, disabled: bool = False) -> None:
    disabled = disabled or to is None
    st.button(label, on_click=_go, args=(to, now), disabled=disabled, icon=icon, type="tertiary")


def banner(present: Desk, target: Target, then: Moment, zone: str) -> None:
    """Say which moment is shown and what counts as known; offer the way back, and what was computed afterwards."""
    when = formats.zoned(then.at, zone)
    later = present.ask("page_recomputed", target=target.id, at=then.at)["n"].iloc[0]
    across: dict[str, Any] = {
        "horizontal": True,
        "horizontal_alignment": "distribute",
        "vertical_alignment": "center",
    }
    with st.container(border=True, key="looks_back", gap="xsmall"):
        with st.container(**across):
            what = (
                "with what was computed afterwards, as if in time" if then.replayed else "only what was stored by then"
            )
            st.markdown(f":material/history: **As it was on {when}**: {what}.", width="content")
            st.button("Back to now", key="back_to_now", on_click=_back, icon=":material/last_page:", type="tertiary")
        if then.replayed or later:
            with st.container(**across):
                _afterwards(then, later)
        if any(event.last > then.at - SCORED and event.first < then.at for event in target.events):
            st.caption(
                ":material/event_busy: Scores leave out the hours of declared events as configured now; when an event "
                "was declared is not stored."
            )


def _afterwards(then: Moment, later: int) -> None:
    if then.replayed:
        st.caption("Replayed issues and values that arrived late count as if they had been there.", width="content")
        label, word, icon = "Only what was stored by then", "", ":material/inventory_2:"
    else:
        st.caption(f"{formats.count(later, 'issue')} for before then were computed only afterwards.", width="content")
        label, word, icon = "With what was computed afterwards, as if in time", "1", ":material/replay:"
    st.button(label, key="replayed", on_click=_replayed, args=(word,), icon=icon, type="tertiary")


def _show(key: str, zone: str, now: datetime) -> None:
    day, clock = st.session_state.get(f"look_day {key}"), st.session_state.get(f"look_time {key}")
    if day is not None and clock is not None:
        _go(instant(day, clock, zone), now)


def _go(moment: datetime, now: datetime) -> None:
    text = written(moment)
    if pd.Timestamp(text) > now:
        _back()
    else:
        st.query_params["at"] = text


def _back() -> None:
    links.forget("at", "replayed")


def _replayed(word: str) -> None:
    if word:
        st.query_params["replayed"] = word
    else:
        links.forget("replayed")
