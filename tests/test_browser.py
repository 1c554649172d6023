"""Real pages in a real browser: nothing fails, nothing leaves this machine, and actions do what they say."""

import http.client
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from pipeline.settings import ROOT
from pipeline.warehouse import Warehouse
from tests import browser, filler
from tests.browser import Watched, sideways
from tests.filler import Story

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A filled warehouse that ends now."""
    made = tmp_path_factory.mktemp("filled")
    filler.fill(made / "w.duckdb", datetime.now(UTC))
    return made


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[str]:
    with browser.serving(folder / "w.duckdb", folder / "server.log") as address:
        yield address


@pytest.mark.parametrize(("host", "status"), [("127.0.0.1", 101), ("evil.example", 403)])
def test_a_foreign_host_name_gets_no_session(served: str, host: str, status: int) -> None:
    port = int(served.rsplit(":", 1)[1])
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    headers |= {
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Host": f"{host}:{port}",
        "Origin": f"http://{host}:{port}",
    }
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("GET", "/_stcore/stream", headers=headers)
        assert connection.getresponse().status == status


def test_a_deep_link_keeps_window_and_clock(served: str, visit: Callable[..., Watched]) -> None:
    watched = visit(served)
    page = watched.open("accuracy?window=7+days&clock=UTC")
    assert watched.says("UTC, n =")
    page.get_by_role("radio", name="30 days").or_(page.get_by_role("button", name="30 days")).first.click()
    watched.settle()
    assert "window=7" not in page.url
    assert "clock=UTC" in page.url


def test_figures_follow_a_switch_of_theme(served: str, visit: Callable[..., Watched]) -> None:
    watched = visit(served)
    page = watched.open("")
    actual = page.locator(".js-line[style*='15, 23, 42']")
    expect(actual.first).to_be_attached()
    page.emulate_media(color_scheme="dark")
    expect(actual).to_have_count(0, timeout=60_000)


def test_the_six_hours_can_be_downloaded(served: str, visit: Callable[..., Watched], tmp_path: Path) -> None:
    page = visit(served).open("")
    tables = []
    for name, read in (("CSV", pd.read_csv), ("Parquet", pd.read_parquet)):
        with page.expect_download() as waiting:
            page.get_by_role("button", name=name, exact=True).click()
        target = tmp_path / waiting.value.suggested_filename
        waiting.value.save_as(target)
        tables.append(read(target))
    assert [len(table) for table in tables] == [6, 6]
    assert tables[0]["p50"].tolist() == pytest.approx(tables[1]["p50"].tolist())
    assert tables[1]["valid_at"].dt.tz is not None


@pytest.fixture
def own(folder: Path, tmp_path: Path) -> Iterator[tuple[str, Warehouse]]:
    """A server and warehouse that the test may change."""
    shutil.copy(folder / "w.duckdb", tmp_path / "w.duckdb")
    shutil.copytree(folder / "models", tmp_path / "models")
    with browser.serving(tmp_path / "w.duckdb", tmp_path / "server.log") as address:
        yield address, Warehouse(tmp_path / "w.duckdb", wait_s=20)


def select_version(page: Page, row: int) -> None:
    """Choose a row of the versions table; its cells are a canvas."""
    page.get_by_test_id("stDataFrame").first.click(position={"x": 20, "y": 36 * (row + 1) + 18})


def test_retrain_queues_a_run_and_the_page_says_so(own: tuple[str, Warehouse], visit: Callable[..., Watched]) -> None:
    address, warehouse = own
    watched = visit(address)
    page = watched.open("models")
    page.get_by_role("button", name="Retrain", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("new meters since Monday")
    dialog.get_by_role("button", name="Retrain", exact=True).click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_text("is queued.", exact=False).first).to_be_visible()
    expect(page.get_by_text("No scheduler is running, so nobody will start it")).to_be_visible()
    queued = warehouse.ask("open_runs")
    assert queued[["job", "state", "reason"]].values.tolist() == [["train", "queued", "new meters since Monday"]]
    assert watched.problems == []


def test_roll_back_changes_the_champion_and_the_audit_says_who_when_and_why(
    own: tuple[str, Warehouse], visit: Callable[..., Watched]
) -> None:
    address, warehouse = own
    started = pd.Timestamp(datetime.now(UTC))
    watched = visit(address)
    page = watched.open("models")
    select_version(page, 1)
    page.get_by_role("button", name="Roll back: demo.load-v2").click()
    dialog = page.get_by_role("dialog")
    confirm = dialog.get_by_role("button", name="Roll back", exact=True)
    dialog.get_by_label("Type demo.load-v2 to confirm").fill("demo.load-v1")
    dialog.get_by_label("Reason").fill("v3 drifts at night")
    confirm.click()
    expect(dialog.get_by_text("exactly as written")).to_be_visible()
    dialog.get_by_label("Type demo.load-v2 to confirm").fill("demo.load-v2")
    confirm.click()
    expect(dialog).to_be_hidden()
    assert warehouse.ask("champion", target="demo.load")["version_id"].tolist() == ["demo.load-v2"]
    rows = warehouse.ask("page_audit", action="roll_back", n=10)
    assert sorted(rows["outcome"]) == ["ok", "started"]
    assert rows[["actor", "subject", "reason"]].drop_duplicates().values.tolist() == [
        ["local", "demo.load-v2", "v3 drifts at night"]
    ]
    assert (rows["acted_at"] >= started).all()
    watched.open("audit")
    assert watched.exceptions() == []
    assert watched.problems == []


def test_a_waiting_candidate_is_promoted_with_a_preview_and_a_reason(
    visit: Callable[..., Watched], tmp_path: Path
) -> None:
    warehouse = filler.fill(tmp_path / "w.duckdb", datetime.now(UTC), Story(waiting=True))
    with browser.serving(tmp_path / "w.duckdb", tmp_path / "server.log") as address:
        watched = visit(address, 390, "dark")
        page = watched.open("models")
        page.get_by_role("button", name="Promote demo.load-v4").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_text("common origins").first).to_be_visible()
        expect(dialog.get_by_test_id("stPlotlyChart")).to_be_visible()
        dialog.get_by_label("Type demo.load-v4 to confirm").fill("demo.load-v4")
        dialog.get_by_label("Reason").fill("better in shadow")
        dialog.get_by_text("Issue again at once").click()
        dialog.get_by_role("button", name="Promote", exact=True).click()
        expect(dialog).to_be_hidden()
        expect(page.get_by_test_id("stToast").filter(has_text="demo.load-v4 is the champion")).to_be_visible()
        # Its lineage goes on telling that it once waited.
        expect(page.get_by_role("button", name="Promote demo.load-v4")).to_have_count(0)
        assert watched.problems == []
        assert sideways(page) <= 0
    # Streamlit's warning of what once blanked the page: a callback that draws over its own dialog.
    assert "callback that displays" not in (tmp_path / "server.log").read_text(encoding="utf-8")
    assert warehouse.ask("champion", target="demo.load")["version_id"].tolist() == ["demo.load-v4"]
    assert warehouse.ask("open_runs")[["job", "reason"]].values.tolist() == [["forecast", "better in shadow"]]
    assert set(warehouse.ask("page_audit", action="promote", n=5)["reason"]) == {"better in shadow"}


def test_a_dialog_survives_the_reruns_of_its_page(own: tuple[str, Warehouse], visit: Callable[..., Watched]) -> None:
    address, warehouse = own
    page = visit(address).open("models")
    page.get_by_role("button", name="Retrain", exact=True).click()
    reason = page.get_by_role("dialog").get_by_label("Reason")
    reason.fill("half a sentence")
    warehouse.migrate(datetime.now(UTC))
    with warehouse.write() as session:
        session.upsert("job_runs", session.ask("run_by_id", run_id="train0000001"))
    page.wait_for_timeout(17_000)
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(reason).to_have_value("half a sentence")


def test_a_retrain_ends_in_a_new_version_on_the_page(
    template: Path, tmp_path: Path, visit: Callable[..., Watched]
) -> None:
    shutil.copytree(template, tmp_path / "desk")
    path = tmp_path / "desk" / "warehouse.duckdb"
    warehouse = Warehouse(path, wait_s=20)
    before = len(warehouse.ask("page_versions", target="demo.load", since=datetime.now(UTC), firsts=(), lasts=()))
    with (
        browser.serving(path, tmp_path / "server.log", SEXTANT_CONFIG=str(path.with_name("sextant.toml"))) as address,
        scheduling(path, tmp_path / "scheduler.log"),
    ):
        watched = visit(address)
        page = watched.open("models")
        page.get_by_role("button", name="Retrain", exact=True).click()
        page.get_by_role("dialog").get_by_text("Quick: refit").click()
        page.get_by_role("dialog").get_by_label("Reason").fill("end to end")
        page.get_by_role("dialog").get_by_role("button", name="Retrain", exact=True).click()
        expect(page.get_by_text(re.compile(r"Training run \w+ is (queued|running)")).first).to_be_visible()
        ended = page.get_by_text(re.compile(rf"ended .* with demo\.load-v{before + 1}"))
        expect(ended).to_be_visible(timeout=240_000)
        assert watched.exceptions() == []
    versions = warehouse.ask("page_versions", target="demo.load", since=datetime.now(UTC), firsts=(), lasts=())
    assert len(versions) == before + 1, (tmp_path / "scheduler.log").read_text()
    newest = warehouse.ask("page_training", target="demo.load").iloc[0]
    assert (newest.state, newest.requested_by, newest.version_id) == ("succeeded", "local", f"demo.load-v{before + 1}")
    assert newest.reason == "end to end"
    assert set(warehouse.ask("page_audit", action="retrain", n=5)["reason"]) == {"end to end"}


class scheduling:  # noqa: N801
    """A scheduler over a warehouse, started before and ended after."""

    def __init__(self, path: Path, log: Path) -> None:
        self._path, self._log = path, log

    def __enter__(self) -> None:
        env = browser.environment(self._path, SEXTANT_CONFIG=str(self._path.with_name("sextant.toml")))
        with self._log.open("w") as out:
            self._child = subprocess.Popen(
                [sys.executable, "jobs.py", "schedule"], cwd=ROOT, env=env, stdout=out, stderr=out
            )
        warehouse, deadline = Warehouse(self._path, wait_s=20), time.monotonic() + 60
        while not warehouse.scheduler_alive() and time.monotonic() < deadline:
            time.sleep(0.5)

    def __exit__(self, *_error: object) -> None:
        self._child.terminate()
        self._child.wait(60)
