"""Market, Place, Series and Target: what a market is, as data; configuring.markets reads it from sextant.toml."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

HORIZONS = (1, 2, 3, 4, 5, 6)
KINDS = ("measured", "forecast", "price")
TARGET_KINDS = ("load", "price", "spread", "generation")
PROMOTIONS = ("auto", "must_win", "manual", "never")
STEADY_METRICS = ("mae", "rmse", "mape", "bias", "mase", "skill", "coverage")
SPIKY_METRICS = ("mae", "rmse", "bias", "hit_rate", "tail_mae", "pinball_loss", "profit", "skill", "coverage")
METRICS = {
    "load": STEADY_METRICS,
    "generation": STEADY_METRICS,
    "price": ("mae", "rmse", "bias", "tail_mae", "pinball_loss", "mase", "skill", "coverage"),
    "spread": SPIKY_METRICS,
}
"""What is asked of forecasts of each kind of target. A percentage of a price near 0 says nothing, so prices and spreads
have no MAPE."""


@dataclass(frozen=True)
class Place:
    """A point of the weather: degrees north and east, and its weight beside the others of its market, above 0."""

    name: str
    latitude: float
    longitude: float
    weight: float


@dataclass(frozen=True)
class Series:
    """One time series of a market; values are for intervals that start at `valid_at` (UTC).

    `delay` is how long after the end of its interval a measured value is published,
    `ahead` how far beyond now a forecast or price is published, `overlap` how far back
    each ingest asks again because the provider revises. Values outside
    [`minimum`, `maximum`] (in `unit`) are quarantined. A value that stands still for `flat` looks stuck (None: may
    stand); one further than `jump` (in `unit`) from the mean of its neighbours is a jump (None: learned from the past).
    Weather is the weighted mean over `places`, in their order. `folder` is where the files of its market lie, and
    `zone` its market's, that of stamps in them without an offset.
    """

    id: str
    title: str
    kind: str
    unit: str
    cadence: timedelta
    delay: timedelta
    ahead: timedelta
    overlap: timedelta
    minimum: float
    maximum: float
    keys: Mapping[str, str] = field(hash=False)
    flat: timedelta | None = None
    jump: float | None = None
    places: tuple[Place, ...] = ()
    folder: Path | None = None
    zone: str = "UTC"


@dataclass(frozen=True)
class Input(Series):
    """A series that a target's models look at; `own_unit`: it speaks in the target's unit."""

    own_unit: bool = field(kw_only=True)

    @property
    def key(self) -> str:
        """The series' name within its market."""
        return self.id.partition(".")[2]


@dataclass(frozen=True)
class Policy:
    """When a newly trained version of a target takes over, and what is kept and asked of versions.

    `promotion`: auto (unless broken or clearly worse), must_win, manual (waits for approval) or never.
    `clearly_worse` and `error_up` are ratios of MAE; `keep_versions` artifacts stay besides every former
    champion's; `shadow_versions` former champions forecast in shadow; a champion older than `oldest` is
    trained anew; `deep_every` is how often all families are compared again. `mae_limit` (in the target's unit) and
    `mape_limit_pct` are the most that a week of issues may err before an alert; None: no limit.
    """

    promotion: str = "auto"
    clearly_worse: float = 1.05
    error_up: float = 1.20
    keep_versions: int = 20
    shadow_versions: int = 3
    oldest: timedelta = timedelta(days=10)
    deep_every: timedelta = timedelta(days=7)
    mae_limit: float | None = None
    mape_limit_pct: float | None = None


@dataclass(frozen=True)
class Event:
    """A declared event: its hours [first, last) are no lesson and no score. Both aware."""

    first: datetime
    last: datetime
    reason: str


@dataclass(frozen=True)
class Target:
    """What is forecast: hourly means of `series`, T+1..T+6, in the series' unit.

    An hour is due `issue_delay` after it ends; if it is still incomplete after
    `issue_grace` the forecast is issued as a labelled fallback. `inputs` are further series the model
    may look at: forecasts and prices at T+h, measurements up to T, each as known at issue.

    A spread is `minuend` minus `series`, hour by hour: of a day-ahead and a real-time price that is DART. An issue
    is due `every` so many hours (origins whose hour of the UTC day it divides). `metrics` are those shown of it.
    `parts` are the targets (ids) whose sum it should be, such as the zones of a system. `published` are the names of
    the publications that write its forecasts to a table of somebody's (publishing.py).
    """

    id: str
    title: str
    market: str
    zone: str
    country: str
    series: Series
    operator: Series | None
    horizons: tuple[int, ...]
    issue_delay: timedelta
    issue_grace: timedelta
    kind: str = "load"
    inputs: tuple[Input, ...] = ()
    events: tuple[Event, ...] = ()
    policy: Policy = Policy()
    minuend: Series | None = None
    every: timedelta = timedelta(hours=1)
    metrics: tuple[str, ...] = STEADY_METRICS
    parts: tuple[str, ...] = ()
    published: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """How many hours ahead are issued. Models make all HORIZONS; the first so many are ranked, judged and shown."""
        return len(self.horizons)

    @property
    def legs(self) -> tuple[Series, ...]:
        """The series its hours are made of: one, or of a spread the minuend and what is taken from it."""
        return (self.series,) if self.minuend is None else (self.minuend, self.series)

    @property
    def minimum(self) -> float:
        """The least that an hour can be, in the unit."""
        return self.series.minimum if self.minuend is None else self.minuend.minimum - self.series.maximum

    @property
    def maximum(self) -> float:
        """The most that an hour can be, in the unit."""
        return self.series.maximum if self.minuend is None else self.minuend.maximum - self.series.minimum


@dataclass(frozen=True)
class Market:
    """A zone with its series, its targets and the sources that can fill them, best first.

    `status_url` is where people see whether the provider is well ("": nowhere), `currency` the ISO 4217 code of its
    prices. Each series is asked of the first of `sources` that has a key for it and is ready.
    """

    id: str
    name: str
    zone: str
    country: str
    sources: tuple[str, ...]
    history: timedelta
    series: tuple[Series, ...]
    targets: tuple[Target, ...]
    status_url: str = ""
    currency: str = "EUR"

    @property
    def events(self) -> tuple[Event, ...]:
        """The declared events of the market; its targets share them."""
        return self.targets[0].events if self.targets else ()
