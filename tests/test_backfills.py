"""What came of a backfill is said of what was looked at, slot by slot, and of nothing else."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from dashboard import actions
from dashboard.data import Desk
from dashboard.identity import User
from dashboard.panels import backfills
from dashboard.panels.backfills import Looked
from tests import filler
from tests.dashboards import NOW, opened, seated

OTTO = User("otto", "operator")
SLOT = pd.Timedelta("5min")


def at(text: str) -> pd.Timestamp:
    return pd.Timestamp(f"2026-11-{text}", tz="UTC")


LOOKED = {
    "demo.load": Looked(SLOT, at("01"), None, None),
    "demo.price": Looked(pd.Timedelta("1h"), at("01"), None, None),
}
GAPS = pd.DataFrame(
    [("demo.load", at("10 06:00"), at("10 07:00")), ("demo.price", at("10 06:00"), at("10 09:00"))],
    columns=["series", "start_at", "end_at"],
)


def row(start: str, end: str, **given: Any) -> SimpleNamespace:
    usual = {"state": "succeeded", "series": "demo.load", "rows_out": 5, "first": at(start), "last": at(end)}
    return SimpleNamespace(**(usual | given))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (row("10 05:00", "10 06:00"), "● filled"),
        (row("10 05:00", "10 06:00", rows_out=0), "○ nothing new"),
        (row("10 05:00", "10 06:00", rows_out=None), "○ nothing new"),
        # Of an hour of twelve slots the window has two at its end, four at its start, three inside.
        (row("10 05:00", "10 06:10"), "▲ 2 slots still missing"),
        (row("10 06:40", "10 08:00"), "▲ 4 slots still missing"),
        (row("10 06:20", "10 06:35"), "▲ 3 slots still missing"),
        (row("10 06:18", "10 06:31"), "▲ 3 slots still missing"),
        (row("10 05:00", "10 08:00"), "▲ 12 slots still missing"),
        (row("10 05:00", "10 08:00", series=None), "▲ 14 slots still missing"),
        (row("10 07:00", "10 08:00", series=None), "▲ 1 slot still missing"),
        (row("10 07:00", "10 08:00"), "● filled"),
        # Beyond what was looked at nothing is known, and of a series that is not there any more.
        (row("10 05:00", "10 06:00", series="demo.old"), "○ not known"),
        (row("10 05:00", "10 06:00", first=pd.Timestamp("2026-08-18", tz="UTC")), "○ not known"),
        (row("10 05:00", "10 06:10", first=pd.Timestamp("2026-08-18", tz="UTC")), "▲ 2 slots still missing"),
        (row("10 05:00", "10 06:10", state="running"), "◐ running"),
        (row("10 05:00", "10 06:10", state="failed"), "▲ failed"),
        (row("10 05:00", "10 06:10", state="cancelled"), "⊘ cancelled"),
    ],
)
def test_the_outcome_counts_the_slots_of_its_series_within_its_window(asked: SimpleNamespace, said: str) -> None:
    assert backfills.outcome(asked, GAPS, LOOKED) == said


def test_what_a_late_series_lacks_at_its_end_is_missing_too() -> None:
    late = replace(LOOKED["demo.load"], behind=at("10 08:00"), due=at("10 09:00"))
    none = GAPS.iloc[:0]
    assert backfills.missing(at("10 07:00"), at("10 08:30"), none, late) == 6
    assert backfills.missing(at("10 08:00"), at("10 12:00"), none, late) == 12
    assert backfills.missing(at("10 07:00"), at("10 08:00"), none, late) == 0


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A hole of eight slots 20 hours ago; backfills of it, of far back, and of a series of another market."""
    path = tmp_path_factory.mktemp("backfills") / "w.duckdb"
    filler.fill(path, NOW)
    with pytest.MonkeyPatch.context() as patch, seated(path, patch) as made:
        hole = pd.Timestamp(NOW).floor("h").to_pydatetime() - timedelta(hours=20)
        half, old = (hole, hole + timedelta(minutes=20)), (hole - timedelta(days=80), hole - timedelta(days=79))
        ids = [asked(made, reason, *window) for reason, window in (("half of it", half), ("far back", old))]
        with made.warehouse.write() as session:
            session.script(
                "UPDATE job_runs SET state = 'succeeded', started_at = $now, ended_at = $now, rows_out = 3 "
                "WHERE list_contains($ids, run_id)",
                now=NOW, ids=ids,
            )  # fmt: skip
        other = asked(made, "the neighbour's", *half)
        with made.warehouse.write() as session:
            session.script(
                'UPDATE job_runs SET args = json_merge_patch(args, \'{"series": "es.load"}\') WHERE run_id = $id',
                id=other,
            )
        yield made


def asked(desk: Desk, reason: str, first: datetime, last: datetime) -> str:
    return actions.backfill(desk, user=OTTO, series="demo.load", reason=reason, now=NOW, first=first, last=last)


def test_the_page_tells_of_its_own_markets_series_only(desk: Desk) -> None:
    app = opened("data")
    assert not app.exception
    table = next(one.value for one in app.dataframe if "why" in one.value.columns)
    assert dict(zip(table["why"], table["state"], strict=True)) == {
        "half of it": "▲ 4 slots still missing",
        "far back": "○ not known",
    }
    assert set(desk.warehouse.ask("page_backfills", since=NOW - timedelta(days=7))["reason"]) == {
        "half of it", "far back", "the neighbour's",
    }  # fmt: skip
