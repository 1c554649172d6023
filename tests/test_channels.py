"""What every channel must keep to, and the settings they are made of."""

import logging

import pytest

from pipeline.channels.base import Channel
from pipeline.discovery import discover
from pipeline.errors import ConfigError
from pipeline.settings import Settings
from tests.telling import notice

CHANNELS: dict[str, Channel] = discover("pipeline.channels", "CHANNEL")
FULL = {
    "SEXTANT_WEBHOOK_URL": "https://hook.example.org/very-hidden-1",
    "SEXTANT_WEBHOOK_SECRET": "very-hidden-2",
    "SEXTANT_TEAMS_URL": "https://teams.example.org/very-hidden-3?sig=x",
    "SEXTANT_SLACK_URL": "https://hooks.example.org/very-hidden-4",
    "SEXTANT_HEARTBEAT_URL": "https://watch.example.org/very-hidden-5",
    "SEXTANT_SMTP_HOST": "mail.example.org",
    "SEXTANT_SMTP_USER": "sextant",
    "SEXTANT_SMTP_PASSWORD": "very-hidden-6",
    "SEXTANT_MAIL_FROM": "sextant@example.org",
    "SEXTANT_MAIL_TO": "ops@example.org",
    "SEXTANT_PUBLIC_URL": "http://sextant.intranet/",
}


def test_these_are_the_channels() -> None:
    assert sorted(CHANNELS) == ["email", "log", "slack", "teams", "webhook"]


@pytest.mark.parametrize("name", sorted(CHANNELS))
def test_a_channel_is_ready_once_its_settings_are_there(name: str) -> None:
    assert CHANNELS[name].ready(Settings.load(FULL)) is None
    lacking = CHANNELS[name].ready(Settings.load({}))
    assert lacking is None if name == "log" else "SEXTANT_" in str(lacking)


def test_no_secret_shows_in_the_settings() -> None:
    settings = Settings.load(FULL)
    assert "very-hidden" not in repr(settings)
    assert {f"very-hidden-{n}" for n in range(1, 7)} <= {
        part.split("?")[0] for secret in settings.secrets for part in secret.split("/")
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SEXTANT_WEBHOOK_URL", "hidden.example.org/x"),
        ("SEXTANT_WEBHOOK_URL", "http://hidden.example.org/x"),
        ("SEXTANT_TEAMS_URL", "ftp://hidden.example.org"),
        ("SEXTANT_SLACK_URL", "https://hidden.example.org/a b"),
        ("SEXTANT_SLACK_URL", "https://hidden.example.org:port/"),
        ("SEXTANT_HEARTBEAT_URL", "https://[hidden"),
        ("SEXTANT_PUBLIC_URL", "hidden"),
        ("SEXTANT_MAIL_TO", "ops@example.org, hidden"),
        ("SEXTANT_MAIL_TO", "ops@example.org\nBcc: hidden@example.com"),
        ("SEXTANT_MAIL_FROM", "Hidden <a@example.org>"),
        ("SEXTANT_MAIL_FROM", "a@hidden.org,b@hidden.org"),
        ("SEXTANT_SMTP_PORT", "hidden"),
        ("SEXTANT_SMTP_PORT", "0"),
        ("SEXTANT_SMTP_PORT", "65536"),
        ("SEXTANT_SMTP_SECURITY", "hidden"),
        ("SEXTANT_SMTP_SECURITY", "none"),
        ("SEXTANT_LOG_FORMAT", "hidden"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_but_not_repeated(name: str, value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Settings.load(FULL | {name: value})
    assert name in str(caught.value)
    assert "hidden" not in str(caught.value).lower()


def test_open_mail_goes_to_this_machine_only() -> None:
    mail = Settings.load(FULL | {"SEXTANT_SMTP_SECURITY": "none", "SEXTANT_SMTP_HOST": "localhost"}).channels.mail
    assert (mail.security, mail.port) == ("none", 25)


def test_the_log_channel_writes_one_line_however_quiet_the_log(caplog: pytest.LogCaptureFixture) -> None:
    assert logging.getLogger().getEffectiveLevel() == logging.WARNING
    CHANNELS["log"].send(notice(message="two\nlines"), Settings.load({}))
    CHANNELS["log"].send(notice(kind="resolved", resolved_at=notice().at), Settings.load({}))
    bad, good = caplog.records
    assert (bad.levelname, good.levelname) == ("ERROR", "INFO")
    assert bad.getMessage() == "[critical] Job failed: train. two lines"
