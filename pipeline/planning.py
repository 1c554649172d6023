"""Missing slots -> windows to ask for: merged where they touch, cut to a provider's limit."""

from collections.abc import Sequence
from datetime import timedelta

import pandas as pd

from pipeline.sources.base import Window


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
