"""ESIOS `/indicators/{id}` answers -> points of Spanish series (needs ESIOS_API_KEY).

Format notes that the code depends on: `datetime_utc` is wrong in the repeated autumn hour, so only `datetime`
(it has its offset) is read; `time_trunc` sums five-minute megawatts, so it is never sent; prices answer several
countries at once, so the geography is filtered again here.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pandas as pd

from pipeline.errors import BadRequest
from pipeline.markets import Series
from pipeline.settings import Settings
from pipeline.sources.answers import changed, decode_json, not_yet, points
from pipeline.sources.base import Window
from pipeline.sources.http import client_for

ZONE = "Europe/Madrid"
QUARTER = timedelta(minutes=15)
PENINSULA = 8741
SPAIN = 3
# Market prices are published by country; everything else we read is peninsular.
PRICE_INDICATORS = frozenset({"600", "612", "613", "614"})
SECRETS = frozenset({"x-api-key"})
ACCEPT = "application/json; application/vnd.esios-api-v2+json"
TOKEN_REMEDY = "set ESIOS_API_KEY to a token REE has issued (request one at https://api.esios.ree.es)"


class Esios:
    """REE's information system of the system operator."""

    name = "esios"
    max_window = timedelta(days=30)
    every = timedelta()

    def group(self, series: Series) -> str:
        """See Source.group: one series a question."""
        return series.id

    def ready(self, settings: Settings) -> str | None:
        """See Source.ready."""
        token = settings.providers.esios_api_key
        if not token:
            return f"esios needs a token: {TOKEN_REMEDY}."
        if not (token.isascii() and token.isprintable() and token == token.strip()):
            return f"ESIOS_API_KEY holds blanks or characters no token has; {TOKEN_REMEDY}."
        return None

    def fetch(self, series: Sequence[Series], window: Window, *, now: datetime, settings: Settings) -> pd.DataFrame:
        """See Source.fetch; `made_at` is NaT because ESIOS does not date single values.

        Values finer than the series' cadence (quarter-hourly prices since 2025) become the means of
        complete intervals; an interval that lacks a value is left out.
        """
        return pd.concat([_fetch_one(one, window, now, settings) for one in series], ignore_index=True)


def _fetch_one(series: Series, window: Window, now: datetime, settings: Settings) -> pd.DataFrame:
    indicator = series.keys.get(Esios.name)
    if indicator is None:
        raise BadRequest(f"{series.id} has no ESIOS indicator; add keys.esios to it in sextant.toml.")
    start = pd.Timestamp(window.start).floor(series.cadence)
    # The end is inclusive there.
    end = pd.Timestamp(window.end).ceil(series.cadence) - pd.Timedelta(seconds=1)
    geo = SPAIN if indicator in PRICE_INDICATORS else PENINSULA
    found = client_for(settings).get(
        f"{settings.providers.esios_url}/indicators/{indicator}",
        source=Esios.name,
        series=series.id,
        parse=partial(parse, series=series, indicator=indicator, geo=geo),
        params={"start_date": start.isoformat(), "end_date": end.isoformat(), "geo_ids[]": str(geo), "locale": "es"},
        headers={
            "Accept": ACCEPT,
            "Content-Type": "application/json",
            "x-api-key": settings.providers.esios_api_key or "",
        },
        secrets=SECRETS,
        auth_remedy=TOKEN_REMEDY,
    )
    found = found[found["valid_at"].between(window.start, window.end, inclusive="left")]
    due = now if series.kind != "measured" else now - series.cadence - series.delay
    if found.empty and window.start > due:
        raise not_yet(series.id, Esios.name, window.start)
    return found


def parse(body: bytes, *, series: Series, indicator: str, geo: int) -> pd.DataFrame:
    """Points (POINT_COLUMNS) in the JSON of one indicator, rows of `geo` only.

    Raises BrokenBody for what is no JSON, SchemaChanged for JSON of another shape.
    """
    rows = _rows(decode_json(body), series, indicator)
    kept = [row for row in rows if row["geo_id"] == geo]
    if rows and not kept:
        geos = sorted({str(row["geo_id"]) for row in rows})
        raise changed(series.id, Esios.name, f"no rows of geography {geo}, only of {', '.join(geos)}")
    try:
        found = points(series.id, kept)
    except ValueError as error:
        raise changed(series.id, Esios.name, str(error)) from error
    return _coarsened(found, series)


def _rows(document: Any, series: Series, indicator: str) -> list[dict[str, Any]]:
    found = document.get("indicator") if isinstance(document, dict) else None
    rows = found.get("values") if isinstance(found, dict) else None
    if not isinstance(found, dict) or not isinstance(rows, list):
        raise changed(series.id, Esios.name, "no object `indicator` with a list `values`")
    if str(found.get("id")) != indicator:
        raise changed(series.id, Esios.name, f"indicator {found.get('id')} instead of {indicator}")
    if not all(isinstance(row, dict) and "geo_id" in row for row in rows):
        raise changed(series.id, Esios.name, "a row without `geo_id`")
    return rows


def _coarsened(found: pd.DataFrame, series: Series) -> pd.DataFrame:
    """Local days with rows on the quarter-hour grid -> means of complete slots; all other rows unchanged.

    Decided by local day because the price grid changed at a local midnight: 24 rows on 2024-12-31, 96 the day
    after. Repeated rows count once (the last); one null makes the slot null.
    """
    valid_at = found["valid_at"]
    slot, day = valid_at.dt.floor(series.cadence), valid_at.dt.tz_convert(ZONE).dt.date
    quarterly = valid_at == valid_at.dt.floor(QUARTER)
    fine = quarterly & day.isin(set(day[quarterly & (valid_at != slot)]))
    if not fine.any():
        return found
    rows = found[fine].drop_duplicates("valid_at", keep="last")
    groups = rows.groupby(slot)["value"]
    means = groups.mean(skipna=False)[groups.size() == series.cadence // QUARTER]
    whole = rows[rows["valid_at"].isin(means.index)]
    coarsened: pd.DataFrame = pd.concat(
        [found[~fine], whole.assign(value=whole["valid_at"].map(means))], ignore_index=True
    )
    return coarsened


SOURCE = Esios()
