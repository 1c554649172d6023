"""Each change of an alert is told once on each channel, whatever breaks on the way."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline import alerting
from pipeline.errors import ChannelFailed
from pipeline.notifying import again_at
from pipeline.operations import Operations, Tuning
from pipeline.runner import Runner
from pipeline.settings import ROOT
from tests.conftest import NOW, Desk, ask, desk_in
from tests.servers.receiver import Fault, Receiver, receiving
from tests.telling import attempts, fire, ready, resolve

MINUTE = timedelta(minutes=1)
PATH = "/hooks/very-hidden-path"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving("very-hidden-key") as one:
        yield one


@pytest.fixture
def told(receiver: Receiver, tmp_path: Path) -> Desk:
    """A desk whose one channel beside the log is the receiver, used before: it is not new any more."""
    desk = desk_in(tmp_path, SEXTANT_WEBHOOK_URL=receiver.url + PATH, SEXTANT_WEBHOOK_SECRET=receiver.secret)
    fire(desk, "first")
    resolve(desk, "first")
    desk.done("notify")
    receiver.got.clear()
    return desk


def kinds(receiver: Receiver) -> list[tuple[str, str]]:
    return [(got.json["alert_id"], got.json["kind"]) for got in receiver.got]


def test_firing_and_resolving_are_told_once_each(told: Desk, receiver: Receiver) -> None:
    fire(told, "a")
    told.done("notify")
    told.done("notify")
    told.now += 10 * MINUTE
    resolve(told, "a")
    told.done("notify")
    told.done("notify")
    assert kinds(receiver) == [("a", "fired"), ("a", "resolved")]
    assert all(got.genuine for got in receiver.got)
    assert receiver.got[1].json["message"] == "the next run went well."
    assert [row for row in attempts(told, "log") if row[0] == "a"] == [
        ("a", "fired", 1, "sent"),
        ("a", "resolved", 1, "sent"),
    ]


def test_the_attempt_is_written_before_it_is_made(told: Desk, receiver: Receiver) -> None:
    receiver.faults.append(Fault(hang_s=5))
    fire(told, "a")
    process = started(told, told.settings.channels.webhook_url or "", receiver)
    try:
        assert receiver.arrived.wait(20)
        assert [row for row in attempts(told, "webhook") if row[0] == "a"] == [("a", "fired", 1, "sending")]
    finally:
        receiver.released.set()
        process.communicate(timeout=20)
    assert ("a", "fired", 1, "sent") in attempts(told, "webhook")


def started(desk: Desk, url: str, receiver: Receiver) -> subprocess.Popen[bytes]:
    """A real `jobs.py run notify` at the desk's moment."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("SEXTANT_", "ESIOS_"))}
    env |= {"SEXTANT_WAREHOUSE": str(desk.settings.warehouse), "SEXTANT_CONFIG": str(desk.settings.config)}
    env |= {"SEXTANT_WEBHOOK_URL": url, "SEXTANT_WEBHOOK_SECRET": receiver.secret}
    receiver.arrived.clear()
    command = [sys.executable, str(ROOT / "jobs.py"), "--now", desk.now.isoformat(), "run", "notify"]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_killed_while_sending_it_is_tried_once_more_with_the_same_key(told: Desk, receiver: Receiver) -> None:
    receiver.faults.append(Fault(hang_s=30))
    fire(told, "a")
    with started(told, told.settings.channels.webhook_url or "", receiver) as process:
        assert receiver.arrived.wait(20)
        process.kill()
        process.communicate(timeout=20)
    receiver.released.set()
    told.runner().sweep()
    told.now += 3 * MINUTE
    told.done("notify")
    assert len(receiver.got) == 1, "within five minutes the attempt may still be alive"
    told.now += 3 * MINUTE
    assert ready(told)
    for _ in range(3):
        told.done("notify")
        told.now += 10 * MINUTE
    assert [got.key for got in receiver.got] == ["a-fired", "a-fired"]
    assert [row for row in attempts(told, "webhook") if row[0] == "a"] == [
        ("a", "fired", 1, "failed"),
        ("a", "fired", 2, "sent"),
    ]
    silent = ask(told, "SELECT error FROM notifications WHERE state = 'failed' AND channel = 'webhook'").error
    assert list(silent.str.startswith("no word from the attempt")) == [True]


def test_failures_are_tried_again_ever_later_and_given_up(told: Desk, receiver: Receiver) -> None:
    fire(told, "a")
    alerting.act(told.warehouse, "a", kind="acknowledge", actor="eva", reason="I look at it", now=told.now)
    minutes = []
    for minute in (0, 1, 2, 3, 6, 7, 14, 15, 30, 31, 60, 61, 90, 91, 121, 151, 181):
        before = len(receiver.got)
        receiver.faults[:] = [Fault(500)]
        told.now = NOW + minute * MINUTE
        if ready(told):
            told.done("notify")
        if len(receiver.got) > before:
            minutes.append(minute)
    assert minutes == [0, 1, 3, 7, 15, 31, 61, 91]
    assert len({got.key for got in receiver.got}) == 1
    newest = ask(told, "SELECT * FROM notifications WHERE alert_id = 'a' AND channel = 'webhook' AND attempt = 8")
    assert newest.state.iloc[0] == "failed"
    assert newest.again_at.isna().iloc[0]
    assert newest.error.iloc[0] == "webhook: 127.0.0.1 answered 500; it is tried again."


def test_a_final_refusal_is_not_tried_again(told: Desk, receiver: Receiver) -> None:
    receiver.faults.append(Fault(404))
    fire(told, "a")
    row = told.done("notify")
    told.now += 60 * MINUTE
    told.done("notify")
    assert len(receiver.got) == 1
    assert "1 of 2 notices told on log, webhook. webhook: 127.0.0.1 answered 404" in row["log"]


def test_a_server_that_asks_for_time_gets_it() -> None:
    asked = ChannelFailed("later", retry_after_s=1500)
    assert again_at(1, asked, NOW) == NOW + timedelta(seconds=1500)
    assert again_at(1, ChannelFailed("later", retry_after_s=10), NOW) == NOW + MINUTE
    assert again_at(7, ChannelFailed("later"), NOW) == NOW + 30 * MINUTE
    assert again_at(8, ChannelFailed("later"), NOW) is None
    assert again_at(1, ChannelFailed("never", again=False), NOW) is None


def test_what_resolved_before_it_was_told_is_told_once_with_both_times(told: Desk, receiver: Receiver) -> None:
    receiver.faults.append(Fault(503))
    fire(told, "a")
    told.done("notify")
    told.now += 10 * MINUTE
    resolve(told, "a")
    for _ in range(3):
        told.done("notify")
        told.now += 10 * MINUTE
    assert kinds(receiver) == [("a", "fired"), ("a", "resolved")]
    news = receiver.got[1].json
    assert news["message"] == "a failed three times; see its log. Good again: the next run went well."
    assert (news["since"], news["resolved_at"]) == ("2026-11-20T10:18:00+00:00", "2026-11-20T10:30:00+00:00")


def test_a_new_channel_hears_what_is_open_or_fresh_only(receiver: Receiver, tmp_path: Path) -> None:
    desk = desk_in(tmp_path)
    for name, hours in (("old", 9), ("fresh", 0.5), ("open", 9)):
        fire(desk, name, at=desk.now - timedelta(hours=hours))
    for name in ("old", "fresh"):
        resolve(desk, name, at=desk.now - 10 * MINUTE)
    later = desk_in(tmp_path, SEXTANT_WEBHOOK_URL=receiver.url, SEXTANT_WEBHOOK_SECRET=receiver.secret)
    for _ in range(2):
        later.done("notify")
    later.now += MINUTE
    resolve(later, "open")
    later.done("notify")
    assert [kind for kind in kinds(receiver) if kind[1] != "escalated"] == [
        ("open", "fired"),
        ("fresh", "resolved"),
        ("open", "resolved"),
    ]


def test_what_fires_and_resolves_in_maintenance_is_not_told(told: Desk, receiver: Receiver) -> None:
    fire(told, "known")
    told.done("notify")
    fire(told, "a")
    fire(told, "b")
    first, last = told.now - MINUTE, told.now + 30 * MINUTE
    alerting.declare(
        told.warehouse, rule="*", subject="*", first=first, last=last, reason="new disk", actor="eva", now=told.now
    )
    told.done("notify")
    told.now += 10 * MINUTE
    resolve(told, "a")
    resolve(told, "known")
    told.done("notify")
    assert kinds(receiver) == [("known", "fired"), ("known", "resolved")]
    told.now += 21 * MINUTE
    told.done("notify")
    assert kinds(receiver)[2:] == [("b", "fired")]


def test_very_many_at_once_become_one_message(told: Desk, receiver: Receiver) -> None:
    receiver.faults.append(Fault(500))
    for n in range(15):
        fire(told, f"a{n:02}", severity="critical" if n == 7 else "info")
    told.done("notify")
    told.now += 10 * MINUTE
    fire(told, "z")
    told.done("notify")
    first, second, new = receiver.got
    assert first.key == second.key, "what went in one message goes in one again, whatever came since"
    assert new.key == "z-fired"
    assert second.json["kind"] == "summary"
    assert second.json["severity"] == "critical"
    assert [part["alert_id"] for part in second.json["parts"]] == [f"a{n:02}" for n in range(15)]
    sent = [row for row in attempts(told, "webhook") if row[3] == "sent" and row[0].startswith("a")]
    assert sent == [(f"a{n:02}", "fired", 2, "sent") for n in range(15)]


def test_a_channel_hears_its_least_severity_and_what_nobody_took(told: Desk, receiver: Receiver) -> None:
    operations = Operations(channels={"webhook": "critical"}, alerts={"job_failed": Tuning(escalate=60 * MINUTE)})
    fire(told, "quiet", severity="warning")
    fire(told, "loud", severity="critical")
    fire(told, "taken", severity="warning")
    alerting.act(told.warehouse, "taken", kind="acknowledge", actor="eva", reason="I look at it", now=told.now)

    def run() -> None:
        assert Runner(told.settings, told.markets, told.warehouse, lambda: told.now, operations).run(
            told.jobs["notify"], by="test"
        )["state"] in ("succeeded", "skipped")

    run()
    assert kinds(receiver) == [("loud", "fired")]
    told.now += 70 * MINUTE
    fire(told, "late", severity="critical", at=NOW)
    assert ready(told)
    run()
    assert sorted(kinds(receiver)[1:]) == [("late", "fired"), ("loud", "escalated"), ("quiet", "escalated")]
    run()
    run()
    assert kinds(receiver)[4:] == [("late", "escalated")], "nobody can answer what was not told"
    assert {got.json["severity"] for got in receiver.got} == {"critical"}
    for name in ("quiet", "taken"):
        resolve(told, name)
    run()
    assert kinds(receiver)[5:] == [("quiet", "resolved")], "who was told must hear the end of it, nobody else"


def test_a_channel_that_hangs_or_is_refused_keeps_no_other_waiting(told: Desk, receiver: Receiver) -> None:
    receiver.faults += [Fault(500)] * 5
    for n in range(5):
        fire(told, f"a{n}")
    told.done("notify")
    assert len(receiver.got) == 2, "a channel that fails twice in a row is left until the next run"
    assert len([row for row in attempts(told, "log") if row[0] != "first"]) == 5


def test_there_is_work_only_when_something_may_wait(told: Desk) -> None:
    told.now += 11 * MINUTE
    told.done("notify")
    assert not ready(told)
    fire(told, "a")
    assert ready(told)
    told.done("notify")
    alerting.act(told.warehouse, "a", kind="acknowledge", actor="eva", reason="I look at it", now=told.now)
    told.now += 11 * MINUTE
    told.done("notify")
    assert not ready(told)
    resolve(told, "a")
    assert ready(told)


def test_without_channels_the_log_is_told(desk: Desk) -> None:
    fire(desk, "a")
    row = desk.done("notify")
    assert attempts(desk, "log") == [("a", "fired", 1, "sent")]
    assert "subject of a. a failed three times" in row["log"]


def test_nothing_secret_is_told_or_kept(told: Desk, receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    hidden = [told.settings.channels.webhook_url or "", "very-hidden-key", PATH]
    receiver.faults += [Fault(500), Fault(reset=True)]
    fire(told, "a", message=f"asked {hidden[0]} with very-hidden-key in vain")
    for _ in range(3):
        told.done("notify")
        told.now += 10 * MINUTE
    assert receiver.got[-1].json["message"] == "asked *** with *** in vain"
    kept = [
        ask(told, f"SELECT CAST(t AS VARCHAR) AS row FROM {table} t").row for table in ("notifications", "job_runs")
    ]
    seen = [caplog.text, *(got.body.decode() for got in receiver.got), *(row for rows in kept for row in rows)]
    assert not [text for text in seen for word in hidden if word in text]
