"""`[publish.NAME]` of sextant.toml -> which targets' forecasts go to which table; issued forecasts -> its rows.

A row is a forecast as it was issued: live, Sextant's issue or re-issue, its median. Its PredictionID follows from what
was issued, so the same forecast is the same row whoever writes it again.
"""

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pandas as pd

from pipeline.configuring.kinds import MOMENT, Checker, Key, Keys, Kind, names, nearest, shown
from pipeline.configuring.toml import read
from pipeline.markets import Target

NAMESPACE = UUID("5c1f2c0e-6a57-5d0e-9b0a-2f6d1c3b7a41")
COLUMNS = ("PredictionID", "TimestampHour", "SettlementPoint", "DART_Prediction", "ModelType", "PredictionTimestamp")
_PART = r"(?:\[[A-Za-z_]\w*\]|[A-Za-z_]\w*)"
_TABLE = re.compile(rf"{_PART}(?:\.{_PART}){{0,2}}")
PUBLISH: Keys = {
    "table": Key(
        Kind(
            lambda value: isinstance(value, str) and bool(_TABLE.fullmatch(value)),
            'write schema and table such as "[ERCOT].[predictions_dart_spread]"',
        ),
        needed=True,
    ),
    "targets": Key(names('["ercot.dart"]', least=1), needed=True),
    "since": Key(MOMENT),
}


@dataclass(frozen=True)
class Publication:
    """Where forecasts of some targets (ids) are written: a table, its name in brackets.

    Nothing made before `since` (aware) is written; None: nothing from more than a week before the first run.
    """

    name: str
    table: str
    targets: tuple[str, ...]
    since: datetime | None = None


def load_publishing(path: Path) -> dict[str, Publication]:
    """Read the tables `publish` of `path`; there may be none. Raises ConfigError with file, line and remedy."""
    checker = Checker(read(path))
    found = check_publishing(checker)
    checker.refuse()
    return found


def check_publishing(checker: Checker) -> dict[str, Publication]:
    """The same of a file that is read already; mistakes are noted and what is unsound is left out."""
    tables = checker.file.tables
    rows = checker.tables(("publish",), tables.get("publish", {}), PUBLISH)
    known = _targets(tables)
    for name, row in rows.items():
        for one in row.get("targets", []):
            if one not in known:
                words = f"publish.{name} names the target {shown(one)}, which there is not"
                checker.say(("publish", name, "targets"), f"{words}; {nearest(one, known, 'there are')}")
    return {
        name: Publication(name, _bracketed(row["table"]), tuple(row["targets"]), row.get("since"))
        for name, row in rows.items()
        if {"table", "targets"} <= set(row)
    }


def publications_of(tables: Mapping[str, Any], target: str) -> tuple[str, ...]:
    """The names of the publications that name `target`, of the tables of a file, sound or not."""
    rows = tables.get("publish", {})
    found = {name: row.get("targets", ()) for name, row in rows.items() if isinstance(row, dict)} if rows else {}
    return tuple(name for name, targets in found.items() if isinstance(targets, list) and target in targets)


def point_of(target: Target) -> str:
    """The settlement point or zone of a target: the last part of its series' key, such as HB_HOUSTON."""
    keys = target.series.keys
    key = keys.get("sqlserver") or keys.get("ercot") or next(iter(keys.values()))
    return key.rpartition(":")[2]


def local_hour(moments: pd.Series, zone: str) -> pd.Series:
    """UTC starts of hours as the other tables' stamps are: local time of the hour's beginning, without an offset."""
    found: pd.Series = moments.dt.tz_convert(zone).dt.tz_localize(None)
    return found


def rows_of(issued: pd.DataFrame, target: Target) -> list[tuple[Any, ...]]:
    """COLUMNS of issued forecasts (query `publishable`), in their order.

    TimestampHour is the local beginning of the hour; in autumn two hours share one. PredictionTimestamp is when the
    forecast was made, in UTC. ModelType is the family and the version's id.
    """
    hours = [hour.to_pydatetime() for hour in local_hour(issued["valid_at"], target.zone)]
    return [
        (identity(row), hour, point_of(target), float(row["p50"]), _model(row), _naive(row["made_at"]))
        for row, hour in zip(issued.to_dict("records"), hours, strict=True)
    ]


def identity(row: Mapping[Hashable, Any]) -> str:
    """The PredictionID of an issued forecast: the UUID (version 5) of target, origin, horizon, issuer and version."""
    origin = row["origin"].tz_convert("UTC").isoformat()
    return str(
        uuid5(NAMESPACE, "|".join([row["target"], origin, str(row["horizon"]), row["issuer"], row["version_id"]]))
    )


def versions_like(target: Target) -> str:
    """A pattern (SQL's LIKE with ESCAPE '!') for the ModelType of all versions of a target and of no other."""
    plain = re.sub(r"([!%_\[])", r"!\1", target.id)
    return f"% {plain}-v%"


def _model(row: Mapping[Hashable, Any]) -> str:
    family, version = str(row["family"]), str(row["version_id"])
    return version if family == version else f"{family} {version}"


def _naive(moment: pd.Timestamp) -> datetime:
    return moment.tz_convert(UTC).tz_localize(None).to_pydatetime().replace(microsecond=0)


def _targets(tables: Mapping[str, Any]) -> list[str]:
    markets = tables.get("market", {})
    rows = markets.items() if isinstance(markets, dict) else ()
    found = {name: market.get("target", {}) for name, market in rows if isinstance(market, dict)}
    return [f"{name}.{target}" for name, targets in found.items() if isinstance(targets, dict) for target in targets]


def _bracketed(table: str) -> str:
    return ".".join(f"[{part.strip('[]')}]" for part in table.split("."))
