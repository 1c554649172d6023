"""(published values, query) -> the bytes ESIOS and REData send, warts included."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from tests.servers.faults import Answer, errors
from tests.servers.publication import ZONE, Publication

Query = Mapping[str, list[str]]

INDICATORS = {
    "1293": ("load", "Demanda real"),
    "544": ("forecast", "Demanda prevista"),
    "545": ("programme", "Demanda programada"),
    "600": ("price", "Precio mercado SPOT Diario"),
}
PENINSULA = ((8741, "Península", 0.0),)
# Portugal first, as they come; each country's distance from the Spanish price.
COUNTRIES = (
    (1, "Portugal", 1.5), (2, "Francia", -7.0), (3, "España", 0.0),
    (8826, "Alemania", 12.0), (8827, "Bélgica", 9.0), (8828, "Países Bajos", 8.0),
)  # fmt: skip
WIDGET = ("1293", "545", "544")
NO_DATA = "Los datos solicitados no están disponibles para las fechas indicadas"


def moment(text: str) -> pd.Timestamp:
    """ISO 8601 to UTC; a time without offset is Madrid's."""
    stamp = pd.Timestamp(text)
    return (stamp if stamp.tzinfo else stamp.tz_localize(ZONE, ambiguous=True)).tz_convert("UTC")


def width(query: Query) -> timedelta:
    """How much time the query asks for."""
    if "start_date" not in query or "end_date" not in query:
        return timedelta(0)
    return moment(query["end_date"][0]) - moment(query["start_date"][0])


def local_texts(index: pd.DatetimeIndex) -> tuple[list[str], list[str], np.ndarray]:
    """Madrid texts with offset, UTC texts without one, and which rows are the repeated autumn hour."""
    local = index.tz_convert(ZONE).tz_localize(None)
    shift = (local - index.tz_localize(None)) // pd.Timedelta(hours=1)
    clock = np.datetime_as_string(local.to_numpy(), unit="ms")
    texts = [f"{text}+0{hours}:00" for text, hours in zip(clock, shift, strict=True)]
    earlier = (index - pd.Timedelta(hours=1)).tz_convert(ZONE).tz_localize(None)
    utc = np.datetime_as_string(index.tz_localize(None).to_numpy(), unit="s").tolist()
    return texts, utc, np.asarray(earlier == local)


def esios(published: Publication, indicator: str, query: Query, now: datetime) -> Answer:
    """`/indicators/{id}`."""
    if indicator not in INDICATORS:
        return errors(404, "Not found", "Indicador no encontrado")
    column, name = INDICATORS[indicator]
    every = COUNTRIES if column == "price" else PENINSULA
    asked = {int(geo) for geo in query.get("geo_ids[]", [])}
    geos = [geo for geo in every if not asked or geo[0] in asked]
    rows = ""
    if "start_date" in query and "end_date" in query:
        start, end = moment(query["start_date"][0]), moment(query["end_date"][0])
        values = published.values(column, start, end, now)
        if query.get("time_trunc") == ["hour"]:
            # Without time_agg the service adds twelve powers up; whoever sends it gets what the real one sends.
            values = values.groupby(values.index.floor("h")).sum()
        rows = _esios_rows(values, geos)
    listed = [{"geo_id": geo, "geo_name": title} for geo, title, _ in every]
    head = {
        "name": name, "short_name": name, "id": int(indicator), "composited": False, "step_type": "linear",
        "disaggregated": True, "magnitud": [{"name": "Potencia", "id": 20}],
        "tiempo": [{"name": "Cinco minutos", "id": 154}], "geos": listed,
        "values_updated_at": local_texts(pd.DatetimeIndex([pd.Timestamp(now)]))[0][0],
    }  # fmt: skip
    text = json.dumps({"indicator": head}, ensure_ascii=False, separators=(",", ":"))
    return Answer(200, f'{text[:-2]},"values":[{rows}]}}}}'.encode())


def _esios_rows(values: pd.Series, geos: list[tuple[int, str, float]]) -> str:
    """Text made by hand: two years of rows through `json.dumps` would take most of a test's time."""
    index = pd.DatetimeIndex(values.index)
    texts, utc, repeated = local_texts(index)
    wrong = np.datetime_as_string((index - pd.Timedelta(hours=1)).tz_localize(None).to_numpy(), unit="s")
    return ",".join(
        f'{{"value":{value + extra:.12g},"datetime":"{text}","datetime_utc":"{wrong[row] if repeated[row] else true}Z",'
        f'"tz_time":"{true}.000Z","geo_id":{geo},"geo_name":"{title}"}}'
        for row, (value, text, true) in enumerate(zip(values.to_list(), texts, utc, strict=True))
        for geo, title, extra in geos
    )


def redata(published: Publication, query: Query, now: datetime) -> Answer:
    """`/es/datos/demanda/demanda-tiempo-real`."""
    if not {"start_date", "end_date", "time_trunc"} <= query.keys():
        return errors(400, "Error Interno", "Faltan parámetros: start_date, end_date y time_trunc")
    start, end = moment(query["start_date"][0]), moment(query["end_date"][0])
    stamp = local_texts(pd.DatetimeIndex([pd.Timestamp(now).floor("min")]))[0][0]
    parts = [_part(published, indicator, start, end, now, stamp) for indicator in WIDGET]
    if not any(parts):
        return errors(400, "Error Interno", NO_DATA)
    data = (
        '{"type":"Demanda peninsular en tiempo real","id":"dem15","attributes":{"title":"Demanda peninsular en tiempo '
        f'real","last-update":"{stamp}","description":null}},"meta":{{"cache-control":{{"cache":"MISS"}}}}}}'
    )
    return Answer(200, f'{{"data":{data},"included":[{",".join(filter(None, parts))}]}}'.encode())


def _part(
    published: Publication, indicator: str, start: pd.Timestamp, end: pd.Timestamp, now: datetime, stamp: str
) -> str:
    column, title = INDICATORS[indicator]
    values = published.values(column, start, end, now)
    if values.empty:
        return ""
    texts = local_texts(pd.DatetimeIndex(values.index))[0]
    rows = ",".join(
        f'{{"value":{value:.0f},"percentage":0.3350089621433673,"datetime":"{text}"}}'
        for value, text in zip(values.to_list(), texts, strict=True)
    )
    return (
        f'{{"type":"{title}","id":"{indicator}","groupId":null,"attributes":{{"title":"{title}","description":null,'
        f'"color":"#ffea00","type":null,"magnitude":null,"composite":false,"last-update":"{stamp}","values":[{rows}]}}}}'
    )
