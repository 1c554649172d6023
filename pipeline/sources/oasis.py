"""A run of OASIS and the zip it answers with -> rows of (place, valid_at, value), or the SourceError it means.

OASIS tells of errors in an XML file inside a zip with status 200, so nothing but the content can be trusted: rows come
in any order, with runs, places and items that were not asked for.
"""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO

import numpy as np
import pandas as pd

from pipeline.errors import BadRequest
from pipeline.sources.answers import BrokenBody, changed, check_years
from pipeline.sources.zips import OddZip, only_file

NAME, ZONE = "caiso", "America/Los_Angeles"
HOUR, QUARTER, FIVE = timedelta(hours=1), timedelta(minutes=15), timedelta(minutes=5)
START, END = "INTERVALSTARTTIME_GMT", "INTERVALENDTIME_GMT"
GMT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[-+]00:00"
WAIT_AFTER_VIOLATION_S = 12.0
# A month of five-minute prices of one node is about 9 MB and 45,000 rows. Short rows would take most memory.
MOST_BYTES, MOST_ROWS = 64 * 1024 * 1024, 500_000
NO_DATA, TOO_WIDE, STILL_MADE = "1000", "1004", "1015"


@dataclass(frozen=True)
class Run:
    """One kind of rows: how it is asked for, what it is told by, which kinds of series it may fill.

    `asked` are the parameters of the question, `place` the parameter and `column` the column that say where, `value`
    the column of the number. A day's values are public at `hour` o'clock local `days` before that day; None: an
    interval's when it is over.
    """

    query: str
    version: str
    asked: Mapping[str, str]
    item: str
    cadence: timedelta
    kinds: tuple[str, ...]
    what: str
    days: int | None = None
    hour: int = 0
    place: str = "tac_area_name"
    column: str = "TAC_AREA_NAME"
    value: str = "MW"

    def made_at(self, valid_at: pd.Series) -> pd.Series:
        """When values for `valid_at` (UTC) were public at the latest by the rule (UTC)."""
        made_at: pd.Series = valid_at + self.cadence
        if self.days is not None:
            midnight = valid_at.dt.tz_convert(ZONE).dt.tz_localize(None).dt.normalize()
            at = midnight - pd.Timedelta(days=self.days) + pd.Timedelta(hours=self.hour)
            made_at = at.dt.tz_localize(ZONE).dt.tz_convert("UTC")
        return made_at.astype("datetime64[us, UTC]")


def _load(run: str, item: str, cadence: timedelta, what: str, days: int | None = None, **more: str) -> Run:
    kinds = ("measured",) if run == "ACTUAL" else ("forecast",)
    # The day-ahead forecast is out at about 9:10; an hour later nobody can have had it too early.
    return Run("SLD_FCST", "1", {"market_run_id": run, **more}, item, cadence, kinds, what, days, 10)


def _price(
    query: str, version: str, run: str, cadence: timedelta, kinds: tuple[str, ...], what: str, **more: str
) -> Run:
    # Results of the day-ahead market are due at 13:00.
    days = 1 if run == "DAM" else None
    return Run(
        query, version, {"market_run_id": run}, "LMP_PRC", cadence, kinds, what, days, 14, "node", "NODE", **more
    )


RUNS: Mapping[str, Run] = {
    "ACTUAL": _load("ACTUAL", "SYS_FCST_ACT_MW", HOUR, "the measured hourly load"),
    "DAM": _load("DAM", "SYS_FCST_DA_MW", HOUR, "the day-ahead load forecast", 1),
    "2DA": _load("2DA", "SYS_FCST_2DA_MW", HOUR, "the load forecast two days ahead", 2),
    "7DA": _load("7DA", "SYS_FCST_7DA_MW", HOUR, "the load forecast seven days ahead", 7),
    "RTPD": _load("RTM", "SYS_FCST_15MIN_MW", QUARTER, "the 15-minute load forecast", execution_type="RTPD"),
    "RTD": _load("RTM", "SYS_FCST_5MIN_MW", FIVE, "the five-minute load forecast", execution_type="RTD"),
    "lmp:DAM": _price("PRC_LMP", "12", "DAM", HOUR, ("price", "forecast"), "the day-ahead price"),
    "lmp:RTM": _price("PRC_INTVL_LMP", "3", "RTM", FIVE, ("measured",), "the real-time price", value="VALUE"),
}
"""By the part of a key before its place: `DAM:PGE-TAC`, `lmp:DAM:TH_NP15_GEN-APND`. The five-minute item of the
real-time market is a forecast, whatever its name suggests, so no measured series may be filled from it."""


def slow_down(body: bytes) -> float | None:
    """Seconds to wait when the body says that we asked too often, which OASIS does with status 200 or 429."""
    return WAIT_AFTER_VIOLATION_S if b"Acceptable Use Policy" in body[:4096] else None


def parse(body: bytes, *, run: Run, names: str) -> pd.DataFrame:
    """Rows of `run` in a zipped answer: place, valid_at (UTC, start of the interval), value (NaN where empty).

    No row when OASIS has no data. Raises BrokenBody for what is no whole zip and for reports still being made,
    BadRequest with the provider's words, SchemaChanged for a report of another shape.
    """
    try:
        name, content = only_file(body, most=MOST_BYTES)
    except OddZip as error:
        raise changed(names, NAME, str(error)) from error
    if name.lower().endswith(".xml"):
        _refuse(content, names)
        return pd.DataFrame({"place": [], "valid_at": pd.DatetimeIndex([], tz="UTC"), "value": []})
    table = _of_run(_table(content, run, names), run, names)
    starts, ends = (_times(table[column], names) for column in (START, END))
    odd = ends - starts != run.cadence
    if odd.any():
        raise changed(
            names, "caiso", f"an interval of {ends[odd].iloc[0] - starts[odd].iloc[0]} instead of {run.cadence}"
        )
    values = _numbers(table[run.value], names)
    return pd.DataFrame({"place": table[run.column], "valid_at": starts, "value": values}).reset_index(drop=True)


def _refuse(content: bytes, names: str) -> None:
    """Raise what an error report means; return when it says that there is no data."""
    code, words = (_element(content, tag) for tag in ("ERR_CODE", "ERR_DESC"))
    if code == NO_DATA:
        return
    if code == STILL_MADE:
        raise BrokenBody(f"error {code}, {words.rstrip('.')}")
    if not code:
        raise changed(names, NAME, "an XML file without an error code")
    remedy = "ask for at most 30 days" if code == TOO_WIDE else "correct the key of the series in sextant.toml"
    raise BadRequest(f"{names} from {NAME}: error {code}, {words.rstrip('.')}; {remedy}.")


def _element(content: bytes, tag: str) -> str:
    found = re.search(rf"<(?:\w+:)?{tag}>(.*?)</", content.decode("utf-8", errors="replace"), re.DOTALL)
    return " ".join(html.unescape(found[1]).split())[:200] if found else ""


def _table(content: bytes, run: Run, names: str) -> pd.DataFrame:
    """The cells we need as text."""
    needed = {START, END, "MARKET_RUN_ID", "XML_DATA_ITEM", run.column, run.value}
    try:
        table = pd.read_csv(
            BytesIO(content), usecols=needed.__contains__, dtype=str, keep_default_na=False, nrows=MOST_ROWS + 1
        )
    except ValueError as error:
        raise changed(names, NAME, "a file that is no table") from error
    missing = sorted(needed - set(table.columns))
    if missing:
        raise changed(names, NAME, f"no column {', '.join(missing)}")
    if len(table) > MOST_ROWS:
        raise changed(names, NAME, f"more than {MOST_ROWS:,} rows")
    return table


def _of_run(table: pd.DataFrame, run: Run, names: str) -> pd.DataFrame:
    """The rows that were asked for; runs and items beside them are left out."""
    rows = table[table["MARKET_RUN_ID"] == run.asked["market_run_id"]]
    kept = rows[rows["XML_DATA_ITEM"] == run.item]
    if len(rows) and kept.empty:
        raise changed(names, NAME, f"no item {run.item}, only {', '.join(sorted(set(rows['XML_DATA_ITEM'])))}")
    return kept


def _times(texts: pd.Series, names: str) -> pd.Series:
    odd = texts[~texts.str.fullmatch(GMT)]
    if len(odd):
        raise changed(names, NAME, f"a time that is not GMT ({odd.iloc[0]!r:.40})")
    try:
        times = pd.to_datetime(texts.str[:19], format="ISO8601", utc=True).astype("datetime64[us, UTC]")
        check_years(times)
    except ValueError as error:
        raise changed(names, NAME, f"a time that does not exist ({error!s:.60})") from error
    return times


def _numbers(texts: pd.Series, names: str) -> pd.Series:
    try:
        # Python's own reading, because it is right to the last bit.
        return pd.Series([float(text) if text else np.nan for text in texts], texts.index, dtype="float64")
    except ValueError as error:
        raise changed(names, NAME, f"a value that is not a number ({str(error)[-40:]})") from error
