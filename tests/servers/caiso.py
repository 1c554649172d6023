"""(store, clock) -> a real HTTP server on this machine that speaks OASIS and Today's Outlook and can go wrong.

A store is {run: frame}: the runs of oasis.ITEMS with a column for each place, and "outlook" with demand, hour_ahead and
day_ahead; UTC indexes of interval starts, NaN where a value is absent. Use:

    with CaisoServer(store, now) as server:
        env = {"SEXTANT_CAISO_URL": server.url, "SEXTANT_CAISO_OUTLOOK_URL": server.url}
"""

import re
import time
import zipfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd

from tests.servers import oasis
from tests.servers.faults import HTML, Answer, Fault
from tests.servers.grid import GridServer, Recorded
from tests.servers.oasis import ITEMS, ZONE

Store = Mapping[str, pd.DataFrame]
NO_DATA = ("1000", "No data returned for the specified selection")
TOO_WIDE = ("1004", "Data can be requested for period of 31 days only")
VIOLATION = (
    b"<html><body>CAISO Acceptable Use Policy Violation. Please retry your request after 5 seconds.</body></html>"
)
SAID_AT = datetime(2023, 11, 16, 18, 39, 53, tzinfo=UTC)
# The operator's areas and what each is of the invented system; the last is another balancing area.
SHARES = {"PGE-TAC": 0.45, "SCE-TAC": 0.46, "SDGE-TAC": 0.08, "VEA-TAC": 0.004, "MWD-TAC": 0.006, "BANCSMUD": 0.06}
NODES = ("TH_NP15_GEN-APND", "TH_SP15_GEN-APND")
EIA_AREAS = {"CISO": "CA ISO-TAC", "PGAE": "PGE-TAC", "SCE": "SCE-TAC", "SDGE": "SDGE-TAC", "VEA": "VEA-TAC"}


class CaisoServer(GridServer):
    """Publishes what is known at `now`: actuals and real-time prices `lag` after their interval, forecasts and
    day-ahead prices on their day. `gap_s`: questions closer together than that violate the use policy. `wrong`: places
    that make a question invalid, whatever else it asks for."""

    def __init__(
        self, store: Store, now: datetime, *, lag: timedelta = timedelta(minutes=10), gap_s: float = 0.0
    ) -> None:
        super().__init__(pd.DataFrame(index=pd.DatetimeIndex([], tz="UTC")), now, lag=lag)
        self.store, self.lag, self.gap_s = dict(store), lag, gap_s
        self.wrong: set[str] = set()
        self._asked_at = float("-inf")

    def _honest(self, request: Recorded) -> Answer:
        if request.path == "/oasisapi/SingleZip":
            before, self._asked_at = self._asked_at, time.monotonic()
            return violation(Answer(200, b"")) if self._asked_at - before < self.gap_s else self._oasis(request)
        found = re.fullmatch(r"/outlook/(current|history/(\d{8}))/demand\.csv", request.path)
        return self._outlook(found[2]) if found and "outlook" in self.store else Answer(404, b"Not Found", HTML)

    def _oasis(self, request: Recorded) -> Answer:
        now = self.newest_known
        if not {"queryname", "version", "startdatetime", "enddatetime"} <= request.query.keys():
            return oasis.error("1001", "Invalid Request", now, "INVALID_REQUEST.xml")
        start, end = (pd.Timestamp(request.one(name)) for name in ("startdatetime", "enddatetime"))
        if (end - pd.Timedelta(minutes=1)).date() - start.date() > timedelta(days=30):
            return oasis.error(*TOO_WIDE, now)
        query = request.one("queryname")
        runs = [run for run in ITEMS if run in self.store and _is_asked(run, request.query)]
        named = request.query.get("tac_area_name" if query == "SLD_FCST" else "node", [""])[0]
        if self.wrong & set(named.split(",")):
            return oasis.error("1001", "Invalid Request", now, "INVALID_REQUEST.xml")
        parts = [(run, self.known(run, start, end, named)) for run in runs]
        parts = [(run, values) for run, values in parts if values.notna().any(axis=None)]
        if not parts:
            return oasis.error(*NO_DATA, now)
        table = oasis.load_table(parts) if query == "SLD_FCST" else oasis.price_table(*parts[0])
        market = request.query.get("market_run_id", ["N"])[0] if query != "SLD_FCST" else "N"
        name = f"{start:%Y%m%d}_{end:%Y%m%d}_{query}_{market}_{now:%Y%m%d_%H_%M_%S}_v1.csv"
        return oasis.zipped(name, table)

    def known(self, run: str, start: pd.Timestamp, end: pd.Timestamp, named: str) -> pd.DataFrame:
        """What is public of `run` in [start, end), of all places or those `named` with commas between."""
        values = self.store[run]
        inside = values.loc[start : min(end - pd.Timedelta(seconds=1), self._newest(run))]
        return inside[[place for place in values.columns if not named or place in named.split(",")]]

    def _newest(self, run: str) -> pd.Timestamp:
        item, moment = ITEMS[run], pd.Timestamp(self.newest_known)
        if item.days is None:
            # A real-time forecast is out before its interval, a measurement after it.
            return moment if item.execution.startswith("RT") else moment - self.lag - pd.Timedelta(minutes=item.minutes)
        today = (moment.tz_convert(ZONE).tz_localize(None) - pd.Timedelta(item.clock)).normalize()
        end = (today + pd.Timedelta(days=item.days + 1)).tz_localize(ZONE).tz_convert("UTC")
        return end - pd.Timedelta(minutes=item.minutes)

    def _outlook(self, stamp: str | None) -> Answer:
        moment = pd.Timestamp(self.newest_known)
        today = moment.tz_convert(ZONE).tz_localize(None).normalize()
        day = today if stamp is None else pd.Timestamp(stamp)
        first, last = (at.tz_localize(ZONE).tz_convert("UTC") for at in (day, day + pd.Timedelta(days=1)))
        values = self.store["outlook"].loc[first:last].copy()
        if values.empty or day > today:
            return Answer(404, b"Not Found", HTML)
        values.loc[values.index > moment - self.lag - pd.Timedelta(minutes=5), "demand"] = np.nan
        return Answer(200, oasis.outlook_table(day, values).encode(), "text/csv")


def _is_asked(run: str, query: Mapping[str, list[str]]) -> bool:
    item, name = ITEMS[run], query["queryname"][0]
    of = {"lmp:DAM": "PRC_LMP", "lmp:RTM": "PRC_INTVL_LMP"}.get(run, "SLD_FCST")
    market, execution = query.get("market_run_id", [item.market])[0], query.get("execution_type", [item.execution])[0]
    return of == name and market == item.market and execution == item.execution


def violation(_: Answer) -> Answer:
    """The web page with status 200 that means: too often."""
    return Answer(200, VIOLATION, HTML)


def refused(code: str, words: str, name: str = "") -> Fault:
    """An error report in place of the data."""
    return lambda _: oasis.error(code, words, SAID_AT, name)


def table_edited(edit: Callable[[str], str]) -> Fault:
    """A good zip with another text in it."""

    def fault(answer: Answer) -> Answer:
        with zipfile.ZipFile(BytesIO(answer.body)) as archive:
            (name,) = archive.namelist()
            text = archive.read(name).decode()
        return oasis.zipped(name, edit(text))

    return fault


def invented_store(start: str, end: str) -> dict[str, pd.DataFrame]:
    """A smooth invented system of [start, end), all runs, no two values alike within a day."""
    index = pd.date_range(start, end, freq="5min", inclusive="left", tz="UTC").as_unit("us")
    slot = index.as_unit("s").asi8 / 300.0
    system = np.round(26_000 + 5_000 * np.sin(2 * np.pi * slot / 288) + slot % 97, 2)
    fine = pd.DataFrame({area: np.round(share * system, 2) for area, share in SHARES.items()}, index=index)
    fine.insert(0, "CA ISO-TAC", fine.drop(columns="BANCSMUD").sum(axis=1).round(2))
    hours = fine.groupby(index.floor("h")).mean().round()
    prices = pd.DataFrame({node: np.round(system / 600 + rank, 5) for rank, node in enumerate(NODES)}, index=index)
    ahead = {run: (hours * factor).round(2) for run, factor in {"DAM": 1.01, "2DA": 1.02, "7DA": 1.05}.items()}
    outlook = pd.DataFrame({"demand": np.round(system), "hour_ahead": np.round(system * 1.002)}, index=index)
    return {
        "ACTUAL": hours,
        **ahead,
        "RTD": fine,
        "RTPD": fine.iloc[::3],
        "lmp:DAM": prices.iloc[::12],
        "lmp:RTM": prices,
        "outlook": outlook.assign(day_ahead=np.round(system * 1.01)),
    }


def real_hours(path: Path) -> pd.DataFrame:
    """Measured MW by TAC area of the Parquet file of CAISO's zones, on the whole hourly grid."""
    rows = pd.read_parquet(path).astype({"demand_raw_mw": "float64"})
    hours = rows.pivot(index="ts_utc", columns="zone", values="demand_raw_mw").rename(columns=EIA_AREAS)
    return hours.asfreq("h")[list(EIA_AREAS.values())]


def real_system(path: Path) -> dict[str, pd.DataFrame]:
    """Measured MW and the operator's day-ahead forecast of the system, of the Parquet file of EIA-930."""
    rows = pd.read_parquet(path)
    mine = rows[rows["ba"] == "CISO"].set_index("ts_utc").asfreq("h")
    columns = {"ACTUAL": "demand_raw_mw", "DAM": "forecast_da_mw"}
    return {run: mine[[name]].astype("float64").set_axis(["CA ISO-TAC"], axis=1) for run, name in columns.items()}
