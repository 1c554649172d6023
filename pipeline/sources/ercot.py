"""ERCOT's public API -> points of Texas: loads, settlement point prices, forecasts (needs an account).

One answer holds all zones of a report, so what was read for one series is kept for the others of the same run; the next
run, a process of its own, begins with nothing. Load by zone is reported once a day for the day before; ERCOT's hourly
display fills the hours since.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pandas as pd

from pipeline.markets import Series
from pipeline.settings import Settings
from pipeline.sources import ercot_api as api
from pipeline.sources.answers import not_yet
from pipeline.sources.base import Window
from pipeline.sources.ercot_display import completed
from pipeline.sources.ercot_kept import Kept
from pipeline.sources.ercot_login import REMEDY, Tokens
from pipeline.sources.ercot_tables import KINDS, asked_for, due, pieces, points_of

# Each hour is posted about once an hour for a week: the postings of so many days fit two pages.
POSTED_PIECE = timedelta(days=5)
KEPT_TABLES = 1024


class Ercot:
    """ERCOT's public API; token and tables are shared by all series of one ingest, which is a process of its own."""

    name = api.NAME
    # The quarter-hours of 90 days fit one page.
    max_window = timedelta(days=90)
    every = timedelta(minutes=9)

    def __init__(self, tokens: Tokens | None = None) -> None:
        self._tokens, self._kept = tokens or Tokens(), Kept(KEPT_TABLES)

    def group(self, series: Series) -> str:
        """See Source.group: one series a question."""
        return series.id

    def ready(self, settings: Settings) -> str | None:
        """See Source.ready."""
        told = settings.providers
        given = {
            "ERCOT_USERNAME": told.ercot_username,
            "ERCOT_PASSWORD": told.ercot_password,
            "ERCOT_SUBSCRIPTION_KEY": told.ercot_subscription_key,
        }
        missing = [name for name, value in given.items() if not value]
        if missing:
            return f"ercot needs an account: set {', '.join(missing)} (register at https://apiexplorer.ercot.com)."
        key = given["ERCOT_SUBSCRIPTION_KEY"] or ""
        if not (key.isascii() and key.isprintable() and key == key.strip()):
            return f"ERCOT_SUBSCRIPTION_KEY holds blanks or characters no key has; {REMEDY}."
        return None

    def fetch(self, series: Sequence[Series], window: Window, *, now: datetime, settings: Settings) -> pd.DataFrame:
        """See Source.fetch.

        `made_at` of a forecast is its posting, of several the last one at least six hours before the hour; of a
        day-ahead price 13:30 Central of the day before; else NaT.
        """
        return pd.concat([self._one(one, window, now, settings) for one in series], ignore_index=True)

    def _one(self, series: Series, window: Window, now: datetime, settings: Settings) -> pd.DataFrame:
        name, area = asked_for(series, self.name, api.REPORTS)
        kind = KINDS[name]
        point = area if kind.areas is None else ""
        parts = []
        for piece in pieces(window, POSTED_PIECE if kind.posted else self.max_window, due(series, now)):
            found = self._table(series.id, name, point, piece, now, settings)
            parts.append(points_of(found, series, (name, area), piece, now, self.name))
        if not parts or (all(part.empty for part in parts) and window.start > now - series.cadence - series.delay):
            raise not_yet(series.id, self.name, window.start)
        return pd.concat(parts, ignore_index=True)

    def _table(
        self, names: str, name: str, point: str, window: Window, now: datetime, settings: Settings
    ) -> pd.DataFrame:
        """What all areas of a report share is kept; the prices of one point are asked for once anyway."""

        def ask() -> pd.DataFrame:
            found = api.read(name, point, window, now, settings, self._tokens, names)
            return completed(found, window, now, settings, self.name, names) if name == "load" else found

        return ask() if point else self._kept.of((settings, name, window, now), ask)


SOURCE = Ercot()
