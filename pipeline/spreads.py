"""Versions of the hours of two series -> versions of their difference, each known when both were."""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from pipeline.markets import Series, Target
from pipeline.warehouse import Session

HOUR = timedelta(hours=1)
VALUES = ["value", "last_05", "last_15", "last_30"]


def versions(session: Session, target: Target, *, since: datetime) -> pd.DataFrame:
    """Versions of the hours of a spread whose raw values, of either leg, were seen since `since` (aware).

    Columns as of the query hourly_versions; hours between the touched ones may be among them.
    """
    minuend, series = target.legs
    touched = session.ask("touched_hours", series=[minuend.id, series.id], since=since).iloc[0]
    if pd.isna(touched["first"]):
        return between(_hours(session, minuend, since, since), _hours(session, series, since, since))
    span = touched["first"], touched["last"] + HOUR
    return between(_hours(session, minuend, *span), _hours(session, series, *span))


def between(minuend: pd.DataFrame, series: pd.DataFrame) -> pd.DataFrame:
    """Minuend minus series, in the unit of both, whenever either has a new version and both are known.

    Frames as of the query hourly_versions (valid_at, known_at, n, value, last_05, last_15, last_30). An hour that one
    of them lacks is none of the spread: half of it says nothing. `n` is that of the leg with fewer values.
    """
    keys = ["valid_at", "known_at"]
    moments = pd.concat([minuend[keys], series[keys]]).drop_duplicates().sort_values(keys[::-1])
    legs = [_as_known(moments, leg) for leg in (minuend, series)]
    both = ~(np.isnan(legs[0]["value"]) | np.isnan(legs[1]["value"]))
    difference = {name: legs[0][name] - legs[1][name] for name in VALUES}
    least = np.minimum(legs[0]["n"], legs[1]["n"])
    rows: pd.DataFrame = moments.assign(n=least, **difference)[both].astype({"n": "int64"})
    return rows.sort_values(keys, ignore_index=True)


def _as_known(moments: pd.DataFrame, leg: pd.DataFrame) -> dict[str, np.ndarray]:
    """The leg's newest version of each hour at each moment (in order of known_at), NaN where there was none."""
    # The later of two rows of one moment counts, as in windows.Versions.
    leg = leg.sort_values("known_at", kind="stable")
    found = pd.merge_asof(moments, leg, on="known_at", by="valid_at")
    return {name: found[name].to_numpy(dtype=np.float64) for name in ("n", *VALUES)}


def _hours(session: Session, series: Series, first: datetime, last: datetime) -> pd.DataFrame:
    # All that was ever seen of these hours: one leg's revision meets whatever is known of the other.
    beginning = pd.Timestamp(0, tz="UTC")
    per_hour = HOUR // series.cadence
    return session.ask("hourly_versions", series=series.id, per_hour=per_hour, since=beginning, first=first, last=last)
