"""Two job processes, a dashboard and its viewers at once: nobody meets a lock, nothing is lost or doubled."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from dashboard.data import Desk as Screen
from pipeline.doctor import examine
from pipeline.settings import ROOT
from tests.browser import serving
from tests.conftest import Desk, ask

AT_LEAST_S, AT_MOST_S = 12, 90
CYCLES, VIEWS = 5, 3
CHAIN = ("ingest", "actuals", "features", "forecast", "backfill")
BAD_WORDS = ("Traceback", "Busy", "Held", "lock")


def keep_running(desk: Desk, env: dict[str, str], over: threading.Event, said: list[str]) -> None:
    """One cycle of jobs after another, each an hour later than the last; what the user would read goes to `said`."""
    now = datetime(2026, 11, 20, 11, 20, tzinfo=UTC)
    while not over.is_set():
        command = [sys.executable, str(ROOT / "jobs.py"), "--now", now.isoformat(), "run", *CHAIN]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
        said.append(done.stdout + done.stderr + ("" if done.returncode == 0 else "Traceback"))
        now += timedelta(hours=1)


def keep_reading(screen: Screen, target: str, over: threading.Event, said: list[str]) -> None:
    """The questions of a page, as often as they can be asked."""
    while not over.is_set():
        for query in ("champion", "newest_version"):
            screen.ask(query, target=target)
        if screen.late():
            said.append("an outdated answer")


@pytest.mark.slow
@pytest.mark.browser
def test_two_job_processes_and_a_dashboard_show_nobody_a_lock(
    full: Desk, environment: Callable[..., dict[str, str]], tmp_path: Path, chromium: Browser
) -> None:
    said: list[str] = []
    read: list[str] = []
    screen = Screen(full.settings, full.markets, full.warehouse)
    over, views, started = threading.Event(), 0, time.monotonic()
    with serving(full.settings.warehouse, tmp_path / "server.log") as address:
        threads = [threading.Thread(target=keep_running, args=(full, environment(), over, said)) for _ in range(2)]
        threads += [threading.Thread(target=keep_reading, args=(screen, full.target.id, over, read))]
        for thread in threads:
            thread.start()
        try:
            page = chromium.new_page()
            while (took := time.monotonic() - started) < AT_MOST_S:
                if took > AT_LEAST_S and views >= VIEWS and len(said) >= CYCLES:
                    break
                page.goto(address)
                page.get_by_text("T+6").filter(visible=True).first.wait_for(timeout=30_000)
                assert not page.locator('[data-testid="stException"]').count()
                views += 1
        finally:
            over.set()
            for thread in threads:
                thread.join()
    assert views >= VIEWS
    assert len(said) >= CYCLES
    spoiled = [text for text in said if any(word in text for word in BAD_WORDS)]
    assert not [text for text in spoiled if "is running in another process" not in text or "Traceback" in text]
    assert not read
    flaws = [f for f in examine(full.warehouse, full.settings.models, jobs=list(full.jobs)) if f.flaw]
    assert not flaws
    slots = ask(full, "SELECT valid_at FROM raw WHERE series = 'demo.load' ORDER BY valid_at").valid_at
    assert (slots.diff().dropna().dt.total_seconds() == 300).all()
    origins = ask(full, "SELECT DISTINCT origin FROM predictions WHERE mode = 'live' ORDER BY origin").origin
    assert len(origins) >= 3
