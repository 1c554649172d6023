"""Desk -> the header of every page: title, target, clock, user, look back, and badges of how fresh things are."""

from datetime import datetime
from typing import Any, NoReturn

import streamlit as st

from dashboard import alarms, choosing, data, formats, identity, links, live
from dashboard.data import Desk, Freshness
from dashboard.identity import User
from dashboard.signing import menu
from dashboard.states import empty, panel
from pipeline.errors import SextantError
from pipeline.markets import Target

NO_WAREHOUSE = (
    "Fill the warehouse with `python jobs.py demo`, or with your market by `python jobs.py all`; "
    "this page notices by itself."
)
REISSUED = "This issue was made again after a change of model; its first form is kept."
OLDER = "The warehouse is of an older release; any job migrates it, as `python jobs.py doctor` does."


def title(desk: Desk, title: str) -> Target:
    """Draw the title beside the choice of target; several markets are named in the choice, one in the title."""
    targets = list(desk.targets.values())
    st.title(
        title if len(desk.markets) > 1 else f"{title}, {desk.markets[targets[0].market].name}",
        anchor=False,
        width="content",
    )
    return choosing.target(desk, title)


def clock_switch(target: Target) -> str:
    """The zone times are shown in: the market's or UTC."""
    city = formats.city(target.zone)
    chosen = st.segmented_control(
        "Clock",
        [city, "UTC"],
        required=True,
        label_visibility="collapsed",
        **links.keep("clock", [city, "UTC"], city),
    )
    return "UTC" if chosen == "UTC" else target.zone


def user_menu(desk: Desk) -> User:
    """Who is signed in, and what about it."""
    user = identity.current_user()
    with st.popover(user.name, icon=":material/account_circle:", type="tertiary"):
        menu.draw(desk, user)
    return user


def freshness(desk: Desk, target: Target, now: datetime, badges: Any, zone: str) -> Freshness:
    """Show the badges; without a warehouse that can be read, say so and end the page."""
    if not desk.exists():
        _stop(desk, badges, "No warehouse yet", "No data yet", hint=NO_WAREHOUSE)
    try:
        if not desk.migrated():
            _stop(desk, badges, "Warehouse of an older release", "Not yet migrated", hint=OLDER)
        fresh = data.freshness(desk, target, now)
    except SextantError as error:
        st.error(formats.plain(error), icon=":material/error:")
        live.watch(desk)
        st.stop()
    badges.badge(*(), **_issue_badge(fresh, now, zone))
    if fresh.issuer == "reissue":
        badges.badge("Re-issued", icon=":material/published_with_changes:", color="blue", help=REISSUED)
    badges.badge(*(), **_actuals_badge(fresh, zone))
    if desk.then is None:
        _about_now(desk, now, badges)
    return fresh


def _about_now(desk: Desk, now: datetime, badges: Any) -> None:
    alive = desk.warehouse.scheduler_alive()
    badges.badge(
        "Scheduler running" if alive else "Scheduler not running",
        icon=":material/autoplay:" if alive else ":material/pause_circle:",
        color="gray" if alive else "orange",
        help=None if alive else "Nothing new is fetched, forecast or trained: start it with `python jobs.py schedule`.",
    )
    with badges.container(key="alarms", width="content"), panel():
        alarms.badge(desk, now)


def _stop(desk: Desk, badges: Any, label: str, title: str, *, hint: str) -> NoReturn:
    badges.badge(label, icon=":material/database_off:", color="gray")
    empty(title, hint, icon=":material/database:")
    live.watch(desk)
    st.stop()


def _issue_badge(fresh: Freshness, now: datetime, zone: str) -> dict[str, Any]:
    if fresh.issued_at is None:
        return {"label": "No forecast yet", "icon": ":material/schedule:", "color": "gray"}
    when = formats.zoned_hour(fresh.issued_at, zone)
    passed = formats.age(fresh.issued_at, now)
    if fresh.stale:
        return {"label": f"Forecast stale · last issue {passed}", "icon": ":material/warning:", "color": "red"}
    if fresh.status != "ok":
        return {"label": f"Forecast {fresh.status} · {when}", "icon": ":material/warning:", "color": "orange"}
    if fresh.mode == "replay":
        return {"label": f"Forecast {when} · replayed", "icon": ":material/replay:", "color": "blue"}
    return {"label": f"Forecast {when} · {passed}", "icon": ":material/check_circle:", "color": "green"}


def _actuals_badge(fresh: Freshness, zone: str) -> dict[str, Any]:
    if fresh.newest_actual is None:
        return {"label": "No actuals yet", "icon": ":material/sensors_off:", "color": "gray"}
    if fresh.actuals_late:
        late = formats.count(fresh.actuals_late, "hour")
        return {"label": f"Actuals {late} behind", "icon": ":material/warning:", "color": "orange"}
    return {
        "label": f"Actuals to the {formats.hour(fresh.newest_actual, zone)} hour",
        "icon": ":material/sensors:",
        "color": "gray",
    }
