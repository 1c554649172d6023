"""(headers, body) -> what a provider meant by them; rows -> points; what all sources say in the same words."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd

from pipeline.errors import NotYetPublished, SchemaChanged
from pipeline.sources.base import POINT_COLUMNS

_PAGE_STARTS = (b"<!doctype", b"<html", b"<head", b"<meta", b"<title", b"<body", b"<script", b"<center")
_OFFSET = r"T\d{2}:\d{2}.*(?:Z|[+-]\d{2}:?\d{2})$"
_DTYPES = {"series": "str", "valid_at": "datetime64[us, UTC]", "value": "float64", "made_at": "datetime64[us, UTC]"}
_MESSAGE_KEYS = ("detail", "message", "reason", "title", "error")
_MESSAGE_LENGTH = 200
_HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")
YEARS = (1990, 2100)
MOST_WAIT_S = 86_400.0
_WHAT_LENGTH = 300
_ADVICE = ". You might want to try:"
"""How a sentence of pandas goes on, to programmers."""


class BrokenBody(ValueError):
    """The body cannot be read at all; a retry may bring a whole one. Raised by parsers."""


def decode_json(body: bytes) -> Any:
    """The JSON document in `body`. Raises BrokenBody when it is none (cut off, empty, or an error text).

    Nor is one that nobody could use: nested without end, or with half characters, which cannot be stored or shown.
    """
    try:
        text = body.decode(json.detect_encoding(body))
        document = json.loads(text)
        if _HALF_CHARACTER.search(text):
            json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise BrokenBody(f"the answer of {len(body)} bytes is not complete JSON") from error
    return document


def changed(names: str, source: str, what: str) -> SchemaChanged:
    """The error for an answer to `names` (series) that has `what` we do not know; of its lines, the first counts."""
    told = " ".join(what.partition("\n")[0].split()).removesuffix(_ADVICE)[:_WHAT_LENGTH]
    return SchemaChanged(
        f"{names} from {source}: the answer has {told}; the format has changed, so the connector must be updated."
    )


def not_yet(names: str, source: str, start: datetime) -> NotYetPublished:
    """The error for a window from `start` (aware) on, of which nothing can be there yet."""
    since = pd.Timestamp(start).tz_convert("UTC")
    return NotYetPublished(f"{names} from {source}: nothing yet from {since:%Y-%m-%d %H:%M} UTC on; ask again later.")


def frame(series: str, valid_at: Any = (), value: Any = (), made_at: Any = None) -> pd.DataFrame:
    """POINT_COLUMNS of one series, in the order given: columns of one length, UTC times; no `made_at` is NaT."""
    stamps = pd.Series(valid_at, dtype=_DTYPES["valid_at"]).array
    stated = {
        "series": pd.Series([series] * len(stamps), dtype="str"),
        "valid_at": stamps,
        "value": np.asarray(value, dtype=np.float64),
        "made_at": pd.Series([pd.NaT] * len(stamps) if made_at is None else made_at, dtype=_DTYPES["made_at"]).array,
    }
    return pd.DataFrame(stated, columns=list(POINT_COLUMNS)).astype(_DTYPES)


def check_years(times: pd.Series) -> None:
    """Raise ValueError with words for a time that no data can be of: reckoning with it may overflow."""
    odd = times[times.notna() & ~times.dt.year.between(*YEARS)]
    if len(odd):
        raise ValueError(f"a time in the year {odd.dt.year.iloc[0]}")


def is_web_page(body: bytes) -> bool:
    """True for HTML, which gateways and firewalls send under any status."""
    return body[:1024].lstrip().lower().startswith(_PAGE_STARTS)


def provider_message(body: bytes) -> str:
    """The provider's own words in an error answer, on one line; empty when there are none."""
    if is_web_page(body):
        return ""
    try:
        text = _message_in(decode_json(body))
    except (BrokenBody, RecursionError):
        text = body[: 4 * _MESSAGE_LENGTH].decode("utf-8", errors="replace")
    return " ".join(text.split())[:_MESSAGE_LENGTH].rstrip(".")


def _message_in(document: Any) -> str:
    """Error objects differ by provider; all seen hold the text under one of these keys."""
    if isinstance(document, list):
        return _message_in(document[0]) if document else ""
    if not isinstance(document, Mapping):
        return str(document)
    if document.get("errors"):
        return _message_in(document["errors"])
    texts = [document[key] for key in _MESSAGE_KEYS if isinstance(document.get(key), str)]
    return texts[0] if texts else ""


def points(series: str, rows: Sequence[Any]) -> pd.DataFrame:
    """POINT_COLUMNS from rows with `datetime` (ISO 8601 with an offset) and `value` (a number or null).

    Order and repeats are kept, null becomes NaN, `made_at` is NaT. Raises ValueError with words for what is odd.
    """
    for row in rows:
        if not (isinstance(row, Mapping) and {"value", "datetime"} <= row.keys()):
            raise ValueError("a row without `datetime` and `value`")
    texts = pd.Series([row["datetime"] for row in rows], dtype="str")
    odd = texts[~texts.str.contains(_OFFSET)]
    if len(odd):
        raise ValueError(f"a `datetime` without an offset ({odd.iloc[0]!r:.40})")
    valid_at = pd.to_datetime(texts, utc=True, format="ISO8601")
    check_years(valid_at)
    return frame(series, valid_at, [_number(row["value"]) for row in rows])


def _number(value: Any) -> float:
    if value is None:
        return float("nan")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"a `value` that is not a number ({value!r:.40})")
    try:
        return float(value)
    except OverflowError:
        raise ValueError("a `value` beyond any number") from None


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds asked for by Retry-After (RFC 9110, 10.2.3), a day at most, or None when absent or unreadable.

    A date is measured against the answer's own Date header, so a wrong clock here does no harm.
    """
    asked = headers.get("Retry-After", "").strip()
    if asked.isdecimal():
        return min(float(asked), MOST_WAIT_S)
    try:
        wait = parsedate_to_datetime(asked) - parsedate_to_datetime(headers["Date"])
    except (KeyError, ValueError, TypeError, OverflowError):
        return None
    return min(max(0.0, wait.total_seconds()), MOST_WAIT_S)


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port of `url` (RFC 6454): secrets stay within one origin."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
