"""The dead man's switch: a ping a minute, a failing one when something is wrong, and never an error."""

import pytest

from pipeline import pinging
from pipeline.settings import Settings
from tests.servers.receiver import Fault, receiving


class Minutes:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pinging, "_last", {})


def test_well_and_ill_are_told_apart_by_the_address() -> None:
    with receiving() as receiver:
        settings = Settings.load({"SEXTANT_HEARTBEAT_URL": f"{receiver.url}/ping/5d1f?run=1"})
        clock = Minutes()
        assert pinging.ping(settings, ok=True, note="all is well", clock=clock) == "heartbeat sent."
        clock.now += 60
        assert pinging.ping(settings, ok=False, note="2 alerts", clock=clock) == "heartbeat sent as failing."
    assert [got.path for got in receiver.got] == ["/ping/5d1f?run=1", "/ping/5d1f/fail?run=1"]
    assert [got.body for got in receiver.got] == [b"all is well", b"2 alerts"]


def test_at_most_one_ping_a_minute() -> None:
    with receiving() as receiver:
        settings = Settings.load({"SEXTANT_HEARTBEAT_URL": f"{receiver.url}/ping"})
        clock = Minutes()
        for _ in range(5):
            pinging.ping(settings, ok=True, clock=clock)
            clock.now += 30
    assert len(receiver.got) == 3


def test_nothing_is_pinged_without_an_address() -> None:
    assert "SEXTANT_HEARTBEAT_URL" in pinging.ping(Settings.load({}), ok=True)


@pytest.mark.parametrize("fault", [Fault(500), Fault(404), Fault(reset=True), Fault(302, {"Location": "/x"})])
def test_trouble_is_a_sentence_without_the_address(fault: Fault) -> None:
    with receiving() as receiver:
        receiver.faults.append(fault)
        settings = Settings.load({"SEXTANT_HEARTBEAT_URL": f"{receiver.url}/secret-check-id"})
        said = pinging.ping(settings, ok=True, clock=Minutes())
    assert said.startswith("heartbeat: 127.0.0.1 ")
    assert "secret" not in said


def test_a_watchman_that_hangs_holds_up_nobody_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pinging, "TIMEOUT_S", 0.2)
    with receiving() as receiver:
        receiver.faults.append(Fault(hang_s=20))
        settings = Settings.load({"SEXTANT_HEARTBEAT_URL": f"{receiver.url}/ping"})
        assert "did not answer within 0.2 s" in pinging.ping(settings, ok=True, clock=Minutes())
