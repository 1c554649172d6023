"""Compacting: the same rows in a smaller file, while others work, and one whole file whenever it is killed."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from pipeline import compacting
from pipeline.compacting import compact
from pipeline.doctor import examine
from pipeline.errors import WarehouseError
from pipeline.settings import ROOT
from pipeline.warehouse import Session
from tests import writer
from tests.conftest import Desk, ask


def grown(desk: Desk) -> None:
    """Leave free blocks behind."""
    for statement in ("CREATE TABLE junk AS SELECT random() AS x FROM range(400000)", "DROP TABLE junk"):
        with desk.warehouse.write() as session:
            session.script(statement)


def prints(desk: Desk) -> dict[str, tuple[int, int]]:
    with desk.warehouse.read() as session:
        return {table: session.fingerprint(table) for table in session.census()}


def test_the_file_shrinks_and_says_the_same(full: Desk) -> None:
    grown(full)
    before = prints(full)
    done = compact(full.warehouse)
    assert done.after < done.before
    assert done.after == full.settings.warehouse.stat().st_size
    assert not done.waited
    assert prints(full) == before
    assert not [one for one in examine(full.warehouse, full.settings.models, jobs=[]) if one.flaw]
    with full.warehouse.read() as session:
        assert session.storage() == "v1.5.0"
        views = [row[0] for row in session.rows("SELECT view_name FROM duckdb_views() WHERE NOT internal")]
        for view in views:
            session.rows(f"SELECT count(*) FROM {view}")
    assert {"champions", "alerts"} <= set(views)
    full.now += timedelta(hours=1)
    for job in ("ingest", "actuals", "features", "forecast", "backfill"):
        full.done(job)
    assert not list(full.settings.warehouse.parent.glob(".unfinished*"))


def test_beside_a_writer_no_row_is_lost(full: Desk) -> None:
    grown(full)
    command = [sys.executable, writer.__file__, str(full.settings.warehouse)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            while not child.stdout.readline().startswith("wrote 3 "):
                pass
            done = compact(full.warehouse)
            time.sleep(0.3)
        finally:
            child.kill()
        last = int(child.stdout.read().splitlines()[-1].split()[1])
    full.warehouse.settle()
    batches = ask(full, "SELECT run_id, count(*) AS n FROM raw WHERE series = 'writer' GROUP BY run_id")
    assert set(batches.n) == {writer.BATCH}
    assert {f"batch-{number}" for number in range(last + 1)} <= set(batches.run_id)
    assert done.after < done.before


def test_readers_go_on_meanwhile(full: Desk) -> None:
    stop, errors, counts = threading.Event(), [], []

    def read() -> None:
        while not stop.is_set():
            try:
                counts.append(full.rows("raw"))
            except WarehouseError as error:
                errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    compact(full.warehouse)
    stop.set()
    reader.join()
    assert not errors
    assert len(set(counts)) == 1


def test_a_copy_that_is_not_the_same_replaces_nothing(full: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    script, before = Session.script, full.warehouse.version()

    def loses(session: Session, sql: str, **params: object) -> None:
        script(session, sql, **params)
        if sql.startswith("COPY"):
            script(session, "DELETE FROM compacted.raw WHERE valid_at = (SELECT max(valid_at) FROM compacted.raw)")

    monkeypatch.setattr(Session, "script", loses)
    with pytest.raises(WarehouseError, match="is not the same"):
        compact(full.warehouse)
    assert full.warehouse.version() == before


def test_a_change_meanwhile_is_noticed_and_at_last_others_wait(full: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    rewrite, made = compacting._rewrite, []

    def slow(*paths: object) -> None:
        rewrite(*paths)
        made.append(paths)
        if len(made) <= compacting.TRIES:
            with full.warehouse.write() as session:
                session.script("INSERT INTO fetches SELECT * FROM fetches LIMIT 1")

    monkeypatch.setattr(compacting, "_rewrite", slow)
    before = full.rows("fetches")
    assert compact(full.warehouse).waited
    assert full.rows("fetches") == before + compacting.TRIES


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_it_leaves_one_whole_file(full: Desk, environment: Callable[..., dict[str, str]], moment: str) -> None:
    grown(full)
    before = prints(full)
    kill = "os.kill(os.getpid(), signal.SIGKILL)"
    lines = "import os, signal, sys; sys.path.insert(0, sys.argv.pop(1)); import jobs, pipeline.compacting as c\n"
    lines += "real = os.replace\ndef dies(*names):\n    "
    lines += {"before": kill, "after": f"real(*names); {kill}"}[moment]
    lines += "\nc.os.replace = dies\nsys.exit(jobs.main(sys.argv[1:]))"
    command = [sys.executable, "-c", lines, str(ROOT), "compact"]
    killed = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60)
    assert killed.returncode == -9, killed.stderr
    assert prints(full) == before
    full.warehouse.settle()
    assert not list(full.settings.warehouse.parent.glob(".unfinished*"))


def test_the_command_says_what_it_gave_back(full: Desk, environment: Callable[..., dict[str, str]]) -> None:
    grown(full)
    command = [sys.executable, str(ROOT / "jobs.py"), "compact"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "MB before" in done.stdout
    assert "% less" in done.stdout
