"""Jobs, Alerts and Data look back: filters kept in the address, run times, success, backfills, one alert, one day."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from dashboard import actions, exports
from dashboard.data import Desk
from dashboard.identity import User
from dashboard.panels import success
from dashboard.views import jobs
from pipeline.runs import new_run, run_frame
from tests import filler
from tests.dashboards import NOW, opened, seated, words
from tests.filler import Story

OTTO, ADA = User("otto", "operator"), User("ada", "admin")
HOUR = timedelta(hours=1)
INJECTED = '=cmd|"/c calc"!A1 <script>alert(1)</script>'


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Only looked at."""
    path = tmp_path_factory.mktemp("ops") / "w.duckdb"
    filler.fill(path, NOW, Story(busy=True))
    return path


@pytest.fixture
def read(filled: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with seated(filled, monkeypatch) as made:
        yield made


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    filler.fill(tmp_path / "w.duckdb", NOW)
    with seated(tmp_path / "w.duckdb", monkeypatch) as made:
        yield made


def at(view: str, **query: str) -> AppTest:
    """A page as a link with this query opens it."""
    app = opened().switch_page(f"views/{view}.py")
    for name, value in query.items():
        app.query_params[name] = value
    assert not app.run().exception
    return app


def table(app: AppTest, column: str) -> pd.DataFrame:
    found: pd.DataFrame = next(one.value for one in app.dataframe if column in one.value.columns)
    return found


def runs(session: object, rows: list[tuple[str, float, float]], **more: object) -> None:
    """Runs that went well, as (id, hours ago, seconds)."""
    made = []
    for run_id, hours, took in rows:
        start = NOW - timedelta(hours=hours)
        made.append(
            new_run("forecast", by="scheduler", reason="", args={}, now=start)
            | {"run_id": run_id, "state": "succeeded", "started_at": start, "heartbeat_at": start,
               "ended_at": start + timedelta(seconds=took)} | more
        )  # fmt: skip
    session.append("job_runs", run_frame(made))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({"failure": "over its deadline"}, {"over its deadline"}),
        ({"state": "failed", "job": "ingest"}, {"", "refused: token"}),
        ({"text": "TOKEN"}, {"refused: token"}),
        ({"asked_by": "local"}, {""}),
    ],
)
def test_a_link_carries_the_filters_of_the_history(read: Desk, query: dict[str, str], ids: set[str]) -> None:
    shown = table(at("jobs", **query), "failure")
    assert set(shown["failure"]) == ids
    if "asked_by" in query:
        assert set(shown["by"]) == {"local"}


def test_no_run_that_fits_is_said_with_what_to_do(read: Desk) -> None:
    assert "Choose a longer time or fewer filters." in words(at("jobs", text="nothing like this"))


def test_a_longer_history_holds_older_runs_and_says_how_many_there_are(read: Desk) -> None:
    assert "165 runs, newest first" in words(at("jobs"))
    assert "188 runs, newest first" in words(at("jobs", over="30 days"))


def test_run_times_mark_what_took_long_against_the_runs_before(desk: Desk) -> None:
    with desk.warehouse.write() as session:
        runs(session, [(f"long{n:08d}", 0.5 * n, 40.0) for n in (1, 2)])
    app = at("jobs")
    assert "25 runs that went well" in words(app)
    assert "longest 40 s; 2 runs took over 3 times the median of the 30 before it." in words(app)
    app.button(key="long-long00000002").click().run()
    assert app.query_params["run"] == "long00000002"
    assert "**forecast** `long00000002`" in words(app)
    app.button(key="close_run").click().run()
    assert "run" not in app.query_params
    assert "No run of backup went well" in words(at("jobs", timed="backup"))


def test_success_is_told_with_how_many_runs_it_is_of(read: Desk) -> None:
    rows = table(at("jobs"), "rescued").set_index("job")
    assert rows.loc["quality", ["week_n", "state", "rescued"]].tolist() == ["2", "▲ 1 failed", 1]
    assert rows.loc["quality", "week"] == 50
    assert rows.loc["ingest", "week"] == pytest.approx(100 * 29 / 31)
    assert rows.loc["tidy", ["week_n", "month_n"]].tolist() == ["7", "30"]
    assert rows.loc["backup", ["week_n", "missed"]].tolist() == ["0", 1]
    assert rows.index[0] == "quality"
    assert success.share(0, 0) is None


def test_the_log_of_a_run_has_a_harmless_file_name(read: Desk) -> None:
    assert jobs.log_name("ingest", "ab12") == "ingest-ab12.txt"
    assert jobs.log_name("../../etc/passwd", "a b\n") == "_.._etc_passwd-a_b_.txt"
    app = at("jobs", run="tidy00000001")
    assert "log" not in {one.key for one in app.get("download_button")}
    app = at("jobs", run="forecast0000002")
    assert next(one for one in app.get("download_button") if one.proto.label == "Log")


def test_text_of_a_log_and_an_error_does_nothing(desk: Desk) -> None:
    with desk.warehouse.write() as session:
        runs(session, [("evil00000001", 0.1, 2.0)], state="failed", error=INJECTED, log=INJECTED)
    app = at("jobs", run="evil00000001")
    assert "<script>" not in words(app).replace("\\<script", "")
    assert app.code[-1].value == INJECTED


@pytest.mark.parametrize(
    ("query", "n"),
    [({}, 17), ({"standing": "Acknowledged"}, 1), ({"standing": "Firing"}, 1), ({"standing": "Snoozed"}, 1),
     ({"standing": "Resolved"}, 14), ({"subject": "DISK"}, 4), ({"severity": "Warning", "subject": "demo"}, 6)],
)  # fmt: skip
def test_a_link_carries_the_filters_of_alerts(read: Desk, query: dict[str, str], n: int) -> None:
    assert len(table(at("alerts", **query), "lasted")) == n


def test_one_alert_has_an_address_and_is_told_whole(desk: Desk) -> None:
    actions.act_on_alert(desk, user=OTTO, kind="wake", alert_id="al-drift", reason="look again", now=NOW)
    app = at("alerts", alert="al-drift")
    said = words(app)
    assert said.index("This alert") < said.index("3 open alerts")
    assert "ada snoozed it until Sat 21 Nov 07:20 CET: holiday week" in said
    assert "otto woke it: look again" in said
    # It is not shown a second time among the open ones.
    assert said.count("2 of 30 subjects drifted") == 1
    app.button(key="all_alerts").click().run()
    assert "alert" not in app.query_params
    app.button(key="link-al-job").click().run()
    assert app.query_params["alert"] == "al-job"


def test_an_alert_that_is_over_tells_how_and_offers_nothing(read: Desk) -> None:
    app = at("alerts", alert="past00")
    assert "Good again Thu 19 Nov 11:40 CET: Lasted" in words(app)
    assert not {one.key for one in app.button} & {"acknowledge-past00", "snooze-past00", "wake-past00"}
    assert "No alert is called nowhere here." in words(at("alerts", alert="nowhere"))


def test_maintenance_is_ended_from_the_page_by_an_admin_with_a_reason(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    actions.declare_maintenance(
        desk, user=ADA, rule="*", subject="*", first=NOW - HOUR, last=NOW + HOUR, reason="new disk", now=NOW - HOUR
    )
    app = at("alerts")
    app.button(key="end").click().run()
    app.text_input(key="ask_reason").set_value("went well")
    assert not app.button(key="ask_go").click().run().exception
    row = table(app, "ended").query("reason == 'new disk'").iloc[0]
    assert (row.state, row.ended) == ("○ ended", "Fri 20 Nov 11:20 by local: went well")
    # What ends next is the planned one, which can be taken back.
    assert app.button(key="end").label == "Take this window back"
    monkeypatch.setattr("dashboard.identity.current_user", lambda: OTTO)
    assert at("alerts").button(key="end").disabled


def test_a_backfill_is_told_from_asked_to_filled(desk: Desk) -> None:
    hole = pd.Timestamp(NOW).floor("h") - timedelta(hours=20)
    window = {"first": hole.to_pydatetime(), "last": (hole + timedelta(minutes=40)).to_pydatetime()}
    assert table(at("data"), "slots")["state"].tolist() == ["◌ not asked for"]
    run_id = actions.backfill(desk, user=OTTO, series="demo.load", reason="hole", now=NOW, **window)
    app = at("data")
    assert table(app, "slots")["state"].tolist() == ["◐ backfill queued"]
    assert app.button(key="backfill").disabled
    assert table(app, "why")["state"].tolist() == ["◌ queued"]
    finish(desk, run_id)
    assert table(at("data"), "why")["state"].tolist() == ["▲ 8 slots still missing"]
    with desk.warehouse.write() as session:
        times = pd.date_range(hole, periods=8, freq="5min").as_unit("us")
        stamps = {"made_at": times, "seen_at": times, "source": "demo", "run_id": run_id}
        session.append("raw", pd.DataFrame({"series": "demo.load", "valid_at": times, "value": 2e4} | stamps))
        session.script("UPDATE job_runs SET rows_out = 8 WHERE run_id = $run_id", run_id=run_id)
    app = at("data")
    assert "No gap among those that can have one. Judged are the " in words(app)
    assert table(app, "why")[["state", "series", "by", "why"]].values.tolist() == [
        ["● filled", "Demand", "otto", "hole"]
    ]


def test_a_late_series_is_asked_for_from_its_tile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filler.fill(tmp_path / "w.duckdb", NOW, Story(hours_old=3))
    with seated(tmp_path / "w.duckdb", monkeypatch) as desk:
        app = at("data")
        app.button(key="catch-up-demo.load").click().run()
        app.text_input(key="ask_reason").set_value("it is back").run()
        assert not app.button(key="ask_go").click().run().exception
        queued = desk.warehouse.ask("open_runs").iloc[0]
        newest = desk.warehouse.ask("newest_point", series="demo.load")["newest"].iloc[0]
        end = datetime(2026, 11, 20, 10, 10, tzinfo=UTC)
        asked = {"series": "demo.load", "from": (newest + timedelta(minutes=5)).isoformat(), "to": end.isoformat()}
        assert json.loads(queued.args) == asked
        assert at("data").button(key="catch-up-demo.load").disabled
        finish(desk, queued.run_id)
        slots = int((end - newest) / timedelta(minutes=5)) - 1
        assert table(at("data"), "why")["state"].tolist() == [f"▲ {slots} slots still missing"]


def finish(desk: Desk, run_id: str) -> None:
    with desk.warehouse.write() as session:
        session.script(
            "UPDATE job_runs SET state = 'succeeded', started_at = $now, ended_at = $now WHERE run_id = $run_id",
            now=NOW, run_id=run_id,
        )  # fmt: skip


def test_a_gap_the_source_never_fills_is_a_known_hole(desk: Desk) -> None:
    with desk.warehouse.write() as session:
        session.script(
            "INSERT INTO fetches SELECT fetches.* REPLACE ('empty' AS outcome, "
            "seen_at - INTERVAL 1 HOUR * n AS seen_at, window_start - INTERVAL 2 DAY AS window_start) "
            "FROM fetches, range(3) t(n) WHERE series = 'demo.load'"
        )
    assert table(at("data"), "slots")["state"].tolist() == ["○ known hole, asked 3 times"]


def test_a_day_of_the_map_tells_what_was_wrong(read: Desk) -> None:
    said = words(at("data", day="2026-11-13"))
    assert "**Friday 13 November 2026** in Madrid." in said
    assert "**Demand**: 257 of 288 values there; longest gap 2 h 35 min; 12 revisions, by 14.2 MW on average." in said
    said = words(at("data", day="2026-11-09"))
    assert (
        ":material/warning: **Demand**: 288 of 288 values there; the same value for 1 h 35 min from 09:00 CET" in said
    )
    assert "values out of range" in words(at("data", day="2026-11-01"))
    # A day that was never checked is none.
    assert "in Madrid. " not in words(at("data", day="1999-01-01"))


def test_an_import_is_no_answer_of_the_source(desk: Desk) -> None:
    with desk.warehouse.write() as session:
        session.script(
            "INSERT INTO fetches SELECT * REPLACE ('files' AS source, 'ok' AS outcome, '' AS message, "
            "5 AS rows_quarantined, seen_at + INTERVAL 1 MINUTE AS seen_at) FROM fetches "
            "WHERE series = 'demo.temperature'"
        )
    row = table(at("data"), "cadence").set_index("series").loc["Temperature (demo.temperature)"]
    assert row[["outcome", "source", "failed", "quarantined"]].tolist() == [
        "▲ network or server", "demo", "1 of 1", 5
    ]  # fmt: skip


def test_revisions_are_told_by_age_over_the_hours_that_are_so_old(read: Desk) -> None:
    ages = tuple(timedelta(hours=hours) for hours in (1, 6, 24, 168))
    rows = read.ask("page_revision_ages", target="demo.load", since=NOW - timedelta(days=30), now=NOW, ages=ages)
    assert rows["n_moved"].tolist()[0] == 0
    assert (rows["n"].diff().dropna() < 0).all()
    assert rows["n_moved"].iloc[1] == 40
    assert rows["largest"].iloc[1] == 6 + 22
    assert "By age since first publication" in words(at("data"))


def test_a_download_of_alerts_is_harmless_in_a_spreadsheet(desk: Desk) -> None:
    with desk.warehouse.write() as session:
        session.script("UPDATE alert_flips SET message = $text WHERE alert_id = 'al-job'", text=INJECTED)
    rows = desk.ask(
        "page_alert_history", since=NOW - timedelta(days=1), now=NOW, rule="all", severity="all", standing="all",
        subject="", n=9,
    )  # fmt: skip
    read = {row["alert_id"]: row for row in csv.DictReader(io.StringIO(exports.csv(rows).decode()))}
    assert read["al-job"]["message"] == f"'{INJECTED}"
