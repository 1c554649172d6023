"""(URL, parameters) -> a parsed answer, or the SourceError that says what went wrong and what to do.

Of the sources only this and questions, which retells its errors, import `requests`. Retries live in one loop of our
own, because a web page with status 200, a truncated body and broken JSON are invisible to a retrying adapter, which
would also bypass the pace.
"""

import logging
import math
import random as random_module
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

import requests

from pipeline.errors import BadRequest, SchemaChanged, SourceError, Throttled, Transient
from pipeline.redacting import RedactFilter, redact
from pipeline.settings import Settings
from pipeline.sources.answers import (
    BrokenBody,
    is_web_page,
    origin,
)
from pipeline.sources.questions import FOREIGN, Again, Answer, Params, Question, SlowDown, refuse, told

T = TypeVar("T")

CONNECT_TIMEOUT_S = 10.0
LONGEST_WAIT_S = 120.0
BACKOFF_S = 1.0
BACKOFF_CAP_S = 30.0
MAX_REDIRECTS = 3
MAX_BODY_BYTES = 64 * 1024 * 1024
PROVIDER_GAP_S = 2.0
GAPS_S = {"oasis.caiso.com": 6.0, "api.ercot.com": 2.2}
"""Hosts with a rule of their own: CAISO allows one request in five seconds, ERCOT thirty in a minute."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")

_log = logging.getLogger(__name__)


def polite_gap_s(host: str) -> float:
    """Seconds between two requests to `host`: few providers publish a rate, this is what careful clients use."""
    return 0.0 if host in LOOPBACK else GAPS_S.get(host, PROVIDER_GAP_S)


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
        form: Mapping[str, str] | None = None,
        slow_down: SlowDown = lambda _body: None,
        page: bool = False,
    ) -> T:
        """GET `url`, or POST `form` to it, and return `parse(body)` of the first good answer.

        `secrets` names headers whose values are never logged, shown, or sent to another host.
        `parse` raises BrokenBody for what a retry may cure and SchemaChanged for what it cannot. `page` says that a
        web page is what is asked for; else one is a sign of trouble.
        Raises AuthRefused (401, 403), Throttled (429), BadRequest (other 4xx), SchemaChanged, or Transient
        (5xx, network, truncated, a web page) once the tries or the deadline are spent.
        """
        names = frozenset(name.lower() for name in secrets)
        question = Question(url, params or {}, headers or {}, names, source, series, auth_remedy, form, slow_down, page)
        deadline = self._clock() + self._deadline_s
        for tries in range(1, self._tries + 1):
            try:
                return self._ask(question, parse, deadline)
            except Again as failure:
                again = failure
            wait_s = self._wait_s(again, tries)
            if tries == self._tries or wait_s > LONGEST_WAIT_S or self._clock() + wait_s >= deadline:
                break
            _log.warning("%s", question.says(again.what, f"trying again in {wait_s:.1f} s"))
            self._sleep(wait_s)
        raise again.final(question, tries) from None

    def _wait_s(self, again: Again, tries: int) -> float:
        """Full jitter (Brooker, AWS, 2015); after a Retry-After the jitter comes on top of what was asked."""
        if again.wait_s is not None:
            return again.wait_s + self._random() * BACKOFF_S
        return self._random() * min(BACKOFF_CAP_S, BACKOFF_S * 2.0**tries)

    def _ask(self, question: Question, parse: Callable[[bytes], T], deadline: float) -> T:
        answer = self._download(question, deadline)
        wait_s = question.slow_down(answer.body)
        if wait_s is not None:
            raise Again(
                Throttled, f"HTTP {answer.status}, asked to slow down", "ask again later and less often", wait_s
            )
        if answer.status != 200:
            refuse(question, answer)
        if is_web_page(answer.body) and not question.page:
            raise Again(Transient, "a web page came instead of data", "try again later")
        try:
            return parse(answer.body)
        except BrokenBody as error:
            what = str(error)
        raise Again(Transient, what, "try again later")

    def _download(self, question: Question, deadline: float) -> Answer:
        """Foreign errors are retold outside their handler: a chained text could show a URL or a token."""
        failure: SourceError | Again
        try:
            return self._follow(question, deadline)
        except FOREIGN as error:
            failure = told(error, question, self._timeout_s)
        raise failure

    def _follow(self, question: Question, deadline: float) -> Answer:
        """A fresh session each time, so that neither cookies nor connections are shared among threads."""
        url, params, headers = question.url, question.params, dict(question.headers)
        with requests.Session() as session:
            for _ in range(MAX_REDIRECTS + 1):
                answer = self._send(session, url, params, headers, question.form, deadline)
                location = answer.headers.get("location")
                # A form may hold a password: it is sent to the address that was configured and nowhere else.
                if question.form is not None or not (location and 300 <= answer.status < 400):
                    return answer
                url, params = urljoin(url, location), {}
                if origin(url) != origin(question.url):
                    headers = question.public_headers()
        raise SchemaChanged(question.says(f"more than {MAX_REDIRECTS} redirects", "check the address in the settings"))

    def _send(
        self,
        session: requests.Session,
        url: str,
        params: Params,
        headers: Mapping[str, str],
        form: Mapping[str, str] | None,
        deadline: float,
    ) -> Answer:
        self._pace.wait(urlsplit(url).hostname or "")
        begun = self._clock()
        timeout_s = max(0.001, min(self._timeout_s, deadline - begun))
        answer = session.request(
            "GET" if form is None else "POST",
            url,
            params=dict(params),
            data=None if form is None else dict(form),
            headers={"User-Agent": self._user_agent, **headers},
            timeout=(min(CONNECT_TIMEOUT_S, timeout_s), timeout_s),
            allow_redirects=False,
            stream=True,
        )
        with answer:
            body = b"".join(self._chunks(answer, deadline))
        took_s = self._clock() - begun
        _log.debug("GET %s -> %d, %d bytes, %.2f s", redact(answer.url), answer.status_code, len(body), took_s)
        return Answer(answer.status_code, answer.headers, body)

    def _chunks(self, answer: requests.Response, deadline: float) -> Iterator[bytes]:
        """The body as it comes: a server that drips bytes meets no read timeout, only this deadline."""
        size = 0
        while chunk := answer.raw.read1(65536, decode_content=True):
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                raise Again(BadRequest, "the answer exceeds 64 MB", "ask for a narrower window", math.inf)
            if self._clock() > deadline:
                raise Again(Transient, f"no complete answer within {self._deadline_s:g} s", "try again later")
            yield chunk


@lru_cache
def _shared_client(user_agent: str, timeout_s: float, tries: int) -> Client:
    return Client(user_agent=user_agent, timeout_s=timeout_s, tries=tries)


def client_for(settings: Settings) -> Client:
    """The one client of this process for `settings`, so that all sources share its pace."""
    return _shared_client(settings.user_agent, settings.http_timeout_s, settings.http_tries)
