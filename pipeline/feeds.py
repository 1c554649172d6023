"""Hourly values of a target -> a refusal when its feed looks broken: nothing is to be learned from such hours."""

import numpy as np

from pipeline.errors import FeedRefused
from pipeline.markets import Target
from pipeline.models.base import Floats
from pipeline.windows import Ints, Times

WEEK = 168
RECENT_HOURS = 2 * WEEK
MOST_MISSING = 0.2
"""Share of the last RECENT_HOURS that may be missing."""
LONGEST_RUN = {"load": 12, "generation": 48, "price": 96, "spread": 168}
"""Hours in a row that may hold the very same value. A sun park rests at night, prices stay at zero or at a cap."""
LEVEL_FACTOR = {"load": 1.5, "generation": 4.0}
"""How far the median of the last week may lie beyond those of all weeks before; prices know no such limit."""


def check(target: Target, hours: Times, values: Floats, *, declared: np.ndarray) -> None:
    """Raise FeedRefused, naming series and remedy, when the target's feed looks broken.

    `hours` (n,) consecutive datetime64[h] UTC up to the newest that should be known, `values` (n,) their newest
    values, NaN where missing; `declared` (n,) hours of declared events, which are not judged.
    """
    judged = np.where(declared, np.nan, values)
    flaw = _missing(judged, declared) or _stuck(target, hours, judged) or _jumped(target, judged)
    if flaw:
        legs = " less ".join(one.id for one in target.legs)
        raise FeedRefused(f"{legs}: {flaw}; not trained. Mend or import the hours, or declare them as an event.")


def _missing(values: Floats, declared: np.ndarray) -> str:
    wanted = ~declared[-RECENT_HOURS:]
    gone = int(np.isnan(values[-RECENT_HOURS:][wanted]).sum())
    if gone <= MOST_MISSING * wanted.sum():
        return ""
    return f"{gone} of the last {int(wanted.sum())} hours are missing"


def _stuck(target: Target, hours: Times, values: Floats) -> str:
    """The longest run of one and the same value, when it is too long for the kind of target.

    A run that the past knows twice over is how this series is: a small plant that is often at rest.
    """
    starts, lengths = _runs(values)
    if not len(lengths):
        return ""
    longest = np.argmax(lengths)
    usual = np.sort(lengths)[-3:].min() if target.kind != "load" and len(lengths) > 2 else 0
    if lengths[longest] <= max(LONGEST_RUN[target.kind], 2 * usual):
        return ""
    start = starts[longest]
    return f"{lengths[longest]} hours in a row from {_words(hours[start])} hold the same value {values[start]:g}"


def _jumped(target: Target, values: Floats) -> str:
    factor = LEVEL_FACTOR.get(target.kind)
    weeks = [values[end - WEEK : end] for end in range(len(values), WEEK - 1, -WEEK)]
    medians = [float(np.median(week[~np.isnan(week)])) for week in weeks if np.isnan(week).mean() < MOST_MISSING]
    if factor is None or len(medians) < 3:
        return ""
    last, before = medians[0], np.abs(medians[1:])
    # A park that stood still for a week is no fault, a country that did is.
    low = before.min() / factor if target.kind == "load" else -np.inf
    if low <= last <= max(before.max(), 1e-9) * factor:
        return ""
    return (
        f"the median of the last week is {last:,.0f} {target.series.unit}, that of the weeks before "
        f"{before.min():,.0f} to {before.max():,.0f}"
    )


def _runs(values: Floats) -> tuple[Ints, Ints]:
    """Start and length of every stretch of equal values; missing ones break it."""
    fresh = np.append(True, values[1:] != values[:-1]) & ~np.isnan(values)
    ends = np.flatnonzero(np.append(fresh | np.isnan(values), True))
    starts = np.flatnonzero(fresh)
    return starts, ends[np.searchsorted(ends, starts, side="right")] - starts


def _words(hour: np.datetime64) -> str:
    return f"{hour.astype('datetime64[s]').item():%d %b %Y %H:%M}Z"
