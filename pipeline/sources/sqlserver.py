"""The nine ERCOT tables of your SQL server, read through any DB-API driver -> points.

Only the columns and the point that are asked for, only the days of the window, a page of rows at a time. The tables
have local stamps without an offset; a stamp of the repeated autumn hour counts only where a flag tells which of the two
it is. A real-time price of these tables is a five-minute price, whose hourly mean is near the price that is settled but
not it.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from pipeline.errors import SchemaChanged
from pipeline.markets import Series
from pipeline.settings import Settings
from pipeline.sources.answers import not_yet
from pipeline.sources.base import POINT_COLUMNS, Window
from pipeline.sources.ercot_clock import ZONE, day_ahead_at, flagged, localised, starts
from pipeline.sources.sql_clocks import local_bounds, moment_of
from pipeline.sources.sql_drivers import Database, database, lacking
from pipeline.sources.sql_tables import FLAGS, NAME, SCHEMA, Clock, Question, Table, question_of

PAGE = 20_000
Row = tuple[Any, ...]


class SqlServer:
    """Tables that somebody else fills; nothing of them is kept but the points."""

    name = NAME
    max_window = timedelta(days=31)
    every = timedelta()

    def group(self, series: Series) -> str:
        """See Source.group: one series a question."""
        return series.id

    def ready(self, settings: Settings) -> str | None:
        """See Source.ready."""
        return lacking(settings)

    def fetch(self, series: Sequence[Series], window: Window, *, now: datetime, settings: Settings) -> pd.DataFrame:
        """See Source.fetch.

        `made_at` of a day-ahead price is 13:30 Central of the day before, else NaT: of a forecast in these tables
        nobody knows when it was made, so it counts as known when it is first seen. The ambiguous hour is left out
        where nothing tells its two rows apart.
        """
        questions = {one: question_of(one) for one in series}
        names = ", ".join(one.id for one in series)
        with database(settings, subject=f"{names} from {NAME}") as opened:
            frames = [_fetched(opened, one, question, window, now) for one, question in questions.items()]
        found = pd.concat(frames, ignore_index=True)
        if found.empty and window.start > now - min(one.cadence + one.delay for one in series):
            raise not_yet(names, NAME, window.start)
        return found


def _fetched(opened: Database, series: Series, question: Question, window: Window, now: datetime) -> pd.DataFrame:
    """POINT_COLUMNS of one series inside the window."""
    names = _names(opened, series, question)
    parts = [_read(rows, question.table, names, series) for rows in _pages(opened, question, names, window, series)]
    found = pd.concat(parts, ignore_index=True) if parts else _read([], question.table, names, series)
    if question.table.clock is Clock.START:
        found["valid_at"] = found["valid_at"].dt.floor(question.table.cadence)
        found = found.drop_duplicates("valid_at", keep="last")
    found = found[found["valid_at"].between(window.start, window.end, inclusive="left")]
    made_at = pd.Series(pd.NaT, index=found.index, dtype="datetime64[us, UTC]")
    if question.table.published is not None:
        out = day_ahead_at(found["valid_at"], question.table.published)
        made_at = out.where(out <= pd.Timestamp(now))
    frame = found.assign(series=pd.Series(series.id, found.index, dtype="str"), made_at=made_at)
    return frame[list(POINT_COLUMNS)].reset_index(drop=True)


def _names(opened: Database, series: Series, question: Question) -> dict[str, str]:
    """What the columns we need are called in this table, by our name for them; the flag's is "flag", where it has one.

    Raises SchemaChanged naming what is missing.
    """
    table = question.table
    have = {name.casefold(): name for name in opened.columns(f"SELECT t.* FROM {_quoted(table.name)} AS t WHERE 1 = 0")}
    needed = [*table.time, question.column, *([table.point] if table.point else [])]
    missing = [name for name in needed if name.casefold() not in have]
    if missing:
        raise SchemaChanged(
            f"{series.id} from {NAME}: the table {table.name} has no column {', '.join(missing)}, only "
            f"{', '.join(have.values())}; add it, or take the series out of sextant.toml."
        )
    flag = next((have[name] for name in FLAGS if name in have), None)
    return {name: have[name.casefold()] for name in needed} | ({"flag": flag} if flag else {})


def _pages(
    opened: Database, question: Question, names: dict[str, str], window: Window, series: Series
) -> Iterator[list[Row]]:
    """Rows (time columns, flag if there is one, value) by time, about PAGE at once.

    A page ends where a stamp (of a day and an hour: a day) ends, and the next begins there with a question of its own,
    so that no answer is kept open for long and equal stamps stay together.
    """
    low, high = local_bounds(window.start, window.end, ZoneInfo(ZONE))
    day = question.table.clock is Clock.HOUR_ENDING
    if day:
        low, high = _midnight(low), _midnight(high) + timedelta(days=1)
    sql = _sql(question, names)
    while True:
        bounds = [low.date(), high.date()] if day else [low, high]
        values = [*bounds, *([question.point] if question.table.point else [])]
        rows, more = [], False
        with closing(opened.batches(sql, values)) as batches:
            for batch in batches:
                rows += batch
                more = len(rows) >= PAGE and _key(rows[-1], series) != _key(rows[0], series)
                if more:
                    break
        if not more:
            yield rows
            return
        last = _key(rows[-1], series)
        if last <= low:
            raise _changed(series, "stamps that are text in another order than time; store them as times")
        whole = next(n for n in range(len(rows), 0, -1) if _key(rows[n - 1], series) != last)
        yield rows[:whole]
        low = last


def _sql(question: Question, names: dict[str, str]) -> str:
    """Standard SQL with what is needed alone. Rows that say one thing twice are merged by the server."""
    table = question.table
    times = [f"[{names[name]}]" for name in table.time] + ([f"[{names['flag']}]"] if "flag" in names else [])
    value = f"[{names[question.column]}]"
    where = f"{times[0]} >= ? AND {times[0]} < ?" + (f" AND [{names[table.point]}] = ?" if table.point else "")
    if table.unique:
        return f"SELECT {', '.join(times)}, {value} FROM {_quoted(table.name)} WHERE {where} ORDER BY {times[0]}"
    grouped = f"SELECT {', '.join(times)}, MAX({value}) AS largest FROM {_quoted(table.name)} WHERE {where}"
    return f"{grouped} GROUP BY {', '.join(times)} ORDER BY {times[0]}"


def _read(rows: list[Row], table: Table, names: dict[str, str], series: Series) -> pd.DataFrame:
    """`valid_at` and `value` of rows, without those the clock does not tell. Raises SchemaChanged for odd cells."""
    columns = list(zip(*rows, strict=True)) or [()] * (len(table.time) + ("flag" in names) + 1)
    try:
        local = pd.Series([moment_of(one) for one in columns[0]], dtype="datetime64[us]")
        flags = pd.Series(columns[-2], dtype="object") if "flag" in names else None
        if table.clock is Clock.HOUR_ENDING:
            valid_at = starts(local.dt.strftime("%Y-%m-%d"), pd.Series(columns[1], dtype="object"), flags)
        else:
            valid_at = localised(local, None if flags is None else flagged(flags))
        value = pd.Series([_number(one) for one in columns[-1]], dtype="float64")
    except ValueError as error:
        raise _changed(series, str(error)) from error
    if table.clock is Clock.END:
        valid_at -= pd.Timedelta(table.cadence)
    found = pd.DataFrame({"valid_at": valid_at, "value": value})
    return found[found["valid_at"].notna()]


def _number(value: Any) -> float:
    """A float; null is NaN. Raises ValueError with words."""
    try:
        return float("nan") if value is None else float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{str(value)!r:.40} for a number") from error


def _key(row: Row, series: Series) -> datetime:
    """The stamp by which pages are cut, in whole seconds: a server may round finer ones on their way there and back."""
    try:
        return moment_of(row[0]).replace(microsecond=0)
    except ValueError as error:
        raise _changed(series, str(error)) from error


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _quoted(table: str) -> str:
    return f"[{SCHEMA}].[{table}]"


def _changed(series: Series, what: str) -> SchemaChanged:
    return SchemaChanged(
        f"{series.id} from {NAME}: its table has {what}; correct the table, it cannot be read like this."
    )


SOURCE = SqlServer()
