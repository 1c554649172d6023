"""What is read of the last days only answers as if all of it were read, also when the last days hold nothing."""

from datetime import UTC, datetime, timedelta

import pandas as pd

from pipeline import freshness, punctuality, status
from tests.conftest import Desk, ask

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def wait(desk: Desk, span: timedelta) -> None:
    desk.now += span


def unscored(desk: Desk, since: datetime) -> pd.DataFrame:
    return desk.warehouse.ask("unscored", since=since, as_of=desk.now)


def insert(desk: Desk, sql: str, **params: object) -> None:
    with desk.warehouse.write() as session:
        session.script(sql, **params)


def test_an_old_hour_that_is_revised_or_forecast_late_is_scored(full: Desk) -> None:
    wait(full, 4 * DAY)  # all of the template was written at one moment
    full.done("backfill")
    before = full.rows("accuracy")
    wait(full, HOUR)
    old = ask(full, "SELECT min(origin) AS origin FROM predictions WHERE issuer = 'naive'").origin.iloc[0] + 2 * DAY
    assert old < full.now - 4 * DAY
    insert(
        full,
        "INSERT INTO actuals SELECT * REPLACE (value + 5 AS value, $now AS known_at, $now AS written_at) FROM actuals "
        "WHERE valid_at = $old",
        now=full.now,
        old=old,
    )
    insert(
        full,
        "INSERT INTO predictions SELECT * REPLACE ('shadow' AS issuer, 'late' AS version_id, $now AS written_at) "
        "FROM predictions WHERE origin = $old AND issuer = 'naive'",
        now=full.now,
        old=old - DAY,
    )
    due = unscored(full, BEGINNING)
    assert set(due.loc[due.version_id != "late", "valid_at"]) == {old}
    assert (due.version_id == "late").sum() == 6
    wait(full, HOUR)
    assert full.done("backfill")["rows_out"] == len(due) == full.rows("accuracy") - before
    wait(full, HOUR)
    assert full.run("backfill")["state"] == "skipped"
    assert unscored(full, BEGINNING).empty


def test_a_backfill_that_failed_is_made_good(full: Desk) -> None:
    full.done("backfill")
    insert(full, "DELETE FROM accuracy WHERE scored_at IS NOT NULL")
    insert(full, "UPDATE job_runs SET state = 'failed' WHERE job = 'backfill'")
    wait(full, 5 * DAY)
    assert full.done("backfill")["rows_out"] > 1000
    assert unscored(full, BEGINNING).empty


def test_the_status_finds_an_issue_that_is_weeks_old(full: Desk) -> None:
    newest = ask(full, "SELECT max(origin) AS origin FROM predictions WHERE issuer = 'sextant'").origin.iloc[0]
    wait(full, 20 * DAY)
    row = status.look(full.warehouse, full.settings, full.markets, full.now).targets[0]
    assert row["origin"] == newest
    assert row["hours_late"] >= 19 * 24


def test_a_source_that_is_silent_for_days_is_told_from_its_last_answer(full: Desk) -> None:
    wait(full, 4 * DAY)
    (market,) = full.markets.values()
    silent = full.now - 3 * DAY
    for nth, at in enumerate((silent, full.now - HOUR / 12)):
        insert(
            full,
            "INSERT INTO fetches SELECT * REPLACE ($now AS seen_at, $now AS window_end, 'transient' AS outcome, "
            "'later' || $nth AS run_id) FROM fetches "
            "QUALIFY row_number() OVER (PARTITION BY series ORDER BY seen_at DESC) = 1",
            now=at,
            nth=nth,
        )
    with full.warehouse.read() as session:
        found = freshness.look(session, market, full.now)
        names, behind = [one.id for one in market.series], [one.cadence + one.delay for one in market.series]
        rows = session.ask("freshness", series=names, behind=behind, since=BEGINNING).set_index("series")
    assert [one.asked_at for one in found] == [rows.asked_at[one.series].to_pydatetime() for one in found]
    assert rows.answered_at.notna().all()
    late = [one for one in found if one.state == "late"]
    assert late
    assert all(f"since {silent:%d %b %Y %H:%M} UTC" in one.why for one in late)
    assert {one.newest for one in found} == {rows.newest[one.series].to_pydatetime() for one in found}


def test_hours_noted_by_a_clock_ahead_are_looked_at_again_however_old(full: Desk) -> None:
    full.now += HOUR
    for job in ("ingest", "actuals", "features", "forecast"):
        full.done(job)
    due = full.now.replace(minute=0) - HOUR
    live = (
        "INSERT INTO predictions SELECT * REPLACE (origin - to_days($n) AS origin, valid_at - to_days($n) AS valid_at) "
    )
    live += "FROM predictions WHERE mode = 'live'"
    insert(full, live, n=40)
    with full.warehouse.read() as session:
        near = punctuality.missed(session, full.target.id, due=due + HOUR, now=full.now)
    assert near.empty  # what lies more than two weeks before the newest issue was noted in its time
    noted = "INSERT INTO missed_issues VALUES ($target, $origin, 'no run in time', $at, 'r')"
    insert(full, noted, target=full.target.id, origin=due - 30 * DAY, at=full.now + DAY)
    with full.warehouse.read() as session:
        again = punctuality.missed(session, full.target.id, due=due + HOUR, now=full.now)
    assert again.origin.min() == pd.Timestamp(due - 30 * DAY)
