"""Notice -> a plain-text message by SMTP, encrypted and with the server's certificate checked."""

import smtplib
import ssl
from contextlib import suppress
from email.message import EmailMessage
from email.policy import SMTP

from pipeline.channels.base import Notice
from pipeline.channels.wording import headline, plain
from pipeline.errors import ChannelFailed
from pipeline.settings import Mail, Settings

TIMEOUT_S = 10.0
EVERY_PART = 1000


class Email:
    """SEXTANT_SMTP_* say by which server, SEXTANT_MAIL_FROM and SEXTANT_MAIL_TO from whom and to whom."""

    name = "email"

    def ready(self, settings: Settings) -> str | None:
        mail = settings.channels.mail
        wanted = {"SEXTANT_SMTP_HOST": mail.host, "SEXTANT_MAIL_FROM": mail.sender, "SEXTANT_MAIL_TO": mail.to}
        missing = [name for name, value in wanted.items() if not value]
        if mail.user and not mail.password:
            missing.append("SEXTANT_SMTP_PASSWORD")
        if missing:
            return f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set."
        if mail.ca is not None and not mail.ca.is_file():
            return "SEXTANT_SMTP_CA names no file."
        return None

    def send(self, notice: Notice, settings: Settings) -> None:
        lacking = self.ready(settings)
        if lacking is not None:
            raise ChannelFailed(f"email: {lacking}", again=False)
        mail = settings.channels.mail
        message = _message(notice, mail)
        try:
            refused = _deliver(message, mail)
        except (smtplib.SMTPException, OSError, ValueError) as error:
            failure = _told(error, mail)
        else:
            if not refused:
                return
            failure = ChannelFailed(
                f"email: {refused} of {len(mail.to)} recipients were refused, the others have it; "
                "check SEXTANT_MAIL_TO.",
                again=False,
            )
        # Outside the handler: a server may repeat what was sent to it, the password included.
        raise failure


def _deliver(message: EmailMessage, mail: Mail) -> int:
    """Hand the message to the server; returns how many recipients it refused while it took others."""
    with_tls = ssl.create_default_context(cafile=mail.ca)
    host, port = str(mail.host), mail.port
    if mail.security == "tls":
        client: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=with_tls)
    else:
        client = smtplib.SMTP(host, port, timeout=TIMEOUT_S)
    try:
        if mail.security == "starttls":
            client.starttls(context=with_tls)
        if mail.user and mail.password:
            client.login(mail.user, mail.password)
        refused = client.send_message(message, from_addr=mail.sender, to_addrs=mail.to)
        # The server has taken it: how the good-bye goes changes nothing.
        with suppress(smtplib.SMTPException, OSError):
            client.quit()
    finally:
        client.close()
    return len(refused)


def _message(notice: Notice, mail: Mail) -> EmailMessage:
    domain = str(mail.sender).partition("@")[2]
    message = EmailMessage(policy=SMTP)
    message["From"] = str(mail.sender)
    message["To"] = ", ".join(mail.to)
    message["Subject"] = headline(notice)
    message["Date"] = notice.at
    # The same for every attempt, so that mail programs show a repeat once.
    message["Message-ID"] = f"<{notice.key}@{domain}>"
    if notice.kind in ("resolved", "escalated"):
        message["References"] = f"<{notice.alert_id}-fired@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(plain(notice, EVERY_PART))
    return message


def _told(error: Exception, mail: Mail) -> ChannelFailed:
    """What went wrong, without the server's own words: these may repeat a name or a password."""
    where = f"email: {mail.host}"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        again = 400 <= error.smtp_code < 500
        return ChannelFailed(
            f"{where} refused the login ({error.smtp_code}); check SEXTANT_SMTP_USER and SEXTANT_SMTP_PASSWORD.",
            again=again,
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return ChannelFailed(f"{where} showed a certificate that is not trusted; check SEXTANT_SMTP_CA.", again=False)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return ChannelFailed(f"{where} offers no STARTTLS or no login; check SEXTANT_SMTP_SECURITY.", again=False)
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = {code for code, _ in error.recipients.values()}
        return _answered(f"{where} refused every recipient", max(codes), "SEXTANT_MAIL_TO")
    if isinstance(error, smtplib.SMTPResponseException):
        return _answered(where, error.smtp_code, "SEXTANT_MAIL_FROM and the server")
    if isinstance(error, ValueError):
        return ChannelFailed(f"{where}: the message or an address cannot be written as mail.", again=False)
    return ChannelFailed(f"{where} could not be reached or broke off; it is tried again.")


def _answered(said: str, code: int, check: str) -> ChannelFailed:
    if code >= 500:
        return ChannelFailed(f"{said} ({code}); check {check}.", again=False)
    return ChannelFailed(f"{said} ({code}); it is tried again.")


CHANNEL = Email()
