"""Notice -> blocks in a Slack channel, by an incoming webhook."""

import json
from typing import Any

from pipeline.channels.base import Notice
from pipeline.channels.posting import post
from pipeline.channels.wording import facts, headline, lines, shortened
from pipeline.errors import ChannelFailed
from pipeline.settings import Settings

# Slack takes 3,000 characters a section and 150 a header.
LONGEST_SECTION = 2900
SIGNS = {"info": ":large_blue_circle:", "warning": ":large_orange_circle:", "critical": ":red_circle:"}


class Slack:
    """SEXTANT_SLACK_URL is the address of the incoming webhook."""

    name = "slack"

    def ready(self, settings: Settings) -> str | None:
        return None if settings.channels.slack_url else "SEXTANT_SLACK_URL is not set."

    def send(self, notice: Notice, settings: Settings) -> None:
        if settings.channels.slack_url is None:
            raise ChannelFailed(f"slack: {self.ready(settings)}", again=False)
        body = json.dumps(_message(notice), ensure_ascii=False).encode()
        post(self.name, settings.channels.slack_url, body)


def _message(notice: Notice) -> dict[str, Any]:
    sign = ":large_green_circle:" if notice.kind == "resolved" else SIGNS[notice.severity]
    context = " · ".join(f"{name}: {value}" for name, value in facts(notice))
    blocks = [
        _section("plain_text", f"{sign} {headline(notice)}"),
        _section("plain_text", shortened("\n".join(lines(notice)), LONGEST_SECTION)),
        {"type": "context", "elements": [{"type": "plain_text", "text": context}]},
    ]
    if notice.link:
        blocks.append(_section("mrkdwn", f"<{_escaped(notice.link)}|Open the dashboard>"))
    return {"text": _escaped(headline(notice)), "blocks": blocks}


def _section(kind: str, text: str) -> dict[str, Any]:
    """Plain text is shown as it is: in mrkdwn a subject such as <!channel> would call everybody."""
    return {"type": "section", "text": {"type": kind, "text": text}}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


CHANNEL = Slack()
