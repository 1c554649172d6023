"""The life of models on the pages: approval with a preview, evidence, drift, calibration, declared events."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.data import Desk
from dashboard.formats import plain
from dashboard.panels import decisions, versions
from tests import filler, life_filler
from tests.dashboards import NOW, opened, seated, words
from tests.filler import Story

WINDOW = {"target": "demo.load", "since": NOW - timedelta(days=30), "until": NOW + timedelta(hours=1)}
SINCE = {"since": WINDOW["since"], "firsts": (), "lasts": ()}
SCORED = WINDOW | {"firsts": (), "lasts": ()}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    filler.fill(tmp_path / "w.duckdb", NOW, Story(waiting=True, reissued=True))
    with seated(tmp_path / "w.duckdb", monkeypatch) as made:
        yield made


def labels(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def champion(desk: Desk) -> str:
    return str(desk.ask("champion", target="demo.load")["version_id"].iloc[0])


def confirm(app: AppTest, typed: str, reason: str) -> AppTest:
    app.text_input(key="change_typed").set_value(typed)
    app.text_input(key="change_reason").set_value(reason)
    return app.button(key="change_go").click().run()


def test_a_candidate_waits_with_its_evidence_and_is_promoted_after_a_preview(desk: Desk) -> None:
    app = opened("models")
    assert "**demo.load-v4 waits for approval**" in words(app)
    assert "301.2 MW against 312.9 MW of demo.load-v3: \u221211.7 ± 4.1 MW" in words(app)
    app.button(key="approve").click().run()
    table = app.table[0].value
    assert table["Version"].tolist() == ["v4", "v3"]
    assert table["MAE, 7 days"].str.endswith(" MW").all()
    assert "common origins (v4 shadow" in words(app)
    assert "lies at most \u221215 MW from the champion's" in words(app)
    app.checkbox(key="change_at_once").check()
    confirm(app, "demo.load-v4", "quiet weeks")
    assert not app.exception
    assert champion(desk) == "demo.load-v4"
    queued = desk.ask("open_runs").iloc[0]
    assert (queued.job, json.loads(queued["args"])) == ("forecast", {"reissue": "demo.load"})
    assert "waits for approval**" not in words(opened("models"))


def test_a_promotion_needs_the_name_and_a_reason(desk: Desk) -> None:
    app = opened("models")
    app.button(key="approve").click().run()
    assert "exactly as written" in confirm(app, "demo.load-v3", "typo").error[0].value
    assert "needs a reason" in confirm(app, "demo.load-v4", " ").error[0].value
    assert champion(desk) == "demo.load-v3"


def test_the_first_champion_can_be_approved_too(desk: Desk) -> None:
    with desk.warehouse.write() as session:
        session.script("DELETE FROM promotions WHERE outcome = 'promoted'")
    app = opened("models")
    assert "No champion yet" in words(app)
    app.button(key="approve").click().run()
    assert "no champion yet to compare it with" in app.warning[-1].value
    confirm(app, "demo.load-v4", "the first")
    assert champion(desk) == "demo.load-v4"


def test_a_running_training_shows_what_it_said_last(desk: Desk) -> None:
    with desk.warehouse.write() as session:
        row = session.ask("run_by_id", run_id="train0000003")
        said = "10:00:00Z comparing ridge, mlp\n10:00:05Z demo.load: ridge, hold-out MAE 301.2, 0.4 s"
        later = {"run_id": "train0000009", "state": "running", "queued_at": pd.Timestamp(NOW), "log": said}
        session.upsert("job_runs", row.assign(**later))
    assert f"Last said: {plain(said.splitlines()[-1])}" in words(opened("models"))


def test_a_version_that_cannot_be_loaded_says_so_before_the_confirmation(desk: Desk) -> None:
    (desk.settings.models / "demo.load" / "train0000004.joblib").write_bytes(b"broken")
    app = opened("models")
    app.button(key="approve").click().run()
    assert "cannot be compared" in app.warning[-1].value
    assert "was changed since training" in app.warning[-1].value
    assert app.button(key="change_go").disabled
    assert champion(desk) == "demo.load-v3"


def test_the_policy_is_told_in_words(desk: Desk) -> None:
    assert "Policy **auto**: a new version takes over unless" in words(opened("models"))
    _retarget(desk, policy=replace(desk.targets["demo.load"].policy, promotion="manual"))
    assert "Policy **manual**: a new version waits until somebody promotes it here" in words(opened("models"))


def test_versions_show_their_live_error_and_how_it_is_known(desk: Desk) -> None:
    rows = desk.ask("page_versions", target="demo.load", **SINCE).set_index("version_id")
    with desk.warehouse.read() as session:
        scores = session._cursor.sql("SELECT * FROM accuracy_latest WHERE issuer = 'shadow'").to_arrow_table()
    mine = scores.to_pandas().query("version_id == 'demo.load-v4'")
    assert rows.loc["demo.load-v4", "live_mae"] == pytest.approx(mine["error"].abs().mean())
    assert rows.loc["demo.load-v4", ["live_n", "shadow_n"]].tolist() == [mine["origin"].nunique()] * 2
    assert rows.loc["demo.load-v3", "shadow_n"] == 0
    shown = opened("models").dataframe[0].value.set_index("version")
    assert shown["role"].tolist() == ["◐ shadow", "★ champion", "◐ shadow", "◐ shadow"]
    assert " issued, " in shown.loc["demo.load-v2", "live_n"]
    assert shown.loc["demo.load-v4", "live_n"].endswith(" shadow")


def test_a_retired_version_is_marked_and_not_offered(desk: Desk) -> None:
    row = {
        "version_id": "demo.load-v1",
        "reason": "beyond the newest 3",
        "retired_at": pd.Timestamp(NOW),
        "run_id": None,
    }
    with desk.warehouse.write() as session:
        session.append("retirements", pd.DataFrame([row]))
    assert opened("models").dataframe[0].value["role"].tolist()[-1] == "○ retired"
    rows = desk.ask("page_versions", target="demo.load", **SINCE)
    assert "retired on 20 Nov 2026: beyond the newest 3" in versions.hurdle(rows.iloc[3], "demo.load-v3")
    assert versions.hurdle(rows.iloc[2], "demo.load-v3") == ""
    assert versions.hurdle(rows.iloc[1], "demo.load-v3") == "It is the champion already."


def test_who_was_live_when_is_drawn(desk: Desk) -> None:
    app = opened("models")
    assert "Which model was live when" in words(app)
    assert "3 changes of champion; blue is live now" in words(app)


@pytest.mark.parametrize(
    ("evidence", "said"),
    [
        ({"n": 40, "champion": "demo.load-v3"}, "Only 40 origins in common with demo.load-v3: too few to compare."),
        ({"flaw": "sees the future: 6 of 6 forecasts change"}, "A check stopped it: sees the future"),
        ({"flaw": None}, "All checks passed"),
        ({"tried_on": 24, "from": "demo.load-v3"}, "it forecast the 24 newest hours before the change"),
        (life_filler.EVIDENCE | {"p_value": 0.4}, "may be chance (p = 0.4)"),
        (life_filler.EVIDENCE, "hardly chance (p = 0.008)"),
        (life_filler.EVIDENCE, "boosting 301.2, ridge 355.0"),
        ({}, "V3 drifts at night."),
    ],
)
def test_evidence_is_told_in_plain_words(evidence: dict[str, object], said: str) -> None:
    row = pd.Series({"reason": "v3 drifts at night", "evidence": json.dumps(evidence)})
    assert said in "\n".join(decisions.words(row, "MW"))


def test_no_drift_is_a_plain_sentence_and_drift_comes_first(desk: Desk) -> None:
    app = opened("models")
    assert "No drift: none of 7 subjects of the week to" in words(app)
    later = pd.Timestamp(NOW)
    found = life_filler.drift(later, "demo.load", drifted=("change_1h",), run_id="monitor00002")
    with desk.warehouse.write() as session:
        session.append("drift", found.assign(checked_at=later))
    app = opened("models")
    assert "**1 of 7 subjects drifted**" in app.warning[-1].value
    assert "`change_1h`" in app.warning[-1].value
    subjects = next(one.value for one in app.dataframe if "subject" in one.value)
    assert subjects.iloc[0][["state", "subject"]].tolist() == ["▲ drifted", "change_1h"]


def test_families_are_those_of_the_last_run_that_compared_several(desk: Desk) -> None:
    quick = life_filler.scores("train0000009", "demo.load", 300.0, pd.Timestamp(NOW)).query("family == 'ridge'")
    with desk.warehouse.write() as session:
        session.append("backtests", quick)
    assert len(desk.ask("page_families", target="demo.load")) == 4


def test_a_reissue_names_both_times_and_models(desk: Desk) -> None:
    app = opened()
    assert "Re-issued Fri 20 Nov 11:27 CET by demo.load-v2" in app.info[0].value
    assert "first issued Fri 20 Nov 11:12 CET by demo.load-v3" in app.info[0].value


def test_a_reduced_issue_names_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    story = Story(status="reduced", reason="made without temperature_forecast: not known at issue")
    filler.fill(tmp_path / "w.duckdb", NOW, story)
    with seated(tmp_path / "w.duckdb", monkeypatch):
        app = opened()
    assert f"This forecast is reduced, {plain(story.reason)}" in app.warning[0].value
    assert "Forecast reduced" in words(app)
    assert "1 reduced" in words(app)


def test_the_backtest_is_shown_in_slices(desk: Desk) -> None:
    app = opened("accuracy")
    app.button_group(key="slices").set_value("Types of day").run()
    assert not app.exception
    shown = app.dataframe[-1].value
    assert shown["name"].tolist() == ["all", "working", "peak", "sunday"]
    app.selectbox(key="slice_family").set_value("ridge").run()
    assert set(app.dataframe[-1].value["family"]) == {"ridge"}


def _retarget(desk: Desk, **changes: object) -> None:
    market = desk.markets["demo"]
    desk.markets["demo"] = replace(market, targets=(replace(market.targets[0], **changes),))
