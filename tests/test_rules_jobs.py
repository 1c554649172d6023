"""Each rule about jobs fires and clears when the facts change, once each way."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from pipeline import processes
from pipeline.operations import JobPlan, Operations, Tuning
from pipeline.plans import jitter, plans_of
from pipeline.rules import jobs as job_rules
from pipeline.runs import new_run, run_frame
from pipeline.warehouse import SCHEDULER
from tests.alarms import bad, judged, script, utc, words
from tests.conftest import Desk, ask

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def ran(desk: Desk, job: str, state: str, *, ago: float = 0, took_s: float = 20, **more: Any) -> None:
    """A run of `job` that ended `ago` minutes ago, or is in that state since."""
    args = {"target": more.pop("target")} if "target" in more else {}
    then = desk.now - ago * MINUTE
    row = new_run(job, by="test", reason="", args=args, now=then - timedelta(seconds=took_s))
    if state != "queued":
        row |= {"started_at": row["queued_at"], "heartbeat_at": row["queued_at"]}
    if state in ("succeeded", "failed", "skipped", "cancelled"):
        row["ended_at"] = then
    if state == "failed":
        row |= {"error": "Transient: the source does not answer.\nmore lines", "failure": "transient"}
    with desk.warehouse.write() as session:
        session.append("job_runs", run_frame([row | {"state": state} | more]))


def term(desk: Desk, since: datetime) -> None:
    script(
        desk,
        "DELETE FROM scheduler_terms;"
        f"INSERT INTO scheduler_terms VALUES ('one', 'desk', 1, 1.0, {utc(since)}, {utc(since)}, NULL, NULL)",
    )


@pytest.fixture
def led(desk: Desk) -> Iterator[Desk]:
    """A desk that some scheduler has led for a day."""
    term(desk, desk.now - 24 * HOUR)
    with desk.warehouse.job_lock(SCHEDULER):
        yield desk


def test_job_failed_fires_and_clears_once(desk: Desk) -> None:
    ran(desk, "ingest", "failed", failure="auth", error="AuthRefused: esios refuses the token; set ESIOS_API_KEY.")
    (flip,) = judged(desk, ["job_failed"])
    assert (flip.subject, flip.severity) == ("ingest", "critical")
    assert "ingest failed (auth): AuthRefused: esios refuses the token; set ESIOS_API_KEY." in flip.message
    desk.now += 5 * MINUTE
    ran(desk, "ingest", "failed", failure="auth")
    assert judged(desk, ["job_failed"]) == []
    ran(desk, "ingest", "succeeded", ago=-1)
    desk.now += MINUTE
    (flip,) = judged(desk, ["job_failed"])
    assert flip.message == "ingest: its newest run went well; it lasted 6 min."
    assert judged(desk, ["job_failed"]) == []


def test_a_failure_that_may_pass_has_a_quarter_of_an_hour(desk: Desk) -> None:
    ran(desk, "ingest", "failed")
    assert bad(desk, "job_failed") == {}
    desk.now += 10 * MINUTE
    ran(desk, "ingest", "failed")
    assert bad(desk, "job_failed") == {}
    desk.now += 5 * MINUTE
    (one,) = bad(desk, "job_failed").values()
    assert one.since == desk.now - 15 * MINUTE
    assert (
        "ingest failed 2 times since 20 Nov 10:20Z (transient): Transient: the source does not answer." in one.message
    )
    assert bad(desk, "job_failed", limit=20) == {}


def test_a_daily_job_has_until_its_tries_are_used_up(desk: Desk) -> None:
    ran(desk, "train", "failed")
    assert set(bad(desk, "job_failed")) == {"train"}
    ran(desk, "train", "queued", due_at=desk.now + MINUTE, attempt=2)
    assert bad(desk, "job_failed") == {}
    desk.now += 20 * MINUTE
    assert set(bad(desk, "job_failed")) == {"train"}


def test_a_failure_for_one_target_is_mended_by_that_target_or_by_all(desk: Desk) -> None:
    ran(desk, "train", "failed", ago=9, target="demo.load", failure="model")
    ran(desk, "train", "succeeded", ago=8, target="demo.price")
    assert {one.severity for one in bad(desk, "job_failed").values()} == {None}
    assert set(bad(desk, "job_failed")) == {"train:demo.load"}
    ran(desk, "train", "succeeded", ago=7)
    assert bad(desk, "job_failed") == {}


def test_what_people_ask_for_and_cancelled_runs_are_no_alert(desk: Desk) -> None:
    ran(desk, "backtest", "failed", failure="model")
    ran(desk, "ingest", "succeeded", ago=2)
    ran(desk, "ingest", "cancelled", ago=1)
    assert bad(desk, "job_failed") == {}
    assert set(bad(desk, "job_failed", operations=Operations(jobs={"backtest": JobPlan(at="05:00")}))) == {"backtest"}


def planned(desk: Desk, job: str, next_at: datetime) -> None:
    script(
        desk,
        f"DELETE FROM schedule WHERE job = '{job}';"
        f"INSERT INTO schedule VALUES ('{job}', 'daily', 'UTC', 'run', NULL, NULL, {utc(next_at)}, {utc(next_at)})",
    )


def fresh(desk: Desk) -> None:
    """Every job of the chain ran just now."""
    for job in desk.jobs.values():
        if job.at is None and not job.on_demand:
            ran(desk, job.name, "succeeded")


def test_a_daily_slot_that_nobody_took_is_late_until_it_is_run(led: Desk) -> None:
    fresh(led)
    slot = led.now - 14 * MINUTE
    planned(led, "train", slot)
    assert judged(led, ["job_late"]) == []
    led.now += 2 * MINUTE
    fresh(led)
    (flip,) = judged(led, ["job_late"])
    assert (flip.subject, flip.since) == ("train", slot)
    assert "train is 16 min late: its planned run was not made." in flip.message
    ran(led, "train", "succeeded", slot_at=slot)
    assert words(judged(led, ["job_late"])) == [("resolved", "train")]


def test_a_slot_whose_start_is_put_off_by_jitter_is_not_late_once_it_ran(led: Desk) -> None:
    own = Operations(jobs={"train": JobPlan(jitter=HOUR)})
    slot = led.now.replace(hour=3, minute=30)
    start = slot + jitter(plans_of(led.jobs, own)["train"], slot)
    planned(led, "train", start)
    fresh(led)
    ran(led, "train", "succeeded", slot_at=slot - 24 * HOUR)
    assert set(bad(led, "job_late", operations=own)) == {"train"}
    ran(led, "train", "succeeded", slot_at=slot)
    assert bad(led, "job_late", operations=own) == {}


def test_a_job_of_the_chain_with_work_that_is_not_run_is_late(led: Desk) -> None:
    fresh(led)
    led.now += 16 * MINUTE
    assert "ingest" in bad(led, "job_late")
    fresh(led)
    assert bad(led, "job_late") == {}


def test_a_job_without_work_is_not_late(led: Desk) -> None:
    fresh(led)
    led.now += 16 * MINUTE
    idle = {name: replace(job, ready=lambda _session, _markets, _now: False) for name, job in led.jobs.items()}
    assert bad(led, "job_late", jobs=idle) == {}
    since = led.now - MINUTE
    just = {name: replace(job, ready=lambda _session, _markets, now: now >= since) for name, job in led.jobs.items()}
    assert bad(led, "job_late", jobs=just) == {}


def test_a_busy_lane_is_not_late_and_neither_is_a_slow_chain(led: Desk) -> None:
    fresh(led)
    led.now += 16 * MINUTE
    slow = Operations(jobs={"chain": JobPlan(every=timedelta(minutes=30))})
    assert bad(led, "job_late", operations=slow) == {}
    ran(led, "ingest", "running", ago=16)
    assert bad(led, "job_late") == {}


def test_a_new_leader_has_time_to_catch_up_before_anything_is_late(led: Desk) -> None:
    planned(led, "train", led.now - HOUR)
    assert set(bad(led, "job_late")) >= {"train", "ingest"}
    term(led, led.now - 14 * MINUTE)
    assert bad(led, "job_late") == {}
    term(led, led.now - 16 * MINUTE)
    assert "train" in bad(led, "job_late")


def test_a_step_of_the_chain_with_a_rhythm_of_its_own_is_not_late_before_its_turn(led: Desk) -> None:
    ran(led, "monitor", "succeeded", ago=120)
    own = Operations(jobs={"monitor": JobPlan(every=timedelta(hours=6))})
    assert "monitor" in bad(led, "job_late")
    assert "monitor" not in bad(led, "job_late", operations=own)


def test_without_a_scheduler_that_is_said_instead(desk: Desk) -> None:
    planned(desk, "train", desk.now - HOUR)
    assert bad(desk, "job_late") == {}


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has only just begun, whatever the age of the one that tests."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def running(desk: Desk, job: str, usual_s: float, child: subprocess.Popen[bytes]) -> None:
    for n in range(5):
        ran(desk, job, "succeeded", ago=60 + n, took_s=usual_s)
    ran(desk, job, "running", ago=0, pid=child.pid, born=processes.born(child.pid))


def test_job_long_fires_and_clears_by_the_real_age_of_the_process(
    desk: Desk, child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    running(desk, "train", 0.01, child)
    monkeypatch.setattr(job_rules, "LEAST_S", 0.0)
    (flip,) = judged(desk, ["job_long"])
    assert "times its usual 0 s (median of 5 runs). Read its log on the Jobs page; cancel it there." in flip.message
    script(desk, f"UPDATE job_runs SET state = 'succeeded', ended_at = {utc(desk.now)} WHERE state = 'running'")
    assert words(judged(desk, ["job_long"])) == [("resolved", "train")]


def test_a_run_over_its_deadline_is_long_and_a_dead_one_is_not(desk: Desk, child: subprocess.Popen[bytes]) -> None:
    running(desk, "train", 1e6, child)
    assert bad(desk, "job_long") == {}
    short = Operations(jobs={"train": JobPlan(deadline=timedelta(seconds=0.01))}, alerts={"job_long": Tuning()})
    (one,) = bad(desk, "job_long", operations=short).values()
    assert "over its deadline of 0 s" in one.message
    script(desk, "UPDATE job_runs SET born = born - 1000 WHERE state = 'running'")
    assert bad(desk, "job_long", operations=short) == {}


def missed(desk: Desk, *hours_ago: int) -> None:
    for ago in hours_ago:
        origin = desk.now.replace(minute=0) - ago * HOUR
        script(
            desk,
            f"INSERT INTO missed_issues VALUES ('demo.load', {utc(origin)}, 'no scheduler', {utc(desk.now)}, 'run')",
        )


def test_missed_hours_are_told_once_although_they_were_over_when_noted(full: Desk) -> None:
    assert judged(full, ["missed_issue"]) == []
    issued = ask(full, "SELECT max(origin) AS o FROM predictions WHERE issuer = 'sextant' AND mode = 'live'").o[0]
    assert issued == full.now.replace(minute=0) - HOUR
    missed(full, 2, 3, 4)
    (flip,) = judged(full, ["missed_issue"])
    assert (flip.subject, flip.severity) == ("demo.load", "critical")
    assert "3 issues were not made in time, 20 Nov 06:00Z to 20 Nov 08:00Z: no scheduler." in flip.message
    full.now += 5 * MINUTE
    assert words(judged(full, ["missed_issue"])) == [("resolved", "demo.load")]
    assert judged(full, ["missed_issue"]) == []


def test_hours_that_go_on_being_missed_are_one_alert_until_the_issues_go_on(full: Desk) -> None:
    full.now += 3 * HOUR
    missed(full, 3)
    assert words(judged(full, ["missed_issue"])) == [("firing", "demo.load")]
    full.now += HOUR
    missed(full, 3)
    assert judged(full, ["missed_issue"]) == []
    origin = full.now.replace(minute=0) - HOUR
    script(full, f"UPDATE predictions SET origin = {utc(origin)} WHERE origin = (SELECT max(origin) FROM predictions)")
    assert words(judged(full, ["missed_issue"])) == [("resolved", "demo.load")]
    missed(full, 0)
    assert words(judged(full, ["missed_issue"])) == [("firing", "demo.load")]
