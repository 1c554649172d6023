"""Targets side by side in processes: each failure its own, lines as they come, and no process outlives the run."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline import parallel
from pipeline.errors import Busy, ContractBroken
from pipeline.runner import Context
from pipeline.settings import ROOT
from tests.conftest import Desk, ask
from tests.parallel_work import JOB, SAID, desk_of, work

SHORT = "demo.short: training needs 124 days of actuals and has 3; ingest more history."


def done(desk: Desk) -> list[str]:
    return sorted(ask(desk, "SELECT what FROM capacity").what)


def ran(desk: Desk) -> dict[str, Any]:
    return desk.runner().run(JOB, by="test")


def test_a_bug_and_a_refusal_keep_no_other_target_from_being_done_in_processes(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, ("bug", "one", "short", "two"), cores=2)
    row = ran(desk)
    assert (row["state"], row["failure"]) == ("failed", "bug")
    assert row["error"] == "ZeroDivisionError: seven by nothing"
    assert done(desk) == ["one", "two"]
    for name in ("bug", "one", "short", "two"):
        assert f"demo.{name}: begins, " in row["log"]
        assert f"WARNING pipeline.tests: demo.{name}: logged by " in row["log"]
    assert SHORT in row["log"]
    assert "parallel_work.py" in row["log"]  # where the bug is
    assert "never-to-be-seen" not in row["log"]
    assert f"logged by {os.getpid()}" not in row["log"]


def test_a_process_that_dies_is_its_own_targets_failure_and_what_had_not_begun_goes_on(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, ("dies", "held", "two", "six", "ten"), cores=2)
    row = ran(desk)
    assert (row["state"], row["failure"]) == ("failed", "refused")
    assert row["error"].startswith("demo.dies: its process died, perhaps for want of memory; ")
    assert done(desk) == ["held", "six", "ten", "two"]
    assert str(os.getpid()) not in row["log"]
    # Alone a target has all cores, beside others its share.
    share = dict(re.findall(r"demo\.(\w+) by \d+ with (\d)", row["log"]))
    assert share == {"held": "2", "two": "2", "six": "1", "ten": "1"}


def test_one_core_works_here_and_no_failure_stops_the_rest(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, ("short", "one", "two"), cores=1)
    row = ran(desk)
    assert (row["state"], row["failure"], row["error"]) == ("failed", "model", SHORT)
    assert f"demo.one by {os.getpid()} with 1; demo.two by {os.getpid()} with 1" in row["log"]
    for name, failure in (("bug", "bug"), ("memory", "busy")):
        desk = desk_of(tmp_path / name, (name, "one"), cores=1)
        assert ran(desk)["failure"] == failure
        assert done(desk) == ["one"]


def test_a_single_target_has_all_cores_and_few_may_stay_here(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, ("one",), cores=3)
    assert f"demo.one by {os.getpid()} with 3" in ran(desk)["log"]
    desk = desk_of(tmp_path / "few", ("one", "two"), cores=3)
    context = Context(desk.settings, desk.markets, desk.warehouse, desk.now, "run")
    found = parallel.each(context, work, desk.markets["demo"].targets, label="test", least=3)
    assert found.results == {"demo.one": (os.getpid(), 3), "demo.two": (os.getpid(), 3)}
    assert found.errors == {}


def test_rows_that_are_refused_keep_no_others_from_being_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = desk_of(tmp_path, ("one", "bad", "two", "last"), cores=1)
    said: list[str] = []
    context = Context(desk.settings, desk.markets, desk.warehouse, desk.now, "run", say=said.append)
    asked: list[list[str]] = []
    trouble: list[Exception] = [ContractBroken("table actuals: value has 1 nulls.")]

    def store(_context: Context, made: Sequence[str]) -> int:
        asked.append(list(made))
        if "demo.bad" in made:
            raise trouble[0]
        return 7 * len(made)

    def run() -> tuple[int, list[str], list[str]]:
        done, written = parallel.stored(context, lambda _, one: one.id, store, desk.markets["demo"].targets)
        return written, list(done.results), list(done.errors)

    monkeypatch.setattr(parallel, "TOGETHER", 3)
    assert run() == (21, ["demo.one", "demo.two", "demo.last"], ["demo.bad"])
    assert asked == [["demo.one", "demo.bad", "demo.two"], ["demo.one"], ["demo.bad"], ["demo.two"], ["demo.last"]]
    assert said == ["demo.bad: table actuals: value has 1 nulls."]
    # Trouble of the warehouse is the same for each of them: to ask again would only wait again.
    asked.clear()
    trouble[0] = Busy("the warehouse is taken.")
    assert run() == (7, ["demo.last"], ["demo.one", "demo.bad", "demo.two"])
    assert asked == [["demo.one", "demo.bad", "demo.two"], ["demo.last"]]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_process_outlives_its_run(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "tests.parallel_work", str(tmp_path), "long", "one"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SEXTANT_")}
    told = tmp_path / SAID
    with subprocess.Popen(command, cwd=ROOT, env=kept) as run:
        try:
            assert waited(lambda: told.exists() and told.read_text() != "")
            begun = psutil.Process(run.pid).children(recursive=True)
            assert int(told.read_text()) in {one.pid for one in begun}
            run.send_signal(number)
            assert run.wait(10) == (-number if number == signal.SIGKILL else 0)
            assert waited(lambda: not any(alive(one) for one in begun))
        finally:
            run.kill()


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def waited(condition: Any, seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(condition())


def test_a_line_of_any_length_goes_through_in_pieces_that_a_pipe_takes_whole() -> None:
    reader, writer = get_context("spawn").Pipe(duplex=False)
    text = "\N{GRINNING FACE}" * 2000
    parallel._send(writer, text, level=None, name="")
    writer.close()
    pieces = [reader.recv_bytes() for _ in range(4)]
    assert max(len(piece) + 4 for piece in pieces) <= 4096
    assert "".join(json.loads(piece)[2] for piece in pieces) == text


def test_a_clock_that_cannot_be_handed_over_stands_still(tmp_path: Path) -> None:
    assert parallel._portable(lambda: None) is None
    assert parallel._portable(time.time) is time.time
