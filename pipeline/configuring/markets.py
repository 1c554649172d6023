"""sextant.toml -> Market, Series and Target, or the one sentence that says what to mend."""

import tomllib
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipeline.errors import ConfigError
from pipeline.markets import (
    HORIZONS,
    KINDS,
    METRICS,
    PROMOTIONS,
    TARGET_KINDS,
    Event,
    Input,
    Market,
    Place,
    Policy,
    Series,
    Target,
)


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
        places = {key: _place(key, row) for key, row in table.get("place", {}).items()}
        series = {key: _series(f"{name}.{key}", row, where, places) for key, row in table["series"].items()}
        rows = {key: row for key, row in table["target"].items() if not row.get("off", False)}
        targets = tuple(_target(name, table, key, row, series) for key, row in rows.items())
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
            currency=table.get("currency", "EUR"),
        )
    except KeyError as error:
        raise ConfigError(f"{where} lacks or names an unknown {error}; add it.") from error
    except (ZoneInfoNotFoundError, TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {error}; mend the value.") from error


def _place(name: str, row: Mapping[str, Any]) -> Place:
    return Place(name, float(row["latitude"]), float(row["longitude"]), float(row.get("weight", 1.0)))


def _series(series_id: str, row: Mapping[str, Any], where: str, places: Mapping[str, Place]) -> Series:
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
        places=tuple(places[name] for name in row.get("places", ())),
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
        minuend=series[row["minuend"]] if "minuend" in row else None,
        every=timedelta(hours=row.get("every_h", 1)),
        metrics=tuple(row.get("metrics", METRICS[row.get("kind", "load")])),
        parts=tuple(f"{market}.{name}" for name in row.get("parts", ())),
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
    # A price says nothing of the level of a spread, though both are in one unit.
    alike = row.get("kind") != "spread"
    return tuple(Input(**vars(one), own_unit=alike and one.unit == own.unit) for one in chosen)


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
