"""sextant.toml -> Market, Series and Target, or the one sentence that says what to mend and where."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from pipeline.access import check_access
from pipeline.configuring.crossing import Draft, Row, cross
from pipeline.configuring.kinds import Checker, close_to, ended, nearest, shown
from pipeline.configuring.tables import EVENT, MARKET, PLACE, SERIES, TARGET
from pipeline.configuring.toml import File, read
from pipeline.errors import ConfigError
from pipeline.markets import HORIZONS, METRICS, Event, Input, Market, Place, Policy, Series, Target
from pipeline.operations import check_operations
from pipeline.publishing import check_publishing, publications_of

TABLES = ("market", "job", "alert", "channel", "retention", "access", "publish")
PARTS = {"place", "series", "target", "event"}
"""What a market has beside its own keys."""


@dataclass(frozen=True)
class Understood:
    """What a file says: its sound markets by id, ids of targets that are off, and each mistake as a sentence."""

    markets: Mapping[str, Market]
    off: tuple[str, ...]
    mistakes: tuple[str, ...]


def load_markets(path: Path, active: tuple[str, ...]) -> dict[str, Market]:
    """Read the active markets from `path`, and see that its general tables are sound.

    Raises ConfigError when the file cannot be read, a market is unknown or a value is wrong: the first mistake with
    its file and line, and how many more there are.
    """
    file = read(path)
    checker = Checker(file)
    _general(checker)
    known = _names(checker, active)
    unknown = [name for name in active if name not in known]
    if active and not known:
        checker.refuse()
    if unknown:
        hint = nearest(unknown[0], known, f"{file.name} has")
        raise ConfigError(ended(f"SEXTANT_MARKETS names {unknown[0]}, which is no market of {file.name}; {hint}"))
    if not active:
        raise ConfigError(f"SEXTANT_MARKETS names nothing; {file.name} has {', '.join(known) or 'no market yet'}.")
    found = {name: _market(checker, path, name) for name in active}
    checker.refuse()
    return {name: market for name, market in found.items() if market is not None}


def check(path: Path) -> Understood:
    """Read all of `path`, active or not. Raises ConfigError only where it is no TOML or cannot be read."""
    checker = Checker(read(path))
    _general(checker)
    names = _names(checker, tuple(_markets(checker.file)))
    found = {name: _market(checker, path, name) for name in names}
    return Understood(
        markets={name: market for name, market in found.items() if market is not None},
        off=tuple(_off(checker.file, names)),
        mistakes=tuple(checker.sentences()),
    )


def _names(checker: Checker, wanted: Sequence[str]) -> list[str]:
    """Ids of the markets; parts of one of those `wanted` under a misspelt id are noted and are no market."""
    tables = checker.file.tables.get("market", {})
    if not isinstance(tables, dict):
        checker.say(("market",), f"market is {shown(tables)}; write tables such as [market.ID]")
        return []
    if not tables:
        checker.say(("market",), "there is no market; describe one as [market.ID], or see `python jobs.py init`")
    parts = [name for name, one in tables.items() if isinstance(one, dict) and one and set(one) <= PARTS]
    known = [name for name in tables if name not in parts]
    meant = {name: close for name in parts if (close := close_to(name, set(known) & set(wanted)))}
    for name, close in meant.items():
        has = " and ".join(tables[name])
        checker.say(("market", name), f"market.{name} has {has} and nothing else; did you mean market.{close}?")
    return [name for name in tables if name not in meant]


def _markets(file: File) -> Mapping[str, Any]:
    found = file.tables.get("market", {})
    return found if isinstance(found, dict) else {}


def _general(checker: Checker) -> None:
    for name in [name for name in checker.file.tables if name not in TABLES]:
        checker.say((name,), f"{name} is unknown; {nearest(name, TABLES, 'there may be')}")
    check_operations(checker)
    check_access(checker)
    check_publishing(checker)


def _off(file: File, names: list[str]) -> list[str]:
    rows = {f"{name}.{key}": row for name in names for key, row in _targets(file, name).items()}
    return [name for name, row in rows.items() if isinstance(row, dict) and row.get("off") is True]


def _targets(file: File, name: str) -> Mapping[str, Any]:
    market = file.tables["market"][name]
    found = market.get("target", {}) if isinstance(market, dict) else {}
    return found if isinstance(found, dict) else {}


def _market(checker: Checker, path: Path, name: str) -> Market | None:
    """The market, or None with its mistakes noted."""
    before, place = len(checker.mistakes), ("market", name)
    one = checker.tables(("market",), {name: checker.file.tables["market"][name]}, MARKET).get(name)
    if one is None:
        return None
    draft = Draft(
        checker,
        name,
        one,
        places=checker.tables((*place, "place"), one.get("place", {}), PLACE),
        series=checker.tables((*place, "series"), one.get("series", {}), SERIES),
        targets=checker.tables((*place, "target"), one.get("target", {}), TARGET),
    )
    for key in [key for key in ("series", "target") if one.get(key) == {}]:
        checker.say((*place, key), f"market.{name} has no {key}; {MARKET[key].kind.fix}")
    cross(draft)
    events = _events(checker, place, one.get("event", []))
    return None if len(checker.mistakes) > before else _built(draft, path, events)


def _events(checker: Checker, place: tuple[str, str], rows: Any) -> tuple[Event, ...]:
    at = f"market.{place[1]}.event"
    if not isinstance(rows, list):
        checker.say((*place, "event"), f"{at} is one table; write it with two brackets, [[{at}]]")
        return ()
    found = [checker.table((*place, "event", number), row, EVENT) for number, row in enumerate(rows)]
    for number, row in enumerate(found):
        if "first" in row and "last" in row and not row["first"] < row["last"]:
            checker.say((*place, "event", number, "last"), f"{at}.{number} ends before it begins; swap first and last")
    return tuple(Event(**row) for row in found if len(row) == len(EVENT))


def _built(draft: Draft, path: Path, events: tuple[Event, ...]) -> Market:
    one = draft.market
    places = {key: Place(key, float(row["latitude"]), float(row["longitude"]), float(row.get("weight", 1.0)))
              for key, row in draft.places.items()}  # fmt: skip
    folder = path.parent / one["folder"] if "folder" in one else None
    series = {key: _series(f"{draft.id}.{key}", row, places, folder, one["zone"])
              for key, row in draft.series.items()}  # fmt: skip
    return Market(
        id=draft.id,
        name=one["name"],
        zone=one["zone"],
        country=one["country"],
        sources=tuple(one["sources"]),
        history=timedelta(days=one["history_days"]),
        series=tuple(series.values()),
        targets=tuple(_target(draft, key, row, series, events) for key, row in draft.live.items()),
        status_url=one.get("status_url", ""),
        currency=draft.currency,
    )


def _series(name: str, row: Row, places: Mapping[str, Place], folder: Path | None, zone: str) -> Series:
    # Measured values may stand still for six intervals and at least an hour, forecasts and prices as they like.
    usual = max(60, 6 * row["cadence_min"]) if row["kind"] == "measured" else 0
    flat = row.get("flat_min", usual)
    return Series(
        id=name,
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
        flat=timedelta(minutes=flat) if flat else None,
        jump=float(row["jump"]) if "jump" in row else None,
        places=tuple(places[key] for key in row.get("places", ())),
        folder=folder,
        zone=zone,
    )


def _target(draft: Draft, key: str, row: Row, series: Mapping[str, Series], events: tuple[Event, ...]) -> Target:
    own, kind = series[row.get("series", key)], row.get("kind", "load")
    return Target(
        id=f"{draft.id}.{key}",
        title=row["title"],
        market=draft.id,
        zone=draft.market["zone"],
        country=draft.market["country"],
        series=own,
        operator=series[row["operator"]] if "operator" in row else None,
        horizons=tuple(row.get("horizons", HORIZONS)),
        issue_delay=timedelta(minutes=row.get("issue_delay_min", 12)),
        issue_grace=timedelta(minutes=row.get("issue_grace_min", 30)),
        kind=kind,
        # A price says nothing of the level of a spread, though both are in one unit.
        inputs=tuple(
            Input(**vars(one), own_unit=kind != "spread" and one.unit == own.unit)
            for one in (series[name] for name in row.get("inputs", ()))
        ),
        events=events,
        policy=_policy(row),
        minuend=series[row["minuend"]] if "minuend" in row else None,
        every=timedelta(hours=row.get("every_h", 1)),
        metrics=tuple(row.get("metrics", METRICS[kind])),
        parts=tuple(f"{draft.id}.{name}" for name in row.get("parts", ())),
        published=publications_of(draft.checker.file.tables, f"{draft.id}.{key}"),
    )


def _policy(row: Row) -> Policy:
    usual = Policy()
    return Policy(
        promotion=row.get("promotion", usual.promotion),
        clearly_worse=1 + row.get("clearly_worse_pct", 5) / 100,
        error_up=1 + row.get("error_up_pct", 20) / 100,
        keep_versions=row.get("keep_versions", usual.keep_versions),
        shadow_versions=row.get("shadow_versions", usual.shadow_versions),
        oldest=timedelta(days=row.get("oldest_days", usual.oldest.days)),
        deep_every=timedelta(days=row.get("deep_every_days", usual.deep_every.days)),
        mae_limit=row.get("mae_limit"),
        mape_limit_pct=row.get("mape_limit_pct"),
    )
