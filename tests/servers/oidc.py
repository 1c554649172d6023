"""A small identity provider over HTTP: discovery, authorize, token and keys, signing with RS256."""

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "sextant", "a-client-secret"


@dataclass
class Provider:
    """Who it says is there; `claims` change what the next ID token says, `key` who signs it."""

    url: str = ""
    email: str = "ana@example.org"
    claims: dict[str, Any] = field(default_factory=dict)
    now: int = 0
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))
    published: RSAKey | None = None
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def metadata(self) -> dict[str, Any]:
        """What discovery answers."""
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
        }

    def authorized(self, asked: dict[str, str]) -> str:
        """Where the browser is sent back to."""
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, form: dict[str, str], authorization: str) -> dict[str, Any] | None:
        """The ID token a code is worth, once, to the client and browser that asked for it."""
        asked = self.codes.pop(form.get("code", ""), None)
        mine = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        hashed = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if asked is None or authorization != mine or hashed.rstrip(b"=").decode() != asked["code_challenge"]:
            return None
        told = {
            "iss": self.url,
            "aud": CLIENT,
            "sub": "1",
            "email": self.email,
            "email_verified": True,
            "nonce": asked["nonce"],
        }
        told |= {"iat": self.now, "exp": self.now + 300} | self.claims
        return {"id_token": jwt.encode({"alg": "RS256", "kid": "one"}, told, self.key), "token_type": "Bearer"}


class Handler(BaseHTTPRequestHandler):
    """Answers for the provider of its server."""

    @property
    def provider(self) -> Provider:
        """Whose end points these are."""
        found: Provider = self.server.provider  # type: ignore[attr-defined]
        return found

    def do_GET(self) -> None:
        """Discovery, keys, and the page at which people would sign in."""
        parts = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/authorize":
            self.send_response(302)
            self.send_header("Location", self.provider.authorized(asked))
            self.end_headers()
        elif parts.path == "/keys":
            key = self.provider.published or self.provider.key
            self._tell({"keys": [key.as_dict(private=False)]})
        else:
            self._tell(self.provider.metadata())

    def do_POST(self) -> None:
        """The token end point."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        self._tell(self.provider.token(form, self.headers.get("Authorization", "")))

    def _tell(self, told: dict[str, Any] | None) -> None:
        self.send_response(400 if told is None else 200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(told or {"error": "invalid_grant"}).encode())

    def log_message(self, *_words: Any) -> None:
        """Nothing: the test looks at what comes of it."""


@contextmanager
def providing() -> Iterator[Provider]:
    """A provider that listens on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = Provider(f"http://127.0.0.1:{server.server_port}")
    server.provider = provider  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
