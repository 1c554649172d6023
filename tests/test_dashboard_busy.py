"""While a writer keeps the lock a page waits once, shows the last known answers and says so."""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from dashboard import data, patience
from dashboard.data import Desk
from pipeline.errors import Busy, Held
from pipeline.locks import Locks
from pipeline.warehouse import Warehouse
from tests import filler
from tests.dashboards import NOW, seated


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    filler.fill(tmp_path / "w.duckdb", NOW)
    with seated(tmp_path / "w.duckdb", monkeypatch) as made:
        yield made


def test_a_busy_warehouse_gives_the_last_known_answer_and_says_so(desk: Desk) -> None:
    known = desk.ask("page_alert_acts", alert_id="al-job")
    assert not desk.late()
    desk.warehouse = Warehouse(desk.warehouse.path, wait_s=0.05)
    with _Writer(desk.warehouse.path):
        desk.warehouse.path.touch()
        assert desk.ask("page_alert_acts", alert_id="al-job") is known
        with pytest.raises(Busy):
            desk.ask("page_alert_acts", alert_id="other")
    assert desk.late()


def test_a_page_waits_once_for_a_writer(desk: Desk) -> None:
    desk.ask("page_alert_acts", alert_id="al-job")
    desk.warehouse = Warehouse(desk.warehouse.path, wait_s=30)
    with _Writer(desk.warehouse.path):
        desk.warehouse.path.touch()
        page, began = desk.seated(), time.monotonic()
        for _ in range(20):
            page.ask("page_alert_acts", alert_id="al-job")
        assert patience.KNOWN_S <= time.monotonic() - began < 2 * patience.KNOWN_S
        for n in range(20):
            with pytest.raises(Busy):
                page.ask("page_alert_acts", alert_id=str(n))
        assert patience.WHOLE_S <= time.monotonic() - began < patience.WHOLE_S + 1
        assert page.outdated()
    assert not desk.seated().late()


def test_a_page_does_not_try_again_what_an_outsider_holds(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[float | None] = []

    def read(wait_s: float | None) -> None:
        tries.append(wait_s)
        raise Held("open elsewhere")

    monkeypatch.setattr(desk.warehouse, "read", read)
    page = desk.seated()
    for _ in range(5):
        with pytest.raises(Held):
            page.ask("page_going")
    assert tries == [patience.WHOLE_S]


def test_questions_about_now_have_a_last_answer_for_an_hour_and_no_others_do(desk: Desk) -> None:
    market, issue = desk.markets["demo"], desk.ask("page_issue", target="demo.load", due=NOW)
    looked = data.look(desk, market, NOW)
    desk.ask("page_hour", target="demo.load", hour=NOW.replace(minute=0), due=NOW)
    desk.warehouse = Warehouse(desk.warehouse.path, wait_s=0.05)
    with _Writer(desk.warehouse.path):
        page = desk.seated()
        assert data.look(page, market, NOW + timedelta(minutes=1)) is looked
        assert page.ask("page_issue", target="demo.load", due=NOW + timedelta(hours=1)) is issue
        assert page.late()
        for query, asked in (
            ("page_issue", {"target": "demo.load", "due": NOW + timedelta(hours=2)}),
            ("page_issue", {"target": "demo.load", "due": NOW - timedelta(hours=1)}),
            ("page_issue", {"target": "other", "due": NOW + timedelta(hours=1)}),
            ("page_hour", {"target": "demo.load", "hour": NOW, "due": NOW}),
        ):
            with pytest.raises(Busy):
                page.ask(query, **asked)


class _Writer:
    """Holds the exclusive lock from another thread."""

    def __init__(self, path: Path) -> None:
        self._locks, self._held, self._done = Locks(path, wait_s=5), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._hold)

    def _hold(self) -> None:
        with self._locks.exclusive():
            self._held.set()
            self._done.wait(20)

    def __enter__(self) -> None:
        self._thread.start()
        self._held.wait(5)

    def __exit__(self, *_error: object) -> None:
        self._done.set()
        self._thread.join()
