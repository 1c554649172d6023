"""horizons and every_h: fewer hours ahead and fewer issues, with nothing missed, broken or unexplained by it."""

import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dashboard import data
from pipeline import doctor, status
from pipeline.punctuality import newest_due
from pipeline.reproducing import reproduce
from tests.conftest import NOW, Desk, ask, desk_in

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def seldom(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The filled desk, told at 10:20 to issue T+1 to T+3 every two hours; then four hours pass."""
    folder = tmp_path_factory.mktemp("seldom") / "desk"
    shutil.copytree(template, folder)
    desk = desk_in(folder)
    market = desk.markets["demo"]
    target = replace(market.targets[0], horizons=(1, 2, 3), every=2 * HOUR)
    desk.markets["demo"] = replace(market, targets=(target,))
    for _ in range(4):
        desk.now += HOUR
        for job in ("ingest", "actuals", "features", "forecast", "backfill"):
            desk.done(job)
    return desk


def test_the_newest_due_origin_is_on_the_utc_grid() -> None:
    at = datetime.fromisoformat("2026-11-20T05:20Z")
    assert [newest_due(at, n * HOUR).hour for n in (1, 2, 3, 4, 24)] == [4, 4, 3, 4, 0]
    assert newest_due(datetime.fromisoformat("2026-11-20T00:20Z"), 6 * HOUR).isoformat() == "2026-11-19T18:00:00+00:00"


def test_only_due_origins_are_issued_and_only_the_named_hours_ahead(seldom: Desk) -> None:
    rows = ask(
        seldom,
        "SELECT hour(origin) AS hour, issuer, list(horizon ORDER BY horizon) AS ahead FROM predictions "
        f"WHERE mode = 'live' AND origin >= '{NOW:%Y-%m-%d} 10:00' GROUP BY ALL ORDER BY hour, issuer",
    )
    assert sorted(set(rows["hour"])) == [10, 12]
    assert {tuple(ahead) for ahead in rows["ahead"]} == {(1, 2, 3)}
    assert {"sextant", "naive", "operator"} <= set(rows["issuer"])
    ours = f"mode = 'live' AND issuer = 'sextant' AND origin >= '{NOW:%Y-%m-%d} 10:00'"
    assert set(ask(seldom, f"SELECT status FROM predictions WHERE {ours}").status) == {"ok"}
    assert ask(seldom, "SELECT max(horizon) AS n FROM accuracy WHERE origin >= '2026-11-20 10:00'").n[0] <= 3


def test_hours_that_were_not_due_are_not_missed(seldom: Desk) -> None:
    noted = ask(seldom, "SELECT origin, reason FROM missed_issues ORDER BY origin")
    assert noted["reason"].tolist() == ["not due: issued every 2 hours"]
    assert noted["origin"].dt.hour.tolist() == [11]
    with seldom.warehouse.read() as session:
        assert session.ask("missed_stretches", now=seldom.now, since=NOW - timedelta(days=9)).empty
    found = status.look(seldom.warehouse, seldom.settings, seldom.markets, seldom.now)
    assert [(row["hours_late"], row["n_missed"]) for row in found.targets] == [(0, 0)]
    later = status.look(seldom.warehouse, seldom.settings, seldom.markets, seldom.now + 2 * HOUR)
    assert [row["hours_late"] for row in later.targets] == [1]


def test_the_page_counts_issues_by_their_cadence(seldom: Desk) -> None:
    def late(now: datetime) -> int:
        page = data.Desk(seldom.settings, seldom.markets, seldom.warehouse, lambda: now)
        return data.freshness(page, seldom.target, now).hours_late

    assert [late(seldom.now + n * HOUR) for n in (0, 1, 2, 4)] == [0, 0, 1, 2]


def test_such_issues_are_sound_explained_and_made_again_to_the_last_bit(seldom: Desk) -> None:
    flaws = [one for one in doctor.examine(seldom.warehouse, seldom.settings.models, jobs=[]) if one.flaw]
    assert flaws == []
    origin = newest_due(seldom.now, 2 * HOUR)
    again = reproduce(seldom.warehouse, seldom.settings.models, seldom.target, origin=origin)
    assert again.differences == ()
    assert again.table["horizon"].tolist() == [1, 2, 3]
    before = reproduce(seldom.warehouse, seldom.settings.models, seldom.target, origin=NOW.replace(hour=9, minute=0))
    assert before.differences == ()
    assert before.table["horizon"].tolist() == [1, 2, 3, 4, 5, 6]
    reasons = ask(seldom, f"SELECT DISTINCT horizon FROM reasons WHERE origin = '{origin:%Y-%m-%d %H:%M}'")
    assert reasons["horizon"].tolist() == [1]


def test_what_looks_at_all_hours_ahead_still_can(seldom: Desk) -> None:
    for job in ("monitor", "alert", "quality"):
        seldom.done(job)
    assert set(ask(seldom, "SELECT DISTINCT subject FROM drift WHERE kind = 'residual'").subject) <= {"T+1", "T+3"}
    skipped = seldom.done("forecast", reissue="demo.load")
    assert "has issued 20 Nov 12:00Z" in skipped["reason"]
    seldom.done("features", replay_from="2026-11-10T00:00Z", replay_to="2026-11-10T05:00Z")
    seldom.done("forecast")
    hours = ask(seldom, "SELECT DISTINCT hour(origin) AS hour FROM predictions WHERE origin < '2026-11-10 06:00'").hour
    assert sorted(hours) == [0, 2, 4]
