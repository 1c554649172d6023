"""The Audit page: filters, pages, one row whole, files; and that nothing anywhere changes or removes a row of it."""

import ast
import io
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from dashboard import exports
from dashboard.data import Desk
from dashboard.views import audit
from pipeline.configuring.markets import load_markets
from pipeline.operations import Retention
from pipeline.settings import ROOT
from pipeline.tidying import tidy
from tests import filler
from tests.dashboards import NOW, opened, seated, words

ANY: dict[str, Any] = {"since": audit.BEGINNING, "actor": "", "action": "", "outcome": "", "words": ""}
CODE = [*(ROOT / "pipeline").rglob("*.py"), *(ROOT / "dashboard").rglob("*.py"), ROOT / "jobs.py"]


def entries() -> pd.DataFrame:
    """130 rows of two people, one an hour into the past; every fourth is a sign-in."""
    rows = [
        {
            "audit_id": f"x{place:03d}",
            "acted_at": pd.Timestamp(NOW) - timedelta(hours=place),
            "actor": ("ada", "otto")[place % 2],
            "role": ("admin", "operator")[place % 2],
            "action": ("roll_back", "cancel", "acknowledge", "sign_in")[place % 4],
            "subject": f"demo.load-v{place % 3}",
            "outcome": ("ok", "denied", "failed", "started", "ok")[place % 5],
            "reason": '=HYPERLINK("x")' if place == 7 else "quiet weeks",
            "detail": json.dumps({"error": "<script>alert(1)</script>", "place": place}),
        }
        for place in range(130)
    ]
    frame = pd.DataFrame(rows)
    return frame.assign(acted_at=frame["acted_at"].dt.as_unit("us"))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    path = tmp_path_factory.mktemp("audit") / "w.duckdb"
    with filler.fill(path, NOW).write() as session:
        session.append("audit", entries())
    with pytest.MonkeyPatch.context() as patch, seated(path, patch) as made:
        yield made


@pytest.fixture(scope="module")
def table(desk: Desk) -> pd.DataFrame:
    """All rows as they lie in the file."""
    with desk.warehouse.read() as session:
        return session._cursor.sql("FROM audit").to_arrow_table().to_pandas()


def linked(**params: str) -> AppTest:
    return opened("audit", **params)


@pytest.mark.parametrize(
    ("choice", "kept"),
    [
        ({"actor": "ada"}, lambda rows: rows["actor"] == "ada"),
        ({"action": "sign_in"}, lambda rows: rows["action"] == "sign_in"),
        ({"outcome": "denied"}, lambda rows: rows["outcome"] == "denied"),
        ({"words": "LOAD-V2"}, lambda rows: rows["subject"] == "demo.load-v2"),
        ({"words": "hyperlink"}, lambda rows: rows["reason"].str.startswith("=")),
        ({"words": "%"}, lambda rows: rows["subject"] == "no wild cards"),
        ({"since": NOW - timedelta(days=2)}, lambda rows: rows["acted_at"] >= pd.Timestamp(NOW) - timedelta(days=2)),
    ],
)
def test_filters_keep_what_they_say(desk: Desk, table: pd.DataFrame, choice: dict[str, Any], kept: Any) -> None:
    found = desk.ask("page_audit_log", n=1000, skip=0, **(ANY | choice))
    expected = table[kept(table)]
    assert sorted(found["audit_id"]) == sorted(expected["audit_id"])
    counts = desk.ask("page_audit_counts", **{key: value for key, value in (ANY | choice).items() if key != "outcome"})
    if "outcome" not in choice:
        assert counts.set_index("outcome")["n"].to_dict() == expected["outcome"].value_counts().to_dict()


def test_pages_together_are_all_rows_newest_first_each_once(desk: Desk, table: pd.DataFrame) -> None:
    pages = [desk.ask("page_audit_log", n=50, skip=skip, **ANY) for skip in (0, 50, 100)]
    rows = pd.concat(pages)
    assert rows["audit_id"].is_unique
    assert len(rows) == len(table) == 133
    assert rows["acted_at"].is_monotonic_decreasing


def test_the_page_says_which_rows_it_shows_and_how_they_ended(desk: Desk, table: pd.DataFrame) -> None:
    app = opened("audit")
    assert not app.exception
    assert "Rows 1 to 50 of 133, newest first" in words(app)
    assert "Append-only" in words(app)
    for outcome, n in table["outcome"].value_counts().items():
        assert f"{n} {outcome}" in words(app)
    assert len(app.dataframe[0].value) == 50
    assert "Sign in" in set(app.dataframe[0].value["action"])


def test_filters_come_from_the_address(desk: Desk, table: pd.DataFrame) -> None:
    app = linked(action="Sign in", who="otto", outcome="Ok", contains="v0")
    mine = table.query("action == 'sign_in' and actor == 'otto' and outcome == 'ok' and subject == 'demo.load-v0'")
    assert 0 < len(mine) < 10
    assert len(app.dataframe[0].value) == len(mine)
    assert set(app.dataframe[0].value["action"]) == {"Sign in"}
    assert "Nothing matches" in words(linked(contains="no such words"))
    assert "Rows 101 to 133 of 133" in words(linked(page_number="3"))
    assert not linked(page_number="9").exception
    assert not linked(action="No such action", page_number="x").exception


def test_a_link_to_a_row_shows_it_whole_and_harmless(desk: Desk) -> None:
    app = linked(entry="x007")
    assert json.loads(app.code[0].value) == {"error": "<script>alert(1)</script>", "place": 7}
    assert app.code[0].language == "json"
    assert "otto, operator" in words(app)
    assert "There is no audit row `gone`" in words(linked(entry="gone"))
    started = linked(entry="a1")
    assert "within an hour: ◌ started" in words(started)


def test_detail_that_is_no_json_is_shown_as_it_is() -> None:
    assert audit.pretty("{broken") == "{broken"
    assert audit.pretty('{"b": 1}') == '{\n  "b": 1\n}'


def test_files_hold_every_row_of_the_choice_and_no_formula(desk: Desk) -> None:
    rows = desk.ask("page_audit_log", n=1000, skip=0, **(ANY | {"actor": "otto"}))
    back = pd.read_csv(io.BytesIO(exports.csv(rows)))
    assert len(back) == len(rows) == 65
    assert not back["reason"].str.startswith("=").any()
    assert back["reason"].str.startswith("'=").sum() == 1
    kept = pd.read_parquet(io.BytesIO(exports.parquet(rows)))
    pd.testing.assert_frame_equal(kept, rows)
    labels = [one.proto.label for one in opened("audit").get("download_button")]
    assert labels[-2:] == ["CSV", "Parquet"]


def test_an_empty_audit_says_what_would_fill_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filler.empty(tmp_path / "w.duckdb", NOW)
    with seated(tmp_path / "w.duckdb", monkeypatch):
        assert "Nobody has changed anything yet" in words(opened("audit"))


def test_tidying_up_keeps_every_row_whatever_its_age(tmp_path: Path) -> None:
    warehouse = filler.fill(tmp_path / "w.duckdb", NOW)
    before = warehouse.ask("page_audit", action="all", n=1000)
    markets = load_markets(ROOT / "sextant.toml", ("demo",))
    removed = tidy(warehouse, markets, Retention(), now=NOW + timedelta(days=3650))
    assert sum(removed.values()) > 0
    pd.testing.assert_frame_equal(warehouse.ask("page_audit", action="all", n=1000), before)


def test_no_query_changes_or_removes_a_row_of_the_audit() -> None:
    changes = re.compile(r"\b(update|delete\s+from|truncate(\s+table)?|drop\s+table|alter\s+table|merge\s+into)\s+(\w+\.)?audit\b", re.I)  # fmt: skip  # noqa: E501
    assert changes.search("DELETE FROM warehouse.audit WHERE true")
    texts = [*(ROOT / "pipeline").rglob("*.sql"), *CODE]
    assert not [path.name for path in texts if changes.search(path.read_text(encoding="utf-8"))]


def test_no_code_but_an_append_names_the_audit_table() -> None:
    """Changes by key (upsert, remove, change and the like) take their table by name: none may name this one."""
    found = []
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and first.value == "audit":
                    found.append((path.name, node.func.attr))
    assert found
    assert {verb for _name, verb in found} == {"append"}, found
