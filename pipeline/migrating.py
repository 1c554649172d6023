"""Session + numbered scripts -> which migrations a warehouse still needs, and one of them applied."""

from datetime import UTC, datetime
from typing import Any, Protocol

from pipeline.errors import WrongFile
from pipeline.queries import Migration, migrations


class Runs(Protocol):
    """What a migration needs of a session."""

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a statement and fetch its rows."""

    def script(self, sql: str, **params: Any) -> None:
        """Run one statement or several."""


def apply(session: Runs, step: Migration, now: datetime) -> None:
    """Run the script of `step` and record it; the caller's transaction makes both one."""
    session.script(step.script)
    session.script(
        "INSERT INTO schema_migrations VALUES ($number, $name, $sha256, $at)",
        number=step.number,
        name=step.name,
        sha256=step.sha256,
        at=now.astimezone(UTC),
    )


def pending(session: Runs) -> tuple[Migration, ...]:
    """The migrations not applied yet, in order.

    Raises WrongFile when the file is no Sextant warehouse, was made by a newer Sextant, or an applied
    migration was edited since.
    """
    own = "NOT internal AND database_name = 'warehouse'"
    tables = {row[0] for row in session.rows(f"SELECT table_name FROM duckdb_tables() WHERE {own}")}
    if not tables:
        return migrations()
    if "schema_migrations" not in tables:
        raise WrongFile("The file is a DuckDB file but no Sextant warehouse; set SEXTANT_WAREHOUSE to another path.")
    applied = {row[0]: row[1] for row in session.rows("SELECT number, sha256 FROM schema_migrations")}
    known = {step.number: step.sha256 for step in migrations()}
    if set(applied) - set(known):
        raise WrongFile("The warehouse was made by a newer Sextant; update Sextant.")
    edited = [number for number, fingerprint in applied.items() if known[number] != fingerprint]
    if edited:
        raise WrongFile(f"The warehouse: migrations {edited} were edited after they ran; restore them from git.")
    return tuple(step for step in migrations() if step.number not in applied)
