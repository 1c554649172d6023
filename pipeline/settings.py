"""Environment -> Settings: every knob, read once and validated; secrets come from nowhere else."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parseaddr
from pathlib import Path
from urllib.parse import urlsplit

from pipeline import __version__
from pipeline.errors import ConfigError
from pipeline.providers import Providers

ROOT = Path(__file__).resolve().parent.parent
LOOPBACK = ("127.0.0.1", "localhost", "::1")
SMTP_PORTS = {"starttls": 587, "tls": 465, "none": 25}
LOG_FORMATS = ("text", "json")
MODES = ("local", "password", "oidc")
UNLOCKED = (
    "Without sign-in everybody who reaches the server may do everything, so it listens on 127.0.0.1 only; "
    "set SEXTANT_AUTH to password or oidc to listen on another address."
)
SHORTEST_SECRET = 8


@dataclass(frozen=True)
class Mail:
    """How e-mail leaves; `ca` is a file of certificates to trust instead of the system's."""

    host: str | None = None
    port: int = SMTP_PORTS["starttls"]
    security: str = "starttls"
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca: Path | None = None
    sender: str | None = None
    to: tuple[str, ...] = ()


@dataclass(frozen=True)
class Channels:
    """Where alerts go. The addresses of webhooks are secrets themselves: whoever knows one can post."""

    webhook_url: str | None = field(default=None, repr=False)
    webhook_secret: str | None = field(default=None, repr=False)
    teams_url: str | None = field(default=None, repr=False)
    slack_url: str | None = field(default=None, repr=False)
    heartbeat_url: str | None = field(default=None, repr=False)
    public_url: str | None = None
    mail: Mail = Mail()


@dataclass(frozen=True)
class Auth:
    """How people sign in. `mode` is one of MODES; waits are minutes and hours; `argon2` is passes, KiB and lanes."""

    users: Path
    sessions: Path
    mode: str = MODES[0]
    idle_min: float = 30.0
    longest_h: float = 12.0
    hosts: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    argon2: tuple[int, int, int] = (3, 65536, 4)
    issuer: str | None = None
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    trust_email: bool = False


@dataclass(frozen=True)
class Settings:
    """What a process needs to know before it starts. Paths are absolute, waits are seconds.

    `cores` is how many processor cores training may use.
    """

    warehouse: Path
    models: Path
    config: Path
    markets: tuple[str, ...]
    lock_wait_s: float
    http_timeout_s: float
    http_tries: int
    cores: int
    user_agent: str
    backups: Path
    auth: Auth
    providers: Providers
    clock: Path | None = None
    metrics: Path | None = None
    log_format: str = "text"
    migration_backup: bool = True
    channels: Channels = Channels()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must appear in no message, row or log line: values, and the telling parts of secret addresses."""
        told = self.channels
        urls = [told.webhook_url, told.teams_url, told.slack_url, told.heartbeat_url]
        parts = [part for url in urls if url for part in (url, url.split(urlsplit(url).netloc, 1)[1])]
        values = [*self.providers.secrets, told.webhook_secret, told.mail.password, self.auth.client_secret]
        return tuple(
            sorted({v for v in values if v} | {p for p in parts if len(p) >= SHORTEST_SECRET}, key=len, reverse=True)
        )

    @classmethod
    def load(cls, env: Mapping[str, str] | None = None) -> "Settings":
        """Read SEXTANT_* and provider tokens from `env` (default: the process environment).

        Raises ConfigError naming the variable when a value cannot be used.
        """
        env = os.environ if env is None else env
        warehouse = Path(env.get("SEXTANT_WAREHOUSE") or ROOT / "warehouse.duckdb").resolve()
        return cls(
            warehouse=warehouse,
            models=Path(env.get("SEXTANT_MODELS") or warehouse.parent / "models").resolve(),
            config=Path(env.get("SEXTANT_CONFIG") or ROOT / "sextant.toml").resolve(),
            markets=tuple(m.strip() for m in env.get("SEXTANT_MARKETS", "demo").split(",") if m.strip()),
            lock_wait_s=_number(env, "SEXTANT_LOCK_WAIT_S", 30.0),
            http_timeout_s=_number(env, "SEXTANT_HTTP_TIMEOUT_S", 30.0),
            http_tries=int(_number(env, "SEXTANT_HTTP_TRIES", 4)),
            cores=max(1, int(_number(env, "SEXTANT_CORES", os.cpu_count() or 1))),
            user_agent=f"sextant/{__version__}",
            backups=Path(env.get("SEXTANT_BACKUPS") or warehouse.parent / "backups").resolve(),
            auth=_auth(env, warehouse.parent),
            providers=Providers.load(env),
            clock=_path(env, "SEXTANT_CLOCK"),
            metrics=_path(env, "SEXTANT_METRICS_FILE"),
            log_format=_word(env, "SEXTANT_LOG_FORMAT", LOG_FORMATS),
            migration_backup=_word(env, "SEXTANT_MIGRATION_BACKUP", ("yes", "no")) == "yes",
            channels=_channels(env),
        )


def locked(settings: Settings, address: str) -> None:
    """Raises ConfigError where people may come from beyond this machine and nobody has to sign in."""
    if settings.auth.mode != MODES[0]:
        return
    if address not in LOOPBACK:
        raise ConfigError(UNLOCKED)
    public = urlsplit(settings.channels.public_url or "").hostname
    beyond = {"SEXTANT_PUBLIC_URL": public not in (None, *LOOPBACK), "SEXTANT_HOSTS": bool(settings.auth.hosts)}
    for name in (name for name, told in beyond.items() if told):
        raise ConfigError(f"{name} says that people come from beyond this machine. {UNLOCKED}")


def _auth(env: Mapping[str, str], beside: Path) -> Auth:
    cost = env.get("SEXTANT_ARGON2") or "3,65536,4"
    parts = [int(part) for part in cost.split(",") if part.isdecimal()]
    if len(parts) != 3 or min(parts) < 1 or parts[1] < 8 * parts[2]:
        raise ConfigError("SEXTANT_ARGON2 is no cost; write passes, KiB of memory and lanes, such as 3,65536,4.")
    return Auth(
        users=_path(env, "SEXTANT_USERS") or beside / "users.toml",
        sessions=beside / "sessions.sqlite",
        mode=_word(env, "SEXTANT_AUTH", MODES),
        idle_min=_number(env, "SEXTANT_SESSION_IDLE_MIN", 30.0),
        longest_h=_number(env, "SEXTANT_SESSION_HOURS", 12.0),
        hosts=_names(env, "SEXTANT_HOSTS"),
        proxies=_names(env, "SEXTANT_PROXY"),
        argon2=(parts[0], parts[1], parts[2]),
        issuer=(_url(env, "SEXTANT_OIDC_ISSUER") or "").rstrip("/") or None,
        client_id=env.get("SEXTANT_OIDC_CLIENT_ID") or None,
        client_secret=env.get("SEXTANT_OIDC_CLIENT_SECRET") or None,
        trust_email=_word(env, "SEXTANT_OIDC_TRUST_EMAIL", ("no", "yes")) == "yes",
    )


def _names(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(part.strip().lower() for part in env.get(name, "").split(",") if part.strip())


def _channels(env: Mapping[str, str]) -> Channels:
    return Channels(
        webhook_url=_url(env, "SEXTANT_WEBHOOK_URL"),
        webhook_secret=env.get("SEXTANT_WEBHOOK_SECRET") or None,
        teams_url=_url(env, "SEXTANT_TEAMS_URL"),
        slack_url=_url(env, "SEXTANT_SLACK_URL"),
        heartbeat_url=_url(env, "SEXTANT_HEARTBEAT_URL"),
        public_url=(_url(env, "SEXTANT_PUBLIC_URL", plain=True) or "").rstrip("/") or None,
        mail=_mail(env),
    )


def _mail(env: Mapping[str, str]) -> Mail:
    host = env.get("SEXTANT_SMTP_HOST") or None
    security = _word(env, "SEXTANT_SMTP_SECURITY", tuple(SMTP_PORTS))
    if security == "none" and host not in (None, *LOOPBACK):
        raise ConfigError("SEXTANT_SMTP_SECURITY=none is for a relay on this machine only; use starttls or tls.")
    port = env.get("SEXTANT_SMTP_PORT") or str(SMTP_PORTS[security])
    if not port.isdecimal() or not 0 < int(port) <= 65535:
        raise ConfigError("SEXTANT_SMTP_PORT is no port; write a whole number up to 65535.")
    senders = _addresses(env, "SEXTANT_MAIL_FROM")
    if len(senders) > 1:
        raise ConfigError("SEXTANT_MAIL_FROM holds several addresses; write one.")
    return Mail(
        host=host,
        port=int(port),
        security=security,
        user=env.get("SEXTANT_SMTP_USER") or None,
        password=env.get("SEXTANT_SMTP_PASSWORD") or None,
        ca=Path(env["SEXTANT_SMTP_CA"]).resolve() if env.get("SEXTANT_SMTP_CA") else None,
        sender=senders[0] if senders else None,
        to=_addresses(env, "SEXTANT_MAIL_TO"),
    )


def _addresses(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Plain addresses, by comma. An odd one is not repeated: somebody may have pasted a secret there."""
    found = tuple(part.strip() for part in env.get(name, "").split(",") if part.strip())
    for one in found:
        local, _, domain = one.partition("@")
        if parseaddr(one)[1] != one or not (local and domain) or not one.isascii() or not one.isprintable():
            raise ConfigError(f"{name} holds what is no address; write name@example.org, several by comma.")
    return found


def _url(env: Mapping[str, str], name: str, *, plain: bool = False) -> str | None:
    """An https address, or http on this machine (`plain`: anywhere). The value is not repeated: it may be secret."""
    text = env.get(name, "").strip()
    if not text:
        return None
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    if not parts.hostname or not text.isprintable() or " " in text or parts.scheme not in ("http", "https"):
        raise ConfigError(f"{name} is no web address; write one that begins with https://.")
    if parts.scheme == "http" and not plain and parts.hostname not in LOOPBACK:
        raise ConfigError(f"{name} would send in the open; write an https:// address.")
    return text


def _word(env: Mapping[str, str], name: str, words: tuple[str, ...]) -> str:
    """One of `words`; the first when unset."""
    value = env.get(name) or words[0]
    if value not in words:
        raise ConfigError(f"{name} is none of {', '.join(words)}; write one of these.")
    return value


def _path(env: Mapping[str, str], name: str) -> Path | None:
    return Path(env[name]).resolve() if env.get(name) else None


def _number(env: Mapping[str, str], name: str, default: float) -> float:
    try:
        value = float(env.get(name, default))
    except ValueError as error:
        raise ConfigError(f"{name}={env[name]!r} is not a number; set it to seconds or a count.") from error
    if value <= 0:
        raise ConfigError(f"{name}={value:g} must be above 0.")
    return value
