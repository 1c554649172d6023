"""Nothing -> the headers that tell a browser what a page of this server may do: nothing but what Streamlit needs."""

import base64
import hashlib
import re
from functools import cache
from pathlib import Path

import streamlit

# What the page may not ask of the machine it is on.
SWITCHED_OFF = ("camera", "microphone", "geolocation", "payment", "usb", "serial", "hid", "midi", "display-capture")
YEAR_S = 31_536_000


@cache
def headers(*, https: bool) -> dict[str, str]:
    """Headers of every answer by name."""
    found = {
        "Content-Security-Policy": content(),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        # Not no-referrer: with it a form's origin would be told as null.
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": ", ".join(f"{one}=()" for one in SWITCHED_OFF),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    return found | ({"Strict-Transport-Security": f"max-age={YEAR_S}"} if https else {})


@cache
def content() -> str:
    """The content policy: everything from here; inline scripts only those of Streamlit's own page, by their hash."""
    scripts = " ".join(f"'sha256-{one}'" for one in _inline_scripts())
    return "; ".join(
        [
            "default-src 'none'",
            # Streamlit loads the code of a component from an address that it makes itself.
            f"script-src 'self' blob: {scripts}".rstrip(),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "media-src 'self' blob:",
            "connect-src 'self'",
            "worker-src 'self' blob:",
            "manifest-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'self'",
        ]
    )


def _inline_scripts() -> list[str]:
    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")
    found = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    return [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in found]
