"""(published values, question) -> the zips and tables that OASIS and Today's Outlook send, warts included.

Text is made column by column, so that four years of five areas are served in seconds.
"""

import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO

import numpy as np
import pandas as pd

from tests.servers.faults import Answer

ZONE = "America/Los_Angeles"
LOAD_HEADER = (
    "INTERVALSTARTTIME_GMT,INTERVALENDTIME_GMT,LOAD_TYPE,OPR_DT,OPR_HR,OPR_INTERVAL,MARKET_RUN_ID,TAC_AREA_NAME,LABEL,"
    "XML_DATA_ITEM,POS,MW,EXECUTION_TYPE,GROUP"
)
DAM_PRICE_HEADER = (
    "INTERVALSTARTTIME_GMT,INTERVALENDTIME_GMT,OPR_DT,OPR_HR,OPR_INTERVAL,NODE_ID_XML,NODE_ID,NODE,MARKET_RUN_ID,LMP_TYPE,"
    "XML_DATA_ITEM,PNODE_RESMRID,GRP_TYPE,POS,MW,GROUP"
)
RTM_PRICE_HEADER = (
    "INTERVALSTARTTIME_GMT,INTERVALENDTIME_GMT,OPR_DT,OPR_HR,NODE_ID_XML,NODE_ID,NODE,MARKET_RUN_ID,LMP_TYPE,XML_DATA_ITEM,"
    "PNODE_RESMRID,GRP_TYPE,POS,VALUE,OPR_INTERVAL,GROUP"
)
OUTLOOK_HEADER = "Time,Day ahead forecast,Hour ahead forecast,Current demand,Demand response"
ZIP = "application/x-zip-compressed"
COMPONENTS = (("LMP", "LMP_PRC"), ("MCC", "LMP_CONG_PRC"), ("MCE", "LMP_ENE_PRC"), ("MCL", "LMP_LOSS_PRC"))


@dataclass(frozen=True)
class Item:
    """How rows of one run look, and on which local day before theirs at what time they are out (None: at once)."""

    market: str
    execution: str
    label: str
    name: str
    minutes: int
    position: str
    days: int | None = None
    clock: str = "0h"


ITEMS = {
    "ACTUAL": Item("ACTUAL", "ACTUAL", "Total Actual Hourly Integrated Load", "SYS_FCST_ACT_MW", 60, "3.8"),
    "DAM": Item("DAM", "DAM", "Demand Forecast Day Ahead", "SYS_FCST_DA_MW", 60, "2", 1, "9h10min"),
    "2DA": Item("2DA", "2DA", "Demand Forecast 2-Day Ahead", "SYS_FCST_2DA_MW", 60, "1.8", 2, "9h10min"),
    "7DA": Item("7DA", "7DA", "Demand Forecast 7-Day Ahead", "SYS_FCST_7DA_MW", 60, "0.8", 7, "9h10min"),
    "RTPD": Item("RTM", "RTPD", "RTM 15Min Load Forecast", "SYS_FCST_15MIN_MW", 15, "4"),
    "RTD": Item("RTM", "RTD", "RTM 5Min Load Forecast", "SYS_FCST_5MIN_MW", 5, "5"),
    "lmp:DAM": Item("DAM", "", "LMP", "LMP_PRC", 60, "0", 1, "13h"),
    "lmp:RTM": Item("RTM", "", "LMP", "LMP_PRC", 5, "0"),
}


def zipped(name: str, content: str | bytes) -> Answer:
    """A zip of one file, as it is offered for download."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(name, content)
    kept = f"{name}.zip" if name.endswith(".xml") else f"{name.rpartition('.')[0]}.zip"
    return Answer(200, buffer.getvalue(), ZIP, {"Content-Disposition": f"attachment; filename={kept};"})


def error(code: str, words: str, stamp: datetime, name: str = "") -> Answer:
    """What OASIS has to say instead of data: XML in a zip, with status 200."""
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<m:OASISReport xmlns:m="http://www.caiso.com/soa/OASISReport_v1.xsd">\n'
        f"<m:MessageHeader><m:TimeDate>{stamp:%Y-%m-%dT%H:%M:%S}.815Z</m:TimeDate><m:Source>OASIS</m:Source>"
        "<m:Version>v20131201</m:Version></m:MessageHeader>\n<m:MessagePayload><m:RTO><m:name>CAISO</m:name>"
        "<m:DISCLAIMER_ITEM><m:DISCLAIMER>The contents are subject to the ISO&apos;s terms.</m:DISCLAIMER>"
        f"</m:DISCLAIMER_ITEM>\n<m:ERROR><m:ERR_CODE>{code}</m:ERR_CODE><m:ERR_DESC>{words}</m:ERR_DESC></m:ERROR>"
        "</m:RTO></m:MessagePayload></m:OASISReport>"
    )
    return zipped(name or f"{stamp:%Y%m%d}_{stamp:%Y%m%d}_SLD_FCST_N_{stamp:%Y%m%d_%H_%M_%S}_v1.xml", text)


def load_table(parts: Iterable[tuple[str, pd.DataFrame]]) -> str:
    """SLD_FCST rows of each (run, its values by area), in no order."""
    frames = []
    for run, values in parts:
        item, rows = ITEMS[run], _long(values)
        clock = _clock(rows.index, item.minutes)
        frames.append(
            pd.DataFrame(
                clock
                | {
                    "LOAD_TYPE": "0" if run in ("ACTUAL", "RTD", "RTPD") else "2",
                    "MARKET_RUN_ID": item.market,
                    "TAC_AREA_NAME": rows["place"].to_numpy(),
                    "LABEL": item.label,
                    "XML_DATA_ITEM": item.name,
                    "POS": item.position,
                    "MW": _texts(rows["value"]),
                    "EXECUTION_TYPE": item.execution,
                    "GROUP": np.arange(1, len(rows) + 1),
                }
            )
        )
    return _unordered(pd.concat(frames, ignore_index=True), LOAD_HEADER)


def price_table(run: str, values: pd.DataFrame) -> str:
    """PRC_LMP or PRC_INTVL_LMP rows: each price with its parts, in no order."""
    item, rows = ITEMS[run], _long(values)
    clock = _clock(rows.index, item.minutes)
    frames = [
        pd.DataFrame(
            clock
            | dict.fromkeys(("NODE_ID_XML", "NODE_ID", "NODE", "PNODE_RESMRID"), rows["place"].to_numpy())
            | {
                "MARKET_RUN_ID": item.market,
                "LMP_TYPE": kind,
                "XML_DATA_ITEM": name,
                "GRP_TYPE": "ALL_APNODES",
                "POS": item.position,
                "GROUP": number,
                "MW": _texts(rows["value"] - number),
                "VALUE": _texts(rows["value"] - number),
            }
        )
        for number, (kind, name) in enumerate(COMPONENTS)
    ]
    header = DAM_PRICE_HEADER if run == "lmp:DAM" else RTM_PRICE_HEADER
    return _unordered(pd.concat(frames, ignore_index=True), header)


def outlook_table(day: pd.Timestamp, values: pd.DataFrame) -> str:
    """The 289 rows of a local `day`; `values` (UTC) lack what is not known.

    The clock has 288 rows whatever the day: the hour that spring leaves out is blank, of the two that autumn repeats
    only the second is shown.
    """
    clock = pd.date_range(day, periods=289, freq="5min")
    local = values.set_axis(values.index.tz_convert(ZONE).tz_localize(None))
    local = local[~local.index.duplicated(keep="last")].reindex(clock)
    lines = [
        f"{stamp:%H:%M},{_cell(ahead)},{_cell(hour)},{_cell(now)},"
        for stamp, ahead, hour, now in zip(clock, local["day_ahead"], local["hour_ahead"], local["demand"], strict=True)
    ]
    return "\n".join([OUTLOOK_HEADER, *lines]) + "\n"


def _cell(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.0f}"


def _long(values: pd.DataFrame) -> pd.DataFrame:
    """A row a value that is there: index UTC, `place`, `value`."""
    places, moments = np.meshgrid(values.columns.to_numpy(dtype=object), np.arange(len(values)))
    rows = pd.DataFrame({"place": places.ravel(), "value": values.to_numpy(dtype="float64").ravel()})
    return rows.set_axis(values.index[moments.ravel()]).dropna()


def _clock(index: pd.DatetimeIndex, minutes: int) -> Mapping[str, object]:
    """The time columns: GMT, and the Pacific day with its hours counted 1 to 23, 24 or 25."""
    local = index.tz_convert(ZONE)
    midnight = local.normalize().tz_convert("UTC")
    ends = index + pd.Timedelta(minutes=minutes)
    return {
        "INTERVALSTARTTIME_GMT": _stamps(index),
        "INTERVALENDTIME_GMT": _stamps(ends),
        "OPR_DT": np.datetime_as_string(local.tz_localize(None).to_numpy(), unit="D"),
        "OPR_HR": np.asarray((index - midnight) // pd.Timedelta(hours=1) + 1),
        "OPR_INTERVAL": np.asarray(index.minute // minutes + 1) if minutes < 60 else 0,
    }


def _stamps(index: pd.DatetimeIndex) -> np.ndarray:
    texts = np.datetime_as_string(index.tz_convert("UTC").tz_localize(None).to_numpy(), unit="s")
    return np.char.add(texts, "-00:00")


def _texts(values: pd.Series) -> list[str]:
    """Whole megawatts without a point, everything else to the last digit."""
    return [repr(value).removesuffix(".0") for value in values.to_list()]


def _unordered(table: pd.DataFrame, header: str) -> str:
    order = np.random.default_rng(len(table)).permutation(len(table))
    return table.iloc[order].to_csv(index=False, columns=header.split(","), lineterminator="\n")
