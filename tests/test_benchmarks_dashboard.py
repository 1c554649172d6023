"""The dashboard's benchmark judges what it measured, and its sessions speak to a real page."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmarks import dashboard_page, dashboard_writer
from benchmarks.dashboard import Found, Line, report
from benchmarks.dashboard_browser import Times
from benchmarks.dashboard_servers import PEERS
from benchmarks.dashboard_sessions import Load
from benchmarks.dashboard_writer import MOVED, REVISED, walk
from pipeline.settings import ROOT
from tests import filler


def found(
    wait_s: float = 0.1, cores: float = 0.3, cold_s: float = 3.0, warm_s: float = 1.5, back_s: float = 0.75,
    failed: int = 0, frame: float = 20.0,
) -> Found:  # fmt: skip
    load = Load(waits=[wait_s] * 40, sent_kb=[70.0], failed=failed, cores=cores, base_mb=200, full_mb=260, held=20)
    times = {name: Times([2.0], [1.0], [0.5]) for name in PEERS} | {"Sextant": Times([cold_s], [warm_s], [back_s])}
    return Found(load, 0.4, times, [Line("all values", 900, 4000, 400, [80.0]), Line("thinned", 80, 50, 100, [frame])])


def test_each_target_that_is_missed_is_named() -> None:
    assert found().shortcomings() == []
    assert "p95 of a refresh 250 ms" in found(wait_s=0.25).shortcomings()[0]
    assert "0.60 cores" in found(cores=0.6).shortcomings()[0]
    assert "first visit to usable 1.55x Dash" in found(cold_s=3.1).shortcomings()[0]
    assert "usable again 1.60x Dash" in found(warm_s=1.6).shortcomings()[0]
    assert "page switch 1.60x Dash" in found(back_s=0.8).shortcomings()[0]
    assert found(cold_s=2.0, warm_s=1.8).open == found(cold_s=3.6).open == 1.8
    assert "3 refreshes failed" in found(failed=3).shortcomings()[0]
    assert "no smoother" in found(frame=90).shortcomings()[0]
    assert len(found(wait_s=float("nan")).shortcomings()) == 1


def test_the_report_has_every_figure_and_its_target() -> None:
    text = report(found(), 60)
    for words in (
        "| a refresh, p95 ms | 100 | < 200 |",
        "| memory a session adds (with 20 more), MiB | 3.0 |",
        "Load average of the machine at the start 0.4.",
        "shows more",
        "1.50x",
        "| sent, kB |",
    ):
        assert words in text


def test_the_peers_are_given_the_page_s_own_cards_and_figure(tmp_path: Path) -> None:
    filler.fill(tmp_path / "w.duckdb", datetime.now(UTC))
    dashboard_page.write(tmp_path / "w.duckdb", tmp_path / "page.json")
    page = json.loads((tmp_path / "page.json").read_text(encoding="utf-8"))
    assert len(page["cards"]) == len(page["table"]) == 6
    assert {"Newest issue", "Actual"} <= {trace.get("name") for trace in page["figure"]["data"]}
    assert {"Sextant", "Naive"} <= {trace.get("name") for trace in page["errors"]["data"]}
    assert set(page["table"][0]) == set(page["columns"])
    assert page["table"][0]["mae"] > 0


def test_a_walk_writes_what_the_page_shows(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    due = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    house = filler.fill(tmp_path / "w.duckdb", now)

    def told() -> tuple[list[float], float]:
        issue = house.ask("page_issue", target="demo.load", due=due)
        hours = house.ask("page_fan", target="demo.load", due=due, since=due - timedelta(hours=17))
        return issue["p50"].tolist(), hours["actual"].dropna().iloc[-1]

    issue, actual = told()
    walk(house, "demo.load", 1, now)
    assert told() == ([one + MOVED for one in issue], actual + REVISED)
    assert walk(house, "demo.load", 2, now + timedelta(seconds=30)) >= 12 + 1 + 6 + 6
    assert told() == (issue, actual + 2 * REVISED)


def test_a_job_beats_and_walks_until_it_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard_writer, "FIRST_S", 0.0)
    house = filler.fill(tmp_path / "w.duckdb", datetime.now(UTC))
    deadline = time.monotonic() + 60
    with dashboard_writer.writing(tmp_path / "w.duckdb", "demo.load") as written:
        while not (written.walks and written.beats) and time.monotonic() < deadline:
            time.sleep(0.05)
    assert written.walks == 1
    assert written.rows > 0
    assert house.ask("page_going")["log"].str.contains("steps done").any()


def test_every_peer_has_a_page_and_a_pinned_release() -> None:
    pinned = (ROOT / "benchmarks/peers/requirements.txt").read_text(encoding="utf-8")
    for name in PEERS:
        assert (ROOT / f"benchmarks/peers/{name}_page.py").exists()
        assert f"\n{name}==" in pinned
