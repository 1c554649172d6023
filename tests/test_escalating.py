"""An alert nobody takes is told again when its time is over, once, and once more after each snooze."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from pipeline import alerting
from pipeline.operations import Operations, Tuning
from pipeline.runner import Runner
from tests.alarms import script
from tests.conftest import NOW, Desk, ask
from tests.telling import attempts, fire, ready

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
Act = Callable[..., str]


def act(desk: Desk, kind: str, **more: object) -> None:
    alerting.act(desk.warehouse, "a", kind=kind, actor="ana", reason="tomorrow", now=desk.now, **more)  # type: ignore[arg-type]


def settle(desk: Desk) -> None:
    """Tell what there is, and look once more for what may have been written meanwhile."""
    desk.done("notify")
    desk.now += 11 * MINUTE
    desk.done("notify")


def told(desk: Desk, *, hours: float) -> list[str]:
    """What notify, if it has work, tells so many hours after NOW."""
    desk.now, before = NOW + hours * HOUR, len(attempts(desk, "log"))
    if ready(desk):
        desk.done("notify")
    return [row[1] for row in attempts(desk, "log")[before:]]


def test_after_a_snooze_it_is_told_once_more_and_after_the_next_again(desk: Desk) -> None:
    fire(desk, "a")
    assert [told(desk, hours=hours) for hours in (0, 1.5, 2.1)] == [["fired"], [], ["escalated"]]
    act(desk, "snooze", until=NOW + 10 * HOUR)
    assert [told(desk, hours=hours) for hours in (3, 9, 11.5, 12.1, 12.6, 24)] == [[], [], [], ["escalated"], [], []]
    act(desk, "wake")
    assert [told(desk, hours=hours) for hours in (25, 26.1, 27, 72)] == [[], ["escalated"], [], []]
    act(desk, "acknowledge")
    assert told(desk, hours=100) == []
    keys = ask(desk, "SELECT message_key FROM notifications WHERE kind = 'escalated' ORDER BY started_at").message_key
    assert keys.tolist() == ["a-escalated", "a-escalated-20261120T202000", "a-escalated-20261121T102000"]


def test_who_was_told_of_an_escalation_before_a_snooze_hears_the_end(desk: Desk) -> None:
    from pipeline import notifying
    from tests.telling import resolve

    operations = Operations(channels={"log": "critical"})
    fire(desk, "a")
    desk.now += 3 * HOUR
    runner = Runner(desk.settings, desk.markets, desk.warehouse, lambda: desk.now, operations)
    runner.run(desk.jobs["notify"], by="test")
    act(desk, "snooze", until=desk.now + HOUR)
    resolve(desk, "a", at=desk.now + MINUTE)
    with desk.warehouse.read() as session:
        due = notifying.due(session, channels={"log": "critical"}, escalated=[], settings=desk.settings, now=desk.now)
    assert [message.notice.kind for message in due["log"]] == ["resolved"]


@pytest.mark.parametrize(("rule", "works"), [("drift", []), ("job_failed", [2.1, 2.4])])
def test_an_open_alert_costs_no_run_unless_it_is_to_be_escalated(desk: Desk, rule: str, works: list[float]) -> None:
    fire(desk, "a", rule=rule)
    settle(desk)
    found = []
    for hours in (0.5, 1, 1.9, 2.1, 2.4):
        desk.now = NOW + hours * HOUR
        found += [hours] if ready(desk) else []
    assert found == works


def test_a_rule_tuned_to_be_escalated_is_looked_at_in_that_time(desk: Desk) -> None:
    fire(desk, "a", rule="drift", evidence='{"escalate_min": 60.0}')
    settle(desk)
    operations = Operations(alerts={"drift": Tuning(escalate=HOUR)})
    desk.now = NOW + 59 * MINUTE
    assert not ready(desk)
    desk.now += MINUTE
    assert ready(desk)
    Runner(desk.settings, desk.markets, desk.warehouse, lambda: desk.now, operations).run(
        desk.jobs["notify"], by="test"
    )
    assert [row[1] for row in attempts(desk, "log")] == ["fired", "escalated"]
    desk.now += HOUR
    assert not ready(desk)


def test_the_end_of_maintenance_is_work_and_so_is_a_new_scheduler(desk: Desk) -> None:
    alerting.declare(desk.warehouse, rule="*", subject="*", first=NOW, last=NOW + HOUR, reason="x", actor="a", now=NOW)
    fire(desk, "a", rule="drift")
    assert told(desk, hours=0) == []
    assert [told(desk, hours=hours) for hours in (0.9, 1.1, 1.5)] == [[], ["fired"], []]
    term = "INSERT INTO scheduler_terms BY NAME SELECT 't' AS term_id, 'h' AS host, 1 AS pid, 1.0 AS born, "
    script(desk, term + "$now::TIMESTAMPTZ AS started_at, $now::TIMESTAMPTZ AS heartbeat_at", now=NOW + 2 * HOUR)
    desk.now = NOW + 2.1 * HOUR
    assert ready(desk), "it may know a channel that was not told"
    settle(desk)
    desk.now += HOUR
    assert not ready(desk)
