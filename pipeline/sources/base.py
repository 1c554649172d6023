"""What a source is: (series, UTC window) -> a frame of points, or a SourceError."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import pandas as pd

from pipeline.errors import BadRequest
from pipeline.markets import Series
from pipeline.settings import Settings

POINT_COLUMNS = ("series", "valid_at", "value", "made_at")


@dataclass(frozen=True)
class Window:
    """Half-open UTC interval [start, end) of `valid_at`; both are aware."""

    start: datetime
    end: datetime


class Source(Protocol):
    """One provider. Declared as the module constant SOURCE; stateless, so safe to share.

    `max_window` is the widest window one request may ask for; the caller cuts longer ones.
    By itself the scheduler asks no sooner again than after `every`: of what seldom changes each question costs the
    provider the same.
    """

    name: str
    max_window: timedelta
    every: timedelta

    def group(self, series: Series) -> str:
        """The question that `series` belongs to: series of one word are asked together.

        They share the window and what goes wrong; of a question that is refused, the wrong series are searched out.
        Never raises: a series that cannot be asked for is a question of its own.
        """

    def ready(self, settings: Settings) -> str | None:
        """None when usable, else one sentence saying what is missing and how to give it."""

    def fetch(self, series: Sequence[Series], window: Window, *, now: datetime, settings: Settings) -> pd.DataFrame:
        """Return the points of `series` inside `window` as the provider has them at `now`.

        Columns POINT_COLUMNS: `series` id, `valid_at` (UTC, start of the interval), `value` (float,
        NaN where the provider says null), `made_at` (UTC; NaT where the provider does not say).
        Order and duplicates are the provider's. An empty frame means "answered, nothing there".
        Raises SourceError (one of its children) with a sentence naming the series and the remedy.
        """


def group_of(series: Series, name: str, check: Callable[[Series], object]) -> str:
    """The group `name`, or one of its own for a series that `check` refuses: it fails alone, see Source.group."""
    try:
        check(series)
    except BadRequest:
        return series.id
    return name
