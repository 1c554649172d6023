"""Alerts are state changes: one row when good turns bad, one when it turns good, whatever happens in between."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import judging
from pipeline.errors import WarehouseError
from pipeline.operations import Tuning
from pipeline.rules.base import Bad, Rule, View
from tests.alarms import judged, script, tuned, view_of, words
from tests.conftest import Desk, ask

MINUTE = timedelta(minutes=1)


class Facts:
    """What the made-up rule finds; `level` is compared with the limit."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.bad: list[Bad] = []
        self.level: float | None = None
        self.broken = False

    def check(self, _view: View, limit: float) -> Iterator[Bad]:
        if self.broken:
            raise WarehouseError("the table is gone.")
        yield from self.bad
        if self.level is not None and self.level > limit:
            yield Bad("level", f"{self.level} is over {limit}.", self.desk.now)

    def is_bad(self, subject: str, *, minutes: float = 0, **more: object) -> None:
        since = self.desk.now - minutes * MINUTE
        self.bad = [Bad(subject, f"{subject} is bad.", since, **more)]  # type: ignore[arg-type]

    def rule(self, **changed: object) -> dict[str, Rule]:
        rule = Rule("made_up", "Made up", "warning", self.check, limit=10, unit="", good="all is well")
        return {"made_up": replace(rule, **changed)}  # type: ignore[arg-type]


@pytest.fixture
def facts(desk: Desk) -> Facts:
    return Facts(desk)


def test_an_alert_fires_once_and_resolves_once_and_says_how_long_it_lasted(facts: Facts) -> None:
    desk = facts.desk
    facts.is_bad("es.load", minutes=4)
    assert words(judged(desk, facts.rule())) == [("firing", "es.load")]
    for _ in range(3):
        desk.now += 5 * MINUTE
        facts.is_bad("es.load", minutes=4)
        assert judged(desk, facts.rule()) == []
    facts.bad = []
    (flip,) = judged(desk, facts.rule(), markets=desk.markets | {"es": next(iter(desk.markets.values()))})
    assert flip.state == "resolved"
    assert flip.message.endswith("it lasted 19 min.")
    desk.now += 5 * MINUTE
    assert judged(desk, facts.rule()) == []
    rows = ask(desk, "SELECT * FROM alert_flips ORDER BY flipped_at")
    assert rows.state.tolist() == ["firing", "resolved"]
    assert rows.alert_id.nunique() == 1
    (alert,) = ask(desk, "SELECT * FROM alerts").to_dict("records")
    assert alert["resolved_at"] == desk.now - 5 * MINUTE
    assert alert["since"] == desk.now - 24 * MINUTE


def test_the_evidence_and_the_severity_of_the_finding_are_stored(facts: Facts) -> None:
    facts.is_bad("job", evidence={"n": 3}, severity="critical")
    judged(facts.desk, facts.rule())
    (row,) = ask(facts.desk, "SELECT severity, evidence::VARCHAR AS evidence FROM alert_flips").to_dict("records")
    assert row["severity"] == "critical"
    assert json.loads(row["evidence"]) == {"n": 3}


def test_bad_counts_after_it_lasted_long_enough(facts: Facts) -> None:
    known = facts.rule(after=10 * MINUTE)
    facts.is_bad("job", minutes=9)
    assert judged(facts.desk, known) == []
    facts.is_bad("job", minutes=10)
    assert words(judged(facts.desk, known)) == [("firing", "job")]


def test_what_nobody_can_date_fires_at_once(facts: Facts) -> None:
    facts.bad = [Bad("disk", "it is full.", None)]
    assert words(judged(facts.desk, facts.rule(after=10 * MINUTE))) == [("firing", "disk")]


def test_tuning_changes_limit_severity_and_patience(facts: Facts) -> None:
    facts.level = 15
    operations = tuned(made_up=Tuning(limit=20))
    assert judged(facts.desk, facts.rule(), operations=operations) == []
    operations = tuned(made_up=Tuning(after=MINUTE))
    assert judged(facts.desk, facts.rule(), operations=operations) == []
    (flip,) = judged(facts.desk, facts.rule(), operations=tuned(made_up=Tuning(severity="critical")))
    assert flip.severity == "critical"


def test_a_rule_that_is_switched_off_lets_go_of_its_alerts(facts: Facts) -> None:
    facts.is_bad("job")
    judged(facts.desk, facts.rule())
    operations = tuned(made_up=Tuning(off=True))
    (flip,) = judged(facts.desk, facts.rule(), operations=operations)
    assert flip.state == "resolved"
    assert "switched off" in flip.message
    assert judged(facts.desk, facts.rule(), operations=operations) == []


def test_a_figure_about_the_limit_does_not_flap(facts: Facts) -> None:
    known = facts.rule(clear=0.8)
    seen = []
    for level in (9.0, 10.5, 9.5, 10.1, 8.1, 7.9, 9.0, 11.0):
        facts.level = level
        seen += [(level, flip.state) for flip in judged(facts.desk, known)]
    assert seen == [(10.5, "firing"), (7.9, "resolved"), (11.0, "firing")]


def test_a_subject_that_left_the_configuration_resolves_and_says_so(facts: Facts) -> None:
    facts.bad = [Bad(subject, "bad.", facts.desk.now) for subject in ("demo.gone", "fr.load", "demo.load-v1")]
    judged(facts.desk, facts.rule())
    facts.bad = []
    said = {flip.subject: flip.message for flip in judged(facts.desk, facts.rule())}
    assert "not in sextant.toml any more" in said["demo.gone"]
    assert "market fr is not active any more" in said["fr.load"]
    assert "all is well" in said["demo.load-v1"]


def test_a_rule_that_does_not_exist_any_more_lets_go_of_its_alerts(facts: Facts) -> None:
    facts.is_bad("job")
    judged(facts.desk, facts.rule())
    (flip,) = judged(facts.desk, {})
    assert "there is no such rule any more" in flip.message


def test_a_rule_that_cannot_look_keeps_its_alerts_and_the_others_go_on(facts: Facts) -> None:
    other = Facts(facts.desk)
    facts.is_bad("job")
    judged(facts.desk, facts.rule())
    facts.broken, facts.bad = True, []
    other.is_bad("disk")
    known = facts.rule() | {"other": replace(other.rule()["made_up"], name="other")}
    found = judging.judge(view_of(facts.desk), known)
    assert words(found.flips) == [("firing", "disk")]
    assert found.failures == ("rule made_up could not look, its alerts stay as they are: the table is gone.",)
    assert found.open == 2


def test_a_tuning_of_a_rule_that_does_not_exist_is_named(facts: Facts) -> None:
    found = judging.judge(view_of(facts.desk, operations=tuned(typo=Tuning())), facts.rule())
    assert found.failures == ("sextant.toml has alert.typo, but no rule is called so; there are: made_up.",)


def test_an_event_that_is_over_is_told_once(facts: Facts) -> None:
    seen = []
    for event in ("first", "first", "first", "second", "second"):
        facts.desk.now += 5 * MINUTE
        facts.is_bad("scheduler", event=event, over=True)
        seen.append([flip.state for flip in judged(facts.desk, facts.rule())])
    assert seen == [["firing"], ["resolved"], [], ["firing"], ["resolved"]]


def test_a_new_event_while_the_last_is_open_is_an_alert_of_its_own(facts: Facts) -> None:
    facts.is_bad("scheduler", event="first")
    judged(facts.desk, facts.rule())
    assert judged(facts.desk, facts.rule()) == []
    facts.is_bad("scheduler", event="second")
    assert words(judged(facts.desk, facts.rule())) == [("resolved", "scheduler"), ("firing", "scheduler")]
    assert judged(facts.desk, facts.rule()) == []


def test_an_event_told_while_it_went_on_is_not_told_again_when_it_is_over(facts: Facts) -> None:
    facts.is_bad("scheduler", event="first")
    judged(facts.desk, facts.rule())
    facts.is_bad("scheduler", event="first", over=True)
    assert words(judged(facts.desk, facts.rule())) == [("resolved", "scheduler")]
    assert judged(facts.desk, facts.rule()) == []


def test_two_events_at_once_are_told_one_after_the_other(facts: Facts) -> None:
    now = facts.desk.now
    facts.bad = [Bad("s", name, now - ago * MINUTE, event=name, over=True) for name, ago in (("late", 5), ("early", 9))]
    said = [[flip.message for flip in judged(facts.desk, facts.rule()) if flip.state == "firing"] for _ in range(4)]
    assert said == [["early"], ["late"], [], []]


def test_of_two_judgements_of_one_moment_only_one_is_stored(facts: Facts) -> None:
    facts.is_bad("job")
    one, other = (judging.judge(view_of(facts.desk), facts.rule()) for _ in range(2))
    with facts.desk.warehouse.write() as session:
        assert len(judging.store(session, one.flips, now=facts.desk.now, run_id="a")) == 1
        assert judging.store(session, other.flips, now=facts.desk.now, run_id="b") == []


def test_a_judgement_that_was_overtaken_stores_nothing(facts: Facts) -> None:
    facts.is_bad("job")
    slow = judging.judge(view_of(facts.desk), facts.rule())
    judged(facts.desk, facts.rule())
    facts.bad = []
    judged(facts.desk, facts.rule())
    with facts.desk.warehouse.write() as session:
        assert judging.store(session, slow.flips, now=facts.desk.now, run_id="slow") == []


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(("good", "bad", "off", "blind"))), max_size=10))
def test_flips_alternate_whatever_happens(desk: Desk, story: list[tuple[str, str]]) -> None:
    facts = Facts(desk)
    script(desk, "DELETE FROM alert_flips")
    for subject, what in story:
        desk.now += MINUTE
        facts.bad = [one for one in facts.bad if one.subject != subject]
        facts.bad += [Bad(subject, "bad.", desk.now)] if what == "bad" else []
        facts.broken = what == "blind"
        found = judging.judge(view_of(desk, operations=tuned(made_up=Tuning(off=what == "off"))), facts.rule())
        with desk.warehouse.write() as session:
            stored = judging.store(session, found.flips, now=desk.now, run_id="x")
        assert len(stored) == len(found.flips)
        assert ask(desk, "SELECT count(*) AS n FROM alerts WHERE resolved_at IS NULL").n[0] == found.open
    rows = ask(desk, "SELECT subject, list(state ORDER BY flipped_at) AS states FROM alert_flips GROUP BY subject")
    for states in rows.states:
        assert list(states) == ["firing", "resolved"] * (len(states) // 2) + ["firing"] * (len(states) % 2)
