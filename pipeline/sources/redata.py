"""REData's real-time demand widget -> points of several Spanish series at once; needs no token.

The widget is asked in local wall-clock minutes, both ends included, and answers five-minute rows although
`time_trunc=hour` is required. Its `datetime` carries the offset, so the repeated autumn hour is told apart.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from pipeline.errors import BadRequest
from pipeline.markets import Series
from pipeline.settings import Settings
from pipeline.sources.answers import changed, decode_json, not_yet, points
from pipeline.sources.base import Window
from pipeline.sources.http import client_for

ZONE = ZoneInfo("Europe/Madrid")
PATH = "/es/datos/demanda/demanda-tiempo-real"
AREA = {"time_trunc": "hour", "geo_trunc": "electric_system", "geo_limit": "peninsular", "geo_ids": "8741"}
# The provider's words for a window without data, sent with status 400.
NOTHING_THERE = "no están disponibles"
BLOCKED_REMEDY = "REData needs no token, so wait, ask from another network, or set ESIOS_API_KEY to use esios"


class Redata:
    """REE's public data service; one answer holds real, forecast and programmed demand."""

    name = "redata"
    # No limit is documented; clients use 14 days and more of hourly rows, so a week of 5-minute rows is cautious.
    max_window = timedelta(days=7)
    every = timedelta()

    def group(self, series: Series) -> str:
        """See Source.group: one question answers all."""
        return self.name

    def ready(self, settings: Settings) -> str | None:
        """See Source.ready."""
        return None

    def fetch(self, series: Sequence[Series], window: Window, *, now: datetime, settings: Settings) -> pd.DataFrame:
        """See Source.fetch; `made_at` is NaT because REData does not date single values.

        A series the answer leaves out has no rows in the result.
        """
        wanted = {one: _key(one) for one in series}
        names = ", ".join(one.id for one in series)
        try:
            found = client_for(settings).get(
                settings.providers.redata_url + PATH,
                source=self.name,
                series=names,
                parse=partial(parse, wanted=wanted),
                params={**wall_clock(window), **AREA},
                headers={"Accept": "application/json"},
                auth_remedy=BLOCKED_REMEDY,
            )
        except BadRequest as refusal:
            if NOTHING_THERE not in str(refusal):
                raise
            found = points(names, [])
        found = found[found["valid_at"].between(window.start, window.end, inclusive="left")]
        due = now - min(one.cadence + one.delay for one in series)
        if found.empty and window.start > due:
            raise not_yet(names, self.name, window.start)
        return found.reset_index(drop=True)


def wall_clock(window: Window) -> dict[str, str]:
    """`start_date` and `end_date` (inclusive, Madrid, minutes) that cover `window`.

    An end inside the repeated autumn hour has two meanings, so it is moved outwards until it has one.
    """
    hour, minute = timedelta(hours=1), timedelta(minutes=1)
    return {
        "start_date": _unambiguous(window.start, -hour),
        "end_date": _unambiguous(window.end - minute, hour),
    }


def _unambiguous(moment: datetime, step: timedelta) -> str:
    local = moment.astimezone(ZONE)
    while local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset():
        moment += step
        local = moment.astimezone(ZONE)
    return f"{local:%Y-%m-%dT%H:%M}"


def parse(body: bytes, *, wanted: Mapping[Series, str]) -> pd.DataFrame:
    """Points (POINT_COLUMNS) of the `wanted` series, each with the REData id of its indicator, in one answer.

    Raises BrokenBody for what is no JSON, SchemaChanged for JSON of another shape.
    """
    names = ", ".join(one.id for one in wanted)
    document = decode_json(body)
    included = document.get("included") if isinstance(document, dict) else None
    if not isinstance(included, list) or not all(isinstance(part, dict) and "id" in part for part in included):
        raise changed(names, Redata.name, "no list `included` of parts with an `id`")
    parts = {str(part["id"]): part for part in included}
    if parts and not parts.keys() & set(wanted.values()):
        raise changed(names, Redata.name, f"no part {', '.join(wanted.values())}, only {', '.join(sorted(parts))}")
    frames = [_part(parts[key], one) for one, key in wanted.items() if key in parts]
    return pd.concat(frames, ignore_index=True) if frames else points(names, [])


def _part(part: Mapping[str, Any], series: Series) -> pd.DataFrame:
    attributes = part.get("attributes")
    rows = attributes.get("values") if isinstance(attributes, dict) else None
    if not isinstance(rows, list):
        raise changed(series.id, Redata.name, "a part without a list `attributes.values`")
    try:
        return points(series.id, rows)
    except ValueError as error:
        raise changed(series.id, Redata.name, str(error)) from error


def _key(series: Series) -> str:
    key = series.keys.get(Redata.name)
    if key is None:
        raise BadRequest(f"{series.id} is not part of REData's widget; remove it or use esios (set ESIOS_API_KEY).")
    return key


SOURCE = Redata()
