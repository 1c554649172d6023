"""What one walk under a clock that was ahead leaves behind stops nothing once the clock is right, and is said."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pandas as pd
import pytest

from dashboard import data
from pipeline import status
from pipeline.doctor import examine
from pipeline.runs import new_run, run_frame
from pipeline.warehouse import SCHEDULER
from tests.alarms import bad, script, utc
from tests.conftest import NOW, Desk, ask

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CHAIN = ("ingest", "actuals", "features", "forecast", "backfill")


def issued(desk: Desk) -> list[str]:
    rows = ask(
        desk, "SELECT DISTINCT origin FROM predictions WHERE mode = 'live' AND issuer = 'sextant' ORDER BY origin"
    )
    return [f"{origin:%d %H:%M}" for origin in rows.origin]


def noted(desk: Desk) -> dict[str, str]:
    rows = ask(desk, f"SELECT * FROM missed_issues WHERE noted_at <= {utc(desk.now)} ORDER BY origin")
    return {f"{row.origin:%d %H:%M}": str(row.reason) for row in rows.itertuples()}


def walk(desk: Desk, *jobs: str, hours: float = 0) -> None:
    desk.now += hours * HOUR
    for job in jobs:
        desk.done(job)


def ready(desk: Desk, job: str) -> bool:
    with desk.warehouse.read() as session:
        return desk.jobs[job].ready(session, desk.markets, desk.now)


@pytest.fixture
def ahead(full: Desk) -> Iterator[Desk]:
    """A desk that some scheduler leads, after a walk under a clock that was a day ahead."""
    walk(full, "features", "forecast", hours=24.25)
    full.now = NOW
    with full.warehouse.job_lock(SCHEDULER):
        yield full


def looked(desk: Desk) -> status.Status:
    return status.look(desk.warehouse, desk.settings, desk.markets, desk.now)


def test_every_later_hour_is_issued(ahead: Desk) -> None:
    assert issued(ahead) == ["20 09:00", "21 09:00"]
    for _ in range(3):
        ahead.now += HOUR
        walk(ahead, "ingest", "actuals")
        assert ready(ahead, "features")
        walk(ahead, "features", "forecast")
        assert not ready(ahead, "features")
    assert issued(ahead) == ["20 09:00", "20 10:00", "20 11:00", "20 12:00", "21 09:00"]
    assert looked(ahead).targets[0]["hours_late"] == 0


def test_hours_that_had_not_happened_are_missed_only_if_they_are(ahead: Desk) -> None:
    assert ask(ahead, "SELECT count(*) AS n FROM missed_issues").n[0] == 23
    assert bad(ahead, "missed_issue") == {}
    walk(ahead, *CHAIN, hours=1)
    assert (noted(ahead), bad(ahead, "missed_issue")) == ({}, {})
    walk(ahead, *CHAIN, hours=2)
    assert list(noted(ahead)) == ["20 11:00"]
    stretch = bad(ahead, "missed_issue")["demo.load"]
    assert (stretch.evidence["n"], stretch.over) == (1, True)
    assert looked(ahead).targets[0]["n_missed"] == 1
    flaws = [one.flaw for one in examine(ahead.warehouse, ahead.settings.models, jobs=list(ahead.jobs)) if one.flaw]
    assert flaws == []


def test_hours_missed_after_it_are_not_over_because_of_an_issue_in_the_future(ahead: Desk) -> None:
    ahead.now += 4 * HOUR
    script(
        ahead,
        f"UPDATE missed_issues SET noted_at = {utc(ahead.now)} WHERE origin = {utc(NOW.replace(minute=0))}",
    )
    assert not bad(ahead, "missed_issue")["demo.load"].over


def test_status_and_pages_go_by_what_is_not_in_the_future(ahead: Desk) -> None:
    found = looked(ahead)
    assert (found.worst, found.targets[0]["origin"]) == ("critical", NOW.replace(minute=0) - HOUR)
    assert any(
        "1 issue lies in the future, to origin 21 Nov 09:00Z: the clock was ahead" in one for one in found.reasons
    )
    ahead.now += 4 * HOUR
    assert "demo.load: 3 issues are due and missing" in looked(ahead).reasons
    pages = data.Desk(ahead.settings, ahead.markets, ahead.warehouse, lambda: ahead.now)
    assert data.freshness(pages, ahead.target, ahead.now).hours_late == 3
    about = {"target": "demo.load", "due": data.due_origin(ahead.now)}
    assert set(pages.ask("page_issue", **about).origin) == {pd.Timestamp(NOW.replace(minute=0) - HOUR)}
    assert pages.ask("page_fan", since=NOW - DAY, **about).valid_at.max() < pd.Timestamp(NOW + DAY)


def test_the_monitor_and_the_checks_of_data_go_on(full: Desk) -> None:
    walk(full, "monitor", "quality", hours=30 * 24)
    full.now = NOW
    for job in ("monitor", "quality"):
        assert ready(full, job)
        walk(full, job)
        assert not ready(full, job)
    assert ask(full, "SELECT count(DISTINCT run_id) AS n FROM drift").n[0] == 2
    before = ask(full, f"SELECT count(*) AS n FROM quality WHERE checked_at = {utc(NOW)}").n[0]
    assert before > 0


def test_actuals_go_on(full: Desk) -> None:
    script(
        full,
        f"UPDATE actuals SET written_at = {utc(NOW + 30 * DAY)} WHERE valid_at = {utc(NOW.replace(minute=0) - HOUR)}",
    )
    walk(full, "ingest", "actuals", hours=1)
    newest = ask(full, "SELECT max(valid_at) AS newest FROM actuals WHERE target = 'demo.load'").newest[0]
    assert newest == pd.Timestamp(NOW.replace(minute=0))


def ran(desk: Desk, state: str, at: datetime) -> None:
    row = new_run("ingest", by="test", reason="", args={}, now=at)
    row |= {"state": state, "started_at": at, "ended_at": at, "failure": "auth", "error": "no"}
    with desk.warehouse.write() as session:
        session.append("job_runs", run_frame([row]))


def test_a_good_run_and_a_backup_of_the_future_hide_nothing(full: Desk) -> None:
    ran(full, "succeeded", NOW + DAY)
    full.now += timedelta(minutes=1)
    ran(full, "failed", full.now)
    assert set(bad(full, "job_failed")) == {"ingest"}
    full.now += 30 * DAY
    full.done("backup")
    assert bad(full, "backup_old") == {}
    full.now = NOW + 3 * DAY
    script(full, f"UPDATE schema_migrations SET applied_at = {utc(NOW)}")
    assert set(bad(full, "backup_old")) == {"backup"}


def test_chain_steps_that_are_not_run_are_late_whatever_ran_in_the_future(ahead: Desk) -> None:
    term = f"'one', 'desk', 1, 1.0, {utc(NOW - DAY)}, {utc(NOW)}, NULL, NULL"
    past = f"'two', 'desk', 1, 1.0, {utc(NOW + DAY)}, {utc(NOW + DAY)}, {utc(NOW + DAY)}, 'stopped'"
    script(ahead, f"INSERT INTO scheduler_terms VALUES ({term}), ({past})")
    ahead.now += 2 * HOUR
    walk(ahead, "ingest", "actuals")
    assert "features" in bad(ahead, "job_late")
    walk(ahead, "features")
    assert "features" not in bad(ahead, "job_late")
