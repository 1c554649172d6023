"""The one HTTP client against a real server that misbehaves byte by byte; only sleep and clock are fakes."""

import logging
import socket
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.errors import AuthRefused, BadRequest, SchemaChanged, SourceError, Throttled, Transient
from pipeline.redacting import redact
from pipeline.settings import Settings
from pipeline.sources.answers import decode_json, retry_after_s
from pipeline.sources.http import Client, client_for, polite_gap_s
from tests.servers import faults
from tests.servers.faults import Answer
from tests.servers.grid import GridServer
from tests.servers.store import invented_store

NOW = datetime(2024, 6, 2, tzinfo=UTC)
SECRET = "s3cret-Token-42"
GOOD = faults.answering(b'{"ok": 1}')


class Time:
    """A clock that only sleep moves, and a record of the sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def sleep(self, wait_s: float) -> None:
        self.slept.append(wait_s)
        self.now += wait_s

    def clock(self) -> float:
        return self.now


@pytest.fixture
def server() -> Iterator[GridServer]:
    with GridServer(invented_store("2024-06-01", "2024-06-02"), NOW) as running:
        yield running


@pytest.fixture
def passing() -> Time:
    return Time()


def client(passing: Time, **more: Any) -> Client:
    known: dict[str, Any] = {
        "user_agent": "sextant/test", "timeout_s": 5.0, "tries": 4, "deadline_s": 600.0, "gap_s": lambda host: 0.0,
        "sleep": passing.sleep, "clock": passing.clock, "random": lambda: 1.0,
    }  # fmt: skip
    return Client(**(known | more))


def ask(one: Client, url: str, **more: Any) -> Any:
    known: dict[str, Any] = {"source": "esios", "series": "es.load", "parse": decode_json}
    return one.get(url, **(known | {"headers": {"x-api-key": SECRET}, "secrets": frozenset({"X-API-Key"})} | more))


def failing(server: GridServer, passing: Time, *answers: faults.Fault, **more: Any) -> SourceError:
    server.faults.extend(answers)
    with pytest.raises(SourceError) as caught:
        ask(client(passing, **more), f"{server.url}/x")
    return caught.value


def test_a_good_answer_is_parsed_and_the_request_is_identified(server: GridServer, passing: Time) -> None:
    server.faults.append(GOOD)
    assert ask(client(passing), f"{server.url}/x", params={"geo_ids[]": ["3", "1"]}) == {"ok": 1}
    (request,) = server.requests
    assert request.headers["user-agent"] == "sextant/test"
    assert request.headers["x-api-key"] == SECRET
    assert request.query["geo_ids[]"] == ["3", "1"]
    assert passing.slept == []


@pytest.mark.parametrize(
    "fault",
    [faults.unavailable, faults.gateway_timeout, faults.web_page, faults.broken_json, faults.truncated,
     faults.throttled(), faults.throttled("0"), faults.answering(b""), faults.answering(b"", 408)],
)  # fmt: skip
def test_passing_trouble_is_overcome(server: GridServer, passing: Time, fault: faults.Fault) -> None:
    server.faults.extend([lambda _: fault(Answer(200, b'{"ok": 1}')), GOOD])
    assert ask(client(passing), f"{server.url}/x") == {"ok": 1}
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (faults.unavailable, Transient, "HTTP 503 (4 tries); try again later."),
        (faults.gateway_timeout, Transient, "HTTP 504 (4 tries); ask for a narrower window"),
        (faults.web_page, Transient, "a web page came instead of data (4 tries)"),
        (faults.broken_json, Transient, "not complete JSON (4 tries)"),
        (faults.throttled("1"), Throttled, "HTTP 429, Slow down (4 tries); ask again later and less often."),
    ],
)
def test_lasting_trouble_ends_after_the_tries(
    server: GridServer, passing: Time, fault: faults.Fault, kind: type[SourceError], words: str
) -> None:
    error = failing(server, passing, *[lambda _: fault(Answer(200, b'{"ok": [1, 2]}'))] * 9)
    assert type(error) is kind
    assert str(error).startswith("es.load from esios: ")
    assert words in str(error)
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (faults.unauthorized, AuthRefused, "HTTP 401, HTTP Token: Access denied; check the access token."),
        (faults.forbidden, AuthRefused, "HTTP 403, Invalid token; check the access token."),
        (faults.firewall, AuthRefused, "a firewall blocks this address, not the token"),
        (faults.answering(b'{"errors":[{"detail":"Bad date"}]}', 400), BadRequest, "HTTP 400, Bad date;"),
        (faults.answering(b'{"message":"no\\n such"}', 404), BadRequest, "HTTP 404, no such;"),
        (faults.answering(b"start_date: missing", 422), BadRequest, "HTTP 422, start_date: missing;"),
        (faults.answering(b"{}", 202), SchemaChanged, "HTTP 202;"),
        (faults.answering(b"", 304), SchemaChanged, "HTTP 304;"),
    ],
)
def test_a_refusal_is_final_and_says_what_to_do(
    server: GridServer, passing: Time, fault: faults.Fault, kind: type[SourceError], words: str
) -> None:
    error = failing(server, passing, fault)
    assert type(error) is kind
    assert words in str(error)
    assert len(server.requests) == 1
    assert str(error).count(". ") == 0


def test_a_parser_that_finds_another_format_is_not_asked_twice(server: GridServer, passing: Time) -> None:
    def parse(body: bytes) -> None:
        raise SchemaChanged("es.load from esios: other fields.")

    server.faults.extend([GOOD, GOOD])
    with pytest.raises(SchemaChanged):
        ask(client(passing), f"{server.url}/x", parse=parse)
    assert len(server.requests) == 1


def test_our_own_bug_in_a_parser_is_not_dressed_up_as_the_providers_fault(server: GridServer, passing: Time) -> None:
    server.faults.append(GOOD)
    with pytest.raises(KeyError):
        ask(client(passing), f"{server.url}/x", parse=lambda body: {}["absent"])


def test_waits_grow_with_full_jitter(server: GridServer, passing: Time) -> None:
    draws = iter([1.0, 0.5, 0.25, 1.0])
    failing(server, passing, *[faults.unavailable] * 4, random=lambda: next(draws))
    assert passing.slept == [2.0, 2.0, 2.0]


def test_retry_after_in_seconds_is_honoured_with_jitter_on_top(server: GridServer, passing: Time) -> None:
    server.faults.extend([faults.throttled("7"), GOOD])
    ask(client(passing, random=lambda: 0.5), f"{server.url}/x")
    assert passing.slept == [7.5]


def test_a_retry_after_date_is_measured_against_the_answers_own_clock() -> None:
    headers = {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT", "Date": "Fri, 31 Dec 1999 23:59:29 GMT"}
    assert retry_after_s(headers) == 30.0
    assert retry_after_s(headers | {"Date": "Sat, 01 Jan 2000 00:00:09 GMT"}) == 0.0
    assert retry_after_s({"Retry-After": "soon"}) is None
    assert retry_after_s({"Retry-After": headers["Date"]}) is None
    assert retry_after_s({}) is None


def test_a_retry_after_beyond_two_minutes_is_handed_to_the_caller_instead_of_waited(
    server: GridServer, passing: Time
) -> None:
    error = failing(server, passing, faults.throttled("3600"), deadline_s=1e6)
    assert isinstance(error, Throttled)
    assert error.retry_after_s == 3600.0
    assert passing.slept == []


def test_a_total_deadline_ends_the_tries_early(server: GridServer, passing: Time) -> None:
    failing(server, passing, *[faults.throttled("40")] * 4, deadline_s=100.0)
    assert len(server.requests) == 3


def test_a_slow_answer_times_out(server: GridServer, passing: Time) -> None:
    error = failing(server, passing, faults.slow(0.6), timeout_s=0.1, tries=1)
    assert isinstance(error, Transient)
    assert "no answer from 127.0.0.1:" in str(error)
    assert "within 0.1 s (1 try)" in str(error)


def test_an_answer_that_drips_meets_the_deadline(server: GridServer, passing: Time) -> None:
    server.faults.append(lambda _: faults.dripping(0.02)(Answer(200, b" " * 200)))
    real = Client(user_agent="t", timeout_s=5.0, tries=1, deadline_s=0.3, sleep=passing.sleep)
    with pytest.raises(Transient, match=r"no complete answer within 0\.3 s"):
        ask(real, f"{server.url}/x")


def test_a_refused_connection_is_transient_and_shows_no_address_details(passing: Time) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(Transient, match=rf"the connection to 127\.0\.0\.1:{port} failed .* \(4 tries\)"):
        ask(client(passing), f"http://127.0.0.1:{port}/x?api_key={SECRET}")
    assert len(passing.slept) == 3


def test_requests_to_one_host_keep_their_distance_and_hosts_do_not_wait_for_each_other(
    server: GridServer, passing: Time
) -> None:
    server.faults.extend([GOOD] * 4)
    one = client(passing, gap_s=lambda host: 2.0)
    for host in ("127.0.0.1", "127.0.0.1", "localhost", "127.0.0.1"):
        ask(one, f"{server.url.replace('127.0.0.1', host)}/x")
    assert passing.slept == [2.0, 2.0]


def test_retries_and_redirects_keep_the_distance_too(server: GridServer, passing: Time) -> None:
    server.faults.extend([faults.unavailable, faults.redirect("/y"), GOOD])
    ask(client(passing, gap_s=lambda host: 5.0, random=lambda: 0.5), f"{server.url}/x")
    assert passing.slept == [1.0, 4.0, 5.0]


def test_providers_are_asked_every_two_seconds_at_most_and_this_machine_at_will() -> None:
    assert polite_gap_s("api.esios.ree.es") == 2.0
    assert polite_gap_s("127.0.0.1") == 0.0


def test_a_process_shares_one_client_and_so_one_pace() -> None:
    settings = Settings.load({})
    assert client_for(settings) is client_for(Settings.load({"SEXTANT_MARKETS": "es"}))


def test_a_redirect_within_the_host_keeps_the_token(server: GridServer, passing: Time) -> None:
    server.faults.extend([faults.redirect("/moved?x=1"), GOOD])
    assert ask(client(passing), f"{server.url}/x", params={"a": "b"}) == {"ok": 1}
    assert server.requests[1].path == "/moved"
    assert server.requests[1].query == {"x": ["1"]}
    assert server.requests[1].headers["x-api-key"] == SECRET


def test_a_redirect_to_another_host_loses_the_token_for_good(server: GridServer, passing: Time) -> None:
    with GridServer(invented_store("2024-06-01", "2024-06-02"), NOW) as other:
        server.faults.extend([faults.redirect(f"{other.url}/there"), GOOD])
        other.faults.append(faults.redirect(f"{server.url}/back"))
        ask(client(passing), f"{server.url}/x", headers={"x-api-key": SECRET, "Accept": "application/json"})
        assert "x-api-key" not in other.requests[0].headers
        assert other.requests[0].headers["accept"] == "application/json"
    assert SECRET not in str(other.requests)
    assert server.requests[1].path == "/back"
    assert "x-api-key" not in server.requests[1].headers


def test_redirects_in_a_circle_end(server: GridServer, passing: Time) -> None:
    error = failing(server, passing, *[faults.redirect("/x")] * 9)
    assert isinstance(error, SchemaChanged)
    assert "more than 3 redirects" in str(error)
    assert len(server.requests) == 4


def test_no_secret_is_in_any_log_line_or_error(
    server: GridServer, passing: Time, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    echo = faults.answering(f'{{"message": "token {SECRET} is unknown"}}'.encode(), 400)
    presigned = faults.redirect(f"{server.url}/y?X-Amz-Signature={SECRET}&x=1")
    server.faults.extend([faults.unavailable, presigned, faults.throttled(), echo])
    with pytest.raises(BadRequest) as caught:
        ask(client(passing), f"{server.url}/x?apikey={SECRET}")
    text = caplog.text + "".join(traceback.format_exception(caught.value))
    assert "GET /y?X-Amz-Signature=***&x=1" in text
    assert "apikey=***" in text
    assert "token *** is unknown" in text
    assert SECRET not in text


@pytest.mark.parametrize("token", ["s3cret\n", "s3cret\r\nX: y", "s3cret-\u20ac"])
def test_a_token_that_cannot_be_sent_is_refused_without_showing_it(
    server: GridServer, passing: Time, token: str
) -> None:
    with pytest.raises(BadRequest, match="a header cannot be sent") as caught:
        ask(client(passing), f"{server.url}/x", headers={"x-api-key": token})
    error: BaseException | None = caught.value
    while error is not None:
        assert "s3cret" not in str(error)
        error = error.__context__
    assert server.requests == []


def test_logins_and_tokens_in_urls_are_redacted() -> None:
    url = "http://me:pw@host/p?a=1&api_key=abc&securitytoken=d&x-amz-credential=e%2Ff&geo_ids[]=3"
    shown = redact(f"GET {url} failed")
    assert shown == "GET http://***@host/p?a=1&api_key=***&securitytoken=***&x-amz-credential=***&geo_ids[]=3 failed"
    assert redact(r"a\b and a\\b", [r"a\b"]) == "*** and ***"
