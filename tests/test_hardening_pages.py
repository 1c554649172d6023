"""What may not be started without a sign-in, and text of others in tables, files and badges."""

from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from dashboard import exports, server
from dashboard.signing import menu
from pipeline.errors import ConfigError
from pipeline.settings import Settings
from tests.dashboards import opened, seated, words


@pytest.mark.parametrize(
    ("name", "value"), [("SEXTANT_PUBLIC_URL", "https://sextant.example.org"), ("SEXTANT_HOSTS", "sextant.intranet")]
)
def test_without_sign_in_nothing_may_say_that_people_come_from_elsewhere(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        server.check(Settings.load({name: value}), "127.0.0.1")
    server.check(Settings.load({name: value, "SEXTANT_AUTH": "password"}), "0.0.0.0")
    server.check(Settings.load({"SEXTANT_PUBLIC_URL": "http://localhost:8501"}), "127.0.0.1")


def test_pages_that_need_a_sign_in_are_not_served_without_the_gate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamlit.runtime.context.ContextProxy.headers", property(lambda _self: {"Host": "x"}))
    monkeypatch.setattr(menu.Gate, "stands", False)
    monkeypatch.setenv("SEXTANT_AUTH", "password")
    with seated(tmp_path / "w.duckdb", monkeypatch):
        told = words(opened())
    assert told == menu.UNGUARDED


@pytest.mark.parametrize(
    "cell",
    ["=1", " =1", "\xa0=1", "\u3000=1", "\uff1d1", "\x0b=1", "\x00=1", "\ufeff=1", "\u200b\u2060@x", "\t", "-x", "+x"],
)
def test_no_cell_is_a_formula_whatever_stands_before_its_sign(cell: str) -> None:
    frame = pd.DataFrame({"a": [cell, "fine"], "n": [-1, 1]})
    assert f"'{cell}".encode() in exports.csv(frame)
    assert exports.shown(frame)["a"].tolist() == [f"'{cell}", "fine"]
    assert exports.shown(frame)["n"].tolist() == [-1, 1]


def test_a_table_on_a_page_holds_nothing_that_a_download_turns_into_a_formula() -> None:
    def script() -> None:
        import pandas as pd
        import streamlit as st

        from dashboard import ui
        from dashboard.figures import palette

        rows = pd.DataFrame(
            {"reason": ['=HYPERLINK("http://evil.example.org")', "plain", None], "change": ["+54", "-3 %", ""]}
        )
        columns = {"reason": st.column_config.TextColumn(), "change": st.column_config.TextColumn()}
        ui.table(rows, columns, colours=palette.LIGHT, alt="a table")

    shown = AppTest.from_function(script).run().dataframe[0].value
    assert shown["reason"].tolist()[:2] == ['\'=HYPERLINK("http://evil.example.org")', "plain"]
    assert shown["change"].tolist() == ["+54", "-3 %", ""]


def test_a_badge_shows_a_name_and_no_link() -> None:
    def script() -> None:
        from dashboard.formats import plain
        from dashboard.panels import alert_card

        alert_card._badge(":material/check:", f"Acknowledged by {plain('[[a]](//evil.example.org)')}")

    app = AppTest.from_function(script).run()
    assert app.markdown[0].value == r":gray-badge[:material/check: Acknowledged by \[\[a\]\](//evil.example.org)]"
