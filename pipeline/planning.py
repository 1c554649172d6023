"""Series + what is stored and was asked -> windows to ask for, each with the series that lack something in it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import pandas as pd

from pipeline.markets import Series
from pipeline.sources.base import Source, Window
from pipeline.warehouse import Session

GAP_SCAN = timedelta(days=35)
"""Slots younger than this are looked at one by one; of older time only what was never answered is asked for."""
GAP_TRIES = 3
# What a person asks for is asked, however often it was asked in vain.
ALWAYS = 2**31
REFUSED_WAITS = timedelta(days=1)
"""Old time that the provider refused or answered in an unknown format is not asked for again sooner."""

Step = tuple[Window, tuple[Series, ...]]


def steps(source: Source, wanted: Mapping[Series, Sequence[Window]]) -> list[Step]:
    """The questions to ask `source`: windows of at most its width, each with the series that lack something in it.

    Groups with little to ask come first, so that a series with all its history before it does not keep others
    waiting; within a group the oldest come first.
    """
    groups: dict[str, dict[Series, Sequence[Window]]] = {}
    for one, windows in wanted.items():
        groups.setdefault(source.group(one), {})[one] = windows
    plans = [_of_group(group, source.max_window) for group in groups.values()]
    plans.sort(key=lambda plan: sum((window.end - window.start for window, _ in plan), timedelta()))
    return [step for plan in plans for step in plan]


def _of_group(wanted: Mapping[Series, Sequence[Window]], widest: timedelta) -> list[Step]:
    found = []
    for piece in cut(merged([window for windows in wanted.values() for window in windows]), widest):
        lacking = {
            one: [part for window in windows for part in _shared(window, piece)] for one, windows in wanted.items()
        }
        parts = [part for some in lacking.values() for part in some]
        narrow = Window(min(part.start for part in parts), max(part.end for part in parts))
        found.append((narrow, tuple(one for one, some in lacking.items() if some)))
    return found


def _shared(one: Window, other: Window) -> list[Window]:
    start, end = max(one.start, other.start), min(one.end, other.end)
    return [Window(start, end)] if start < end else []


def wanted_of(session: Session, series: Series, history: timedelta, now: datetime) -> list[Window]:
    """What is new, may have been revised, is missing of the last GAP_SCAN, or was never answered of `history`."""
    newest = session.ask("newest_point", series=series.id).newest.iloc[0]
    tick = _floor(now, series.cadence)
    # A forecast reaches beyond now and may be renewed from now on.
    begin = tick if pd.isna(newest) else min(newest.to_pydatetime() + series.cadence, tick)
    start, end = begin - series.overlap, _floor(now + series.ahead, series.cadence)
    first = _floor(now - history, series.cadence)
    scan_from = max(first, _floor(now - GAP_SCAN, series.cadence))
    old = _unanswered(session, series, first, min(scan_from, start), now)
    fresh = [Window(start, end)] if start < end else []
    return merged([*old, *gaps(session, series, scan_from, start), *fresh])


def gaps(session: Session, series: Series, start: datetime, end: datetime, *, tries: int = GAP_TRIES) -> list[Window]:
    """The missing slots of [start, end) that were not asked for in vain `tries` times."""
    if start >= end:
        return []
    slots = session.ask("missing_slots", series=series.id, start=start, end=end, cadence=series.cadence, tries=tries)
    return windows_of(slots["valid_at"], series.cadence)


def _unanswered(session: Session, series: Series, start: datetime, end: datetime, now: datetime) -> list[Window]:
    """The missing slots of [start, end) that no answer was about: windows are looked at first, slots are many."""
    if start >= end:
        return []
    refused = now - REFUSED_WAITS
    stretches = session.ask("unanswered", series=series.id, start=start, end=end, refused_since=refused)
    found = []
    for start_at, end_at in stretches.itertuples(index=False, name=None):
        since, until = _floor(start_at, series.cadence), end_at.to_pydatetime()
        stored = session.ask("stored_slots", series=series.id, start=since, end=until).n.iloc[0]
        found += gaps(session, series, since, until, tries=1) if stored < (until - since) // series.cadence else []
    return found


def windows_of(slots: pd.Series, cadence: timedelta) -> list[Window]:
    """Half-open windows that cover ascending `slots` (aware UTC), one for each unbroken run."""
    if slots.empty:
        return []
    run = (slots.diff() != pd.Timedelta(cadence)).cumsum()
    ends = slots.groupby(run).agg(["min", "max"])
    return [
        Window(first.to_pydatetime(), (last + cadence).to_pydatetime())
        for first, last in ends.itertuples(index=False, name=None)
    ]


def merged(windows: Sequence[Window]) -> list[Window]:
    """The same time in as few windows as possible, oldest first."""
    whole: list[Window] = []
    for window in sorted(windows, key=lambda one: one.start):
        if whole and window.start <= whole[-1].end:
            whole[-1] = Window(whole[-1].start, max(whole[-1].end, window.end))
        else:
            whole.append(window)
    return whole


def cut(windows: Sequence[Window], widest: timedelta) -> list[Window]:
    """The same time in windows of at most `widest`, oldest first."""
    pieces = []
    for window in windows:
        start = window.start
        while start < window.end:
            end = min(start + widest, window.end)
            pieces.append(Window(start, end))
            start = end
    return pieces


def _floor(moment: datetime, cadence: timedelta) -> datetime:
    return pd.Timestamp(moment).floor(cadence).to_pydatetime()
