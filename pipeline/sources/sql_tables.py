"""A series' key, such as "dam:HB_HOUSTON" -> which table, columns and point of the nine ERCOT tables hold it.

The tables keep what ERCOT publishes, in the schema ERCOT, stamped in local time without an offset.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from pipeline.errors import BadRequest
from pipeline.markets import Series
from pipeline.sources.ercot_tables import DAY_AHEAD_OUT

SCHEMA = "ERCOT"
NAME = "sqlserver"
FLAGS = ("dstflag", "dst_flag", "repeathourflag", "repeatedhourflag", "repeated_hour_flag")
"""Columns, in lower case, that mark the second (standard time) of the two hours with one name. A table may have one."""
HOUR, FIVE = timedelta(hours=1), timedelta(minutes=5)


class Clock(Enum):
    """How the time columns name an interval."""

    HOUR_ENDING = "a day and the hour that ends, 1 to 24"
    START = "a moment within the interval it begins; of two moments in one interval the later counts"
    END = "the end of the interval"


@dataclass(frozen=True)
class Table:
    """One of the nine tables; column names in the case of the documentation, found whatever the case.

    `columns` are those a key may name, or the one that holds values when `point` is the column that a key's
    second part is looked up in. `forecasts` among them are predictions of unstated age. Not `unique`: several rows
    have one stamp and nothing tells which is the newest (postings of an hour, contingencies of a constraint); then the
    largest value counts, so that the same rows always give the same answer. `published` is what the clock shows, the
    local day before, when values are out, where ERCOT's rules say so.
    """

    name: str
    clock: Clock
    time: tuple[str, ...]
    columns: tuple[str, ...]
    cadence: timedelta = HOUR
    point: str = ""
    forecasts: tuple[str, ...] = ()
    unique: bool = True
    published: timedelta | None = None


@dataclass(frozen=True)
class Question:
    """What is read for one series: a value column, and the point whose rows count ("": all rows)."""

    table: Table
    column: str
    point: str


_SOLAR = ("COP_HSL_SYSTEM_WIDE", "STPPF_SYSTEM_WIDE", "PVGRPP_SYSTEM_WIDE")
_PLACES = ("SYSTEM_WIDE", "LZ_SOUTH_HOUSTON", "LZ_WEST", "LZ_NORTH")
_WIND = tuple(f"{kind}_{place}" for kind in ("COP_HSL", "STWPF", "WGRPP") for place in _PLACES)
_ACTUAL_WIND = ("SYSTEM_WIDE_GEN", "SYSTEM_WIDE_HSL", *(f"GEN_{place}" for place in _PLACES[1:]))

TABLES: dict[str, Table] = {
    "load_forecast_zone": Table(
        "hist_ActualSystemLoadbyForecastZone",
        Clock.HOUR_ENDING,
        ("OperDay", "HourEnding"),
        ("NORTH", "SOUTH", "WEST", "HOUSTON", "TOTAL"),
    ),
    "load_zone": Table(
        "hist_ActualSystemLoadbyWeatherZone",
        Clock.HOUR_ENDING,
        ("OperDay", "HourEnding"),
        ("COAST", "EAST", "FAR_WEST", "NORTH", "NORTH_C", "SOUTHERN", "SOUTH_C", "WEST", "TOTAL"),
    ),
    "dam": Table(
        "hist_DAMSettlementPointPrices",
        Clock.HOUR_ENDING,
        ("DeliveryDate", "HourEnding"),
        ("SettlementPointPrice",),
        point="SettlementPoint",
        published=DAY_AHEAD_OUT,
    ),
    "lmp": Table(
        "hist_LMPbyResourceNodesLoadZonesandTradingHubs",
        Clock.START,
        ("SCEDTimestamp",),
        ("LMP",),
        cadence=FIVE,
        point="SettlementPoint",
    ),
    "rt_lmp": Table(
        "hist_RealTimeLMP", Clock.START, ("SCEDTimestamp",), ("LMP",), cadence=FIVE, point="SettlementPoint"
    ),
    "shadow_price": Table(
        "hist_SCEDShadowPricesandBindingTransmissionConstraints",
        Clock.START,
        ("SCEDTimeStamp",),
        ("ShadowPrice",),
        cadence=FIVE,
        point="ConstraintName",
        unique=False,
    ),
    "solar_5min": Table(
        "hist_SolarPowerProductionActual5MinuteAveragedValues",
        Clock.END,
        ("INTERVAL_ENDING",),
        ("SYSTEM_WIDE_GEN", "SYSTEM_WIDE_HSL"),
        cadence=FIVE,
        unique=False,
    ),
    "solar": Table(
        "hist_SolarPowerProductionHourlyAveragedActualandForecastedValues",
        Clock.HOUR_ENDING,
        ("DELIVERY_DATE", "HOUR_ENDING"),
        ("SYSTEM_WIDE_GEN", "SYSTEM_WIDE_HSL", *_SOLAR),
        forecasts=_SOLAR,
        unique=False,
    ),
    "wind": Table(
        "hist_WindPowerProductionHourlyAveragedActualandForecastedValues",
        Clock.HOUR_ENDING,
        ("DELIVERY_DATE", "HOUR_ENDING"),
        (*_ACTUAL_WIND, *_WIND),
        forecasts=_WIND,
        unique=False,
    ),
}


def question_of(series: Series) -> Question:
    """What to read for `series`. Raises BadRequest with the key to write instead.

    A forecast without the time of its posting may be younger than the hour it is for. Declared as measured it would
    count as known when that hour was over, so it is refused; of another kind it counts as known once it was seen.
    """
    name, _, rest = series.keys.get(NAME, "").partition(":")
    table = TABLES.get(name)
    if table is None or not rest.strip():
        usual = ", ".join(f"{key}:..." for key in TABLES)
        raise BadRequest(
            f'{series.id} has no key of the tables; write keys = {{ {NAME} = "..." }} with one of {usual}.'
        )
    if table.cadence != series.cadence:
        minutes = table.cadence // timedelta(minutes=1)
        raise BadRequest(
            f"{series.id}: {table.name} has a value every {minutes} minutes; write cadence_min = {minutes}."
        )
    if table.point:
        return Question(table, table.columns[0], rest.strip())
    column = next((one for one in table.columns if one.casefold() == rest.strip().casefold()), None)
    if column is None:
        known = ", ".join(table.columns)
        raise BadRequest(f"{series.id}: {table.name} has no column {rest!r}; write {name}: and one of {known}.")
    if column in table.forecasts and series.kind == "measured":
        raise BadRequest(
            f"{series.id}: {column} is a forecast without the time of its posting; as a measurement it would count "
            'as known too early, so write kind = "forecast".'
        )
    return Question(table, column, "")
