"""Name and password -> the token of ERCOT's public API, kept for 55 minutes at most."""

import threading
import time
from collections.abc import Callable
from typing import Any

from pipeline.errors import AuthRefused, BadRequest
from pipeline.settings import Settings
from pipeline.sources.answers import changed, decode_json
from pipeline.sources.http import client_for

PATH = "/ercotb2c.onmicrosoft.com/B2C_1_PUBAPI-ROPC-FLOW/oauth2/v2.0/token"
# The same for everybody: it names the public API, not a user.
CLIENT_ID = "fec253ea-0d06-4272-a5e6-b478baeecd70"
SCOPE = f"openid {CLIENT_ID} offline_access"
SECRETS = frozenset({"username", "password"})
RENEW_AFTER_S = 55 * 60.0
BEFORE_END_S = 5 * 60.0
REMEDY = "check ERCOT_USERNAME, ERCOT_PASSWORD and ERCOT_SUBSCRIPTION_KEY (an account at https://apiexplorer.ercot.com)"


class Tokens:
    """Tokens by account, in this process alone; safe to share among threads.

    `clock` counts seconds and never jumps.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._held: dict[tuple[str, str, str], tuple[str, float]] = {}

    def token(self, settings: Settings, source: str, series: str) -> str:
        """A token that is good for five minutes more. Raises AuthRefused when the account is refused."""
        account = _account(settings)
        with self._lock:
            token, until = self._held.get(account, ("", 0.0))
            if not token or self._clock() >= until:
                token, lasts_s = _ask(settings, source, series)
                self._held[account] = token, self._clock() + min(RENEW_AFTER_S, lasts_s - BEFORE_END_S)
            return token

    def forget(self, settings: Settings, token: str) -> None:
        """Take back a token that was refused, unless another thread has renewed it already."""
        with self._lock:
            if self._held.get(_account(settings), ("", 0.0))[0] == token:
                del self._held[_account(settings)]


def _account(settings: Settings) -> tuple[str, str, str]:
    told = settings.providers
    return told.ercot_login_url, told.ercot_username or "", told.ercot_password or ""


def _ask(settings: Settings, source: str, series: str) -> tuple[str, float]:
    told = settings.providers
    form = {
        "grant_type": "password",
        "username": told.ercot_username or "",
        "password": told.ercot_password or "",
        "response_type": "id_token",
        "scope": SCOPE,
        "client_id": CLIENT_ID,
    }

    def parse(body: bytes) -> tuple[str, float]:
        return _read(decode_json(body), source, series)

    try:
        return client_for(settings).get(
            told.ercot_login_url + PATH,
            source=source,
            series=series,
            parse=parse,
            form=form,
            secrets=SECRETS,
            auth_remedy=REMEDY,
        )
    except BadRequest as error:
        # The service of identities answers 400, not 401, to a wrong password.
        said = str(error).partition(": ")[2].partition(";")[0]
    raise AuthRefused(f"{series} from {source}: no token was given ({said}); {REMEDY}.")


def _read(document: Any, source: str, series: str) -> tuple[str, float]:
    token = document.get("id_token") if isinstance(document, dict) else None
    if not (isinstance(token, str) and token.isascii() and token.isprintable() and token.strip() == token != ""):
        raise changed(series, source, "no `id_token` that can be sent")
    # A text, although it is a number.
    lasts = str(document.get("expires_in", "3600"))
    return token, float(lasts) if lasts.isdecimal() else 3600.0
