"""An identity provider's word (OpenID Connect, code flow with PKCE) -> a session of our own on this server.

Streamlit's `st.login` keeps who somebody is in a cookie that no server can end; here the provider is asked once and the
session is like any other: it ends by itself, and by `jobs.py sessions revoke`.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import tomllib
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import requests
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from dashboard import data
from dashboard.signing import routes, words
from dashboard.signing.door import OIDC, Refused
from pipeline.errors import ConfigError
from pipeline.settings import ROOT, Settings

COOKIE = "sextant_flow"
PATIENCE = timedelta(minutes=10)
TIMEOUT_S = 10
SKEW_S = 60
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]
NOT_SET = "SEXTANT_AUTH=oidc needs SEXTANT_OIDC_ISSUER, SEXTANT_OIDC_CLIENT_ID and SEXTANT_OIDC_CLIENT_SECRET."
NOT_REACHED = "Your organisation's sign-in cannot be reached or does not answer as it should. Please try again."
UNFINISHED = "This sign-in was not finished in time or not by this browser. Please try again."


@dataclass(frozen=True)
class Provider:
    """Who vouches for people, and how we show who we are."""

    metadata: str
    client_id: str
    client_secret: str


def provider(settings: Settings, secrets_file: Path = ROOT / ".streamlit" / "secrets.toml") -> Provider:
    """The provider by environment, else by [auth] of the secrets file in Streamlit's words. Raises ConfigError."""
    auth = settings.auth
    if auth.issuer and auth.client_id and auth.client_secret:
        return Provider(f"{auth.issuer}/.well-known/openid-configuration", auth.client_id, auth.client_secret)
    try:
        told = tomllib.loads(secrets_file.read_text(encoding="utf-8"))["auth"]
        return Provider(told["server_metadata_url"], told["client_id"], told["client_secret"])
    except (OSError, tomllib.TOMLDecodeError, KeyError) as error:
        raise ConfigError(f"{NOT_SET} Or write [auth] in .streamlit/secrets.toml.") from error


async def go(request: Request) -> Response:
    """Send the browser to the provider."""
    if routes.the_door().auth.mode != OIDC:
        return RedirectResponse("/sign-in", 303)
    found = provider(data.desk().settings)
    try:
        metadata = await asyncio.to_thread(_fetched, found.metadata)
        target = metadata["authorization_endpoint"]
    except (requests.RequestException, ValueError, KeyError):
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
    flow = _unsealed(request.cookies.get(COOKIE, ""), data.desk().clock())
    given = request.query_params
    if flow is None or not hmac.compare_digest(given.get("state", "").encode(), flow["state"].encode()):
        return _refused(UNFINISHED)
    own = routes.the_door()
    who = {"address": routes.address(request), "agent": request.headers.get("user-agent", "")}
    old = request.cookies.get(own.cookie, "")
    try:
        found = provider(data.desk().settings)
        claims = await asyncio.to_thread(_claims, found, given.get("code", ""), flow, _back(request))
        email, groups = _told(claims, own.groups_claim)
        secret = await asyncio.to_thread(own.vouched, data.desk(), email, groups, old=old, **who)
    except (requests.RequestException, JoseError, ValueError, KeyError):
        return _refused(NOT_REACHED)
    except Refused as error:
        return _refused(str(error))
    # A page, not a redirect: at the end of a way that began elsewhere the browser would keep the new cookie back.
    answer = routes.begun(routes.page(words.again(flow["next"])), secret)
    answer.delete_cookie(COOKIE, path="/sign-in")
    return answer


def _claims(found: Provider, code: str, flow: dict[str, Any], redirect_uri: str) -> dict[str, Any]:
    """The claims of the ID token that the code is worth. Raises JoseError, ValueError, RequestException, KeyError."""
    metadata = _fetched(found.metadata)
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
    return dict(token.claims)


def _told(claims: dict[str, Any], groups_claim: str) -> tuple[str, tuple[str, ...]]:
    email = claims.get("email")
    if not isinstance(email, str) or "@" not in email or claims.get("email_verified") is False:
        raise Refused("Your organisation did not say under which confirmed e-mail address it knows you.")
    groups = claims.get(groups_claim, [])
    return email.lower(), tuple(str(one) for one in groups) if isinstance(groups, list) else ()


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
