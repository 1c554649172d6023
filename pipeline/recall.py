"""Warehouse + origins to issue -> what was issued and measured in the weeks before them, for bands to adapt to."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.adapting import WINDOW, Track
from pipeline.intervals import EDGES
from pipeline.markets import HORIZONS, Target
from pipeline.models.base import Floats
from pipeline.warehouse import Session
from pipeline.windows import Times, Versions, naive_utc

WINDOW_TIME = pd.Timedelta(hours=WINDOW)


@dataclass(frozen=True)
class Made:
    """n whole issues: origins (n,) datetime64[h], points (n, H), EDGES (n, H, 4), version and status (n,)."""

    origins: Times
    point: Floats
    edges: Floats
    version: NDArray[np.object_]
    status: NDArray[np.object_]


@dataclass(frozen=True)
class Recent:
    """Rows of `predictions` before the newest of `origins` (ascending) and the versions of the actuals."""

    target: Target
    origins: Times
    issues: pd.DataFrame
    actuals: Versions

    def made(self, *issuers: str, version_id: str | None = None) -> Made:
        """The issues of `issuers`, or of one version only."""
        rows = self.issues[self.issues["issuer"].isin(issuers)]
        if version_id is not None:
            rows = rows[rows["version_id"] == version_id]
        origins, first, place = np.unique(naive_utc(rows["origin"], "h"), return_index=True, return_inverse=True)
        column = rows["horizon"].to_numpy(dtype=np.int64) - 1
        point = np.full((len(origins), len(HORIZONS)), np.nan)
        edges = np.full((*point.shape, len(EDGES)), np.nan)
        point[place, column] = rows["p50"].to_numpy(dtype=np.float64)
        edges[place, column] = rows[list(EDGES)].to_numpy(dtype=np.float64)
        version, status = (rows[name].to_numpy(dtype=object)[first] for name in ("version_id", "status"))
        return Made(origins=origins, point=point, edges=edges, version=version, status=status)

    def track(self, made: Made, *, since: np.datetime64) -> Track:
        """A track of these issues whose axis reaches back to `since` at least."""
        track = Track(self.origins, self.actuals, zone=self.target.zone, since=since, width=self.target.width)
        track.remember(made.origins, made.point, made.edges)
        return track


def recall(session: Session, target: Target, origins: Times, as_of: Times, *, written_by: pd.Timestamp) -> Recent:
    """What had been written by `written_by` and was known at the newest `as_of` (datetime64[us], UTC).

    Bands made from it depend on nothing else, so that they can be made again, bit for bit, at any later time.
    """
    first, last = (pd.Timestamp(moment).tz_localize("UTC") for moment in (origins.min(), origins.max()))
    window: dict[str, Any] = {"target": target.id, "first": first - WINDOW_TIME, "last": last, "written_by": written_by}
    known = pd.Timestamp(as_of.max()).tz_localize("UTC")
    return Recent(
        target=target,
        origins=np.sort(origins),
        issues=session.ask("recent_issues", **window),
        actuals=Versions.of(session.ask("recent_actuals", **window, as_of=known)),
    )
