"""Hourly features, predictions and residuals -> how unlike their own past the last week is, and whether that is drift.

The last week is compared with a reference of the same season and the same hours: the four weeks before it and
five weeks around the same date of earlier years, each hour of day standardised by itself. Hourly values remember
each other, so a textbook test on them alarms every Monday; here the size of a difference is judged by the
differences that earlier weeks had from references of their own (an empirical null), across subjects by
Benjamini & Hochberg (1995). Constants were chosen on Spanish demand of 2022-23 (benchmarks/drift.py).
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from scipy.special import stdtr

from pipeline import features
from pipeline.features import Built
from pipeline.models.base import Floats
from pipeline.models.threads import one_thread
from pipeline.windows import WINDOW_HOURS, History, Ints, Times

WINDOW, BEFORE, AROUND, YEAR = 7 * 24, 28 * 24, 35 * 24, 364 * 24
YEARS = 4
FROZEN = 72
PAST_WINDOWS = 104
LEAST_WINDOWS = 8
LEAST_HOURS, LEAST_REFERENCE = WINDOW // 2, BEFORE // 2
FEWEST, LEAST_OF_AN_HOUR = 5, 3
"""Values that say what a week or three days were like, and what an hour of day is like, however seldom they come."""
FALSE_DISCOVERIES = 0.01
LEAST_EFFECT = 0.3
FREEDOM, WINDOWS_A_DEGREE = 6.0, 4.0
"""Of Student's t: the log of an effect has heavier tails than the normal, the more so when few weeks are known."""
CONSTANT, USUAL_SHARE = 1e-6, 0.01
_HOUR = np.timedelta64(1, "h")
_STATISTICS = ("psi", "ks", "effect")


@dataclass(frozen=True)
class Signals:
    """(n, k) values of k subjects at n ascending hours (datetime64[h], UTC), NaN where unknown.

    local_hour: (n,) hour of day; kinds: k of "feature", "prediction" or "residual"; subjects: k names; every: k hours
    from one value to the next, where none is missing (empty: all are hourly).
    """

    hours: Times
    local_hour: Ints
    kinds: tuple[str, ...]
    subjects: tuple[str, ...]
    values: Floats
    every: tuple[int, ...] = ()


@dataclass(frozen=True)
class Window:
    """What one week was like, (k,) each: known hours, those of its reference, and how they differ.

    frozen: whether the values of its last three days were all the same, and one that the reference seldom has.
    """

    n: Ints
    n_reference: Ints
    psi: Floats
    ks: Floats
    effect: Floats
    frozen: np.ndarray


def check(signals: Signals, *, end: np.datetime64, seen: dict[np.datetime64, Window] | None = None) -> pd.DataFrame:
    """One row a subject for the week that ends with hour `end`, as in table `drift` without run, target and time.

    `effect` is the quadratic Wasserstein distance in standard deviations of the reference, `ks` the
    Kolmogorov-Smirnov distance, `psi` the population stability index over its tenths. `p_value` is how rarely
    an earlier week had such an effect, `p_adjusted` the same among the subjects of its kind. Drifted is what is
    improbable and large, and what froze at one value. Subjects with too little of a week or of a past have no
    p-value and did not drift. `seen` has weeks of the same signals by their end, and gets those looked at here.
    """
    seen = {} if seen is None else seen
    first = signals.hours[0] + (BEFORE + WINDOW) * _HOUR
    ends = [one for one in end - np.arange(PAST_WINDOWS + 1) * WINDOW * _HOUR if one >= first or one == end]
    with one_thread("blas"):
        for one in ends:
            if one not in seen:
                seen[one] = _window(signals, one)
    past = np.stack([seen[one].effect for one in ends])[1:]
    return _rows(signals, end, seen[end], np.where(seen[end].frozen, 0.0, _rarity(seen[end].effect, past)))


def feature_signals(built: Built, local_hour: Ints) -> Signals:
    """The measured features of origins (n,): the level, those of the origin and those of the last horizon.

    `local_hour` (n,) of the origins. Columns that follow from the calendar alone are left out: they cannot drift.
    """
    batch = built.batch
    calendar = _calendar_names()
    columns = {"level": batch.level}
    columns |= {name: batch.shared[:, i] for i, name in enumerate(batch.shared_names)}
    columns |= {name: batch.target[:, -1, i] for i, name in enumerate(batch.target_names)}
    kept = {name: values for name, values in columns.items() if name not in calendar}
    return Signals(
        hours=batch.origins,
        local_hour=local_hour,
        kinds=("feature",) * len(kept),
        subjects=tuple(kept),
        values=np.stack(list(kept.values()), axis=1),
    )


def _window(signals: Signals, end: np.datetime64) -> Window:
    recent = (signals.hours > end - WINDOW * _HOUR) & (signals.hours <= end)
    usual = _reference(signals.hours, end) & np.isin(signals.local_hour, np.unique(signals.local_hour[recent]))
    values, reference = signals.values[recent], signals.values[usual]
    every = np.array(signals.every or 1)
    # After the clocks change, what comes each so many hours comes at hours of day of which nothing is known yet.
    values = np.where(_by_hour(reference, signals.local_hour[usual])[signals.local_hour[recent]], values, np.nan)
    n, n_reference = (np.sum(~np.isnan(part), axis=0) for part in (values, reference))
    enough = (n >= np.maximum(LEAST_HOURS / every, FEWEST)) & (n_reference >= LEAST_REFERENCE / every)
    latest = signals.values[recent & (signals.hours > end - FROZEN * _HOUR)]
    still = _spread(latest) <= CONSTANT * _spread(reference)
    frozen = (
        enough
        & (np.sum(~np.isnan(latest), axis=0) >= np.maximum(FROZEN // 2 / every, FEWEST))
        & still
        & ~_usual_value(latest, reference)
    )
    values, reference = _standardised(values, reference, signals.local_hour[recent], signals.local_hour[usual])
    measures = np.full((len(_STATISTICS), len(n)), np.nan)
    for place in np.flatnonzero(enough):
        one, other = values[:, place], reference[:, place]
        measures[:, place] = _differences(np.sort(one[~np.isnan(one)]), np.sort(other[~np.isnan(other)]))
    psi, ks, effect = measures
    return Window(n, n_reference, psi, ks, effect, frozen)


def _reference(hours: Times, end: np.datetime64) -> np.ndarray:
    """The four weeks before the window and those around it one to YEARS years (of 52 weeks) ago."""
    start = end - WINDOW * _HOUR
    usual = (hours > start - BEFORE * _HOUR) & (hours <= start)
    middle = end - WINDOW // 2 * _HOUR
    for year in range(1, YEARS + 1):
        away = np.abs((hours - (middle - year * YEAR * _HOUR)).astype(np.int64))
        usual |= away <= AROUND // 2
    return usual


def _by_hour(reference: Floats, hour: Ints) -> np.ndarray:
    """(24, k) whether the reference, of (n,) hours of day, knows enough of that hour."""
    here = (hour == np.arange(24)[:, None]).astype(np.float64)
    known: np.ndarray = here @ (~np.isnan(reference)).astype(np.float64) >= LEAST_OF_AN_HOUR
    return known


def _standardised(values: Floats, reference: Floats, hour: Ints, usual_hour: Ints) -> tuple[Floats, Floats]:
    """Both in standard deviations from the mean of the reference at the same hour of day."""
    here = (usual_hour == np.arange(24)[:, None]).astype(np.float64)
    known = (~np.isnan(reference)).astype(np.float64)
    count = np.maximum(here @ known, 1.0)
    mean = here @ np.where(known > 0, reference, 0.0) / count
    spread = np.sqrt(here @ np.where(known > 0, reference - mean[usual_hour], 0.0) ** 2 / count)
    spread = np.where(spread > 0, spread, 1.0)
    return (values - mean[hour]) / spread[hour], (reference - mean[usual_hour]) / spread[usual_hour]


def _differences(values: Floats, reference: Floats) -> tuple[float, float, float]:
    """(psi, ks, effect) of two sorted samples."""
    n, m = len(values), len(reference)
    step = np.arange(1, n + 1) / n
    above = step - np.searchsorted(reference, values, side="left") / m
    below = np.searchsorted(reference, values, side="right") / m - (step - 1 / n)
    cuts = reference[np.arange(1, 10) * m // 10]
    shares = [
        np.diff(np.concatenate([[0], np.searchsorted(part, cuts, side="right"), [len(part)]]))
        for part in (values, reference)
    ]
    share, usual = (
        np.maximum(count / len(part), 0.5 / n) for count, part in zip(shares, (values, reference), strict=True)
    )
    partner = reference[((np.arange(n) + 0.5) / n * m).astype(np.int64)]
    spread = reference.std() or 1.0
    effect = float(np.sqrt(np.mean((values - partner) ** 2)) / spread)
    return float(np.sum((share - usual) * np.log(share / usual))), float(max(above.max(), below.max())), effect


def _rarity(effect: Floats, past: Floats) -> Floats:
    """(k,) probability of such an effect by the (w, k) effects of past windows; NaN with too few of them."""
    windows = np.sum(~np.isnan(past), axis=0)
    usable = windows >= LEAST_WINDOWS
    p_value = np.full(len(effect), np.nan)
    history = np.log(np.maximum(past[:, usable], CONSTANT))
    middle = np.nanmedian(history, axis=0)
    spread = 1.4826 * np.nanmedian(np.abs(history - middle), axis=0)
    distance = (np.log(np.maximum(effect[usable], CONSTANT)) - middle) / np.maximum(spread, CONSTANT)
    p_value[usable] = stdtr(np.minimum(FREEDOM, windows[usable] / WINDOWS_A_DEGREE), -distance)
    return p_value


def _rows(signals: Signals, end: np.datetime64, found: Window, p_value: Floats) -> pd.DataFrame:
    kinds = np.array(signals.kinds)
    adjusted = np.full(len(kinds), np.nan)
    for kind in np.unique(kinds):
        adjusted[kinds == kind] = _adjusted(p_value[kinds == kind])
    large = (found.effect >= LEAST_EFFECT) | found.frozen
    return pd.DataFrame(
        {
            "kind": kinds,
            "subject": signals.subjects,
            "window_start": pd.Timestamp(end - (WINDOW - 1) * _HOUR).tz_localize("UTC").as_unit("us"),
            "window_end": pd.Timestamp(end).tz_localize("UTC").as_unit("us"),
            "n": found.n,
            "n_reference": found.n_reference,
            "psi": found.psi,
            "ks": found.ks,
            "effect": found.effect,
            "p_value": p_value,
            "p_adjusted": adjusted,
            "drifted": large & (adjusted <= FALSE_DISCOVERIES),
        }
    )


def _adjusted(p_value: Floats) -> Floats:
    """Benjamini & Hochberg (1995); NaN stays NaN and does not count."""
    known = np.flatnonzero(~np.isnan(p_value))
    order = known[np.argsort(p_value[known])]
    scaled = p_value[order] * len(order) / np.arange(1, len(order) + 1)
    adjusted = np.full(len(p_value), np.nan)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return adjusted


def _spread(values: Floats) -> Floats:
    """Greatest minus least of each column, 0 where nothing is known."""
    known = ~np.isnan(values)
    top = np.max(values, axis=0, where=known, initial=-np.inf)
    low = np.min(values, axis=0, where=known, initial=np.inf)
    return np.where(known.any(axis=0), top - low, 0.0)


def _usual_value(values: Floats, reference: Floats) -> np.ndarray:
    """Whether what the column of `values` begins with is common in that of `reference`, as 0 cooling degrees are."""
    first = values[np.argmax(~np.isnan(values), axis=0), np.arange(values.shape[1])] if len(values) else np.nan
    usual: np.ndarray = np.mean(reference == first, axis=0) > USUAL_SHARE
    return usual


@cache
def _calendar_names() -> frozenset[str]:
    """Features that come out the same from two different histories."""
    hours = np.datetime64("2024-01-01", "h") + np.arange(WINDOW_HOURS)
    origin = hours[-1:]
    found = []
    for seed in (1, 2):
        noise = np.random.default_rng(seed).normal(0, 1, (4, len(hours)))
        history = History(hours, noise[0], hours.astype("datetime64[us]"), *noise[1:])
        batch = features.build(history, origin, origin.astype("datetime64[us]"), zone="UTC", country="ES").batch
        found.append(np.concatenate([batch.shared[0], batch.target[0, -1]]))
    names = np.array(batch.shared_names + batch.target_names)
    return frozenset(names[found[0] == found[1]].tolist())
