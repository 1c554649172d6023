"""Rows -> the nine ERCOT tables in an SQLite file, and SQLite behind a DB-API module of any paramstyle."""

import re
import sqlite3
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HOURLY = "SYSTEM_WIDE_GEN REAL, COP_HSL_SYSTEM_WIDE REAL"
_ZONES = ("LZ_SOUTH_HOUSTON", "LZ_WEST", "LZ_NORTH")
_WIND = ", ".join(f"{kind}_{zone} REAL" for kind in ("GEN", "COP_HSL", "STWPF", "WGRPP") for zone in _ZONES)
LMP = "hist_LMPbyResourceNodesLoadZonesandTradingHubs"
DAM = "hist_DAMSettlementPointPrices"
WEATHER_ZONES = "hist_ActualSystemLoadbyWeatherZone"
FORECAST_ZONES = "hist_ActualSystemLoadbyForecastZone"
REAL_TIME = "hist_RealTimeLMP"
SHADOW = "hist_SCEDShadowPricesandBindingTransmissionConstraints"
SOLAR_5MIN = "hist_SolarPowerProductionActual5MinuteAveragedValues"
SOLAR = "hist_SolarPowerProductionHourlyAveragedActualandForecastedValues"
WIND = "hist_WindPowerProductionHourlyAveragedActualandForecastedValues"
OUT = "predictions_dart_spread"
COLUMNS: dict[str, str] = {
    FORECAST_ZONES: "OperDay, HourEnding, NORTH REAL, SOUTH REAL, WEST REAL, HOUSTON REAL, TOTAL REAL",
    WEATHER_ZONES: "OperDay, HourEnding, COAST REAL, EAST REAL, FAR_WEST REAL, NORTH REAL, NORTH_C REAL, "
    "SOUTHERN REAL, SOUTH_C REAL, WEST REAL, TOTAL REAL",
    DAM: "DeliveryDate, HourEnding, SettlementPoint, SettlementPointPrice REAL",
    LMP: "SCEDTimestamp, SettlementPoint, LMP REAL",
    REAL_TIME: "SCEDTimestamp, SettlementPoint, LMP REAL",
    SHADOW: "SCEDTimeStamp, ConstraintName, ShadowPrice REAL, [Limit] REAL, Value REAL, ViolatedMW REAL",
    SOLAR_5MIN: "INTERVAL_ENDING, SYSTEM_WIDE_GEN REAL, SYSTEM_WIDE_HSL REAL",
    SOLAR: f"DELIVERY_DATE, HOUR_ENDING, {HOURLY}, STPPF_SYSTEM_WIDE REAL, PVGRPP_SYSTEM_WIDE REAL, "
    "SYSTEM_WIDE_HSL REAL",
    WIND: f"DELIVERY_DATE, HOUR_ENDING, {HOURLY}, STWPF_SYSTEM_WIDE REAL, WGRPP_SYSTEM_WIDE REAL, "
    f"SYSTEM_WIDE_HSL REAL, {_WIND}",
    OUT: "PredictionID, TimestampHour, SettlementPoint, DART_Prediction REAL, ModelType, PredictionTimestamp",
}


def make(path: Path, names: Iterable[str] = tuple(COLUMNS), *, more: Mapping[str, str] | None = None) -> Path:
    """An SQLite file with empty tables; `more` adds columns to a table."""
    added = {name: f", {columns}" for name, columns in (more or {}).items()}
    return run(path, *(f"CREATE TABLE [{name}] ({COLUMNS[name]}{added.get(name, '')})" for name in names))


def run(path: Path, *statements: str) -> Path:
    """Run statements on the file."""
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("PRAGMA synchronous = OFF")
        for statement in statements:
            file.execute(statement)
    return path


def fill(path: Path, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows in their order."""
    marks = ", ".join("?" * len(columns))
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("PRAGMA synchronous = OFF")
        file.executemany(f"INSERT INTO [{table}] ({', '.join(columns)}) VALUES ({marks})", rows)


def all_of(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """The answer of the file itself."""
    with closing(sqlite3.connect(path)) as file:
        return file.execute(sql).fetchall()


MARKS = {"named": r":(p\d+)", "numeric": r":(\d+)", "format": r"%s", "pyformat": r"%\((p\d+)\)s"}


class Cursor:
    """SQLite's, behind the marks of another paramstyle; `asked` collects (SQL, values)."""

    def __init__(self, inner: sqlite3.Cursor, style: str, asked: list[tuple[str, Any]]) -> None:
        self._inner, self._style, self._asked = inner, style, asked

    @property
    def description(self) -> Any:
        return self._inner.description

    def execute(self, sql: str, values: Any = ()) -> None:
        self._asked.append((sql, values))
        self._inner.execute(self._plain(sql), self._told(sql, values))

    def executemany(self, sql: str, rows: list[Any]) -> None:
        self._asked += [(sql, row) for row in rows]
        self._inner.executemany(self._plain(sql), [self._told(sql, row) for row in rows])

    def fetchmany(self, size: int) -> list[Any]:
        return self._inner.fetchmany(size)

    def close(self) -> None:
        self._inner.close()

    def _plain(self, sql: str) -> str:
        return re.sub(MARKS.get(self._style, r"\?"), "?", sql).replace("%%", "%")

    def _told(self, sql: str, values: Any) -> list[Any]:
        named = [values[name] for name in re.findall(MARKS[self._style], sql)] if isinstance(values, dict) else values
        # SQLite has no times; this stands for a server that has.
        return [value.isoformat(" ") if hasattr(value, "hour") else str(value) if hasattr(value, "year") else value
                for value in named]  # fmt: skip


class Connection:
    """A connection that says whether it was closed, and can be told to fail at a statement or at a commit."""

    def __init__(self, path: Path, style: str, before: Callable[[str], None]) -> None:
        self._inner = sqlite3.connect(":memory:")
        self._inner.execute("ATTACH ? AS ERCOT", (str(path),))
        self._style, self._before = style, before
        self.asked: list[tuple[str, Any]] = []
        self.closed = False

    def cursor(self) -> Cursor:
        self._before("cursor")
        return Cursor(self._inner.cursor(), self._style, self.asked)

    def commit(self) -> None:
        self._before("commit")
        self._inner.commit()
        self._before("committed")

    def close(self) -> None:
        self.closed = True
        self._inner.close()


def driver(
    monkeypatch: pytest.MonkeyPatch,
    path: Path,
    *,
    name: str = "invented_sql",
    style: str = "qmark",
    before: Callable[[str], None] = lambda _what: None,
    connect: Callable[..., Any] | None = None,
) -> list[Any]:
    """Put a DB-API module `name` over the file into place; returns the list its connections are added to.

    `connect` takes the place of opening the file: it gets the keywords and may raise.
    """
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    opened: list[Any] = []

    def opens(*words: Any, **named: Any) -> Any:
        made = connect(*words, **named) if connect else Connection(path, style, before)
        opened.append(made)
        return made

    errors = {error: getattr(sqlite3, error) for error in ("Error", "OperationalError", "ProgrammingError")}
    vars(module).update(errors, paramstyle=style, connect=opens)
    monkeypatch.setitem(sys.modules, name, module)
    return opened
