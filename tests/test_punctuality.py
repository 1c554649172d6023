"""Hours for which nothing was issued in time are noted once, with the reason; nothing is issued late as if live."""

from dataclasses import replace
from datetime import datetime, timedelta

import pandas as pd
import pytest

from pipeline import runs
from pipeline.doctor import examine
from pipeline.leading import Term
from pipeline.runrows import begun, new_run, run_frame
from tests.conftest import Desk, ask

pytestmark = pytest.mark.slow

HOUR = timedelta(hours=1)
CHAIN = ("ingest", "actuals", "features", "forecast", "backfill")


def go(desk: Desk, *jobs: str, hours: float = 0) -> None:
    desk.now += hours * HOUR
    for job in jobs:
        desk.now += timedelta(seconds=1)
        desk.done(job)


def noted(desk: Desk) -> dict[str, str]:
    rows = ask(desk, "SELECT origin, reason FROM missed_issues ORDER BY origin")
    return {f"{row.origin:%H:%M}": str(row.reason) for row in rows.itertuples()}


def live(desk: Desk) -> list[str]:
    rows = ask(
        desk, "SELECT DISTINCT origin FROM predictions WHERE mode = 'live' AND issuer = 'sextant' ORDER BY origin"
    )
    return [f"{origin:%H:%M}" for origin in rows.origin]


def flaws(desk: Desk) -> list[str]:
    found = examine(desk.warehouse, desk.settings.models, jobs=list(desk.jobs))
    return [f"{finding.check}: {finding.flaw}" for finding in found if finding.flaw]


def led(desk: Desk, first: datetime, last: datetime) -> None:
    term = Term.begin(desk.warehouse, first)
    with desk.warehouse.write() as session:
        term.beat(session, last)


def failed(desk: Desk, job: str, error: str, at: datetime) -> None:
    with desk.warehouse.write() as session:
        row = new_run(job, by="scheduler", reason="", args={}, now=at) | begun(pid=1, born=1.0, now=at)
        session.append("job_runs", run_frame([row]))
        runs.end(session, row["run_id"], {"state": "failed", "failure": "bug", "error": error}, now=at, plan=None)


def test_hours_without_an_issue_are_noted_once_with_what_is_known(full: Desk) -> None:
    go(full, *CHAIN, hours=1)
    assert noted(full) == {}
    led(full, full.now - HOUR, full.now + HOUR)  # until 12:20
    led(full, full.now + 3 * HOUR, full.now + 6 * HOUR)  # from 14:20
    failed(full, "forecast", "ValueError: no", full.now + 3.2 * HOUR)  # 14:32
    go(full, *CHAIN, hours=6)  # 17:20
    assert live(full) == ["09:00", "10:00", "16:00"]
    assert noted(full) == {
        "11:00": "no scheduler from 20 Nov 12:20Z to 20 Nov 14:20Z",
        "12:00": "no scheduler from 20 Nov 12:20Z to 20 Nov 14:20Z",
        "13:00": "forecast failed: ValueError: no",
        "14:00": "no job ran in that hour; the clock was set forward or the machine slept",
        "15:00": "no job ran in that hour; the clock was set forward or the machine slept",
    }
    assert flaws(full) == []
    go(full, *CHAIN, hours=1)
    assert len(noted(full)) == 5
    full.done("features", replay_from="2026-11-20T11:00Z", replay_to="2026-11-20T12:00Z")
    go(full, "forecast")
    go(full, *CHAIN, hours=1)
    assert len(noted(full)) == 5  # an hour that is replayed stays noted
    assert flaws(full) == []


def test_hours_at_which_a_target_was_off_are_explained_and_not_missed(full: Desk) -> None:
    (market,) = full.markets.values()
    both = replace(market, targets=(*market.targets, replace(market.targets[0], id="demo.twin")))
    full.markets = {"demo": both}
    go(full, *CHAIN, hours=1)  # 11:20
    full.markets = {"demo": replace(both, targets=both.targets[1:])}
    go(full, *CHAIN, hours=1)
    go(full, *CHAIN, hours=1)
    full.markets = {"demo": both}
    go(full, "ingest", "actuals", hours=1)  # 14:20, and on again without features in time
    go(full, *CHAIN, hours=1)
    assert live(full) == ["09:00", "10:00", "11:00", "12:00", "14:00"]
    rows = ask(full, "SELECT target, origin, reason FROM missed_issues ORDER BY ALL").itertuples()
    off = "not due: the target or its market was switched off"
    assert [(row.target, row.origin.hour, row.reason) for row in rows] == [
        ("demo.load", 11, off),
        ("demo.load", 12, off),
        ("demo.load", 13, "no run in time"),
        ("demo.twin", 13, "no run in time"),
    ]
    with full.warehouse.read() as session:
        stretches = session.ask("missed_stretches", now=full.now, since=full.now - timedelta(days=1))
    assert stretches["n"].tolist() == [1, 1]
    assert flaws(full) == []


def test_the_doctor_misses_an_hour_nobody_noted(full: Desk) -> None:
    go(full, *CHAIN, hours=2)
    assert flaws(full) == []
    with full.warehouse.write() as session:
        session.script("DELETE FROM missed_issues")
    assert flaws(full) == ["silent hours: 1 hours between live issues that were neither issued nor noted as missed"]


def test_an_origin_whose_forecast_failed_for_an_hour_is_not_issued_late(full: Desk) -> None:
    go(full, "ingest", "actuals", "features", hours=1)
    go(full, "ingest", "actuals", hours=1)
    row = full.run("forecast")
    assert row["state"] == "skipped"
    assert live(full) == ["09:00"]
    go(full, "features", "forecast")
    assert live(full) == ["09:00", "11:00"]
    assert list(noted(full)) == ["10:00"]
    assert flaws(full) == []


def test_a_forecast_that_failed_once_is_issued_while_its_hour_lasts(full: Desk) -> None:
    go(full, "ingest", "actuals", "features", hours=1)
    go(full, "forecast", hours=0.6)
    assert live(full) == ["09:00", "10:00"]


def test_nothing_is_noted_before_the_first_live_issue(desk: Desk) -> None:
    go(desk, "ingest", "actuals", "features")
    assert noted(desk) == {}


@pytest.mark.parametrize("job", ["actuals", "features", "forecast", "backfill", "monitor"])
def test_a_job_of_the_chain_has_work_once_what_it_waits_for_is_there(full: Desk, job: str) -> None:
    go(full, *CHAIN, "monitor")

    def ready() -> bool:
        with full.warehouse.read() as session:
            return full.jobs[job].ready(session, full.markets, full.now)

    assert not ready()
    full.now += HOUR
    for feeder in CHAIN[: CHAIN.index(job)] if job in CHAIN else ():
        go(full, feeder)
    assert ready()
    go(full, job)
    assert not ready()


def test_looking_for_work_is_cheap(full: Desk) -> None:
    started = pd.Timestamp.now()
    with full.warehouse.read() as session:
        for job in full.jobs.values():
            job.ready(session, full.markets, full.now)
    assert pd.Timestamp.now() - started < timedelta(seconds=0.5)
