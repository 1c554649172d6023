"""Mail through a real SMTP server with certificates of a throw-away authority."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword

from pipeline.channels.email import CHANNEL
from pipeline.errors import ChannelFailed
from pipeline.settings import Settings
from tests.telling import notice

PASSWORD = "pass-word-nobody-may-see"


@dataclass
class Post:
    """What the server took, and what it is to answer instead."""

    messages: list[EmailMessage] = field(default_factory=list)
    refuse_recipient: str = ""
    refuse_data: str = ""
    encrypted: list[bool] = field(default_factory=list)

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Envelope, address: str, _options: Any) -> str:  # noqa: N802
        if self.refuse_recipient and address.startswith(self.refuse_recipient):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, _session: Any, envelope: Envelope) -> str:  # noqa: N802
        if self.refuse_data:
            return self.refuse_data
        self.encrypted.append(server.transport.get_extra_info("ssl_object") is not None)
        found = message_from_bytes(envelope.content or b"", policy=policy.default)
        assert isinstance(found, EmailMessage)
        self.messages.append(found)
        return "250 OK"


def allow(_server: SMTP, _session: Any, _envelope: Any, mechanism: str, data: Any) -> AuthResult:
    known = isinstance(data, LoginPassword) and data.password == PASSWORD.encode()
    return AuthResult(success=known, handled=False, message=None if known else f"535 wrong: {data}")


@contextmanager
def serving(post: Post, context: ssl.SSLContext, *, tls: bool = False) -> Iterator[int]:
    """A server on a free port: STARTTLS demanded, or TLS from the start; logins are checked."""
    options: dict[str, Any] = {"authenticator": allow, "auth_required": not tls, "hostname": "127.0.0.1", "port": 0}
    options |= {"ssl_context": context, "auth_require_tls": False} if tls else {"tls_context": context}
    controller = Bound(post, require_starttls=not tls, **options)
    controller.start()
    try:
        yield controller.bound
    finally:
        controller.stop()


class Bound(Controller):
    """Port 0 means any; the library asks at the number it was given whether it is up."""

    @property
    def bound(self) -> int:
        return int(self.server.sockets[0].getsockname()[1])

    def _trigger_server(self) -> None:
        self.port = self.bound
        super()._trigger_server()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def context(authority: trustme.CA) -> ssl.SSLContext:
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(made)
    return made


@pytest.fixture
def settings(authority: trustme.CA, tmp_path: Path) -> Callable[..., Settings]:
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))

    def made(port: int, **env: str) -> Settings:
        base = {
            "SEXTANT_SMTP_HOST": "127.0.0.1", "SEXTANT_SMTP_PORT": str(port), "SEXTANT_SMTP_CA": str(ca),
            "SEXTANT_SMTP_USER": "sextant", "SEXTANT_SMTP_PASSWORD": PASSWORD,
            "SEXTANT_MAIL_FROM": "sextant@example.org", "SEXTANT_MAIL_TO": "ops@example.org, night@example.org",
        }  # fmt: skip
        return Settings.load(base | env)

    return made


def failure(settings: Settings) -> ChannelFailed:
    with pytest.raises(ChannelFailed) as caught:
        CHANNEL.send(notice(), settings)
    assert PASSWORD not in f"{caught.value}{caught.value.__context__}{caught.value.__cause__}"
    return caught.value


@pytest.mark.parametrize(("tls", "security"), [(False, "starttls"), (True, "tls")])
def test_mail_arrives_encrypted(
    tls: bool, security: str, context: ssl.SSLContext, settings: Callable[..., Settings]
) -> None:
    post = Post()
    with serving(post, context, tls=tls) as port:
        CHANNEL.send(notice(), settings(port, SEXTANT_SMTP_SECURITY=security))
    (message,) = post.messages
    assert post.encrypted == [True]
    assert message["Subject"] == "[critical] Job failed: train"
    assert message["To"] == "ops@example.org, night@example.org"
    assert message["Message-ID"] == "<a1-fired@example.org>"
    assert message["Date"].datetime == notice().at
    text = message.get_content()
    assert "no space left; free some" in text
    assert "What to do: RUNBOOK.md#job_failed" in text
    assert "Dashboard: https://sextant.example.org/alerts" in text


def test_what_is_good_again_refers_to_what_was_bad(context: ssl.SSLContext, settings: Callable[..., Settings]) -> None:
    post = Post()
    with serving(post, context) as port:
        CHANNEL.send(notice(kind="resolved", key="a1-resolved", resolved_at=notice().at), settings(port))
    (message,) = post.messages
    assert message["Subject"] == "Resolved: Job failed: train"
    assert message["References"] == "<a1-fired@example.org>"
    assert "Good again: 20 Nov 2026 10:20 UTC" in message.get_content()


def test_a_certificate_of_strangers_is_refused(settings: Callable[..., Settings]) -> None:
    strange = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(strange)
    post = Post()
    with serving(post, strange) as port:
        error = failure(settings(port))
    assert not error.again
    assert "not trusted" in str(error)
    assert post.messages == []


def test_a_certificate_for_another_name_is_refused(authority: trustme.CA, settings: Callable[..., Settings]) -> None:
    other = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("mail.example.com").configure_cert(other)
    with serving(Post(), other, tls=True) as port:
        error = failure(settings(port, SEXTANT_SMTP_SECURITY="tls"))
    assert "not trusted" in str(error)


def test_a_wrong_password_is_final_and_never_repeated(
    context: ssl.SSLContext, settings: Callable[..., Settings]
) -> None:
    wrong = "wrong-pass-word"
    with serving(Post(), context) as port:
        error = failure(settings(port, SEXTANT_SMTP_PASSWORD=wrong))
    assert not error.again
    assert "SEXTANT_SMTP_PASSWORD" in str(error)
    assert wrong not in str(error)


def test_a_server_without_starttls_gets_nothing(settings: Callable[..., Settings]) -> None:
    controller = Bound(post := Post(), hostname="127.0.0.1", port=0)
    controller.start()
    try:
        error = failure(settings(controller.bound))
    finally:
        controller.stop()
    assert "SEXTANT_SMTP_SECURITY" in str(error)
    assert post.messages == []


def test_a_server_that_is_down_is_tried_again_and_reached_later(
    context: ssl.SSLContext, settings: Callable[..., Settings]
) -> None:
    with serving(Post(), context) as port:
        pass
    assert failure(settings(port)).again
    post = Post()
    with serving(post, context) as port:
        CHANNEL.send(notice(), settings(port))
    assert len(post.messages) == 1


@pytest.mark.parametrize(("answer", "again"), [("451 later, please", True), ("554 spam", False)])
def test_the_servers_answer_says_whether_to_try_again(
    answer: str, again: bool, context: ssl.SSLContext, settings: Callable[..., Settings]
) -> None:
    with serving(Post(refuse_data=answer), context) as port:
        assert failure(settings(port)).again is again


def test_one_refused_recipient_is_said_while_the_other_is_told(
    context: ssl.SSLContext, settings: Callable[..., Settings]
) -> None:
    post = Post(refuse_recipient="night")
    with serving(post, context) as port:
        error = failure(settings(port))
    assert not error.again
    assert "1 of 2 recipients" in str(error)
    assert len(post.messages) == 1


def test_every_recipient_refused_is_final(context: ssl.SSLContext, settings: Callable[..., Settings]) -> None:
    with serving(Post(refuse_recipient="ops"), context) as port:
        error = failure(settings(port, SEXTANT_MAIL_TO="ops@example.org"))
    assert not error.again
    assert "SEXTANT_MAIL_TO" in str(error)


def test_nothing_in_an_alert_can_add_a_header(context: ssl.SSLContext, settings: Callable[..., Settings]) -> None:
    post = Post()
    with serving(post, context) as port:
        CHANNEL.send(notice(subject="train\r\nBcc: thief@example.com\x00", message="a\r\n.\r\nb"), settings(port))
    (message,) = post.messages
    assert message["Bcc"] is None
    assert message["Subject"] == "[critical] Job failed: train Bcc: thief@example.com"
