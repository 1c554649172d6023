"""Every view on a full, an empty and a missing warehouse, and in each of its states."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from dashboard import data
from dashboard.data import Desk
from pipeline import migrating
from pipeline.queries import migrations
from pipeline.warehouse import Warehouse
from tests import filler
from tests.dashboards import NOW, opened, seated, words
from tests.filler import Story

VIEWS = ("forecasts", "accuracy", "data", "jobs", "models", "alerts", "audit")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    filler.fill(tmp_path / "w.duckdb", NOW)
    with seated(tmp_path / "w.duckdb", monkeypatch) as made:
        yield made


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_shows_a_full_warehouse(desk: Desk, view: str) -> None:
    app = opened(view)
    assert not app.exception
    assert not app.error
    assert app.title[0].value == f"{view.capitalize()}, Demo"
    assert len(app.dataframe) >= 1


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_shows_an_empty_warehouse(view: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filler.empty(tmp_path / "w.duckdb", NOW)
    with seated(tmp_path / "w.duckdb", monkeypatch):
        app = opened(view)
    assert not app.exception
    assert not app.error
    assert " yet" in words(app) or "no data" in app.dataframe[0].value.to_string() or "Nothing" in words(app)


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_shows_a_missing_warehouse(view: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with seated(tmp_path / "none.duckdb", monkeypatch):
        app = opened(view)
    assert not app.exception
    assert "No data yet" in words(app)
    assert not (tmp_path / "none.duckdb").exists()


def test_the_trader_sees_six_hours_with_band_and_change(desk: Desk) -> None:
    app = opened()
    issue = desk.ask("page_issue", target="demo.load", due=NOW)
    assert [card.label for card in app.metric] == [f"T+{h} · {10 + h}:00" for h in range(1, 7)]
    assert app.metric[0].value == f"{issue['p50'].iloc[0]:,.0f}"
    assert app.metric[5].delta == "first issue"
    assert f"{issue['p10'].iloc[0]:,.0f} – {issue['p90'].iloc[0]:,.0f} MW" in words(app)  # noqa: RUF001
    assert "of 719 issues of the last 30 days replayed" in words(app)


def test_the_clock_can_be_switched_to_utc(desk: Desk) -> None:
    app = opened()
    app.button_group(key="clock").set_value("UTC").run()
    assert app.metric[0].label == "T+1 · 10:00"
    assert "UTC" in words(app)


def test_a_stale_forecast_has_a_banner_and_marks_passed_hours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filler.fill(tmp_path / "w.duckdb", NOW, Story(hours_old=3))
    with seated(tmp_path / "w.duckdb", monkeypatch):
        app = opened()
    assert "2 issues missing" in app.warning[0].value
    assert [card.label.split(" · ")[2:] for card in app.metric][:5] == [
        ["passed"],
        ["passed"],
        ["passed"],
        ["running"],
        [],
    ]


def test_a_fallback_is_labelled_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filler.fill(tmp_path / "w.duckdb", NOW, Story(status="fallback", reason="stale data: 2 hours missing"))
    with seated(tmp_path / "w.duckdb", monkeypatch):
        app = opened()
    assert "fallback, not the champion's forecast: stale data: 2 hours missing" in app.warning[0].value


def test_a_withheld_forecast_shows_no_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filler.fill(tmp_path / "w.duckdb", NOW, Story(status="withheld", reason="no model is trained yet"))
    with seated(tmp_path / "w.duckdb", monkeypatch):
        app = opened()
    assert "withheld: no model is trained yet" in app.error[0].value
    assert {card.value for card in app.metric} == {"withheld"}


def test_a_replayed_issue_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filler.fill(tmp_path / "w.duckdb", NOW, Story(mode="replay"))
    with seated(tmp_path / "w.duckdb", monkeypatch):
        app = opened()
    assert "replayed afterwards with what was known then" in words(app)
    assert "719 of 719 issues" in words(app)


def test_a_failing_panel_leaves_the_rest_and_a_reference(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: object, **_options: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr("dashboard.figures.fan.draw", broken)
    app = opened()
    assert "Reference" in app.error[0].value
    assert "secret" not in words(app)
    assert len(app.metric) == 6


def test_wrong_settings_are_told_on_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEXTANT_MARKETS", "atlantis")
    data.desk.cache_clear()
    app = opened()
    assert "atlantis" in app.error[0].value
    data.desk.cache_clear()


def test_the_window_of_accuracy_can_be_chosen(desk: Desk) -> None:
    app = opened("accuracy")
    assert "of 719 issues" in words(app)
    app.button_group(key="window").set_value("7 days").run()
    assert "of 167 issues" in words(app)


def test_a_run_in_the_address_shows_its_log(desk: Desk) -> None:
    app = opened("jobs")
    app.query_params["run"] = "train0000002"
    app.run()
    assert "train: 48 rows" in app.code[0].value


def test_a_retrain_is_queued_with_its_reason(desk: Desk) -> None:
    app = opened("models")
    next(button for button in app.button if button.label == "Retrain").click().run()
    app.text_input(key="retrain_reason").set_value("new meters")
    app.button(key="retrain_go").click().run()
    assert not app.exception
    queued = desk.warehouse.ask("open_runs")
    assert queued["reason"].tolist() == ["new meters"]
    assert "is queued" in words(app)
    assert "No scheduler is running" in words(app)


def test_a_retrain_without_a_reason_stays_in_the_dialog(desk: Desk) -> None:
    app = opened("models")
    next(button for button in app.button if button.label == "Retrain").click().run()
    app.button(key="retrain_go").click().run()
    assert "needs a reason" in app.error[0].value
    assert desk.warehouse.ask("open_runs").empty


def test_the_scheduler_badge_follows_the_scheduler(desk: Desk) -> None:
    assert "Scheduler not running" in words(opened())
    with desk.warehouse.job_lock("scheduler"):
        assert "Scheduler running" in words(opened())


def test_a_clock_months_later_still_draws(desk: Desk) -> None:
    desk.clock = lambda: NOW + timedelta(days=90)
    for view in VIEWS:
        assert not opened(view).exception


@pytest.mark.parametrize("view", VIEWS)
def test_a_warehouse_of_an_older_release_is_named_and_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, view: str
) -> None:
    warehouse = Warehouse(tmp_path / "w.duckdb")
    with warehouse.write() as session:
        for step in migrations()[:2]:
            migrating.apply(session, step, NOW)
    with seated(warehouse.path, monkeypatch):
        app = opened(view)
        assert "The warehouse is of an older release; any job migrates it" in words(app)
        assert (list(app.exception), list(app.error), list(app.warning), list(app.subheader)) == ([], [], [], [])
        warehouse.migrate(NOW)
        assert "older release" not in words(app.run())
