"""Warehouse + target + moment -> the lesson: rows, actuals and facts that a model may learn from."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256

import numpy as np
import pandas as pd

from pipeline import features, feeds, inputs
from pipeline.errors import NotEnoughData
from pipeline.exogenous import PREFIX
from pipeline.features import Actuals, Built
from pipeline.inputs import HOUR, Facts
from pipeline.markets import HORIZONS, Target
from pipeline.models.base import Batch, Floats
from pipeline.warehouse import Warehouse
from pipeline.windows import DAY, WINDOW_HOURS, Times

HOLD_OUT = timedelta(days=28)
LEAST_DAYS = 60
NEEDED_DAYS = LEAST_DAYS + HOLD_OUT.days + WINDOW_HOURS / 24
"""Of actuals: to learn from, to hold out and for the reach of the features."""
LONG = timedelta(days=365)
"""With this much history before the hold-out a fit of a fortnight errs as a fresh one (see comparing.own_errors)."""
MOST_UNKNOWN = 0.5
"""Share of origins, before the hold-out and in it, at which an input may be unknown and still be learned from."""
SEED = 7


@dataclass(frozen=True)
class Lesson:
    """What there is to learn from: rows of ascending origins, their actuals as known at `as_of`.

    Actuals within declared events are NaN, and origins that look back on one within a day are left out. Inputs that
    were known too rarely are constant.
    """

    target: Target
    as_of: datetime
    facts: Facts
    built: Built
    actuals: Actuals
    data_hash: str

    @property
    def test_from(self) -> np.datetime64:
        """First origin of the hold-out."""
        return _test_from(self.built.batch.origins)

    @property
    def test(self) -> np.ndarray:
        """(n,) which origins are the hold-out."""
        held_out: np.ndarray = self.built.batch.origins >= self.test_from
        return held_out

    @property
    def long(self) -> bool:
        """Whether there is enough history before the hold-out that a fit ages slowly."""
        return bool(self.test_from - self.built.batch.origins[0] >= np.timedelta64(LONG))

    @property
    def last_hour(self) -> Floats | None:
        """(n,) of a spread the actual of each origin's hour as its issue knew it, NaN where it did not; else None."""
        if self.target.kind != "spread":
            return None
        known: Floats = np.where(self.built.stale_hours == 0, self.built.batch.level, np.nan)
        return known

    def reduced(self) -> "Lesson":
        """The same without the target's inputs."""
        batch = features.without_inputs(self.built.batch)
        return replace(self, built=replace(self.built, batch=batch))


def gather(warehouse: Warehouse, target: Target, *, as_of: datetime) -> Lesson:
    """Rows of every past origin whose hour is complete, each as known when it was issued.

    Raises NotEnoughData when there are fewer than NEEDED_DAYS of actuals.
    """
    with warehouse.read() as session:
        facts = inputs.facts(session, target, first=inputs.BEGINNING, last=as_of, as_of=as_of)
    history = facts.history
    days = len(np.unique(history.valid_at)) / 24
    if days < NEEDED_DAYS:
        raise NotEnoughData(
            f"{target.id}: training needs {NEEDED_DAYS:.0f} days of actuals and has {days:.0f} up to "
            f"{as_of:%d %b %Y}; ingest more history."
        )
    first, last = history.valid_at.min() + np.timedelta64(WINDOW_HOURS, "h"), history.valid_at.max()
    origins: Times = np.arange(first, last + 1)
    built = facts.built(origins, inputs.earliest_as_of(origins, target, history))
    built = built.rows((built.stale_hours == 0) & ~_declared(target, origins, back=DAY) & ~_late(target, built))
    actuals = features.training_actuals(history, built.batch.origins, as_of=_moment(as_of))
    ahead = built.batch.origins[:, None] + np.array(HORIZONS).astype("timedelta64[h]")
    actuals.value[_declared(target, ahead)] = np.nan
    built = replace(built, batch=_blinded(built.batch))
    return Lesson(target, as_of, facts, built, actuals, _fingerprint(facts, as_of))


def check_feed(lesson: Lesson) -> None:
    """Raise FeedRefused when the target's feed looks broken at the lesson's moment (see feeds)."""
    target, known = lesson.target, lesson.facts.history
    due = _moment(lesson.as_of - HOUR - target.issue_delay - target.issue_grace).astype("datetime64[h]")
    hours: Times = np.arange(known.valid_at.min(), due + 1)
    values = features.training_actuals(known, hours - 1, as_of=_moment(lesson.as_of)).value[:, 0]
    feeds.check(target, hours, values, declared=_declared(target, hours))


def _test_from(origins: Times) -> np.datetime64:
    """Where the last HOLD_OUT of origins begins.

    After weeks without any, as of a market that was off, it is their last 28 days of hours, whenever those were: a few
    hours since would choose a family by chance and make no bands.
    """
    hours = int(HOLD_OUT / HOUR)
    start: np.datetime64 = origins[-1] - np.timedelta64(HOLD_OUT)
    whole: np.datetime64 = origins[-min(hours, len(origins))]
    return start if np.sum(origins >= start) >= hours / 2 else whole


def _declared(target: Target, hours: Times, *, back: int = 0) -> np.ndarray:
    """Which of the hours (any shape), or of the `back` hours before them, meet a declared event."""
    met = np.zeros(hours.shape, dtype=bool)
    for event in target.events:
        first, last = _moment(event.first), _moment(event.last)
        met |= (hours + 1 > first) & (hours - back < last)
    return met


def _late(target: Target, built: Built) -> np.ndarray:
    """(n,) whether inputs were known better than at any issue, because the origin's own hour came late."""
    if not target.inputs:
        return np.zeros(len(built.as_of), dtype=bool)
    late: np.ndarray = built.as_of - inputs.usual_as_of(built.batch.origins, target) > np.timedelta64(
        target.issue_grace
    )
    return late


def _blinded(batch: Batch) -> Batch:
    """The batch with the columns of inputs that are known too rarely made constant, so that nothing is learned of them.

    Families leave out rows that lack a value: an input that was added last month must not cost the years before it,
    and one that has been dead since must not cost the hold-out.
    """
    shared, target = batch.shared.copy(), batch.target.copy()
    past = batch.origins < _test_from(batch.origins)
    for values, names in ((shared, batch.shared_names), (target, batch.target_names)):
        for place, name in enumerate(names):
            if name.startswith(PREFIX) and any(
                np.isnan(values[part, ..., place]).mean() > MOST_UNKNOWN for part in (past, ~past)
            ):
                values[..., place] = 0.0
    return replace(batch, shared=shared, target=target)


def _fingerprint(facts: Facts, as_of: datetime) -> str:
    """Of everything that can change what is learned."""
    target = facts.target
    digest = sha256(f"{features.feature_set(target.inputs)}|{target.events}".encode())
    history = facts.history
    arrays = [history.valid_at, history.known_at, history.value]
    for one in facts.inputs:
        if one.versions is not None:
            known = one.versions.known_at <= _moment(as_of)
            arrays += [values[known] for values in (one.versions.valid_at, one.versions.known_at, one.versions.value)]
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _moment(moment: datetime) -> np.datetime64:
    return np.datetime64(pd.Timestamp(moment).tz_convert("UTC").tz_localize(None), "us")
