"""(headers, body) -> what a provider meant by them; rows -> points."""

import json
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from pipeline.sources.base import POINT_COLUMNS

_PAGE_STARTS = (b"<!doctype", b"<html", b"<head", b"<meta", b"<title", b"<body", b"<script", b"<center")
_OFFSET = r"T\d{2}:\d{2}.*(?:Z|[+-]\d{2}:?\d{2})$"
_DTYPES = {"series": "str", "valid_at": "datetime64[us, UTC]", "value": "float64", "made_at": "datetime64[us, UTC]"}
_MESSAGE_KEYS = ("detail", "message", "reason", "title", "error")
_MESSAGE_LENGTH = 200


class BrokenBody(ValueError):
    """The body cannot be read at all; a retry may bring a whole one. Raised by parsers."""


def decode_json(body: bytes) -> Any:
    """The JSON document in `body`. Raises BrokenBody when it is none (cut off, empty, or an error text)."""
    try:
        return json.loads(body)
    except ValueError as error:
        raise BrokenBody(f"the answer of {len(body)} bytes is not complete JSON") from error


def is_web_page(body: bytes) -> bool:
    """True for HTML, which gateways and firewalls send under any status."""
    return body[:1024].lstrip().lower().startswith(_PAGE_STARTS)


def provider_message(body: bytes) -> str:
    """The provider's own words in an error answer, on one line; empty when there are none."""
    if is_web_page(body):
        return ""
    try:
        text = _message_in(json.loads(body))
    except ValueError:
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
    frame = {
        "series": series,
        "valid_at": pd.to_datetime(texts, utc=True, format="ISO8601"),
        "value": pd.Series([_number(row["value"]) for row in rows], dtype="float64"),
        "made_at": pd.Series(pd.NaT, index=texts.index, dtype="datetime64[us, UTC]"),
    }
    return pd.DataFrame(frame, columns=list(POINT_COLUMNS)).astype(_DTYPES)


def _number(value: Any) -> float:
    if value is None:
        return float("nan")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"a `value` that is not a number ({value!r:.40})")
    return float(value)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds asked for by Retry-After (RFC 9110, 10.2.3), or None when absent or unreadable.

    A date is measured against the answer's own Date header, so a wrong clock here does no harm.
    """
    asked = headers.get("Retry-After", "").strip()
    if asked.isdecimal():
        return float(asked)
    try:
        return max(0.0, (parsedate_to_datetime(asked) - parsedate_to_datetime(headers["Date"])).total_seconds())
    except (KeyError, ValueError, TypeError):
        return None


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port of `url` (RFC 6454): secrets stay within one origin."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
