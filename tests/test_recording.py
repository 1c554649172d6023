"""What others see of a run under way: its log within bounds, its heartbeat and what it costs."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline import runs
from pipeline.errors import Busy
from pipeline.recording import Log
from pipeline.runner import Context, Job, Outcome
from pipeline.runrows import rows_of
from pipeline.warehouse import Session
from tests.conftest import NOW, Desk
from tests.probes import wait_for


def probe(work: Callable[[Context], Outcome]) -> Job:
    return Job(name="probe", title="A probe", run=work)


def row(desk: Desk, run_id: str) -> dict[str, object]:
    (found,) = rows_of(desk.warehouse.ask("run_by_id", run_id=run_id))
    return found


def test_a_log_within_bounds_is_whole() -> None:
    log = Log(head=30, tail=30)
    for number in range(4):
        log.add(f"line {number}")
    assert log.text() == "line 0\nline 1\nline 2\nline 3"


def test_of_a_long_log_beginning_and_end_are_kept_and_the_gap_is_told() -> None:
    log = Log(head=3_000, tail=5_000)
    for number in range(100_000):
        log.add(f"line {number}")
    kept = log.text().splitlines()
    assert len(log.text()) < 8_200
    assert (kept[0], kept[-1]) == ("line 0", "line 99999")
    (gap,) = [line for line in kept if "left out" in line]
    assert gap == f"... {100_000 - len(kept) + 1:,} lines ({cut_size(kept):,} characters) are left out here ..."


def cut_size(kept: list[str]) -> int:
    whole = sum(len(f"line {number}") + 1 for number in range(100_000))
    return whole - sum(len(line) + 1 for line in kept if line.startswith("line"))


def test_one_endless_line_does_not_push_out_the_others() -> None:
    log = Log()
    log.add("before")
    log.add("x" * 1_000_000)
    log.add("after")
    assert len(log.text()) < 11_000
    assert "990,000 more characters of this line are left out" in log.text()
    assert log.text().endswith("after")


def test_a_silent_run_shows_that_it_lives_and_its_log_can_be_read(desk: Desk) -> None:
    seen: list[dict[str, object]] = []

    def work(context: Context) -> Outcome:
        context.say("first family done")
        logging.getLogger("pipeline.models").warning("a warning")
        desk.now += timedelta(seconds=20)
        wait_for(lambda: row(desk, context.run_id)["heartbeat_at"] == desk.now, 10)
        seen.append(row(desk, context.run_id))
        return Outcome(1, 1)

    ended = replace(desk.runner(), beat_s=0.15).run(probe(work), by="ana")
    assert ended["state"] == "succeeded"
    assert (seen[0]["state"], seen[0]["heartbeat_at"]) == ("running", NOW + timedelta(seconds=20))
    assert "first family done" in str(seen[0]["log"])
    assert "WARNING pipeline.models: a warning" in str(seen[0]["log"])
    assert isinstance(seen[0]["peak_mb"], float)
    assert seen[0]["peak_mb"] > 30


def test_a_run_says_what_it_cost(desk: Desk) -> None:
    def work(_context: Context) -> Outcome:
        until, block = time.process_time() + 0.3, bytearray(50_000_000)
        while time.process_time() < until:
            block[0] ^= 1
        return Outcome(1, 1)

    ended = desk.runner().run(probe(work), by="ana")
    assert 0.3 <= ended["cpu_s"] < 3
    assert ended["peak_mb"] > 80


def test_a_heartbeat_that_cannot_be_written_fails_no_run(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    real, failed = desk.warehouse.write, []

    @contextmanager
    def write() -> Iterator[Session]:
        if working and len(failed) < 2:
            failed.append(1)
            raise Busy("the lock is taken")
        with real() as session:
            yield session

    working: list[int] = []
    monkeypatch.setattr(desk.warehouse, "write", write)

    def work(context: Context) -> Outcome:
        working.append(1)
        desk.now += timedelta(seconds=20)
        wait_for(lambda: row(desk, context.run_id)["heartbeat_at"] == desk.now, 10)
        return Outcome(1, 1)

    assert replace(desk.runner(), beat_s=0.1).run(probe(work), by="ana")["state"] == "succeeded"
    assert len(failed) == 2


def test_a_heartbeat_keeps_what_others_wrote_into_the_row(desk: Desk) -> None:
    def work(context: Context) -> Outcome:
        runs.cancel(desk.warehouse, context.run_id, by="ana", reason="too long", now=desk.now)
        desk.now += timedelta(seconds=20)
        wait_for(lambda: row(desk, context.run_id)["heartbeat_at"] == desk.now, 10)
        assert row(desk, context.run_id)["cancel_by"] == "ana"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace(desk.runner(), beat_s=0.1).run(probe(work), by="ana")
    assert desk.warehouse.ask("open_runs").empty
