"""Notice -> an Adaptive Card in Microsoft Teams, by a Workflow that waits for a webhook request."""

import json
from typing import Any

from pipeline.channels.base import Notice
from pipeline.channels.posting import post
from pipeline.channels.wording import facts, headline, lines, shortened
from pipeline.errors import ChannelFailed
from pipeline.settings import Settings

COLOURS = {"info": "Accent", "warning": "Warning", "critical": "Attention"}
# Teams takes 28 KB a message; a character may be four bytes.
LONGEST_LINE = 300


class Teams:
    """SEXTANT_TEAMS_URL is the address that the workflow "When a Teams webhook request is received" shows."""

    name = "teams"

    def ready(self, settings: Settings) -> str | None:
        return None if settings.channels.teams_url else "SEXTANT_TEAMS_URL is not set."

    def send(self, notice: Notice, settings: Settings) -> None:
        if settings.channels.teams_url is None:
            raise ChannelFailed(f"teams: {self.ready(settings)}", again=False)
        body = json.dumps(_message(notice), ensure_ascii=False).encode()
        post(self.name, settings.channels.teams_url, body)


def _message(notice: Notice) -> dict[str, Any]:
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "fallbackText": headline(notice),
        "body": [_heading(notice), *map(_text, lines(notice)), _facts(notice)],
        "actions": [{"type": "Action.OpenUrl", "title": "Open the dashboard", "url": notice.link}]
        if notice.link
        else [],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _heading(notice: Notice) -> dict[str, Any]:
    colour = "Good" if notice.kind == "resolved" else COLOURS[notice.severity]
    return _rich({"text": headline(notice), "weight": "Bolder", "size": "Medium", "color": colour})


def _text(line: str) -> dict[str, Any]:
    return _rich({"text": shortened(line, LONGEST_LINE)})


def _rich(run: dict[str, Any]) -> dict[str, Any]:
    """A block of text that is shown as it is: a TextBlock would read Markdown and links in it."""
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", **run}]}


def _facts(notice: Notice) -> dict[str, Any]:
    return {"type": "FactSet", "facts": [{"title": name, "value": value} for name, value in facts(notice)]}


CHANNEL = Teams()
