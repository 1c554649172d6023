"""(reports of ERCOT, query) -> the bytes of its public API, warts included; labels and long tables for files too."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from tests.servers import ercot_store as known
from tests.servers.ercot_store import DAY, ZONE, Store
from tests.servers.faults import Answer

Query = Mapping[str, list[str]]


def api(store: Store, path: str, query: Query, now: pd.Timestamp) -> Answer:
    """`/api/public-reports/...`: fields in the order ERCOT happens to send them."""
    if path not in REPORTS:
        body = {
            "timestamp": f"{now:%Y-%m-%dT%H:%M:%S}",
            "code": 404,
            "status": "NOT_FOUND",
            "message": "no such report",
        }
        return Answer(404, json.dumps(body | {"data": None}).encode())
    day, build = REPORTS[path]
    rows = _asked(build(store, query, now), day, query)
    size, page = int(query.get("size", ["1000"])[0]), int(query.get("page", ["1"])[0])
    part = rows.iloc[(page - 1) * size : page * size]
    meta = {"totalRecords": len(rows), "pageSize": size, "totalPages": -(-len(rows) // size), "currentPage": page}
    fields = [{"name": name, "label": name, "dataType": "VARCHAR", "searchable": True} for name in rows.columns]
    head = json.dumps({"_meta": meta | {"query": {}}, "report": {"reportName": path}, "fields": fields})
    data = json.dumps(part.astype(object).where(part.notna(), None).to_numpy().tolist())
    return Answer(200, f'{head[:-1]},"data":{data},"_links":null}}'.encode())


def _asked(rows: pd.DataFrame, day: str, query: Query) -> pd.DataFrame:
    """What the query leaves of `rows`; a filter nobody knows is ignored, as there."""
    first, last = (query.get(f"{day}{end}", [limit])[0] for end, limit in (("From", "0"), ("To", "9")))
    rows = rows[rows[day].between(first, last)]
    for name in {"settlementPoint", "settlementPointType"} & query.keys() & set(rows.columns):
        rows = rows[rows[name].str.strip() == query[name][0]]
    return rows


def _days(rows: pd.DataFrame, query: Query, day: str) -> pd.DataFrame:
    """The rows of the days asked for, before anything is made of them."""
    first, last = (
        query.get(f"{day}{end}", [limit])[0] for end, limit in (("From", "2000-01-01"), ("To", "2100-01-01"))
    )
    return rows[rows["day"].between(pd.Timestamp(first), pd.Timestamp(last))]


def labelled(rows: pd.DataFrame, day: str, hour: Any) -> dict[str, Any]:
    return {day: np.datetime_as_string(rows["day"].to_numpy(), unit="D"), "hourEnding": hour}


def padded(rows: pd.DataFrame) -> pd.Series:
    return rows["hour"].map("{:02d}:00".format)


def _load(store: Store, query: Query, now: pd.Timestamp) -> pd.DataFrame:
    rows = _days(known.loads(store, now), query, "operatingDay")
    values = dict(zip(known.API_LOAD, (rows[zone] for zone in (*known.ZONES, "ERCOT")), strict=True))
    return pd.DataFrame(labelled(rows, "operatingDay", padded(rows)) | values | {"DSTFlag": rows["repeated"]})


def _load_fzn(store: Store, query: Query, now: pd.Timestamp) -> pd.DataFrame:
    rows = _days(known.loads(store, now), query, "operatingDay")
    values = {
        name: rows["ERCOT"] * share for name, share in zip(known.FORECAST_ZONES, (0.4, 0.2, 0.1, 0.3), strict=True)
    }
    told = labelled(rows, "operatingDay", padded(rows))
    return pd.DataFrame(told | values | {"total": rows["ERCOT"], "DSTFlag": rows["repeated"]})


def long(rows: pd.DataFrame, query: Query, of: dict[str, Any]) -> pd.DataFrame:
    """One row a point; names come with blanks, and load zones of real time twice."""
    asked = query.get("settlementPoint", known.POINTS)
    parts = []
    for point in (point for point in asked if point in known.POINTS):
        kinds = ("LZEW", "LZ") if point.startswith("LZ") else ("HU",)
        for kind in kinds:
            price = rows[point] if kind != "LZEW" else rows[point] + 7.5
            told = of | {"settlementPoint": f"{point} ", "settlementPointType": kind, "settlementPointPrice": price}
            parts.append(pd.DataFrame(told | {"DSTFlag": rows["repeated"]}).dropna(subset="settlementPointPrice"))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*of, "settlementPoint"])


def _dam(store: Store, query: Query, now: pd.Timestamp) -> pd.DataFrame:
    rows = _days(known.day_ahead(store, now), query, "deliveryDate")
    found = long(rows, query, labelled(rows, "deliveryDate", padded(rows)))
    found = found[found["settlementPointType"] != "LZEW"] if len(found) else found
    return found.drop(columns="settlementPointType", errors="ignore")


def _rtm(store: Store, query: Query, now: pd.Timestamp) -> pd.DataFrame:
    rows = _days(known.real_time(store, now), query, "deliveryDate")
    told = {"deliveryDate": np.datetime_as_string(rows["day"].to_numpy(), unit="D"), "deliveryHour": rows["hour"]}
    return long(rows, query, told | {"deliveryInterval": rows["quarter"]})


def _range(query: Query, now: pd.Timestamp) -> tuple[pd.Timestamp, pd.Timestamp]:
    texts = (query.get(f"postedDatetime{end}", [None])[0] for end in ("From", "To"))
    first, last = (pd.Timestamp(text).tz_localize(ZONE, ambiguous=True) if text else None for text in texts)
    return (first or now - DAY).tz_convert("UTC"), (last or now).tz_convert("UTC")


def _posted(frame: pd.DataFrame, query: Query, now: pd.Timestamp) -> pd.DataFrame:
    rows = known.postings(frame, *_range(query, now), now, lambda hours: _days(hours, query, "deliveryDate"))
    clock = pd.DatetimeIndex(rows["posted"]).tz_convert(ZONE).strftime("%Y-%m-%dT%H:%M:%S")
    return rows.assign(postedDatetime=clock)


def _load_forecast(store: Store, query: Query, now: pd.Timestamp) -> pd.DataFrame:
    rows = _posted(store.load, query, now)
    told = {"postedDatetime": rows["postedDatetime"]} | labelled(rows, "deliveryDate", rows["hour"].map("{}:00".format))
    parts = []
    for model, used in (("E", True), ("M", False)):
        if used or "inUseFlag" not in query:
            values = [known.guess(rows[zone], rows["lead"]) + (0 if used else 999) for zone in (*known.ZONES, "ERCOT")]
            named = dict(zip(known.API_FORECAST, values, strict=True))
            parts.append(pd.DataFrame(told | named | {"model": model, "inUseFlag": used, "DSTFlag": rows["repeated"]}))
    return pd.concat(parts, ignore_index=True)


def _plants(column: str, forecast: str, store: Store, query: Query, now: pd.Timestamp) -> pd.DataFrame:
    rows = _posted(store.plants[[column]], query, now)
    told = {"postedDatetime": rows["postedDatetime"]} | labelled(rows, "deliveryDate", rows["hour"])
    made = rows[column].where(rows["lead"] <= -1.0)
    guessed = known.guess(rows[column], rows["lead"])
    return pd.DataFrame(told | {"genSystemWide": made, forecast: guessed, "DSTFlag": rows["repeated"]})


def _wind(store: Store, query: Query, now: pd.Timestamp) -> pd.DataFrame:
    return _plants("wind", "STWPFSystemWide", store, query, now)


def _solar(store: Store, query: Query, now: pd.Timestamp) -> pd.DataFrame:
    return _plants("solar", "STPPFSystemWide", store, query, now)


REPORTS = {
    "/np6-345-cd/act_sys_load_by_wzn": ("operatingDay", _load),
    "/np6-346-cd/act_sys_load_by_fzn": ("operatingDay", _load_fzn),
    "/np4-190-cd/dam_stlmnt_pnt_prices": ("deliveryDate", _dam),
    "/np6-905-cd/spp_node_zone_hub": ("deliveryDate", _rtm),
    "/np3-565-cd/lf_by_model_weather_zone": ("deliveryDate", _load_forecast),
    "/np4-732-cd/wpp_hrly_avrg_actl_fcast": ("deliveryDate", _wind),
    "/np4-737-cd/spp_hrly_avrg_actl_fcast": ("deliveryDate", _solar),
}
