"""Alerts, Data and Jobs: what ops see, what they may press, and what follows from it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import actions, alarms, identity, runbook
from dashboard.data import Desk
from dashboard.identity import User
from pipeline.errors import Busy
from tests import filler
from tests.dashboards import NOW, opened, seated, words
from tests.filler import Story


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    filler.fill(tmp_path / "w.duckdb", NOW, Story(busy=True))
    with seated(tmp_path / "w.duckdb", monkeypatch) as made:
        yield made


def table(app: AppTest, column: str) -> object:
    """The first table that has the column."""
    return next(one.value for one in app.dataframe if column in one.value.columns)


def confirm(app: AppTest, why: str) -> AppTest:
    app.text_input(key="ask_reason").set_value(why)
    app.button(key="ask_go").click().run()
    assert not app.exception
    return app


def badge(app: AppTest) -> str:
    return str(next(one.proto.label for one in app.get("page_link") if "badge" in one.proto.label))


def test_every_page_says_how_many_alerts_are_open(desk: Desk) -> None:
    for view in ("forecasts", "audit"):
        assert "red-badge[:material/error: 1 critical, 1 warning, 1 info]" in badge(opened(view))


def test_a_badge_turns_calm_when_somebody_sees_to_every_alert(desk: Desk) -> None:
    actions.act_on_alert(
        desk, user=User("otto", "operator"), kind="acknowledge", alert_id="al-job", reason="on it", now=NOW
    )
    assert "gray-badge[:material/notifications_paused: 1 critical, 1 warning, 1 info, seen to]" in badge(opened())


def test_no_alert_is_said_calmly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filler.empty(tmp_path / "w.duckdb", NOW)
    with seated(tmp_path / "w.duckdb", monkeypatch):
        app = opened("alerts")
    assert "No warehouse" not in words(app)
    assert "No open alerts" in badge(app)
    assert "Nothing has been checked yet" in words(app)


def test_open_alerts_come_worst_first_with_what_to_do(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runbook, "entry", lambda rule: f"advice on {rule}")
    said = words(opened("alerts"))
    assert said.index("advice on job_failed") < said.index("advice on stale_data") < said.index("advice on drift")
    assert "Acknowledged by otto" in said
    assert "Snoozed by ada until" in said
    assert "1 h 12 min ago" in said


def test_an_alert_leads_to_what_it_is_about(desk: Desk) -> None:
    rows = {row.alert_id: row for row in desk.ask("page_open_alerts").itertuples()}
    assert alarms.about(desk, rows["al-job"]) == ("jobs", "See the run", {"run": "ingest000002"})
    assert alarms.about(desk, rows["al-stale"]) == ("data", "See the data", {"series": "demo.temperature"})
    assert alarms.about(desk, rows["al-drift"]) == ("models", "See the models", {})


def test_an_alert_is_acknowledged_with_a_reason(desk: Desk) -> None:
    app = opened("alerts")
    app.button(key="acknowledge-al-job").click().run()
    app.button(key="ask_go").click().run()
    assert "needs a reason" in app.error[0].value
    confirm(app, "calling the provider")
    assert "Acknowledged by local" in words(app)
    row = desk.warehouse.ask("page_open_alerts").set_index("alert_id").loc["al-job"]
    assert (row.act, row.act_reason) == ("acknowledge", "calling the provider")


def test_an_alert_is_snoozed_and_woken(desk: Desk) -> None:
    app = opened("alerts")
    app.button(key="snooze-al-job").click().run()
    app.button_group(key="ask_span").set_value("24 hours")
    confirm(app, "tomorrow")
    assert "Snoozed by local until Sat 21 Nov 11:20" in words(app)
    app.button(key="wake-al-job").click().run()
    confirm(app, "no, now")
    assert "Firing" in words(app)


def test_maintenance_is_declared_in_the_zone_of_the_page(desk: Desk) -> None:
    app = opened("alerts")
    app.button(key="declare").click().run()
    confirm(app, "new disk")
    row = desk.warehouse.ask("page_maintenance", since=NOW).query("reason == 'new disk'").iloc[0]
    assert (row["rule"], row.subject, row.actor) == ("*", "*", "local")
    assert (f"{row.first_at:%H:%M}", f"{row.last_at:%H:%M}") == ("11:00", "13:00")


def test_history_can_be_filtered(desk: Desk) -> None:
    app = opened("alerts")
    assert len(table(app, "lasted")) == 17
    app.button_group(key="severity").set_value("critical").run()
    shown = table(app, "lasted")
    assert set(shown["severity"]) == {"▲ critical"}
    assert set(shown["title"]) <= {alarms.title("disk_low"), alarms.title("job_failed")}


def test_failed_deliveries_can_be_seen(desk: Desk) -> None:
    app = opened("alerts")
    assert "**webhook**: 1 message sent, the last 1 h 04 min ago, 2 attempts failed" in words(app)
    assert table(app, "attempt")["error"].str.contains("answered 503").sum() == 2


def test_a_late_series_is_explained(desk: Desk) -> None:
    said = words(opened("data"))
    assert "8 intervals late" in said
    assert "Demo does not answer properly since" in said
    assert "did not answer within 30 s" in said


def test_quality_and_revisions_count_what_the_tables_hold(desk: Desk) -> None:
    app = opened("data")
    shown = table(app, "missing_today").set_index("series")
    assert shown.loc["Temperature", "today"] == "▲ gaps"
    assert shown.loc["Demand", "bad"] == "1 of 7"
    assert shown.loc["Demand", "complete"] == pytest.approx(100 * (1 - 31 / (7 * 288)))
    assert "were revised after they were first complete" in words(app)


def test_a_day_that_is_not_over_is_not_a_bad_one(desk: Desk) -> None:
    with desk.warehouse.write() as session:
        session.script("UPDATE quality SET verdict = 'partial' WHERE series = 'demo.price'")
    assert table(opened("data"), "missing_today").set_index("series").loc["Day-ahead price", "bad"] == "0 of 7"


def test_a_gap_is_filled_from_the_page_and_says_so(desk: Desk) -> None:
    app = opened("data")
    assert table(app, "slots")["slots"].tolist() == [8]
    app.button(key="backfill").click().run()
    confirm(app, "the provider has it now")
    assert table(app, "slots")["state"].tolist() == ["◐ backfill queued"]
    queued = desk.warehouse.ask("open_runs").query("job == 'ingest'")
    assert queued["reason"].tolist() == ["the provider has it now"]


def test_what_runs_is_shown_against_its_usual_time_with_its_log(desk: Desk) -> None:
    app = opened("jobs")
    assert "Running for 11 min" in words(app)
    assert "**3.1 times the usual.**" in words(app)
    assert "comparing 3 families" in app.code[0].value


def test_a_running_and_a_waiting_run_are_cancelled_from_the_page(desk: Desk) -> None:
    app = opened("jobs")
    for run_id in ("queued000001", "running00001"):
        app.button(key=f"cancel-{run_id}").click().run()
        confirm(app, "enough")
    assert desk.warehouse.ask("run_by_id", run_id="queued000001")["state"].iloc[0] == "cancelled"
    assert "local asked for its end: enough" in words(app)
    assert app.button(key="cancel-running00001").disabled


def test_a_job_is_run_now_from_the_page_once(desk: Desk) -> None:
    app = opened("jobs")
    app.selectbox(key="run_job").set_value("ingest").run()
    for _ in range(2):
        app.button(key="run_now").click().run()
        confirm(app, "at once")
    assert (desk.warehouse.ask("open_runs")["job"] == "ingest").sum() == 1


def test_a_failed_run_is_run_again_from_the_page(desk: Desk) -> None:
    app = opened("jobs")
    app.query_params["run"] = "auth00000001"
    app.run()
    assert "failure: refused: token" in words(app)
    app.button(key="retry-auth00000001").click().run()
    confirm(app, "new token")
    assert "retry of auth00000001: new token" in set(desk.warehouse.ask("open_runs")["reason"])


def test_history_tells_tries_failures_and_runs_that_were_not_made(desk: Desk) -> None:
    rows = table(opened("jobs"), "failure").set_index("job")
    assert rows.loc["backup", "state"] == "▲ missed"
    assert "no scheduler from 02:10" in rows.loc["backup", "error"]
    assert rows.loc["backtest", "state"].tolist() == ["◌ queued", "⊘ cancelled"]
    quality = rows.loc["quality"]
    assert (quality["attempt"].tolist(), quality["failure"].tolist()) == ([2, 1], ["", "over its deadline"])


def test_next_runs_and_the_leader_are_named(desk: Desk) -> None:
    with desk.warehouse.job_lock("scheduler"):
        app = opened("jobs")
    assert "The schedule is led by process 4711 on desk since Wed 18 Nov 11:20 CET" in words(app)
    rows = table(app, "next").set_index("job")
    assert rows.loc["ingest", "next"] == "Fri 20 Nov 11:25"
    assert rows.loc["train", "next"] == "Sat 21 Nov 04:32"
    assert rows.loc["backtest", "plan"] == "on demand"


def test_missed_issues_are_counted_wherever_issues_are(desk: Desk) -> None:
    assert "2 missed" in words(opened("forecasts"))
    assert "**2 issues missed**" in words(opened("accuracy"))
    app = opened("jobs")
    assert table(app, "noted_at")["reason"].str.startswith("no scheduler from").all()


def test_capacity_is_projected(desk: Desk) -> None:
    app = opened("jobs")
    # The median step of half the time: 2 MiB of warehouse, 0.5 of models and 29 of backups a day.
    assert "**Stored, with backups, MiB**" in words(app)
    assert "Together they grow by 31.5 MiB a day (60 measurements of 59 days); full in 692 days" in words(app)
    assert "Free: 21.3 GiB" in words(app)
    assert table(app, "growth").values.tolist() == [["raw", 324_000, "+400"]]


def test_the_time_a_run_took_has_room_for_its_longest_words(desk: Desk) -> None:
    shown = next(one for one in opened("jobs").dataframe if "rows_out" in one.value.columns)
    assert json.loads(shown.proto.columns)["took"]["width"] >= 100


def test_run_again_for_a_new_issue_takes_the_role_of_a_new_issue(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(identity.NEEDS, "reissue", "admin")
    ada, otto = User("ada", "admin"), User("otto", "operator")
    run_id = actions.reissue(desk, user=ada, target="demo.load", reason="x", now=NOW)
    actions.cancel(desk, user=ada, run_id=run_id, reason="not yet", now=NOW)
    monkeypatch.setattr("dashboard.identity.current_user", lambda: otto)
    for asked, disabled in ((run_id, True), ("auth00000001", False)):
        app = opened("jobs")
        app.query_params["run"] = asked
        assert app.run().button(key=f"retry-{asked}").disabled is disabled


@pytest.mark.parametrize(("view", "query"), [("jobs", "page_missed"), ("data", "page_quality")])
def test_a_question_that_fails_blanks_one_panel_only(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, view: str, query: str
) -> None:
    ask = Desk.ask

    def broken(self: Desk, name: str, **params: object) -> object:
        if name == query:
            raise Busy("the warehouse is busy.")
        return ask(self, name, **params)

    monkeypatch.setattr(Desk, "ask", broken)
    app = opened(view)
    assert not app.exception
    assert sum("Not available right now" in one.value for one in app.warning) == 1
    assert "Capacity, 90 days" in words(app) if view == "jobs" else "Gaps, 35 days" in words(app)


def test_a_viewer_sees_buttons_that_cannot_be_pressed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.identity.current_user", lambda: User("vera", "viewer"))
    for view, key in (("alerts", "acknowledge-al-job"), ("jobs", "run_now"), ("data", "backfill")):
        assert opened(view).button(key=key).disabled


def test_an_entry_of_the_runbook_ends_where_the_next_begins(tmp_path: Path) -> None:
    file = tmp_path / "RUNBOOK.md"
    file.write_text("# R\n\n## Alerts\n\n### gaps\n\nFill them.\n\n### `drift`\n\nLook.\n\n## Procedures\n\nMore.\n")
    assert (runbook.entry("gaps", file), runbook.entry("drift", file)) == ("Fill them.", "Look.")
    assert runbook.entry("other", file) == ""
    assert runbook.entry("gaps", tmp_path / "none.md") == ""
