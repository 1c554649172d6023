"""(store, moment) -> what a grid operator has published by then, revisions included."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

ZONE = "Europe/Madrid"
SLOT = pd.Timedelta(minutes=5)
PRICE_OUT = timedelta(hours=13, minutes=15)


@dataclass(frozen=True)
class Revision:
    """From `visible_from` on, `column` at `valid_at` reads `value`."""

    column: str
    valid_at: pd.Timestamp
    value: float
    visible_from: pd.Timestamp


class Publication:
    """The store seen through a clock: demand `lag` after each slot, plans to the end of the local day,
    prices of D from D-1 13:15 local."""

    def __init__(self, store: pd.DataFrame, *, lag: timedelta, price_step: int) -> None:
        self._store, self._lag = store, pd.Timedelta(lag)
        self._price_step = f"{price_step}min"
        self._revisions: list[Revision] = []

    def revise(self, column: str, valid_at: datetime, value: float, visible_from: datetime) -> None:
        """Register a value that replaces another from a moment on."""
        self._revisions.append(Revision(column, pd.Timestamp(valid_at), value, pd.Timestamp(visible_from)))

    def values(self, column: str, start: pd.Timestamp, end: pd.Timestamp, now: datetime) -> pd.Series:
        """Published values of `column` with `start` <= valid_at <= `end`, ascending, absent ones left out."""
        moment = pd.Timestamp(now)
        rows = self._store.loc[start : min(end, self.newest(column, moment)), column].copy()
        for one in self._revisions:
            if one.column == column and one.visible_from <= moment and one.valid_at in rows.index:
                rows[one.valid_at] = one.value
        if column == "price":
            rows = rows[rows.index == rows.index.floor(self._price_step)]
        return rows.dropna()

    def newest(self, column: str, moment: pd.Timestamp) -> pd.Timestamp:
        """The newest slot of `column` published at `moment`."""
        if column == "load":
            return (moment - self._lag - SLOT).floor(SLOT)
        local = moment.tz_convert(ZONE)
        known_days = 1
        if column == "price" and local.hour * 60 + local.minute >= PRICE_OUT.total_seconds() / 60:
            known_days = 2
        midnight = (local.tz_localize(None).normalize() + pd.Timedelta(days=known_days)).tz_localize(ZONE)
        return midnight.tz_convert("UTC") - SLOT
