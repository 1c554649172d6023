"""(store, moment) -> the bytes of ERCOT's lists and files, its dashboards and its display, warts included."""

import io
import json
import zipfile
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from tests.servers import ercot_store as known
from tests.servers.ercot_store import HOUR, QUARTER, ZONE, Store
from tests.servers.ercot_wire import long, padded
from tests.servers.faults import HTML, Answer

ZIP = "application/zip"
KEPT = pd.Timedelta("7.5D")
MIS_LOAD = ("COAST", "EAST", "FAR_WEST", "NORTH", "NORTH_C", "SOUTHERN", "SOUTH_C", "WEST", "TOTAL")
MIS_FORECAST = {
    "COAST": "Coast", "EAST": "East", "FWEST": "FarWest", "NORTH": "North", "NCENT": "NorthCentral",
    "SCENT": "SouthCentral", "SOUTH": "Southern", "WEST": "West", "ERCOT": "SystemTotal",
}  # fmt: skip
TITLES = {
    "12331": "DAMSPNP4190", "12301": "SPPHLZNP6905", "13101": "ACTUALSYSLOADWZNP6345", "12312": "LFCWEATHERNP3561",
    "13028": "WPPNP4732", "13483": "SPPNP4737",
}  # fmt: skip


def documents(report: str, now: pd.Timestamp) -> Answer:
    """`IceDocListJsonWS`: each file twice, newest first, of the last days."""
    listed = []
    for published in reversed(_publications(report, now)):
        local = published.tz_convert(ZONE)
        repeated = "_xhr" if local.fold and report == "12301" else ""
        for number, kind in enumerate(("csv", "xml")):
            name = f"{TITLES[report]}{_quarter_end(published) if report == '12301' else ''}_{kind}"
            listed.append({"Document": {
                "ExpiredDate": (local + KEPT).isoformat(), "ILMStatus": "EXT", "SecurityStatus": "P",
                "ContentSize": "10563", "Extension": "zip", "ReportTypeID": report, "Prefix": "cdr",
                "FriendlyName": name,
                "ConstructedName": f"cdr.000{report}.0000000000000000.{local:%Y%m%d.%H%M%S}000{repeated}.{name}.zip",
                "DocID": f"{report}{int(published.timestamp()) // 60}{number}", "PublishDate": local.isoformat(),
                "ReportName": report, "DUNS": "0", "DocCount": "0",
            }})  # fmt: skip
    return Answer(200, json.dumps({"ListDocsByRptTypeRes": {"DocumentList": listed}}).encode())


def _quarter_end(published: pd.Timestamp) -> str:
    return f"_{(published - known.RTM_AFTER).tz_convert(ZONE):%Y%m%d_%H%M}"


def _publications(report: str, now: pd.Timestamp) -> list[pd.Timestamp]:
    first = now - KEPT
    if report == "12301":
        ends = pd.date_range((first - known.RTM_AFTER).ceil(QUARTER), now - known.RTM_AFTER, freq=QUARTER)
        return [*ends + known.RTM_AFTER]
    if report in ("12312", "13028", "13483"):
        return [*pd.date_range((first - known.POSTED_AT).ceil("h"), now - known.POSTED_AT, freq="h") + known.POSTED_AT]
    days = pd.Series(pd.date_range(first.tz_convert(ZONE).tz_localize(None).normalize(), periods=9))
    out = known.at(days, known.DAM_OUT if report == "12331" else known.LOAD_OUT)
    return [moment for moment in out if first <= moment <= now]


def document(store: Store, number: str, now: pd.Timestamp) -> Answer:
    """`mirDownload`: a zip with one table."""
    report, published = number[:5], pd.Timestamp(int(number[5:-1]) * 60, unit="s", tz="UTC").as_unit("us")
    if number.endswith("1"):
        return Answer(200, zipped("a.xml", b"<xml/>"), ZIP)
    table = FILES[report](store, published)
    name = f"cdr.000{report}.0000000000000000.{published.tz_convert(ZONE):%Y%m%d.%H%M%S}.{TITLES[report]}.csv"
    return Answer(200, zipped(name, table.to_csv(index=False).encode()), ZIP)


def zipped(name: str, text: bytes) -> bytes:
    """A zip with one file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as handle:
        handle.writestr(name, text)
    return packed.getvalue()


def _american(rows: pd.DataFrame) -> pd.Series:
    return rows["day"].dt.strftime("%m/%d/%Y")


def _flag(rows: pd.DataFrame) -> np.ndarray:
    return np.where(rows["repeated"], "Y", "N")


def _load_file(store: Store, published: pd.Timestamp) -> pd.DataFrame:
    rows = known.loads(store, published)
    rows = rows[rows["day"] == rows["day"].max()]
    values = dict(zip(MIS_LOAD, (rows[zone] for zone in (*known.ZONES, "ERCOT")), strict=True))
    return pd.DataFrame({"OperDay": _american(rows), "HourEnding": padded(rows)} | values | {"DSTFlag": _flag(rows)})


def _forecast_file(store: Store, published: pd.Timestamp) -> pd.DataFrame:
    rows = known.postings(store.load, published, published, published)
    rows = rows[rows["lead"] > -24]
    values = {name: known.guess(rows[zone], rows["lead"]) for zone, name in MIS_FORECAST.items()}
    hours = rows["hour"].map("{}:00".format)
    return pd.DataFrame({"DeliveryDate": _american(rows), "HourEnding": hours} | values | {"DSTFlag": _flag(rows)})


def _dam_file(store: Store, published: pd.Timestamp) -> pd.DataFrame:
    rows = known.day_ahead(store, published)
    rows = rows[rows["day"] == rows["day"].max()]
    found = long(rows, {}, {"DeliveryDate": _american(rows), "HourEnding": padded(rows)})
    found = found[found["settlementPointType"] != "LZEW"].drop(columns="settlementPointType")
    return found.rename(columns=_capital).replace({"DSTFlag": {True: "Y", False: "N"}})


def _rtm_file(store: Store, published: pd.Timestamp) -> pd.DataFrame:
    start = published - known.RTM_AFTER - QUARTER
    row, told = store.rtm.loc[start], known.labels(pd.DatetimeIndex([start])).iloc[0]
    slot = [f"{told['day']:%m/%d/%Y}", told["hour"], start.minute // 15 + 1]
    kinds = [
        (point, kind) for point in known.POINTS for kind in (("LZEW", "LZ") if point.startswith("LZ") else ("HU",))
    ]
    lines = [[*slot, f"{point} ", kind, row[point] + 7.5 * (kind == "LZEW")] for point, kind in kinds]
    names = ("DeliveryDate", "DeliveryHour", "DeliveryInterval", "SettlementPointName", "SettlementPointType")
    table = pd.DataFrame(lines, columns=[*names, "SettlementPointPrice"])
    return table.assign(DSTFlag="Y" if told["repeated"] else "N").dropna()


def _plants_file(column: str, name: str, store: Store, published: pd.Timestamp) -> pd.DataFrame:
    rows = known.postings(store.plants[[column]], published, published, published)
    made, guessed = rows[column].where(rows["lead"] <= -1.0), known.guess(rows[column], rows["lead"])
    told = {"DELIVERY_DATE": _american(rows), "HOUR_ENDING": rows["hour"], "SYSTEM_WIDE_GEN": made}
    return pd.DataFrame(told | {name: guessed, "DSTFlag": _flag(rows)})


def _capital(name: str) -> str:
    return name[0].upper() + name[1:]


FILES = {
    "13101": _load_file, "12312": _forecast_file, "12331": _dam_file, "12301": _rtm_file,
    "13028": partial(_plants_file, "wind", "STWPF_SYSTEM_WIDE"),
    "13483": partial(_plants_file, "solar", "STPPF_SYSTEM_WIDE"),
}  # fmt: skip


def dashboard(store: Store, name: str, now: pd.Timestamp) -> Answer:
    """`/api/1/services/read/dashboards/...`: three days by the hour, or five-minute readings."""
    local = now.tz_convert(ZONE)
    if name == "loadForecastVsActual":
        days = zip(("previousDay", "currentDay", "nextDay"), (-1, 0, 1), strict=True)
        body = {key: _shown_day(store, now, local.normalize() + pd.DateOffset(days=shift)) for key, shift in days}
    elif name == "supply-demand":
        index = pd.date_range(local.normalize(), local, freq="5min")
        values = store.load["ERCOT"].reindex(index.tz_convert("UTC").floor("h")).to_numpy()
        rows = [
            {"timestamp": _stamp(one), "forecast": 0, "demand": value} for one, value in zip(index, values, strict=True)
        ]
        body = {"data": [*rows, {"timestamp": _stamp(local + HOUR), "forecast": 1, "demand": 1.0}]}
    else:
        return Answer(404, b"<html><body>Not found</body></html>", HTML)
    return Answer(200, json.dumps({"lastUpdated": _stamp(local)} | body).encode())


def _stamp(moment: pd.Timestamp) -> str:
    return f"{moment.tz_convert(ZONE):%Y-%m-%d %H:%M:%S%z}"


def _shown_day(store: Store, now: pd.Timestamp, day: pd.Timestamp) -> dict[str, Any]:
    end = (day + pd.DateOffset(days=1)).normalize()
    hours = store.load.loc[day.tz_convert("UTC") : end.tz_convert("UTC") - QUARTER, "ERCOT"]
    rows = []
    for start, value in hours.items():
        row = {"hourEnding": start.tz_convert(ZONE).hour + 1, "dayAheadForecast": round(1.02 * value, 4)}
        if start + HOUR + known.SHOWN_AFTER <= now:
            row["systemLoad"] = value
        rows.append(row | {"timestamp": _stamp(start + HOUR), "epoch": int((start + HOUR).timestamp() * 1000)})
    return {"dayDate": _stamp(day), "data": rows}


def display(store: Store, day: str, now: pd.Timestamp) -> Answer:
    """`/content/cdr/html/YYYYMMDD_actual_loads_of_weather_zones.html`."""
    rows = known.loads(store, now, shown=True)
    rows = rows[rows["day"] == pd.Timestamp(day)]
    heads = "".join(f'<th class="headerValueClass">{name}</th>' for name in ("Oper Day", "Hour Ending", *MIS_LOAD))
    lines = []
    for row in rows.itertuples():
        hour = f"{row.hour:02d}00{' *' if row.repeated else ''}"
        cells = [f"{row.day:%m/%d/%Y}", hour, *(repr(getattr(row, zone)) for zone in (*known.ZONES, "ERCOT"))]
        lines.append("<tr>" + "".join(f'<td class="labelClassCenter">{cell}</td>' for cell in cells) + "</tr>")
    page = (
        f"<html><head><title>Loads</title></head><body><div>Last Updated: {now:%b %d, %Y %H:%M}</div><table><tr>{heads}"
    )
    return Answer(200, f"{page}</tr>{''.join(lines)}</table></body></html>".encode(), HTML)
