"""A page asks for itself again when what it shows changed, and stands still in a hidden tab and when looking back."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import streamlit as st
from playwright.sync_api import Page, sync_playwright

from dashboard import live
from dashboard.data import Desk
from pipeline.asof import Moment
from pipeline.warehouse import Warehouse
from tests import browser, filler
from tests.browser import Watched, serving
from tests.dashboards import NOW, opened, seated

RUN = "train0000003"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    filler.fill(tmp_path / "w.duckdb", NOW)
    with seated(tmp_path / "w.duckdb", monkeypatch) as made:
        yield made


def beat(desk: Desk) -> None:
    with desk.warehouse.write() as session:
        session.upsert("job_runs", session.ask("run_by_id", run_id=RUN))


def issue(warehouse: Warehouse) -> None:
    with warehouse.write() as session:
        session._cursor.execute("UPDATE predictions SET p50 = p50 + 100")


def test_a_page_is_drawn_again_for_what_it_shows_and_not_for_a_heartbeat(desk: Desk) -> None:
    page = desk.seated()
    page.ask("page_issue", target="demo.load", due=NOW)
    minute = live._minute(page)
    beat(desk)
    assert not live.changed(page, minute)
    issue(desk.warehouse)
    assert live.changed(page, minute)


def test_a_page_is_drawn_again_when_the_minute_is_over(desk: Desk) -> None:
    page = desk.seated()
    minute = live._minute(page)
    assert not live.changed(page, minute)
    page.clock = lambda: NOW + timedelta(minutes=1)
    assert live.changed(page, minute)


def test_a_page_that_looks_back_and_one_with_an_open_dialog_stand_still(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = replace(desk.seated(), then=Moment(NOW))
    assert not live.changed(page, "another minute")
    monkeypatch.setattr(st, "session_state", {"dialog": {"name": "retrain"}})
    assert not live.changed(desk.seated(), "another minute")
    monkeypatch.setattr(st, "session_state", {})
    assert live.changed(desk.seated(), "another minute")


def test_a_second_run_shows_the_new_issue_and_asks_nothing_twice(desk: Desk) -> None:
    app = opened()
    before = [one.value for one in app.metric]
    asked = len(desk._memory)
    assert [one.value for one in app.run().metric] == before
    assert len(desk._memory) == asked
    issue(desk.warehouse)
    assert [one.value for one in app.run().metric] != before


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Page, str, Path]]:
    folder = tmp_path_factory.mktemp("live")
    filler.fill(folder / "w.duckdb", NOW)
    clock = folder / "clock.json"
    clock.write_text(json.dumps({"real": 0, "simulated": NOW.isoformat(), "rate": 0}), encoding="utf-8")
    with (
        serving(folder / "w.duckdb", folder / "log", SEXTANT_CLOCK=str(clock)) as address,
        sync_playwright() as playwright,
    ):
        chromium = browser.launch(playwright)
        yield chromium.new_context().new_page(), address, folder
        chromium.close()


@pytest.mark.browser
@pytest.mark.xdist_group("browser")
def test_a_hidden_tab_asks_nothing_and_is_current_as_soon_as_it_is_seen(shown: tuple[Page, str, Path]) -> None:
    page, address, folder = shown
    sent: list[bytes | str] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    page.clock.install()
    watched = Watched(page, address)
    watched.open("")
    value = page.get_by_test_id("stMetricValue").first
    before = value.inner_text()

    page.evaluate("Object.defineProperty(document, 'visibilityState', {value: 'hidden', configurable: true})")
    sent.clear()
    page.clock.run_for(20_000)
    issue(Warehouse(folder / "w.duckdb"))
    page.clock.run_for(40_000)
    assert not [one for one in sent if b"tick" in (one if isinstance(one, bytes) else one.encode())]
    assert value.inner_text() == before

    page.evaluate("Object.defineProperty(document, 'visibilityState', {value: 'visible', configurable: true})")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.clock.resume()
    page.wait_for_function("old => document.querySelector('[data-testid=stMetricValue]').innerText !== old", arg=before)
    assert watched.problems == []


@pytest.mark.browser
@pytest.mark.xdist_group("browser")
def test_keys_work_outside_of_fields_only(shown: tuple[Page, str, Path]) -> None:
    _, address, _ = shown
    page = shown[0].context.new_page()
    watched = Watched(page, address)
    watched.open("audit")
    page.locator('html[data-keys="on"]').wait_for(state="attached")
    page.keyboard.press("?")
    page.get_by_text("Keys are on").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("j")
    page.wait_for_url("**/jobs**")
    watched.settle()
    page.locator("body").evaluate("it => it.append(document.createElement('input'))")
    page.locator("body > input").focus()
    page.keyboard.type("gu")
    assert page.locator("body > input").input_value() == "gu"
    page.wait_for_timeout(500)
    assert "/jobs" in page.url
    assert watched.exceptions() == []
    assert watched.problems == []
