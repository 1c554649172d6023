"""Log records -> lines on standard error, as text or as one JSON object a line, without secrets."""

import json
import logging
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TextIO

from pipeline.redacting import redact

TEXT = "%(levelname)s %(name)s: %(message)s"
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
CONTROL_BUT_NEW_LINE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]")
# Facts of the process, not of a thread: the threads of a run's own pools belong to it too.
_facts: dict[str, Any] = {}


def set_up(
    form: str = "text", level: int = logging.WARNING, *, secrets: Sequence[str] = (), stream: TextIO | None = None
) -> None:
    """Send all log records of `level` and above to `stream` (default: standard error), replacing earlier handlers.

    `form` is text or json: an object with ts (ISO, UTC), level, logger, message, the facts of `about`, and exc.
    `secrets` (see Settings.secrets) are taken out of every line, tracebacks included.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines(secrets) if form == "json" else TextLines(secrets))
    logging.basicConfig(level=level, handlers=[handler], force=True)


@contextmanager
def about(**facts: Any) -> Iterator[None]:
    """Say in every JSON line of the block what it is about, such as job and run_id."""
    before = dict(_facts)
    _facts.update(facts)
    try:
        yield
    finally:
        _facts.clear()
        _facts.update(before)


class TextLines(logging.Formatter):
    """LEVEL logger: message, then the traceback if there is one, further in.

    Control characters are escaped: nobody's text begins a line of its own, or moves a terminal's cursor.
    """

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        super().__init__(TEXT)
        self._secrets = tuple(secrets)

    def format(self, record: logging.LogRecord) -> str:
        """The line, redacted."""
        return redact(super().format(record), self._secrets)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """The line without its traceback."""
        return CONTROL.sub(_escaped, super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802
        """The traceback."""
        lines = CONTROL_BUT_NEW_LINE.sub(_escaped, super().formatException(ei)).split("\n")
        return "\n".join(f"  {line}" for line in lines)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


class JsonLines(logging.Formatter):
    """One JSON object a line. Secrets are taken out before JSON escapes what they are made of."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        super().__init__()
        self._secrets = tuple(secrets)

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": self._clean(record.getMessage()),
        }
        line |= {name: self._clean(str(value)) for name, value in _facts.items()}
        if record.exc_info:
            line["exc"] = self._clean(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)

    def _clean(self, text: str) -> str:
        return redact(text, self._secrets)
