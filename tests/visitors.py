"""A server process and what asks it: plain HTTP with a jar of cookies, and Streamlit's websocket."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPMessage
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests import browser

PAGE = {"Accept": "text/html"}
Widgets = dict[str, str | None]


@contextmanager
def serving(warehouse: Path, log: Path, **more: str) -> Iterator[int]:
    """The dashboard's server over `warehouse` as of `browser.serving`; gives its port."""
    with browser.serving(warehouse, log, **more) as address:
        yield int(address.rpartition(":")[2])


@dataclass
class Answer:
    """What the server said."""

    status: int
    headers: HTTPMessage
    text: str


@dataclass
class Visitor:
    """A browser without scripts: it keeps cookies and says where its forms are from."""

    port: int
    host: str = "localhost"
    origin: str | None = None
    address: str = ""
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **headers: str) -> Answer:
        """Ask for a path."""
        return self._ask("GET", path, None, headers)

    def post(self, path: str, form: dict[str, str], **headers: str) -> Answer:
        """Send a form, with its origin unless another or none ("") is given."""
        origin = headers.pop("Origin", self.origin if self.origin is not None else f"http://{self._host}")
        sent = {"Content-Type": "application/x-www-form-urlencoded"} | ({"Origin": origin} if origin else {})
        return self._ask("POST", path, urlencode(form), sent | headers)

    def token(self, path: str = "/sign-in") -> str:
        """The token of the form at `path`."""
        found = re.search(r'name="token" value="(\w+)"', self.get(path).text)
        assert found
        return found[1]

    def sign_in(self, name: str, password: str, following: str = "/") -> Answer:
        """Fill in the form."""
        return self.post("/sign-in", {"token": self.token(), "name": name, "password": password, "next": following})

    @property
    def _host(self) -> str:
        return self.host if "." in self.host else f"{self.host}:{self.port}"

    @property
    def sent(self) -> dict[str, str]:
        """Host and cookies as headers."""
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        forwarded = {"X-Forwarded-For": self.address} if self.address else {}
        return {"Host": self._host} | ({"Cookie": cookie} if cookie else {}) | forwarded

    def _ask(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> Answer:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, self.sent | names)
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
        finally:
            connection.close()
        for line in answer.headers.get_all("Set-Cookie") or []:
            for name, one in SimpleCookie(line).items():
                self.cookies[name] = one.value
                if one["max-age"] == "0":
                    del self.cookies[name]
        return Answer(answer.status, answer.headers, text)


class Socket:
    """Streamlit's websocket as a page opens it. Raises InvalidStatus when the server refuses it."""

    def __init__(self, visitor: Visitor, origin: str | None = None) -> None:
        headers = {name: value for name, value in visitor.sent.items() if name == "Cookie"}
        url = f"ws://localhost:{visitor.port}/_stcore/stream"
        told = f"http://localhost:{visitor.port}" if origin is None else origin
        self._within = connect(
            url,
            origin=told or None,  # type: ignore[arg-type]
            subprotocols=["streamlit"],  # type: ignore[list-item]
            additional_headers=headers,
            max_size=None,
        )
        self._socket = self._within.__enter__()

    def run(self, fragment: str = "", *, auto: bool = False, page: str = "", query: str = "") -> str:
        """Run a page's script; gives the words of everything that the server sent until it was done."""
        return "\n".join(map(str, self.told(fragment, auto=auto, page=page, query=query)))

    def told(
        self, fragment: str = "", *, auto: bool = False, page: str = "", query: str = "", widgets: Widgets | None = None
    ) -> list[ForwardMsg]:
        """Everything that the server sent until the run was done; `widgets` are what the browser says of them by id:
        a text, or None for a button that was clicked."""
        message = BackMsg()
        message.rerun_script.query_string = query
        message.rerun_script.page_name = page
        message.rerun_script.fragment_id = fragment
        message.rerun_script.is_auto_rerun = auto
        for name, value in (widgets or {}).items():
            state = message.rerun_script.widget_states.widgets.add(id=name)
            if value is None:
                state.trigger_value = True
            else:
                state.string_value = value
        self._socket.send(message.SerializeToString())
        found: list[ForwardMsg] = []
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                told = ForwardMsg.FromString(bytes(self._socket.recv(timeout=60)))
            except (ConnectionClosed, TimeoutError):
                break
            found.append(told)
            if told.HasField("script_finished"):
                break
        return found

    def close(self) -> None:
        """Leave."""
        self._within.__exit__(None, None, None)
