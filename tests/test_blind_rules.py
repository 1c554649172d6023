"""A rule with a bug silences no other, and a watchman elsewhere hears that alerting is not well."""

import argparse
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from threading import Event

import pytest

from pipeline import judging, pinging
from pipeline.attaching import DatabaseError
from pipeline.commands import base, schedule
from pipeline.errors import WarehouseError
from pipeline.rules.base import Bad, Rule, View
from tests.alarms import script
from tests.conftest import Desk, ask
from tests.servers.receiver import receiving

MINUTE = timedelta(minutes=1)


class Rules:
    """Two rules: one that finds `bad`, and one that raises `error` if there is one."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.bad = [Bad("ingest", "ingest failed.", None)]

    def broken(self, _view: View, _limit: float) -> Iterator[Bad]:
        yield Bad("disk", "it is full.", None)
        if self.error is not None:
            raise self.error

    def known(self) -> dict[str, Rule]:
        sound = Rule("sound", "Sound", "warning", lambda _view, _limit: self.bad, limit=0, unit="")
        return {"broken": replace(sound, name="broken", check=self.broken), "sound": sound}


@pytest.fixture
def rules(monkeypatch: pytest.MonkeyPatch) -> Rules:
    made = Rules()
    monkeypatch.setattr(judging, "rules", made.known)
    return made


@pytest.mark.parametrize(
    ("error", "failure"),
    [(KeyError("x"), "bug"), (OSError("no such mount"), "bug"), (DatabaseError("binder"), "bug"),
     (ZeroDivisionError(), "bug"), (TypeError("None"), "bug"), (WarehouseError("the table is gone."), "refused")],
    ids=lambda one: one if isinstance(one, str) else type(one).__name__,
)  # fmt: skip
def test_a_rule_that_raises_keeps_its_alerts_and_lets_the_others_be_judged(
    desk: Desk, rules: Rules, caplog: pytest.LogCaptureFixture, error: Exception, failure: str
) -> None:
    rules.bad = []
    desk.done("alert")
    rules.error, rules.bad = error, [Bad("ingest", "ingest failed.", None)]
    desk.now += 5 * MINUTE
    with caplog.at_level(logging.ERROR):
        row = desk.run("alert")
    assert (row["state"], row["failure"], row["rows_out"]) == ("failed", failure, 1)
    assert "rule broken could not look, its alerts stay as they are" in row["error"]
    assert ("Traceback" in caplog.text) == (failure == "bug")
    open_alerts = ask(desk, "SELECT rule, resolved_at FROM alerts ORDER BY rule")
    assert open_alerts.rule.tolist() == ["broken", "sound"]
    assert open_alerts.resolved_at.isna().all()


def test_the_watchman_hears_when_alerts_are_not_judged(desk: Desk, rules: Rules) -> None:
    assert "never was judged" in pinging.unjudged(desk.warehouse, desk.now)
    desk.done("alert")
    assert pinging.unjudged(desk.warehouse, desk.now + 30 * MINUTE) == ""
    late = pinging.unjudged(desk.warehouse, desk.now + 31 * MINUTE)
    assert late == "the alert job does not run: what is good or bad was last judged at 20 Nov 10:20Z"
    desk.now += 5 * MINUTE
    rules.error = KeyError("x")
    desk.run("alert")
    failed = pinging.unjudged(desk.warehouse, desk.now)
    assert failed.startswith("alert failed at 20 Nov 10:25Z: rule broken could not look")
    desk.now += 5 * MINUTE
    rules.error = None
    desk.done("alert")
    assert pinging.unjudged(desk.warehouse, desk.now) == ""


def test_a_scheduler_that_has_just_begun_is_given_time_to_judge(desk: Desk) -> None:
    script(
        desk,
        "INSERT INTO scheduler_terms BY NAME SELECT 't' AS term_id, 'h' AS host, 1 AS pid, 1.0 AS born, "
        "$now::TIMESTAMPTZ AS started_at, $now::TIMESTAMPTZ AS heartbeat_at",
        now=desk.now,
    )
    assert pinging.unjudged(desk.warehouse, desk.now + 30 * MINUTE) == ""
    assert "never was judged" in pinging.unjudged(desk.warehouse, desk.now + 31 * MINUTE)


class Led:
    """A scheduler whose duties are done once, in turn."""

    trouble = ""

    def __init__(self, _runner: object, _jobs: object, *, duties: list[tuple[int, Callable[[], None]]], **_: object):
        self.serve = lambda **_: duties[0][1]()


def test_the_scheduler_passes_it_on(desk: Desk, rules: Rules, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "Scheduler", Led)
    monkeypatch.setattr(schedule, "stop_flag", Event)
    monkeypatch.setattr(pinging, "_last", {})
    rules.error = KeyError("x")
    desk.run("alert")
    with receiving() as receiver:
        monkeypatch.setenv("SEXTANT_HEARTBEAT_URL", f"{receiver.url}/ping")
        monkeypatch.setenv("SEXTANT_WAREHOUSE", str(desk.warehouse.path))
        options = argparse.Namespace(now=desk.now, no_wait=True)
        schedule.run(base.Desk(options), options)
    assert [got.path for got in receiver.got] == ["/ping/fail"]
    assert b"rule broken could not look" in receiver.got[0].body
