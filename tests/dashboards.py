"""A filled or empty warehouse -> the desk a page works at, with a clock that stands still."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from dashboard import data
from dashboard.data import Desk
from pipeline.settings import ROOT

# Every AppTest would read the metadata of all installed packages again, a quarter of a second each time.
manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)

NOW = datetime(2026, 11, 20, 10, 20, tzinfo=UTC)


@contextmanager
def seated(path: Path, patch: pytest.MonkeyPatch, now: datetime = NOW, markets: str = "demo") -> Iterator[Desk]:
    """Make `path` the warehouse of this process's pages."""
    patch.setenv("SEXTANT_WAREHOUSE", str(path))
    patch.setenv("SEXTANT_MARKETS", markets)
    patch.delenv("SEXTANT_MODELS", raising=False)
    data.desk.cache_clear()
    desk = data.desk()
    desk.clock = lambda: now
    try:
        yield desk
    finally:
        data.desk.cache_clear()


def beat(desk: Desk) -> None:
    """Write the row of a run again, as a heartbeat does."""
    with desk.warehouse.write() as session:
        session.upsert("job_runs", session.ask("run_by_id", run_id="train0000003"))


def opened(view: str = "forecasts", **query: str) -> AppTest:
    """The app after a run of one view, opened by its address."""
    app = AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    # Before the first run a page goes by the name of its file, which is its address: no other page is drawn for it.
    return (app if view == "forecasts" else app.switch_page(f"views/{view}.py")).run()


def words(app: AppTest) -> str:
    """Everything a page says in text, one element a line."""
    parts = [*app.title, *app.header, *app.subheader, *app.markdown, *app.caption, *app.warning, *app.error, *app.info]
    return "\n".join(
        [element.value for element in parts] + [f"{one.label} {one.value} {one.delta}" for one in app.metric]
    )
