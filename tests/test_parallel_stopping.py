"""Work in processes that is cut short: nothing is done twice, nobody is waited for, no secret is told in halves."""

import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline import parallel
from pipeline.runner import Context
from tests.conftest import ask
from tests.parallel_work import JOB, desk_of, work


def test_work_beside_a_process_that_dies_is_done_once(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, ("dies", "slow"), cores=2)
    row = desk.runner().run(JOB, by="test")
    assert row["state"] == "failed"
    assert "demo.dies: its process died" in row["error"]
    time.sleep(3.5)
    assert ask(desk, "SELECT what FROM capacity")["what"].tolist() == ["slow"]


def test_told_to_stop_while_processes_begin_it_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk, begun, submit = desk_of(tmp_path, ("long", "one"), cores=2), time.monotonic(), ProcessPoolExecutor.submit

    def interrupted(self: Any, call: Any, *args: Any) -> Any:
        if args[-1].id == "demo.one":
            raise KeyboardInterrupt
        return submit(self, call, *args)

    monkeypatch.setattr(ProcessPoolExecutor, "submit", interrupted)
    context = Context(desk.settings, desk.markets, desk.warehouse, desk.now, "run")
    with pytest.raises(KeyboardInterrupt):
        parallel.each(context, work, desk.markets["demo"].targets, label="test")
    assert time.monotonic() - begun < 20
    assert not [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]


def test_a_secret_across_two_pieces_is_not_told(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, ("wordy", "one"), cores=2)
    row = desk.runner().run(JOB, by="test")
    assert row["state"] != "failed", row["error"]
    log = row["log"].replace("\n", "")
    assert "xxxxx" in log
    assert not any(part in log for part in ("never", "to-be-seen"))
