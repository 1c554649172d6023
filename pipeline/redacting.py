"""Text, secrets -> the same text without them: one way for messages, rows and log lines."""

import logging
import re
from collections.abc import Sequence

_URL_TOKEN = re.compile(
    r"(?i)([?&;][\w.%\[\]-]*(?:key|token|secret|signature|password|credential)[\w.%\[\]-]*=)[^&;\s\"'#)]+"
)
_URL_LOGIN = re.compile(r"(?i)(https?://)[^/\s@\"']+@")


def redact(text: str, secrets: Sequence[str] = ()) -> str:
    """`text` without the given secret values, tokens in query strings and logins in URLs."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "***").replace(repr(secret)[1:-1], "***")
    return _URL_LOGIN.sub(r"\1***@", _URL_TOKEN.sub(r"\1***", text))


class RedactFilter(logging.Filter):
    """Takes tokens out of the request lines that a library logs by itself."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        return True
