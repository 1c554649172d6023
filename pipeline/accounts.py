"""Users file -> accounts: name, role and argon2id hash; the one place that sees a password."""

import contextlib
import fcntl
import hashlib
import logging
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from pipeline.errors import AccountRefused, ConfigError

log = logging.getLogger(__name__)
ROLES = ("viewer", "operator", "admin")
SHORTEST, LONGEST = 12, 1024
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
HEAD = "# Made by `python jobs.py users`. Roles may be changed here; that ends the user's sessions.\n"


@dataclass(frozen=True)
class Account:
    """One who may sign in; `changed` is the ISO time at which the password was set."""

    name: str
    role: str
    hash: str
    changed: str

    @property
    def stamp(self) -> str:
        """What a session is bound to: another role or another password and it is none any more."""
        return hashlib.sha256(f"{self.name}\n{self.role}\n{self.changed}".encode()).hexdigest()


class Accounts:
    """The users file at `path`; `cost` is passes, KiB of memory and lanes of argon2id."""

    def __init__(self, path: Path, cost: tuple[int, int, int]) -> None:
        self._path = path
        self._hasher = PasswordHasher(cost[0], cost[1], cost[2], type=Type.ID)
        self._known: tuple[tuple[int, int, int], dict[str, Account]] | None = None
        self._nobody = self._hasher.hash(os.urandom(16).hex())

    def all(self) -> dict[str, Account]:
        """Accounts by name, read again when the file changed. Raises ConfigError."""
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise ConfigError(f"{self._path.name} cannot be read: {error.strerror}.") from error
        if stat.st_mode & 0o077:
            raise ConfigError(f"{self._path.name} can be read by others; run chmod 600 on it.")
        sign = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        known = self._known
        if known is None or known[0] != sign:
            known = self._known = (sign, _parsed(self._path))
        return known[1]

    def check(self, name: str, password: str) -> Account | None:
        """The account if the password is its own; the same work is done for a name nobody has.

        A hash of weaker parameters than today's is replaced.
        """
        account = self.all().get(name)
        try:
            self._hasher.verify(account.hash if account else self._nobody, password)
        except (VerificationError, InvalidHashError):
            return None
        if account is not None and self._hasher.check_needs_rehash(account.hash):
            try:
                self._rehash(account, password)
            except OSError as error:
                log.warning("the hash of %s keeps its old cost: %s", account.name, error)
        return account

    def add(self, name: str, role: str, password: str, now: datetime) -> None:
        """A new account. Raises AccountRefused."""
        if not NAME.fullmatch(name):
            raise AccountRefused(f"{name!r} is no name; use letters, digits and . _ @ - (64 at most).")
        if role not in ROLES:
            raise AccountRefused(f"{role!r} is no role; there are {', '.join(ROLES)}.")
        hashed = self._hash(password)
        with self._changing() as accounts:
            if name in accounts:
                raise AccountRefused(f"there is a user {name} already; change the password or the role.")
            accounts[name] = Account(name, role, hashed, now.isoformat())

    def set_role(self, name: str, role: str) -> None:
        """Another role; sessions of the old one are none any more. Raises AccountRefused."""
        if role not in ROLES:
            raise AccountRefused(f"{role!r} is no role; there are {', '.join(ROLES)}.")
        with self._changing() as accounts:
            accounts[name] = replace(_existing(accounts, name), role=role)

    def set_password(self, name: str, password: str, now: datetime) -> None:
        """Another password; sessions begun with the old one are none any more. Raises AccountRefused."""
        hashed = self._hash(password)
        with self._changing() as accounts:
            accounts[name] = replace(_existing(accounts, name), hash=hashed, changed=now.isoformat())

    def remove(self, name: str) -> None:
        """One account less. Raises AccountRefused."""
        with self._changing() as accounts:
            del accounts[_existing(accounts, name).name]

    def _hash(self, password: str) -> str:
        if not SHORTEST <= len(password) <= LONGEST:
            raise AccountRefused(f"a password has {SHORTEST} characters at least and {LONGEST} at most.")
        return self._hasher.hash(password)

    def _rehash(self, account: Account, password: str) -> None:
        hashed = self._hasher.hash(password)
        with self._changing() as accounts:
            # Somebody may have set another password meanwhile.
            if accounts.get(account.name) == account:
                accounts[account.name] = replace(account, hash=hashed)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[dict[str, Account]]:
        """Accounts to change, alone among processes; written whole or not at all."""
        descriptor = os.open(f"{self._path}.lock", os.O_WRONLY | os.O_CREAT, 0o600)
        with open(descriptor, "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            accounts = dict(self.all())
            yield accounts
            fresh = self._path.with_name(self._path.name + ".new")
            with contextlib.suppress(FileNotFoundError):
                fresh.unlink()
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(_text(accounts))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)


def _existing(accounts: Mapping[str, Account], name: str) -> Account:
    if name not in accounts:
        raise AccountRefused(f"there is no user {name!r}; there are: {', '.join(sorted(accounts)) or 'none'}.")
    return accounts[name]


def _parsed(path: Path) -> dict[str, Account]:
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8")).get("users", {})
        found = {
            name: Account(name, one["role"], one["password"], str(one.get("changed", ""))) for name, one in told.items()
        }
    except OSError as error:
        raise ConfigError(f"{path.name} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path.name} cannot be understood ({error}); `python jobs.py users` writes it.") from error
    wrong = [one.name for one in found.values() if not _sound(one)]
    if wrong:
        raise ConfigError(f"{path.name}: {wrong[0]!r} has no name, role or password that there is.")
    return found


def _sound(account: Account) -> bool:
    is_text = isinstance(account.role, str) and isinstance(account.hash, str)
    return is_text and account.role in ROLES and NAME.fullmatch(account.name) is not None


def _text(accounts: Mapping[str, Account]) -> str:
    return HEAD + "".join(
        f'\n[users."{one.name}"]\nrole = "{one.role}"\npassword = "{one.hash}"\nchanged = "{one.changed}"\n'
        for one in sorted(accounts.values(), key=lambda account: account.name)
    )
