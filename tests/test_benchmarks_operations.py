"""The judges of contention and soak: they see what was lost, doubled, untold or told without cause."""

import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from benchmarks.contention import ALONE, BESIDE, RESTLESS, Side
from benchmarks.contention_workers import BACKFILL_ROWS, DESIGNS, Met, points, read_pages, write_often
from benchmarks.contention_world import fill
from benchmarks.pages import questions
from benchmarks.soak_faults import KINDS, REST, Trouble, plan
from benchmarks.soak_judge import Span, cause, fired_once
from benchmarks.soak_ledger import Ledger
from pipeline.warehouse import Warehouse
from tests.conftest import Desk
from tests.servers import faults

NOW = datetime(2026, 3, 2, 6, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)
OUTAGE = next(kind for kind in KINDS if kind.name == "outage")
SPAN = Span(Trouble(OUTAGE, 1, 5), NOW, NOW + 5 * HOUR)
STALE = ("stale_data", "es.load")


def alert(rule: str, subject: str, fired: datetime, resolved: datetime | None) -> dict[str, Any]:
    return {"rule": rule, "subject": subject, "flipped_at": fired, "resolved_at": resolved or pd.NaT}


def side(alone_s: float, beside_s: float, wait_s: float = 0.1, rows: int = BACKFILL_ROWS) -> Side:
    made = Side()
    for scene in (ALONE, BESIDE, RESTLESS):
        took = alone_s if scene == ALONE else beside_s
        made.readers[scene].append(Met(waits=[0.01] * 50, took=[took] * 50))
        if scene.writing:
            made.busy[scene].append(Met(waits=[0.1], took=[0.1]))
            made.second[scene].append(Met(waits=[wait_s], took=[wait_s], rows=rows))
    return made


def test_contention_names_each_target_that_is_missed() -> None:
    assert side(0.1, 0.29).shortcomings(ratio=True) == []
    assert "grew 3.1x" in side(0.1, 0.31).shortcomings(ratio=True)[0]
    assert side(0.1, 0.31).shortcomings(ratio=False) == []
    starved = side(0.1, 0.1, wait_s=2.5).shortcomings(ratio=True)
    assert [words[:31] for words in starved] == ["the second writer waited 2.50 s"] * 2
    assert "200 rows" in side(0.1, 0.1, rows=BACKFILL_ROWS - 100).shortcomings(ratio=True)[0]


@pytest.mark.parametrize("design", DESIGNS)
def test_both_designs_do_the_same_work(design: str, tmp_path: Path) -> None:
    path = tmp_path / "small.duckdb"
    assert fill(path, years=0.05) > 60_000
    read = read_pages(design, path, 1, time.time(), 0.5, 0.0)
    written = write_often(design, path, time.time(), 0.5)
    assert not read.errors + written.errors
    assert read.rows > 0
    assert written.rows == 20 * len(written.took)
    with Warehouse(path).read() as session:
        assert session.doubled("raw") == 0


def test_an_error_of_the_engine_is_counted_and_not_raised(tmp_path: Path) -> None:
    path = tmp_path / "small.duckdb"
    fill(path, years=0.05)
    met = Met()
    met.use(Warehouse(path).write(), lambda session: session.append("raw", points("demo.load", 0, 3)[["series"]]))
    assert len(met.errors) == 1
    assert not met.took


def test_rehearsed_pages_ask_only_what_there_is(full: Desk) -> None:
    series = [one.id for one in full.markets["demo"].series]
    for page in questions(full.target.id, series, full.now, full.target.zone).values():
        for query, params in page:
            full.warehouse.ask(query, **params)


def test_troubles_have_room_of_their_own_and_the_seed_decides() -> None:
    found = plan(336, Random(7), full_disk=True)
    assert found == plan(336, Random(7), full_disk=True)
    assert found != plan(336, Random(8), full_disk=True)
    for one, after in pairwise(found):
        assert after.first >= one.first + one.steps + one.kind.skipped + REST
    assert found[-1].first + found[-1].steps + REST <= 336
    assert {one.kind.name for one in found} == {kind.name for kind in KINDS}
    assert "full disk" not in {one.kind.name for one in plan(336, Random(7), full_disk=False)}


def test_every_fault_of_the_servers_is_rehearsed() -> None:
    words = {kind.name.replace(" ", "_").lower() for kind in KINDS}
    known = {name for name, what in vars(faults).items() if callable(what) and not name.startswith("_")}
    known |= {"nulls", "duplicates", "new_schema"}
    others = {"Answer", "Any", "Callable", "dataclass", "field", "replace", "errors", "edited", "value_lists"}
    renamed = {"answering": "an_empty_answer", "redirect": "redirected_away"}
    assert {renamed.get(name, name) for name in known - others - {"Fault"}} <= words


def test_an_alert_due_must_come_once_and_end_once() -> None:
    good = alert(*STALE, NOW + 2 * HOUR, NOW + 6 * HOUR)
    assert fired_once([good], SPAN, STALE, NOW + 20 * HOUR) == []
    assert "fired 0 times" in fired_once([], SPAN, STALE, NOW + 20 * HOUR)[0]
    assert "fired 2 times" in fired_once([good, good], SPAN, STALE, NOW + 20 * HOUR)[0]
    open_yet = alert(*STALE, NOW + 2 * HOUR, None)
    assert "did not end" in fired_once([open_yet], SPAN, STALE, NOW + 20 * HOUR)[0]
    late = alert(*STALE, NOW + 2 * HOUR, NOW + 12 * HOUR)
    assert "ended only" in fired_once([late], SPAN, STALE, NOW + 20 * HOUR)[0]


def test_an_alert_needs_a_cause_near_it() -> None:
    assert cause(alert(*STALE, NOW + HOUR, None), [SPAN], [])
    assert not cause(alert(*STALE, NOW + 12 * HOUR, None), [SPAN], [])
    assert not cause(alert("disk_low", "disk", NOW + HOUR, None), [SPAN], [])
    failed = alert("job_failed", "train", NOW + 12 * HOUR, None)
    assert cause(failed, [SPAN], [NOW + 11 * HOUR])
    assert not cause(failed, [SPAN], [NOW + HOUR])


def test_a_lost_a_changed_and_a_doubled_row_are_seen(full: Desk, tmp_path: Path) -> None:
    world: Any = SimpleNamespace(warehouse=full.warehouse, now=full.now)
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.look(world)
    full.now += HOUR
    for job in ("ingest", "actuals", "features", "forecast"):
        full.done(job)
    ledger.look(world)
    assert (ledger.lost, ledger.doubled) == ([], [])
    with full.warehouse.write() as session:
        session.script("DELETE FROM predictions WHERE horizon = 3 AND origin = (SELECT max(origin) FROM predictions)")
        session.script("UPDATE actuals SET value = value + 1 WHERE valid_at = (SELECT max(valid_at) FROM actuals)")
        session.script("INSERT INTO missed_issues SELECT 'x', $now, 'y', $now, 'z' FROM range(2)", now=full.now)
    ledger.look(world)
    assert [words.split(":")[0] for words in ledger.lost] == ["actuals", "predictions"]
    assert [words.split(":")[0] for words in ledger.doubled] == ["missed_issues"]
    assert (tmp_path / "ledger.jsonl").read_text(encoding="utf-8").count('"look"') == 3
