"""Named queries and frames in, frames out: the one door to the DuckDB file, safe among processes.

The process keeps one in-memory engine; the file is attached only while a lock is held (see locks.py).
Compute outside `read()` and `write()`; nothing lazy leaves a session.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from pipeline import migrating
from pipeline.contracts import CONTRACTS, Column, check
from pipeline.errors import Busy, Held, JobRunning, NoWarehouse, WarehouseError, WrongFile
from pipeline.locks import Locks
from pipeline.queries import migrations, queries

# Old enough that 1.5.x can still open the file, same size.
STORAGE = "v1.5.0"
OPEN_TRIES_S = 5.0
SCHEDULER = "scheduler"
log = logging.getLogger(__name__)


class Session:
    """A moment of the warehouse: reads see one state, writes are one transaction."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor
        self._columns: dict[str, list[Column]] = {}

    def ask(self, query: str, *, batch: pd.DataFrame | None = None, **params: Any) -> pd.DataFrame:
        """Run a named query; times come back as `datetime64[us, UTC]`. `batch` is visible under that name."""
        with self._visible(batch):
            answer: pd.DataFrame = self._cursor.sql(queries()[query], params=params).to_arrow_table().to_pandas()
        return answer

    def append(self, table: str, frame: pd.DataFrame) -> int:
        """Insert the rows whose grain is not there yet; returns how many. Raises ContractBroken."""
        grain = ", ".join(CONTRACTS[table].grain)
        return self._insert(table, frame, f"FROM batch ANTI JOIN {table} USING ({grain})")

    def upsert(self, table: str, frame: pd.DataFrame) -> int:
        """Replace rows of the same grain and insert the rest; returns how many. Raises ContractBroken."""
        check(table, frame, self.columns(table))
        same = " AND ".join(f"{table}.{name} = batch.{name}" for name in CONTRACTS[table].grain)
        with self._visible(frame):
            self._cursor.execute(f"DELETE FROM {table} USING batch WHERE {same}")
        return self._insert(table, frame, "FROM batch")

    def columns(self, table: str) -> list[Column]:
        """The columns of `table` as the database declares them; none where there is no such table."""
        if table not in self._columns:
            # information_schema answers the same eight times slower.
            query = 'SELECT name, type, "notnull" FROM pragma_table_info($table)'
            try:
                rows = self._cursor.sql(query, params={"table": table}).fetchall()
            except duckdb.CatalogException:
                return []
            self._columns[table] = [Column(name, kind, not filled) for name, kind, filled in rows]
        return self._columns[table]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a statement that is no named query and fetch its rows."""
        return self._cursor.execute(sql).fetchall()

    def script(self, sql: str, **params: Any) -> None:
        """Run one statement or several that answer nothing."""
        self._cursor.execute(sql, params or None)

    def storage(self) -> str:
        """The DuckDB storage version of the file, such as "v1.5.0"."""
        rows = self._cursor.sql(
            "SELECT tags['storage_version'] FROM duckdb_databases() WHERE database_name = 'warehouse'"
        )
        return str(rows.fetchall()[0][0]).rstrip("+")

    def migrated(self) -> bool:
        """Whether every migration this Sextant knows was applied."""
        return not migrating.pending(self)

    def count(self, table: str) -> int:
        """How many rows `table` has."""
        return int(self.rows(f"SELECT count(*) FROM {table}")[0][0])

    def doubled(self, table: str) -> int:
        """How many rows share their grain with another row; 0 in a sound warehouse."""
        grain = ", ".join(CONTRACTS[table].grain)
        twins = f"SELECT count(*) AS n FROM {table} GROUP BY {grain} HAVING count(*) > 1"
        return int(self.rows(f"SELECT coalesce(sum(n), 0) FROM ({twins})")[0][0])

    def _insert(self, table: str, frame: pd.DataFrame, source: str) -> int:
        if frame.empty:
            return 0
        check(table, frame, self.columns(table))
        with self._visible(frame):
            done = self._cursor.execute(f"INSERT INTO {table} BY NAME SELECT batch.* {source}").fetchall()
        return int(done[0][0])

    @contextmanager
    def _visible(self, batch: pd.DataFrame | None) -> Iterator[None]:
        if batch is None:
            yield
            return
        self._cursor.register("batch", batch)
        try:
            yield
        finally:
            self._cursor.unregister("batch")


class Warehouse:
    """One DuckDB file shared by jobs, scheduler and dashboard. Safe to share among threads."""

    def __init__(self, path: Path, *, wait_s: float = 30.0, sleep: Callable[[float], None] = time.sleep) -> None:
        self.path = path
        self._locks = Locks(path, wait_s=wait_s, sleep=sleep)
        self._sleep = sleep
        self._engine = duckdb.connect(":memory:")
        # Casts follow the session zone and plain SET does not reach cursors.
        self._engine.execute("SET GLOBAL TimeZone = 'UTC'")
        self._mutex = threading.Lock()
        self._users = 0
        self._mine = threading.local()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that reads. Inside another session of the same thread it joins that one.

        Raises NoWarehouse when there is no file yet, Busy when writers keep the lock, Held when an
        outsider holds the file.
        """
        joined = getattr(self._mine, "session", None)
        if joined is not None:
            yield joined
            return
        if not self.path.exists():
            raise NoWarehouse(
                f"{self.path.name} does not exist yet; run `python jobs.py demo` or `python jobs.py all`."
            )
        with self._locks.shared(), self._attached("READ_ONLY"), self._session() as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session that writes, as one transaction: all of it happens or nothing.

        Raises Busy, Held; WarehouseError inside a read (it would wait for itself).
        """
        if getattr(self._mine, "session", None) is not None:
            raise WarehouseError("a write inside a session would wait for itself; close the session first.")
        option = f"STORAGE_VERSION '{STORAGE}'"
        with self._locks.exclusive(), self._attached(option), self._session() as session:
            cursor = session._cursor
            cursor.execute("BEGIN")
            try:
                yield session
            except BaseException:
                _roll_back(cursor)
                raise
            cursor.execute("COMMIT")

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
        """Fold in what a crash may have left beside the file; every reader would replay it otherwise."""
        if self.path.with_name(self.path.name + ".wal").exists():
            with self.write():
                pass

    def migrate(self, now: datetime) -> list[str]:
        """Bring the file up to date; each migration in one transaction with its record.

        Creates the file when there is none. Returns the names applied. Raises WrongFile when the file
        is no Sextant warehouse, was made by a newer Sextant, or an applied migration was edited since.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        steps = migrations()
        if self.path.exists():
            with self.read() as session:
                steps = migrating.pending(session)
        for step in steps:
            with self.write() as session:
                # Another process may have been faster.
                if step not in migrating.pending(session):
                    continue
                migrating.apply(session, step, now)
        return [step.name for step in steps]

    def version(self) -> tuple[tuple[int, int, int], ...]:
        """Changes whenever the file may have; cheap enough to be a cache key."""
        found = []
        for path in (self.path, self.path.with_name(self.path.name + ".wal")):
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue
            found.append((stat.st_ino, stat.st_size, stat.st_mtime_ns))
        return tuple(found)

    @contextmanager
    def _session(self) -> Iterator[Session]:
        cursor = self._engine.cursor()
        try:
            cursor.execute("USE warehouse")
            self._mine.session = Session(cursor)
            yield self._mine.session
        finally:
            self._mine.session = None
            cursor.close()

    @contextmanager
    def _attached(self, option: str) -> Iterator[None]:
        with self._mutex:
            if self._users == 0:
                self._attach(option)
            self._users += 1
        try:
            yield
        finally:
            with self._mutex:
                self._users -= 1
                if self._users == 0:
                    self._detach()

    def _attach(self, option: str) -> None:
        deadline = time.monotonic() + OPEN_TRIES_S
        target = str(self.path).replace("'", "''")
        while True:
            try:
                self._engine.execute(f"ATTACH '{target}' AS warehouse ({option})")
                return
            except duckdb.IOException as error:
                if "lock" not in str(error).lower():
                    raise WrongFile(f"{self.path.name} cannot be opened as a warehouse: {error}") from error
                if time.monotonic() > deadline:
                    raise Held(f"{self.path.name} is open in a program outside Sextant; close it: {error}") from error
                self._sleep(0.05)

    def _detach(self) -> None:
        try:
            self._engine.execute("DETACH warehouse")
        except duckdb.Error as error:
            # The commit is durable already; only the checkpoint has to wait.
            log.warning("%s: detach was late: %s", self.path.name, error)
            attached = self._engine.execute("SELECT 1 FROM duckdb_databases() WHERE database_name = 'warehouse'")
            if attached.fetchall():
                raise


def _roll_back(cursor: duckdb.DuckDBPyConnection) -> None:
    try:
        cursor.execute("ROLLBACK")
    except duckdb.Error as error:
        # After a failed COMMIT there is nothing to roll back; the first error is the one that counts.
        log.debug("rollback had nothing to do: %s", error)
