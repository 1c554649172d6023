"""Path of a DuckDB file -> an engine of this process that has it attached exactly while somebody uses it."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from pipeline.errors import DiskFull, Held, WrongFile

OPEN_TRIES_S = 5.0
NO_SPACE = ("No space left", "Disk quota exceeded", "File too large", "max_temp_directory_size")
"""What DuckDB and the system say when the disk, a quota or a limit is used up."""
LOCKED = ("Could not set lock", "Conflicting lock")
DAMAGED = ("Corrupt database file", "Corrupt WAL file", "Could not read enough bytes")
"""What DuckDB says of a file whose checksums do not hold or that is cut; it has no class of its own for that."""
LATE = "%s: what was committed is safe in the .wal beside it and is folded in later: %s"
DatabaseTrouble = duckdb.OperationalError
"""DuckDB met trouble of the machine, such as a file it cannot read; not a mistake in a query, not a broken engine."""
OutOfMemory = duckdb.OutOfMemoryException
DatabaseError = duckdb.Error
"""What DuckDB raises, for those who must outlive it without knowing DuckDB."""
log = logging.getLogger(__name__)


class Engine:
    """One in-memory DuckDB; the threads of the process share one attachment of the file."""

    def __init__(self, path: Path, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._path = path
        self._sleep = sleep
        self._duckdb = duckdb.connect(":memory:")
        # Casts follow the session zone and plain SET does not reach cursors.
        self._duckdb.execute("SET GLOBAL TimeZone = 'UTC'")
        self._mutex = threading.Lock()
        self._users = 0
        self._late = False

    @contextmanager
    def attached(self, option: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor that uses the file. The caller holds the lock. Raises Held, WrongFile, also when damage is met."""
        with self._sound(), self._used(option) as cursor:
            yield cursor

    @contextmanager
    def _sound(self) -> Iterator[None]:
        """Turn what DuckDB says of damage, which it may meet only when it reads that far, into WrongFile."""
        try:
            yield
        except duckdb.Error as error:
            if not any(words in str(error) for words in DAMAGED):
                raise
            raise self._wrong(error) from error

    @contextmanager
    def _used(self, option: str) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._mutex, self._whole():
            if self._users == 0:
                self._attach(option)
            self._users += 1
        try:
            cursor = self._duckdb.cursor()
            try:
                with interruptible():
                    cursor.execute("USE warehouse")
                    yield cursor
            finally:
                cursor.close()
        finally:
            with self._mutex, self._whole():
                self._users -= 1
                if self._users == 0:
                    self._detach()

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """Leave nothing half attached when a signal comes in between."""
        try:
            with interruptible():
                yield
        except KeyboardInterrupt:
            if self._users == 0:
                self._duckdb.execute("DETACH DATABASE IF EXISTS warehouse")
            raise

    def _attach(self, option: str) -> None:
        deadline = time.monotonic() + OPEN_TRIES_S
        target = str(self._path).replace("'", "''")
        while True:
            try:
                self._duckdb.execute(f"ATTACH '{target}' AS warehouse ({option})")
                return
            except duckdb.Error as error:
                if no_space(error) or isinstance(error, duckdb.InterruptException):
                    raise
                if not any(words in str(error) for words in LOCKED):
                    raise self._wrong(error) from error
                if time.monotonic() > deadline:
                    raise Held(f"{self._path.name} is open in a program outside Sextant; close it: {error}") from error
                self._sleep(0.05)

    def _wrong(self, error: duckdb.Error) -> WrongFile:
        what = "is damaged" if any(words in str(error) for words in DAMAGED) else "cannot be opened as a warehouse"
        said = " ".join(str(error).split())
        return WrongFile(f"{self._path.name} {what} ({said}); restore a backup (RUNBOOK, warehouse damaged).")

    def _detach(self) -> None:
        try:
            self._duckdb.execute("DETACH warehouse")
        except duckdb.Error as error:
            # The commit is durable already; only the checkpoint has to wait.
            log.log(logging.DEBUG if self._late else logging.WARNING, LATE, self._path.name, str(error).split("\n")[-1])
            self._late = True
            attached = self._duckdb.execute("SELECT 1 FROM duckdb_databases() WHERE database_name = 'warehouse'")
            if attached.fetchall():
                raise


@contextmanager
def interruptible() -> Iterator[None]:
    """Make KeyboardInterrupt again of what DuckDB makes of it when a signal comes in the middle of a query."""
    try:
        yield
    except RuntimeError as error:
        if str(error) != "Query interrupted":
            raise
        raise KeyboardInterrupt from error


def no_space(error: BaseException) -> bool:
    """Whether `error` is about a disk, quota or limit that is used up."""
    return any(words in str(error) for words in NO_SPACE)


@contextmanager
def needs_space(what: str) -> Iterator[None]:
    """Turn what DuckDB and the system say about a full disk into DiskFull naming `what`; other errors pass."""
    try:
        yield
    except (duckdb.Error, OSError) as error:
        if not no_space(error):
            raise
        raise DiskFull(
            f"{what}: no space is left on the disk; nothing of it was kept. Free some space "
            f"(RUNBOOK, disk full); the next run goes on. ({error})"
        ) from error
