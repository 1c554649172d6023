"""The webhook channel against a real receiver: signed, kept from strangers, and honest about every way to fail."""

import hashlib
import hmac
import logging
import textwrap
import time
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.channels import posting, slack, teams, webhook
from pipeline.errors import ChannelFailed
from pipeline.settings import ROOT, Settings
from tests.servers.receiver import Fault, Receiver, genuine, receiving
from tests.telling import notice

PATH = "/hooks/T024/B7QY/very-secret-path?sig=even-more-secret"
HIDDEN = ("very-secret", "even-more", "shared-secret")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


def settings_of(receiver: Receiver, **env: str) -> Settings:
    base = {"SEXTANT_WEBHOOK_URL": receiver.url + PATH, "SEXTANT_WEBHOOK_SECRET": receiver.secret}
    return Settings.load(base | env)


def failure(settings: Settings) -> ChannelFailed:
    with pytest.raises(ChannelFailed) as caught:
        webhook.CHANNEL.send(notice(), settings)
    error = caught.value
    shown = f"{error}{error.__cause__}{error.__context__}"
    assert not any(word in shown for word in HIDDEN)
    return error


def test_a_notice_arrives_whole_signed_and_with_its_key(receiver: Receiver) -> None:
    webhook.CHANNEL.send(notice(), settings_of(receiver))
    got = receiver.got[0]
    assert got.path == PATH
    assert got.genuine
    assert got.key == "a1-fired"
    assert got.json["message"].startswith("train failed")
    assert got.json["since"] == "2026-11-20T10:15:00+00:00"
    signed_at = int(got.headers["X-Sextant-Signature"].split(",")[0].removeprefix("t="))
    assert abs(signed_at - time.time()) < 60


def test_the_signature_covers_body_and_time(receiver: Receiver) -> None:
    webhook.CHANNEL.send(notice(), settings_of(receiver))
    got = receiver.got[0]
    signature = got.headers["X-Sextant-Signature"]
    assert genuine(receiver.secret, signature, got.body)
    assert not genuine(receiver.secret, signature, got.body.replace(b"train", b"brain"))
    assert not genuine("another secret", signature, got.body)
    assert not genuine(receiver.secret, signature.replace("t=1", "t=2"), got.body)


def test_the_readme_shows_how_to_verify(receiver: Receiver) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = text[text.index("    def genuine(") :].split("\n\n")[0]
    room: dict[str, Any] = {"hmac": hmac, "hashlib": hashlib, "time": time}
    exec(textwrap.dedent(lines), room)
    webhook.CHANNEL.send(notice(), settings_of(receiver))
    got = receiver.got[0]
    signature = got.headers["X-Sextant-Signature"]
    assert room["genuine"](receiver.secret, signature, got.body)
    assert not room["genuine"](receiver.secret, signature, got.body + b" ")
    old = f"t=1000,v1={webhook.sign(receiver.secret, '1000', got.body)}"
    assert not room["genuine"](receiver.secret, old, got.body)


def test_a_summary_carries_its_parts(receiver: Receiver) -> None:
    parts = (notice(), notice(alert_id="a2", key="a2-fired"))
    webhook.CHANNEL.send(notice(kind="summary", parts=parts), settings_of(receiver))
    assert [part["alert_id"] for part in receiver.got[0].json["parts"]] == ["a1", "a2"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413])
def test_a_refusal_is_final(receiver: Receiver, status: int) -> None:
    receiver.faults.append(Fault(status))
    error = failure(settings_of(receiver))
    assert not error.again
    assert f"127.0.0.1 answered {status}" in str(error)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_trouble_of_the_server_is_tried_again(receiver: Receiver, status: int) -> None:
    receiver.faults.append(Fault(status))
    assert failure(settings_of(receiver)).again


def test_the_server_may_say_when(receiver: Receiver) -> None:
    receiver.faults.append(Fault(429, {"Retry-After": "1800"}))
    error = failure(settings_of(receiver))
    assert error.again
    assert error.retry_after_s == 1800


def test_a_redirect_is_refused_and_not_followed(receiver: Receiver) -> None:
    receiver.faults.append(Fault(307, {"Location": f"{receiver.url}/elsewhere"}))
    error = failure(settings_of(receiver))
    assert not error.again
    assert "redirect" in str(error)
    assert len(receiver.got) == 1


def test_a_line_that_breaks_is_tried_again(receiver: Receiver) -> None:
    receiver.faults.append(Fault(reset=True))
    assert failure(settings_of(receiver)).again


def test_a_server_that_hangs_is_given_up_in_time(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(posting.post.__kwdefaults__, "timeout_s", 0.3)
    receiver.faults.append(Fault(hang_s=20))
    begun = time.monotonic()
    error = failure(settings_of(receiver))
    assert error.again
    assert "did not answer within 0.3 s" in str(error)
    assert time.monotonic() - begun < 5


def test_a_server_that_is_gone_is_tried_again() -> None:
    with receiving() as gone:
        settings = settings_of(gone)
    assert failure(settings).again


def test_no_log_line_shows_the_address_even_when_all_is_logged(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_of(receiver)
    with caplog.at_level(logging.INFO):
        receiver.faults += [Fault(500), Fault(reset=True)]
        failure(settings)
        failure(settings)
        webhook.CHANNEL.send(notice(), settings)
    assert not any(word in caplog.text for word in HIDDEN)


def test_nothing_is_sent_unsigned(receiver: Receiver) -> None:
    settings = settings_of(receiver, SEXTANT_WEBHOOK_SECRET="")
    assert "SEXTANT_WEBHOOK_SECRET" in str(webhook.CHANNEL.ready(settings))
    assert not failure(settings).again
    assert receiver.got == []


def test_teams_gets_an_adaptive_card(receiver: Receiver) -> None:
    settings = Settings.load({"SEXTANT_TEAMS_URL": receiver.url + PATH})
    teams.CHANNEL.send(notice(subject="[click](https://evil.example)"), settings)
    got = receiver.got[0]
    assert got.headers["Content-Type"] == "application/json; charset=utf-8"
    attachment = got.json["attachments"][0]
    assert got.json["type"] == "message"
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    heading = card["body"][0]
    # A TextBlock would make a link of it.
    assert heading["type"] == "RichTextBlock"
    assert heading["inlines"][0]["text"] == "[critical] Job failed: [click](https://evil.example)"
    assert card["actions"][0]["url"] == "https://sextant.example.org/alerts"


def test_slack_gets_blocks_in_which_nobody_is_called(receiver: Receiver) -> None:
    settings = Settings.load({"SEXTANT_SLACK_URL": receiver.url + PATH})
    slack.CHANNEL.send(notice(subject="<!channel>"), settings)
    got = receiver.got[0]
    assert got.json["text"] == "[critical] Job failed: &lt;!channel&gt;"
    plain = [block["text"]["type"] for block in got.json["blocks"] if "<!channel>" in str(block)]
    assert plain == ["plain_text"]


def test_the_largest_summary_fits_teams_and_slack(receiver: Receiver) -> None:
    parts = tuple(notice(key=f"a{n}-fired", message="ü" * 2000) for n in range(500))
    long = notice(kind="summary", parts=parts)
    teams.CHANNEL.send(long, Settings.load({"SEXTANT_TEAMS_URL": receiver.url}))
    slack.CHANNEL.send(long, Settings.load({"SEXTANT_SLACK_URL": receiver.url}))
    assert len(receiver.got[0].body) < 28_000
    assert "and 480 more." in receiver.got[0].body.decode()
    assert max(len(str(block["text"]["text"])) for block in receiver.got[1].json["blocks"] if "text" in block) <= 3000
