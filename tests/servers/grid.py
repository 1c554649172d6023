"""(store, clock) -> a real HTTP server on this machine that speaks ESIOS and REData and can go wrong."""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pandas as pd

from tests.servers import wire
from tests.servers.faults import PASSING, Answer, Fault, gateway_timeout
from tests.servers.local import LocalServer
from tests.servers.publication import Publication


@dataclass(frozen=True)
class Recorded:
    """One request as it came in."""

    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]

    def one(self, name: str) -> str:
        """The only value of a query parameter."""
        (value,) = self.query[name]
        return value


class GridServer(LocalServer):
    """ESIOS and REData over one store; `now` may be moved, `faults` are used up one a request.

    store: UTC five-minute index; columns load, forecast, programme (MW) and price (EUR/MWh), NaN = absent.
    token: what ESIOS asks for in x-api-key. widest: windows beyond it get a 504.
    price_step: 60 or 15 minutes between rows of indicator 600.
    """

    def __init__(
        self,
        store: pd.DataFrame,
        now: datetime,
        *,
        token: str = "a-token",
        lag: timedelta = timedelta(minutes=8),
        widest: timedelta = timedelta(days=180),
        price_step: int = 60,
    ) -> None:
        super().__init__(_handler(self))
        self.published = Publication(store, lag=lag, price_step=price_step)
        self.now, self.token, self.widest = now, token, widest
        self.frozen_at: datetime | None = None
        self.requests: list[Recorded] = []
        self.faults: deque[Fault] = deque()
        self._chaos: tuple[Random, float] | None = None

    @property
    def newest_known(self) -> datetime:
        """The moment whose facts are published: `now`, or the start of an outage."""
        return self.now if self.frozen_at is None else min(self.now, self.frozen_at)

    def outage(self, since: datetime | None) -> None:
        """Publish nothing newer than `since` until called with None."""
        self.frozen_at = since

    def revise(self, column: str, valid_at: datetime, value: float, visible_from: datetime) -> None:
        """From `visible_from` on, the store's value at `valid_at` is `value`."""
        self.published.revise(column, valid_at, value, visible_from)

    def chaos(self, seed: int, share: float) -> None:
        """Let a seeded random `share` of answers go wrong in ways that pass; 0 ends it."""
        self._chaos = (Random(seed), share) if share else None

    def answer(self, request: Recorded) -> Answer:
        """The answer to one request, with the next fault in it."""
        self.requests.append(request)
        good = self._honest(request)
        if self.faults:
            return self.faults.popleft()(good)
        if self._chaos and self._chaos[0].random() < self._chaos[1]:
            return self._chaos[0].choice(PASSING)(good)
        return good

    def _honest(self, request: Recorded) -> Answer:
        parts = request.path.strip("/").split("/")
        if parts[0] == "indicators" and len(parts) == 2:
            answer = wire.esios(self.published, parts[1], request.query, self.newest_known)
            if request.headers.get("x-api-key") != self.token:
                return Answer(401, b'{"message":"HTTP Token: Access denied"}')
        elif request.path == "/es/datos/demanda/demanda-tiempo-real":
            answer = wire.redata(self.published, request.query, self.newest_known)
        else:
            return Answer(500, b"<html><body>Internal Server Error</body></html>", "text/html")
        return gateway_timeout(answer) if wire.width(request.query) > self.widest else answer


def _handler(server: GridServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            self._send(server.answer(Recorded(parts.path, parse_qs(parts.query), headers)))

        def _send(self, answer: Answer) -> None:
            time.sleep(answer.pause_s)
            try:
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", answer.content_type)
                self.send_header("Content-Length", str(len(answer.body)))
                self.send_header("Connection", "close")
                self.end_headers()
                body = answer.body[: len(answer.body) - answer.cut]
                step = 1 if answer.drip_s else max(1, len(body))
                for start in range(0, len(body), step):
                    self.wfile.write(body[start : start + step])
                    time.sleep(answer.drip_s)
            except (BrokenPipeError, ConnectionResetError):
                # The client's own timeout is what the test is about.
                pass
            self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet: tests read `requests`."""

    return Handler
