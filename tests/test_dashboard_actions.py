"""Pages change the warehouse only through audited, role-checked actions."""

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from dashboard import actions, identity
from dashboard.actions import Denied
from dashboard.data import Desk
from dashboard.identity import User
from pipeline import runs
from pipeline.errors import ArtifactDamaged, ModelError, NoWarehouse, StalePremise
from tests import filler
from tests.dashboards import NOW, seated
from tests.filler import Story

ADMIN, OPERATOR, VIEWER = User("ada", "admin"), User("otto", "operator"), User("vera", "viewer")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    filler.fill(tmp_path / "w.duckdb", NOW)
    with seated(tmp_path / "w.duckdb", monkeypatch) as made:
        yield made


def audit(desk: Desk) -> pd.DataFrame:
    rows = desk.warehouse.ask("page_audit", action="all", n=50)
    return rows[rows["actor"] != "local"]


def champion(desk: Desk) -> str:
    return str(desk.warehouse.ask("champion", target="demo.load")["version_id"].iloc[0])


def roll_back(
    desk: Desk, user: User, version_id: str = "demo.load-v2", expected: str = "demo.load-v3", reason: str = "v3 is off"
) -> None:
    actions.change_champion(
        desk, user=user, action="roll_back", target="demo.load", version_id=version_id, expected=expected,
        reason=reason, now=NOW,
    )  # fmt: skip


def test_a_roll_back_changes_the_champion_and_leaves_who_when_and_why(desk: Desk) -> None:
    roll_back(desk, ADMIN)
    assert champion(desk) == "demo.load-v2"
    promotion = desk.warehouse.ask("page_promotions", target="demo.load", n=1).iloc[0]
    assert (promotion.kind, promotion.actor, promotion.reason) == ("rollback", "ada", "v3 is off")
    assert promotion.previous_version_id == "demo.load-v3"
    rows = audit(desk)
    assert sorted(rows["outcome"]) == ["ok", "started"]
    assert set(rows["actor"]) == {"ada"}
    assert set(rows["reason"]) == {"v3 is off"}
    assert (rows["acted_at"] == pd.Timestamp(NOW)).all()


def test_a_roll_back_on_a_stale_page_is_refused_and_audited(desk: Desk) -> None:
    roll_back(desk, ADMIN)
    with pytest.raises(StalePremise):
        roll_back(desk, User("eve", "admin"), version_id="demo.load-v1")
    assert champion(desk) == "demo.load-v2"
    rows = audit(desk).query("actor == 'eve'")
    assert sorted(rows["outcome"]) == ["failed", "started"]
    assert "look again" in json.loads(rows.loc[rows["outcome"] == "failed", "detail"].iloc[0])["error"]


def test_a_damaged_model_cannot_become_champion(desk: Desk) -> None:
    next((desk.settings.models / "demo.load").glob("train0000002.joblib")).write_bytes(b"broken")
    with pytest.raises(ArtifactDamaged):
        roll_back(desk, ADMIN)
    assert champion(desk) == "demo.load-v3"
    assert "failed" in set(audit(desk)["outcome"])


def test_an_unknown_version_is_refused(desk: Desk) -> None:
    with pytest.raises(ModelError, match="no version"):
        roll_back(desk, ADMIN, version_id="demo.load-v9")


def test_a_role_that_may_not_roll_back_is_denied_and_audited(desk: Desk) -> None:
    with pytest.raises(Denied, match="roll back needs the role operator"):
        roll_back(desk, VIEWER)
    assert champion(desk) == "demo.load-v3"
    assert audit(desk)["outcome"].tolist() == ["denied"]


def test_an_operator_rolls_back_and_issues_again(desk: Desk) -> None:
    roll_back(desk, OPERATOR)
    actions.reissue(desk, user=OPERATOR, target="demo.load", reason="v3 is off", now=NOW)
    assert champion(desk) == "demo.load-v2"
    assert desk.warehouse.ask("open_runs")["args"].map(json.loads).tolist() == [{"reissue": "demo.load"}]


@pytest.mark.parametrize("reason", ["", "   "])
def test_an_action_without_a_reason_is_denied(desk: Desk, reason: str) -> None:
    with pytest.raises(Denied, match="needs a reason"):
        roll_back(desk, ADMIN, reason=reason)
    with pytest.raises(Denied, match="needs a reason"):
        actions.retrain(desk, user=ADMIN, target="demo.load", reason=reason, now=NOW)
    assert audit(desk)["outcome"].tolist() == ["denied", "denied"]


def test_a_retrain_queues_a_run_for_the_scheduler(desk: Desk) -> None:
    run_id = actions.retrain(desk, user=OPERATOR, target="demo.load", reason="new meters", now=NOW)
    row = desk.warehouse.ask("run_by_id", run_id=run_id).iloc[0]
    assert (row.job, row.state, row.requested_by, row.reason) == ("train", "queued", "otto", "new meters")
    assert json.loads(row["args"]) == {"actor": "otto", "force": True, "target": "demo.load"}
    assert run_id in audit(desk).query("outcome == 'ok'")["detail"].iloc[0]


def test_a_second_retrain_waits_in_the_same_place(desk: Desk) -> None:
    first = actions.retrain(desk, user=ADMIN, target="demo.load", reason="once", now=NOW)
    assert actions.retrain(desk, user=ADMIN, target="demo.load", reason="twice", now=NOW) == first


def promote(desk: Desk, user: User, version_id: str = "demo.load-v4", expected: str | None = "demo.load-v3") -> None:
    actions.change_champion(
        desk, user=user, action="promote", target="demo.load", version_id=version_id, expected=expected,
        reason="quiet weeks", now=NOW,
    )  # fmt: skip


@pytest.fixture
def waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    filler.fill(tmp_path / "w.duckdb", NOW, Story(waiting=True))
    with seated(tmp_path / "w.duckdb", monkeypatch) as made:
        yield made


def test_a_waiting_candidate_is_promoted_by_a_person(waiting: Desk) -> None:
    assert waiting.ask("page_waiting", target="demo.load")["version_id"].tolist() == ["demo.load-v4"]
    promote(waiting, ADMIN)
    assert champion(waiting) == "demo.load-v4"
    decision = waiting.ask("page_promotions", target="demo.load", n=1).iloc[0]
    assert (decision.kind, decision.outcome, decision.actor) == ("promote", "promoted", "ada")
    assert waiting.ask("page_waiting", target="demo.load").empty
    assert sorted(audit(waiting)["action"]) == ["promote", "promote"]


def test_a_candidate_of_before_the_last_change_of_champion_waits_no_more(waiting: Desk) -> None:
    roll_back(waiting, ADMIN)
    assert waiting.ask("page_waiting", target="demo.load").empty


def test_only_an_admin_promotes(waiting: Desk) -> None:
    with pytest.raises(Denied, match="promote needs the role admin"):
        promote(waiting, OPERATOR)
    with pytest.raises(Denied, match="reissue needs the role operator"):
        actions.reissue(waiting, user=VIEWER, target="demo.load", reason="at once", now=NOW)
    assert champion(waiting) == "demo.load-v3"
    assert waiting.warehouse.ask("open_runs").empty


@pytest.mark.parametrize("user", [OPERATOR, ADMIN])
def test_a_roll_back_is_no_way_round_a_promotion(waiting: Desk, user: User) -> None:
    with pytest.raises(ModelError, match=r"demo\.load-v4 never was the champion"):
        roll_back(waiting, user, version_id="demo.load-v4")
    assert champion(waiting) == "demo.load-v3"
    assert sorted(audit(waiting).query("actor == @user.name")["outcome"]) == ["failed", "started"]


def test_a_promotion_on_a_stale_page_changes_nothing(waiting: Desk) -> None:
    with pytest.raises(StalePremise):
        promote(waiting, ADMIN, expected="demo.load-v2")
    assert champion(waiting) == "demo.load-v3"
    assert "failed" in set(audit(waiting)["outcome"])


def test_issuing_again_at_once_queues_the_forecast_job_for_its_target(desk: Desk) -> None:
    runs.request(desk.warehouse, "forecast", by="x", reason="", args={"reissue": "demo.other"}, now=NOW)
    run_id = actions.reissue(desk, user=ADMIN, target="demo.load", reason="new champion", now=NOW)
    row = desk.warehouse.ask("run_by_id", run_id=run_id).iloc[0]
    assert (row.job, row.state, row.reason) == ("forecast", "queued", "new champion")
    assert json.loads(row["args"]) == {"reissue": "demo.load"}
    assert actions.reissue(desk, user=ADMIN, target="demo.load", reason="twice", now=NOW) == run_id


def test_a_viewer_may_not_retrain(desk: Desk) -> None:
    with pytest.raises(Denied, match="vera is viewer"):
        actions.retrain(desk, user=VIEWER, target="demo.load", reason="please", now=NOW)
    assert desk.warehouse.ask("open_runs").empty


def test_nothing_is_created_where_there_is_no_warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with seated(tmp_path / "none.duckdb", monkeypatch) as desk, pytest.raises(NoWarehouse):
        actions.retrain(desk, user=ADMIN, target="demo.load", reason="try", now=NOW)
    assert not (tmp_path / "none.duckdb").exists()


@pytest.mark.parametrize(
    ("address", "role"), [("127.0.0.1", "admin"), ("::1", "admin"), ("0.0.0.0", "viewer"), (None, "viewer")]
)
def test_without_sign_in_only_this_machine_may_change_anything(
    address: str | None, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamlit.get_option", {"server.address": address}.get)
    assert identity.current_user() == User("local", role)
