"""ERCOT's hourly display of load by weather zone -> the hours that the daily report does not have yet."""

import logging
import re
from datetime import date, datetime, timedelta
from functools import partial
from html import unescape
from zoneinfo import ZoneInfo

import pandas as pd

from pipeline.errors import SourceError
from pipeline.settings import Settings
from pipeline.sources.answers import BrokenBody, changed
from pipeline.sources.base import Window
from pipeline.sources.ercot_clock import ZONE
from pipeline.sources.ercot_tables import KINDS, facts
from pipeline.sources.http import client_for

PATH = "/content/cdr/html/{day:%Y%m%d}_actual_loads_of_weather_zones.html"
# The report of a day comes early on the next, so nothing older needs to be filled.
FILLED_DAYS = 2
HOUR = pd.Timedelta(hours=1)
_ROW, _CELL = re.compile(r"<tr\b[^>]*>(.*?)</tr>", re.S | re.I), re.compile(r"<t[dh]\b[^>]*>(.*?)</t[dh]>", re.S | re.I)
_TAG = re.compile(r"<[^>]+>")

_log = logging.getLogger(__name__)


def completed(
    found: pd.DataFrame, window: Window, now: datetime, settings: Settings, source: str, names: str
) -> pd.DataFrame:
    """`found` (facts of the kind load) and what the displays of today and yesterday have beyond it.

    A display that fails leaves `found` as it is, unless that is empty: then its SourceError is raised.
    """
    for day in _days(found, window, now):
        try:
            shown = _ask(day, settings, source, names)
        except SourceError as error:
            if found.empty:
                raise
            _log.warning("%s The hours since the last report are missing.", error)
            continue
        found = pd.concat([found, shown[~shown["valid_at"].isin(found["valid_at"])]], ignore_index=True)
    return found


def _days(found: pd.DataFrame, window: Window, now: datetime) -> list[date]:
    """The Central days whose ended hours within `window` are not all in `found`."""
    local = now.astimezone(ZoneInfo(ZONE))
    first = (local - timedelta(days=FILLED_DAYS - 1)).replace(hour=0, minute=0, second=0, microsecond=0)
    start, ended = pd.Timestamp(max(window.start, first)).tz_convert("UTC").ceil("h"), pd.Timestamp(now) - HOUR
    hours = pd.date_range(start, window.end, freq="h", inclusive="left").as_unit("us")
    hours = hours[hours <= ended]
    missing = hours[~hours.isin(found["valid_at"])].tz_convert(ZONE)
    return sorted(set(missing.date))


def _ask(day: date, settings: Settings, source: str, names: str) -> pd.DataFrame:
    return client_for(settings).get(
        settings.providers.ercot_public_url + PATH.format(day=day),
        source=source,
        series=names,
        parse=partial(parse, source=source, names=names),
        page=True,
    )


def parse(body: bytes, *, source: str, names: str) -> pd.DataFrame:
    """Facts of the kind load in one page; none just after midnight.

    Raises BrokenBody for a page that was cut off, SchemaChanged for a page with another table.
    """
    text = body.decode("utf-8", errors="replace")
    if "</html>" not in text.lower():
        raise BrokenBody(f"the page of {len(body)} bytes is not complete")
    rows = [[_text(cell) for cell in _CELL.findall(row)] for row in _ROW.findall(text)]
    heads = [number for number, row in enumerate(rows) if "Hour Ending" in row]
    if not heads:
        raise changed(names, source, "no table with a column Hour Ending")
    header, lines = rows[heads[0]], [row for row in rows[heads[0] + 1 :] if row]
    if any(len(line) != len(header) for line in lines):
        raise changed(names, source, "rows that do not fit the header of its table")
    try:
        return facts(pd.DataFrame(lines, columns=header, dtype="str"), KINDS["load"])
    except ValueError as error:
        raise changed(names, source, str(error)) from error


def _text(cell: str) -> str:
    return " ".join(unescape(_TAG.sub(" ", cell)).split())
