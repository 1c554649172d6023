"""Request -> refused, sent to sign in, or let through to Streamlit with headers that keep a browser strict."""

import asyncio
import logging
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState

from dashboard import data, live
from dashboard.signing import cookies, policy, preloading, routes, words
from dashboard.signing.door import Door, Person, door

log = logging.getLogger(__name__)
# What a browser needs before anybody has signed in: the form, its font and icon, and Streamlit's own code.
OPEN = ("/health", "/_stcore/health", "/favicon.png")
OPEN_FOLDERS = ("/sign-in", "/sign-out", "/static/", "/app/static/")
METRICS = "/_stcore/metrics"
UPLOADS = "/_stcore/upload_file"
# A way for programs to use pages, which nobody needs here.
AGENTS = "/_stcore/agent"
SAFE = ("GET", "HEAD", "OPTIONS")
# How a websocket is refused before it is one: the server answers the handshake with 403.
POLICY_VIOLATION = 1008
HOST = re.compile(r"(?P<name>[\w.-]+|\[[0-9a-f:.]+\])(:\d{1,5})?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class Asked:
    """What a request says about itself."""

    kind: str
    scheme: str
    method: str
    path: str
    address: str
    link: str
    headers: Headers
    cookies: dict[str, str]

    @property
    def wants_page(self) -> bool:
        """Whether a person's browser asks for a page."""
        return self.kind == "http" and self.method == "GET" and "text/html" in self.headers.get("accept", "")


class Gate:
    """The outermost layer: hosts, origins, sessions and headers."""

    stands: ClassVar[bool] = False
    """Whether this process has one; under `streamlit run` it has not."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        Gate.stands = True
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, one websocket or the lifespan."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        asked = _asked(scope)
        own = _door()
        send = _strict(send, own, asked)
        refusal = self._elsewhere(own, asked)
        person = None if refusal else _person(own, asked)
        refusal = refusal or _closed(own, asked, person)
        if refusal is None:
            if person and asked.wants_page:
                await _seen(own, asked)
            if scope["type"] == "websocket":
                receive = _timely(receive if own.auth.mode == "local" else _checked(receive, own, asked))
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        else:
            await refusal(scope, receive, send)

    def _elsewhere(self, own: Door, asked: Asked) -> Response | None:
        told = asked.headers.getlist("host")
        host = told[0] if len(told) == 1 else ""
        if _hostname(host) not in self._hosts:
            return PlainTextResponse("This name is not served here.", 400)
        if not _own_origin(own, asked, host):
            told_origin = _origin(asked)
            log.warning("refused %s %.200r from the foreign origin %.100r", asked.method, asked.path, told_origin)
            return PlainTextResponse("Not from elsewhere.", 403)
        return None


def _closed(own: Door, asked: Asked, person: Person | None) -> Response | None:
    if asked.path.rstrip("/") == METRICS and (person is None or person.role != "admin"):
        if person:
            log.warning("refused %s %s: %s asked", person.role, person.name, METRICS)
        return PlainTextResponse("Needs the role admin.", 403)
    if UPLOADS in asked.path:
        # No page takes files, and Streamlit would keep in memory whatever a session sends.
        return PlainTextResponse("Nothing is uploaded here.", 403)
    if AGENTS in asked.path:
        return PlainTextResponse("Pages are for people here.", 403)
    return None if own.auth.mode == "local" or person or _open(asked.path) else _to_sign_in(asked)


def _to_sign_in(asked: Asked) -> Response:
    if not asked.wants_page:
        return PlainTextResponse("Sign in first.", 403)
    path = routes.local_path(asked.link)
    if asked.headers.get("sec-fetch-site") == "cross-site":
        # The browser keeps the cookie back when a link in a message leads here; asked from here it sends it.
        return HTMLResponse(words.again(path), headers={"Content-Security-Policy": words.POLICY})
    return RedirectResponse("/sign-in" + ("" if path == "/" else f"?next={quote(path, safe='')}"), 303)


def _checked(receive: Receive, own: Door, asked: Asked) -> Receive:
    """What the browser sends, each message looked at: without a session it may have nothing but a bare run of a page,
    which says so."""

    name = ""

    async def received() -> Message:
        nonlocal name
        while True:
            message = await receive()
            if message["type"] != "websocket.receive":
                return message
            content = BackMsg.FromString(message.get("bytes") or b"")
            by_hand = content.HasField("rerun_script") and not live.by_itself(content.rerun_script)
            person = _person(own, asked)
            if person is not None:
                name = person.name
                if by_hand:
                    await _seen(own, asked)
                return message
            if by_hand and _triggers(content.rerun_script):
                log.warning("refused what %s did at %r: the session has ended", name, asked.address)
            if content.HasField("rerun_script"):
                content.rerun_script.ClearField("widget_states")
                content.rerun_script.ClearField("fragment_id")
                return {**message, "bytes": content.SerializeToString()}

    return received


def _timely(receive: Receive) -> Receive:
    """What the browser sends, but not what a page told by itself when it was being left."""
    visit = live.Visit()

    async def received() -> Message:
        while True:
            message = await receive()
            content = BackMsg.FromString(message.get("bytes") or b"")
            if not (content.HasField("rerun_script") and visit.over(content.rerun_script, time.monotonic())):
                return message

    return received


def _triggers(asked: ClientState) -> list[str]:
    """What was clicked or told itself, by id; every other widget's value comes along with each run."""
    return [one.id for one in asked.widget_states.widgets if "trigger" in (one.WhichOneof("value") or "")]


async def _seen(own: Door, asked: Asked) -> None:
    # In a thread, because it may have to wait for the file of sessions.
    await asyncio.to_thread(own.seen, asked.cookies, data.desk().clock())


def _strict(send: Send, own: Door, asked: Asked) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in policy.headers(https=own.https).items():
                headers.setdefault(name, value)
            page = "text/html" in headers.get("content-type", "")
            if page or asked.path.startswith("/media"):
                headers["Cache-Control"] = "no-store"
            if page and not _open(asked.path):
                headers["Link"] = preloading.links()
        await send(message)

    return sent


def _asked(scope: Scope) -> Asked:
    headers = Headers(scope=scope)
    query = scope.get("query_string", b"")
    # As it was sent: decoded, a path of this server can turn into the address of another.
    link = (scope.get("raw_path") or quote(scope["path"]).encode()) + (b"?" + query if query else b"")
    return Asked(
        kind=scope["type"],
        scheme=scope.get("scheme", "http"),
        method=scope.get("method", "GET"),
        path=scope["path"],
        address=(scope.get("client") or ("",))[0],
        link=link.decode("latin-1"),
        headers=headers,
        cookies=cookies.jar(headers.getlist("cookie")),
    )


def _hostname(host: str) -> str:
    found = HOST.fullmatch(host)
    return found["name"].strip("[]").rstrip(".").lower() if found else ""


def _origin(asked: Asked) -> str:
    """Where the page is from that asks; browsers tell it with every websocket and post."""
    told = asked.headers.get("origin")
    if told is None and asked.kind == "http":
        found = re.match(r"\w+://[^/?#]+", asked.headers.get("referer", ""))
        return found[0] if found else ""
    return told or ""


def _own_origin(own: Door, asked: Asked, host: str) -> bool:
    if asked.kind == "http" and asked.method in SAFE:
        return True
    told = _origin(asked)
    if not told:
        # Not a browser: it has no cookie that somebody else's page could ride on. A form always has an origin.
        return asked.kind == "websocket"
    public = own.public
    if public and urlsplit(public).netloc == host.lower():
        return told.lower() == public
    # A proxy may have taken https off; nothing puts it on.
    schemes = ("https",) if asked.scheme in ("https", "wss") else ("http", "https")
    return told.lower() in {f"{one}://{host.lower()}" for one in schemes}


def _open(path: str) -> bool:
    return path in OPEN or any(
        path == one or path.startswith(one if one[-1] == "/" else f"{one}/") for one in OPEN_FOLDERS
    )


def _person(own: Door, asked: Asked) -> Person | None:
    return None if own.auth.mode == "local" else own.person(asked.cookies, data.desk().clock())


def _door() -> Door:
    return door(data.desk().settings)


def hosts(settings: Any, address: str) -> tuple[str, ...]:
    """The names this server answers to."""
    public = urlsplit(settings.channels.public_url or "").hostname
    own = ("localhost", "127.0.0.1", "::1", *((public,) if public else ()), *settings.auth.hosts)
    return own if address in ("0.0.0.0", "::") else (*own, address)
