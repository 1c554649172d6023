"""Named queries and frames in, frames out: the one door to the DuckDB file, safe among processes.

The process keeps one in-memory engine; the file is attached only while a lock is held (see locks.py).
Compute outside `read()` and `write()`; nothing lazy leaves a session.
"""

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from pipeline import migrating
from pipeline.attaching import Engine, needs_space
from pipeline.errors import Busy, DiskFull, JobRunning, NoWarehouse, WarehouseError
from pipeline.generations import Generations, Ledger, Version
from pipeline.locks import Locks
from pipeline.queries import Migration
from pipeline.session import Session as Session
from pipeline.workroom import clear

# Old enough that 1.5.x can still open the file, same size.
STORAGE = "v1.5.0"
SCHEDULER = "scheduler"
log = logging.getLogger(__name__)


class Warehouse:
    """One DuckDB file shared by jobs, scheduler and dashboard. Safe to share among threads."""

    def __init__(self, path: Path, *, wait_s: float = 30.0, sleep: Callable[[float], None] = time.sleep) -> None:
        self.path = path
        self._wait_s = wait_s
        self._locks = Locks(path, wait_s=wait_s, sleep=sleep)
        self._engine = Engine(path, sleep=sleep)
        self._ledger = Ledger(path, self.version)
        self._mine = threading.local()

    @contextmanager
    def read(self, wait_s: float | None = None) -> Iterator[Session]:
        """A session that reads. Inside another session of the same thread it joins that one.

        Raises NoWarehouse when there is no file yet, Busy when writers keep the lock (for `wait_s` at most, where
        that is given), Held when an outsider holds the file.
        """
        joined = getattr(self._mine, "session", None)
        if joined is not None:
            yield joined
            return
        if not self.path.exists():
            raise NoWarehouse(
                f"{self.path.name} does not exist yet; run `python jobs.py demo` or `python jobs.py all`."
            )
        with self._beside(wait_s), self._engine.attached("READ_ONLY") as cursor, self._session(cursor) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session that writes, as one transaction: all of it happens or nothing.

        Raises Busy, Held; DiskFull when there is no space, and then nothing was written and readers go on;
        WarehouseError inside a read (it would wait for itself).
        """
        if getattr(self._mine, "session", None) is not None:
            raise WarehouseError("a write inside a session would wait for itself; close the session first.")
        option = f"STORAGE_VERSION '{STORAGE}'"
        full = needs_space(f"writing to {self.path.name}")
        with self._locks.exclusive(), self._ledger.noted() as noted, full, self._engine.attached(option) as cursor:
            with self._session(cursor) as session:
                cursor.execute("BEGIN")
                try:
                    yield session
                except BaseException:
                    _roll_back(cursor)
                    raise
                cursor.execute("COMMIT")
            noted.tables |= session.changed

    def ask(self, query: str, **params: Any) -> pd.DataFrame:
        """One named query in a session of its own."""
        with self.read() as session:
            return session.ask(query, **params)

    @contextmanager
    def job_lock(self, job: str) -> Iterator[None]:
        """Hold the right to run `job`. Raises JobRunning when another process has it."""
        lock = self._locks.named(f"job-{job}")
        try:
            lock.__enter__()
        except Busy as error:
            raise JobRunning(f"job {job} is running in another process; wait for it to end.") from error
        try:
            yield
        finally:
            lock.__exit__(None, None, None)

    def runs(self, job: str) -> bool:
        """Whether some process runs `job` now; "scheduler" counts as a job here."""
        return self._locks.taken(f"job-{job}")

    def scheduler_alive(self) -> bool:
        """Whether a scheduler works on this warehouse now."""
        return self.runs(SCHEDULER)

    def settle(self) -> None:
        """Clear up what a crash may have left beside the file; every reader would replay it otherwise."""
        clear(self.path.parent)
        if not self.unfolded.exists():
            return
        try:
            with self.write():
                pass
        except DiskFull as error:
            log.warning("%s: what a crash left is folded in later: %s", self.path.name, error)

    @property
    def unfolded(self) -> Path:
        """The file of what is committed but not folded into the main file yet; mostly there is none."""
        return self.path.with_name(self.path.name + ".wal")

    def migrate(self, now: datetime, *, before: Callable[[tuple[Migration, ...]], None] | None = None) -> list[str]:
        """Bring the file up to date, in one transaction with the record of it; a failure leaves it as it was.

        Creates the file when there is none; one that has something in it is handed to `before` first, with the
        steps to come. Returns the names applied. Raises WrongFile when the file is no Sextant warehouse, was made
        by a newer Sextant, or an applied migration was edited since; Busy while another process migrates it.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists() and not self._pending():
            return []
        with self._locks.named("upgrade", wait_s=self._wait_s):
            steps = self._pending() if self.path.exists() else ()
            if before is not None and steps and steps[0].number > 1:
                before(steps)
            with self.write() as session:
                steps = migrating.pending(session)
                for step in steps:
                    migrating.apply(session, step, now)
        return [step.name for step in steps]

    def _pending(self) -> tuple[Migration, ...]:
        with self.read() as session:
            return migrating.pending(session)

    def snapshot(self, to: Path) -> float:
        """Copy the file, with what is not folded in yet, to `to`; returns how many seconds writers had to wait.

        Only a process that has the file not attached may open it, so another one copies, at the speed of the disk.
        Raises NoWarehouse, Busy, DiskFull, WarehouseError.
        """
        if not self.path.exists():
            raise NoWarehouse(f"{self.path.name} does not exist; there is nothing to copy.")
        command = [sys.executable, "-I", str(Path(__file__).with_name("copying.py")), str(self.path), str(to)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
            assert child.stdout is not None
            child.stdout.readline()
            with self._beside():
                started = time.monotonic()
                said = child.communicate(b"go\n")[1].decode(errors="replace").strip().splitlines()
                waited = time.monotonic() - started
        with needs_space(f"copying {self.path.name}"):
            if child.returncode:
                raise OSError(said[-1] if said else f"the copying process ended with {child.returncode}")
        return waited

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep everybody else out and the file unattached, so that it may be replaced; inside, one may still read.

        Raises Busy.
        """
        if getattr(self._mine, "alone", False):
            yield
            return
        with self._locks.exclusive():
            self._mine.alone = True
            try:
                yield
            finally:
                self._mine.alone = False

    @contextmanager
    def _beside(self, wait_s: float | None = None) -> Iterator[None]:
        with nullcontext() if getattr(self._mine, "alone", False) else self._locks.shared(wait_s):
            yield

    def busy_jobs(self) -> list[str]:
        """Who works on this warehouse now: names of jobs, or "scheduler"."""
        head = f"{self.path.name}.job-"
        names = sorted(path.name.removeprefix(head) for path in self.path.parent.glob(f"{head}*"))
        return [name for name in names if self.runs(name)]

    def generations(self) -> Generations:
        """Which tables changed, for answers that are kept; inside a read exactly those of what it sees."""
        return self._ledger.now()

    def version(self) -> Version:
        """Changes whenever the file may have; cheap enough to be a cache key."""
        found = []
        for path in (self.path, self.unfolded):
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue
            found.append((stat.st_ino, stat.st_size, stat.st_mtime_ns))
        return tuple(found)

    @contextmanager
    def _session(self, cursor: duckdb.DuckDBPyConnection) -> Iterator[Session]:
        try:
            self._mine.session = Session(cursor)
            yield self._mine.session
        finally:
            self._mine.session = None


def _roll_back(cursor: duckdb.DuckDBPyConnection) -> None:
    try:
        cursor.execute("ROLLBACK")
    except duckdb.Error as error:
        # After a failed COMMIT there is nothing to roll back; the first error is the one that counts.
        log.debug("rollback had nothing to do: %s", error)
