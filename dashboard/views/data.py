"""Series -> are the data fresh, complete and sound: tiles, gaps and how to fill them, quality, revisions, values."""

from datetime import timedelta
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import data, formats, ui
from dashboard.data import this_hour
from dashboard.panels import completeness, confirming, data_quality, gaps, values
from dashboard.ui import Frame
from pipeline.freshness import Freshness
from pipeline.markets import Market, Series

DAY = timedelta(days=1)
STATES = {
    "current": ("Current", ":material/check_circle:", "green"),
    "due": ("Due", ":material/schedule:", "blue"),
    "late": ("Late", ":material/warning:", "orange"),
    "none": ("No data", ":material/sensors_off:", "gray"),
}
MANY = 15
"""Of more series than these, tiles are shown of so many that are late or have no data."""
WEATHER = "Weather data by [Open-Meteo.com](https://open-meteo.com/), licence CC BY 4.0."
NAMED = 4
"""So many series are named that a source answered alike."""
OUTCOMES = {
    "ok": "● ok",
    "empty": "○ empty",
    "not_yet_published": "○ not yet published",
    "auth": "▲ refused: token",
    "throttled": "▲ throttled",
    "transient": "▲ network or server",
    "bad_request": "▲ request rejected",
    "schema_changed": "▲ format changed",
    "not_ready": "▲ lacks a setting",
    "failed": "▲ failed",
}


def page() -> None:
    """Tiles, sources, gaps, calendar, quality, values, revisions."""
    with ui.page("Data") as frame:
        market = frame.desk.markets[frame.target.market]
        with ui.panel("Freshness", "In missed intervals against each series' own cadence and publication delay"):
            _tiles(frame, market)
        with ui.panel("Sources", "How the provider answered"):
            _sources(frame, market)
        with ui.panel("Gaps, 35 days", "Slots that should be there and are not"):
            gaps.show(frame, market)
        with ui.panel():
            completeness.show(frame, market)
        data_quality.show(frame, market)
        with ui.panel():
            values.show(frame, market)
        with ui.panel(f"Revisions of {frame.target.title.lower()}, 30 days"):
            data_quality.revisions(frame)
        confirming.show(frame)


def _tiles(frame: Frame, market: Market) -> None:
    found = data.look(frame.desk, market, frame.now)
    series = {one.id: one for one in market.series}
    asked = max((one.asked_at for one in found if one.asked_at), default=None)
    if len(found) > MANY:
        found = _told_apart(found)
    with st.grid(5, min_column_width=230):
        for one in found:
            with st.container(border=True, gap="xsmall", height="stretch"):
                _tile(frame, series[one.series], one)
    words = f"Last asked {formats.age(asked, frame.now)}. " if asked else "No source was asked yet. "
    link = f"[How the provider is]({market.status_url}). " if market.status_url else ""
    st.caption(f"{words}{link}Measured values are due after their interval and publication delay, forecasts and prices "
               "must reach the end of the day or as far as they promise.")  # fmt: skip
    if whose := attribution(market):
        st.caption(whose)


def attribution(market: Market) -> str:
    """What the licence of a market's data asks to be said of them, or ""."""
    return WEATHER if any("weather" in one.keys for one in market.series) else ""


def _told_apart(found: list[Freshness]) -> list[Freshness]:
    """How many series stand how, as badges; returns those whose tiles are shown: all, or what is late or missing."""
    counts = {state: sum(one.state == state for one in found) for state in STATES}
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        for state, n in counts.items():
            label, icon, colour = STATES[state]
            if n:
                st.badge(f"{n:,} {label.lower()}", icon=icon, color=colour)  # type: ignore[arg-type]
        whole = st.toggle(f"Tiles of all {len(found):,} series", key="tiles", bind="query-params")
    if whole:
        return found
    bad = sorted((one for one in found if one.state in ("late", "none")), key=lambda one: one.state != "late")
    if len(bad) > MANY:
        st.caption(f"{formats.count(len(bad) - MANY, 'more series', 'more series')} late or without data below.")
    return bad[:MANY]


def _tile(frame: Frame, series: Series, one: Freshness) -> None:
    label, icon, colour = STATES[one.state]
    if one.missed:
        label = f"{formats.count(one.missed, 'interval')} {label.lower()}"
    st.markdown(f"**{series.title}**")
    st.badge(label, icon=icon, color=colour)  # type: ignore[arg-type]
    if one.newest is not None:
        verb = "Measured" if series.kind == "measured" else "Reaches"
        st.caption(f"{verb} to {formats.zoned(one.newest + series.cadence, frame.zone)}")
    if one.why:
        since = f" Late since {formats.zoned(one.since, frame.zone)}." if one.since else ""
        st.caption(formats.plain(f"{one.why[:1].upper()}{one.why[1:]}") + since)
    if one.state == "late":
        gaps.catch_up(frame, series, one)


def _sources(frame: Frame, market: Market) -> None:
    rows = frame.ask("page_series", since=this_hour(frame.now) - DAY)
    known = {row.series: row for row in rows.itertuples()}
    table = pd.DataFrame([_source(frame, series, known.get(series.id)) for series in market.series])
    columns = {
        "series": st.column_config.TextColumn("Series", pinned=True),
        "outcome": st.column_config.TextColumn("Last answer"),
        "asked": st.column_config.TextColumn("Asked"),
        "source": st.column_config.TextColumn("Source"),
        "failed": st.column_config.TextColumn("Failed, 24 h", alignment="right"),
        "quarantined": st.column_config.NumberColumn("Quarantined, 24 h", format="%,d"),
        "rows": st.column_config.NumberColumn("Values stored", format="%,d"),
        "cadence": st.column_config.TextColumn("Every", alignment="right"),
        "delay": st.column_config.TextColumn("Published after", alignment="right"),
    }
    ui.table(table, columns, colours=frame.palette, states=("outcome",), alt="How the source of every series answered")
    shown = {series.id for series in market.series}
    told = rows[rows["series"].isin(shown) & ~rows["outcome"].isin(("ok", "empty"))].dropna(subset=["message"])
    for message, part in told[told["message"] != ""].groupby("message", sort=False):
        names = ", ".join(part["series"].head(NAMED))
        more = f" and {len(part) - NAMED} more" if len(part) > NAMED else ""
        st.caption(f":material/info: {formats.plain(f'{names}{more}: {message}')}")


def _source(frame: Frame, series: Series, row: Any) -> dict[str, Any]:
    asked = row is not None and row.n_asked == row.n_asked
    return {
        "series": f"{series.title} ({series.id})",
        "outcome": OUTCOMES.get(row.outcome, formats.NONE) if row else formats.NONE,
        "asked": formats.age(data.moment(row.asked_at), frame.now) if row else "never",
        "source": data.word(row.source) or formats.NONE if row else formats.NONE,
        "failed": f"{row.n_failed or 0:,.0f} of {row.n_asked or 0:,.0f}" if asked else "0 of 0",
        "quarantined": row.n_quarantined if row else 0,
        "rows": row.n if row else 0,
        "cadence": _minutes(series.cadence),
        "delay": _minutes(series.delay) if series.kind == "measured" else "ahead",
    }


def _minutes(span: timedelta) -> str:
    return f"{span / timedelta(minutes=1):g} min"


if __name__ == "__main__":
    page()
