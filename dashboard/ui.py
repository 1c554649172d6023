"""Desk -> the frame of every page: title, freshness, clock switch, and the states a panel can be in."""

import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboard import alarms, data, formats, live, palette
from dashboard.actions import User, current_user
from dashboard.data import Desk, Freshness
from dashboard.palette import Palette
from pipeline.errors import Busy, Held, SextantError
from pipeline.markets import Target

ROW_PX = 36
WARNING_SIGNS, GOOD_SIGNS = "▲⊘", "●◐★"
NO_WAREHOUSE = (
    "Fill the warehouse with `python jobs.py demo`, or with your market by `python jobs.py all`; "
    "this page notices by itself."
)
OLDER = "The warehouse is of an older release; any job migrates it, as `python jobs.py doctor` does."
STYLE = """<style>
[data-testid="stMainBlockContainer"] {padding-top: 4.2rem; padding-bottom: 3rem; max-width: 1360px}
[data-testid="stMetricValue"] {font-weight: 650; font-variant-numeric: tabular-nums; line-height: 1.25}
[data-testid="stMetricLabel"] p {font-size: .86rem}
[data-testid="stCaptionContainer"] {color: inherit; opacity: .78}
h1 {padding: 0 !important}
.st-key-alarms [data-testid="stPageLink-NavLink"] {padding: 0; margin: 0; min-height: 0}
.st-key-alarms p, .st-key-alarms p > span {line-height: 21px; font-weight: 400}
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
        st.error(formats.plain(error), icon=":material/settings_alert:")
        st.stop()
    now = desk.clock()
    if st.session_state.get("page") != title:
        # A dialog left open on another page by the browser's back button would hold up every refresh.
        st.session_state.update(page=title, dialog=None)
    top = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center")
    row = st.container(horizontal=True, vertical_alignment="center", gap="medium")
    with row:
        target = _title(desk, title)
    badges = top.container(horizontal=True, gap="small", width="content", vertical_alignment="center")
    with top.container(horizontal=True, gap="small", width="content", vertical_alignment="center"):
        zone = _clock_switch(target)
        user = _user_menu(desk)
    fresh = _freshness(desk, target, now, badges, zone)
    yield Frame(desk, target, fresh, user, now, zone, palette.of(st.context.theme.type))
    if desk.late():
        badges.badge("Warehouse busy · last known answers", icon=":material/hourglass_top:", color="orange")
    live.watch(desk)


@contextmanager
def panel(title: str | None = None, help_text: str | None = None) -> Iterator[None]:
    """One part of a page; its failure is told in its place and never blanks the rest."""
    if title:
        st.subheader(title, help=help_text, anchor=False)
    try:
        yield
    except (Busy, Held) as error:
        st.warning(f"Not available right now: {formats.plain(error)}", icon=":material/hourglass_top:")
    except SextantError as error:
        st.error(formats.plain(error), icon=":material/error:")
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


def table(
    frame: pd.DataFrame,
    columns: dict[str, Any],
    *,
    colours: Palette,
    alt: str,
    states: tuple[str, ...] = (),
    rows: int = 12,
    key: str | None = None,
) -> int | None:
    """Draw a table of at most `rows` visible rows; a cell of `states` that begins with a warning sign stands out.

    With a `key` one row can be chosen; returns its position.
    """

    def colour(cell: Any) -> str:
        if cell[:1] in WARNING_SIGNS:
            return f"color: {colours.warning}; font-weight: 600"
        return f"color: {colours.forecast}" if cell[:1] in GOOD_SIGNS else ""

    event: Any = st.dataframe(
        frame.style.map(colour, subset=list(states)) if states else frame,
        hide_index=True,
        column_config=columns,
        column_order=list(columns),
        height="content" if len(frame) <= rows else ROW_PX * (rows + 1) + ROW_PX // 2,
        row_height=ROW_PX,
        alt=alt,
        key=key,
        placeholder=formats.NONE,
        on_select="rerun" if key else "ignore",
        selection_mode="single-row",
    )
    chosen = event.selection.rows if key else []
    return int(chosen[0]) if chosen and chosen[0] < len(frame) else None


def draw(figure: go.Figure, *, key: str, alt: str) -> None:
    """Show a figure as the page's own, without Plotly's toolbar."""
    st.plotly_chart(figure, theme=None, key=key, alt=alt, config={"displayModeBar": False, "responsive": True})


def attempt(action: Callable[[], str]) -> str:
    """Run an action of a callback, toast its sentence and return "", or return what went wrong."""
    try:
        st.toast(formats.plain(action()), icon=":material/check_circle:", duration="long")
    except SextantError as error:
        return str(error)
    return ""


def _title(desk: Desk, title: str) -> Target:
    """Draw the title beside the choice of target; several markets are named in the choice, one in the title."""
    targets = list(desk.targets.values())
    st.title(
        title if len(desk.markets) > 1 else f"{title}, {desk.markets[targets[0].market].name}",
        anchor=False,
        width="content",
    )
    if len(targets) == 1:
        st.badge(f"{targets[0].title} · {targets[0].series.unit}", color="gray")
        return targets[0]
    names = desk.target_names()
    chosen = st.segmented_control(
        "Target",
        list(names),
        default=next(iter(names)),
        required=True,
        key="target",
        bind="query-params",
        label_visibility="collapsed",
    )
    return names.get(chosen or "", targets[0])


def _clock_switch(target: Target) -> str:
    city = formats.city(target.zone)
    chosen = st.segmented_control(
        "Clock",
        [city, "UTC"],
        default=city,
        required=True,
        key="clock",
        bind="query-params",
        label_visibility="collapsed",
    )
    return "UTC" if chosen == "UTC" else target.zone


def _user_menu(desk: Desk) -> User:
    user = current_user(st.get_option("server.address"))
    with st.popover(user.name, icon=":material/account_circle:", type="tertiary"):
        st.markdown(f"**{formats.plain(user.name)}** · {user.role}")
        st.caption(f"Warehouse {desk.settings.warehouse.name}, markets {', '.join(desk.markets)}.")
        if user.role == "viewer":
            st.caption("This server listens beyond this machine and has no sign-in, so nobody may change anything.")
    return user


def _freshness(desk: Desk, target: Target, now: datetime, badges: Any, zone: str) -> Freshness:
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
    badges.badge(*(), **_actuals_badge(fresh, zone))
    alive = desk.warehouse.scheduler_alive()
    badges.badge(
        "Scheduler running" if alive else "Scheduler not running",
        icon=":material/autoplay:" if alive else ":material/pause_circle:",
        color="gray" if alive else "orange",
        help=None if alive else "Nothing new is fetched, forecast or trained: start it with `python jobs.py schedule`.",
    )
    with badges.container(key="alarms", width="content"), panel():
        alarms.badge(desk, now)
    return fresh


def _stop(desk: Desk, badges: Any, label: str, title: str, *, hint: str) -> NoReturn:
    badges.badge(label, icon=":material/database_off:", color="gray")
    empty(title, hint, icon=":material/database:")
    live.watch(desk)
    st.stop()


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
