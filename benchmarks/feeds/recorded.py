"""values.npz beside the warehouse -> points: a provider that answers all series at once, an hour behind its clock."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.markets import Series
from pipeline.settings import Settings
from pipeline.sources.base import POINT_COLUMNS, Window

HOUR = timedelta(hours=1)
DELAY = timedelta(minutes=5)


class Recorded:
    """Hourly values of a file; an hour is published five minutes after it ends."""

    name = "recorded"
    max_window = timedelta(days=60)
    every = timedelta()

    def group(self, series: Series) -> str:
        """See Source.group: all series in one question."""
        return self.name

    def ready(self, settings: Settings) -> str | None:
        """See Source.ready."""
        path = settings.warehouse.with_name("values.npz")
        return None if path.exists() else f"{path.name} is missing beside the warehouse; build the world again."

    def fetch(self, series: Sequence[Series], window: Window, *, now: datetime, settings: Settings) -> pd.DataFrame:
        """See Source.fetch."""
        values = read(settings.warehouse.with_name("values.npz"))
        first = values["first"].astype("datetime64[h]")
        published = np.datetime64((now - HOUR - DELAY).astimezone(UTC).replace(tzinfo=None), "h") + 1
        start, end = (np.datetime64(at.astimezone(UTC).replace(tzinfo=None), "h") for at in (window.start, window.end))
        hours = np.arange(start, min(end, published))
        frames = []
        for one in series:
            points = values[one.keys[self.name]][(hours - first).astype(np.int64)]
            known = np.isfinite(points)
            at = pd.to_datetime(hours[known].astype("datetime64[us]"), utc=True)
            unsaid = pd.Series(pd.NaT, range(len(at)), dtype="datetime64[us, UTC]")
            columns = (one.id, at, points[known], unsaid)
            frames.append(pd.DataFrame(dict(zip(POINT_COLUMNS, columns, strict=True))))
        return pd.concat(frames, ignore_index=True)


@cache
def read(path: Path) -> dict[str, np.ndarray]:
    """The arrays of the file by name; `first` is the hour of the first value."""
    with np.load(path) as file:
        return dict(file)


SOURCE = Recorded()
