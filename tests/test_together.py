"""Two job processes, a dashboard and its viewers at once: nobody meets a lock, nothing is lost or doubled."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from dashboard.data import Desk as Screen
from pipeline.doctor import examine
from pipeline.settings import ROOT
from tests.browser import launch, serving
from tests.conftest import Desk, ask

SECONDS = 60
CHAIN = ("ingest", "actuals", "features", "forecast", "backfill")
BAD_WORDS = ("Traceback", "Busy", "Held", "lock")


def keep_running(desk: Desk, env: dict[str, str], until: float, said: list[str]) -> None:
    """One cycle of jobs after another, each an hour later than the last; what the user would read goes to `said`."""
    now = datetime(2026, 11, 20, 11, 20, tzinfo=UTC)
    while time.monotonic() < until:
        command = [sys.executable, str(ROOT / "jobs.py"), "--now", now.isoformat(), "run", *CHAIN]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
        said.append(done.stdout + done.stderr + ("" if done.returncode == 0 else "Traceback"))
        now += timedelta(hours=1)


def keep_reading(screen: Screen, target: str, until: float, said: list[str]) -> None:
    """The questions of a page, as often as they can be asked."""
    while time.monotonic() < until:
        for query in ("champion", "newest_version"):
            screen.ask(query, target=target)
        if screen.late():
            said.append("an outdated answer")


@pytest.mark.slow
@pytest.mark.browser
def test_a_minute_of_two_job_processes_and_a_dashboard_shows_nobody_a_lock(
    full: Desk, environment: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    said: list[str] = []
    read: list[str] = []
    screen = Screen(full.settings, full.markets, full.warehouse)
    with serving(full.settings.warehouse, tmp_path / "server.log") as address, sync_playwright() as playwright:
        until = time.monotonic() + SECONDS
        threads = [threading.Thread(target=keep_running, args=(full, environment(), until, said)) for _ in range(2)]
        threads += [threading.Thread(target=keep_reading, args=(screen, full.target.id, until, read))]
        for thread in threads:
            thread.start()
        page = launch(playwright).new_page()
        views = 0
        while time.monotonic() < until:
            page.goto(address)
            page.get_by_text("T+6").first.wait_for(timeout=30_000)
            assert not page.locator('[data-testid="stException"]').count()
            views += 1
        for thread in threads:
            thread.join()
    assert views >= 3
    assert len(said) >= 4
    spoiled = [text for text in said if any(word in text for word in BAD_WORDS)]
    assert not [text for text in spoiled if "is running in another process" not in text or "Traceback" in text]
    assert not read
    flaws = [f for f in examine(full.warehouse, full.settings.models, jobs=list(full.jobs)) if f.flaw]
    assert not flaws
    slots = ask(full, "SELECT valid_at FROM raw WHERE series = 'demo.load' ORDER BY valid_at").valid_at
    assert (slots.diff().dropna().dt.total_seconds() == 300).all()
    origins = ask(full, "SELECT DISTINCT origin FROM predictions WHERE mode = 'live' ORDER BY origin").origin
    assert len(origins) >= 3
