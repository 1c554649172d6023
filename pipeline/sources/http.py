"""(URL, parameters) -> a parsed answer, or the SourceError that says what went wrong and what to do.

The only importer of `requests`. Retries live in one loop of our own, because a web page with status 200,
a truncated body and broken JSON are invisible to a retrying adapter, which would also bypass the pace.
"""

import logging
import math
import random as random_module
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from pipeline.errors import AuthRefused, BadRequest, SchemaChanged, SourceError, Throttled, Transient
from pipeline.redacting import RedactFilter, redact
from pipeline.settings import Settings
from pipeline.sources.answers import (
    BrokenBody,
    is_web_page,
    origin,
    provider_message,
    retry_after_s,
)

T = TypeVar("T")
Params = Mapping[str, str | Sequence[str]]

CONNECT_TIMEOUT_S = 10.0
LONGEST_WAIT_S = 120.0
BACKOFF_S = 1.0
BACKOFF_CAP_S = 30.0
MAX_REDIRECTS = 3
MAX_BODY_BYTES = 64 * 1024 * 1024
PROVIDER_GAP_S = 2.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")

_UNUSABLE = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidHeader,
    UnicodeError,
)
_FOREIGN = (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, *_UNUSABLE)
_log = logging.getLogger(__name__)


def polite_gap_s(host: str) -> float:
    """Seconds between two requests to `host`: no provider publishes a rate, this is what careful clients use."""
    return 0.0 if host in LOOPBACK else PROVIDER_GAP_S


@dataclass(frozen=True)
class _Question:
    """One thing to ask, with the names its errors are told in."""

    url: str
    params: Params
    headers: Mapping[str, str]
    secrets: frozenset[str]
    source: str
    series: str
    auth_remedy: str

    def says(self, what: str, remedy: str) -> str:
        """One redacted sentence: series, source, what, remedy."""
        hidden = [value for name, value in self.headers.items() if name.lower() in self.secrets]
        return redact(f"{self.series} from {self.source}: {what}; {remedy}.", hidden)

    def public_headers(self) -> dict[str, str]:
        return {name: value for name, value in self.headers.items() if name.lower() not in self.secrets}


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class _Again(Exception):
    """A failure that another try may cure; becomes `kind` when the tries are spent."""

    def __init__(self, kind: type[SourceError], what: str, remedy: str, wait_s: float | None = None) -> None:
        super().__init__(what)
        self.kind, self.what, self.remedy, self.wait_s = kind, what, remedy, wait_s

    def final(self, question: _Question, tries: int) -> SourceError:
        text = question.says(f"{self.what} ({tries} {'try' if tries == 1 else 'tries'})", self.remedy)
        return Throttled(text, self.wait_s) if issubclass(self.kind, Throttled) else self.kind(text)


class _Pace:
    """Spaces the requests to one host, over all threads of this process."""

    def __init__(self, gap_s: Callable[[str], float], sleep: Callable[[float], None], clock: Callable[[], float]):
        self._gap_s, self._sleep, self._clock = gap_s, sleep, clock
        self._lock = threading.Lock()
        self._free_at: dict[str, float] = {}

    def wait(self, host: str) -> None:
        """Reserve the next free moment of `host`, then sleep until it without holding the lock."""
        with self._lock:
            now = self._clock()
            start = max(now, self._free_at.get(host, now))
            self._free_at[host] = start + self._gap_s(host)
        if start > now:
            self._sleep(start - now)


_REDACT_FILTER = RedactFilter()


class Client:
    """Asks providers politely; safe to share among threads.

    `timeout_s` bounds each socket read, `deadline_s` (default: `timeout_s` x (`tries` + 1)) everything from the
    first request to the last retry. `gap_s` maps a host to the seconds between requests to it.
    `sleep`, `clock` (monotonic seconds) and `random` (uniform 0..1) are injected by tests.
    """

    def __init__(
        self,
        *,
        user_agent: str,
        timeout_s: float = 30.0,
        tries: int = 4,
        deadline_s: float | None = None,
        gap_s: Callable[[str], float] = polite_gap_s,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = random_module.random,
    ) -> None:
        self._user_agent, self._timeout_s, self._tries = user_agent, timeout_s, max(1, tries)
        self._deadline_s = timeout_s * (tries + 1) if deadline_s is None else deadline_s
        self._sleep, self._clock, self._random = sleep, clock, random
        self._pace = _Pace(gap_s, sleep, clock)
        logging.getLogger("urllib3.connectionpool").addFilter(_REDACT_FILTER)

    def get(
        self,
        url: str,
        *,
        source: str,
        series: str,
        parse: Callable[[bytes], T],
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        secrets: frozenset[str] = frozenset(),
        auth_remedy: str = "check the access token",
    ) -> T:
        """GET `url` and return `parse(body)` of the first good answer.

        `secrets` names headers whose values are never logged, shown, or sent to another host.
        `parse` raises BrokenBody for what a retry may cure and SchemaChanged for what it cannot.
        Raises AuthRefused (401, 403), Throttled (429), BadRequest (other 4xx), SchemaChanged, or Transient
        (5xx, network, truncated, a web page) once the tries or the deadline are spent.
        """
        names = frozenset(name.lower() for name in secrets)
        question = _Question(url, params or {}, headers or {}, names, source, series, auth_remedy)
        deadline = self._clock() + self._deadline_s
        for tries in range(1, self._tries + 1):
            try:
                return self._ask(question, parse, deadline)
            except _Again as failure:
                again = failure
            wait_s = self._wait_s(again, tries)
            if tries == self._tries or wait_s > LONGEST_WAIT_S or self._clock() + wait_s >= deadline:
                break
            _log.warning("%s", question.says(again.what, f"trying again in {wait_s:.1f} s"))
            self._sleep(wait_s)
        raise again.final(question, tries) from None

    def _wait_s(self, again: _Again, tries: int) -> float:
        """Full jitter (Brooker, AWS, 2015); after a Retry-After the jitter comes on top of what was asked."""
        if again.wait_s is not None:
            return again.wait_s + self._random() * BACKOFF_S
        return self._random() * min(BACKOFF_CAP_S, BACKOFF_S * 2.0**tries)

    def _ask(self, question: _Question, parse: Callable[[bytes], T], deadline: float) -> T:
        answer = self._download(question, deadline)
        if answer.status != 200:
            _refuse(question, answer)
        if is_web_page(answer.body):
            raise _Again(Transient, "a web page came instead of data", "try again later")
        try:
            return parse(answer.body)
        except BrokenBody as error:
            what = str(error)
        raise _Again(Transient, what, "try again later")

    def _download(self, question: _Question, deadline: float) -> _Answer:
        """Foreign errors are retold outside their handler: a chained text could show a URL or a token."""
        failure: SourceError | _Again
        try:
            return self._follow(question, deadline)
        except _FOREIGN as error:
            failure = _told(error, question, self._timeout_s)
        raise failure

    def _follow(self, question: _Question, deadline: float) -> _Answer:
        """A fresh session each time, so that neither cookies nor connections are shared among threads."""
        url, params, headers = question.url, question.params, dict(question.headers)
        with requests.Session() as session:
            for _ in range(MAX_REDIRECTS + 1):
                answer = self._send(session, url, params, headers, deadline)
                location = answer.headers.get("location")
                if not (location and 300 <= answer.status < 400):
                    return answer
                url, params = urljoin(url, location), {}
                if origin(url) != origin(question.url):
                    headers = question.public_headers()
        raise SchemaChanged(question.says(f"more than {MAX_REDIRECTS} redirects", "check the address in the settings"))

    def _send(
        self, session: requests.Session, url: str, params: Params, headers: Mapping[str, str], deadline: float
    ) -> _Answer:
        self._pace.wait(urlsplit(url).hostname or "")
        begun = self._clock()
        timeout_s = max(0.001, min(self._timeout_s, deadline - begun))
        answer = session.get(
            url,
            params=dict(params),
            headers={"User-Agent": self._user_agent, **headers},
            timeout=(min(CONNECT_TIMEOUT_S, timeout_s), timeout_s),
            allow_redirects=False,
            stream=True,
        )
        with answer:
            body = b"".join(self._chunks(answer, deadline))
        took_s = self._clock() - begun
        _log.debug("GET %s -> %d, %d bytes, %.2f s", redact(answer.url), answer.status_code, len(body), took_s)
        return _Answer(answer.status_code, answer.headers, body)

    def _chunks(self, answer: requests.Response, deadline: float) -> Iterator[bytes]:
        """The body as it comes: a server that drips bytes meets no read timeout, only this deadline."""
        size = 0
        while chunk := answer.raw.read1(65536, decode_content=True):
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                raise _Again(BadRequest, "the answer exceeds 64 MB", "ask for a narrower window", math.inf)
            if self._clock() > deadline:
                raise _Again(Transient, f"no complete answer within {self._deadline_s:g} s", "try again later")
            yield chunk


@lru_cache
def _shared_client(user_agent: str, timeout_s: float, tries: int) -> Client:
    return Client(user_agent=user_agent, timeout_s=timeout_s, tries=tries)


def client_for(settings: Settings) -> Client:
    """The one client of this process for `settings`, so that all sources share its pace."""
    return _shared_client(settings.user_agent, settings.http_timeout_s, settings.http_tries)


def _told(error: Exception, question: _Question, timeout_s: float) -> SourceError | _Again:
    """A foreign error in our words; its own text is left out because it holds the URL or the header."""
    host = urlsplit(question.url).netloc.rpartition("@")[2]
    if isinstance(error, _UNUSABLE):
        what = f"the address or a header cannot be sent ({type(error).__name__})"
        return BadRequest(question.says(what, "check the URL and the token in the settings"))
    if isinstance(error, requests.exceptions.SSLError):
        return _Again(Transient, f"the certificate of {host} is not trusted", "check REQUESTS_CA_BUNDLE")
    if isinstance(error, requests.exceptions.Timeout | urllib3.exceptions.TimeoutError):
        return _Again(Transient, f"no answer from {host} within {timeout_s:g} s", "try again later")
    what = f"the connection to {host} failed or broke off ({type(error).__name__})"
    return _Again(Transient, what, "check the network, then try again")


def _refuse(question: _Question, answer: _Answer) -> NoReturn:
    """Map an answer that is not 200 to its error."""
    status, said = answer.status, provider_message(answer.body)
    what = f"HTTP {status}{f', {said}' if said else ''}"
    if status == 403 and is_web_page(answer.body):
        what = "HTTP 403 with a web page: a firewall blocks this address, not the token"
        raise AuthRefused(question.says(what, "wait, ask less often, or ask from another network"))
    if status in (401, 403):
        raise AuthRefused(question.says(what, question.auth_remedy))
    wait_s = retry_after_s(answer.headers)
    if status == 429:
        raise _Again(Throttled, what, "ask again later and less often", wait_s)
    if status == 504:
        raise _Again(Transient, what, "ask for a narrower window or try again later", wait_s)
    if status >= 500 or status in (408, 425):
        raise _Again(Transient, what, "try again later", wait_s)
    if status >= 400:
        raise BadRequest(question.says(what, "correct the question or the settings"))
    raise SchemaChanged(question.says(what, "this status is not part of the known format"))
