"""The one door to the file: contracts, transactions, locks, migrations, versions."""

import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from pipeline import queries
from pipeline.contracts import CONTRACTS
from pipeline.errors import Busy, ContractBroken, Held, JobRunning, NoWarehouse, WarehouseError, WrongFile
from pipeline.settings import ROOT
from pipeline.warehouse import Warehouse
from tests.conftest import NOW, Desk


def raw(values: list[float], *, seen: datetime = NOW, first: str = "2026-01-01T00:00Z") -> pd.DataFrame:
    times = pd.date_range(first, periods=len(values), freq="5min").as_unit("us")
    return pd.DataFrame(
        {
            "series": "demo.load",
            "valid_at": times,
            "value": values,
            "made_at": pd.Timestamp(seen),
            "seen_at": pd.Timestamp(seen),
            "source": "test",
            "run_id": "r",
        }
    )


def test_appending_the_same_rows_twice_stores_them_once(desk: Desk) -> None:
    for expected in (3, 0):
        with desk.warehouse.write() as session:
            assert session.append("raw", raw([1.0, 2.0, 3.0])) == expected
    assert desk.rows("raw") == 3


def test_an_upsert_replaces_rows_of_the_same_grain(desk: Desk) -> None:
    for value in (1.0, 2.0):
        with desk.warehouse.write() as session:
            session.upsert("raw", raw([value]))
    with desk.warehouse.read() as session:
        newest = session.ask("newest_point", series="demo.load")
    assert desk.rows("raw") == 1
    assert newest.newest.dtype == "datetime64[us, UTC]"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f.drop(columns="value"), "missing or unknown"),
        (lambda f: f.assign(extra=1), "missing or unknown"),
        (lambda f: f.assign(series=None), "nulls"),
        (lambda f: f.assign(valid_at=f.valid_at.dt.tz_localize(None)), "not a UTC time"),
        (lambda f: f.assign(valid_at=f.valid_at.dt.tz_convert("Europe/Madrid")), "not a UTC time"),
        (lambda f: f.assign(value=float("inf")), "infinite"),
        (lambda f: pd.concat([f, f]), "repeat"),
    ],
)
def test_rows_that_break_the_contract_are_refused_and_nothing_is_written(desk: Desk, change, words: str) -> None:
    with pytest.raises(ContractBroken, match=words), desk.warehouse.write() as session:
        session.append("raw", change(raw([1.0])))
    assert desk.rows("raw") == 0


def test_a_word_outside_the_contract_is_refused(desk: Desk) -> None:
    row = {"audit_id": "a", "acted_at": pd.Timestamp(NOW), "actor": "x", "role": "admin", "action": "retrain"}
    row |= {"subject": "s", "outcome": "perhaps", "reason": "", "detail": "{}"}
    with pytest.raises(ContractBroken, match="perhaps"), desk.warehouse.write() as session:
        session.append("audit", pd.DataFrame([row]))


def test_every_table_has_a_contract(desk: Desk) -> None:
    with desk.warehouse.read() as session:
        for table, contract in CONTRACTS.items():
            names = {column.name for column in session.columns(table)}
            assert set(contract.grain) | set(contract.choices) <= names


def test_a_failed_write_leaves_nothing_behind(desk: Desk) -> None:
    def midway() -> None:
        with desk.warehouse.write() as session:
            session.append("raw", raw([1.0]))
            raise RuntimeError("midway")

    with pytest.raises(RuntimeError):
        midway()
    assert desk.rows("raw") == 0


def test_a_write_inside_a_read_is_refused_and_a_read_inside_a_read_joins(desk: Desk) -> None:
    with desk.warehouse.read() as outer, desk.warehouse.read() as inner:
        assert inner is outer
        with pytest.raises(WarehouseError, match="wait for itself"), desk.warehouse.write():
            pass


def test_reading_before_there_is_a_file_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(NoWarehouse, match=r"jobs\.py"):
        Warehouse(tmp_path / "none.duckdb").ask("open_runs")


def test_a_reader_gives_up_with_busy_while_a_writer_stays(desk: Desk) -> None:
    other = Warehouse(desk.settings.warehouse, wait_s=0.05)
    with desk.warehouse.write(), pytest.raises(Busy, match="taken"):
        other.ask("open_runs")


def test_threads_of_one_process_read_together_and_write_in_turn(desk: Desk) -> None:
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for step in range(8):
                with desk.warehouse.write() as session:
                    session.append("raw", raw([1.0], first=f"2026-01-{number + 1:02d}T{step:02d}:00Z"))
                desk.warehouse.ask("newest_point", series="demo.load")
        except BaseException as error:
            errors.append(error)
            raise

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert desk.rows("raw") == 32


def test_one_job_at_a_time(desk: Desk) -> None:
    other = Warehouse(desk.settings.warehouse)
    with desk.warehouse.job_lock("train"), pytest.raises(JobRunning, match="train"), other.job_lock("train"):
        pass
    with other.job_lock("train"):
        pass


def test_the_version_changes_with_every_write_and_not_with_reads(desk: Desk) -> None:
    before = desk.warehouse.version()
    desk.warehouse.ask("open_runs")
    assert desk.warehouse.version() == before
    with desk.warehouse.write() as session:
        session.append("raw", raw([1.0]))
    assert desk.warehouse.version() != before


def test_migrating_twice_does_nothing_the_second_time(desk: Desk) -> None:
    assert desk.warehouse.migrate(NOW) == []


def test_a_foreign_database_and_a_file_that_is_none_are_refused(tmp_path: Path) -> None:
    foreign, text = tmp_path / "foreign.duckdb", tmp_path / "text.duckdb"
    with duckdb.connect(str(foreign)) as connection:
        connection.execute("CREATE TABLE cats (name VARCHAR)")
    text.write_text("not a database, but long enough to be read as one " * 100, encoding="utf-8")
    for path in (foreign, text):
        with pytest.raises(WrongFile):
            Warehouse(path).migrate(NOW)


def test_a_warehouse_of_a_newer_sextant_is_refused(desk: Desk) -> None:
    with desk.warehouse.write() as session:
        session._cursor.execute("INSERT INTO schema_migrations VALUES (999, 'future', '', now())")
    with pytest.raises(WrongFile, match="newer Sextant"):
        desk.warehouse.migrate(NOW)


def test_an_edited_migration_is_noticed(desk: Desk) -> None:
    with desk.warehouse.write() as session:
        session._cursor.execute("UPDATE schema_migrations SET sha256 = 'other'")
    with pytest.raises(WrongFile, match="edited"):
        desk.warehouse.migrate(NOW)


def test_a_migration_that_fails_leaves_the_file_as_it_was(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = queries.Migration(900, "broken", "CREATE TABLE half (x INTEGER); CREATE TABLE nonsense (")
    both = (*queries.migrations(), broken)
    monkeypatch.setattr("pipeline.migrating.migrations", lambda: both)
    with pytest.raises(duckdb.Error):
        desk.warehouse.migrate(NOW)
    with desk.warehouse.read() as session:
        assert not session.columns("half")


def test_a_program_outside_sextant_that_holds_the_file_is_named(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.attaching.OPEN_TRIES_S", 0.2)
    script = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", script, str(desk.settings.warehouse)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as outsider:
        assert outsider.stdout is not None
        assert outsider.stdout.readline() == b"open\n"
        with pytest.raises(Held, match="outside Sextant"):
            desk.warehouse.ask("open_runs")
        outsider.kill()


def test_query_names_are_unique_and_every_query_is_used() -> None:
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("pipeline", "dashboard", "tests")
        for path in (ROOT / folder).rglob("*.py")
    ) + (ROOT / "jobs.py").read_text(encoding="utf-8")
    unused = [name for name in queries.queries() if f'"{name}"' not in code]
    assert not unused


def test_times_come_back_in_utc_whatever_the_machine_thinks(desk: Desk) -> None:
    with desk.warehouse.write() as session:
        session.append("raw", raw([1.0], first="2026-03-29T01:00Z"))
    newest = desk.warehouse.ask("newest_point", series="demo.load").newest.iloc[0]
    assert newest == datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert str(newest.tzinfo) == "UTC"
