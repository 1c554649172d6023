"""A table of ERCOT, whichever way it came -> facts: valid_at, made_at and numbers by plain column names.

The same report names its columns differently in the public API, in files and on pages, and promises no order: so
columns are found by name, without case, blanks and underlines.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from pipeline.errors import BadRequest
from pipeline.markets import Series
from pipeline.planning import cut
from pipeline.sources.answers import changed, frame
from pipeline.sources.base import Window
from pipeline.sources.ercot_clock import day_ahead_at, stamps, starts

Areas = Mapping[str, tuple[str, ...]]

DAYS = ("deliverydate", "operatingday", "operday")
HOURS = ("hourending", "deliveryhour")
POINTS = ("settlementpoint", "settlementpointname")
PRICE, POINT_TYPE, FLAG, QUARTER = "settlementpointprice", "settlementpointtype", "dstflag", "deliveryinterval"
POSTED, PUBLISHED, IN_USE = "posteddatetime", "published", "inuseflag"
WEATHER_ZONES: Areas = {
    "COAST": ("coast",), "EAST": ("east",), "FWEST": ("farwest",), "NORTH": ("north",),
    "NCENT": ("northc", "northcentral"), "SOUTH": ("southern",), "SCENT": ("southc", "southcentral"),
    "WEST": ("west",), "TOTAL": ("total", "systemtotal"),
}  # fmt: skip
FORECAST_ZONES: Areas = {name.upper(): (name,) for name in ("north", "south", "west", "houston", "total")}
# A forecast is that of the last posting at least this long before its hour, so that it was known when the hour was
# the sixth ahead: in training as in service, and a value never changes after its hour has come near.
LAST_WORD = timedelta(hours=6)
DAY_AHEAD_OUT = timedelta(hours=13, minutes=30)
HOUR, QUARTER_HOUR = timedelta(hours=1), timedelta(minutes=15)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kind:
    """What the first half of a key asks for.

    `areas` are the columns by the second half of the key, or None where it is a settlement point. `posted`: each
    hour comes in many postings; of a `forecast` the last word counts, else the newest value. `fills` are the kinds of
    series that may be filled from it: a forecast taken for a measurement would count as known too early.
    """

    areas: Areas | None
    quarters: bool = False
    posted: bool = False
    forecast: bool = False
    fills: tuple[str, ...] = ("measured",)


KINDS = {
    "load": Kind(WEATHER_ZONES),
    "load_fzn": Kind(FORECAST_ZONES),
    "dam": Kind(None, fills=("price", "forecast")),
    "rtm": Kind(None, quarters=True),
    "load_forecast": Kind(WEATHER_ZONES, posted=True, forecast=True, fills=("forecast",)),
    "wind": Kind({"SYSTEM": ("gensystemwide",)}, posted=True),
    "wind_forecast": Kind({"SYSTEM": ("stwpfsystemwide",)}, posted=True, forecast=True, fills=("forecast",)),
    "solar": Kind({"SYSTEM": ("gensystemwide",)}, posted=True),
    "solar_forecast": Kind({"SYSTEM": ("stppfsystemwide",)}, posted=True, forecast=True, fills=("forecast",)),
}


def asked_for(series: Series, source: str, known: Mapping[str, object]) -> tuple[str, str]:
    """The halves of the key of `series`, such as load and COAST.

    Raises BadRequest for a key that says nothing, or that cannot fill a series of its kind and cadence.
    """
    key = series.keys.get(source, "")
    name, _, area = key.partition(":")
    areas = KINDS[name].areas if name in known and name in KINDS else None
    if name not in known or not area or (areas is not None and area not in areas):
        can = f"{name}:{' or '.join(areas)}" if areas is not None else " or ".join(f"{one}:..." for one in known)
        raise BadRequest(f"{series.id} has the key {source} = {key!r}, which {source} does not know; write {can}.")
    fits(series, f"{name} of {source}", KINDS[name].fills, QUARTER_HOUR if KINDS[name].quarters else HOUR)
    return name, area


def fits(series: Series, what: str, kinds: tuple[str, ...], cadence: timedelta) -> None:
    """Raise BadRequest when `what` cannot fill `series`: it comes as one of `kinds`, every `cadence`."""
    if series.kind not in kinds:
        write = " or ".join(f'kind = "{one}"' for one in kinds)
        raise BadRequest(f"{series.id} is of kind {series.kind!r}, which {what} cannot fill; write {write}.")
    if series.cadence != cadence:
        minutes = cadence // timedelta(minutes=1)
        raise BadRequest(f"{series.id}: {what} has a value every {minutes} minutes; write cadence_min = {minutes}.")


def due(series: Series, now: datetime) -> datetime:
    """No value of `series` that starts at this moment or later is there at `now`."""
    return now if series.kind == "measured" else now + series.ahead + series.cadence


def pieces(window: Window, widest: timedelta, latest: datetime) -> list[Window]:
    """`window` up to `latest`, in windows of at most `widest`; none when it begins later."""
    return cut([Window(window.start, min(window.end, latest))], widest)


def plain(name: object) -> str:
    """A column's name as it is compared."""
    return str(name).strip().replace("_", "").replace(" ", "").lower()


def facts(table: pd.DataFrame, kind: Kind) -> pd.DataFrame:
    """`table` by plain names, with `valid_at` (UTC start) and `made_at`.

    `made_at` is when a row of postings was posted, in Central clock time, or when its file was `published` (UTC); else
    NaT. Rows of an hour that the clock never shows or that nothing tells apart are left out, which the log says.
    Raises ValueError with words for what is odd.
    """
    table = table.rename(columns=plain).reset_index(drop=True)
    twice = table.columns[table.columns.duplicated()]
    if len(twice):
        raise ValueError(f"two columns {twice[0]}")
    found = pd.DataFrame(index=table.index)
    repeated = table[FLAG] if FLAG in table else pd.Series("N", index=table.index)
    quarters = table[_named(table, (QUARTER,))] if kind.quarters else None
    found["valid_at"] = starts(table[_named(table, DAYS)], table[_named(table, HOURS)], repeated, quarters)
    found["made_at"] = _made_at(table, kind)
    for names in [(PRICE,)] if kind.areas is None else kind.areas.values():
        found[names[0]] = _numbers(table, _named(table, names))
    if kind.areas is None:
        found["point"] = table[_named(table, POINTS)].astype("str").str.strip()
        found["type"] = table[POINT_TYPE].astype("str").str.strip() if POINT_TYPE in table else ""
    kept = found["valid_at"].notna()
    if not kept.all():
        row = table[~kept].iloc[0]
        hour = f"{row[_named(table, DAYS)]} hour ending {row[_named(table, HOURS)]}"
        words = "Rows of ERCOT left out: %d, the first of %s, which the clock never shows or does not tell apart."
        _log.warning(words, (~kept).sum(), hour)
    if IN_USE in table:
        kept &= table[IN_USE].astype("str").str.strip().str.lower().isin(["true", "y", "1"])
    return found[kept].reset_index(drop=True)


def nothing(kind: Kind) -> pd.DataFrame:
    """Facts of a table without rows."""
    texts = ["point", "type"] if kind.areas is None else []
    names = [PRICE] if kind.areas is None else [names[0] for names in kind.areas.values()]
    types = dict.fromkeys(("valid_at", "made_at"), "datetime64[us, UTC]")
    types |= dict.fromkeys(names, "float64") | dict.fromkeys(texts, "str")
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in types.items()})


def _made_at(table: pd.DataFrame, kind: Kind) -> pd.Series:
    if not kind.posted:
        return pd.Series(pd.NaT, table.index, dtype="datetime64[us, UTC]")
    return table[PUBLISHED] if PUBLISHED in table else stamps(table[_named(table, (POSTED,))])


def known(found: pd.DataFrame, kind: Kind, now: datetime) -> pd.DataFrame:
    """One row for each `valid_at` of what was posted by `now`: the last word of a forecast, else the newest value."""
    if not kind.posted:
        return found
    latest = pd.Series(pd.Timestamp(now), index=found.index)
    if kind.forecast:
        last_word = found["valid_at"] - LAST_WORD
        latest = last_word.where(last_word < latest, latest)
    column = next(iter(kind.areas.values()))[0] if kind.areas else PRICE
    rows = found[(found["made_at"] <= latest) & found[column].notna()].sort_values("made_at", kind="stable")
    return rows.drop_duplicates("valid_at", keep="last").sort_values("valid_at", ignore_index=True)


def points_of(
    found: pd.DataFrame, series: Series, key: tuple[str, str], window: Window, now: datetime, source: str
) -> pd.DataFrame:
    """POINT_COLUMNS of `series` within `window`; a day-ahead price that is out before its hour has no `made_at`.

    A load zone's real-time price comes twice, as itself and weighted by energy (LZEW): the first is meant. Raises
    SchemaChanged when only other types came.
    """
    name, area = key
    kind = KINDS[name]
    column = PRICE
    if kind.areas is None:
        found = _of_point(found, area, series, source)
    else:
        column = kind.areas[area][0]
    found = found[found["valid_at"].between(window.start, window.end, inclusive="left")]
    made_at = found["made_at"] if kind.forecast else None
    if name == "dam":
        out = day_ahead_at(found["valid_at"], DAY_AHEAD_OUT)
        made_at = out.where(out <= pd.Timestamp(now))
    return frame(series.id, found["valid_at"], found[column], made_at)


def _of_point(found: pd.DataFrame, area: str, series: Series, source: str) -> pd.DataFrame:
    mine = found[found["point"] == area]
    told = mine[(mine["type"] == "LZ") | (mine["type"] == "")] if area.startswith("LZ_") else mine
    if len(mine) and told.empty:
        only = ", ".join(sorted(set(mine["type"])))
        raise changed(series.id, source, f"no rows of type LZ, only {only}")
    return told


def _named(table: pd.DataFrame, names: tuple[str, ...]) -> str:
    for name in names:
        if name in table:
            return name
    raise ValueError(f"no column {' or '.join(names)}, only {', '.join(map(str, table.columns)):.150}")


def _numbers(table: pd.DataFrame, name: str) -> pd.Series:
    try:
        numbers = pd.to_numeric(table[name], errors="coerce").astype("float64")
    except (OverflowError, TypeError) as error:
        raise ValueError(f"a {name} that is no number of a table") from error
    texts = table[name].astype("str").str.strip().str.lower()
    odd = numbers.isna() & table[name].notna() & ~texts.isin(["", "null", "nan", "none"])
    if odd.any():
        raise ValueError(f"a {name} that is not a number ({str(table[name][odd].iloc[0])!r:.40})")
    return numbers
