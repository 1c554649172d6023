"""The data behind ERCOT's public dashboards (no key, undocumented) -> demand of Texas and its day-ahead forecast.

They hold yesterday, today and tomorrow only. `timestamp` is the end of the hour, with its offset, so that the repeated
autumn hour is told apart.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pandas as pd

from pipeline.errors import BadRequest, NotYetPublished
from pipeline.markets import Series
from pipeline.settings import Settings
from pipeline.sources.answers import changed, decode_json, points
from pipeline.sources.base import Window
from pipeline.sources.ercot_tables import fits
from pipeline.sources.http import client_for

NAME = "ercot_dashboard"
PATH = "/api/1/services/read/dashboards/"
HOUR = timedelta(hours=1)
Rows = list[dict[str, Any]]


class ErcotDashboard:
    """Hourly demand, the operator's day-ahead forecast, and demand every five minutes, of the whole system."""

    name = NAME
    # It answers the same three days whatever is asked.
    max_window = timedelta(days=366)
    every = timedelta()

    def group(self, series: Series) -> str:
        """See Source.group: one series a question."""
        return series.id

    def ready(self, settings: Settings) -> str | None:
        """See Source.ready."""
        return None

    def fetch(self, series: Sequence[Series], window: Window, *, now: datetime, settings: Settings) -> pd.DataFrame:
        """See Source.fetch; `made_at` is NaT because the dashboards do not date single values.

        Raises NotYetPublished for a window outside the days shown.
        """
        return pd.concat([_one(one, window, settings) for one in series], ignore_index=True)


def _one(series: Series, window: Window, settings: Settings) -> pd.DataFrame:
    key = series.keys.get(NAME, "").partition(":")[2]
    if key not in SHOWN:
        shown = " or ".join(f"dashboard:{name}" for name in SHOWN)
        raise BadRequest(f"{series.id} has no key that {NAME} knows; write {shown}.")
    page, rows_of, kind, cadence = SHOWN[key]
    fits(series, f"{key} of {NAME}", (kind,), cadence)
    found = client_for(settings).get(
        f"{settings.providers.ercot_public_url}{PATH}{page}.json",
        source=NAME,
        series=series.id,
        parse=partial(parse, series=series.id, rows_of=rows_of),
    )
    found = found[found["valid_at"].between(window.start, window.end, inclusive="left")]
    if found.empty:
        raise NotYetPublished(
            f"{series.id} from {NAME}: nothing from {window.start:%Y-%m-%d %H:%M} UTC on; it shows yesterday, today "
            "and tomorrow only, so ask again later for what is new."
        )
    return found.reset_index(drop=True)


def parse(body: bytes, *, series: str, rows_of: Callable[[Any], Rows]) -> pd.DataFrame:
    """Points (POINT_COLUMNS) of one dashboard.

    Raises BrokenBody for what is no JSON, SchemaChanged for JSON of another shape.
    """
    document = decode_json(body)
    try:
        return points(series, rows_of(document))
    except KeyError as error:
        raise changed(series, NAME, f"no {error.args[0]}") from error
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise changed(series, NAME, f"rows of another shape ({error})") from error


def _hours(column: str, document: Any) -> Rows:
    """Hours of all days shown; those to come have no load yet, and tomorrow may not be shown at all."""
    days = [document["previousDay"], document["currentDay"], document.get("nextDay") or {"data": []}]
    rows = [row for day in days for row in day["data"]]
    told = [row for row in rows if column in row]
    if rows and not told:
        raise KeyError(column)
    ends = [datetime.fromisoformat(row["timestamp"]) for row in told]
    return [{"datetime": (end - HOUR).isoformat(), "value": row[column]} for end, row in zip(ends, told, strict=True)]


def _readings(document: Any) -> Rows:
    """Readings of demand every five minutes; the rest of the rows are ERCOT's forecast."""
    rows = [row for row in document["data"] if not row["forecast"]]
    return [{"datetime": datetime.fromisoformat(row["timestamp"]).isoformat(), "value": row["demand"]} for row in rows]


SHOWN: dict[str, tuple[str, Callable[[Any], Rows], str, timedelta]] = {
    "load": ("loadForecastVsActual", partial(_hours, "systemLoad"), "measured", HOUR),
    "day_ahead": ("loadForecastVsActual", partial(_hours, "dayAheadForecast"), "forecast", HOUR),
    "demand": ("supply-demand", _readings, "measured", timedelta(minutes=5)),
}
SOURCE = ErcotDashboard()
