"""Any stored series -> its values over a day to a year, thinned to what a screen can show, exact where it is marked."""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import exports, formats, ui
from dashboard.data import Desk, this_hour
from dashboard.figures import series as lines
from dashboard.figures.series import Line
from dashboard.ui import Frame
from pipeline.markets import Market, Series

RANGES = {
    "1 day": timedelta(days=1),
    "7 days": timedelta(days=7),
    "30 days": timedelta(days=30),
    "1 year": timedelta(days=365),
}
LEAST = timedelta(minutes=15)
CHART = "values-chart"


def show(frame: Frame, market: Market) -> None:
    """The choice of series, range and version, the line, and what of it is drawn."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.header("Values of a series", anchor=False, width="content")
        series, first = _choices(market)
    since, until = _range(frame, series)
    stretch = _stretch(since, until)
    shown_from, shown_to = stretch or (since, until)
    found = values(frame.desk, series, shown_from, shown_to, first=first)
    _steps(frame, stretch, (since, until))
    if not found.n:
        ui.empty("No value in this range", "Choose a longer range, or another series.", icon=":material/show_chart:")
        return
    figure = frame.figure(
        "values",
        lambda: lines.line(
            found, palette=frame.palette, zone=frame.zone, title=series.title, unit=series.unit,
            since=pd.Timestamp(shown_from), until=pd.Timestamp(shown_to),
        ),
        series.id, shown_from, shown_to, first,
    )  # fmt: skip
    # A new key for every stretch: a remembered selection would be marked again.
    marked = _marker(formats.steady(frame.zone, shown_to))
    st.plotly_chart(
        figure, theme=None, key=f"{CHART}-{series.id}-{shown_from.timestamp():.0f}-{shown_to.timestamp():.0f}",
        on_select=marked, selection_mode=("box",), config={"displayModeBar": False},
        alt=f"{series.title} from {formats.stamp(shown_from, frame.zone)} to {formats.stamp(shown_to, frame.zone)}",
    )  # fmt: skip
    _caption(frame, series, found, (shown_from, shown_to), first=first)


def values(desk: Desk, series: Series, since: datetime, until: datetime, *, first: bool = False) -> Line:
    """What is drawn of `series` in [since, until), newest versions or the `first`; remembered already thinned."""
    asked: dict[str, Any] = {"series": series.id, "since": since, "until": until, "first": first}
    line: Line = desk.look(
        ("values", *asked.values()),
        lambda session: lines.thinned(session.ask("page_values", **asked), cadence=series.cadence),
    )
    return line


def _choices(market: Market) -> tuple[Series, bool]:
    known = {series.id: series for series in market.series}
    with st.container(horizontal=True, width="content", vertical_alignment="center", gap="small"):
        # The address carries what is shown, so it is the id that links name.
        chosen = st.selectbox(
            "Series", list(known), key="series", bind="query-params", width=230, label_visibility="collapsed",
            on_change=_whole,
        )  # fmt: skip
        st.segmented_control(
            "Range", list(RANGES), default="7 days", required=True, key="range", bind="query-params",
            label_visibility="collapsed", on_change=_whole,
        )  # fmt: skip
        first = st.toggle(
            "As first published",
            key="first",
            bind="query-params",
            help="The first version of each value, not the newest",
        )
    return known[chosen or next(iter(known))], first


def _range(frame: Frame, series: Series) -> tuple[datetime, datetime]:
    """Whole hours back from now; a forecast or price reaches as far ahead as it is published."""
    end = this_hour(frame.now) + timedelta(hours=1)
    return end - RANGES[st.session_state.get("range") or "7 days"], end + series.ahead


def _stretch(since: datetime, until: datetime) -> tuple[datetime, datetime] | None:
    """The marked part, from the link, if it makes sense and is one of the range."""
    try:
        first, last = (datetime.fromisoformat(st.query_params.get(name, "")) for name in ("from", "to"))
    except ValueError:
        return None
    if first.tzinfo is None or last.tzinfo is None or not first < last or last <= since or first >= until:
        return None
    return max(first, since), min(last, until)


def _marker(clock: timezone) -> Callable[[], None]:
    """A callback that puts the stretch marked in the chart into the link; the chart shows times of `clock`."""

    def marked() -> None:
        for key, event in st.session_state.items():
            boxes = event.selection.box if str(key).startswith(CHART) and event else []
            if boxes:
                _look_at(*(moment_of(x, clock) for x in sorted(str(x) for x in boxes[0]["x"])))
                return

    return marked


def moment_of(wall: Any, clock: timezone) -> datetime:
    """What `clock` shows, to the minute, as a time in UTC."""
    return pd.Timestamp(wall).floor("min").tz_localize(clock).tz_convert("UTC").to_pydatetime()


def _look_at(first: datetime, last: datetime) -> None:
    middle, half = first + (last - first) / 2, max(last - first, LEAST) / 2
    st.query_params.update({"from": (middle - half).isoformat(), "to": (middle + half).isoformat()})


def _whole() -> None:
    for name in ("from", "to"):
        st.query_params.pop(name, None)


def _steps(frame: Frame, stretch: tuple[datetime, datetime] | None, whole: tuple[datetime, datetime]) -> None:
    """Buttons for what cannot be done by marking: to look at the whole again and to go along."""
    if stretch is None:
        return
    (first, last), (since, until) = stretch, whole
    span = last - first
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button("Whole range", key="values_whole", icon=":material/zoom_out_map:", on_click=_whole)
        for name, icon, start, off in (
            ("Earlier", ":material/chevron_left:", max(first - span, since), first <= since),
            ("Later", ":material/chevron_right:", min(first + span, until - span), last >= until),
        ):
            st.button(
                name,
                key=f"values_{name.lower()}",
                icon=icon,
                on_click=_look_at,
                args=(start, start + span),
                disabled=off,
            )
        words = (
            f"{formats.stamp(first, frame.zone)} to {formats.stamp(last, frame.zone)}, {_clock(stretch, frame.zone)}"
        )
        st.caption(words, width="content")


def _caption(frame: Frame, series: Series, found: Line, span: tuple[datetime, datetime], *, first: bool) -> None:
    drawn = f"all {found.n:,} drawn" if found.exact else f"{found.n:,} values, {found.drawn:,} drawn, extremes kept"
    version = "first published version" if first else "newest version"
    large = found.high is not None and abs(found.high) >= 1000 and "/MWh" not in series.unit
    digits = 0 if large else 2
    low, high = formats.number(found.low, digits), formats.number(found.high, digits)
    hint = "" if found.exact else " Mark a stretch with the pointer to see every value of it."
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.caption(
            f"{series.title}: {drawn}; {low} to {high} {series.unit}; {version} of each, times are "
            f"{_clock(span, frame.zone)}.{hint}", width="stretch",
        )  # fmt: skip
        st.download_button(
            "CSV", lambda: exports.csv(_stored(frame.desk, series, span, first)), f"{series.id}.csv", "text/csv",
            key="values_csv", icon=":material/download:", on_click="ignore", help="Every value of this stretch",
        )  # fmt: skip


def _stored(desk: Desk, series: Series, span: tuple[datetime, datetime], first: bool) -> pd.DataFrame:
    rows = desk.ask("page_values", series=series.id, since=span[0], until=span[1], first=first)
    return rows.assign(series=series.id, unit=series.unit)[["series", "valid_at", "value", "unit"]]


def _clock(span: tuple[datetime, datetime], zone: str) -> str:
    """'CET', 'CEST', or the place where both hold in the span."""
    names = {formats.zone_name(one, zone) for one in span}
    return names.pop() if len(names) == 1 else f"those of {formats.city(zone)}"
