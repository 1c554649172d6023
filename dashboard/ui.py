"""Desk -> the frame of every page, tables and figures in the page's own style."""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboard import data, exports, formats, header, live, looking_back, shortcuts, wording
from dashboard.data import Desk, Freshness
from dashboard.figures import charts, palette
from dashboard.figures.palette import Palette
from dashboard.identity import User
from dashboard.picking import Picked
from dashboard.states import empty as empty
from dashboard.states import panel as panel
from pipeline.errors import SextantError
from pipeline.markets import Target

T = TypeVar("T")
ROW_PX = 36
WARNING_SIGNS, GOOD_SIGNS = "▲⊘", "●◐★"
STYLE = """<style>
[data-testid="stMainBlockContainer"] {padding-top: 4.2rem; padding-bottom: 3rem; max-width: 1360px}
[data-testid="stMetricValue"] {font-weight: 650; font-variant-numeric: tabular-nums; line-height: 1.25}
[data-testid="stMetricLabel"] p {font-size: .86rem}
[data-testid="stCaptionContainer"] {color: color-mix(in srgb, currentColor 80%, transparent); opacity: 1}
h1 {padding: 0 !important}
[class*="st-key-card-"] button {padding: 0; min-height: 1.5rem}
.st-key-callouts {row-gap: 0}
[class*="st-key-card-"] button p {font-size: .86rem; text-align: left}
[data-testid^="stBaseButton-primary"] p {color: light-dark(#FFFFFF, #0D131A)}
.st-key-alarms [data-testid="stPageLink-NavLink"] {padding: 0; margin: 0; min-height: 0}
.st-key-alarms p, .st-key-alarms p > span {line-height: 21px; font-weight: 400}
@media (max-width: 640px) {[data-testid="stMainBlockContainer"] {padding-left: 1rem; padding-right: 1rem}}
@media (max-width: 640px) {.st-key-keys_help {display: none}}
[data-stale="true"] {transition: opacity .3s ease 1s !important}
</style>"""


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
        """Whose time is shown, for headings: 'Madrid' or 'UTC'. The zone's name changes within a year."""
        return formats.city(self.zone)

    @property
    def unit(self) -> str:
        """Unit of the target."""
        return self.target.series.unit

    @property
    def digits(self) -> int:
        """Decimals worth showing in this unit."""
        return formats.digits(self.unit)

    @property
    def finer(self) -> int:
        """Decimals of means over many values: at least one."""
        return formats.finer(self.unit)

    @property
    def is_spread(self) -> bool:
        """Whether the target is a difference of two series, which is as often below zero as above it."""
        return self.target.kind == "spread"

    @property
    def operator(self) -> str:
        """What the forecast beside Sextant's is called; see wording.beside."""
        return wording.beside(self.target)

    @property
    def looks_back(self) -> bool:
        """Whether the page shows a past moment."""
        return self.desk.then is not None

    def ask(self, query: str, **params: Any) -> Any:
        """The answer to a named query; see Desk.ask."""
        return self.desk.ask(query, **params)

    def figure(self, name: str, build: Callable[[], go.Figure], *depends: Hashable) -> go.Figure:
        """The figure that `build` makes, remembered until the warehouse changes; it must not be changed.

        Built again for another target, clock, theme or minute, or when one of `depends` (hashable) is another:
        name every choice of the reader that goes into it.
        """
        named = build if self.operator == "Operator" else lambda: charts.called(build(), "Operator", self.operator)
        return self.made(f"figure {name}", named, self.palette, self.now.replace(second=0, microsecond=0), *depends)

    def made(self, name: str, build: Callable[[], T], *depends: Hashable) -> T:
        """What `build` makes of answers, remembered as figures are, but for an hour and for either theme."""
        return self.desk.made((name, self.target.id, self.zone, data.this_hour(self.now), *depends), build)


@contextmanager
def page(title: str, *, travels: bool = False) -> Iterator[Frame]:
    """Draw the frame, run the view inside it, then say so when an answer was outdated.

    Without a warehouse the view is not run: the page says what to do instead. One that `travels` can show a past
    moment; everything it asks of its frame is then as of that moment.
    """
    st.html(STYLE)
    try:
        desk = data.desk().seated()
    except SextantError as error:
        st.error(formats.plain(error), icon=":material/settings_alert:")
        st.stop()
    present, then = desk, looking_back.chosen(desk) if travels else None
    desk = present if then is None else present.at(then)
    now = desk.clock()
    if st.session_state.get("page") != title:
        # A dialog left open on another page by the browser's back button would hold up every refresh.
        st.session_state.update(page=title, dialog=None)
    top = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center")
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        target = header.title(desk, title)
    badges = top.container(horizontal=True, gap="small", width="content", vertical_alignment="center")
    with top.container(horizontal=True, gap="small", width="content", vertical_alignment="center"):
        zone = header.clock_switch(target)
        back = st.container(width="content")
        shortcuts.show_keys(desk, target)
        user = header.user_menu(desk)
    fresh = header.freshness(desk, target, now, badges, zone)
    if travels:
        with back, panel():
            looking_back.controls(present, target, then, zone)
    if then is not None:
        with panel():
            looking_back.banner(present, target, then, zone)
    yield Frame(desk, target, fresh, user, now, zone, palette.of(st.context.theme.type))
    if desk.late():
        badges.badge("Warehouse busy · last known answers", icon=":material/hourglass_top:", color="orange")
    _say_what_was_done()
    shortcuts.listen(desk, target)
    live.watch(desk)


def table(
    frame: pd.DataFrame,
    columns: dict[str, Any],
    *,
    colours: Palette,
    alt: str,
    states: tuple[str, ...] = (),
    rows: int = 12,
    picked: Picked | None = None,
) -> int | None:
    """Draw a table of at most `rows` visible rows; a cell of `states` that begins with a warning sign stands out.

    With `picked` one row can be chosen, and the address names it; returns its position.
    """

    def colour(cell: Any) -> str:
        if cell[:1] in WARNING_SIGNS:
            return f"color: {colours.warning}; font-weight: 600"
        return f"color: {colours.forecast}" if cell[:1] in GOOD_SIGNS else ""

    # Streamlit's own download and a copy out of the table pass exports by.
    safe = exports.shown(frame)
    st.dataframe(
        safe.style.map(colour, subset=list(states)) if states else safe,
        hide_index=True,
        column_config=columns,
        column_order=list(columns),
        height="content" if len(frame) <= rows else ROW_PX * (rows + 1) + ROW_PX // 2,
        row_height=ROW_PX,
        alt=alt,
        placeholder=formats.NONE,
        **(picked.options() if picked else {}),
    )
    return picked.position if picked else None


def draw(figure: go.Figure, *, key: str, alt: str) -> None:
    """Show a figure as the page's own, without Plotly's toolbar."""
    st.plotly_chart(figure, theme=None, key=key, alt=alt, config={"displayModeBar": False, "responsive": True})


def attempt(action: Callable[[], str]) -> str:
    """Run an action of a callback, have the page say its sentence and return "", or return what went wrong.

    Not said at once: what the callback of a dialog draws takes the dialog's place, and the browser may lose the page.
    """
    try:
        st.session_state.setdefault("done", []).append(action())
    except SextantError as error:
        return str(error)
    return ""


def _say_what_was_done() -> None:
    # At the end of a run: before the view it would stand where an open dialog is.
    for sentence in st.session_state.pop("done", ()):
        st.toast(formats.plain(sentence), icon=":material/check_circle:", duration="long")
