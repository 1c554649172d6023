"""Newest issue beside the last 30 days -> its peak, trough, steepest ramp and unusually wide hours."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import formats, links
from dashboard.ui import Frame

HOUR = timedelta(hours=1)
WIDE_SHARE, WIDE_TIMES = 0.95, 1.2
"""A band is unusually wide when this share of the earlier ones is narrower and it is this many times their median."""
FEW = 10
"""Fewer earlier values than this say nothing about what is usual."""


@dataclass(frozen=True)
class Hour:
    """An hour of the forecast, by its start, in the target's unit; `low` and `high` are P10 and P90, if any."""

    at: datetime
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Ramp:
    """The change to the hour `at` from the one before, forecast or (`measured`) actual; of `n` actual ramps to that
    hour of day a `share` was smaller in size, None when they are too few."""

    at: datetime
    change: float
    measured: bool
    share: float | None
    n: int


@dataclass(frozen=True)
class Wide:
    """An hour whose band is unusually wide: of `n` earlier bands of its horizon a `share` was narrower."""

    at: datetime
    width: float
    usual: float
    share: float
    n: int


@dataclass(frozen=True)
class Found:
    """What is worth saying; None or empty where there is nothing."""

    peak: Hour | None
    trough: Hour | None
    ramp: Ramp | None
    wide: tuple[Wide, ...]


def find(issue: pd.DataFrame, ramps: pd.DataFrame, widths: pd.DataFrame, zone: str) -> Found:
    """Rows as from the queries `page_issue`, `page_ramps` and `page_widths`; withheld hours have no number.

    Hours of day are those of `zone`, as in `ramps`.
    """
    known = issue[issue["p50"].notna()]
    if known.empty:
        return Found(None, None, None, ())
    high, low = known.iloc[known["p50"].argmax()], known.iloc[known["p50"].argmin()]
    flat = high.p50 == low.p50
    return Found(
        None if flat else _hour(high), None if flat else _hour(low), steepest(known, ramps, zone), unusual(widths)
    )


def steepest(known: pd.DataFrame, ramps: pd.DataFrame, zone: str) -> Ramp | None:
    """The largest change between two hours that follow each other, from the newest actual on, and its rank."""
    value = dict(zip(known["valid_at"], known["p50"], strict=True))
    first = min(value)
    before = ramps[ramps["valid_at"] == first - HOUR]
    start = {first - HOUR: before["value"].iloc[0]} if len(before) else {}
    chain = start | value
    changes = {at: chain[at] - chain[at - HOUR] for at in value if at - HOUR in chain}
    if not changes:
        return None
    at = max(changes, key=lambda one: abs(changes[one]))
    past = _past(ramps, at, zone)
    share = float((past < abs(changes[at])).mean()) if len(past) >= FEW else None
    return Ramp(at, float(changes[at]), at - HOUR in start, share, len(past))


def unusual(widths: pd.DataFrame) -> tuple[Wide, ...]:
    """Hours whose band is wider than nearly all of the same horizon, and by a good part."""
    found = widths[
        (widths["n"] >= FEW) & (widths["narrower"] >= WIDE_SHARE) & (widths["width"] >= WIDE_TIMES * widths["usual"])
    ]
    rows: Any = found.itertuples()
    return tuple(Wide(row.valid_at, row.width, row.usual, row.narrower, row.n) for row in rows)


def show(frame: Frame, issue: pd.DataFrame, since: datetime, until: datetime) -> None:
    """One row of what is worth saying; rows of the 30 days from `since` to `until` are what it is compared with."""
    ramps = frame.ask("page_ramps", target=frame.target.id, since=since, until=until, zone=frame.target.zone)
    widths = frame.ask("page_widths", target=frame.target.id, since=since, due=issue["origin"].iloc[0])
    found = frame.made("callouts", lambda: find(issue, ramps, widths, frame.target.zone))
    lines = [*_extremes(frame, found), *_ramp(frame, found.ramp), *(_wide(frame, one) for one in found.wide)]
    if lines:
        with st.container(horizontal=True, gap="medium", key="callouts"):
            for line in lines:
                st.markdown(line, width="content")
            if found.ramp is not None:
                series = frame.target.series.id
                words = f"{frame.target.series.title}, 30 days" if frame.is_spread else "Actuals of 30 days"
                links.page("data", words, icon=":material/sensors:", series=series, range="30 days")
            if found.wide:
                links.page("accuracy", "Bands of 30 days", icon=":material/target:", window="30 days")


def _extremes(frame: Frame, found: Found) -> list[str]:
    named = (
        (":material/vertical_align_top: Peak", found.peak),
        (":material/vertical_align_bottom: Trough", found.trough),
    )
    if frame.is_spread:
        named = (
            (":material/add_circle: Largest above zero", found.peak if found.peak and found.peak.value > 0 else None),
            (
                ":material/do_not_disturb_on: Largest below zero",
                found.trough if found.trough and found.trough.value < 0 else None,
            ),
        )
    return [
        f"{name} **{_number(frame, one.value)}** at {_clock(frame, one.at)}{_band(frame, one)}"
        for name, one in named
        if one
    ]


def _band(frame: Frame, one: Hour) -> str:
    if one.low is None:
        return ""
    return f" ({formats.reach(one.low, one.high, frame.digits)})"


def _ramp(frame: Frame, ramp: Ramp | None) -> list[str]:
    if ramp is None or formats.is_zero(formats.signed(ramp.change, frame.digits)):
        return []
    icon = ":material/trending_up:" if ramp.change > 0 else ":material/trending_down:"
    start = "from the actual " if ramp.measured else ""
    name = "Largest swing" if frame.is_spread else "Steepest ramp"
    span = f"{_clock(frame, ramp.at - HOUR)} to {_clock(frame, ramp.at)}"
    line = f"{icon} {name} **{formats.signed(ramp.change, frame.digits)} {frame.unit}** in the hour {start}{span}"
    more, most = ("larger", "largest") if frame.is_spread else ("steeper", "steepest")
    if ramp.share is None:
        return [f"{line} (too few earlier ones to rank, n = {ramp.n:,})"]
    if ramp.share == 1:
        return [f"{line}, the {most} of 30 days at this hour, n = {ramp.n:,}"]
    return [f"{line}, {more} than {formats.percent(ramp.share)} of 30 days at this hour, n = {ramp.n:,}"]


def _wide(frame: Frame, one: Wide) -> str:
    return (
        f":material/unfold_more: Unusually uncertain at {_clock(frame, one.at)}: "
        f"band {_number(frame, one.width)} wide, usually {formats.number(one.usual, frame.digits)}, n = {one.n:,}"
    )


def _number(frame: Frame, value: float) -> str:
    return f"{formats.number(value, frame.digits)} {frame.unit}"


def _clock(frame: Frame, at: datetime) -> str:
    return formats.hour(at, frame.zone)


def _past(ramps: pd.DataFrame, at: datetime, zone: str) -> pd.Series:
    """Sizes of the actual ramps before `at` to its local hour of day."""
    same = (ramps["hour"] == formats.local(at, zone).hour) & (ramps["valid_at"] < at)
    sizes: pd.Series = ramps.loc[same, "ramp"].dropna().abs()
    return sizes


def _hour(row: Any) -> Hour:
    banded = pd.notna(row.p10) and pd.notna(row.p90)
    return Hour(row.valid_at, float(row.p50), float(row.p10) if banded else None, float(row.p90) if banded else None)
