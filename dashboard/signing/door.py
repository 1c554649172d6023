"""Name and password, or a session's secret -> the person behind it; the one place that decides who is signed in."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from dashboard.data import Desk
from dashboard.signing import cookies, throttle
from dashboard.signing.telling import Teller
from pipeline.access import load_access
from pipeline.accounts import Accounts
from pipeline.errors import ConfigError, SessionsUnusable, SextantError
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
        self.teller = Teller(self.sessions)
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

    def person(self, sent: Mapping[str, str], now: datetime) -> Person | None:
        """Whose session the cookies carry, if it holds now and the account is what it was.

        Of several cookies the first that holds counts: one planted beside ours signs nobody out.
        """
        return next(filter(None, (self._holder(secret, now) for secret in cookies.each(sent, self.cookie))), None)

    def seen(self, sent: Mapping[str, str], now: datetime) -> None:
        """Note that the person did something. May wait for the file of sessions."""
        try:
            for secret in cookies.each(sent, self.cookie):
                self.sessions.touch(secret, now)
        except SessionsUnusable as error:
            log.error("a sign of life was not noted: %s", error)

    def sign_in(self, desk: Desk, name: str, password: str, *, address: str, agent: str, old: str) -> str:
        """The secret of a new session, the one `old` of the same browser being ended. Raises Refused.

        The audit's row is told, not written yet: see `teller`.
        """
        now = desk.clock()
        keys = self._keys(name, address)
        wait = self._throttle.begin(keys, now)
        if wait is not None:
            raise Refused("Too many tries. Wait a little, then try again.", wait)
        try:
            account = self._accounts.check(name, password)
        except SextantError:
            self._throttle.undecided(keys)
            raise
        if account is None:
            self._tell_denied(desk, name, keys, address, now)
            raise Refused("Name or password is not right.")
        self._throttle.good(keys[0], keys[1:])
        return self.begin(desk, account.name, account.role, account.stamp, address=address, agent=agent, old=old)

    def vouched(self, desk: Desk, email: str, groups: tuple[str, ...], *, address: str, agent: str, old: str) -> str:
        """The secret of a session of somebody an identity provider vouches for. Raises Refused without a role."""
        role = self._access.role_of(email, groups) if self._access else None
        if role is None:
            self.unvouched(desk, "no role", actor=email, address=address)
            raise Refused(f"{email} has no role here. Whoever looks after this Sextant can give you one.")
        detail = {"groups": list(groups)}
        return self.begin(desk, email, role, "", address=address, agent=agent, old=old, detail=detail)

    def unvouched(self, desk: Desk, reason: str, *, actor: str = "unknown", address: str) -> None:
        """Tell that somebody came back from the provider in vain; a flood from one address does not fill the audit."""
        log.warning("refused %r, who came from the provider to %r: %s", actor, address, reason)
        key, now = f"vouched {throttle.of_address(address)}", desk.clock()
        if self._throttle.begin((key,), now) is None and self._throttle.tries(key, now) in (1, throttle.FREE):
            self.teller.tell(desk, "sign_in", "denied", actor=actor, reason=reason, detail={"address": address})

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
        for one in cookies.each({self.cookie: old}, self.cookie):
            self.sessions.end(one, why="signed in anew", now=now)
        secret = self.sessions.begin(
            user, mode=self.auth.mode, stamp=stamp, now=now, address=address, agent=agent, detail=detail
        )
        told = {"address": address}
        self.teller.tell(desk, "sign_in", "ok", actor=user, role=role, detail=told)
        return secret

    def sign_out(self, desk: Desk, sent: Mapping[str, str], *, everywhere: bool) -> None:
        """End the session, or all of the same user."""
        now = desk.clock()
        person = self.person(sent, now)
        if person is None:
            return
        if everywhere:
            self.sessions.end_all(person.name, why="signed out everywhere", now=now)
        else:
            self.sessions.end_id(person.session, why="signed out", now=now)
        told = {"everywhere": everywhere}
        self.teller.tell(desk, "sign_out", "ok", actor=person.name, role=person.role, detail=told)

    def _holder(self, secret: str, now: datetime) -> Person | None:
        try:
            found = self.sessions.find(secret, now)
        except SessionsUnusable as error:
            log.error("nobody is signed in: %s", error)
            return None
        if found is None or found.mode != self.auth.mode:
            return None
        role = self._role(found)
        return Person(found.user, role, found.mode, found.began, found.id) if role else None

    def _keys(self, name: str, address: str) -> tuple[str, str]:
        """What a try counts against. Who signed in from there before is not kept waiting by guesses from elsewhere."""
        own = throttle.of_address(address)
        known = own in {throttle.of_address(one) for one in self.sessions.addresses(name)}
        return throttle.of_name(name, address if known else ""), own

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
        self.teller.tell(desk, "sign_in", "denied", actor=known, reason="name or password", detail=detail)


@lru_cache(maxsize=4)
def door(settings: Settings) -> Door:
    """The door of a server with these settings."""
    return Door(settings)
