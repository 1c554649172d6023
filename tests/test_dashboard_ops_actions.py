"""Runs, gaps and alerts are changed from pages only through audited, role-checked actions."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from dashboard import actions, identity
from dashboard.actions import Denied
from dashboard.data import Desk
from dashboard.identity import User
from pipeline.errors import ActRefused, JobError, UnknownJob
from tests import filler
from tests.dashboards import NOW, seated
from tests.filler import Story

ADMIN, OPERATOR, VIEWER = User("ada", "admin"), User("otto", "operator"), User("vera", "viewer")
HOUR = timedelta(hours=1)
ACTS: dict[str, Callable[[Desk, User, str], object]] = {
    "run_now": lambda desk, user, why: actions.run_now(desk, user=user, job="ingest", reason=why, now=NOW),
    "cancel": lambda desk, user, why: actions.cancel(desk, user=user, run_id="queued000001", reason=why, now=NOW),
    "retry": lambda desk, user, why: actions.retry(desk, user=user, run_id="auth00000001", reason=why, now=NOW),
    "backfill": lambda desk, user, why: actions.backfill(
        desk, user=user, series="demo.load", first=NOW - 3 * HOUR, last=NOW - HOUR, reason=why, now=NOW
    ),
    "acknowledge": lambda desk, user, why: actions.act_on_alert(
        desk, user=user, kind="acknowledge", alert_id="al-job", reason=why, now=NOW
    ),
    "snooze": lambda desk, user, why: actions.act_on_alert(
        desk, user=user, kind="snooze", alert_id="al-job", reason=why, now=NOW, until=NOW + HOUR
    ),
    "wake": lambda desk, user, why: actions.act_on_alert(
        desk, user=user, kind="wake", alert_id="al-stale", reason=why, now=NOW
    ),
    "end_maintenance": lambda desk, user, why: actions.end_maintenance(
        desk, user=user, window_id="w2", reason=why, now=NOW
    ),
    "declare_maintenance": lambda desk, user, why: actions.declare_maintenance(
        desk, user=user, rule="*", subject="demo.", first=NOW, last=NOW + HOUR, reason=why, now=NOW
    ),
}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    filler.fill(tmp_path / "w.duckdb", NOW, Story(busy=True))
    with seated(tmp_path / "w.duckdb", monkeypatch) as made:
        yield made


def audit(desk: Desk) -> pd.DataFrame:
    rows = desk.warehouse.ask("page_audit", action="all", n=50)
    return rows[rows["actor"] != "local"]


def counts(desk: Desk) -> dict[str, int]:
    with desk.warehouse.read() as session:
        return {table: session.count(table) for table in ("job_runs", "alert_acts", "maintenance")}


@pytest.mark.parametrize("name", ACTS)
def test_what_was_done_is_audited_with_who_and_why(desk: Desk, name: str) -> None:
    ACTS[name](desk, ADMIN, "because")
    rows = audit(desk)
    assert sorted(rows["outcome"]) == ["ok", "started"]
    assert rows[["actor", "action", "reason"]].drop_duplicates().values.tolist() == [["ada", name, "because"]]


@pytest.mark.parametrize("name", ACTS)
@pytest.mark.parametrize(("user", "why"), [(VIEWER, "please"), (ADMIN, "  ")])
def test_without_role_or_reason_nothing_is_done_and_the_attempt_is_audited(
    desk: Desk, name: str, user: User, why: str
) -> None:
    before = counts(desk)
    with pytest.raises(Denied, match="needs"):
        ACTS[name](desk, user, why)
    assert audit(desk)["outcome"].tolist() == ["denied"]
    assert counts(desk) == before


def test_an_operator_may_do_all_but_declare_and_end_maintenance(desk: Desk) -> None:
    refused = []
    for name, act in ACTS.items():
        try:
            act(desk, OPERATOR, "duty")
        except Denied:
            refused.append(name)
    assert refused == ["end_maintenance", "declare_maintenance"]


def test_run_now_asked_twice_makes_one_run(desk: Desk) -> None:
    before = counts(desk)["job_runs"]
    first = ACTS["run_now"](desk, OPERATOR, "once")
    assert ACTS["run_now"](desk, ADMIN, "twice") == first
    assert counts(desk)["job_runs"] == before + 1


def test_an_unknown_job_is_not_queued(desk: Desk) -> None:
    with pytest.raises(UnknownJob, match="no job is called 'dance'"):
        actions.run_now(desk, user=ADMIN, job="dance", reason="fun", now=NOW)
    assert "failed" in set(audit(desk)["outcome"])


def test_a_queued_run_is_cancelled_at_once_and_a_running_one_marked(desk: Desk) -> None:
    assert actions.cancel(desk, user=OPERATOR, run_id="queued000001", reason="not now", now=NOW) == "cancelled"
    assert actions.cancel(desk, user=OPERATOR, run_id="running00001", reason="too long", now=NOW) == "running"
    row = desk.warehouse.ask("run_by_id", run_id="running00001").iloc[0]
    assert (row.state, row.cancel_by, row.cancel_reason) == ("running", "otto", "too long")
    assert pd.notna(row.cancel_asked_at)


def test_a_retry_has_the_arguments_of_the_failed_run(desk: Desk) -> None:
    run_id = actions.retry(desk, user=OPERATOR, run_id="auth00000001", reason="token mended", now=NOW)
    row = desk.warehouse.ask("run_by_id", run_id=run_id).iloc[0]
    assert (row.job, row.state, row["args"]) == ("ingest", "queued", "{}")
    assert row.reason == "retry of auth00000001: token mended"


def test_only_a_run_that_did_not_go_well_is_tried_again(desk: Desk) -> None:
    with pytest.raises(JobError, match="none that failed"):
        actions.retry(desk, user=OPERATOR, run_id="ingest0000000", reason="again", now=NOW)
    with pytest.raises(JobError, match="none that failed"):
        actions.retry(desk, user=OPERATOR, run_id="nowhere", reason="again", now=NOW)


def test_a_backfill_queues_an_ingest_of_the_window(desk: Desk) -> None:
    ACTS["backfill"](desk, OPERATOR, "hole")
    row = desk.warehouse.ask("page_backfills", since=NOW - HOUR).iloc[0]
    assert (row.state, row.series, row["first"]) == ("queued", "demo.load", NOW - 3 * HOUR)
    detail = json.loads(audit(desk).query("outcome == 'ok'")["detail"].iloc[0])
    assert detail["from"] == (NOW - 3 * HOUR).isoformat()


def test_a_backfill_asked_for_twice_is_one_run_and_of_another_series_another(desk: Desk) -> None:
    window = {"first": NOW - 3 * HOUR, "last": NOW - HOUR, "user": OPERATOR, "reason": "hole", "now": NOW}
    first = actions.backfill(desk, series="demo.load", **window)  # type: ignore[arg-type]
    assert actions.backfill(desk, series="demo.load", **window) == first  # type: ignore[arg-type]
    assert actions.backfill(desk, series="demo.price", **window) != first  # type: ignore[arg-type]
    with pytest.raises(JobError, match=r"no active market has a series 'x\.y'"):
        actions.backfill(desk, series="x.y", **window)  # type: ignore[arg-type]
    assert len(desk.warehouse.ask("page_backfills", since=NOW)) == 2


def test_an_alert_that_is_over_cannot_be_acknowledged(desk: Desk) -> None:
    with pytest.raises(ActRefused, match="resolved"):
        actions.act_on_alert(desk, user=OPERATOR, kind="acknowledge", alert_id="past00", reason="late", now=NOW)
    assert "failed" in set(audit(desk)["outcome"])


def test_running_a_new_issue_again_takes_the_role_of_a_new_issue(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(identity.NEEDS, "reissue", "admin")
    run_id = actions.reissue(desk, user=ADMIN, target="demo.load", reason="new champion", now=NOW)
    actions.cancel(desk, user=ADMIN, run_id=run_id, reason="not yet", now=NOW)
    before = counts(desk)
    with pytest.raises(Denied, match="retry needs the role admin; otto is operator"):
        actions.retry(desk, user=OPERATOR, run_id=run_id, reason="again", now=NOW)
    assert counts(desk) == before
    rows = audit(desk).query("actor == 'otto'")
    assert rows[["action", "subject", "outcome"]].values.tolist() == [["retry", run_id, "denied"]]
    again = actions.retry(desk, user=ADMIN, run_id=run_id, reason="now", now=NOW)
    assert json.loads(desk.warehouse.ask("run_by_id", run_id=again)["args"].iloc[0]) == {"reissue": "demo.load"}
