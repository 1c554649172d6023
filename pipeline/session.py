"""Named queries and frames -> rows of an attached warehouse and back; nothing lazy leaves a session."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb
import pandas as pd

from pipeline import migrating
from pipeline.contracts import CONTRACTS, Column, check
from pipeline.generations import ANY, changed_by, read_by
from pipeline.queries import queries


class Session:
    """A moment of the warehouse: reads see one state, writes are one transaction."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor
        self._columns: dict[str, list[Column]] = {}
        self._read: set[str] = set()
        self.changed: set[str] = set()
        """Tables written to; ANY where that cannot be told."""

    @contextmanager
    def reading(self) -> Iterator[set[str]]:
        """Gives the set of tables that are read meanwhile, which grows; it has ANY where that cannot be told."""
        outer, self._read = self._read, set()
        try:
            yield self._read
        finally:
            outer |= self._read
            self._read = outer

    def ask(self, query: str, *, batch: pd.DataFrame | None = None, **params: Any) -> pd.DataFrame:
        """Run a named query; times come back as `datetime64[us, UTC]`. `batch` is visible under that name."""
        self._read |= read_by(queries()[query])
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
        self.remove(table, frame)
        return self._insert(table, frame, "FROM batch")

    def remove(self, table: str, keys: pd.DataFrame) -> int:
        """Delete the rows whose grain is in `keys` (one column for each part of the grain); returns how many."""
        same = " AND ".join(f"{table}.{name} = batch.{name}" for name in CONTRACTS[table].grain)
        self.changed.add(table)
        with self._visible(keys):
            return int(self._cursor.execute(f"DELETE FROM {table} USING batch WHERE {same}").fetchall()[0][0])

    def change(self, query: str, **params: Any) -> int:
        """Run a named query that changes rows; returns how many."""
        self.changed |= changed_by(queries()[query])
        return int(self._cursor.execute(queries()[query], params).fetchall()[0][0])

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
        self._read |= read_by(sql)
        if not sql.lstrip().upper().startswith("SELECT"):
            self.changed.add(ANY)
        return self._cursor.execute(sql).fetchall()

    def script(self, sql: str, **params: Any) -> None:
        """Run one statement or several that answer nothing."""
        self._read.add(ANY)
        self.changed.add(ANY)
        self._cursor.execute(sql, params or None)

    def storage(self) -> str:
        """The DuckDB storage version of the file, such as "v1.5.0"."""
        rows = self._cursor.sql(
            "SELECT tags['storage_version'] FROM duckdb_databases() WHERE database_name = 'warehouse'"
        )
        return str(rows.fetchall()[0][0]).rstrip("+")

    def migrated(self) -> bool:
        """Whether every migration this Sextant knows was applied."""
        with self.reading() as tables:
            pending = migrating.pending(self)
            # The catalogue only changes with this table.
            tables.clear()
            tables.add("schema_migrations")
        return not pending

    def census(self) -> dict[str, int]:
        """How many rows each table has, whatever this Sextant knows of it."""
        own = "NOT internal AND database_name = 'warehouse'"
        names = [row[0] for row in self.rows(f"SELECT table_name FROM duckdb_tables() WHERE {own} ORDER BY 1")]
        return {name: self.count(name) for name in names}

    def count(self, table: str) -> int:
        """How many rows `table` has."""
        return int(self.rows(f"SELECT count(*) FROM {table}")[0][0])

    def fingerprint(self, table: str) -> tuple[int, int]:
        """Row count and a sum over the rows that any changed value changes; the same DuckDB gives the same."""
        count, total = self.rows(f"SELECT count(*), coalesce(sum(hash(t)), 0) FROM {table} t")[0]
        return int(count), int(total)

    def doubled(self, table: str) -> int:
        """How many rows share their grain with another row; 0 in a sound warehouse."""
        grain = ", ".join(CONTRACTS[table].grain)
        twins = f"SELECT count(*) AS n FROM {table} GROUP BY {grain} HAVING count(*) > 1"
        return int(self.rows(f"SELECT coalesce(sum(n), 0) FROM ({twins})")[0][0])

    def _insert(self, table: str, frame: pd.DataFrame, source: str) -> int:
        if frame.empty:
            return 0
        check(table, frame, self.columns(table))
        self.changed.add(table)
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
