"""Request -> refused, sent to sign in, or let through to Streamlit with headers that keep a browser strict."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg

from dashboard import data
from dashboard.signing import policy, words
from dashboard.signing.door import Door, Person, door

log = logging.getLogger(__name__)
# What a browser needs before anybody has signed in: the form, its font and icon, and Streamlit's own code.
OPEN = ("/health", "/_stcore/health", "/favicon.png")
OPEN_FOLDERS = ("/sign-in", "/sign-out", "/static/", "/app/static/")
METRICS = "/_stcore/metrics"
SAFE = ("GET", "HEAD", "OPTIONS")
# How a websocket is refused before it is one: the server answers the handshake with 403.
POLICY_VIOLATION = 1008


@dataclass(frozen=True)
class Asked:
    """What a request says about itself."""

    kind: str
    method: str
    path: str
    query: str
    headers: Headers
    cookies: dict[str, str]

    @property
    def wants_page(self) -> bool:
        """Whether a person's browser asks for a page."""
        return self.kind == "http" and self.method == "GET" and "text/html" in self.headers.get("accept", "")


class Gate:
    """The outermost layer: hosts, origins, sessions and headers."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
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
        refusal = self._refusal(own, asked)
        if refusal is None:
            guarded = scope["type"] == "websocket" and own.auth.mode != "local"
            await self._app(scope, _checked(receive, own, asked) if guarded else receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        else:
            await refusal(scope, receive, send)

    def _refusal(self, own: Door, asked: Asked) -> Response | None:
        host = asked.headers.get("host", "")
        if _hostname(host) not in self._hosts:
            return PlainTextResponse("This name is not served here.", 400)
        if not _own_origin(own, asked, host):
            log.warning("refused %s %s from the foreign origin %s", asked.method, asked.path, _origin(asked)[:100])
            return PlainTextResponse("Not from elsewhere.", 403)
        person = _person(own, asked)
        if asked.path.rstrip("/") == METRICS and (person is None or person.role != "admin"):
            return PlainTextResponse("Needs the role admin.", 403)
        if own.auth.mode == "local" or person or _open(asked.path):
            if person and asked.wants_page:
                own.seen(asked.cookies, data.desk().clock())
            return None
        return _to_sign_in(asked)


def _to_sign_in(asked: Asked) -> Response:
    if not asked.wants_page:
        return PlainTextResponse("Sign in first.", 403)
    path = asked.path + (f"?{asked.query}" if asked.query else "")
    if asked.headers.get("sec-fetch-site") == "cross-site":
        # The browser keeps the cookie back when a link in a message leads here; asked from here it sends it.
        return HTMLResponse(words.again(path), headers={"Content-Security-Policy": words.POLICY})
    return RedirectResponse("/sign-in" + ("" if path == "/" else f"?next={quote(path, safe='')}"), 303)


def _checked(receive: Receive, own: Door, asked: Asked) -> Receive:
    """What the browser sends, each message looked at: without a session it may have nothing but a bare run of a page,
    which says so."""

    async def received() -> Message:
        while True:
            message = await receive()
            if message["type"] != "websocket.receive":
                return message
            content = BackMsg.FromString(message.get("bytes") or b"")
            if _person(own, asked) is not None:
                # Fragments that refresh themselves are no sign that somebody sits there.
                if content.HasField("rerun_script") and not content.rerun_script.is_auto_rerun:
                    own.seen(asked.cookies, data.desk().clock())
                return message
            if content.HasField("rerun_script"):
                content.rerun_script.ClearField("widget_states")
                content.rerun_script.ClearField("fragment_id")
                return {**message, "bytes": content.SerializeToString()}

    return received


def _strict(send: Send, own: Door, asked: Asked) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in policy.headers(https=own.https).items():
                headers.setdefault(name, value)
            if "text/html" in headers.get("content-type", "") or asked.path.startswith("/media"):
                headers["Cache-Control"] = "no-store"
        await send(message)

    return sent


def _asked(scope: Scope) -> Asked:
    headers = Headers(scope=scope)
    query = scope.get("query_string", b"").decode("latin-1")
    return Asked(scope["type"], scope.get("method", "GET"), scope["path"], query, headers, _cookies(headers))


def _cookies(headers: Headers) -> dict[str, str]:
    jar: SimpleCookie = SimpleCookie()
    for line in headers.getlist("cookie"):
        try:
            jar.load(line)
        except CookieError:
            continue
    return {name: one.value for name, one in jar.items()}


def _hostname(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _origin(asked: Asked) -> str:
    """Where the page is from that asks; browsers tell it with every websocket and post."""
    told = asked.headers.get("origin")
    if told is None and asked.kind == "http":
        parts = urlsplit(asked.headers.get("referer", ""))
        return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
    return told or ""


def _own_origin(own: Door, asked: Asked, host: str) -> bool:
    if asked.kind == "http" and asked.method in SAFE:
        return True
    told = _origin(asked)
    if not told:
        # Not a browser: it has no cookie that somebody else's page could ride on. A form always has an origin.
        return asked.kind == "websocket"
    public = own.public
    return (
        told.lower() == public
        if public and urlsplit(public).netloc == host.lower()
        else (urlsplit(told).netloc.lower() == host.lower())
    )


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
