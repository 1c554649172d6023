"""What people do about alerts: acknowledge, snooze, wake, maintenance, and what happens when nobody does anything."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta

import pytest

from pipeline import alerting, judging
from pipeline.errors import ActRefused
from pipeline.operations import Operations, Tuning
from pipeline.rules.base import Bad, Rule
from pipeline.settings import ROOT
from tests.alarms import judged, tuned, view_of, words
from tests.conftest import Desk, ask

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def known(*subjects: str, event: str | None = None, since: object = None) -> dict[str, Rule]:
    """The real rule job_late, finding these subjects."""
    bad = [Bad(subject, "bad.", since, event=event, over=event is not None) for subject in subjects]  # type: ignore[arg-type]
    return {"job_late": Rule("job_late", "Late", "warning", lambda _view, _limit: bad, limit=0, unit="")}


def fire(desk: Desk, subject: str = "ingest") -> str:
    judged(desk, known(subject))
    return str(ask(desk, "SELECT alert_id FROM alerts ORDER BY flipped_at DESC").alert_id[0])


def act(desk: Desk, alert_id: str, kind: str, **more: object) -> str:
    words = {"actor": "ada", "reason": "on it", "now": desk.now} | more
    return alerting.act(desk.warehouse, alert_id, kind=kind, **words)  # type: ignore[arg-type]


def escalated(desk: Desk, operations: Operations | None = None) -> list[str]:
    with desk.warehouse.read() as session:
        return alerting.escalations(session, operations or Operations(), desk.now)


def test_an_act_is_a_row_and_the_newest_one_counts(desk: Desk) -> None:
    alert_id = fire(desk)
    act(desk, alert_id, "snooze", until=desk.now + HOUR)
    desk.now -= 30 * MINUTE  # the clock is set back
    act(desk, alert_id, "acknowledge", actor="bo", reason="mine")
    (row,) = ask(desk, "SELECT act, actor, act_reason, until FROM alerts").to_dict("records")
    assert (row["act"], row["actor"], row["act_reason"]) == ("acknowledge", "bo", "mine")
    assert str(row["until"]) == "NaT"
    assert desk.rows("alert_acts") == 2


def test_a_double_click_acts_once(desk: Desk) -> None:
    alert_id = fire(desk)
    assert act(desk, alert_id, "acknowledge") == act(desk, alert_id, "acknowledge")
    assert desk.rows("alert_acts") == 1


@pytest.mark.parametrize(
    ("kind", "more", "words"),
    [
        ("acknowledge", {"reason": " "}, "a reason is missing"),
        ("forget", {}, "acknowledge, snooze or wake"),
        ("snooze", {}, "a snooze needs an end"),
        ("acknowledge", {"until": timedelta(hours=1)}, "only a snooze has one"),
        ("snooze", {"until": timedelta(hours=-1)}, "a snooze needs an end"),
        ("snooze", {"until": timedelta(days=365)}, "within the next 30 days"),
        ("wake", {}, "nothing to wake"),
    ],
)
def test_an_act_that_makes_no_sense_is_refused_in_words(
    desk: Desk, kind: str, more: dict[str, object], words: str
) -> None:
    alert_id = fire(desk)
    more = {key: desk.now + value if isinstance(value, timedelta) else value for key, value in more.items()}
    with pytest.raises(ActRefused, match=words):
        act(desk, alert_id, kind, **more)
    assert desk.rows("alert_acts") == 0


def test_unknown_and_resolved_alerts_are_refused(desk: Desk) -> None:
    alert_id = fire(desk)
    judged(desk, known())
    with pytest.raises(ActRefused, match=r"job_late of ingest was resolved at 20 Nov 10:20Z"):
        act(desk, alert_id, "acknowledge")
    with pytest.raises(ActRefused, match="there is no alert 'nope'"):
        act(desk, "nope", "acknowledge")


def test_what_nobody_takes_is_escalated_after_its_time(desk: Desk) -> None:
    alert_id = fire(desk)
    operations = tuned(job_late=Tuning(escalate=HOUR))
    desk.now += 59 * MINUTE
    assert escalated(desk, operations) == []
    desk.now += MINUTE
    assert escalated(desk, operations) == [alert_id]
    act(desk, alert_id, "acknowledge")
    assert escalated(desk, operations) == []
    act(desk, alert_id, "wake", reason="not solved")
    assert escalated(desk, operations) == []
    desk.now += HOUR + MINUTE
    assert escalated(desk, operations) == [alert_id]


def test_a_snooze_holds_until_it_is_over_and_counts_from_there(desk: Desk) -> None:
    alert_id = fire(desk)
    operations = tuned(job_late=Tuning(escalate=HOUR))
    act(desk, alert_id, "snooze", until=desk.now + 4 * HOUR)
    desk.now += 4 * HOUR + 59 * MINUTE
    assert escalated(desk, operations) == []
    desk.now += MINUTE
    assert escalated(desk, operations) == [alert_id]


def test_a_resolved_alert_is_not_escalated(desk: Desk) -> None:
    fire(desk)
    judged(desk, known())
    desk.now += 24 * HOUR
    assert escalated(desk) == []


def declare(desk: Desk, rule: str = "job_late", subject: str = "ingest", **more: object) -> str:
    told = {"first": desk.now, "last": desk.now + HOUR, "reason": "new meters", "actor": "ada", "now": desk.now} | more
    return alerting.declare(desk.warehouse, rule=rule, subject=subject, **told)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rule", "subject", "silent"),
    [("*", "*", {"es.load", "es.price", "ingest"}), ("job_late", "es.", {"es.load", "es.price"}),
     ("job_late", "es.load", {"es.load"}), ("job_failed", "*", set())],
)  # fmt: skip
def test_maintenance_silences_what_it_names_until_it_ends(
    desk: Desk, rule: str, subject: str, silent: set[str]
) -> None:
    declare(desk, rule, subject)
    bad = known("es.load", "es.price", "ingest")
    assert {flip.subject for flip in judged(desk, bad)} == {"es.load", "es.price", "ingest"} - silent
    desk.now += HOUR - MINUTE
    assert judged(desk, bad) == []
    desk.now += MINUTE
    assert {flip.subject for flip in judged(desk, bad)} == silent


def ended(desk: Desk, window_id: str, **more: object) -> None:
    told = {"actor": "bo", "reason": "done sooner", "now": desk.now} | more
    alerting.end_maintenance(desk.warehouse, window_id, **told)  # type: ignore[arg-type]


def test_maintenance_ended_before_its_time_silences_no_more_and_its_row_stays(desk: Desk) -> None:
    window = declare(desk)
    desk.now += 20 * MINUTE
    assert judged(desk, known("ingest")) == []
    ended(desk, window)
    ended(desk, window, actor="cy")  # a double click
    assert words(judged(desk, known("ingest"))) == [("firing", "ingest")]
    rows = ask(desk, "SELECT window_id, first_at, last_at, actor, reason FROM maintenance ORDER BY declared_at")
    assert rows["window_id"].tolist() == [window, f"end:{window}"]
    assert rows["actor"].tolist() == ["ada", "bo"]
    assert rows["last_at"].tolist() == [desk.now + 40 * MINUTE, desk.now]


def test_a_window_that_has_not_begun_can_be_taken_back(desk: Desk) -> None:
    ended(desk, declare(desk, first=desk.now + HOUR, last=desk.now + 2 * HOUR))
    desk.now += 90 * MINUTE
    assert words(judged(desk, known("ingest"))) == [("firing", "ingest")]


def test_only_a_window_that_is_not_over_can_be_ended(desk: Desk) -> None:
    window = declare(desk)
    with pytest.raises(ActRefused, match="a reason is missing"):
        ended(desk, window, reason=" ")
    with pytest.raises(ActRefused, match="no maintenance window 'w9'"):
        ended(desk, "w9")
    desk.now += HOUR
    with pytest.raises(ActRefused, match="was over at"):
        ended(desk, window)
    assert desk.rows("maintenance") == 1


def test_what_was_firing_may_resolve_in_maintenance_and_is_not_escalated(desk: Desk) -> None:
    alert_id = fire(desk)
    desk.now += 3 * HOUR
    assert escalated(desk) == [alert_id]
    declare(desk)
    assert escalated(desk) == []
    assert words(judged(desk, known())) == [("resolved", "ingest")]


def test_an_event_that_was_over_within_maintenance_is_no_news_after_it(desk: Desk) -> None:
    declare(desk, subject="*")
    lost = desk.now + 10 * MINUTE
    desk.now += 2 * HOUR
    assert judged(desk, known("scheduler", event="term1", since=lost)) == []
    assert words(judged(desk, known("scheduler", event="term2", since=desk.now))) == [("firing", "scheduler")]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"rule": "typo"}, "no rule is called 'typo'"),
        ({"subject": " "}, "needs a subject"),
        ({"reason": ""}, "a reason is missing"),
        ({"last": timedelta(0)}, "must end after it begins"),
        ({"last": timedelta(days=31)}, "30 days at most"),
        ({"first": timedelta(hours=-3), "last": timedelta(hours=-1)}, "in the future"),
    ],
)
def test_a_window_that_makes_no_sense_is_refused_in_words(desk: Desk, more: dict[str, object], words: str) -> None:
    more = {key: desk.now + value if isinstance(value, timedelta) else value for key, value in more.items()}
    with pytest.raises(ActRefused, match=words):
        declare(desk, **more)  # type: ignore[arg-type]
    assert desk.rows("maintenance") == 0


JUDGE = """
import sys
from datetime import datetime
from pathlib import Path
from pipeline import judging
from pipeline.operations import Operations
from pipeline.rules.base import Bad, Rule, View
from pipeline.warehouse import Warehouse
warehouse, now = Warehouse(Path(sys.argv[1])), datetime.fromisoformat(sys.argv[2])
bad = [Bad(f"job{n}", "bad.", now) for n in range(50)] if sys.argv[3] == "bad" else []
known = {"made_up": Rule("made_up", "Made up", "warning", lambda view, limit: bad, limit=0, unit="")}
found = judging.judge(View(warehouse, None, {}, Operations(), {}, now), known)
print("judged", flush=True)
sys.stdin.readline()
with warehouse.write() as session:
    print(len(judging.store(session, found.flips, now=now, run_id="race")))
"""


@pytest.mark.parametrize("state", ["bad", "good"])
def test_processes_that_judge_at_once_flip_everything_exactly_once(desk: Desk, state: str) -> None:
    if state == "good":
        judged(
            desk,
            {
                "made_up": Rule(
                    "made_up", "", "info", lambda _v, _l: [Bad(f"job{n}", ".", None) for n in range(50)], 0, ""
                )
            },
        )
    command = [sys.executable, "-c", JUDGE, str(desk.warehouse.path), desk.now.isoformat(), state]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT, "env": dict(os.environ)}
    racers = [subprocess.Popen(command, **pipes) for _ in range(3)]  # type: ignore[call-overload]
    assert [racer.stdout.readline() for racer in racers] == ["judged\n"] * 3
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    assert sorted(int(racer.communicate(timeout=60)[0]) for racer in racers) == [0, 0, 50]
    counts = ask(
        desk,
        "SELECT count(*) FILTER (state = 'firing') AS f, count(*) FILTER (state = 'resolved') AS r FROM alert_flips",
    )
    assert (counts.f[0], counts.r[0]) == (50, 0 if state == "bad" else 50)


def test_the_job_writes_flips_only_and_says_what_it_did(full: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Bad] = [Bad("ingest", "ingest failed.", full.now)]
    rule: Callable[..., list[Bad]] = lambda _view, _limit: found  # noqa: E731
    monkeypatch.setattr(judging, "rules", lambda: {"made_up": Rule("made_up", "", "info", rule, 0, "")})
    assert "1 fired, 0 resolved, 1 open" in full.done("alert")["log"]
    full.now += 5 * MINUTE
    row = full.done("alert")
    assert (row["rows_out"], "0 fired, 0 resolved, 1 open" in row["log"]) == (0, True)
    found.clear()
    assert "0 fired, 1 resolved, 0 open" in full.done("alert")["log"]
    assert view_of(full).jobs["alert"].after == ("monitor", "quality")


def test_a_rule_that_cannot_look_fails_the_run_but_not_the_others(full: Desk) -> None:
    runner = full.runner()
    runner = type(runner)(full.settings, full.markets, full.warehouse, runner.clock, operations=tuned(typo=Tuning()))
    row = runner.run(full.jobs["alert"], by="test")
    assert row["state"] == "failed"
    assert "no rule is called so" in row["error"]
