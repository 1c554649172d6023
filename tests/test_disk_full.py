"""A disk without space: jobs fail with one sentence, nothing committed is lost, readers go on, space heals it."""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from pipeline import registry
from pipeline.doctor import examine
from pipeline.errors import DiskFull
from pipeline.settings import ROOT
from pipeline.warehouse import Warehouse
from tests.conftest import NOW, Desk, ask, desk_in

CHAIN = ("ingest", "actuals", "features", "forecast", "backfill")
TABLES = ("raw", "actuals", "features", "predictions", "accuracy", "model_versions", "promotions")
DISK_MB = 48
HASTY = """import functools, sys
sys.path.insert(0, sys.argv.pop(1))
import jobs, pipeline.commands.base as base
base.Runner = functools.partial(base.Runner, patience_s=0.5)
sys.exit(jobs.main(sys.argv[1:]))"""
"""The command line, with runs that give up soon to write their end."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of DISK_MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "sextant-test", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here ({mounted.stderr.strip()}); the limit of file sizes is tested")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def filled(folder: Path, *, free: int) -> Path:
    """A file that leaves only `free` bytes of the disk."""
    ballast = folder / "ballast"
    ballast.unlink(missing_ok=True)
    room = shutil.disk_usage(folder).free - free
    with ballast.open("wb") as file:
        file.write(b"\0" * max(0, room))
    return ballast


def jobs(desk: Desk, *words: str, limit: int | None = None) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, which may write no file longer than `limit` bytes."""

    def bound() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [sys.executable, "-c", HASTY, str(ROOT), "--now", desk.now.isoformat(), *words]
    env = {"SEXTANT_WAREHOUSE": str(desk.settings.warehouse), "SEXTANT_CONFIG": str(desk.settings.config)}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, preexec_fn=bound)


def ledger(desk: Desk) -> dict[str, set[str]]:
    return {table: set(ask(desk, f"SELECT md5(CAST(t AS VARCHAR)) AS h FROM {table} t").h) for table in TABLES}


def intact(desk: Desk, before: dict[str, set[str]]) -> None:
    after = ledger(desk)
    assert not [table for table, rows in before.items() if not rows <= after[table]]


def clean_failure(done: subprocess.CompletedProcess[str]) -> None:
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "Traceback" not in said
    assert "space" in said


def healed(desk: Desk, before: dict[str, set[str]]) -> None:
    done = jobs(desk, "run", *CHAIN)
    assert done.returncode == 0, done.stdout + done.stderr
    intact(desk, before)
    findings = examine(desk.warehouse, desk.settings.models, jobs=list(desk.jobs))
    assert not [one for one in findings if one.flaw]
    newest = ask(desk, "SELECT max(origin) AS t FROM predictions WHERE issuer = 'sextant'").t[0]
    assert newest == pd.Timestamp(desk.now).floor("h") - timedelta(hours=1)


@pytest.mark.slow
def test_jobs_on_a_full_disk_fail_cleanly_and_go_on_when_there_is_space(template: Path, disk: Path) -> None:
    shutil.copytree(template, disk / "desk")
    desk = desk_in(disk / "desk")
    before, failed = ledger(desk), 0
    for free in (0, 100_000, 400_000, 1_000_000):
        desk.now += timedelta(hours=1)
        ballast = filled(disk, free=free)
        done = jobs(desk, "run", *CHAIN)
        assert "Traceback" not in done.stdout + done.stderr
        failed += done.returncode == 1
        intact(desk, before)
        before = ledger(desk)
        ballast.unlink()
    assert failed >= 2
    healed(desk, before)


@pytest.mark.slow
def test_training_backup_and_compact_on_a_full_disk_leave_nothing_behind(template: Path, disk: Path) -> None:
    shutil.copytree(template, disk / "desk")
    desk = desk_in(disk / "desk")
    before, files = ledger(desk), set((disk / "desk").rglob("*.joblib*"))
    ballast = filled(disk, free=150_000)
    hasty = replace(desk.runner(), patience_s=0.5)
    trained = hasty.run(desk.jobs["train"], by="test", families=["ridge"], force=True)
    assert (trained["state"], trained["failure"]) == ("failed", "disk_full")
    for words in (("backup",), ("compact",)):
        clean_failure(jobs(desk, *words))
        intact(desk, before)
    assert set((disk / "desk").rglob("*.joblib*")) == files
    ballast.unlink()
    assert jobs(desk, "backup").returncode == 0
    assert not list((disk / "desk").rglob(".unfinished*"))
    healed(desk, before)


def test_one_process_writes_until_nothing_fits_reads_on_and_writes_again(disk: Path) -> None:
    warehouse = Warehouse(disk / "warehouse.duckdb")
    warehouse.migrate(NOW)
    ballast = filled(disk, free=8_000_000)
    acknowledged = 0

    def write() -> None:
        with warehouse.write() as session:
            times = pd.date_range(NOW + timedelta(days=acknowledged), periods=20_000, freq="s").as_unit("us")
            stamps = {"made_at": pd.Timestamp(NOW), "seen_at": pd.Timestamp(NOW), "source": "s", "run_id": "r"}
            noise = pd.Series(range(20_000)).sample(frac=1, random_state=acknowledged).to_numpy() / 7
            session.append("raw", pd.DataFrame({"series": "s", "valid_at": times, "value": noise, **stamps}))

    for number in range(3):
        with pytest.raises(DiskFull, match="no space is left on the disk; nothing of it was kept"):  # noqa: PT012
            while True:
                write()
                acknowledged += 1
        assert acknowledged >= 3, number
        with warehouse.read() as session:
            assert session.count("raw") == 20_000 * acknowledged
    ballast.unlink()
    write()
    with warehouse.read() as session:
        assert session.count("raw") == 20_000 * (acknowledged + 1)
    warehouse.settle()
    assert not warehouse.unfolded.exists()


@pytest.mark.slow
def test_a_limit_of_file_sizes_is_a_full_disk_too(full: Desk) -> None:
    before = ledger(full)
    size = os.path.getsize(full.settings.warehouse)
    full.now += timedelta(hours=1)
    clean_failure(jobs(full, "run", *CHAIN, limit=4096))
    intact(full, before)
    # What fits beside the full file is kept there until it can be folded in.
    assert "Traceback" not in jobs(full, "run", *CHAIN, limit=size).stderr
    intact(full, before)
    clean_failure(jobs(full, "backup", limit=size // 2))
    assert not list(full.settings.warehouse.parent.rglob(".unfinished*"))
    healed(full, before)


def test_a_model_file_that_does_not_fit_leaves_nothing_half(tmp_path: Path) -> None:
    script = "import resource, sys, pathlib, random; sys.path.insert(0, sys.argv[1])\n"
    script += "from pipeline import registry; from pipeline.errors import DiskFull\n"
    script += "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
    script += "try: registry.store({'x': random.randbytes(9999)}, folder=pathlib.Path(sys.argv[2]), name='t/m')\n"
    script += "except DiskFull: sys.exit(7)"
    done = subprocess.run([sys.executable, "-c", script, str(ROOT), str(tmp_path)], timeout=60)
    assert done.returncode == 7
    assert list((tmp_path / "t").iterdir()) == []
    assert registry.store({"x": b"y"}, folder=tmp_path, name="t/m").path == "t/m.joblib"
