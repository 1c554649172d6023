"""Restoring: nothing is touched before the backup was verified, nobody is overrun, and what was there is kept."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline import backups
from pipeline.doctor import examine
from pipeline.errors import BackupDamaged, RestoreRefused, WrongFile
from pipeline.restoring import Restored, restore
from pipeline.settings import ROOT, Settings
from pipeline.warehouse import SCHEDULER, Warehouse
from tests.conftest import Desk, ask, desk_in

HEADERS, BLOCK = 3 * 4096, 262_144
"""Where the first block of a DuckDB file begins, and how large one is."""


def made(desk: Desk) -> Path:
    return backups.make(desk.warehouse, desk.settings, why="test", now=desk.now, run_id="").path


def back(desk: Desk, path: Path, *, force: bool = True) -> Restored:
    return restore(path, desk.settings, force=force, now=desk.now, actor="test")


def contents(desk: Desk, tables: tuple[str, ...] = ("raw", "predictions", "model_versions", "promotions")) -> dict:
    return {name: set(ask(desk, f"SELECT md5(CAST(t AS VARCHAR)) AS h FROM {name} t").h) for name in tables}


def test_a_restored_warehouse_is_that_of_the_backup_and_the_one_before_is_kept(full: Desk) -> None:
    path, before = made(full), contents(full)
    full.now += timedelta(hours=3)
    full.done("ingest")
    later = full.rows("raw")
    done = back(full, path)
    assert contents(full) == before
    assert done.kept is not None
    assert done.kept.name == "warehouse.duckdb.before-restore-20261120T132000Z"
    with Warehouse(done.kept).read() as session:
        assert session.count("raw") == later
    assert not [one for one in examine(full.warehouse, full.settings.models, jobs=[]) if one.flaw]
    assert ask(full, "SELECT action FROM audit").action.tolist() == ["restore"]
    assert ask(full, "SELECT name FROM backups").name.tolist() == [path.name]
    full.done("ingest")
    assert full.rows("raw") == later


def test_on_a_machine_that_has_nothing_all_of_it_is_put_in_place(full: Desk, tmp_path: Path) -> None:
    path, before = made(full), contents(full)
    other = tmp_path / "other"
    other.mkdir()
    env = {"SEXTANT_WAREHOUSE": str(other / "w" / "warehouse.duckdb"), "SEXTANT_CONFIG": str(ROOT / "sextant.toml")}
    settings = Settings.load(env)
    done = restore(path, settings, force=False, now=full.now, actor="test")
    assert done.kept is None
    assert done.models == len(list(full.settings.models.rglob("*.joblib")))
    assert done.config is not None
    assert done.config.read_bytes() == full.settings.config.read_bytes()
    new = desk_in(other / "w")
    assert contents(new) == before
    assert not [one for one in examine(new.warehouse, new.settings.models, jobs=[]) if one.flaw]


def test_models_that_are_missing_or_damaged_are_put_back_and_sound_ones_left(full: Desk) -> None:
    full.done("train", families=["naive"], force=True)
    path = made(full)
    first, second = sorted(full.settings.models.rglob("*.joblib"))
    whole, untouched = first.read_bytes(), second.stat().st_mtime_ns
    first.write_bytes(b"damaged")
    assert back(full, path).models == 1
    assert first.read_bytes() == whole
    assert second.stat().st_mtime_ns == untouched
    (kept,) = first.parent.glob("*.before-restore-*")
    assert kept.read_bytes() == b"damaged"


def test_without_force_nothing_is_overwritten(full: Desk) -> None:
    path, before = made(full), full.warehouse.version()
    with pytest.raises(RestoreRefused, match="add --force"):
        back(full, path, force=False)
    assert full.warehouse.version() == before


def test_a_damaged_backup_touches_nothing(full: Desk) -> None:
    path, before = made(full), full.warehouse.version()
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(BackupDamaged):
        back(full, path)
    assert full.warehouse.version() == before
    assert not list(full.settings.warehouse.parent.glob("*before-restore*"))


@pytest.mark.parametrize("holder", [SCHEDULER, "train"])
def test_beside_a_scheduler_or_a_job_it_is_refused(full: Desk, holder: str) -> None:
    path = made(full)
    with full.warehouse.job_lock(holder), pytest.raises(RestoreRefused, match=holder):
        back(full, path)


def test_beside_an_outsider_that_holds_the_file_it_is_refused(full: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.attaching.OPEN_TRIES_S", 0.2)
    path = made(full)
    script = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", script, str(full.settings.warehouse)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as outsider:
        assert outsider.stdout is not None
        assert outsider.stdout.readline() == b"open\n"
        with pytest.raises(RestoreRefused, match="outside Sextant"):
            back(full, path)
        outsider.kill()


def test_a_warehouse_too_damaged_to_open_is_replaced_and_kept(full: Desk) -> None:
    path, before = made(full), contents(full)
    full.settings.warehouse.write_bytes(b"ruined" * 10_000)
    unfolded = full.warehouse.unfolded
    unfolded.write_bytes(b"ruined too")
    done = back(full, path)
    assert contents(full) == before
    assert done.kept is not None
    assert done.kept.read_bytes().startswith(b"ruined")
    assert Path(f"{done.kept}.wal").read_bytes() == b"ruined too"
    assert not unfolded.exists()


def flipped(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 0x40
    path.write_bytes(content)


def crashed(desk: Desk) -> Path:
    """A write-ahead log that a crash left."""
    script = "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); c.execute(\"SET wal_autocheckpoint = '1GB'\")\n"
    script += "for _ in range(5): c.execute(\"INSERT INTO raw SELECT * REPLACE ('x' AS series) FROM raw LIMIT 2000\")\n"
    script += "os._exit(9)"
    subprocess.run([sys.executable, "-c", script, str(desk.settings.warehouse)], check=False, timeout=60)
    return desk.warehouse.unfolded


@pytest.mark.parametrize("damage", ["header", "content", "wal"])
def test_a_checksum_that_does_not_hold_is_told_in_a_sentence_and_a_restore_mends_it(
    full: Desk, environment: Callable[..., dict[str, str]], damage: str
) -> None:
    def jobs(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "jobs.py"), "--now", full.now.isoformat(), *words]
        return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60)

    path, before = made(full), contents(full)
    hurt = crashed(full) if damage == "wal" else full.settings.warehouse
    blocks = (
        ask(full, "SELECT block_id FROM pragma_storage_info('raw') WHERE block_id > 0") if damage == "content" else None
    )
    flipped(
        hurt, {"header": 100, "wal": hurt.stat().st_size // 2}.get(damage) or HEADERS + blocks.block_id[0] * BLOCK + 99
    )
    ruined = hurt.read_bytes()
    said = jobs("doctor")
    assert said.returncode == 1
    assert said.stderr.startswith("WrongFile: warehouse.duckdb is damaged (")
    assert said.stderr.endswith("); restore a backup (RUNBOOK, warehouse damaged).\n")
    assert said.stderr.count("\n") == 1
    done = jobs("restore", str(path), "--force")
    assert done.returncode == 0, done.stdout + done.stderr
    assert jobs("doctor").returncode == 0
    assert contents(full) == before
    kept = full.settings.warehouse.with_name("warehouse.duckdb.before-restore-20261120T102000Z")
    assert Path(f"{kept}.wal" if damage == "wal" else kept).read_bytes() == ruined


def test_a_damaged_file_whose_name_speaks_of_a_lock_is_not_taken_for_a_locked_one(tmp_path: Path) -> None:
    path = tmp_path / "clock.duckdb"
    path.write_bytes(b"ruined" * 10_000)
    with pytest.raises(WrongFile, match=r"clock\.duckdb cannot be opened as a warehouse"), Warehouse(path).read():
        pass


def test_a_restore_killed_before_the_exchange_leaves_the_old_warehouse(
    full: Desk, environment: Callable[..., dict[str, str]]
) -> None:
    path, before = made(full), contents(full)
    script = "import os, signal, sys; sys.path.insert(0, sys.argv.pop(1)); import pipeline.restoring as r, jobs\n"
    script += "r.flush = lambda folder: None; r.os.replace = lambda *a: os.kill(os.getpid(), signal.SIGKILL)\n"
    script += "sys.exit(jobs.main(sys.argv[1:]))"
    command = [sys.executable, "-c", script, str(ROOT), "restore", str(path), "--force"]
    killed = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60)
    assert killed.returncode == -9, killed.stderr
    assert contents(full) == before
    full.warehouse.settle()
    assert not [name for name in os.listdir(full.settings.warehouse.parent) if name.startswith(".unfinished")]
    full.now += timedelta(minutes=1)
    back(full, path)
    assert contents(full) == before


def test_the_command_restores_and_lets_the_doctor_look(full: Desk, environment: Callable[..., dict[str, str]]) -> None:
    path = made(full)
    command = [sys.executable, str(ROOT / "jobs.py"), "--now", full.now.isoformat(), "restore", str(path)]
    refused = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60)
    assert refused.returncode == 1
    assert "RestoreRefused" in refused.stderr
    done = subprocess.run([*command, "--force"], env=environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the one before is warehouse.duckdb.before-restore-20261120T102000Z" in done.stdout
    assert "FLAW" not in done.stdout
