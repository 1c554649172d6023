"""Parquet files or arithmetic -> what ERCOT knows; (store, moment) -> its reports, as of then, by their API's names."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

ZONE = "America/Chicago"
ZONES = ("COAST", "EAST", "FWEST", "NORTH", "NCENT", "SOUTH", "SCENT", "WEST")
POINTS = ("HB_HOUSTON", "HB_HUBAVG", "HB_NORTH", "HB_SOUTH", "HB_WEST", "LZ_HOUSTON", "LZ_NORTH")
API_LOAD = ("coast", "east", "farWest", "north", "northC", "southern", "southC", "west", "total")
API_FORECAST = ("coast", "east", "farWest", "north", "northCentral", "southern", "southCentral", "west", "systemTotal")
FORECAST_ZONES = ("north", "south", "west", "houston")
Days = Callable[[pd.DataFrame], pd.DataFrame]
QUARTER, HOUR, DAY = pd.Timedelta("15min"), pd.Timedelta("1h"), pd.Timedelta("1D")
# Distances of the quarters from their hour: multiples of a power of two, so that the mean is exact.
QUARTERS = (1.5, -0.5, -2.25, 1.25)
LOAD_OUT, DAM_OUT = timedelta(hours=5, minutes=50), timedelta(hours=12, minutes=45)
SHOWN_AFTER, RTM_AFTER = timedelta(minutes=10), timedelta(minutes=1)
POSTED_AT = pd.Timedelta("30min")
AHEAD, BACK = pd.Timedelta("7D"), pd.Timedelta("48h")


@dataclass(frozen=True)
class Store:
    """Frames with UTC index: `load` (hourly, ZONES and ERCOT, MW), `dam` (hourly) and `rtm` (quarters) by point in
    USD/MWh, `plants` (hourly, wind and solar, MW). NaN = never published."""

    load: pd.DataFrame
    dam: pd.DataFrame
    rtm: pd.DataFrame
    plants: pd.DataFrame

    @cached_property
    def told(self) -> dict[str, pd.DataFrame]:
        """The labels of the rows of each frame, and when a day's report is out (`out`, UTC)."""
        found = {name: labels(pd.DatetimeIndex(getattr(self, name).index)) for name in ("load", "dam", "rtm")}
        found["load"]["out"] = at(found["load"]["day"] + DAY, LOAD_OUT)
        found["dam"]["out"] = at(found["dam"]["day"] - DAY, DAM_OUT)
        return found


def real_store(load: Path, prices: Path, start: str, end: str) -> Store:
    """ERCOT's own loads and prices of [start, end); wind and sun are invented."""
    loads = pd.read_parquet(load).set_index("ts_utc")[[*ZONES, "ERCOT"]].astype("float64")
    rows = pd.read_parquet(prices)
    dam, rtm = (
        rows.pivot(index="ts_utc", columns="settlement_point", values=column)[list(POINTS)].astype("float64")
        for column in ("dam_spp", "rtm_spp_hourly_mean")
    )
    index = pd.date_range(start, end, freq="h", inclusive="left", tz="UTC").as_unit("us")
    return _store(*(frame.reindex(index) for frame in (loads, dam, rtm)))


def invented_store(start: str, end: str) -> Store:
    """Smooth invented loads and prices of [start, end), no two hours alike."""
    index = pd.date_range(start, end, freq="h", inclusive="left", tz="UTC").as_unit("us")
    hour = index.as_unit("s").asi8 / 3600.0
    wave = np.sin(2 * np.pi * hour / 24)
    load = pd.DataFrame(
        {zone: np.round(2000.0 * (k + 1) + 300 * wave + hour % 97, 2) for k, zone in enumerate(ZONES)}, index
    )
    load["ERCOT"] = load.sum(axis=1).round(2)
    dam = pd.DataFrame({point: np.round(30 + k + 12 * wave + hour % 7, 2) for k, point in enumerate(POINTS)}, index)
    return _store(load, dam, np.round(dam * 1.1 - 4.0, 2))


def _store(load: pd.DataFrame, dam: pd.DataFrame, rtm: pd.DataFrame) -> Store:
    quarters = pd.DataFrame(
        np.repeat(rtm.to_numpy(), 4, axis=0) + np.tile(QUARTERS, len(rtm))[:, None],
        index=pd.date_range(rtm.index[0], periods=4 * len(rtm), freq=QUARTER).as_unit("us"),
        columns=rtm.columns,
    )
    hour = rtm.index.as_unit("s").asi8 / 3600.0
    sun = np.maximum(0.0, np.sin(2 * np.pi * (hour - 13) / 24))
    plants = pd.DataFrame({"wind": 9000 + hour % 701, "solar": np.round(14_000 * sun, 1)}, index=rtm.index)
    return Store(load, dam, quarters, plants)


def revised(store: Store, column: str, valid_at: str, value: float) -> Store:
    """The same store with another load of one hour."""
    load = store.load.copy()
    load.loc[pd.Timestamp(valid_at), column] = value
    return replace(store, load=load)


def labels(index: pd.DatetimeIndex) -> pd.DataFrame:
    """Day (Central midnight, naive), hour ending 1 to 24 and whether it is the repeated hour, by UTC start."""
    local = index.tz_convert(ZONE).tz_localize(None)
    earlier = (index - HOUR).tz_convert(ZONE).tz_localize(None)
    return pd.DataFrame({"day": local.normalize(), "hour": local.hour + 1, "repeated": earlier == local}, index)


def at(days: pd.Series, clock: timedelta) -> pd.Series:
    """UTC moments at which the clock shows `clock` on `days`."""
    return (days + clock).dt.tz_localize(ZONE, ambiguous=True, nonexistent="shift_forward").dt.tz_convert("UTC")


def loads(store: Store, now: pd.Timestamp, *, shown: bool = False) -> pd.DataFrame:
    """Loads as reported a day late, or as `shown` hour by hour; with day, hour and repeated."""
    told = store.told["load"]
    out = told["out"] if not shown else told.index + HOUR + SHOWN_AFTER
    return store.load[out <= now].dropna(how="all").join(told)


def day_ahead(store: Store, now: pd.Timestamp) -> pd.DataFrame:
    """Prices of all days that are out."""
    told = store.told["dam"]
    return store.dam[told["out"] <= now].join(told)


def real_time(store: Store, now: pd.Timestamp) -> pd.DataFrame:
    """Prices of all quarters that are over, with their number."""
    rows = store.rtm[store.rtm.index + QUARTER + RTM_AFTER <= now]
    return rows.join(store.told["rtm"]).assign(quarter=rows.index.minute // 15 + 1)


def guess(values: np.ndarray, lead_h: np.ndarray) -> np.ndarray:
    """What a posting `lead_h` before an hour says of its value: 0.1 % too much for each hour of lead."""
    return np.asarray(np.round(values * (1.0 + 0.001 * np.maximum(0.0, lead_h)), 2))


def postings(
    frame: pd.DataFrame, first: pd.Timestamp, last: pd.Timestamp, now: pd.Timestamp, days: Days = lambda rows: rows
) -> pd.DataFrame:
    """One row for each posting at half past the hour within [first, last] and each hour of `days` it speaks of.

    Columns posted and lead (hours), the hour's values, and its labels; index UTC start.
    """
    start = (first - POSTED_AT).ceil("h") + POSTED_AT
    posted = pd.date_range(start, min(last, now), freq="h").as_unit("us")
    begin = (posted - BACK).min() if len(posted) else first
    hours = frame[(frame.index >= begin) & (frame.index <= last + AHEAD)]
    told = days(hours.join(labels(pd.DatetimeIndex(hours.index))))
    which = np.repeat(np.arange(len(posted)), len(told))
    rows = told.iloc[np.tile(np.arange(len(told)), len(posted))].assign(posted=posted[which])
    lead = (rows.index - rows["posted"]) / HOUR
    return rows.assign(lead=lead)[(lead > -BACK / HOUR) & (lead < AHEAD / HOUR)]
