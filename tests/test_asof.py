"""A session that looks back sees the tables and views as they stood then, strictly or with what was replayed."""

from datetime import UTC, datetime, timedelta

import pytest

from pipeline import asof
from pipeline.asof import Moment
from pipeline.contracts import CONTRACTS
from pipeline.warehouse import Warehouse
from tests import filler

NOW = datetime(2026, 11, 20, 10, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    path = tmp_path_factory.mktemp("asof") / "w.duckdb"
    filler.fill(path, NOW)
    return Warehouse(path)


def counted(warehouse: Warehouse, moment: Moment, table: str) -> int:
    with warehouse.read() as session:
        asof.cut(session, moment)
        return session.count(table)


@pytest.mark.parametrize("table", [*asof.WRITTEN, *asof.REPLAYED])
def test_nothing_was_there_before_the_beginning_and_all_is_there_at_the_end(warehouse: Warehouse, table: str) -> None:
    whole = warehouse.read
    with whole() as session:
        rows = session.count(table)
    assert counted(warehouse, Moment(datetime(1970, 1, 1, tzinfo=UTC)), table) == 0
    assert counted(warehouse, Moment(NOW + timedelta(days=3)), table) == rows
    assert table in CONTRACTS


@pytest.mark.parametrize("view", ["issued_latest", "actuals_latest", "accuracy_latest", "raw_latest", "champions"])
def test_views_see_the_cut_tables(warehouse: Warehouse, view: str) -> None:
    assert counted(warehouse, Moment(datetime(1970, 1, 1, tzinfo=UTC)), view) == 0
    with warehouse.read() as session:
        rows = session.count(view)
    assert counted(warehouse, Moment(NOW + timedelta(days=3)), view) == rows > 0


def test_what_was_computed_afterwards_counts_only_when_asked_for(warehouse: Warehouse) -> None:
    then = NOW - timedelta(days=2)
    assert counted(warehouse, Moment(then, replayed=True), "issued_latest") > counted(
        warehouse, Moment(then), "issued_latest"
    )


def test_a_session_that_ends_leaves_no_trace(warehouse: Warehouse) -> None:
    with warehouse.read() as session:
        rows = session.count("predictions")
    counted(warehouse, Moment(NOW - timedelta(days=2)), "predictions")
    with warehouse.read() as session:
        assert session.count("predictions") == rows
