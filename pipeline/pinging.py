"""A scheduler's health -> a ping to a watchman elsewhere, so that silence itself is noticed."""

import time
from collections.abc import Callable

from pipeline.channels.posting import post
from pipeline.errors import ChannelFailed
from pipeline.settings import Settings

EVERY_S = 60.0
TIMEOUT_S = 5.0
LONGEST_NOTE = 10_000
_last: dict[str, float] = {}


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
            note[:LONGEST_NOTE].encode(),
            kind="text/plain; charset=utf-8",
            timeout_s=TIMEOUT_S,
        )
    except ChannelFailed as error:
        return str(error)
    return "heartbeat sent." if ok else "heartbeat sent as failing."


def _fail(url: str) -> str:
    path, mark, query = url.partition("?")
    return f"{path.rstrip('/')}/fail{mark}{query}"
