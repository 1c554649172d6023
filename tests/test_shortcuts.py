"""The list of keys and what they do to the choice of target."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import streamlit as st

from dashboard import shortcuts
from dashboard.data import Desk
from pipeline.settings import ROOT
from tests import filler
from tests.dashboards import NOW, opened, seated, words


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    filler.fill(tmp_path / "w.duckdb", NOW)
    with seated(tmp_path / "w.duckdb", monkeypatch) as made:
        yield made


def test_targets_follow_each_other_round_and_round() -> None:
    names = ["Load", "Price", "Wind"]
    assert [shortcuts.after(names, one, 1) for one in names] == ["Price", "Wind", "Load"]
    assert [shortcuts.after(names, one, -1) for one in names] == ["Wind", "Load", "Price"]
    assert shortcuts.after(names, None, 1) == "Price"
    assert shortcuts.after(names, "gone", -1) == "Wind"


@pytest.mark.parametrize(("by", "chosen"), [(1, "Price"), (-1, "Price"), (0, "Load"), ("x", "Load"), (None, "Load")])
def test_a_step_chooses_another_target_whatever_the_browser_sends(
    monkeypatch: pytest.MonkeyPatch, by: object, chosen: str
) -> None:
    monkeypatch.setattr(st, "session_state", {"keys": SimpleNamespace(step=by), "target": "Load"})
    monkeypatch.setattr(st, "query_params", {"version": "load-v2", "clock": "UTC"})
    shortcuts._step(["Load", "Price"])
    # What belongs to the target before goes with it.
    same = {"version": "load-v2"} if chosen == "Load" else {"target": chosen}
    assert st.query_params == {"clock": "UTC"} | same


def test_every_page_has_a_letter_of_its_own() -> None:
    views = {path.stem for path in (ROOT / "dashboard" / "views").glob("[a-z]*.py")}
    assert set(shortcuts.PAGES.values()) == views
    assert not set(shortcuts.PAGES) & {"g", "r", "t", "c", "?"}


def test_the_list_of_keys_is_on_the_page_and_they_can_be_turned_off(desk: Desk) -> None:
    app = opened()
    assert "`G` `J`|Jobs" in words(app)
    assert "next, previous target" not in words(app)
    app.toggle(key="keys_on").set_value(False).run()
    assert not app.exception
    assert app.session_state["keys_on"] is False
