"""Today's Outlook of the California ISO -> five-minute demand and its forecasts of the system; needs no token.

A day is one table in local clock times without offsets, asked of `current` while it is today and of `history` after.
What follows its row of 23:55 (midnight of the next day) is left out. On the spring day the rows of the hour that does
not exist are blank, or not there. On the autumn day the rows of 01:00 to 01:55 are there once for an hour that passed
twice: nothing says which of the two they are of (nor would it, were they there twice), so neither is taken and both
stay holes.
"""

import csv
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pandas as pd

from pipeline.errors import BadRequest
from pipeline.markets import Series
from pipeline.settings import Settings
from pipeline.sources.answers import BrokenBody, changed, frame, not_yet
from pipeline.sources.base import Window, group_of
from pipeline.sources.http import client_for
from pipeline.sources.oasis import ZONE

CADENCE = timedelta(minutes=5)
DAY = timedelta(days=1)
COLUMNS = {"demand": "Current demand", "hour_ahead": "Hour ahead forecast", "day_ahead": "Day ahead forecast"}
ROWS, LAST = 288, "23:55"
CLOCKS_APART = timedelta(minutes=10)
BLOCKED_REMEDY = "the Outlook needs no token, so wait, ask less often, or ask from another network"


class CaisoOutlook:
    """The ISO's public chart of demand; one question a local day."""

    name = "caiso_outlook"
    max_window = timedelta(days=7)
    every = timedelta()

    def group(self, series: Series) -> str:
        """See Source.group: one question answers all; a series that cannot be asked for is alone."""
        return group_of(series, self.name, _check)

    def ready(self, settings: Settings) -> str | None:
        """See Source.ready."""
        return None

    def fetch(self, series: Sequence[Series], window: Window, *, now: datetime, settings: Settings) -> pd.DataFrame:
        """See Source.fetch. Of a forecast `made_at` is a moment when it certainly was out, once that has passed."""
        for one in series:
            _check(one)
        names = ", ".join(one.id for one in series)
        tables = [_ask(day, names, now, settings) for day in _days(window, now)]
        found = [_points(table, one, now) for table in tables for one in series]
        rows = pd.concat([frame(names), *found], ignore_index=True)
        rows = rows[rows["valid_at"].between(window.start, window.end, inclusive="left") & rows["value"].notna()]
        if rows.empty and window.start > now - min(one.cadence + one.delay for one in series):
            raise not_yet(names, self.name, window.start)
        return rows.reset_index(drop=True)


def _check(series: Series) -> None:
    key = series.keys.get(CaisoOutlook.name, "")
    if key not in COLUMNS:
        raise BadRequest(f"{series.id} has the key {key!r} for caiso_outlook; use one of {', '.join(COLUMNS)}.")
    kind = "measured" if key == "demand" else "forecast"
    if series.kind != kind or series.cadence != CADENCE:
        raise BadRequest(f"{series.id}: {key} of caiso_outlook needs kind = {kind!r} and cadence_min = 5; mend them.")


def _days(window: Window, now: datetime) -> list[date]:
    """The local days that the window touches, up to today: of tomorrow there is no table."""
    first, last = (
        moment.astimezone(ZoneInfo(ZONE)).date() for moment in (window.start, window.end - timedelta.resolution)
    )
    last = min(last, now.astimezone(ZoneInfo(ZONE)).date())
    return [first + n * DAY for n in range((last - first).days + 1)]


def _ask(day: date, names: str, now: datetime, settings: Settings) -> pd.DataFrame:
    """`valid_at` (UTC) and the COLUMNS of one day; no row where there is no table of it."""
    today = day == now.astimezone(ZoneInfo(ZONE)).date()
    folder = "current" if today else f"history/{day:%Y%m%d}"
    try:
        return client_for(settings).get(
            f"{settings.providers.caiso_outlook_url}/outlook/{folder}/demand.csv",
            source=CaisoOutlook.name,
            series=names,
            parse=partial(parse, day=day, now=now, names=names),
            # A cache in between would answer with an older table.
            params={"_": str(int(now.timestamp() * 1000))},
            auth_remedy=BLOCKED_REMEDY,
        )
    except BadRequest as refusal:
        if "HTTP 404" not in str(refusal):
            raise
    return _table([], day)


def parse(body: bytes, *, day: date, now: datetime, names: str) -> pd.DataFrame:
    """`valid_at` (UTC) and the COLUMNS (MW, NaN where blank) of the table of local `day`.

    No row when the table is of another day: demand measured after `now` shows that `current` is still yesterday's.
    Raises BrokenBody for a text that is cut off, SchemaChanged for another shape.
    """
    try:
        lines = [line for line in csv.reader(body.decode("utf-8-sig", errors="replace").splitlines()) if line]
    except csv.Error as error:
        raise changed(names, CaisoOutlook.name, "a file that is no table") from error
    missing = [name for name in ("Time", *COLUMNS.values()) if not lines or name not in lines[0]]
    if missing:
        raise changed(names, CaisoOutlook.name, f"no column {', '.join(missing)}")
    rows = _whole([dict(zip(lines[0], line, strict=False)) for line in lines[1:]], day, names)
    try:
        table = _table(rows, day)
    except (KeyError, ValueError) as error:
        words = f"a row that is not of a time and numbers ({str(error)[-60:]})"
        raise changed(names, CaisoOutlook.name, words) from error
    measured = table.loc[table["demand"].notna(), "valid_at"]
    return table.iloc[:0] if (measured > pd.Timestamp(now + CLOCKS_APART)).any() else table


def _whole(rows: list[dict[str, str]], day: date, names: str) -> list[dict[str, str]]:
    """The rows up to the day's last: of the clock's 24 hours, or of the 23 or 25 that passed."""
    last = max((number for number, row in enumerate(rows, 1) if row.get("Time") == LAST), default=0)
    if not last:
        raise BrokenBody(f"the table has {len(rows)} rows, none of {LAST}, and is cut off")
    begun, ended = (pd.Timestamp(one, tz=ZONE) for one in (day, day + DAY))
    passed = (ended - begun) // CADENCE
    if last not in (ROWS, passed):
        raise changed(names, CaisoOutlook.name, f"{last} rows up to {LAST} instead of {ROWS}")
    return rows[:last]


def _table(rows: Sequence[Mapping[str, str]], day: date) -> pd.DataFrame:
    clock = pd.to_datetime(pd.Series([f"{day} {row['Time']}" for row in rows], dtype="str"), format="%Y-%m-%d %H:%M")
    valid_at = clock.dt.tz_localize(ZONE, ambiguous="NaT", nonexistent="NaT").dt.tz_convert("UTC").dt.as_unit("us")
    values = {
        key: pd.Series([float(row[name] or "nan") for row in rows], dtype="float64") for key, name in COLUMNS.items()
    }
    return pd.DataFrame({"valid_at": valid_at, **values})[valid_at.notna()]


def _points(table: pd.DataFrame, series: Series, now: datetime) -> pd.DataFrame:
    key = series.keys[CaisoOutlook.name]
    made_at = _made_at(key, table["valid_at"])
    return frame(series.id, table["valid_at"], table[key], made_at.where(made_at <= now))


def _made_at(key: str, valid_at: pd.Series) -> pd.Series:
    """The start of the hour or day a forecast is for: a past day's table holds what stood there last, whenever."""
    made_at = pd.Series(pd.NaT, valid_at.index, dtype="datetime64[us, UTC]")
    if key == "hour_ahead":
        made_at = valid_at.dt.floor("h")
    elif key == "day_ahead":
        made_at = valid_at.dt.tz_convert(ZONE).dt.normalize().dt.tz_convert("UTC")
    return made_at


SOURCE = CaisoOutlook()
