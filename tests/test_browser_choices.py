"""Two markets in a real browser: a selected row and the target stay what they were over refreshes and pages."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from pipeline.warehouse import Warehouse
from tests import browser, filler
from tests.browser import Watched
from tests.test_choices import DEMO, newer

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Warehouse]]:
    folder = tmp_path_factory.mktemp("choices")
    warehouse = filler.fill(folder / "w.duckdb", datetime.now(UTC))
    with browser.serving(folder / "w.duckdb", folder / "server.log", SEXTANT_MARKETS="es,demo") as address:
        yield address, warehouse


def select(page: Page, key: str, row: int) -> None:
    """Rows are drawn on a canvas, so they are found by their place."""
    shown = page.locator(f".st-key-{key}").get_by_test_id("stDataFrame").first
    shown.scroll_into_view_if_needed()
    shown.click(position={"x": 14, "y": 36 + 36 * row + 18})


def test_a_selected_row_stays_the_same_row_when_the_open_page_refreshes_itself(
    visit: Callable[..., Watched], served: tuple[str, Warehouse]
) -> None:
    watched = visit(served[0])
    page = watched.open("models?target=Demo+Demand")
    select(page, "versions", 1)
    back = page.get_by_role("button", name="Roll back: demo.load-v2")
    expect(back).to_be_visible()
    newer(
        served[1], "model_versions", created_at=pd.Timestamp.now("UTC").as_unit("us"), version_id="demo.load-v9",
        number=9, run_id="newer",
    )  # fmt: skip
    # What a canvas says to a screen reader counts as hidden.
    rows = page.locator(".st-key-versions [role=row]")
    expect(rows.filter(has_text="demo.load-v9")).to_have_count(1, timeout=60_000)
    watched.settle()
    expect(rows.and_(page.locator("[aria-selected=true]"))).to_contain_text("demo.load-v2")
    expect(back).to_be_visible()
    assert "version=demo.load-v2" in page.url
    # The same click again chooses what stands there by now.
    select(page, "versions", 1)
    page.wait_for_url("**version=demo.load-v3*")
    assert watched.exceptions() == []
    assert watched.problems == []


def test_the_target_of_an_address_stays_chosen_over_links_pages_and_keys(
    visit: Callable[..., Watched], served: tuple[str, Warehouse]
) -> None:
    watched = visit(served[0])
    page = watched.open("?target=Demo+Demand")
    chosen = page.locator("[aria-checked=true], [aria-pressed=true]").get_by_text(DEMO)
    for path in ("accuracy", "jobs"):
        watched.go(path)
        expect(chosen).to_be_visible()
        page.wait_for_url(f"**/{path}?target=Demo+Demand")
    page.get_by_role("heading", level=1).click()
    page.keyboard.press("g")
    page.keyboard.press("f")
    page.wait_for_url(f"{served[0]}/?target=Demo+Demand")
    watched.settle()
    page.get_by_role("link", name="Version demo.load").click()
    page.wait_for_url("**/models?*target=Demo+Demand*")
    expect(page.get_by_text("Lineage of demo.load-v3")).to_be_visible()
    assert watched.exceptions() == []
    assert watched.problems == []
