"""A scheduler's health -> a ping to a watchman elsewhere, so that silence itself is noticed."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

import pandas as pd

from pipeline.channels.posting import post
from pipeline.errors import ChannelFailed, WarehouseError
from pipeline.redacting import redact
from pipeline.settings import Settings
from pipeline.warehouse import Warehouse

EVERY_S = 60.0
TIMEOUT_S = 5.0
LONGEST_NOTE = 10_000
JUDGED_WITHIN = timedelta(minutes=30)
_last: dict[str, float] = {}


def unjudged(warehouse: Warehouse, now: datetime) -> str:
    """Why nobody would hear of trouble: alert failed, or has not ended for JUDGED_WITHIN; empty when all is well.

    A scheduler that has just begun is given that long as well. Does not raise for a warehouse that cannot be read.
    """
    try:
        row = warehouse.ask("newest_judgement", now=now).iloc[0]
    except WarehouseError as error:
        return f"whether alerts are judged is unknown: {error}"
    if row.state == "failed":
        return f"alert failed at {row.ended_at:%d %b %H:%M}Z: {row.error}"
    signs = [moment for moment in (row.ended_at, row.leads_from) if not pd.isna(moment)]
    if signs and now - max(signs) <= JUDGED_WITHIN:
        return ""
    last = "never was judged" if pd.isna(row.ended_at) else f"was last judged at {row.ended_at:%d %b %H:%M}Z"
    return f"the alert job does not run: what is good or bad {last}"


def ping(settings: Settings, *, ok: bool, note: str = "", clock: Callable[[], float] = time.monotonic) -> str:
    """POST `note` to SEXTANT_HEARTBEAT_URL, with /fail appended when not `ok`, at most once a real minute.

    Never raises; returns one sentence saying what was done. `clock` gives monotonic seconds.
    """
    url = settings.channels.heartbeat_url
    if url is None:
        return "no heartbeat: SEXTANT_HEARTBEAT_URL is not set."
    if clock() - _last.get(url, float("-inf")) < EVERY_S:
        return "no heartbeat: the last was less than a minute ago."
    _last[url] = clock()
    try:
        post(
            "heartbeat",
            url if ok else _fail(url),
            redact(note, settings.secrets)[:LONGEST_NOTE].encode(),
            kind="text/plain; charset=utf-8",
            timeout_s=TIMEOUT_S,
        )
    except ChannelFailed as error:
        return str(error)
    return "heartbeat sent." if ok else "heartbeat sent as failing."


def _fail(url: str) -> str:
    path, mark, query = url.partition("?")
    return f"{path.rstrip('/')}/fail{mark}{query}"
