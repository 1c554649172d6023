"""Desk -> the frame of every page: title, freshness, clock switch, and the states a panel can be in."""

import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from dashboard import data, formats, palette
from dashboard.actions import User, current_user
from dashboard.data import Desk, Freshness
from dashboard.palette import Palette
from pipeline.errors import Busy, Held, SextantError
from pipeline.markets import Target

WATCH_S = 15
STYLE = """<style>
[data-testid="stMainBlockContainer"] {padding-top: 4.2rem; padding-bottom: 3rem; max-width: 1360px}
[data-testid="stMetricValue"] {font-weight: 650; font-variant-numeric: tabular-nums; line-height: 1.25}
[data-testid="stMetricLabel"] p {font-size: .86rem}
h1 {padding: 0 !important}
@media (max-width: 640px) {[data-testid="stMainBlockContainer"] {padding-left: 1rem; padding-right: 1rem}}
</style>"""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Frame:
    """What a view needs: whom and when it is for, and how to show it."""

    desk: Desk
    target: Target
    fresh: Freshness
    user: User
    now: datetime
    zone: str
    palette: Palette

    @property
    def clock(self) -> str:
        """'CET', 'CEST' or 'UTC'."""
        return formats.zone_name(self.now, self.zone)

    @property
    def unit(self) -> str:
        """Unit of the target."""
        return self.target.series.unit

    @property
    def digits(self) -> int:
        """Decimals worth showing in this unit."""
        return 0 if self.unit == "MW" else 2

    def ask(self, query: str, **params: Any) -> Any:
        """The answer to a named query; see Desk.ask."""
        return self.desk.ask(query, **params)


@contextmanager
def page(title: str) -> Iterator[Frame]:
    """Draw the frame, run the view inside it, then say so when an answer was outdated.

    Without a warehouse the view is not run: the page says what to do instead.
    """
    st.html(STYLE)
    try:
        desk = data.desk()
    except SextantError as error:
        st.error(str(error), icon=":material/settings_alert:")
        st.stop()
    now, target = desk.clock(), _target(desk)
    top = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center")
    badges = top.container(horizontal=True, gap="small", width="content", vertical_alignment="center")
    with top.container(horizontal=True, gap="small", width="content", vertical_alignment="center"):
        zone = _clock_switch(target)
        user = _user_menu(desk)
    _title(desk, title, target)
    fresh = _freshness(desk, target, now, badges, zone)
    yield Frame(desk, target, fresh, user, now, zone, palette.of(st.context.theme.type))
    if desk.late():
        badges.badge("Warehouse busy · last known answers", icon=":material/hourglass_top:", color="orange")
    _watch(desk)


@contextmanager
def panel(title: str | None = None, help_text: str | None = None) -> Iterator[None]:
    """One part of a page; its failure is told in its place and never blanks the rest."""
    if title:
        st.subheader(title, help=help_text, anchor=False)
    try:
        yield
    except (Busy, Held) as error:
        st.warning(f"Not available right now: {error}", icon=":material/hourglass_top:")
    except SextantError as error:
        st.error(str(error), icon=":material/error:")
    except Exception:
        reference = secrets.token_hex(3)
        log.exception("panel %s failed, reference %s", title, reference)
        st.error(
            f"This part could not be shown. Reference **{reference}** finds the cause in the server's log.",
            icon=":material/error:",
        )


def empty(title: str, hint: str, icon: str = ":material/inbox:") -> None:
    """The state of a panel that has nothing to show yet, with what would fill it."""
    with st.container(border=True, horizontal_alignment="center", gap="xsmall"):
        st.space("small")
        st.markdown(f"### {icon}", text_alignment="center")
        st.markdown(f"**{title}**", text_alignment="center")
        st.caption(hint, text_alignment="center")
        st.space("small")


def draw(figure: go.Figure, *, key: str, alt: str) -> None:
    """Show a figure as the page's own, without Plotly's toolbar."""
    st.plotly_chart(figure, theme=None, key=key, alt=alt, config={"displayModeBar": False, "responsive": True})


def attempt(action: Callable[[], str]) -> str:
    """Run an action of a callback, toast its sentence and return "", or return what went wrong."""
    try:
        st.toast(action(), icon=":material/check_circle:", duration="long")
    except SextantError as error:
        return str(error)
    return ""


def _target(desk: Desk) -> Target:
    targets = desk.targets
    if len(targets) == 1:
        return next(iter(targets.values()))
    # Drawn by _title; the state is known before, so that the badges can go first.
    chosen = st.session_state.get("target") or st.query_params.get("target")
    return targets.get(chosen or "", next(iter(targets.values())))


def _title(desk: Desk, title: str, target: Target) -> None:
    market = desk.markets[target.market]
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.title(f"{title}, {market.name}", anchor=False, width="content")
        if len(desk.targets) > 1:
            st.segmented_control(
                "Target",
                list(desk.targets),
                format_func=lambda one: desk.targets[one].title,
                default=target.id,
                required=True,
                key="target",
                label_visibility="collapsed",
            )
        else:
            st.badge(f"{target.title} · {target.series.unit}", color="gray")


def _clock_switch(target: Target) -> str:
    city = formats.city(target.zone)
    chosen = st.segmented_control(
        "Clock", [city, "UTC"], default=city, required=True, key="clock", bind="query-params", label_visibility="collapsed"
    )
    return "UTC" if chosen == "UTC" else target.zone


def _user_menu(desk: Desk) -> User:
    user = current_user(st.get_option("server.address"))
    with st.popover(user.name, icon=":material/account_circle:", type="tertiary"):
        st.markdown(f"**{user.name}** · {user.role}")
        st.caption(f"Warehouse {desk.settings.warehouse.name}, markets {', '.join(desk.markets)}.")
        if user.role == "viewer":
            st.caption("This server listens beyond this machine and has no sign-in, so nobody may change anything.")
    return user


def _freshness(desk: Desk, target: Target, now: datetime, badges: Any, zone: str) -> Freshness:
    """Show the badges; without a warehouse, say so and end the page."""
    if not desk.exists():
        badges.badge("No warehouse yet", icon=":material/database_off:", color="gray")
        empty(
            "No data yet",
            "Fill the warehouse with `python jobs.py demo`, or with your market by `python jobs.py all`; "
            "this page notices by itself.",
            icon=":material/database:",
        )
        _watch(desk)
        st.stop()
    try:
        fresh = data.freshness(desk, target, now)
    except SextantError as error:
        st.error(str(error), icon=":material/error:")
        _watch(desk)
        st.stop()
    badges.badge(*(), **_issue_badge(fresh, now, zone))
    badges.badge(*(), **_actuals_badge(fresh, zone))
    alive = desk.warehouse.scheduler_alive()
    badges.badge(
        "Scheduler running" if alive else "Scheduler not running",
        icon=":material/autoplay:" if alive else ":material/pause_circle:",
        color="gray" if alive else "orange",
        help=None if alive else "Nothing new is fetched, forecast or trained: start it with `python jobs.py schedule`.",
    )
    return fresh


def _issue_badge(fresh: Freshness, now: datetime, zone: str) -> dict[str, Any]:
    if fresh.issued_at is None:
        return {"label": "No forecast yet", "icon": ":material/schedule:", "color": "gray"}
    when = f"{formats.hour(fresh.issued_at, zone)} {formats.zone_name(fresh.issued_at, zone)}"
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


def _watch(desk: Desk) -> None:
    """Rerun the page when the warehouse changed or a minute passed, without asking it anything."""
    seen = (desk.warehouse.version(), desk.clock().replace(second=0, microsecond=0))

    @st.fragment(run_every=WATCH_S)
    def look() -> None:
        if (desk.warehouse.version(), desk.clock().replace(second=0, microsecond=0)) != seen:
            st.rerun(scope="app")

    look()
