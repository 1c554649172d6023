"""A small demo desk for every test: its own warehouse, a clock that stands still, no network."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import psutil
import pytest
from coverage import Coverage

from pipeline.configuring.markets import load_markets
from pipeline.discovery import discover
from pipeline.markets import Market, Target
from pipeline.runner import Job, Runner
from pipeline.settings import ROOT, Settings
from pipeline.warehouse import Warehouse
from tests import kept

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

    from tests.browser import Watched

NOW = datetime(2026, 11, 20, 10, 20, tzinfo=UTC)
HISTORY_DAYS = 150
REPLAY_DAYS = 8
MADE: dict[str, str] = {}
FOR_FILES, FOR_WORK = 5 * 2**30, 4 * 2**30


def pytest_configure() -> None:
    """The controller makes the shelf and says where files go, the workers inherit both."""
    if kept.SHELF not in os.environ:
        memory = roomy(Path("/dev/shm"))
        os.environ[kept.SHELF] = MADE["shelf"] = tempfile.mkdtemp(prefix="shelf-", dir=memory)
        if memory:
            os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))


def roomy(memory: Path) -> Path | None:
    """`memory`, a folder held in memory, if what a run writes has room there: a disk waits at each commit."""
    if not (memory.is_dir() and os.access(memory, os.W_OK)):
        return None
    free = min(shutil.disk_usage(memory).free, psutil.virtual_memory().available - FOR_WORK)
    return memory if free > FOR_FILES else None


def pytest_unconfigure() -> None:
    shutil.rmtree(MADE.pop("shelf", ""), ignore_errors=True)


@pytest.fixture(autouse=True)
def main_module() -> Iterator[None]:
    """A page that ran leaves itself as `__main__`; processes started by a later test would run it first."""
    mine = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = mine


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Slow tests are not traced, nor are the processes they start: it makes them a third dearer and adds nothing.

    What they run, quick tests run too.
    """
    tracer = Coverage.current() if item.get_closest_marker("slow") else None
    if tracer is None:
        return (yield)
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("COVERAGE_")}
    tracer.stop()
    try:
        return (yield)
    finally:
        os.environ.update(kept)
        tracer.start()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: begun last, one of them would keep one core waiting for the other."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@dataclass
class Desk:
    """A runner and what it works on; `now` may be moved."""

    settings: Settings
    markets: dict[str, Market]
    warehouse: Warehouse
    jobs: dict[str, Job]
    now: datetime

    @property
    def target(self) -> Target:
        return next(iter(self.markets.values())).targets[0]

    def runner(self) -> Runner:
        return Runner(self.settings, self.markets, self.warehouse, clock=lambda: self.now)

    def run(self, job: str, **args: Any) -> dict[str, Any]:
        return self.runner().run(self.jobs[job], by="test", **args)

    def done(self, job: str, **args: Any) -> dict[str, Any]:
        row = self.run(job, **args)
        assert row["state"] in ("succeeded", "skipped"), row["error"]
        return row

    def rows(self, table: str) -> int:
        with self.warehouse.read() as session:
            return session.count(table)


def ask(desk: Desk, sql: str) -> pd.DataFrame:
    """The answer to plain SQL; the pipeline itself uses named queries only."""
    with desk.warehouse.read() as session:
        return session._cursor.sql(sql).to_arrow_table().to_pandas()


def settings_for(folder: Path, days: int = HISTORY_DAYS, **env: str) -> Settings:
    """Settings of a desk in `folder` with the demo market cut to `days` of history."""
    config = folder / "sextant.toml"
    text = (ROOT / "sextant.toml").read_text(encoding="utf-8")
    config.write_text(text.replace("history_days = 1100", f"history_days = {days}"), encoding="utf-8")
    paths = {"SEXTANT_WAREHOUSE": str(folder / "warehouse.duckdb"), "SEXTANT_CONFIG": str(config)}
    return Settings.load(paths | env)


def desk_in(folder: Path, *, now: datetime = NOW, days: int = HISTORY_DAYS, **env: str) -> Desk:
    settings = settings_for(folder, days, **env)
    warehouse = Warehouse(settings.warehouse, wait_s=20)
    if not warehouse.path.exists():
        kept.empty(warehouse.path, now)
    markets = load_markets(settings.config, settings.markets)
    return Desk(settings, markets, warehouse, discover("pipeline.jobs", "JOB"), now)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """An empty, migrated warehouse."""
    return desk_in(tmp_path)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a filled warehouse: history, a replayed week, one champion, one live issue."""
    folder = tmp_path_factory.mktemp("template")
    kept.copied("template", folder, _fill)
    return folder


def _fill(folder: Path) -> None:
    desk = desk_in(folder)
    then = desk.now - timedelta(days=REPLAY_DAYS)
    families = ["naive", "ridge"]
    desk.done("ingest")
    desk.done("actuals")
    desk.done("train", as_of=then.isoformat(), families=families)
    desk.done("features", replay_from=then.isoformat(), replay_to=(desk.now - timedelta(hours=2)).isoformat())
    for job in ("forecast", "backfill", "features", "forecast"):
        desk.done(job)


@pytest.fixture(scope="module")
def two_markets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the two markets of market_filler."""
    from tests import market_filler

    folder = tmp_path_factory.mktemp("markets")
    kept.copied("two-markets", folder, market_filler.fill)
    return folder


@pytest.fixture
def full(template: Path, tmp_path: Path) -> Desk:
    """A copy of the filled warehouse, free to be changed."""
    folder = tmp_path / "desk"
    shutil.copytree(template, folder)
    return desk_in(folder)


@pytest.fixture
def environment(full: Desk) -> Callable[..., dict[str, str]]:
    """Environment variables that lead a child process to the filled desk."""

    def made(**more: str) -> dict[str, str]:
        own = {"SEXTANT_WAREHOUSE": str(full.settings.warehouse), "SEXTANT_CONFIG": str(full.settings.config)}
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("SEXTANT_", "ESIOS_"))}
        return kept | own | more

    return made


@pytest.fixture(scope="module")
def chromium() -> "Iterator[Browser]":
    """A browser for the tests of one file."""
    from playwright.sync_api import sync_playwright

    from tests import browser

    with sync_playwright() as playwright:
        found = browser.launch(playwright)
        yield found
        found.close()


@pytest.fixture(scope="module")
def tabs(chromium: "Browser") -> "Iterator[BrowserContext]":
    """One profile for the tests of one file: what a page once loaded is not loaded again."""
    context = chromium.new_context()
    yield context
    context.close()


@pytest.fixture
def visit(tabs: "BrowserContext") -> "Iterator[Callable[..., Watched]]":
    """Opens tabs, each with a session of its own, at an address, width and theme."""
    from tests.browser import Watched

    opened = []

    def visited(address: str, width: int = 1440, theme: Any = "light") -> Watched:
        page = tabs.new_page()
        opened.append(page)
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=theme)
        return Watched(page, address)

    yield visited
    for page in opened:
        page.close()
