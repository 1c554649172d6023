"""What a reader chose stays what it was: rows, target, clock and moments, on every page and after every refresh."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard import alarms, formats, links, looking_back
from dashboard.data import Desk
from pipeline.warehouse import Warehouse
from tests import filler
from tests.dashboards import NOW, opened, seated, words

MADRID = "Europe/Madrid"
DEMO = "Demo Demand"
# Clocks were put back at 01:00 UTC.
AUTUMN = datetime(2026, 10, 25, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("choices") / "w.duckdb"
    filler.fill(path, NOW)
    return path


@pytest.fixture
def desk(filled: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """Two markets; the first has no data."""
    with seated(filled, monkeypatch, markets="es,demo") as made:
        yield made


def at(view: str, **query: str) -> AppTest:
    return opened(view, **query)


def asked(app: AppTest, name: str) -> str | None:
    found = app.query_params.get(name)
    return found[0] if isinstance(found, list) else found


def pick(app: AppTest, key: str, *rows: int) -> AppTest:
    """Select the row as a browser does: by its position."""
    states = app._tree.get_widget_states()
    shown = next(one for one in app.dataframe if one.key == key)
    chosen = json.dumps({"selection": {"rows": rows, "columns": [], "cells": []}})
    states.widgets.add(id=shown.proto.id, string_value=chosen)
    return app._run(states)


def marked(app: AppTest, key: str) -> list[int]:
    return list(app.session_state[key]["selection"]["rows"])


def newer(warehouse: Warehouse, table: str, **changed: Any) -> None:
    """Add a row like the newest one that comes before all others on its page."""
    when = next(name for name in ("created_at", "acted_at", "started_at") if name in changed)
    with warehouse.write() as session:
        rows = session._cursor.sql(f"SELECT * FROM {table} ORDER BY {when} DESC LIMIT 1").to_arrow_table().to_pandas()
        session.append(table, rows.assign(**changed))


def test_a_selected_row_stays_selected_when_newer_ones_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse = filler.fill(tmp_path / "w.duckdb", NOW)
    with seated(tmp_path / "w.duckdb", monkeypatch):
        models, audit = pick(at("models"), "versions", 1), pick(at("audit"), "entries", 2)
        entry = asked(audit, "entry")
        assert (asked(models, "version"), marked(models, "versions")) == ("demo.load-v2", [1])
        assert "Roll back: demo.load-v2" in {one.label for one in models.button}
        now = pd.Timestamp(NOW)
        newer(warehouse, "model_versions", created_at=now, version_id="demo.load-v9", number=9, run_id="newer")
        newer(warehouse, "audit", acted_at=now, audit_id="newer")
        models.run()
        assert (asked(models, "version"), marked(models, "versions")) == ("demo.load-v2", [2])
        assert "Roll back: demo.load-v2" in {one.label for one in models.button}
        audit.run()
        assert (asked(audit, "entry"), marked(audit, "entries")) == (entry, [3])
        # The same place again is another row by now; no row is none.
        assert asked(pick(audit, "entries", 2), "entry") != entry
        assert asked(pick(audit, "entries"), "entry") is None
        assert marked(audit, "entries") == []


def test_an_address_marks_its_row_and_a_row_that_is_gone_none(desk: Desk) -> None:
    app = at("models", target=DEMO, version="demo.load-v1")
    assert marked(app, "versions") == [2]
    assert at("models", target=DEMO, version="demo.load-v7").session_state["versions"]["selection"]["rows"] == []
    hour = at("forecasts", target=DEMO, hour="2026-11-20T12:00Z")
    assert marked(hour, "six_hours") == [2]


def test_a_card_leads_to_where_its_number_comes_from(desk: Desk) -> None:
    app = at("forecasts", target=DEMO)
    app.button(key="card-4").click().run()
    assert not app.exception
    assert asked(app, "hour") == "2026-11-20T13:00Z"
    assert "T+4 of the issue from origin" in words(app)
    assert marked(app, "six_hours") == [3]


def test_a_target_and_a_clock_stay_chosen_on_other_pages(desk: Desk) -> None:
    app = at("forecasts", target=DEMO, clock="UTC")
    for view in ("accuracy", "models", "jobs"):
        # A click at the top leads to an address without them.
        app.switch_page(f"views/{view}.py")
        app.query_params.clear()
        app.run()
        assert app.button_group(key="target").value == DEMO
        assert (asked(app, "target"), asked(app, "clock")) == (DEMO, "UTC")
    app.button_group(key="target").set_value("Spain Demand").run()
    app.button_group(key="clock").set_value("Madrid").run()
    assert not app.exception
    assert (asked(app, "target"), asked(app, "clock")) == (None, None)
    assert app.button_group(key="target").value == "Spain Demand"


def test_another_target_lets_go_of_what_belonged_to_the_one_before(desk: Desk) -> None:
    app = at("models", target=DEMO, version="demo.load-v2")
    assert "Lineage of demo.load-v2" in words(app)
    app.button_group(key="target").set_value("Spain Demand").run()
    assert asked(app, "version") is None
    assert "demo.load-v2" not in words(app)


def test_links_carry_target_clock_and_past_moment(desk: Desk) -> None:
    past = {"target": DEMO, "clock": "UTC", "at": "2026-11-20T09:30Z"}
    app = at("forecasts", **past)
    found = {one.proto.page: parse_qs(one.proto.query_string) for one in app.get("page_link")}
    assert {"accuracy", "data", "jobs", "models"} <= set(found)
    for name, query in found.items():
        kept = past if name == "accuracy" else {"target": DEMO, "clock": "UTC"}
        assert {one: query[one][0] for one in query if one in past} == kept, name
    said = words(at("models", target=DEMO, version="demo.load-v2"))
    (run,) = [one for one in said.split("(") if one.startswith("jobs?")]
    assert parse_qs(urlsplit(run.split(")")[0]).query)["target"] == [DEMO]


def test_links_are_plain_where_nothing_is_to_be_carried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "query_params", {"hour": "x"})
    assert links.address("jobs", run="r&1") == "jobs?run=r%261"
    assert links.address("forecasts", at=None) == "."
    monkeypatch.setattr(st, "query_params", {"target": "A", "at": "now"})
    assert links.carried("models", target="B") == {"target": "B"}
    assert links.carried("forecasts") == {"target": "A", "at": "now"}


def test_choices_of_one_page_say_nothing_on_another(desk: Desk) -> None:
    app = at("audit", window="7 days", by="Weekday")
    assert app.selectbox(key="period").value == "All"
    jobs = at("jobs", by="Weekday")
    assert jobs.selectbox(key="asked_by").value == "all"
    assert "Weekday" not in jobs.selectbox(key="asked_by").options


def test_an_alert_leads_to_the_very_target_series_and_job(desk: Desk) -> None:
    def about(rule: str, subject: str) -> Any:
        return alarms.about(desk, SimpleNamespace(rule=rule, subject=subject, evidence="{}"))

    assert about("drift", "demo.load")[2] == {"target": DEMO}
    assert about("artifact_damaged", "demo.load-v12")[2] == {"target": DEMO}
    # A name that begins alike is another one.
    assert about("drift", "demo.load_net")[2] == {}
    assert about("gaps", "demo.temperature")[2] == {"series": "demo.temperature", "target": DEMO}
    assert about("job_late", "train:demo.load") == ("jobs", "See the jobs", {"job": "train"})
    assert about("job_late", "nobody")[2] == {}


def test_a_time_that_clocks_show_twice_names_its_zone() -> None:
    hours = [AUTUMN + n * HOUR for n in range(-1, 3)]
    assert [formats.hour(one, MADRID) for one in hours] == ["01:00", "02:00 CEST", "02:00 CET", "03:00"]
    assert [formats.day_hour(one, MADRID) for one in hours[1:3]] == ["Sun 02:00 CEST", "Sun 02:00 CET"]
    assert formats.stamp(hours[2], MADRID) == "Sun 25 Oct 02:00 CET"
    assert [formats.hour(one, "UTC") for one in hours[1:3]] == ["00:00", "01:00"]


def test_a_moment_has_the_zone_of_its_own_day() -> None:
    before, after = AUTUMN - HOUR, AUTUMN + 24 * HOUR
    assert formats.zoned(before, MADRID) == "Sun 25 Oct 01:00 CEST"
    assert formats.zoned(None, MADRID) == formats.NONE
    assert formats.zoned_hour(after, MADRID) == "01:00 CET"
    assert formats.between(before, after, MADRID) == "Sun 25 Oct 01:00 CEST to Mon 26 Oct 01:00 CET"
    assert formats.between(after, after + HOUR, MADRID) == "Mon 26 Oct 01:00 to Mon 26 Oct 02:00 CET"


def test_a_day_may_begin_where_clocks_change_at_midnight() -> None:
    # Havana: no 00:00 on 8 March 2026, two of them on 1 November.
    start = looking_back.instant(date(2026, 3, 8), time(), "America/Havana")
    assert start == datetime(2026, 3, 8, 5, tzinfo=UTC)
    twice = looking_back.instant(date(2026, 11, 1), time(), "America/Havana")
    assert twice == datetime(2026, 11, 1, 4, tzinfo=UTC)
