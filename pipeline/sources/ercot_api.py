"""A kind of facts and a window -> the pages of one report of ERCOT's public API, as one table."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pandas as pd

from pipeline.errors import AuthRefused, BadRequest, Transient
from pipeline.settings import Settings
from pipeline.sources.answers import changed, decode_json
from pipeline.sources.base import Window
from pipeline.sources.ercot_clock import around, days_of
from pipeline.sources.ercot_login import REMEDY, Tokens
from pipeline.sources.ercot_tables import KINDS, LAST_WORD, facts, known, nothing
from pipeline.sources.http import client_for

NAME = "ercot"
PATH = "/api/public-reports"
SECRETS = frozenset({"authorization", "ocp-apim-subscription-key"})
PAGE_ROWS = 10_000
MOST_PAGES = 500
# Thirty requests a minute are allowed and no Retry-After is sent, so wait for a good part of the minute.
SLOW_DOWN_S = 20.0
_SLOW_DOWN = re.compile(rb'"error_key"\s*:\s*"throttled"')
# Postings looked through around the hours of a window, should some not have come.
SLACK = timedelta(hours=12)
Page = tuple[pd.DataFrame, int, int]


@dataclass(frozen=True)
class Report:
    """Where the API has a kind, the name of its field for days, and what else is asked."""

    path: str
    day: str = "deliveryDate"
    extra: Mapping[str, str] = field(default_factory=dict)


WIND = Report("/np4-732-cd/wpp_hrly_avrg_actl_fcast")
SOLAR = Report("/np4-737-cd/spp_hrly_avrg_actl_fcast")
REPORTS = {
    "load": Report("/np6-345-cd/act_sys_load_by_wzn", "operatingDay"),
    "load_fzn": Report("/np6-346-cd/act_sys_load_by_fzn", "operatingDay"),
    "dam": Report("/np4-190-cd/dam_stlmnt_pnt_prices"),
    "rtm": Report("/np6-905-cd/spp_node_zone_hub"),
    "load_forecast": Report("/np3-565-cd/lf_by_model_weather_zone", extra={"inUseFlag": "true"}),
    "wind": WIND,
    "wind_forecast": WIND,
    "solar": SOLAR,
    "solar_forecast": SOLAR,
}


def read(
    name: str, point: str, window: Window, now: datetime, settings: Settings, tokens: Tokens, names: str
) -> pd.DataFrame:
    """Facts (see ercot_tables.facts) of `window` as posted by `now`, all areas of the report or one `point`.

    `names` is whom errors speak of. Raises SourceError.
    """
    kind, params = KINDS[name], _params(name, point, window, now)
    pages, read_rows, total, last, number = [], 0, 0, 1, 0
    while number < last:
        number += 1
        table, total, last = _page(REPORTS[name].path, params | {"page": str(number)}, settings, tokens, names)
        if last > MOST_PAGES:
            raise changed(names, NAME, f"{last:,} pages")
        pages += [table] if len(table) else []
        read_rows += len(table)
    if read_rows < total:
        raise Transient(f"{names} from {NAME}: {read_rows:,} of {total:,} rows came on {last} pages; try again later.")
    if not pages:
        return nothing(kind)
    try:
        return known(facts(pd.concat(pages, ignore_index=True), kind), kind, now)
    except ValueError as error:
        raise changed(names, NAME, str(error)) from error


def _params(name: str, point: str, window: Window, now: datetime) -> dict[str, str]:
    report, kind = REPORTS[name], KINDS[name]
    first, last = days_of(window)
    params = {f"{report.day}From": first, f"{report.day}To": last, "size": str(PAGE_ROWS), **report.extra}
    if point:
        params["settlementPoint"] = point
        if kind.quarters and point.startswith("LZ_"):
            params["settlementPointType"] = "LZ"
    if kind.posted:
        first, last = around(*_posted(kind.forecast, window, now))
        params |= {"postedDatetimeFrom": first, "postedDatetimeTo": last}
    return params


def _posted(forecast: bool, window: Window, now: datetime) -> tuple[datetime, datetime]:
    """The postings that may hold the last word on a window's hours, or their newest values."""
    if forecast:
        return min(window.start - LAST_WORD, now) - SLACK, min(window.end - LAST_WORD, now)
    return window.start, min(window.end + SLACK, now)


def _page(path: str, params: Mapping[str, str], settings: Settings, tokens: Tokens, names: str) -> Page:
    """One page; a refused token is renewed once, and a 400 that comes now and then for no reason is asked again."""
    token = tokens.token(settings, NAME, names)
    ask = partial(_ask, path, params, settings, names)
    try:
        return ask(token)
    except AuthRefused as error:
        if "HTTP 401" not in str(error):
            raise
        tokens.forget(settings, token)
    except BadRequest as error:
        if "HTTP 400" not in str(error):
            raise
    return ask(tokens.token(settings, NAME, names))


def _ask(path: str, params: Mapping[str, str], settings: Settings, names: str, token: str) -> Page:
    return client_for(settings).get(
        settings.providers.ercot_url + PATH + path,
        source=NAME,
        series=names,
        parse=partial(parse, names=names),
        params=params,
        headers={
            "Accept": "application/json",
            "Authorization": f"Bearer {token}",
            "Ocp-Apim-Subscription-Key": settings.providers.ercot_subscription_key or "",
        },
        secrets=SECRETS,
        auth_remedy=REMEDY,
        slow_down=_slow_down,
    )


def _slow_down(body: bytes) -> float | None:
    return SLOW_DOWN_S if _SLOW_DOWN.search(body[:300]) else None


def parse(body: bytes, *, names: str) -> Page:
    """(The rows of one page by the names of its fields, rows of all pages, how many pages there are).

    Raises BrokenBody for what is no JSON, SchemaChanged for JSON of another shape.
    """
    document = decode_json(body)
    meta = document.get("_meta") if isinstance(document, dict) else None
    total, last = (
        (meta.get(name) for name in ("totalRecords", "totalPages")) if isinstance(meta, dict) else (None, None)
    )
    if not isinstance(total, int) or not isinstance(last, int):
        raise changed(names, NAME, "no `_meta` with totalRecords and totalPages")
    rows = document.get("data")
    if rows is None or rows == []:
        return pd.DataFrame(), total, last
    columns = _columns(document.get("fields"))
    if (
        not columns
        or not isinstance(rows, list)
        or not all(isinstance(row, list) and len(row) == len(columns) for row in rows)
    ):
        raise changed(names, NAME, "rows that do not fit its list `fields`")
    return pd.DataFrame(rows, columns=columns), total, last


def _columns(fields: Any) -> list[str]:
    if not isinstance(fields, list) or not all(isinstance(one, dict) and "name" in one for one in fields):
        return []
    return [str(one["name"]) for one in fields]
