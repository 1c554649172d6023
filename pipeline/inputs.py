"""Warehouse + target + moment -> the versioned histories that the feature path takes."""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from pipeline.features import Built, build
from pipeline.markets import Target
from pipeline.warehouse import Session
from pipeline.windows import WINDOW_HOURS, History, Times, Versions

REACH = timedelta(hours=WINDOW_HOURS)
HOUR = timedelta(hours=1)
BEGINNING = pd.Timestamp("1970-01-01", tz="UTC")


def history(session: Session, target: Target, *, since: datetime, as_of: datetime) -> History:
    """All versions of the target's hours from `since` on that were known at `as_of`."""
    return History.of(session.ask("actual_versions", target=target.id, since=since, as_of=as_of))


def operator(session: Session, target: Target, *, first: datetime, last: datetime) -> Versions | None:
    """Hourly versions of the operator's forecast for the hours [first, last]; None where there is no operator."""
    if target.operator is None:
        return None
    rows = session.ask(
        "hourly_versions",
        series=target.operator.id,
        per_hour=HOUR // target.operator.cadence,
        since=BEGINNING,
        first=first,
        last=last + HOUR,
    )
    return Versions.of(rows)


def built(session: Session, target: Target, origins: Times, as_of: Times) -> Built:
    """Feature rows of `origins` (datetime64[h]), each as known at its `as_of` (datetime64[us])."""
    first, last = _aware(origins.min()), _aware(origins.max())
    return build(
        history(session, target, since=first - REACH, as_of=_aware(as_of.max())),
        origins,
        as_of,
        zone=target.zone,
        country=target.country,
        operator=operator(session, target, first=first + HOUR, last=last + max(target.horizons) * HOUR),
    )


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


def as_hours(first: datetime, last: datetime) -> Times:
    """Every hour of [first, last], datetime64[h]; both aware."""
    start, end = (np.datetime64(pd.Timestamp(t).tz_convert("UTC").tz_localize(None), "h") for t in (first, last))
    hours: Times = np.arange(start, end + 1)
    return hours


def _aware(moment: np.datetime64) -> pd.Timestamp:
    return pd.Timestamp(moment).tz_localize("UTC")
