"""The dashboard's benchmark judges what it measured, and its sessions speak to a real page."""

import json
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import dashboard_page
from benchmarks.dashboard import Found, Line, report
from benchmarks.dashboard_browser import Times
from benchmarks.dashboard_servers import PEERS
from benchmarks.dashboard_sessions import Load
from pipeline.settings import ROOT
from tests import filler


def found(wait_s: float = 0.1, cores: float = 0.3, cold_s: float = 3.0, failed: int = 0, frame: float = 20.0) -> Found:
    load = Load(waits=[wait_s] * 40, sent_kb=[70.0], failed=failed, cores=cores, base_mb=200, full_mb=260, sessions=20)
    times = {name: Times([2.0], [1.0], [0.5]) for name in PEERS} | {"Sextant": Times([cold_s], [1.0], [0.5])}
    return Found(load, times, [Line("all values", 900, 4000, 400, [80.0]), Line("thinned", 80, 50, 100, [frame])])


def test_each_target_that_is_missed_is_named() -> None:
    assert found().shortcomings() == []
    assert "p95 of a refresh 250 ms" in found(wait_s=0.25).shortcomings()[0]
    assert "0.60 cores" in found(cores=0.6).shortcomings()[0]
    assert "1.55x Dash" in found(cold_s=3.1).shortcomings()[0]
    assert "3 refreshes failed" in found(failed=3).shortcomings()[0]
    assert "no smoother" in found(frame=90).shortcomings()[0]
    assert len(found(wait_s=float("nan")).shortcomings()) == 1


def test_the_report_has_every_figure_and_its_target() -> None:
    text = report(found(), 60)
    for words in (
        "| a refresh, p95 ms | 100 | < 200 |",
        "| memory a session adds, MiB | 3.0 |",
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
    assert set(page["table"][0]) == set(page["columns"])


def test_every_peer_has_a_page_and_a_pinned_release() -> None:
    pinned = (ROOT / "benchmarks/peers/requirements.txt").read_text(encoding="utf-8")
    for name in PEERS:
        assert (ROOT / f"benchmarks/peers/{name}_page.py").exists()
        assert f"\n{name}==" in pinned
