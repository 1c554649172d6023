"""HTTP request -> sign-in and sign-out: forms that work without scripts, guarded against forged and repeated posts."""

import asyncio
import hashlib
import hmac
import logging
import math
import secrets
from collections.abc import Callable
from urllib.parse import parse_qs, quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from dashboard import data
from dashboard.signing import cookies, words
from dashboard.signing.door import OIDC, Door, Refused, door
from pipeline import __version__
from pipeline.errors import SextantError

log = logging.getLogger(__name__)

FORM_COOKIE = "sextant_form"
BODY_LIMIT = 8192
# Each check of a password takes 64 MiB and most of a core for a tenth of a second.
AT_ONCE = asyncio.Semaphore(2)
KEY = secrets.token_bytes(32)
UNUSABLE = "Nobody can sign in now; the server's log says why."
TOO_OLD = "This form was open for too long. Please try again."


def the_door() -> Door:
    """The door of this process."""
    return door(data.desk().settings)


async def health(_request: Request) -> Response:
    """Whether the server answers, and what it is."""
    return JSONResponse({"ok": True, "version": __version__})


async def sign_in_form(request: Request) -> Response:
    """The page to sign in at; who is signed in already goes on."""
    following = local_path(request.query_params.get("next", "/"))
    if the_door().auth.mode == "local" or the_door().person(sent(request), data.desk().clock()):
        return RedirectResponse(following, 303)
    if the_door().auth.mode == OIDC:
        return page(words.sign_in_elsewhere(f"next={quote(following, safe='')}"))
    return _form(request, following)


async def sign_in(request: Request) -> Response:
    """Check the form and begin a session."""
    form = await _posted(request)
    following = local_path(form.get("next", "/"))
    if the_door().auth.mode != "password":
        return page(words.said("No passwords here", "People sign in another way.", link=("/sign-in", "Sign in")), 403)
    if not _genuine(request, form):
        return _form(request, following, name=form.get("name", ""), error=TOO_OLD, status=403)
    who = {"address": address(request), "agent": request.headers.get("user-agent", "")}
    old = sent(request).get(the_door().cookie, "")
    name, password = form.get("name", "").strip(), form.get("password", "")
    try:
        async with AT_ONCE:
            secret = await asyncio.to_thread(the_door().sign_in, data.desk(), name, password, old=old, **who)
    except Refused as error:
        answer = _form(request, following, name=name, error=str(error), status=429 if error.wait else 403)
        if error.wait:
            answer.headers["Retry-After"] = str(math.ceil(error.wait.total_seconds()))
        return answer
    except SextantError as error:
        log.error("nobody can sign in: %s", error)
        return _form(request, following, name=name, error=UNUSABLE, status=503)
    finally:
        # Out of AT_ONCE: the warehouse may be busy for seconds, and the next one only wants a password checked.
        await written()
    return begun(RedirectResponse(following, 303), secret)


async def sign_out_form(request: Request) -> Response:
    """The question whether to sign out."""
    person = the_door().person(sent(request), data.desk().clock())
    if person is None:
        return RedirectResponse("/sign-in", 303)
    return _with_token(request, lambda token: words.sign_out(token, person.name))


async def sign_out(request: Request) -> Response:
    """End the session and forget its cookie."""
    form = await _posted(request)
    if not _genuine(request, form):
        return page(words.said("Still signed in", TOO_OLD, link=("/sign-out", "Sign out")), 403)
    everywhere = form.get("everywhere") == "yes"
    try:
        await asyncio.to_thread(the_door().sign_out, data.desk(), sent(request), everywhere=everywhere)
    except SextantError as error:
        log.error("nobody can sign out: %s", error)
        return page(words.said("Still signed in", "Signing out failed; the server's log says why."), 503)
    await written()
    answer = page(words.said("Signed out", "See you soon.", link=("/sign-in", "Sign in")))
    answer.delete_cookie(the_door().cookie, path="/", secure=the_door().https, httponly=True, samesite="strict")
    return answer


def sent(request: Request) -> dict[str, str]:
    """The request's cookies."""
    return cookies.jar(request.headers.getlist("cookie"))


async def written() -> None:
    """Have the audit written of what was just done."""
    await asyncio.to_thread(the_door().teller.write, data.desk())


def begun(answer: Response, secret: str) -> Response:
    """The answer with the cookie of a new session, kept until the browser closes."""
    own = the_door()
    answer.set_cookie(own.cookie, secret, path="/", secure=own.https, httponly=True, samesite="strict")
    return answer


def local_path(text: str) -> str:
    """`text` when it is a path of this server, else its first page: nobody is sent elsewhere after signing in."""
    plain = text.isprintable() and text.startswith("/") and not text.startswith("//") and "\\" not in text
    return text if plain and not text.startswith(("/sign-", "/_stcore", "/media")) else "/"


def address(request: Request) -> str:
    """The client's address, as a trusted proxy tells it or as the connection does."""
    return request.client.host if request.client else ""


def page(text: str, status: int = 200) -> HTMLResponse:
    """A page of `words` with its own strict policy."""
    return HTMLResponse(text, status, headers={"Content-Security-Policy": words.POLICY})


def _form(request: Request, following: str, *, name: str = "", error: str = "", status: int = 200) -> Response:
    return _with_token(request, lambda token: words.sign_in(token, following, name=name, error=error), status)


def _with_token(request: Request, text: Callable[[str], str], status: int = 200) -> Response:
    """A page with a form, its token bound to a cookie that only this browser has."""
    kept = cookies.each(sent(request), FORM_COOKIE)
    seed = next((one for one in kept if len(one) == 43), secrets.token_urlsafe(32))
    answer = page(text(_token(seed)), status)
    answer.set_cookie(FORM_COOKIE, seed, path="/", secure=the_door().https, httponly=True, samesite="strict")
    return answer


def _token(seed: str) -> str:
    return hmac.new(KEY, seed.encode(), hashlib.sha256).hexdigest()


def _genuine(request: Request, form: dict[str, str]) -> bool:
    token = form.get("token", "").encode("utf-8", "replace")
    return any(hmac.compare_digest(token, _token(seed).encode()) for seed in cookies.each(sent(request), FORM_COOKIE))


async def _posted(request: Request) -> dict[str, str]:
    body = b""
    try:
        async for part in request.stream():
            body += part
            if len(body) > BODY_LIMIT:
                return {}
        fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=20)
    except (ValueError, ClientDisconnect):
        return {}
    return {name: values[-1] for name, values in fields.items()}


ROUTES = [
    Route("/health", health),
    Route("/sign-in", sign_in_form, methods=["GET"]),
    Route("/sign-in", sign_in, methods=["POST"]),
    Route("/sign-out", sign_out_form, methods=["GET"]),
    Route("/sign-out", sign_out, methods=["POST"]),
]
