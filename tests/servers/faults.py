"""A complete answer -> the same answer gone wrong in one of the ways real providers go wrong."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"
FIREWALL_PAGE = (
    b'<html><head><META NAME="ROBOTS" CONTENT="NOINDEX, NOFOLLOW"></head><body>Request unsuccessful.</body></html>'
)


@dataclass(frozen=True)
class Answer:
    """What goes over the wire; `cut` bytes are promised and not sent, `pause_s` passes before the first,
    `drip_s` after each."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0
    pause_s: float = 0.0
    drip_s: float = 0.0


Fault = Callable[[Answer], Answer]


def errors(status: int, title: str, detail: str) -> Answer:
    """The error object both services share."""
    one = {"code": status, "status": str(status), "title": title, "detail": detail}
    return Answer(status, json.dumps({"errors": [one]}, ensure_ascii=False).encode())


def unauthorized(_: Answer) -> Answer:
    return Answer(401, b'{"message":"HTTP Token: Access denied"}')


def forbidden(_: Answer) -> Answer:
    return errors(403, "Forbidden", "Invalid token")


def firewall(_: Answer) -> Answer:
    return Answer(403, FIREWALL_PAGE, HTML)


def throttled(retry_after: str | None = None, **headers: str) -> Fault:
    """429; `retry_after` is seconds or an HTTP date."""
    sent = dict(headers) if retry_after is None else {"Retry-After": retry_after, **headers}
    return lambda _: replace(errors(429, "Too many requests", "Slow down"), headers=sent)


def unavailable(_: Answer) -> Answer:
    return Answer(503, b"<html><body><h1>503 Service Unavailable</h1></body></html>", HTML)


def gateway_timeout(_: Answer) -> Answer:
    return Answer(504, b"<html><head><title>504 Gateway Time-out</title></head></html>", HTML)


def truncated(answer: Answer) -> Answer:
    """The full Content-Length is promised, half of the body comes, then the line drops."""
    return replace(answer, cut=len(answer.body) - len(answer.body) // 2)


def broken_json(answer: Answer) -> Answer:
    """Half of the body with a Content-Length that matches, as a failing proxy sends it."""
    return replace(answer, body=answer.body[: len(answer.body) // 2])


def web_page(_: Answer) -> Answer:
    return Answer(200, b"\n<!DOCTYPE html><html><body>Mantenimiento programado</body></html>", HTML)


def slow(pause_s: float) -> Fault:
    return lambda answer: replace(answer, pause_s=pause_s)


def dripping(drip_s: float) -> Fault:
    """No single read is late, but the whole never ends."""
    return lambda answer: replace(answer, drip_s=drip_s)


def answering(body: bytes, status: int = 200, **headers: str) -> Fault:
    """Whatever was asked, this is the answer."""
    return lambda _: Answer(status, body, headers=headers)


def redirect(location: str, status: int = 307) -> Fault:
    return lambda _: Answer(status, b"", HTML, {"Location": location})


def edited(edit: Callable[[dict[str, Any]], None]) -> Fault:
    """A well-formed answer of another content."""

    def fault(answer: Answer) -> Answer:
        document = json.loads(answer.body)
        edit(document)
        return replace(answer, body=json.dumps(document, ensure_ascii=False).encode())

    return fault


def value_lists(document: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """The lists of rows in an answer of either service."""
    if "indicator" in document:
        return [document["indicator"]["values"]]
    return [part["attributes"]["values"] for part in document.get("included", [])]


def _null(document: dict[str, Any]) -> None:
    for rows in value_lists(document):
        for row in rows[::10]:
            row["value"] = None


def _repeat(document: dict[str, Any]) -> None:
    for rows in value_lists(document):
        rows[1:1] = [dict(row) for row in rows[:2]]


def _rename(document: dict[str, Any]) -> None:
    for rows in value_lists(document):
        for row in rows:
            row["valor"] = row.pop("value")


nulls = edited(_null)
duplicates = edited(_repeat)
new_schema = edited(_rename)
# Faults that a patient client overcomes, for seeded chaos.
PASSING: tuple[Fault, ...] = (unavailable, truncated, broken_json, web_page, throttled("0"), gateway_timeout)
