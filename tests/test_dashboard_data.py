"""Answers are remembered per version of the warehouse; numbers on pages are those of the tables."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dashboard import data, memory
from dashboard.data import Desk
from pipeline.errors import NoWarehouse
from pipeline.settings import Settings
from pipeline.warehouse import Warehouse
from tests import filler
from tests.dashboards import NOW, beat, seated

WINDOW = {"since": NOW - timedelta(days=30), "until": NOW + timedelta(hours=1)}
SCORED = WINDOW | {"firsts": (), "lasts": ()}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    filler.fill(tmp_path / "w.duckdb", NOW)
    with seated(tmp_path / "w.duckdb", monkeypatch) as made:
        yield made


def test_an_answer_is_asked_once_until_a_table_it_is_about_changes(desk: Desk) -> None:
    issue = desk.ask("page_issue", target="demo.load", due=NOW)
    runs = desk.ask("page_going")
    assert desk.ask("page_issue", target="demo.load", due=NOW) is issue
    beat(desk)
    assert desk.ask("page_issue", target="demo.load", due=NOW) is issue
    assert desk.ask("page_going") is not runs


def test_a_change_that_nobody_told_of_voids_every_answer(desk: Desk) -> None:
    issue = desk.ask("page_issue", target="demo.load", due=NOW)
    with desk.warehouse.write() as session:
        session._cursor.execute("UPDATE predictions SET p50 = p50 + 1")
    again = desk.ask("page_issue", target="demo.load", due=NOW)
    assert (again["p50"] == issue["p50"] + 1).all()
    desk.warehouse.path.touch()
    assert desk.ask("page_issue", target="demo.load", due=NOW) is not again


def test_a_page_is_outdated_by_the_tables_it_asked_and_no_others(desk: Desk) -> None:
    page = desk.seated()
    assert not page.outdated()
    page.ask("page_issue", target="demo.load", due=NOW)
    beat(desk)
    assert not page.outdated()
    page.ask("page_going")
    beat(desk)
    assert page.outdated()
    assert not desk.seated().outdated()


def test_a_page_without_an_answer_waits_for_any_change(desk: Desk) -> None:
    page = desk.seated()
    beat(desk)
    assert page.outdated()


def test_a_figure_is_made_again_when_an_answer_of_its_page_is_another(desk: Desk) -> None:
    made: list[int] = []

    def figure() -> int:
        page = desk.seated()
        page.ask("page_issue", target="demo.load", due=NOW)
        return page.made(("figure",), lambda: made.append(1) or len(made))

    assert [figure(), figure()] == [1, 1]
    beat(desk)
    assert figure() == 1
    with desk.warehouse.write() as session:
        session._cursor.execute("UPDATE predictions SET p50 = p50 + 1")
    assert figure() == 2


def test_a_figure_follows_what_was_asked_while_it_was_made(desk: Desk) -> None:
    def figure() -> float:
        page = desk.seated()
        page.ask("page_going")
        return page.made(("late",), lambda: page.ask("page_issue", target="demo.load", due=NOW)["p50"].sum())

    first = figure()
    with desk.warehouse.write() as session:
        session._cursor.execute("UPDATE predictions SET p50 = 1")
        session.changed.add("predictions")
    assert first != figure() == 6.0


def test_a_figure_of_answers_from_before_a_write_is_not_kept_for_after_it(desk: Desk) -> None:
    slow, quick = desk.seated(), desk.seated()
    slow.ask("page_issue", target="demo.load", due=NOW)
    with desk.warehouse.write() as session:
        session._cursor.execute("UPDATE predictions SET p50 = p50 + 1")
    quick.ask("page_issue", target="demo.load", due=NOW)
    assert slow.made(("one",), lambda: "old") == "old"
    assert quick.made(("one",), lambda: "new") == "new"
    assert slow.outdated()
    assert not quick.outdated()


def test_a_missing_file_is_no_warehouse(tmp_path: Path) -> None:
    settings = Settings.load({"SEXTANT_WAREHOUSE": str(tmp_path / "none.duckdb")})
    desk = Desk(settings, {}, Warehouse(settings.warehouse))
    assert not desk.exists()
    with pytest.raises(NoWarehouse):
        desk.ask("page_alert_acts", alert_id="al-job")


def test_answers_are_forgotten_before_they_fill_the_memory(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "KEPT", 3)
    for n in range(1, 9):
        desk.ask("page_alert_acts", alert_id=str(n))
    assert len(desk._memory) == 3


def test_what_is_big_is_forgotten_sooner() -> None:
    kept = memory.Memory()
    table = pd.DataFrame({"x": np.zeros(4 * 2**20)})
    for n in range(5):
        kept.keep((n,), memory.Known.of(table, frozenset()))
    assert len(kept) == 2
    assert kept.size <= memory.KEPT_MB * 2**20
    assert kept.get((0,)) is None
    assert kept.get((4,)) is not None


def test_freshness_comes_from_the_data(desk: Desk) -> None:
    fresh = data.freshness(desk, desk.targets["demo.load"], NOW)
    assert (fresh.hours_late, fresh.actuals_late, fresh.mode, fresh.status) == (0, 0, "live", "ok")
    assert fresh.version_id == "demo.load-v3"
    late = data.freshness(desk, desk.targets["demo.load"], NOW + timedelta(hours=3))
    assert (late.hours_late, late.stale) == (2, True)
    assert data.freshness(desk, desk.targets["demo.load"], NOW + timedelta(hours=3, minutes=30)).hours_late == 3


def test_an_empty_warehouse_is_never_fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filler.empty(tmp_path / "w.duckdb", NOW)
    with seated(tmp_path / "w.duckdb", monkeypatch) as desk:
        fresh = data.freshness(desk, desk.targets["demo.load"], NOW)
    assert (fresh.issued_at, fresh.newest_actual, fresh.stale) == (None, None, False)


def test_freshness_of_series_moves_on_with_the_minute(desk: Desk) -> None:
    market = desk.markets["demo"]
    states = {one.series: one.state for one in data.look(desk, market, NOW)}
    assert (states["demo.load"], states["demo.temperature"]) == ("current", "late")
    assert data.look(desk, market, NOW) is data.look(desk, market, NOW + timedelta(seconds=30))
    later = {one.series: one.missed for one in data.look(desk, market, NOW + timedelta(hours=2))}
    assert later["demo.load"] == 24


def test_the_change_is_against_the_issue_before_for_the_same_hour(desk: Desk) -> None:
    issue = desk.ask("page_issue", target="demo.load", due=NOW)
    assert list(issue["horizon"]) == [1, 2, 3, 4, 5, 6]
    assert issue["change"].notna().tolist() == [True] * 5 + [False]
    hours = desk.ask("page_fan", target="demo.load", due=NOW, since=NOW - timedelta(hours=12)).set_index("valid_at")
    beside = hours.loc[issue["valid_at"]]
    assert np.allclose((beside["p50"] - beside["previous"]).to_numpy()[:5], issue["change"][:5])


def test_the_fan_has_every_hour_once_even_where_data_are_missing(desk: Desk) -> None:
    with desk.warehouse.write() as session:
        session._cursor.execute("DELETE FROM actuals WHERE valid_at = TIMESTAMPTZ '2026-11-20 04:00:00+00'")
    hours = desk.ask("page_fan", target="demo.load", due=NOW, since=NOW.replace(minute=0) - timedelta(hours=12))
    assert (hours["valid_at"].diff().dropna() == pd.Timedelta("1h")).all()
    assert hours.loc[
        hours["actual"].isna() & (hours["valid_at"] < NOW - timedelta(hours=2)), "valid_at"
    ].dt.hour.tolist() == [4]


def test_accuracy_is_what_pandas_finds_on_the_common_hours(desk: Desk) -> None:
    with desk.warehouse.write() as session:
        session._cursor.execute(
            "DELETE FROM accuracy WHERE issuer = 'operator' AND valid_at < TIMESTAMPTZ '2026-11-10'"
        )
        rows = (
            session._cursor.sql("SELECT * FROM accuracy_latest WHERE issuer <> 'shadow'").to_arrow_table().to_pandas()
        )
    rows = rows[(rows["origin"] >= WINDOW["since"]) & (rows["origin"] < WINDOW["until"])]
    common = rows.groupby(["origin", "horizon"])["issuer"].transform("nunique") == 3
    expected = rows[common].assign(size=rows["error"].abs()).groupby(["horizon", "issuer"])
    found = desk.ask("page_accuracy", target="demo.load", **SCORED).set_index(["horizon", "issuer"])
    assert np.allclose(found["mae"].sort_index(), expected["size"].mean())
    assert np.allclose(found["bias"].sort_index(), expected["error"].mean())
    assert (found["n"].sort_index() == expected.size()).all()
    assert found["n"].max() < 260
    assert found.loc[(1, "sextant"), "skill"] == pytest.approx(
        1 - found.loc[(1, "sextant"), "mae"] / found.loc[(1, "naive"), "mae"]
    )


def test_replayed_issues_are_counted(desk: Desk) -> None:
    counts = desk.ask("page_issues", target="demo.load", **WINDOW).iloc[0]
    assert 0 < counts.replayed < counts.n
    assert counts.fallback == 1


def test_the_last_run_of_a_job_does_not_inherit_an_older_error(desk: Desk) -> None:
    jobs = desk.ask("page_timetable", since=NOW - timedelta(days=7)).set_index("job")
    assert pd.isna(jobs.loc["ingest", "error"])
    assert jobs.loc["ingest", "n_failed"] == 2


def test_the_champion_is_the_only_one_marked(desk: Desk) -> None:
    versions = desk.ask("page_versions", target="demo.load", since=WINDOW["since"], firsts=(), lasts=())
    assert versions.loc[versions["is_champion"], "version_id"].tolist() == ["demo.load-v3"]
    assert versions["mae"].notna().all()
