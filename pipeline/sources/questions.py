"""A question to a provider and what came back -> an answer, another try, or the SourceError that says why."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import urlsplit

import requests
import urllib3

from pipeline.errors import AuthRefused, BadRequest, SchemaChanged, SourceError, Throttled, Transient
from pipeline.redacting import redact
from pipeline.sources.answers import is_web_page, provider_message, retry_after_s

Params = Mapping[str, str | Sequence[str]]
SlowDown = Callable[[bytes], float | None]
"""A body -> the seconds it asks us to wait, None where it asks for nothing; judged under any status."""

UNUSABLE = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidHeader,
    UnicodeError,
)
FOREIGN = (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, *UNUSABLE)


@dataclass(frozen=True)
class Question:
    """One thing to ask, with the names its errors are told in."""

    url: str
    params: Params
    headers: Mapping[str, str]
    secrets: frozenset[str]
    source: str
    series: str
    auth_remedy: str
    form: Mapping[str, str] | None = None
    slow_down: SlowDown = lambda _body: None
    page: bool = False

    def says(self, what: str, remedy: str) -> str:
        """One redacted sentence: series, source, what, remedy."""
        told = [*self.headers.items(), *self.params.items(), *(self.form or {}).items()]
        hidden = [value for name, value in told if name.lower() in self.secrets and isinstance(value, str)]
        # A provider may repeat a token without the word before it, such as Bearer.
        hidden += [value.rpartition(" ")[2] for value in hidden]
        return redact(f"{self.series} from {self.source}: {what}; {remedy}.", hidden)

    def public_headers(self) -> dict[str, str]:
        return {name: value for name, value in self.headers.items() if name.lower() not in self.secrets}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class Again(Exception):
    """A failure that another try may cure; becomes `kind` when the tries are spent."""

    def __init__(self, kind: type[SourceError], what: str, remedy: str, wait_s: float | None = None) -> None:
        super().__init__(what)
        self.kind, self.what, self.remedy, self.wait_s = kind, what, remedy, wait_s

    def final(self, question: Question, tries: int) -> SourceError:
        text = question.says(f"{self.what} ({tries} {'try' if tries == 1 else 'tries'})", self.remedy)
        return Throttled(text, self.wait_s) if issubclass(self.kind, Throttled) else self.kind(text)


def told(error: Exception, question: Question, timeout_s: float) -> SourceError | Again:
    """A foreign error in our words; its own text is left out because it holds the URL or the header."""
    host = urlsplit(question.url).netloc.rpartition("@")[2]
    if isinstance(error, UNUSABLE):
        what = f"the address or a header cannot be sent ({type(error).__name__})"
        return BadRequest(question.says(what, "check the URL and the token in the settings"))
    if isinstance(error, requests.exceptions.SSLError):
        return Again(Transient, f"the certificate of {host} is not trusted", "check REQUESTS_CA_BUNDLE")
    if isinstance(error, requests.exceptions.Timeout | urllib3.exceptions.TimeoutError):
        return Again(Transient, f"no answer from {host} within {timeout_s:g} s", "try again later")
    what = f"the connection to {host} failed or broke off ({type(error).__name__})"
    return Again(Transient, what, "check the network, then try again")


def refuse(question: Question, answer: Answer) -> NoReturn:
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
        raise Again(Throttled, what, "ask again later and less often", wait_s)
    if status == 504:
        raise Again(Transient, what, "ask for a narrower window or try again later", wait_s)
    if status >= 500 or status in (408, 425):
        raise Again(Transient, what, "try again later", wait_s)
    if status >= 400:
        raise BadRequest(question.says(what, "correct the question or the settings"))
    raise SchemaChanged(question.says(what, "this status is not part of the known format"))
