"""Sign-ins -> sessions in a SQLite file beside the warehouse: whose, since when, and whether they still hold.

Not in the warehouse, because a write for each sign of life would void every answer that pages remember.
"""

import hashlib
import json
import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline.errors import SessionsUnusable

TOUCH_EVERY = timedelta(minutes=1)
KEPT = timedelta(days=30)
BYTES = 32
# Pages ask who is signed in on the thread that serves everybody: better an error than a long wait there.
READ_S, WRITE_S = 0.5, 5.0
UNWRITTEN = 10_000
SCHEMA = """
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY, user TEXT NOT NULL, mode TEXT NOT NULL, stamp TEXT NOT NULL, detail TEXT NOT NULL,
    address TEXT NOT NULL, agent TEXT NOT NULL, began REAL NOT NULL, seen REAL NOT NULL, ended REAL, why TEXT);
CREATE INDEX IF NOT EXISTS sessions_user ON sessions (user);
CREATE TABLE IF NOT EXISTS unwritten (id TEXT PRIMARY KEY, row TEXT NOT NULL);
"""


@dataclass(frozen=True)
class SignIn:
    """One session as stored. `id` is the hash of its secret; times are aware UTC."""

    id: str
    user: str
    mode: str
    stamp: str
    detail: Mapping[str, Any]
    address: str
    agent: str
    began: datetime
    seen: datetime


class SignIns:
    """The sessions at `path`; one ends after `idle` without a sign of its user, or `longest` after it began.

    Everything raises SessionsUnusable where the file is damaged, locked for long or cannot be written.
    """

    def __init__(self, path: Path, *, idle: timedelta, longest: timedelta) -> None:
        self._path = path
        self.idle = idle
        self.longest = longest
        self._ready = False

    def begin(
        self,
        user: str,
        *,
        mode: str,
        stamp: str,
        now: datetime,
        address: str = "",
        agent: str = "",
        detail: Mapping[str, Any] | None = None,
    ) -> str:
        """Store a new session and return its secret, which is kept nowhere else."""
        secret = secrets.token_urlsafe(BYTES)
        at = now.timestamp()
        row = (hashed(secret), user, mode, stamp, json.dumps(detail or {}), address, agent[:200], at, at)
        with self._open() as file:
            file.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)", row)
            file.execute("DELETE FROM sessions WHERE began < ?", ((now - KEPT).timestamp(),))
        return secret

    def find(self, secret: str, now: datetime) -> SignIn | None:
        """The session of a secret, if it holds now."""
        found = self._alive("id = ?", (hashed(secret),), now) if secret and self._path.exists() else []
        return found[0] if found else None

    def alive(self, now: datetime, user: str | None = None) -> list[SignIn]:
        """Every session that holds now, newest first, of one user or of all."""
        return self._alive("(? IS NULL OR user = ?)", (user, user), now) if self._path.exists() else []

    def touch(self, secret: str, now: datetime) -> None:
        """Note a sign of the user; written once a minute at most."""
        before = (now - TOUCH_EVERY).timestamp()
        with self._open() as file:
            known = file.execute(
                "SELECT seen FROM sessions WHERE id = ? AND ended IS NULL", (hashed(secret),)
            ).fetchone()
            if known and known[0] <= before:
                file.execute("UPDATE sessions SET seen = ? WHERE id = ?", (now.timestamp(), hashed(secret)))

    def addresses(self, user: str) -> set[str]:
        """From where the user signed in of late, whether or not the session holds."""
        if not self._path.exists():
            return set()
        with self._open() as file:
            return {row[0] for row in file.execute("SELECT DISTINCT address FROM sessions WHERE user = ?", (user,))}

    def keep(self, row_id: str, row: Mapping[str, str]) -> None:
        """Keep a row of the audit until the warehouse takes it."""
        with self._open() as file:
            if file.execute("SELECT count(*) FROM unwritten").fetchone()[0] >= UNWRITTEN:
                raise SessionsUnusable(f"{UNWRITTEN:,} rows wait for the warehouse already.")
            file.execute("INSERT OR IGNORE INTO unwritten VALUES (?, ?)", (row_id, json.dumps(dict(row))))

    def kept(self) -> dict[str, dict[str, str]]:
        """Rows that wait for the warehouse, by their id, as they came."""
        if not self._path.exists():
            return {}
        with self._open() as file:
            rows = file.execute("SELECT id, row FROM unwritten ORDER BY rowid").fetchall()
        return {row_id: json.loads(row) for row_id, row in rows}

    def drop(self, row_ids: Iterable[str]) -> None:
        """Forget rows that are written."""
        with self._open() as file:
            file.executemany("DELETE FROM unwritten WHERE id = ?", [(one,) for one in row_ids])

    def end(self, secret: str, *, why: str, now: datetime) -> None:
        """End one session by its secret."""
        self._end("id = ?", (hashed(secret),), why, now)

    def end_all(self, user: str, *, why: str, now: datetime) -> int:
        """End every session of a user; returns how many held."""
        return self._end("user = ?", (user,), why, now)

    def end_id(self, session_id: str, *, why: str, now: datetime) -> None:
        """End one session by its id, as `alive` shows it."""
        self._end("id = ?", (session_id,), why, now)

    def _end(self, which: str, given: tuple[Any, ...], why: str, now: datetime) -> int:
        if not self._path.exists():
            return 0
        with self._open() as file:
            held = self._rows(file, which, given, now)
            file.execute(
                f"UPDATE sessions SET ended = ?, why = ? WHERE ended IS NULL AND {which}",
                (now.timestamp(), why, *given),
            )
        return len(held)

    def _alive(self, which: str, given: tuple[Any, ...], now: datetime) -> list[SignIn]:
        with self._open(READ_S) as file:
            return self._rows(file, which, given, now)

    def _rows(self, file: sqlite3.Connection, which: str, given: tuple[Any, ...], now: datetime) -> list[SignIn]:
        rows = file.execute(
            "SELECT id, user, mode, stamp, detail, address, agent, began, seen FROM sessions "
            f"WHERE ended IS NULL AND {which} ORDER BY began DESC",
            given,
        ).fetchall()
        found = [_sign_in(row) for row in rows]
        return [one for one in found if now - one.seen <= self.idle and now - one.began <= self.longest]

    @contextmanager
    def _open(self, wait_s: float = WRITE_S) -> Iterator[sqlite3.Connection]:
        try:
            fresh = not self._path.exists()
            if fresh:
                # Made here, so that SQLite's own files beside it take over that only the owner may read.
                os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            with closing(sqlite3.connect(self._path, timeout=wait_s, isolation_level=None)) as file:
                if fresh:
                    file.execute("PRAGMA journal_mode = WAL")
                if fresh or not self._ready:
                    file.executescript(SCHEMA)
                    self._ready = True
                yield file
        except (sqlite3.Error, OSError) as error:
            # Looked at anew next time: somebody may put another file there.
            self._ready = False
            raise SessionsUnusable(f"{self._path.name} cannot be used: {error}.") from error


def _sign_in(row: tuple[Any, ...]) -> SignIn:
    session_id, user, mode, stamp, detail, address, agent, began, seen = row
    told = json.loads(detail)
    return SignIn(session_id, user, mode, stamp, told, address, agent, _moment(began), _moment(seen))


def hashed(secret: str) -> str:
    """How a secret is stored."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
