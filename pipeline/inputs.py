"""Warehouse + target + moment -> the versioned histories that the feature path takes."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from pipeline.exogenous import LOOK_BACK, Exogenous
from pipeline.features import Built, build
from pipeline.markets import HORIZONS, Series, Target
from pipeline.models.base import SPIKY, Batch
from pipeline.warehouse import Session
from pipeline.windows import WINDOW_HOURS, History, Times, Versions

REACH = timedelta(hours=WINDOW_HOURS)
HOUR = timedelta(hours=1)
BEGINNING = pd.Timestamp("1970-01-01", tz="UTC")


@dataclass(frozen=True)
class Facts:
    """What the rows of a target are made of: versions of its hours, of the operator's forecast, of its inputs."""

    target: Target
    history: History
    operator: Versions | None
    inputs: tuple[Exogenous, ...]

    def built(self, origins: Times, as_of: Times) -> Built:
        """Feature rows of `origins` (datetime64[h]), each as known at its `as_of` (datetime64[us]).

        Naive is last week's value plus the current error, of a price or spread the value of the day before: an error
        that is a spike is no news of the hours after it.
        """
        rows = build(
            self.history,
            origins,
            as_of,
            zone=self.target.zone,
            country=self.target.country,
            operator=self.operator,
            inputs=self.inputs,
        )
        return replace(rows, batch=_as_yesterday(rows.batch)) if self.target.kind in SPIKY else rows


def has_operator(target: Target) -> bool:
    """Whether somebody else's forecast is recorded beside ours, see `facts`."""
    return target.operator is not None or target.minuend is not None


def history(session: Session, target: Target, *, since: datetime, as_of: datetime) -> History:
    """All versions of the target's hours from `since` on that were known at `as_of`."""
    return History.of(session.ask("actual_versions", target=target.id, since=since, as_of=as_of))


def hourly(session: Session, series: Series, *, first: datetime, last: datetime) -> Versions | None:
    """Every version of the series' complete hours in [first, last]; None where nothing is stored."""
    rows = session.ask(
        "hourly_versions",
        series=series.id,
        per_hour=HOUR // series.cadence,
        since=BEGINNING,
        first=first,
        last=last + HOUR,
    )
    return None if rows.empty else Versions.of(rows)


def facts(session: Session, target: Target, *, first: datetime, last: datetime, as_of: datetime) -> Facts:
    """All that rows of the origins [first, last] read, of the target's own hours what was known at `as_of`.

    Of a spread the operator's forecast is that there is none, 0, for each hour of which the minuend is known: the
    day-ahead price is what the market expected of the real-time price.
    """
    said = target.minuend or target.operator
    beside = [] if said is None else [said]
    # One reading serves a series that is both comparator and input.
    series = {one.id: one for one in (*beside, *target.inputs)}
    # Rows have all HORIZONS, also of a target that issues fewer: a model learns and needs each of them.
    start, end = first - timedelta(hours=LOOK_BACK), last + max(HORIZONS) * HOUR
    versions = {name: hourly(session, one, first=start, last=end) for name, one in series.items()}
    return Facts(
        target=target,
        history=history(session, target, since=first - REACH, as_of=as_of),
        operator=_operator(target, versions[said.id]) if said else None,
        inputs=tuple(Exogenous(one.key, one.kind, one.own_unit, versions[one.id], one.unit) for one in target.inputs),
    )


def built(session: Session, target: Target, origins: Times, as_of: Times) -> Built:
    """Feature rows of `origins` (datetime64[h]), each as known at its `as_of` (datetime64[us])."""
    first, last = _aware(origins.min()), _aware(origins.max())
    return facts(session, target, first=first, last=last, as_of=_aware(as_of.max())).built(origins, as_of)


def usual_as_of(origins: Times, target: Target) -> Times:
    """When each origin would be issued: `issue_delay` after its hour ends."""
    delay = np.timedelta64(int((HOUR + target.issue_delay).total_seconds()), "s")
    times: Times = np.add(origins.astype("datetime64[us]"), delay)
    return times


def earliest_as_of(origins: Times, target: Target, known: History) -> Times:
    """When each origin could first be issued: at its usual moment, or once its hour became known if that was later.

    Hours that came late (an outage, a desk switched off over night) are still lessons: their rows hold
    nothing that is valid after T.
    """
    order = np.lexsort((known.known_at, known.valid_at))
    hours, first = np.unique(known.valid_at[order].astype("datetime64[h]"), return_index=True)
    moments = known.known_at[order][first].astype("datetime64[us]")
    usual = usual_as_of(origins, target)
    place = np.searchsorted(hours, origins)
    there = (place < len(hours)) & (hours[np.minimum(place, len(hours) - 1)] == origins)
    late = np.where(there, moments[np.minimum(place, len(hours) - 1)], usual)
    times: Times = np.maximum(usual, late)
    return times


def _operator(target: Target, said: Versions | None) -> Versions | None:
    return said if said is None or target.minuend is None else replace(said, value=np.zeros(len(said)))


def _as_yesterday(batch: Batch) -> Batch:
    before = batch.target[:, :, batch.target_names.index("target_lag_24")]
    return replace(batch, naive=batch.level[:, None] + before)


def as_hours(first: datetime, last: datetime) -> Times:
    """Every hour of [first, last], datetime64[h]; both aware."""
    start, end = (np.datetime64(pd.Timestamp(t).tz_convert("UTC").tz_localize(None), "h") for t in (first, last))
    hours: Times = np.arange(start, end + 1)
    return hours


def _aware(moment: np.datetime64) -> pd.Timestamp:
    return pd.Timestamp(moment).tz_localize("UTC")
