"""A page asks for itself again when what it shows changed, and stands still in a hidden tab and when looking back."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import streamlit as st
from playwright.sync_api import Page, WebSocketRoute, expect, sync_playwright
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState

from dashboard import live
from dashboard.data import Desk, freshness
from dashboard.figures import palette
from dashboard.identity import User
from dashboard.ui import Frame
from pipeline.asof import Moment
from pipeline.warehouse import Warehouse
from tests import browser, filler
from tests.browser import Watched, serving
from tests.dashboards import NOW, beat, opened, seated


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    filler.fill(tmp_path / "w.duckdb", NOW)
    with seated(tmp_path / "w.duckdb", monkeypatch) as made:
        yield made


@contextmanager
def seat(desk: Desk) -> Iterator[Frame]:
    sat = desk.seated()
    target = sat.targets["demo.load"]
    fresh = freshness(sat, target, NOW)
    yield Frame(sat, target, fresh, User("local", "viewer"), NOW, target.zone, palette.of("light"))


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


@pytest.mark.parametrize(
    ("widgets", "alone"),
    [
        ({"$$X_$$ID-35-watcher__events": True}, True),
        ({"$$X_$$ID-35-beat train0000003__events": True, "$$ID-9-target": False}, True),
        ({"$$X_$$ID-35-keys__events": True}, False),
        ({"$$X_$$ID-35-watcher__events": True, "$$X_$$ID-35-keys__events": True}, False),
        ({"$$ID-9-target": False}, False),
        ({}, False),
    ],
)
def test_what_a_page_asks_by_itself_is_told_from_what_somebody_did(widgets: dict[str, bool], alone: bool) -> None:
    asked = ClientState()
    for name, event in widgets.items():
        state = asked.widget_states.widgets.add(id=name)
        if event:
            state.json_trigger_value = "[]"
        else:
            state.string_value = "Price"
    assert live.by_itself(asked) == alone
    assert live.by_itself(ClientState(is_auto_rerun=True))


def told(page: str, *names: str) -> ClientState:
    asked = ClientState(page_script_hash=page)
    for name in names:
        asked.widget_states.widgets.add(id=name).json_trigger_value = "[]"
    return asked


def test_what_a_page_told_while_it_was_left_is_not_asked_again() -> None:
    visit, tick = live.Visit(), "$$X_$$ID-35-watcher__events"
    assert not visit.over(told("models"), 100)
    assert not visit.over(told("models", tick), 120)
    assert not visit.over(told("data"), 130)
    assert visit.over(told("models", tick), 130.1)
    assert not visit.over(told("data", tick), 130.2)
    assert not visit.over(told("data", "$$ID-9-button"), 134)
    assert visit.over(told("models", tick), 134.9)
    # A key may lead to a page whose name the browser has not sent by hand.
    assert not visit.over(told("jobs", tick), 135.1)


def test_in_the_present_the_header_asks_the_same_all_minute_long(desk: Desk) -> None:
    opened()
    asked = len(desk._memory)
    desk.clock = lambda: NOW - timedelta(seconds=20)
    opened()
    desk.clock = lambda: NOW - timedelta(seconds=10)
    minute = len(desk._memory)
    opened()
    assert asked < len(desk._memory) == minute


def test_what_is_made_of_answers_is_made_once_until_they_change(desk: Desk) -> None:
    made: list[str] = []
    with seat(desk) as frame:
        frame.ask("page_issue", target="demo.load", due=NOW)
        for _ in range(2):
            frame.made("words", lambda: made.append("words"), 7)
        frame.made("words", lambda: made.append("others"), 8)
    issue(desk.warehouse)
    with seat(desk) as frame:
        frame.ask("page_issue", target="demo.load", due=NOW)
        frame.made("words", lambda: made.append("again"), 7)
    assert made == ["words", "others", "again"]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Page, str, Path]]:
    folder = tmp_path_factory.mktemp("live")
    filler.fill(folder / "w.duckdb", NOW, filler.Story(busy=True))
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
def test_a_run_is_followed_while_it_can_be_seen(shown: tuple[Page, str, Path]) -> None:
    page = shown[0].context.new_page()
    beats: list[str] = []

    def heard(frame: bytes | str) -> None:
        asked = BackMsg.FromString(frame if isinstance(frame, bytes) else frame.encode()).rerun_script
        beats.extend(one.id for one in asked.widget_states.widgets if "-beat " in one.id)

    page.on("websocket", lambda socket: socket.on("framesent", heard))
    page.clock.install()
    watched = Watched(page, shown[1])
    watched.open("jobs")
    page.get_by_text("Running for").first.wait_for()
    page.evaluate("Object.defineProperty(document, 'visibilityState', {value: 'hidden', configurable: true})")
    page.clock.run_for(1_000)
    watched.settle()
    beats.clear()
    page.clock.run_for(20_000)
    assert beats == []
    page.evaluate("Object.defineProperty(document, 'visibilityState', {value: 'visible', configurable: true})")
    for _ in range(30):
        page.clock.run_for(1_000)
        if beats:
            break
    watched.settle()
    assert beats
    assert watched.exceptions() == []
    assert watched.problems == []
    page.close()


@pytest.mark.browser
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


@pytest.mark.browser
def test_a_page_that_tells_something_while_it_is_left_leaves_no_empty_page(shown: tuple[Page, str, Path]) -> None:
    page = shown[0].context.new_page()
    ticks: list[bytes] = []

    def between(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def passed(frame: bytes | str) -> None:
            assert isinstance(frame, bytes)
            server.send(frame)
            asked = BackMsg.FromString(frame).rerun_script
            if any("-watcher" in one.id and one.HasField("json_trigger_value") for one in asked.widget_states.widgets):
                ticks.append(frame)
            elif ticks and asked.page_script_hash != BackMsg.FromString(ticks[0]).rerun_script.page_script_hash:
                for _ in range(3):
                    server.send(ticks[0])

        socket.on_message(passed)

    page.route_web_socket("**/_stcore/stream*", between)
    watched = Watched(page, shown[1])
    watched.open("models")
    page.emulate_media(color_scheme="dark")
    while not ticks:
        page.wait_for_timeout(100)
    watched.settle()
    watched.go("jobs")
    page.wait_for_timeout(1_000)
    expect(page.get_by_test_id("stMain").get_by_text("Runs").first).to_be_visible(timeout=10_000)
