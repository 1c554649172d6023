"""Alerts and runs in a real browser: acknowledged with a reason, cancelled while running, never started twice."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import expect

from pipeline.runs import request
from pipeline.warehouse import Warehouse
from tests import browser, filler, probes
from tests.browser import Watched
from tests.filler import Story

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Warehouse]]:
    """A server over a busy warehouse that the tests of this file change one after another."""
    folder = tmp_path_factory.mktemp("busy")
    warehouse = filler.fill(folder / "w.duckdb", datetime.now(UTC), Story(busy=True))
    with browser.serving(folder / "w.duckdb", folder / "server.log") as address:
        yield address, warehouse


def test_the_badge_leads_to_the_alerts_and_an_alert_to_its_run(
    visit: Callable[..., Watched], served: tuple[str, Warehouse]
) -> None:
    watched = visit(served[0])
    page = watched.open("")
    page.get_by_role("link", name="1 critical, 1 warning, 1 info").click()
    page.wait_for_url("**/alerts")
    watched.settle()
    page.get_by_role("link", name="See the run").click()
    page.wait_for_url("**/jobs?*")
    watched.settle()
    expect(page.get_by_text("ingest0000002").or_(page.get_by_text("ingest000002")).first).to_be_visible()
    assert "/jobs?" in page.url
    assert "run=ingest000002" in page.url
    assert watched.exceptions() == []
    assert watched.problems == []


def test_an_alert_is_acknowledged_with_a_reason_and_found_in_the_audit(
    visit: Callable[..., Watched], served: tuple[str, Warehouse]
) -> None:
    watched = visit(served[0], 390, "dark")
    page = watched.open("alerts")
    page.get_by_role("button", name="Acknowledge", exact=True).first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Acknowledge", exact=True).click()
    expect(dialog.get_by_text("needs a reason")).to_be_visible()
    dialog.get_by_label("Reason").fill("calling the provider")
    dialog.get_by_role("button", name="Acknowledge", exact=True).click()
    expect(dialog).to_be_hidden()
    # A badge with a hint is in the page twice, for fingers and for a mouse.
    expect(page.get_by_text("Acknowledged by local").filter(visible=True).first).to_be_visible()
    rows = served[1].ask("page_audit", action="acknowledge", n=9)
    assert sorted(rows["outcome"]) == ["denied", "ok", "started"]
    assert set(rows.loc[rows["outcome"] == "ok", "reason"]) == {"calling the provider"}
    watched.open("audit?action=Acknowledge")
    assert watched.exceptions() == []
    assert watched.problems == []


def test_two_quick_clicks_on_run_now_make_one_run(visit: Callable[..., Watched], served: tuple[str, Warehouse]) -> None:
    watched = visit(served[0])
    page = watched.open("jobs")
    page.get_by_role("button", name="Run now", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("at once")
    dialog.get_by_role("button", name="Run now", exact=True).dblclick()
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("button", name="Cancel actuals", exact=True)).to_be_visible()
    queued = served[1].ask("open_runs")
    assert queued.loc[queued["job"] == "actuals", "reason"].tolist() == ["at once"]
    assert watched.exceptions() == []
    assert watched.problems == []


def test_the_log_of_a_running_run_grows_on_the_page(
    visit: Callable[..., Watched], served: tuple[str, Warehouse]
) -> None:
    page = visit(served[0]).open("jobs")
    expect(page.get_by_text("comparing 3 families").first).to_be_visible()
    row = served[1].ask("run_by_id", run_id="running00001")
    with served[1].write() as session:
        session.upsert("job_runs", row.assign(log=row["log"] + "\nridge is done", pid=row["pid"].astype("Int64")))
    expect(page.get_by_text("ridge is done").first).to_be_visible(timeout=60_000)


def test_a_running_probe_is_cancelled_from_the_page(visit: Callable[..., Watched], tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    warehouse = filler.empty(path, datetime.now(UTC))
    run_id = request(warehouse, "sleep", by="test", reason="a long one", args={}, now=datetime.now(UTC))

    def state() -> str:
        return str(warehouse.ask("run_by_id", run_id=run_id)["state"].iloc[0])

    with (
        browser.serving(path, tmp_path / "server.log") as address,
        probes.scheduling(browser.environment(path)),
    ):
        probes.wait_for(lambda: state() == "running")
        watched = visit(address)
        page = watched.open("jobs")
        expect(page.get_by_text("Running for").first).to_be_visible()
        page.get_by_role("button", name="Cancel sleep", exact=True).click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Reason").fill("no more sleep")
        dialog.get_by_role("button", name="Cancel the run", exact=True).click()
        expect(dialog).to_be_hidden()
        probes.wait_for(lambda: state() == "cancelled")
        expect(page.get_by_role("button", name="Cancel sleep", exact=True)).to_have_count(0, timeout=60_000)
        page = watched.open(f"jobs?run={run_id}")
        # The history holds the same words in cells of its canvas, which are never visible.
        expect(page.get_by_test_id("stAlert").get_by_text("cancelled by local: no more sleep")).to_be_visible()
        assert watched.exceptions() == []
        assert watched.problems == []
    assert set(warehouse.ask("page_audit", action="cancel", n=5)["outcome"]) == {"started", "ok"}
