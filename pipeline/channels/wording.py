"""A notice -> the words every channel shares: a headline, what happened, facts, and what to do."""

from datetime import datetime

from pipeline.channels.base import Notice

MANY = 20
LONGEST_HEADLINE = 140
_KINDS = {"fired": "", "resolved": "Resolved: ", "escalated": "Nobody answered: ", "summary": ""}


def headline(notice: Notice) -> str:
    """One line that says it all, such as `[critical] Job failed: train`."""
    severity = "" if notice.kind == "resolved" else f"[{notice.severity}] "
    text = f"{_KINDS[notice.kind]}{severity}{notice.title}: {notice.subject}"
    return shortened(one_line(text), LONGEST_HEADLINE)


def facts(notice: Notice) -> list[tuple[str, str]]:
    """Names and values, in the order of their use."""
    found = [("Since", clock(notice.since))]
    if notice.resolved_at is not None:
        found.append(("Good again", clock(notice.resolved_at)))
    found.append(("What to do", notice.runbook))
    return found


def lines(notice: Notice, most: int = MANY) -> list[str]:
    """The message, or one line for each of the first `most` parts of a summary."""
    if not notice.parts:
        return [one_line(notice.message)]
    told = [f"{headline(part)}. {one_line(part.message)}" for part in notice.parts[:most]]
    left = len(notice.parts) - most
    return told + ([f"and {left} more."] if left > 0 else [])


def plain(notice: Notice, most: int = MANY) -> str:
    """All of it as text for people."""
    rows = [f"{name}: {value}" for name, value in facts(notice)]
    link = [f"Dashboard: {notice.link}"] if notice.link else []
    return "\n".join([headline(notice), "", *lines(notice, most), "", *rows, *link, ""])


def clock(moment: datetime) -> str:
    """A moment for people: UTC, to the minute."""
    return f"{moment:%d %b %Y %H:%M} UTC"


def one_line(text: str) -> str:
    """Without line breaks and other control characters: nothing in it can begin a header or a line of its own."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def shortened(text: str, most: int) -> str:
    """At most `most` characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
