"""Real data files -> hourly histories with their test and validation windows, in the pipeline's own types.

Cleaning, the same for every contender: values outside the bounds, hours that the publisher's screening doubts and
jumps of over 15 % of the median that are taken back within the hour are dropped, which makes them missing, never
repaired. Hours become known five minutes after they end and are issued upon twelve minutes after; a day-ahead
forecast is known twelve hours before the hour it is for.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from benchmarks.victoria import elecdemand
from pipeline import features
from pipeline.exogenous import Exogenous
from pipeline.features import Actuals, Built
from pipeline.recipe import TAILS
from pipeline.settings import ROOT
from pipeline.windows import WINDOW_HOURS, History, Times, Versions

DATA = ROOT.parent / "shared" / "data"
SPIKE = 0.15
TRAINING = np.timedelta64(3 * 365, "D")
HOUR = np.timedelta64(1, "h")
KNOWN_AFTER, ISSUED_AFTER, AHEAD = np.timedelta64(65, "m"), np.timedelta64(72, "m"), np.timedelta64(-12, "h")
WINDOWS = ("validation", "test")


@dataclass(frozen=True)
class Period:
    """Origins, datetime64[h] UTC: learn from [train_from, first), forecast [first, last]."""

    train_from: np.datetime64
    first: np.datetime64
    last: np.datetime64


@dataclass(frozen=True)
class Dataset:
    """One hourly series with what a desk would know beside it.

    hourly: mean of each hour in MW by UTC hour (naive index), NaN where missing; history: the same, known
    five minutes after the hour, with real tails where `tails` (else they equal the hour's mean).
    operator: its forecast, known long before; weather: name -> observed hourly values, known like the history.
    periods: "test" and, for choosing, "validation", the same length just before it.
    """

    name: str
    title: str
    zone: str
    country: str
    hourly: pd.Series
    history: History
    operator: Versions | None
    weather: Mapping[str, Versions]
    tails: bool
    periods: Mapping[str, Period]

    def built(self, window: str, *, operator: bool = False, weather: bool = False) -> Built:
        """Feature rows of all origins of the window, training first; which further series are inputs is asked for."""
        origins = self.origins(window)
        inputs = [Exogenous("operator", "forecast", True, self.operator)] if operator else []
        if weather:
            inputs += [Exogenous(name, "measured", False, versions) for name, versions in self.weather.items()]
        return features.build(
            self.history,
            origins,
            as_of(origins),
            zone=self.zone,
            country=self.country,
            operator=self.operator,
            inputs=inputs,
        )

    def without_tails(self) -> "Dataset":
        """The same set for somebody who has hourly means only."""
        mean = dict.fromkeys(TAILS, self.history.value)
        return replace(self, history=replace(self.history, **mean), tails=False)

    def actuals(self, window: str) -> Actuals:
        """y[T+h] of the same origins and when it became known."""
        origins = self.origins(window)
        return features.training_actuals(self.history, origins, as_of=as_of(origins[-1:])[0] + 24 * HOUR)

    def origins(self, window: str) -> Times:
        """Every hour from the first origin to learn from to the last one tested, datetime64[h] UTC."""
        period = self.periods[window]
        hours: Times = np.arange(period.train_from, period.last + HOUR)
        return hours


def as_of(origins: Times) -> Times:
    """When each origin is issued, datetime64[us] UTC."""
    return origins.astype("datetime64[us]") + ISSUED_AFTER


def load(name: str, *, quick: bool = False) -> Dataset:
    """The set called `name` (one of NAMES); `quick` shortens its periods to 120 days of lessons and two weeks.

    Raises KeyError for another name and FileNotFoundError without the data.
    """
    dataset = _READERS[name]()
    if not quick:
        return dataset
    day = np.timedelta64(24, "h")
    short = {key: Period(p.first - 120 * day, p.first, p.first + 14 * day) for key, p in dataset.periods.items()}
    return replace(dataset, periods=short)


def hourly_dataset(
    name: str,
    title: str,
    frame: pd.DataFrame,
    *,
    zone: str,
    country: str,
    bounds: tuple[float, float],
    test_months: int,
) -> Dataset:
    """A set from `frame`: UTC-indexed hours, column load and optionally operator, last_05.. and weather columns."""
    frame = frame.asfreq("h")
    load = _plausible(frame["load"].astype("float64"), bounds)
    known = set(TAILS) & set(frame)
    tails = {tail: frame[tail] if tail in known else load for tail in TAILS}
    hours = frame.index.tz_localize(None).to_numpy().astype("datetime64[h]")
    there = load.notna().to_numpy()
    history = History(
        valid_at=hours[there],
        value=load.to_numpy()[there],
        known_at=hours[there].astype("datetime64[us]") + KNOWN_AFTER,
        **{tail: values.to_numpy(dtype=np.float64)[there] for tail, values in tails.items()},
    )
    weather = [column for column in frame if column not in {"load", "operator", *known}]
    return Dataset(
        name=name,
        title=title,
        zone=zone,
        country=country,
        hourly=pd.Series(load.to_numpy(), index=pd.DatetimeIndex(hours)),
        history=history,
        operator=_versions(frame["operator"], AHEAD) if "operator" in frame else None,
        weather={column: _versions(frame[column], KNOWN_AFTER) for column in weather},
        tails=bool(known),
        periods=_periods(hours[there], test_months),
    )


def _plausible(load: pd.Series, bounds: tuple[float, float]) -> pd.Series:
    load = load.where(load.between(*bounds))
    there, back = load.diff(), load.diff().shift(-1)
    limit = SPIKE * load.median()
    spike = (there.abs() > limit) & (back.abs() > limit) & (np.sign(there) != np.sign(back))
    return load.mask(spike)


def _versions(values: pd.Series, known_after: np.timedelta64) -> Versions:
    values = values.dropna()
    hours = values.index.tz_localize(None).to_numpy().astype("datetime64[h]")
    return Versions(
        valid_at=hours,
        value=values.to_numpy(dtype=np.float64),
        known_at=hours.astype("datetime64[us]") + known_after,
    )


def _periods(hours: Times, months: int) -> dict[str, Period]:
    """The last `months` months (to the nearest start of a month) of origins, and as many before them for choosing."""
    begin = hours[0] + np.timedelta64(WINDOW_HOURS, "h")
    last = hours[-1] - 6 * HOUR
    end = (hours[-1] + np.timedelta64(15, "D")).astype("datetime64[M]")
    tested, chosen = ((end - np.timedelta64(months * k, "M")).astype("datetime64[h]") for k in (1, 2))
    return {
        "test": Period(max(begin, tested - TRAINING), tested, last),
        "validation": Period(max(begin, chosen - TRAINING), chosen, tested - 7 * HOUR),
    }


def _spain_hourly() -> Dataset:
    frame = pd.read_parquet(DATA / "spain_hourly_2015_2018.parquet").set_index("ts_utc")
    cities = pd.read_parquet(DATA / "spain_weather_2015_2018.parquet")
    frame = frame.rename(columns={"load_actual_mw": "load", "load_forecast_tso_mw": "operator"})
    frame["temperature"] = cities.groupby("ts_utc")["temp_k"].mean() - 273.15
    frame = frame.drop(columns="price_actual_eur_mwh")
    where = {"zone": "Europe/Madrid", "country": "ES", "bounds": (15_000.0, 50_000.0)}
    return hourly_dataset("spain_hourly", "Spain 2015-18", frame, **where, test_months=12)


def _spain_5min() -> Dataset:
    frame = pd.read_parquet(DATA / "spain_5min.parquet").set_index("ts_utc").astype("float64")
    hour = frame.index.floor("h")
    whole = frame.groupby(hour)["load_mw"].count() == 12
    means = frame.groupby(hour).mean()
    wide = pd.DataFrame({"load": means["load_mw"].where(whole), "operator": means["forecast_mw"]})
    for minutes in (5, 15, 30):
        late = frame["load_mw"][frame.index.minute >= 60 - minutes]
        wide[f"last_{minutes:02}"] = late.groupby(late.index.floor("h")).mean()
    where = {"zone": "Europe/Madrid", "country": "ES", "bounds": (12_000.0, 50_000.0)}
    return hourly_dataset("spain_5min", "Spain 5-minute feed", wide, **where, test_months=12)


def _eia(area: str, title: str, zone: str, bounds: tuple[float, float]) -> Callable[[], Dataset]:
    def read() -> Dataset:
        frame = pd.read_parquet(DATA / "eia930_hourly.parquet", filters=[("ba", "==", area)]).set_index("ts_utc")
        # The cleaned column fills doubtful hours with hindsight; there the hour counts as missing.
        load = frame["demand_raw_mw"].where(frame["screen_class"] == "OKAY")
        wide = pd.DataFrame({"load": load, "operator": frame["forecast_da_mw"].where(frame["forecast_da_mw"] > 0)})
        name = "caiso" if area == "CISO" else f"eia_{area.lower()}"
        return hourly_dataset(name, title, wide, zone=zone, country="US", bounds=bounds, test_months=12)

    return read


def _caiso_2023() -> Dataset:
    rows = pd.read_parquet(DATA / "caiso_load_hourly.parquet", filters=[("zone", "==", "CISO")]).set_index("ts_utc")
    where = {"zone": "America/Los_Angeles", "country": "US", "bounds": (10_000.0, 60_000.0)}
    return hourly_dataset(
        "caiso_2023", "CAISO 2023", rows[["demand_raw_mw"]].set_axis(["load"], axis=1), **where, test_months=12
    )


def _ercot() -> Dataset:
    frame = pd.read_parquet(DATA / "ercot_load_hourly.parquet").set_index("ts_utc")[["ERCOT"]]
    where = {"zone": "America/Chicago", "country": "US", "bounds": (20_000.0, 100_000.0)}
    return hourly_dataset("ercot", "ERCOT", frame.set_axis(["load"], axis=1), **where, test_months=6)


def _victoria() -> Dataset:
    where = {"zone": "Etc/GMT-10", "country": "AU-VIC", "bounds": (1_000.0, 12_000.0)}
    return hourly_dataset("victoria", "Victoria 2014", elecdemand(), **where, test_months=3)


_READERS: Mapping[str, Callable[[], Dataset]] = {
    "spain_hourly": _spain_hourly,
    "spain_5min": _spain_5min,
    "caiso": _eia("CISO", "CAISO", "America/Los_Angeles", (10_000.0, 60_000.0)),
    "ercot": _ercot,
    "eia_pjm": _eia("PJM", "PJM (EIA-930)", "America/New_York", (40_000.0, 200_000.0)),
    "eia_miso": _eia("MISO", "MISO (EIA-930)", "America/Chicago", (30_000.0, 160_000.0)),
    "victoria": _victoria,
    "caiso_2023": _caiso_2023,
}
NAMES = tuple(_READERS)
"""The seven sets of the targets, then a fresh one that nothing was ever chosen on."""
COUNTED = NAMES[:-1]
