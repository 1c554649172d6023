"""(store, clock) -> a real HTTP server on this machine that speaks ERCOT's four services and can go wrong."""

import json
from collections import deque
from collections.abc import Callable
from datetime import datetime
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pandas as pd

from tests.servers import ercot_files as files
from tests.servers import ercot_wire as wire
from tests.servers.ercot_store import Store
from tests.servers.faults import HTML, Answer, Fault
from tests.servers.grid import Recorded, _handler
from tests.servers.local import LocalServer

LOGIN = "/ercotb2c.onmicrosoft.com/B2C_1_PUBAPI-ROPC-FLOW/oauth2/v2.0/token"
API, DASHBOARD, DISPLAY = "/api/public-reports", "/api/1/services/read/dashboards/", "/content/cdr/html/"
ACCOUNT = {"ERCOT_USERNAME": "ana@example.org", "ERCOT_PASSWORD": "pass-word", "ERCOT_SUBSCRIPTION_KEY": "a-key"}
UNAUTHORIZED = b'{"statusCode":401,"message":"Unauthorized. Access token is missing or invalid."}'


def throttled(_: Answer) -> Answer:
    """The public API's 429, which says nothing of when to come back."""
    return Answer(429, b'{"error_key":"throttled","error_message":"Too Many Requests"}')


def spurious(_: Answer) -> Answer:
    """The 400 that comes now and then for no reason."""
    return Answer(400, b'{"timestamp":"x","code":400,"status":"BAD_REQUEST","message":"Invalid query","data":null}')


class ErcotServer(LocalServer):
    """The identity service, the public API, the files, the dashboards and the display over one store.

    `now` may be moved; `faults` are used up one a request, `login_faults` one a token. Tokens are "token-1", ... and
    good until `expire()`.
    """

    def __init__(self, store: Store, now: datetime) -> None:
        super().__init__(_posting(self))
        self.store, self.now = store, now
        self.requests: list[Recorded] = []
        self.faults: deque[Fault] = deque()
        self.login_faults: deque[Fault] = deque()
        self.tokens: list[str] = []
        self._good: set[str] = set()

    @property
    def env(self) -> dict[str, str]:
        """Settings that lead here, with an account."""
        names = ("SEXTANT_ERCOT_URL", "SEXTANT_ERCOT_LOGIN_URL", "SEXTANT_ERCOT_PUBLIC_URL")
        return dict.fromkeys(names, self.url) | ACCOUNT

    def asked(self, part: str) -> list[Recorded]:
        """The requests whose path holds `part`."""
        return [request for request in self.requests if part in request.path]

    def expire(self) -> None:
        """From now on all tokens are refused."""
        self._good.clear()

    def answer(self, request: Recorded) -> Answer:
        """The answer to one request, with the next fault in it."""
        self.requests.append(request)
        faults = self.login_faults if request.path == LOGIN else self.faults
        good = self._honest(request)
        return faults.popleft()(good) if faults else good

    def _honest(self, request: Recorded) -> Answer:
        now = pd.Timestamp(self.now).tz_convert("UTC").as_unit("us")
        path = request.path
        if path == LOGIN:
            return self._login(request)
        if path.startswith(API):
            return self._api(request, now)
        routes: dict[str, Callable[[], Answer]] = {
            "/misapp/servlets/IceDocListJsonWS": lambda: files.documents(request.one("reportTypeId"), now),
            "/misdownload/servlets/mirDownload": lambda: files.document(self.store, request.one("doclookupId"), now),
        }
        if path in routes:
            return routes[path]()
        if path.startswith(DASHBOARD):
            return files.dashboard(self.store, path.removeprefix(DASHBOARD).removesuffix(".json"), now)
        if path.startswith(DISPLAY):
            return files.display(self.store, path.removeprefix(DISPLAY)[:8], now)
        return Answer(404, b"<html><body>Not found</body></html>", HTML)

    def _login(self, request: Recorded) -> Answer:
        wanted = (ACCOUNT["ERCOT_USERNAME"], ACCOUNT["ERCOT_PASSWORD"], "password", "id_token")
        names = ("username", "password", "grant_type", "response_type")
        if tuple(request.query.get(name, [""])[0] for name in names) != wanted:
            said = "AADB2C90225: The username or password provided in the request are invalid."
            return Answer(400, json.dumps({"error": "access_denied", "error_description": said}).encode())
        self.tokens.append(f"token-{len(self.tokens) + 1}")
        self._good.add(self.tokens[-1])
        told = {"access_token": "x", "id_token": self.tokens[-1], "refresh_token": "y", "token_type": "Bearer"}
        return Answer(200, json.dumps(told | {"expires_in": "3600"}).encode())

    def _api(self, request: Recorded, now: pd.Timestamp) -> Answer:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        key = request.headers.get("ocp-apim-subscription-key")
        if token not in self._good or key != ACCOUNT["ERCOT_SUBSCRIPTION_KEY"]:
            return Answer(401, UNAUTHORIZED)
        return wire.api(self.store, request.path.removeprefix(API), request.query, now)


def _posting(server: Any) -> type[Any]:
    class Handler(_handler(server), BaseHTTPRequestHandler):  # type: ignore[misc]
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            self._send(server.answer(Recorded(urlsplit(self.path).path, parse_qs(body), headers)))

    return Handler
