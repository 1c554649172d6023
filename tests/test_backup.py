"""Backups: of one moment while others write, whole or noticed, kept as long as they should be, nothing left behind."""

import errno
import random
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from pipeline import backups
from pipeline.doctor import examine
from pipeline.errors import BackupDamaged, Busy, DiskFull
from pipeline.restoring import restore
from pipeline.settings import ROOT
from pipeline.warehouse import Warehouse
from pipeline.workroom import workroom
from tests import writer
from tests.conftest import Desk, ask, desk_in

FLIPS = 30


def made(desk: Desk, **more: Path) -> backups.Backup:
    return backups.make(desk.warehouse, desk.settings, why="test", now=desk.now, run_id="r", **more)


def flaws(desk: Desk) -> list[str]:
    findings = examine(desk.warehouse, desk.settings.models, jobs=list(desk.jobs))
    return [f"{one.check}: {one.flaw}" for one in findings if one.flaw]


def test_the_job_leaves_a_file_that_opens_and_a_row_about_it(full: Desk) -> None:
    row = full.done("backup")
    (path,) = backups.kept(full.settings.backups)
    manifest = backups.verify(path)
    assert manifest["rows"]["raw"] == full.rows("raw")
    assert manifest["flaws"] == []
    assert {name.split("/")[0] for name in manifest["members"]} == {"warehouse.duckdb", "sextant.toml", "models"}
    stored = ask(full, "SELECT * FROM backups").iloc[0]
    assert stored.to_dict() | {"made_at": None} == {
        "backup_id": manifest["backup_id"],
        "name": path.name,
        "made_at": None,
        "bytes": path.stat().st_size,
        "rows": sum(manifest["rows"].values()),
        "sha256": stored.sha256,
        "why": "daily",
        "run_id": row["run_id"],
    }
    assert [one.name for one in full.settings.backups.iterdir()] == [path.name]


def test_a_backup_beside_a_writer_of_a_thousand_rows_a_second_is_of_one_moment(full: Desk) -> None:
    command = [sys.executable, writer.__file__, str(full.settings.warehouse)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            while not child.stdout.readline().startswith("wrote 10 "):
                pass
            backup = made(full)
            time.sleep(0.3)
        finally:
            child.kill()
        said = [line.split() for line in child.stdout.read().splitlines()]
    assert max(float(seconds) for _, _, seconds in said) < 2
    full.warehouse.settle()
    written = full.rows("raw")
    restore(backup.path, full.settings, force=True, now=full.now, actor="test")
    assert flaws(full) == []
    batches = ask(full, "SELECT run_id, count(*) AS n FROM raw WHERE series = 'writer' GROUP BY run_id")
    runs = ask(full, "SELECT run_id FROM job_runs WHERE requested_by = 'writer'")
    assert set(batches.n) == {writer.BATCH}
    assert set(batches.run_id) == set(runs.run_id) == {f"batch-{number}" for number in range(len(runs))}
    assert len(runs) >= 10
    assert full.rows("raw") < written


def test_nothing_is_copied_while_somebody_writes(full: Desk, tmp_path: Path) -> None:
    hasty = Warehouse(full.settings.warehouse, wait_s=0.1)
    with full.warehouse.write(), pytest.raises(Busy):
        hasty.snapshot(tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    assert hasty.snapshot(tmp_path / "copy") < 2


def test_a_bit_flipped_anywhere_is_noticed(full: Desk) -> None:
    path = made(full).path
    whole = path.read_bytes()
    rng = random.Random(20261121)
    places = [0, len(whole) - 1, len(whole) - 64, *(rng.randrange(len(whole)) for _ in range(FLIPS))]
    for place in places:
        flipped = bytearray(whole)
        flipped[place] ^= 1 << rng.randrange(8)
        path.write_bytes(flipped)
        with pytest.raises(BackupDamaged, match="is not what was written; use another backup"):
            backups.verify(path)
    for short in (b"", whole[:-1], whole[: len(whole) // 2]):
        path.write_bytes(short)
        with pytest.raises(BackupDamaged):
            backups.verify(path)
    path.write_bytes(whole)
    assert backups.verify(path)["why"] == "test"


def test_damage_names_the_member(full: Desk) -> None:
    path = made(full).path
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        member = next(one for one in archive.infolist() if one.filename.startswith("models/"))
    content[member.header_offset + 30 + len(member.filename) + member.compress_size // 2] ^= 4
    path.write_bytes(content)
    with pytest.raises(BackupDamaged, match=member.filename):
        backups.verify(path)


def test_a_flaw_of_the_warehouse_is_told_and_held_against_no_backup(full: Desk) -> None:
    artifact = ask(full, "SELECT artifact FROM model_versions WHERE artifact <> ''").artifact.iloc[0]
    (full.settings.models / artifact).unlink()
    row = full.done("backup")
    assert "1 flaws, see the log" in row["log"]
    assert "cannot be read" in row["log"]
    (path,) = backups.kept(full.settings.backups)
    assert "cannot be read" in backups.verify(path)["flaws"][0]


def test_backups_go_after_their_time_but_never_the_newest_three_that_are_whole(desk: Desk) -> None:
    paths = []
    for _ in range(5):
        paths.append(made(desk).path)
        desk.now += timedelta(days=1)
    old = desk.now + timedelta(days=40)
    paths[-1].write_bytes(b"not a backup any more")
    assert backups.prune(desk.warehouse, desk.settings.backups, keep=timedelta(days=30), now=old) == [paths[0]]
    assert backups.kept(desk.settings.backups) == list(reversed(paths[1:]))
    assert backups.prune(desk.warehouse, desk.settings.backups, keep=timedelta(days=30), now=old) == []


def test_warehouses_of_one_name_share_a_folder_without_taking_each_others_names_or_backups(
    full: Desk, tmp_path: Path
) -> None:
    folder = tmp_path / "shared"
    theirs = made(full, folder=folder).path
    (tmp_path / "other").mkdir()
    other = desk_in(tmp_path / "other")
    # Even one that came out of their backup, and whose table of backups tells of it, is another.
    restore(theirs, other.settings, force=True, now=other.now, actor="test")
    ours = made(other, folder=folder).path
    assert ours.name.split("-")[0] == theirs.name.split("-")[0]
    assert not ours.stem.endswith("-2")
    for _ in range(3):
        other.now += timedelta(days=40)
        made(other, folder=folder)
    assert backups.prune(other.warehouse, folder, keep=timedelta(days=30), now=other.now) == [ours]
    assert theirs in backups.kept(folder)


@pytest.mark.parametrize("links", [True, False])
def test_a_model_that_a_training_run_retires_and_removes_meanwhile_is_in_the_backup(
    full: Desk, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    row = ask(full, "SELECT version_id, artifact FROM model_versions WHERE artifact <> '' ORDER BY number").iloc[0]
    whole, snapshot = (full.settings.models / row.artifact).read_bytes(), Warehouse.snapshot

    def raced(warehouse: Warehouse, to: Path) -> float:
        waited_s = snapshot(warehouse, to)
        with warehouse.write() as session:
            retired = pd.DataFrame([{"version_id": row.version_id, "reason": "old", "run_id": "r"}])
            session.append("retirements", retired.assign(retired_at=pd.Timestamp(full.now)))
        (full.settings.models / row.artifact).unlink()
        return waited_s

    def other_disk(_source: Path, _target: Path) -> None:
        raise OSError(errno.EXDEV, "another disk")

    if not links:
        monkeypatch.setattr("pipeline.backups.os.link", other_disk)
    monkeypatch.setattr(Warehouse, "snapshot", raced)
    backup = made(full)
    monkeypatch.undo()
    assert backup.flaws == ()
    with zipfile.ZipFile(backup.path) as archive:
        assert archive.read(f"models/{row.artifact}") == whole
    # Retired and gone before the next one, it is missed by nobody.
    assert made(full).flaws == ()


def test_two_backups_of_one_second_have_two_names(desk: Desk) -> None:
    first, second = made(desk).path, made(desk).path
    assert first != second
    assert backups.made_at(first) == backups.made_at(second) == desk.now


def test_without_room_a_backup_is_refused_with_what_it_needs(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backups, "ROOM", 1e9)
    with pytest.raises(DiskFull, match="free some space or set SEXTANT_BACKUPS"):
        made(desk)
    assert list(desk.settings.backups.iterdir()) == []


def test_nothing_secret_is_in_a_backup(full: Desk) -> None:
    secret = "tok-5e1f-very-secret"
    full.settings = replace(full.settings, providers=replace(full.settings.providers, esios_api_key=secret))
    path = made(full).path
    with zipfile.ZipFile(path) as archive:
        assert not [name for name in archive.namelist() if secret.encode() in archive.read(name)]


def test_what_a_killed_backup_left_is_cleared_by_the_next_and_a_living_one_is_left_alone(desk: Desk) -> None:
    script = "import sys, pathlib; from pipeline.workroom import workroom; w = workroom(pathlib.Path(sys.argv[1]))\n"
    script += "room = w.__enter__(); (room / 'half').write_text('x'); print('in', flush=True); sys.stdin.read()"
    folder = desk.settings.backups
    with subprocess.Popen(
        [sys.executable, "-c", script, str(folder)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"in\n"
        with workroom(folder):
            assert len(list(folder.iterdir())) == 2
        assert len(list(folder.iterdir())) == 1
        child.kill()
    path = made(desk).path
    assert list(folder.iterdir()) == [path]


def test_the_command_backs_up_elsewhere_and_verifies(
    environment: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    def jobs(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "jobs.py"), *words]
        return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60)

    assert jobs("backup", "--to", str(tmp_path / "elsewhere")).returncode == 0
    (path,) = backups.kept(tmp_path / "elsewhere")
    whole = jobs("backup", "--verify", str(path))
    assert whole.returncode == 0
    assert "is whole" in whole.stdout
    path.write_bytes(path.read_bytes()[:-100])
    cut = jobs("backup", "--verify", str(path))
    assert cut.returncode == 1
    assert "BackupDamaged" in cut.stderr
