"""Notice -> signed JSON, posted to an address of your own."""

import hashlib
import hmac
import json
from datetime import datetime
from typing import Any

from pipeline.channels.base import Notice
from pipeline.channels.posting import post
from pipeline.clocks import real
from pipeline.errors import ChannelFailed
from pipeline.settings import Settings


class Webhook:
    """SEXTANT_WEBHOOK_URL gets a POST whose signature SEXTANT_WEBHOOK_SECRET proves (see README)."""

    name = "webhook"

    def ready(self, settings: Settings) -> str | None:
        if settings.channels.webhook_url is None:
            return "SEXTANT_WEBHOOK_URL is not set."
        if settings.channels.webhook_secret is None:
            return "SEXTANT_WEBHOOK_SECRET is not set; without it nobody could tell our messages from others'."
        return None

    def send(self, notice: Notice, settings: Settings) -> None:
        url, secret = settings.channels.webhook_url, settings.channels.webhook_secret
        if url is None or secret is None:
            raise ChannelFailed(f"webhook: {self.ready(settings)}", again=False)
        body = json.dumps(_plain(notice), ensure_ascii=False).encode()
        # A receiver compares this with its own clock, so it is the real time even in a rehearsal.
        sent_at = str(int(real().timestamp()))
        post(
            self.name,
            url,
            body,
            headers={
                "X-Sextant-Key": notice.key,
                "X-Sextant-Signature": f"t={sent_at},v1={sign(secret, sent_at, body)}",
            },
        )


def sign(secret: str, sent_at: str, body: bytes) -> str:
    """Hex HMAC-SHA256 of `sent_at`, a dot and `body`; `sent_at` is seconds since the epoch."""
    return hmac.new(secret.encode(), sent_at.encode() + b"." + body, hashlib.sha256).hexdigest()


def _plain(notice: Notice) -> dict[str, Any]:
    fields = {name: value for name, value in vars(notice).items() if name != "parts"}
    told = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in fields.items()}
    return told | ({"parts": [_plain(part) for part in notice.parts]} if notice.parts else {})


CHANNEL = Webhook()
