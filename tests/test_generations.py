"""Writes say which tables they changed; what nobody told of counts as a change of all."""

import os
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import duckdb
import pandas as pd
import pytest

from pipeline.generations import ANY, changed_by, read_by
from pipeline.queries import migrations, queries
from pipeline.warehouse import Session, Warehouse
from tests import filler
from tests.dashboards import NOW

RUNS, OTHER = ("capacity",), ("predictions", "actuals")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("generations") / "w.duckdb"
    filler.empty(path, NOW)
    return path.read_bytes()


@pytest.fixture
def warehouse(template: bytes, tmp_path: Path) -> Iterator[Warehouse]:
    (tmp_path / "w.duckdb").write_bytes(template)
    made = Warehouse(tmp_path / "w.duckdb")
    write(made)
    return made


def measure(session: Session) -> None:
    at = pd.Series([NOW]).astype("datetime64[us, UTC]")
    session._insert(
        "capacity", pd.DataFrame({"measured_at": at, "what": "x", "value": 1.0, "run_id": "r"}), "FROM batch"
    )


def write(warehouse: Warehouse) -> None:
    with warehouse.write() as session:
        measure(session)


def held(warehouse: Warehouse, tables: tuple[str, ...] = OTHER) -> bool:
    """Whether an answer about `tables` still holds after one write of another table."""
    stamp = warehouse.generations().stamp(tables)
    write(warehouse)
    return warehouse.generations().holds(stamp)


def test_a_write_outdates_what_it_wrote_and_nothing_else(warehouse: Warehouse) -> None:
    assert held(warehouse, OTHER)
    assert not held(warehouse, RUNS)
    assert not held(warehouse, (*OTHER, *RUNS))
    assert not held(warehouse, (ANY,))
    assert not held(warehouse, ())


def test_another_process_reads_what_this_one_wrote(warehouse: Warehouse) -> None:
    other = Warehouse(warehouse.path)
    stamp = other.generations().stamp(OTHER)
    write(warehouse)
    assert other.generations().holds(stamp)


@pytest.mark.parametrize("damage", ["touched", "lost", "cut", "odd", "restored"])
def test_whatever_else_befell_the_file_outdates_everything(warehouse: Warehouse, damage: str) -> None:
    ledger = warehouse.path.with_name("w.duckdb.changes")
    stamp = warehouse.generations().stamp(OTHER)
    if damage == "touched":
        os.utime(warehouse.path)
    elif damage == "restored":
        copy = warehouse.path.with_name("copy")
        copy.write_bytes(warehouse.path.read_bytes())
        os.replace(copy, warehouse.path)
    else:
        words = {"lost": None, "cut": ledger.read_text(encoding="utf-8")[:40], "odd": '{"version": 3}'}[damage]
        ledger.unlink() if words is None else ledger.write_text(words, encoding="utf-8")
        warehouse = Warehouse(warehouse.path)
    assert not warehouse.generations().holds(stamp)
    write(warehouse)
    assert not warehouse.generations().holds(stamp)
    assert held(warehouse)


def test_a_statement_nobody_can_tell_more_of_outdates_everything(warehouse: Warehouse) -> None:
    stamp = warehouse.generations().stamp(OTHER)
    with warehouse.write() as session:
        measure(session)
        session.script("UPDATE predictions SET p50 = 0")
    assert not warehouse.generations().holds(stamp)
    stamp = warehouse.generations().stamp(OTHER)
    with warehouse.write() as session:
        session._cursor.execute("INSERT INTO capacity SELECT now(), 'x', 1, 'r'")
    assert not warehouse.generations().holds(stamp)


def test_a_write_that_failed_and_one_that_could_not_be_noted_are_safe(warehouse: Warehouse) -> None:
    stamp = warehouse.generations().stamp(RUNS)
    with pytest.raises(duckdb.Error), warehouse.write() as session:
        session.script("SELECT nonsense")
    assert warehouse.generations().holds(stamp)
    warehouse.path.with_name("w.duckdb.changes.part").mkdir()
    write(warehouse)
    assert not warehouse.generations().holds(stamp)
    assert not warehouse.generations().holds(warehouse.generations().stamp(()))


def test_while_somebody_writes_nothing_is_said_to_hold_that_may_not(warehouse: Warehouse) -> None:
    stamp, ready, go = warehouse.generations().stamp(RUNS), Event(), Event()

    def slow() -> None:
        with Warehouse(warehouse.path).write() as session:
            measure(session)
            ready.set()
            go.wait(10)

    thread = Thread(target=slow)
    thread.start()
    ready.wait(10)
    go.set()
    with warehouse.read():
        seen = warehouse.generations()
    thread.join()
    assert not seen.holds(stamp)
    assert seen.holds(warehouse.generations().stamp((*RUNS, *OTHER)))


def test_every_table_and_view_is_in_the_catalogue(warehouse: Warehouse) -> None:
    with warehouse.read() as session:
        tables = [row[0] for row in session.rows("SELECT table_name FROM duckdb_tables() WHERE NOT internal")]
        views = session.rows("SELECT view_name, sql FROM duckdb_views() WHERE NOT internal")
    assert all(read_by(f"SELECT 1 FROM {name}") == {name} for name in tables)
    for name, text in views:
        assert read_by(f"SELECT * FROM {name}") >= read_by(text.split(" AS ", 1)[1]) - {ANY}, name
    assert read_by("SELECT * FROM accuracy_latest") >= {"accuracy"}
    assert read_by("SELECT 1") == {ANY}
    assert len(migrations()) >= 4


def test_no_query_reads_a_table_that_its_text_does_not_show(warehouse: Warehouse) -> None:
    """The engine's own plan of each page's query names no table beyond those that answers are marked with."""
    names = [name for name in queries() if name.startswith("page_")]
    for name in names:
        with warehouse.read() as session:
            try:
                found = session._cursor.get_table_names(queries()[name])
            except duckdb.Error:
                continue
        through = {table for one in found for table in read_by(f"SELECT * FROM {one}")} - {ANY}
        assert through <= read_by(queries()[name]), name


def test_no_query_makes_a_macro(warehouse: Warehouse) -> None:
    """A macro would hide the tables behind its name."""
    assert not [name for name, text in queries().items() if "MACRO" in text.upper()]
    assert not [step.name for step in migrations() if "MACRO" in step.script.upper()]


def test_what_a_changing_query_writes_is_read_off_its_text() -> None:
    assert changed_by("DELETE FROM accuracy WHERE x IN (SELECT 1 FROM actuals)") == {"accuracy"}
    assert changed_by("update job_runs set log = ''") == {"job_runs"}
    assert changed_by("VACUUM") == {ANY}
