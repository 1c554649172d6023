"""sextant.toml -> Market, Series and Target: what a market is, as data."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipeline.errors import ConfigError

HORIZONS = (1, 2, 3, 4, 5, 6)
KINDS = ("measured", "forecast", "price")
TARGET_KINDS = ("load", "price", "spread", "generation")
PROMOTIONS = ("auto", "must_win", "manual", "never")


@dataclass(frozen=True)
class Series:
    """One time series of a market; values are for intervals that start at `valid_at` (UTC).

    `delay` is how long after the end of its interval a measured value is published,
    `ahead` how far beyond now a forecast or price is published, `overlap` how far back
    each ingest asks again because the provider revises. Values outside
    [`minimum`, `maximum`] (in `unit`) are quarantined. A value that stands still for `flat` looks stuck (None: may
    stand); one further than `jump` (in `unit`) from the mean of its neighbours is a jump (None: learned from the past).
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


@dataclass(frozen=True)
class Market:
    """A zone with its series, its targets and the sources that can fill them, best first.

    `status_url` is where people see whether the provider is well ("": nowhere).
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

    @property
    def events(self) -> tuple[Event, ...]:
        """The declared events of the market; its targets share them."""
        return self.targets[0].events if self.targets else ()


def load_markets(path: Path, active: tuple[str, ...]) -> dict[str, Market]:
    """Read the active markets from `path`.

    Raises ConfigError when the file cannot be read, a market is unknown or a value is wrong.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8")).get("market", {})
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path.name}: {error}; mend the file or restore it from git.") from error
    unknown = [name for name in active if name not in tables]
    if unknown or not active:
        known = ", ".join(sorted(tables))
        raise ConfigError(f"SEXTANT_MARKETS names {unknown or 'nothing'}; {path.name} has: {known}.")
    return {name: _market(name, tables[name], path.name) for name in active}


def _market(name: str, table: Mapping[str, Any], where: str) -> Market:
    where = f"{where}: market.{name}"
    try:
        ZoneInfo(table["zone"])
        series = {key: _series(f"{name}.{key}", row, where) for key, row in table["series"].items()}
        targets = tuple(_target(name, table, key, row, series) for key, row in table["target"].items())
        return Market(
            id=name,
            name=table["name"],
            zone=table["zone"],
            country=table["country"],
            sources=tuple(table["sources"]),
            history=timedelta(days=table["history_days"]),
            series=tuple(series.values()),
            targets=targets,
            status_url=_link(table.get("status_url", "")),
        )
    except KeyError as error:
        raise ConfigError(f"{where} lacks or names an unknown {error}; add it.") from error
    except (ZoneInfoNotFoundError, TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {error}; mend the value.") from error


def _series(series_id: str, row: Mapping[str, Any], where: str) -> Series:
    if row["kind"] not in KINDS:
        raise ConfigError(f"{where}: series {series_id} has kind {row['kind']!r}; use one of {', '.join(KINDS)}.")
    if not row["minimum"] < row["maximum"]:
        raise ConfigError(f"{where}: series {series_id} has minimum >= maximum; swap them.")
    return Series(
        id=series_id,
        title=row["title"],
        kind=row["kind"],
        unit=row["unit"],
        cadence=timedelta(minutes=row["cadence_min"]),
        delay=timedelta(minutes=row.get("delay_min", 0)),
        ahead=timedelta(hours=row.get("ahead_h", 0)),
        overlap=timedelta(hours=row.get("overlap_h", 3)),
        minimum=float(row["minimum"]),
        maximum=float(row["maximum"]),
        keys=dict(row["keys"]),
        flat=_flat(series_id, row),
        jump=_jump(series_id, row),
    )


def _flat(series_id: str, row: Mapping[str, Any]) -> timedelta | None:
    """Measured values may stand still for six intervals and at least an hour, forecasts and prices as they like."""
    usual = max(60, 6 * row["cadence_min"]) if row["kind"] == "measured" else 0
    value = row.get("flat_min", usual)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (number and (value == 0 or 2 * row["cadence_min"] <= value < float("inf"))):
        raise ValueError(f"series {series_id} has flat_min {value!r}; use two intervals or more, or 0 for no limit")
    return timedelta(minutes=value) if value else None


def _jump(series_id: str, row: Mapping[str, Any]) -> float | None:
    value = row.get("jump")
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not value > 0):
        raise ValueError(
            f"series {series_id} has jump {value!r}; use a number of {row['unit']} above 0, or leave it out"
        )
    return None if value is None else float(value)


def _link(url: Any) -> str:
    parts = urlsplit(url) if isinstance(url, str) else None
    if url == "" or (parts and parts.scheme in ("http", "https") and parts.hostname):
        return str(url)
    raise ValueError(f"status_url is {url!r}; write an address such as 'https://status.example.org', or leave it out")


def _target(
    market: str, table: Mapping[str, Any], key: str, row: Mapping[str, Any], series: Mapping[str, Series]
) -> Target:
    operator = row.get("operator")
    if row.get("kind", "load") not in TARGET_KINDS:
        raise ValueError(f"target {key} has kind {row['kind']!r}; use one of {', '.join(TARGET_KINDS)}")
    return Target(
        id=f"{market}.{key}",
        title=row["title"],
        market=market,
        zone=table["zone"],
        country=table["country"],
        series=series[row.get("series", key)],
        operator=series[operator] if operator else None,
        horizons=HORIZONS,
        issue_delay=timedelta(minutes=row.get("issue_delay_min", 12)),
        issue_grace=timedelta(minutes=row.get("issue_grace_min", 30)),
        kind=row.get("kind", "load"),
        inputs=_inputs(key, row, series),
        events=tuple(_event(event) for event in table.get("event", ())),
        policy=_policy(key, row),
    )


def _inputs(key: str, row: Mapping[str, Any], series: Mapping[str, Series]) -> tuple[Input, ...]:
    names, own = row.get("inputs", []), series[row.get("series", key)]
    if not isinstance(names, list) or len(set(names)) < len(names):
        raise ValueError(f"target {key} has inputs {names!r}; give a list that names each series once")
    chosen = [series[name] for name in names]
    for one in chosen:
        if one == own:
            raise ValueError(f"target {key} has itself as an input; take {one.id} out of its inputs")
        if timedelta(hours=1) % one.cadence:
            raise ValueError(f"input {one.id} of target {key} needs a cadence_min that divides an hour")
    return tuple(Input(**vars(one), own_unit=one.unit == own.unit) for one in chosen)


def _policy(key: str, row: Mapping[str, Any]) -> Policy:
    usual = Policy()
    promotion = row.get("promotion", usual.promotion)
    if promotion not in PROMOTIONS:
        raise ValueError(f"target {key} has promotion {promotion!r}; use one of {', '.join(PROMOTIONS)}")

    def number(name: str, default: float, least: float) -> Any:
        value = row.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < float("inf"):
            raise ValueError(f"target {key} has {name} {value!r}; use a number of at least {least}")
        return value

    return Policy(
        promotion=promotion,
        clearly_worse=1 + number("clearly_worse_pct", 5, 0) / 100,
        error_up=1 + number("error_up_pct", 20, 0) / 100,
        keep_versions=int(number("keep_versions", usual.keep_versions, 1)),
        shadow_versions=int(number("shadow_versions", usual.shadow_versions, 0)),
        oldest=timedelta(days=number("oldest_days", usual.oldest.days, 1)),
        deep_every=timedelta(days=number("deep_every_days", usual.deep_every.days, 1)),
        mae_limit=number("mae_limit", 1, 0.001) if "mae_limit" in row else None,
        mape_limit_pct=number("mape_limit_pct", 1, 0.001) if "mape_limit_pct" in row else None,
    )


def _event(row: Mapping[str, Any]) -> Event:
    first, last = row["first"], row["last"]
    if not str(row["reason"]).strip():
        raise ValueError(f"the event of {first} needs a reason that says what happened")
    if not (isinstance(first, datetime) and isinstance(last, datetime) and first.tzinfo and last.tzinfo):
        raise ValueError(f"event {row['reason']!r} needs first and last as times with an offset")
    if not first < last:
        raise ValueError(f"event {row['reason']!r} ends before it begins")
    return Event(first=first, last=last, reason=row["reason"])
