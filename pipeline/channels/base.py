"""What a channel is: a notice -> the world, or ChannelFailed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pipeline.settings import Settings


@dataclass(frozen=True)
class Notice:
    """What is told about an alert, or about several at once. Times are aware UTC; nothing in it is secret.

    `key` is the same for every attempt at the same message, so that a receiver can drop repeats; `kind` is
    fired, resolved or escalated, or summary when `parts` are the notices told at once; `at` is when the alert
    fired, resolved or was escalated.
    """

    key: str
    kind: str
    alert_id: str
    rule: str
    title: str
    subject: str
    severity: str
    message: str
    since: datetime
    at: datetime
    resolved_at: datetime | None
    runbook: str
    link: str | None
    parts: tuple["Notice", ...] = ()


class Channel(Protocol):
    """One way to reach people. Declared as the module constant CHANNEL; stateless."""

    name: str

    def ready(self, settings: Settings) -> str | None:
        """None when usable, else one sentence saying which setting is missing."""

    def send(self, notice: Notice, settings: Settings) -> None:
        """Tell the world. Raises ChannelFailed with a sentence without secrets."""
