"""Acting on the Models page: a training run as it goes and ends, the preview of a change, what is refused."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dashboard import actions
from dashboard.data import Desk
from dashboard.identity import User
from dashboard.panels import dialogs, training
from pipeline.preview import Apart
from tests import filler
from tests.dashboards import NOW, opened, seated, words
from tests.filler import Story

TARGET = "demo.load"
LOG = """10:00:00Z other.load: 99 origins, quick: comparing mlp
10:00:01Z demo.load: 25,535 origins, deep: comparing ridge, mlp, xgboost, naive
10:00:05Z demo.load: ridge, hold-out MAE 1,260.2, 0.4 s
10:00:06Z demo.load: mlp, hold-out MAE 266.0, 1.4 s
10:00:06Z other.load: naive, hold-out MAE 1.0, 0.1 s
10:00:07Z demo.load: xgboost is left out: too few rows"""


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    filler.fill(tmp_path / "w.duckdb", NOW, Story(waiting=True))
    with seated(tmp_path / "w.duckdb", monkeypatch) as made:
        yield made


def test_a_training_runs_log_tells_how_far_it_is() -> None:
    at = training.progress(LOG, TARGET)
    assert (at.depth, at.families) == ("deep", ("ridge", "mlp", "xgboost", "naive"))
    assert (set(at.done), set(at.left_out), at.to_come) == ({"ridge", "mlp"}, {"xgboost"}, ("naive",))
    assert at.share == pytest.approx(3 / 6)
    fitted = training.progress(
        f"{LOG}\n10:00:08Z demo.load: naive, hold-out MAE 9.5, the mean of its members\n"
        "10:00:09Z demo.load: fitting mlp on everything",
        TARGET,
    )
    assert (fitted.fitting, fitted.to_come, fitted.share) == ("mlp", (), pytest.approx(5 / 6))
    assert training.progress("10:00:00Z nothing known", TARGET).share == 0


def run_of(desk: Desk, **changes: Any) -> None:
    with desk.warehouse.write() as session:
        row = session.ask("run_by_id", run_id="train0000003")
        session.upsert("job_runs", row.assign(run_id="train0000009", **changes))


def test_a_running_training_shows_its_steps_and_what_is_usual(desk: Desk) -> None:
    with desk.warehouse.write() as session:
        session.script("UPDATE model_versions SET params = '{\"depth\": \"deep\"}' WHERE target = 'demo.load'")
    now = pd.Timestamp(NOW)
    run_of(desk, state="running", queued_at=now, started_at=now - timedelta(seconds=75), ended_at=pd.NaT, log=LOG)
    app = opened("models")
    said = words(app)
    assert "is running** for 1 min 15 s; usual is 3 min 34 s (n = 3)" in said
    assert said.index("mlp: hold-out MAE 266.0 MW") < said.index("ridge: hold-out MAE 1,260.2 MW")
    assert "xgboost is left out: too few rows" in said
    assert "to come: naive" in said
    assert "3 of 4 families compared" in str(app.get("progress")[0].proto)


def test_a_run_of_another_target_is_not_this_ones(desk: Desk) -> None:
    later = {"state": "queued", "queued_at": pd.Timestamp(NOW), "args": '{"target": "demo.other"}'}
    run_of(desk, **later)
    assert desk.ask("page_training", target=TARGET)["run_id"].tolist() == ["train0000003"]
    run_of(desk, **(later | {"args": '{"target": "demo.load"}'}))
    assert desk.ask("page_training", target=TARGET)["run_id"].tolist() == ["train0000009"]


def test_a_run_that_just_ended_shows_its_outcome_with_the_evidence(desk: Desk) -> None:
    now = pd.Timestamp(NOW)
    with desk.warehouse.write() as session:
        row = session.ask("run_by_id", run_id="train0000003")
        again = {"queued_at": now - timedelta(minutes=9), "ended_at": now - timedelta(minutes=5)}
        session.upsert("job_runs", row.assign(run_id="train0000004", requested_by="otto", **again))
    said = words(opened("models"))
    assert "`train0000004` ended 5 min ago" in said
    assert "with **demo.load-v4** (naive): **waits for approval**" in said
    assert said.count("301.2 MW against 312.9 MW of demo.load-v3") == 2


def test_a_retrain_can_be_quick(desk: Desk) -> None:
    app = opened("models")
    next(button for button in app.button if button.label == "Retrain").click().run()
    app.radio(key="retrain_depth").set_value("quick")
    app.text_input(key="retrain_reason").set_value("new meters")
    app.button(key="retrain_go").click().run()
    assert json.loads(desk.ask("open_runs")["args"].iloc[0])["depth"] == "quick"


def started(desk: Desk) -> Any:
    app = opened("models")
    app.button(key="approve").click().run()
    return app


def test_the_preview_tells_difference_doubt_and_chance(desk: Desk) -> None:
    with desk.warehouse.write() as session:
        for table in ("accuracy", "predictions"):
            session.script(
                f"INSERT INTO {table} SELECT * REPLACE ('shadow' AS issuer, 'demo.load-v4' AS version_id) FROM {table} "
                f"WHERE issuer = 'naive' AND origin < TIMESTAMPTZ '{NOW - timedelta(hours=32)}'"
            )
            session.script(
                f"INSERT INTO {table} SELECT * REPLACE ('shadow' AS issuer, 'demo.load-v3' AS version_id) FROM {table} "
                "WHERE issuer = 'sextant' AND version_id = 'demo.load-v2'"
            )
    said = words(started(desk))
    assert "7 days: the new one's MAE is higher: **+" in said
    assert "hardly chance (p " in said


def test_too_few_common_hours_get_no_verdict() -> None:
    found = Apart(28, 153, 252.9, 253.1, float("nan"), float("nan"))
    assert dialogs.verdicts({7: found}, "MW") == ["7 days: no verdict: 28 common origins, 100 are needed"]


def test_enter_in_the_typed_field_changes_nothing(desk: Desk) -> None:
    app = started(desk)
    app.text_input(key="change_reason").set_value("better").run()
    app.text_input(key="change_typed").set_value("demo.load-v4").run()
    assert desk.ask("champion", target=TARGET)["version_id"].tolist() == ["demo.load-v3"]
    assert set(desk.ask("page_audit", action="promote", n=9)["outcome"]) == set()


def test_a_change_by_somebody_else_meanwhile_is_told_and_refused(desk: Desk) -> None:
    app = started(desk)
    who: dict[str, Any] = {
        "user": User("eve", "admin"),
        "action": "roll_back",
        "target": TARGET,
        "reason": "odd",
        "now": NOW,
    }
    actions.change_champion(desk, version_id="demo.load-v2", expected="demo.load-v3", **who)
    app.run()
    assert "The champion is demo.load-v2 by now, no longer demo.load-v3" in app.error[-1].value
    assert app.button(key="change_go").disabled


def test_a_damaged_champion_is_named_in_the_preview(desk: Desk) -> None:
    (desk.settings.models / "demo.load" / "train0000003.joblib").write_bytes(b"broken")
    app = started(desk)
    assert any("The champion's own file is no good" in one.value for one in app.warning)
    assert not app.button(key="change_go").disabled


def test_the_second_click_of_a_double_one_does_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamlit.session_state", {"dialog": None, "retrain_reason": "twice"})
    frame: Any = None
    dialogs._retrain(frame)
    dialogs._change(frame)
    assert desk.ask("open_runs").empty
