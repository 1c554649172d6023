"""Notice -> one line in the log of the process; always there, needs nothing."""

import logging

from pipeline.channels.base import Notice
from pipeline.channels.wording import headline, lines
from pipeline.settings import Settings

LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "critical": logging.ERROR}
log = logging.getLogger(__name__)
# What counts as told must be shown, however quiet the rest of the log is.
log.setLevel(logging.INFO)


class Log:
    """One line a notice; resolved alerts are told as information."""

    name = "log"

    def ready(self, settings: Settings) -> str | None:
        return None

    def send(self, notice: Notice, settings: Settings) -> None:
        level = logging.INFO if notice.kind == "resolved" else LEVELS[notice.severity]
        log.log(level, "%s", f"{headline(notice)}. {' '.join(lines(notice))}")


CHANNEL = Log()
