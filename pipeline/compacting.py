"""Warehouse -> the same rows in a file without free space, put in its place while others go on working."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.attaching import needs_space
from pipeline.errors import WarehouseError
from pipeline.warehouse import STORAGE, Session, Warehouse
from pipeline.workroom import workroom

TRIES = 2
"""How often to try beside writers before they have to wait until we are done."""


@dataclass(frozen=True)
class Compacted:
    """Bytes of the file before and after; `waited` tells whether others had to wait for all of it."""

    before: int
    after: int
    waited: bool


def compact(warehouse: Warehouse) -> Compacted:
    """Rewrite the file. Readers and writers wait only for a copy and for the exchange, unless it is written to all
    the time; then they wait until it is rewritten. A crash leaves the old file or the new one, whole.

    Raises NoWarehouse, Busy, Held, DiskFull, WarehouseError when the new file is not the same.
    """
    with needs_space(f"compacting {warehouse.path.name}"):
        with warehouse.write():
            # Folds in what a crash left and sees that no outsider has the file.
            pass
        for _ in range(TRIES):
            done = _attempt(warehouse, waited=False)
            if done is not None:
                return done
        with warehouse.alone():
            done = _attempt(warehouse, waited=True)
    if done is None:
        raise WarehouseError(
            f"{warehouse.path.name}: some of it could not be folded in; nothing was changed, try again."
        )
    return done


def _attempt(warehouse: Warehouse, *, waited: bool) -> Compacted | None:
    """Rewrite a copy and exchange the file for it; None when it was written to meanwhile."""
    path = warehouse.path
    with workroom(path.parent) as room:
        copy, new = room / "copy.duckdb", room / "new.duckdb"
        premise = warehouse.version()
        warehouse.snapshot(copy)
        _rewrite(copy, new)
        with warehouse.alone():
            if warehouse.version() != premise or warehouse.unfolded.exists():
                return None
            sizes = path.stat().st_size, new.stat().st_size
            os.replace(new, path)
    return Compacted(*sizes, waited)


def _rewrite(source: Path, target: Path) -> None:
    place = str(target).replace("'", "''")
    with Warehouse(source).read() as session:
        session.script(f"ATTACH '{place}' AS compacted (STORAGE_VERSION '{STORAGE}')")
        try:
            session.script("COPY FROM DATABASE warehouse TO compacted")
        finally:
            session.script("DETACH compacted")
        before = _content(session)
    with Warehouse(target).read() as session:
        if _content(session) != before:
            raise WarehouseError(f"{source.name}: its rewritten copy is not the same; nothing was changed.")
    with target.open("rb") as file:
        os.fsync(file.fileno())


def _content(session: Session) -> tuple[Any, ...]:
    """Columns of tables and views, and how many rows with which fingerprint each table has."""
    columns = session.ask("stored_columns").astype(object).where(lambda frame: frame.notna(), None)
    prints = {table: session.fingerprint(table) for table in session.census()}
    return columns.to_numpy().tolist(), prints
