"""Name and password, or a session's secret -> the person behind it; the one place that decides who is signed in."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from dashboard.data import Desk
from dashboard.signing import throttle
from pipeline import auditing
from pipeline.access import load_access
from pipeline.accounts import Accounts
from pipeline.errors import ConfigError, SextantError
from pipeline.settings import Settings
from pipeline.sign_ins import SignIn, SignIns

log = logging.getLogger(__name__)
OIDC = "oidc"


class Refused(SextantError):
    """Nobody was signed in. `wait` is how long the next try has to, when it is too early for one."""

    def __init__(self, message: str, wait: timedelta | None = None) -> None:
        super().__init__(message)
        self.wait = wait


@dataclass(frozen=True)
class Person:
    """Who is signed in, as of now: the role is not the session's but what it is at this moment."""

    name: str
    role: str
    mode: str
    began: datetime
    session: str


class Door:
    """Accounts, sessions and the throttle of one server."""

    def __init__(self, settings: Settings) -> None:
        auth = settings.auth
        self.auth = auth
        self.sessions = SignIns(
            auth.sessions, idle=timedelta(minutes=auth.idle_min), longest=timedelta(hours=auth.longest_h)
        )
        self._settings = settings
        self._accounts = Accounts(auth.users, auth.argon2)
        self._throttle = throttle.Throttle()
        self._access = load_access(settings.config) if auth.mode == OIDC else None

    @property
    def public(self) -> str:
        """Scheme and host by which people reach the server, or nothing."""
        parts = urlsplit(self._settings.channels.public_url or "")
        return f"{parts.scheme}://{parts.netloc}".lower() if parts.netloc else ""

    @property
    def https(self) -> bool:
        """Whether people reach the server by https."""
        return self.public.startswith("https://")

    @property
    def cookie(self) -> str:
        """Name of the session's cookie; with its prefix a browser takes it from this host by https only."""
        return "__Host-sextant_session" if self.https else "sextant_session"

    @property
    def groups_claim(self) -> str:
        """The claim of an ID token that holds groups."""
        return self._access.groups_claim if self._access else ""

    def person(self, cookies: Mapping[str, str], now: datetime) -> Person | None:
        """Whose session the cookies carry, if it holds now and the account is what it was."""
        found = self.sessions.find(cookies.get(self.cookie, ""), now)
        if found is None or found.mode != self.auth.mode:
            return None
        role = self._role(found)
        return Person(found.user, role, found.mode, found.began, found.id) if role else None

    def seen(self, cookies: Mapping[str, str], now: datetime) -> None:
        """Note that the person did something."""
        self.sessions.touch(cookies.get(self.cookie, ""), now)

    def sign_in(self, desk: Desk, name: str, password: str, *, address: str, agent: str, old: str) -> str:
        """The secret of a new session, the one `old` of the same browser being ended. Raises Refused."""
        now = desk.clock()
        keys = (throttle.of_name(name), throttle.of_address(address))
        wait = self._throttle.begin(keys, now)
        if wait is not None:
            raise Refused("Too many tries. Wait a little, then try again.", wait)
        account = self._accounts.check(name, password)
        if account is None:
            self._tell_denied(desk, name, keys, address, now)
            raise Refused("Name or password is not right.")
        self._throttle.good(keys[0], keys[1:])
        return self.begin(desk, account.name, account.role, account.stamp, address=address, agent=agent, old=old)

    def vouched(self, desk: Desk, email: str, groups: tuple[str, ...], *, address: str, agent: str, old: str) -> str:
        """The secret of a session of somebody an identity provider vouches for. Raises Refused without a role."""
        role = self._access.role_of(email, groups) if self._access else None
        if role is None:
            auditing.tell(desk.warehouse, "sign_in", "denied", actor=email, reason="no role", now=desk.clock())
            raise Refused(f"{email} has no role here. Whoever looks after this Sextant can give you one.")
        detail = {"groups": list(groups)}
        return self.begin(desk, email, role, "", address=address, agent=agent, old=old, detail=detail)

    def begin(
        self,
        desk: Desk,
        user: str,
        role: str,
        stamp: str,
        *,
        address: str,
        agent: str,
        old: str,
        detail: Mapping[str, Any] | None = None,
    ) -> str:
        """A new session for somebody who has shown who they are, audited."""
        now = desk.clock()
        if old:
            self.sessions.end(old, why="signed in anew", now=now)
        secret = self.sessions.begin(
            user, mode=self.auth.mode, stamp=stamp, now=now, address=address, agent=agent, detail=detail
        )
        told = {"address": address}
        auditing.tell(desk.warehouse, "sign_in", "ok", actor=user, role=role, detail=told, now=now)
        return secret

    def sign_out(self, desk: Desk, cookies: Mapping[str, str], *, everywhere: bool) -> None:
        """End the session, or all of the same user."""
        now = desk.clock()
        person = self.person(cookies, now)
        if person is None:
            return
        if everywhere:
            self.sessions.end_all(person.name, why="signed out everywhere", now=now)
        else:
            self.sessions.end_id(person.session, why="signed out", now=now)
        told = {"everywhere": everywhere}
        auditing.tell(desk.warehouse, "sign_out", "ok", actor=person.name, role=person.role, detail=told, now=now)

    def _role(self, found: SignIn) -> str | None:
        if found.mode == OIDC:
            groups = tuple(found.detail.get("groups", ()))
            return self._access.role_of(found.user, groups) if self._access else None
        try:
            account = self._accounts.all().get(found.user)
        except ConfigError as error:
            # Better nobody than somebody who may have been taken out of a file that cannot be read.
            log.error("nobody is signed in: %s", error)
            return None
        return account.role if account and account.stamp == found.stamp else None

    def _tell_denied(self, desk: Desk, name: str, keys: tuple[str, str], address: str, now: datetime) -> None:
        """The first failure of an address and the beginning of its or the name's waits; a flood fills nothing."""
        by_name, by_address = (self._throttle.tries(key, now) for key in keys)
        begins = throttle.FREE in (by_name, by_address)
        if by_address != 1 and not begins:
            return
        # A password typed into the wrong field must not be kept.
        known = name if name in self._accounts.all() else "unknown"
        detail = {"address": address, "throttled": begins}
        auditing.tell(
            desk.warehouse, "sign_in", "denied", actor=known, reason="name or password", detail=detail, now=now
        )


@lru_cache(maxsize=4)
def door(settings: Settings) -> Door:
    """The door of a server with these settings."""
    return Door(settings)
