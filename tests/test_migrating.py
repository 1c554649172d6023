"""An older warehouse: backed up first, brought to date in one step, and left as it was when that fails."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from pipeline import backups, queries
from pipeline.doctor import examine
from pipeline.restoring import restore
from pipeline.settings import ROOT
from pipeline.warehouse import Warehouse
from tests.conftest import NOW, Desk, ask, settings_for

RUN = """INSERT INTO job_runs (run_id, job, state, requested_by, reason, args, queued_at, started_at, ended_at, log)
VALUES ('old', 'ingest', 'succeeded', 'cli', '', '{}', now(), now(), now(), 'said')"""
RAW = """INSERT INTO raw SELECT 'demo.load', TIMESTAMPTZ '2025-01-01 00:00Z' + INTERVAL (i * 5) MINUTE, 20000 + i,
TIMESTAMPTZ '2025-06-01 00:00Z', TIMESTAMPTZ '2025-06-01 00:00Z', 'demo', 'old' FROM range(1000) AS r (i)"""


@pytest.fixture
def older(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A warehouse of the release before, with rows in it."""
    settings, known = settings_for(tmp_path), queries.migrations()
    with monkeypatch.context() as then:
        then.setattr("pipeline.migrating.migrations", lambda: known[:2])
        warehouse = Warehouse(settings.warehouse, wait_s=20)
        warehouse.migrate(NOW)
        for statement in (RUN, RAW):
            with warehouse.write() as session:
                session.script(statement)
    return Desk(settings, {}, warehouse, {}, NOW)


def doctor(desk: Desk, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "jobs.py"), "--now", desk.now.isoformat(), "doctor"]
    paths = {"SEXTANT_WAREHOUSE": str(desk.settings.warehouse), "SEXTANT_CONFIG": str(desk.settings.config)}
    return subprocess.run(command, env=paths | env, capture_output=True, text=True, timeout=60)


def test_the_first_command_backs_up_and_migrates(older: Desk) -> None:
    done = doctor(older)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = backups.kept(older.settings.backups)
    assert f"backed up before migration 2 -> 5: {path}" in done.stdout
    assert (older.rows("raw"), older.rows("job_runs")) == (1000, 1)
    assert ask(older, "SELECT attempt FROM job_runs").attempt.tolist() == [1]
    manifest = backups.verify(path)
    assert (manifest["schema"], manifest["rows"]["raw"]) == (2, 1000)
    assert "alert_flips" not in manifest["rows"]
    again = doctor(older)
    assert "backed up" not in again.stdout
    assert backups.kept(older.settings.backups) == [path]


def test_a_backup_of_an_older_release_is_migrated_as_it_is_restored(older: Desk) -> None:
    doctor(older)
    (path,) = backups.kept(older.settings.backups)
    done = restore(path, older.settings, force=True, now=older.now, actor="test")
    assert done.migrated == ["operations", "explained", "spreads"]
    assert older.rows("raw") == 1000
    assert not [one for one in examine(older.warehouse, older.settings.models, jobs=[]) if one.flaw]


def test_without_room_for_the_backup_nothing_is_migrated_unless_told(older: Desk) -> None:
    blocked = older.settings.backups
    blocked.write_text("a file where the folder should be")
    refused = doctor(older)
    assert refused.returncode != 0
    with older.warehouse.read() as session:
        assert not session.migrated()
    assert doctor(older, SEXTANT_MIGRATION_BACKUP="no").returncode == 0


def test_a_new_warehouse_is_not_backed_up(tmp_path: Path) -> None:
    asked: list[object] = []
    Warehouse(tmp_path / "new.duckdb").migrate(NOW, before=asked.append)
    assert asked == []


def test_when_one_of_several_steps_fails_the_file_is_as_it_was(older: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = queries.Migration(900, "broken", "CREATE TABLE half (x INTEGER); CREATE TABLE nonsense (")
    both = (*queries.migrations(), broken)
    before = ask(older, "SELECT * FROM schema_migrations")
    monkeypatch.setattr("pipeline.migrating.migrations", lambda: both)
    with pytest.raises(duckdb.Error):
        older.warehouse.migrate(NOW + timedelta(days=1))
    assert ask(older, "SELECT * FROM schema_migrations").equals(before)
    with older.warehouse.read() as session:
        assert "alert_flips" not in session.census()


def test_processes_that_start_together_migrate_and_back_up_once(older: Desk) -> None:
    command = [sys.executable, str(ROOT / "jobs.py"), "doctor"]
    paths = {"SEXTANT_WAREHOUSE": str(older.settings.warehouse), "SEXTANT_CONFIG": str(older.settings.config)}
    started: list[subprocess.Popen[bytes]] = [
        subprocess.Popen(command, env=paths, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(3)
    ]
    assert [child.wait(60) for child in started] == [0, 0, 0]
    assert len(backups.kept(older.settings.backups)) == 1


def test_every_step_so_far_can_be_taken_from_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = queries.migrations()
    warehouse = Warehouse(tmp_path / "first.duckdb")
    steps: list[tuple[queries.Migration, ...]] = []
    with monkeypatch.context() as then:
        then.setattr("pipeline.migrating.migrations", lambda: known[:1])
        warehouse.migrate(NOW)
    assert warehouse.migrate(NOW, before=steps.append) == [step.name for step in known[1:]]
    assert steps == [known[1:]]
