"""An identity provider's word (OpenID Connect, code flow with PKCE) -> a session of our own on this server.

Streamlit's `st.login` keeps who somebody is in a cookie that no server can end; here the provider is asked once and the
session is like any other: it ends by itself, and by `jobs.py sessions revoke`.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import re
import secrets
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from dashboard import data
from dashboard.signing import cookies, routes, words
from dashboard.signing.door import OIDC, Refused
from pipeline.errors import ConfigError, SextantError
from pipeline.redacting import redact
from pipeline.settings import LOOPBACK, ROOT, Settings

log = logging.getLogger(__name__)

COOKIE = "sextant_flow"
PATIENCE = timedelta(minutes=10)
TIMEOUT_S = 10
METADATA_S = 600
EMAIL = re.compile(r"[A-Za-z0-9._%+'-]+@[A-Za-z0-9.-]+")
SKEW_S = 60
_known: dict[str, tuple[float, dict[str, Any]]] = {}
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]
NOT_SET = "SEXTANT_AUTH=oidc needs SEXTANT_OIDC_ISSUER, SEXTANT_OIDC_CLIENT_ID and SEXTANT_OIDC_CLIENT_SECRET."
NOT_REACHED = "Your organisation's sign-in cannot be reached or does not answer as it should. Please try again."
UNCONFIRMED = "Your organisation did not say under which confirmed e-mail address it knows you."
UNFINISHED = "This sign-in was not finished in time or not by this browser. Please try again."


class Unconfirmed(Refused):
    """The provider does not vouch for an address of a form we keep."""


@dataclass(frozen=True)
class Provider:
    """Who vouches for people, and how we show who we are. `issuer` is what it has to call itself, if that is set."""

    metadata: str
    client_id: str
    client_secret: str = field(repr=False)
    issuer: str | None = None
    trust_email: bool = False


def provider(settings: Settings, secrets_file: Path = ROOT / ".streamlit" / "secrets.toml") -> Provider:
    """The provider by environment, else by [auth] of the secrets file in Streamlit's words. Raises ConfigError."""
    auth = settings.auth
    if auth.issuer and auth.client_id and auth.client_secret:
        metadata = f"{auth.issuer}/.well-known/openid-configuration"
        return Provider(metadata, auth.client_id, auth.client_secret, auth.issuer, auth.trust_email)
    try:
        told = tomllib.loads(secrets_file.read_text(encoding="utf-8"))["auth"]
        metadata, *mine = (str(told[one]) for one in ("server_metadata_url", "client_id", "client_secret"))
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise ConfigError(f"{NOT_SET} Or write [auth] in .streamlit/secrets.toml.") from error
    if not metadata.startswith("https://") and urlsplit(metadata).hostname not in LOOPBACK:
        raise ConfigError("server_metadata_url would be asked in the open; write an https:// address.")
    return Provider(metadata, mine[0], mine[1], trust_email=auth.trust_email)


async def go(request: Request) -> Response:
    """Send the browser to the provider."""
    if routes.the_door().auth.mode != OIDC:
        return RedirectResponse("/sign-in", 303)
    found = provider(data.desk().settings)
    try:
        metadata = await asyncio.to_thread(_metadata, found)
        target = metadata["authorization_endpoint"]
    except (requests.RequestException, ValueError, KeyError) as error:
        log.warning("nobody can sign in: %r", _why(found, error))
        return _refused(NOT_REACHED)
    flow = {
        "state": secrets.token_urlsafe(24),
        "nonce": secrets.token_urlsafe(24),
        "verifier": secrets.token_urlsafe(48),
        "next": routes.local_path(request.query_params.get("next", "/")),
        "until": (data.desk().clock() + PATIENCE).timestamp(),
    }
    asked = {
        "response_type": "code",
        "client_id": found.client_id,
        "redirect_uri": _back(request),
        "scope": "openid email profile",
        "state": flow["state"],
        "nonce": flow["nonce"],
        "code_challenge": _plain64(hashlib.sha256(str(flow["verifier"]).encode()).digest()),
        "code_challenge_method": "S256",
    }
    answer = RedirectResponse(f"{target}{'&' if '?' in target else '?'}{urlencode(asked)}", 303)
    # Lax, because the provider's page leads back here.
    answer.set_cookie(
        COOKIE, _sealed(flow), path="/sign-in", httponly=True, samesite="lax", max_age=600, secure=_https()
    )
    return answer


async def back(request: Request) -> Response:
    """The provider has sent the browser back: check its word and begin a session."""
    given, own = request.query_params, routes.the_door()
    flow = _begun(request, given.get("state", ""))
    if flow is None:
        log.warning("refused %r: back from the provider without having gone there", routes.address(request))
        return _refused(UNFINISHED)
    who = {"address": routes.address(request), "agent": request.headers.get("user-agent", "")}
    old = routes.sent(request).get(own.cookie, "")
    found = provider(data.desk().settings)
    try:
        claims = await asyncio.to_thread(_claims, found, _code(given), flow, _back(request))
        email, groups = _told(claims, own.groups_claim, trusted=found.trust_email)
        secret = await asyncio.to_thread(own.vouched, data.desk(), email, groups, old=old, **who)
    except (requests.RequestException, JoseError, ValueError, KeyError) as error:
        await asyncio.to_thread(own.unvouched, data.desk(), _why(found, error), address=who["address"])
        return _refused(NOT_REACHED)
    except Unconfirmed as error:
        await asyncio.to_thread(own.unvouched, data.desk(), "no confirmed address", address=who["address"])
        return _refused(str(error))
    except Refused as error:
        return _refused(str(error))
    except SextantError as error:
        log.error("nobody can sign in: %s", error)
        return _refused(routes.UNUSABLE)
    finally:
        await routes.written()
    # A page, not a redirect: at the end of a way that began elsewhere the browser would keep the new cookie back.
    answer = routes.begun(routes.page(words.again(flow["next"])), secret)
    answer.delete_cookie(COOKIE, path="/sign-in")
    return answer


def _code(given: Mapping[str, str]) -> str:
    if "error" in given:
        raise ValueError(f"the provider says {given['error'][:100]!r}")
    return given.get("code", "")


def _claims(found: Provider, code: str, flow: dict[str, Any], redirect_uri: str) -> dict[str, Any]:
    """The claims of the ID token that the code is worth. Raises JoseError, ValueError, RequestException, KeyError."""
    metadata = _metadata(found)
    answer = requests.post(
        metadata["token_endpoint"],
        data={
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": flow["verifier"],
        },
        auth=(found.client_id, found.client_secret),
        timeout=TIMEOUT_S,
        allow_redirects=False,
    )
    answer.raise_for_status()
    keys = KeySet.import_key_set(_fetched(metadata["jwks_uri"]))  # type: ignore[arg-type]
    token = jwt.decode(answer.json()["id_token"], keys, algorithms=ALGORITHMS)
    jwt.JWTClaimsRegistry(
        leeway=SKEW_S,
        iss={"essential": True, "value": metadata["issuer"]},
        aud={"essential": True, "value": found.client_id},
        exp={"essential": True},
        iat={"essential": True},
        nonce={"essential": True, "value": flow["nonce"]},
    ).validate(token.claims)
    claims = dict(token.claims)
    _for_us_now(claims, found, flow)
    return claims


def _for_us_now(claims: dict[str, Any], found: Provider, flow: dict[str, Any]) -> None:
    """Raises ValueError for a token made for another party, or before this sign-in began."""
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if claims.get("azp", None if several else found.client_id) != found.client_id:
        raise ValueError("the token was made for another party")
    if claims["iat"] < flow["until"] - PATIENCE.total_seconds() - SKEW_S:
        raise ValueError("the token is older than this sign-in")


def _told(claims: dict[str, Any], groups_claim: str, *, trusted: bool) -> tuple[str, tuple[str, ...]]:
    email, verified = claims.get("email"), claims.get("email_verified", trusted)
    # Not `in (True, "true")`: 1 is equal to True.
    confirmed = verified is True or verified == "true"
    if not isinstance(email, str) or len(email) > 254 or not EMAIL.fullmatch(email) or not confirmed:
        raise Unconfirmed(UNCONFIRMED)
    groups = claims.get(groups_claim, [])
    return email.lower(), tuple(str(one) for one in groups) if isinstance(groups, list) else ()


def _metadata(found: Provider) -> dict[str, Any]:
    """What the provider says about itself, remembered for a while. Raises as _fetched does."""
    known = _known.get(found.metadata)
    if known is not None and time.monotonic() < known[0]:
        return known[1]
    told = _fetched(found.metadata)
    if found.issuer and str(told["issuer"]).rstrip("/") != found.issuer:
        raise ValueError(f"the provider calls itself {str(told['issuer'])[:200]!r}, not {found.issuer!r}")
    _known[found.metadata] = (time.monotonic() + METADATA_S, told)
    return told


def _why(found: Provider, error: Exception) -> str:
    return redact(f"{type(error).__name__}: {error}", [found.client_secret])[:300]


def _fetched(url: str) -> dict[str, Any]:
    answer = requests.get(url, timeout=TIMEOUT_S, allow_redirects=False)
    answer.raise_for_status()
    told = answer.json()
    if not isinstance(told, dict):
        raise ValueError("not an object")
    return told


def _back(request: Request) -> str:
    base = routes.the_door().public or str(request.base_url).rstrip("/")
    return f"{base}/sign-in/back"


def _https() -> bool:
    return routes.the_door().https


def _refused(sentence: str) -> Response:
    return routes.page(words.sign_in_elsewhere("", error=sentence), 403)


def _sealed(flow: dict[str, Any]) -> str:
    body = _plain64(json.dumps(flow).encode())
    return f"{body}.{_seal(body)}"


def _begun(request: Request, state: str) -> dict[str, Any] | None:
    """The flow that this browser began and that the provider answers."""
    flows = (_unsealed(one, data.desk().clock()) for one in cookies.each(routes.sent(request), COOKIE))
    return next((one for one in flows if one and hmac.compare_digest(state.encode(), one["state"].encode())), None)


def _unsealed(text: str, now: datetime) -> dict[str, Any] | None:
    body, _, seal = text.partition(".")
    if not hmac.compare_digest(seal.encode(), _seal(body).encode()):
        return None
    flow: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=="))
    return flow if now.timestamp() <= flow["until"] else None


def _seal(body: str) -> str:
    return hmac.new(routes.KEY, f"flow {body}".encode(), hashlib.sha256).hexdigest()


def _plain64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


ROUTES = [Route("/sign-in/go", go), Route("/sign-in/back", back)]
