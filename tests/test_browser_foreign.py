"""Stored text of others in a real browser: shown as it was typed, never as Markdown or HTML."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from dashboard.formats import JOINER
from tests import browser, filler
from tests.browser import Watched
from tests.filler import Story

pytestmark = [pytest.mark.browser, pytest.mark.slow]
TYPED = (
    "![x](https://example.invalid/a.png) [link](https://example.invalid) $x$ $$y$$ :red[y] :smile: :material/home: "
    "<script>alert(1)</script> <img src=https://example.invalid/b.png> `c` **b** _i_ ~~s~~ https://example.invalid/u "
    "www.example.invalid me@example.invalid a -> b"
)
SPOIL = """
UPDATE alert_flips SET message = $text; UPDATE alert_acts SET reason = $text; UPDATE fetches SET message = $text;
UPDATE notifications SET error = $text, state = 'failed'; UPDATE promotions SET reason = $text;
UPDATE job_runs SET reason = $text, log = $text WHERE run_id IN ('queued000001', 'running00001');
UPDATE job_runs SET error = $text, reason = $text, cancel_reason = $text, cancel_by = $text WHERE state = 'failed';
"""
PAGES = {"": 1, "data": 1, "jobs?run=auth00000001": 4, "models": 2, "alerts": 3}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server over a warehouse that is full of such text."""
    folder = tmp_path_factory.mktemp("foreign")
    story = Story(busy=True, waiting=True, status="reduced", reason=TYPED)
    with filler.fill(folder / "w.duckdb", datetime.now(UTC), story).write() as session:
        for statement in SPOIL.strip().split(";")[:-1]:
            session.script(statement, text=TYPED)
    with browser.serving(folder / "w.duckdb", folder / "server.log") as address:
        yield address


@pytest.mark.parametrize("path", PAGES)
def test_text_of_others_is_shown_as_typed(path: str, served: str, visit: Callable[..., Watched]) -> None:
    watched = visit(served)
    page = watched.open(path)
    shown = page.locator('[data-testid="stMainBlockContainer"]').inner_text().replace(JOINER, "")
    assert shown.count(TYPED) >= PAGES[path]
    for trace in ("img[src*='example']", "a[href*='example']", ".katex", "del", "script:not([src]):text('alert')"):
        assert page.locator(f'[data-testid="stMainBlockContainer"] {trace}').count() == 0, trace
    assert watched.exceptions() == []
    assert watched.problems == []
