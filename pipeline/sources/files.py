"""A CSV or Parquet file, or a folder of them -> points for `raw` and refused rows, each with one sentence.

Only the format is judged here; range, grid and future are judged where points of all sources are.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pandas as pd

from pipeline.errors import BadRequest, DataRefused, SchemaChanged
from pipeline.markets import Series
from pipeline.settings import Settings
from pipeline.sources.base import POINT_COLUMNS, Window

STAMP = r"^(\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)?)\s?(Z|[+-]\d{2}(?::?\d{2})?)?$"
NUMBER = r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?$"
EMPTY = frozenset({"", "null", "NULL", "nan", "NaN", "NA"})
YEARS = (1900, 2199)
SUFFIXES = (".csv", ".parquet", ".pq")


class Refused(NamedTuple):
    """A row that was not understood: its texts, one sentence, and the series it was meant for."""

    valid_at: str
    value: str
    reason: str
    series: str


@dataclass(frozen=True)
class _Asked:
    """How the caller wants one file read."""

    name: str
    zone: str | None
    time_column: str
    value_column: str


def read_file(
    path: Path,
    series: Series | Mapping[str, Series],
    zone: str | None = None,
    *,
    time_column: str = "valid_at",
    value_column: str = "value",
) -> tuple[pd.DataFrame, list[Refused]]:
    """Read points (POINT_COLUMNS; `valid_at` UTC, start of the interval) and list the rows that cannot be.

    With one Series, `value_column` holds its values. With a mapping, a file that has a column `series` is read as
    one point a row (keys: what that column says); any other file as one column a series (keys: column names), and
    there series without a column are left out.
    `zone` names the time zone of stamps without an offset. A column `made_at` is read when present. Empty values
    become NaN; exact repeats are kept once. Refused are: stamps and numbers that do not parse, local times that
    do not exist or exist twice, unknown series, and all rows that state one point differently.

    Raises DataRefused when the file cannot be read, lacks a column, or has stamps without offset and no `zone`.
    """
    asked = _Asked(path.name, zone or None, time_column, value_column)
    _check_zone(asked)
    table, refused = _table(path)
    rows = _long(table, series, asked)
    rows["reason"] = ""
    _judge_series(rows, series)
    _judge_times(rows, "valid_at", asked)
    _judge_times(rows, "made_at", asked)
    _judge_values(rows)
    _judge_repeats(rows)
    bad = rows[rows["reason"] != ""]
    texts = bad[["valid_at_text", "value_text", "reason", "series"]].itertuples(index=False, name=None)
    refused += [Refused(stamp, value, f"{asked.name}: {reason}.", name) for stamp, value, reason, name in texts]
    good = rows.loc[rows["reason"] == "", list(POINT_COLUMNS)]
    return good.drop_duplicates(ignore_index=True), refused


def _check_zone(asked: _Asked) -> None:
    try:
        ZoneInfo(asked.zone or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise DataRefused(f"{asked.name}: {asked.zone!r} is no time zone; use a name like Europe/Madrid.") from error


def _table(path: Path) -> tuple[pd.DataFrame, list[Refused]]:
    readers = {".csv": _read_csv, ".parquet": _read_parquet, ".pq": _read_parquet}
    if path.suffix.lower() not in readers:
        raise DataRefused(f"{path.name}: only .csv and .parquet files can be read; convert the file.")
    try:
        table, refused = readers[path.suffix.lower()](path)
    except (OSError, ValueError, csv.Error) as error:
        words = " ".join(str(error).split())[:120]
        raise DataRefused(f"{path.name} cannot be read ({words}); check or export the file again.") from error
    if table.empty:
        raise DataRefused(f"{path.name} holds no rows; check or export the file again.")
    return table, refused


def _read_csv(path: Path) -> tuple[pd.DataFrame, list[Refused]]:
    """All cells as text. Rows with too few or too many cells are refused one by one, not the file."""
    with path.open(encoding="utf-8-sig", newline="") as handle:
        header = handle.readline()
        comma = max(",;\t", key=header.count)
        names = [name.strip() for name in next(csv.reader([header], delimiter=comma), [])]
        lines = [line for line in csv.reader(handle, delimiter=comma) if line]
    if len(set(names)) < len(names):
        raise ValueError("two columns have one name")
    refused = [
        Refused(line[0], comma.join(line[1:]), f"{path.name}: {len(line)} cells where {len(names)} are named.", "")
        for line in lines
        if len(line) != len(names)
    ]
    return pd.DataFrame([line for line in lines if len(line) == len(names)], columns=names, dtype="str"), refused


def _read_parquet(path: Path) -> tuple[pd.DataFrame, list[Refused]]:
    """Cells as text, so that both formats are judged by the same rules; times as ISO 8601."""
    table = pd.read_parquet(path)
    if not isinstance(table.index, pd.RangeIndex):
        table = table.reset_index()
    return pd.DataFrame({str(name): _as_text(table[name]) for name in table.columns}), []


def _as_text(column: pd.Series) -> pd.Series:
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_convert("UTC").dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    elif pd.api.types.is_datetime64_dtype(column):
        column = column.dt.strftime("%Y-%m-%dT%H:%M:%S.%f")
    return column.astype("object").where(column.notna(), "").astype("str")


def _long(table: pd.DataFrame, series: Series | Mapping[str, Series], asked: _Asked) -> pd.DataFrame:
    """One row a point: series (as the file says), valid_at_text, value_text, made_at_text."""
    if isinstance(series, Series):
        parts = {asked.value_column: series.id}
    elif "series" in table.columns:
        parts = {asked.value_column: ""}
    else:
        parts = {column: one.id for column, one in series.items() if column in table.columns}
        parts = parts or {column: one.id for column, one in series.items()}
    missing = [name for name in (asked.time_column, *parts) if name not in table.columns]
    if missing:
        has = ", ".join(table.columns)
        raise DataRefused(f"{asked.name} has no column {', '.join(missing)}, only {has}; name the columns to read.")
    made_at = table["made_at"] if "made_at" in table.columns else ""
    frames = [
        pd.DataFrame(
            {
                "series": name or table["series"].str.strip(),
                "valid_at_text": table[asked.time_column].str.strip(),
                "value_text": table[column].str.strip(),
                "made_at_text": made_at,
            }
        )
        for column, name in parts.items()
    ]
    return pd.concat(frames, ignore_index=True)


def _judge_series(rows: pd.DataFrame, series: Series | Mapping[str, Series]) -> None:
    if isinstance(series, Series):
        return
    ids = {one.id for one in series.values()}
    rows["series"] = rows["series"].map(lambda name: series[name].id if name in series else name)
    known = rows["series"].isin(ids)
    _refuse(rows, ~known, "series '" + rows["series"] + "' is not asked for; use one of " + ", ".join(sorted(ids)))


def _judge_times(rows: pd.DataFrame, column: str, asked: _Asked) -> None:
    """Texts to UTC times, in place; an empty `made_at` means not stated."""
    texts = rows[f"{column}_text"]
    parts = texts.str.extract(STAMP)
    clock = pd.to_datetime(parts[0], format="ISO8601", errors="coerce").astype("datetime64[us]")
    clock = clock.where(clock.dt.year.between(*YEARS))
    offset = parts[1].fillna("")
    naive = clock.notna() & (offset == "")
    if asked.zone is None and naive.any() and naive[clock.notna()].all():
        raise DataRefused(
            f"{asked.name}: the times in {column} have no offset; state the time zone, or write times like "
            "2024-10-27T02:00+02:00."
        )
    times = pd.to_datetime(
        (parts[0] + offset).where(clock.notna() & ~naive), format="ISO8601", utc=True, errors="coerce"
    )
    times = times.astype("datetime64[us, UTC]")
    if asked.zone is not None:
        local = clock[naive].dt.tz_localize(asked.zone, ambiguous="NaT", nonexistent="NaT").dt.tz_convert("UTC")
        times = times.where(~naive, local.reindex(times.index))
    rows[column] = times
    odd = clock.isna() | (times.isna() & ~naive)
    words = f"{column} '" + texts + "' "
    silent = (texts == "") & (column == "made_at")
    _refuse(rows, odd & ~silent, words + "is not an ISO 8601 time like 2024-10-27T02:00+02:00")
    if asked.zone is None:
        _refuse(rows, naive, words + "has no offset and no time zone was stated")
    else:
        gone = f"does not exist once in {asked.zone} (clock change); write it with its offset"
        _refuse(rows, naive & times.isna(), words + gone)


def _judge_values(rows: pd.DataFrame) -> None:
    texts = rows["value_text"]
    empty, number = texts.isin(EMPTY), texts.str.contains(NUMBER)
    rows["value"] = pd.to_numeric(texts.where(number), errors="coerce").astype("float64")
    _refuse(rows, ~empty & ~number, "value '" + texts + "' is not a number; write digits with a decimal point")
    _refuse(rows, number & ~rows["value"].abs().lt(float("inf")), "value '" + texts + "' is absurdly large")


def _judge_repeats(rows: pd.DataFrame) -> None:
    """Whichever of two values is right, nobody here can know, so both are refused."""
    point = ["series", "valid_at", "made_at"]
    good = rows[rows["reason"] == ""]
    distinct = good.drop_duplicates([*point, "value"])
    clash = distinct[distinct.duplicated(point, keep=False)]
    if clash.empty:
        return
    keys = pd.MultiIndex.from_frame(clash[point].fillna({"made_at": pd.Timestamp(0, tz="UTC")}))
    mine = pd.MultiIndex.from_frame(rows[point].fillna({"made_at": pd.Timestamp(0, tz="UTC")}))
    twice = pd.Series(mine.isin(keys), index=rows.index)
    _refuse(rows, twice, "value '" + rows["value_text"] + "' is one of several for the same time; keep one row")


def _refuse(rows: pd.DataFrame, flawed: pd.Series, words: pd.Series | str) -> None:
    """Note the reason of rows that have none yet."""
    rows["reason"] = rows["reason"].mask(flawed & (rows["reason"] == ""), words)


def files_of(series: Series) -> list[Path]:
    """The files in the folder of the series' market, by name. Raises BadRequest where there is no folder."""
    if series.folder is None or not series.folder.is_dir():
        words = "its market names no folder" if series.folder is None else f"there is no folder {series.folder}"
        raise BadRequest(f"{series.id} from files: {words}; make it, or mend `folder` in sextant.toml.")
    return sorted(path for path in series.folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())


def points_of(path: Path, series: Sequence[Series]) -> tuple[pd.DataFrame, list[Refused]]:
    """What one file of a folder says of series of its market, by their keys. Raises SchemaChanged as a whole."""
    keys = {one.keys[SOURCE.name]: one for one in series}
    try:
        return read_file(path, keys, series[0].zone)
    except DataRefused as error:
        raise SchemaChanged(f"{', '.join(one.id for one in series)} from files: {error}") from error


class Files:
    """The folder of a market; a column, or a value in the column `series`, is a series."""

    name = "files"
    max_window = timedelta(days=36500)
    every = timedelta()

    def group(self, series: Series) -> str:
        """See Source.group: one question answers all."""
        return self.name

    def ready(self, _settings: Settings) -> str | None:
        """None: whether the folder is there is seen when it is read."""
        return None

    def fetch(self, series: Sequence[Series], window: Window, *, now: datetime, settings: Settings) -> pd.DataFrame:
        """All that the files say of the window, without the rows they are refused for. Raises as `points_of` does."""
        frames = [points_of(path, series)[0] for path in files_of(series[0])]
        points = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(POINT_COLUMNS))
        inside = (points["valid_at"] >= window.start) & (points["valid_at"] < window.end)
        return points[inside].reset_index(drop=True)


SOURCE = Files()
