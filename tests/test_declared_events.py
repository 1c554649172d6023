"""Hours of declared events count nowhere on the Models page: tile, table, line and duel agree with pandas."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from dashboard import data
from dashboard.data import Desk
from pipeline.markets import Event
from pipeline.preview import apart
from tests import filler
from tests.dashboards import NOW, opened, seated, words
from tests.filler import Story

CHAMPION, OTHER = "demo.load-v3", "demo.load-v4"
FIRST, LAST = NOW - timedelta(hours=30), NOW - timedelta(hours=24)
SPOILT = "UPDATE accuracy SET error = 40 * error WHERE valid_at > $first - INTERVAL 1 HOUR AND valid_at < $last"
BESIDE = (
    "INSERT INTO accuracy SELECT * REPLACE ('shadow' AS issuer, $version AS version_id) FROM accuracy "
    "WHERE issuer = 'naive'"
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Bad hours that were declared afterwards; a version in shadow forecasts them too."""
    path = tmp_path_factory.mktemp("declared") / "w.duckdb"
    with filler.fill(path, NOW, Story(waiting=True)).write() as session:
        session.script(f"DELETE FROM accuracy WHERE version_id = '{OTHER}'")
        session.script(BESIDE, version=OTHER)
        session.script(SPOILT, first=FIRST, last=LAST)
    with pytest.MonkeyPatch.context() as patch, seated(path, patch) as made:
        market = made.markets["demo"]
        event = Event(FIRST, LAST, "a *blackout*")
        target = replace(market.targets[0], events=(event,))
        patch.setitem(made.markets, "demo", replace(market, targets=(target,)))
        yield made


@pytest.fixture(scope="module")
def kept(desk: Desk) -> pd.DataFrame:
    """The champion's errors of 30 days outside the event, one an origin and horizon."""
    with desk.warehouse.read() as session:
        rows = session._cursor.sql(f"FROM accuracy WHERE version_id = '{CHAMPION}'").to_arrow_table().to_pandas()
    rows = rows[rows["status"].isin(["ok", "reduced"]) & rows["issuer"].isin(["sextant", "reissue", "shadow"])]
    rows = rows[rows["origin"] >= pd.Timestamp(NOW).floor("h") - pd.Timedelta("30D")]
    outside = (rows["valid_at"] + pd.Timedelta("1h") <= FIRST) | (rows["valid_at"] >= LAST)
    assert len(rows) - outside.sum() == 42
    return rows[outside].drop_duplicates(["origin", "horizon"])


@pytest.fixture(scope="module")
def app(desk: Desk) -> AppTest:
    made = opened("models")
    assert not made.exception
    return made


def shown(app: AppTest, column: str) -> pd.DataFrame:
    found: pd.DataFrame = next(one.value for one in app.dataframe if column in one.value)
    return found.set_index("version")


def test_tile_and_table_leave_the_hours_out(app: AppTest, kept: pd.DataFrame) -> None:
    mae = kept["error"].abs().mean()
    tiles = {one.label: one.value for one in app.metric}
    assert tiles["Live MAE"] == f"{mae:,.1f} MW"
    assert shown(app, "live").loc[CHAMPION, "live"] == pytest.approx(mae)
    assert f"n = {kept['origin'].nunique():,} issues of 30 days" in words(app)
    assert words(app).count("Hours of a declared event do not count: a \\*blackout\\*.") == 3


def test_line_and_duel_leave_the_same_hours_out(desk: Desk, app: AppTest, kept: pd.DataFrame) -> None:
    target = desk.markets["demo"].targets[0]
    until = NOW.replace(minute=0) + timedelta(hours=1)
    window: dict[str, Any] = {"target": target.id, "since": until - timedelta(days=30), "until": until}
    window |= data.declared(target)
    line = desk.ask("page_error_history", champion=None, step="day", zone=target.zone, **window)
    line = line[line["version_id"] == CHAMPION]
    inside = kept[kept["origin"] >= window["since"]]
    assert line["n"].sum() == len(inside)
    assert (line["mae"] * line["n"]).sum() / len(inside) == pytest.approx(inside["error"].abs().mean())
    duel = apart(desk.ask("page_duels", champion=CHAMPION, versions=(OTHER,), **window))
    assert duel.n_hours == len(inside)
    assert duel.other_mae == pytest.approx(inside["error"].abs().mean())
    assert shown(app, "verdict").loc[OTHER, "other"] == pytest.approx(duel.other_mae)


def test_without_the_declaration_the_same_hours_would_tell(desk: Desk, kept: pd.DataFrame) -> None:
    since = {"since": NOW.replace(minute=0) - timedelta(days=30)}
    rows = desk.ask("page_versions", target="demo.load", firsts=(), lasts=(), **since).set_index("version_id")
    assert rows.loc[CHAMPION, "live_mae"] > 1.5 * kept["error"].abs().mean()
