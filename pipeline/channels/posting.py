"""A channel's address and bytes -> posted once, or ChannelFailed: the one place where channels speak HTTP."""

import logging
from collections.abc import Mapping
from urllib.parse import urlsplit

import requests
import urllib3

from pipeline import __version__
from pipeline.errors import ChannelFailed
from pipeline.sources.answers import retry_after_s

TIMEOUT_S = 10.0
JSON = "application/json; charset=utf-8"
_AGAIN = (408, 425, 429)
_FOREIGN = (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, UnicodeError)
log = logging.getLogger(__name__)


def post(
    channel: str,
    url: str,
    body: bytes,
    *,
    kind: str = JSON,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> None:
    """POST `body`; any 2xx is well. Redirects are not followed: they would carry the message elsewhere.

    Raises ChannelFailed, which names the channel and the host at most, because the address itself is a secret.
    """
    sent = {"User-Agent": f"sextant/{__version__}", "Content-Type": kind} | dict(headers or {})
    try:
        # Only the status counts, and a body may be endless.
        with requests.post(
            url, data=body, headers=sent, timeout=timeout_s, allow_redirects=False, stream=True
        ) as answer:
            status, retry_after = answer.status_code, retry_after_s(answer.headers)
    except _FOREIGN as error:
        trouble = _trouble(error, timeout_s)
    else:
        if 200 <= status < 300:
            return
        raise _refused(channel, url, status, retry_after)
    # Outside the handler: a chained error would show the address.
    raise ChannelFailed(f"{channel}: {_host(url)} {trouble}; it is tried again.")


def _trouble(error: Exception, timeout_s: float) -> str:
    if isinstance(error, requests.exceptions.Timeout):
        return f"did not answer within {timeout_s:g} s"
    if isinstance(error, requests.exceptions.SSLError):
        return "showed a certificate that is not trusted"
    return "could not be reached or broke off"


def _refused(channel: str, url: str, status: int, retry_after: float | None) -> ChannelFailed:
    said = f"{channel}: {_host(url)} answered {status}"
    if 300 <= status < 400:
        return ChannelFailed(f"{said}, a redirect; write the final address into the settings.", again=False)
    if 400 <= status < 500 and status not in _AGAIN:
        return ChannelFailed(f"{said}; check its settings.", again=False)
    return ChannelFailed(f"{said}; it is tried again.", retry_after_s=retry_after)


def _host(url: str) -> str:
    return urlsplit(url).hostname or "the host"
