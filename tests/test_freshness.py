"""Freshness by data time: each series against its own cadence and delay, and why it is late."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from pipeline.configuring.markets import load_markets
from pipeline.freshness import Freshness, due_slot, look
from pipeline.settings import ROOT
from tests.conftest import Desk, desk_in
from tests.servers import faults
from tests.servers.faults import Fault
from tests.servers.grid import GridServer
from tests.servers.store import invented_store

NOW = datetime(2024, 10, 28, 10, 20, tzinfo=UTC)
WELL = ("es.load", "es.load_forecast", "es.load_programme")


def fresh(desk: Desk) -> dict[str, Freshness]:
    with desk.warehouse.read() as session:
        return {one.series: one for market in desk.markets.values() for one in look(session, market, desk.now)}


@pytest.fixture
def server() -> Iterator[GridServer]:
    with GridServer(invented_store("2024-10-20", "2024-10-31"), NOW) as running:
        yield running


@pytest.fixture
def spain(server: GridServer, tmp_path: Path) -> Desk:
    """A desk of the Spanish market over real HTTP, filled up to NOW."""
    env = {"SEXTANT_MARKETS": "es", "SEXTANT_REDATA_URL": server.url, "SEXTANT_HTTP_TRIES": "1"}
    desk = desk_in(tmp_path, now=NOW, **env)
    text = desk.settings.config.read_text(encoding="utf-8").replace("history_days = 150", "history_days = 3")
    desk.settings.config.write_text(text, encoding="utf-8")
    desk.markets = load_markets(desk.settings.config, ("es",))
    desk.done("ingest")
    return desk


def later(desk: Desk, server: GridServer, minutes: int, *, fault: Fault | None = None, every: int = 5) -> None:
    """Let time pass with an ingest every few minutes, each request met by `fault`."""
    for _ in range(0, minutes, every):
        desk.now += timedelta(minutes=every)
        server.now = desk.now
        server.faults.extend([fault] * 20 if fault else [])
        desk.run("ingest")
        server.faults.clear()


def test_nothing_is_green_on_an_empty_warehouse(desk: Desk) -> None:
    rows = fresh(desk)
    assert {one.state for one in rows.values()} == {"none"}
    assert "ingest has not run" in rows["demo.load"].why


def test_a_filled_desk_is_current_series_by_series(full: Desk) -> None:
    rows = fresh(full)
    assert list(rows) == [one.id for one in full.markets["demo"].series]
    assert {one.state for one in rows.values()} == {"current"}
    load = rows["demo.load"]
    assert (load.newest, load.missed, load.why) == (datetime(2026, 11, 20, 10, 5, tzinfo=UTC), 0, "")
    assert load.due == load.newest
    assert (load.source, load.asked_at) == ("demo", full.now)


@pytest.mark.parametrize(
    ("minutes", "series", "state", "missed"),
    [
        (3, "demo.load", "due", 1),
        (17, "demo.load", "due", 3),
        (18, "demo.load", "late", 4),
        (60, "demo.temperature", "due", 1),
        (65, "demo.temperature", "late", 1),
        (169, "demo.temperature", "late", 2),
        (170, "demo.price", "current", 0),
    ],
)
def test_lateness_is_in_intervals_of_the_series_own(full: Desk, minutes, series, state, missed) -> None:
    full.now += timedelta(minutes=minutes)
    found = fresh(full)[series]
    assert (found.state, found.missed) == (state, missed)
    if state == "late":
        assert "not asked for since 10:20 UTC: ingest has not run" in found.why or minutes <= 20
        assert found.since is not None
        assert found.since <= full.now


def test_day_ahead_series_must_reach_the_end_of_the_local_day(full: Desk) -> None:
    price = full.markets["demo"].series[-1]
    assert due_slot(price, "Europe/Madrid", full.now) == datetime(2026, 11, 20, 22, tzinfo=UTC)
    # The day of the clock change ends at 23:00 UTC, a summer day at 22:00 UTC.
    for moment, last in ((datetime(2026, 10, 25, 0, tzinfo=UTC), 22), (datetime(2026, 10, 24, 12, tzinfo=UTC), 21)):
        assert due_slot(price, "Europe/Madrid", moment).hour == last
    # Published at 13:15 for the next day, so on the 20th it reaches to the end of the 20th.
    full.now = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
    assert (fresh(full)["demo.price"].state, fresh(full)["demo.price"].missed) == ("due", 24)
    full.now = datetime(2026, 11, 21, 0, tzinfo=UTC)
    assert fresh(full)["demo.price"].state == "late"
    assert fresh(full)["demo.price"].since == full.now


def test_a_provider_that_publishes_nothing_is_told_from_one_not_asked(spain: Desk, server: GridServer) -> None:
    assert {name: fresh(spain)[name].state for name in WELL} == dict.fromkeys(WELL, "current")
    server.outage(spain.now)
    later(spain, server, 40)
    load = fresh(spain)["es.load"]
    assert (load.state, load.missed, load.source) == ("late", 8, "redata")
    assert load.why == "redata has published nothing beyond 10:10 UTC; last answer just now: nothing new."
    assert load.status_url.startswith("https://")
    assert load.since == datetime(2024, 10, 28, 10, 40, tzinfo=UTC)
    spain.now += timedelta(minutes=50)
    assert fresh(spain)["es.load"].why == "It was not asked for since 11:00 UTC: ingest has not run."
    server.outage(None)
    later(spain, server, 5)
    assert fresh(spain)["es.load"].state == "current"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (faults.unauthorized, "redata refuses our identity since 10:25 UTC; check the token."),
        (faults.throttled("600"), "redata asks us to slow down since 10:25 UTC; last asked just now."),
        (faults.unavailable, "redata does not answer properly since 10:25 UTC; last asked just now."),
        (faults.new_schema, "redata answers in an unknown format since 10:25 UTC; the connector must be updated."),
    ],
)
def test_a_refusal_is_named_with_its_beginning(spain: Desk, server: GridServer, fault: Fault, words: str) -> None:
    later(spain, server, 30, fault=fault, every=15 if fault is not faults.unauthorized else 5)
    found = fresh(spain)["es.load"]
    assert found.state == "late"
    assert found.why == words.replace("10:25", "10:35" if fault is not faults.unauthorized else "10:25")


def asked(desk: Desk, at: str, source: str, outcome: str, first: str, last: str, again: str | None = None) -> None:
    """A request of the day for what lies from `first` to `last`, not to be repeated before `again`."""
    row = {"series": "es.load", "source": source, "outcome": outcome, "message": "", "run_id": f"run-{at}"}
    times = {"window_start": first, "window_end": last, "seen_at": f"2024-10-28 {at}Z"}
    counts = dict.fromkeys(("rows_new", "rows_revised", "rows_same", "rows_quarantined"), 0)
    times |= {"again_at": again}
    stamps = {name: pd.Series([text], dtype="datetime64[us, UTC]") for name, text in times.items()}
    with desk.warehouse.write() as session:
        session.append("fetches", pd.DataFrame([row | counts]).assign(**stamps))


@pytest.mark.parametrize("source", ["files", "redata"])
@pytest.mark.parametrize("outcome", ["ok", "empty", "bad_request"])
def test_an_import_or_a_backfill_of_old_hours_does_not_rewrite_the_story_of_an_outage(
    spain: Desk, source: str, outcome: str
) -> None:
    for at in ("10:25", "10:30"):
        asked(spain, at, "redata", "auth", "2024-10-28 10:00Z", f"2024-10-28 {at}Z")
    asked(spain, "10:42", source, outcome, "2024-01-01", "2024-01-02")
    spain.now = NOW + timedelta(minutes=23)
    said = "redata refuses our identity since 10:25 UTC; check the token."
    assert fresh(spain)["es.load"].why == said
    asked(spain, "10:45", "redata", "auth", "2024-10-28 10:00Z", "2024-10-28 10:45Z")
    spain.now = NOW + timedelta(minutes=26)
    assert fresh(spain)["es.load"].why == said
    assert fresh(spain)["es.load"].asked_at == NOW + timedelta(minutes=25)


def test_a_file_may_hold_the_newest_hours_and_is_no_answer_of_the_provider(spain: Desk) -> None:
    asked(spain, "10:25", "redata", "transient", "2024-10-28 10:00Z", "2024-10-28 10:25Z")
    asked(spain, "10:42", "files", "ok", "2024-10-01", "2024-10-28 10:40Z")
    spain.now = NOW + timedelta(minutes=23)
    assert fresh(spain)["es.load"].why.startswith("redata does not answer properly since 10:25 UTC")


def test_a_refusal_met_at_an_old_gap_counts_since_nothing_else_was_asked(spain: Desk) -> None:
    asked(spain, "10:40", "redata", "auth", "2024-10-27", "2024-10-27 01:00Z")
    spain.now = NOW + timedelta(minutes=22)
    assert fresh(spain)["es.load"].why == "redata refuses our identity since 10:40 UTC; check the token."


def test_a_source_that_is_not_asked_again_yet_is_not_a_dead_ingest(spain: Desk) -> None:
    asked(spain, "10:25", "redata", "auth", "2024-10-28 10:00Z", "2024-10-28 10:25Z", again="2024-10-28 11:25Z")
    spain.now = NOW + timedelta(minutes=60)
    assert fresh(spain)["es.load"].why == "redata refuses our identity since 10:25 UTC; check the token."
    spain.now = NOW + timedelta(minutes=90)
    assert fresh(spain)["es.load"].why == "It was not asked for since 10:25 UTC: ingest has not run."


def test_an_answer_that_reaches_what_is_due_ends_the_story(spain: Desk) -> None:
    asked(spain, "10:25", "redata", "auth", "2024-10-28 10:00Z", "2024-10-28 10:25Z")
    asked(spain, "10:40", "redata", "empty", "2024-10-28 10:00Z", "2024-10-28 10:40Z")
    asked(spain, "10:45", "redata", "auth", "2024-10-28 10:00Z", "2024-10-28 10:45Z")
    spain.now = NOW + timedelta(minutes=26)
    assert fresh(spain)["es.load"].why == "redata refuses our identity since 10:45 UTC; check the token."


def test_a_series_whose_source_lacks_a_setting_says_which(spain: Desk) -> None:
    price = fresh(spain)["es.price"]
    assert (price.state, price.since, price.asked_at, price.source) == ("none", None, None, None)
    assert price.why.startswith("esios needs a token: set ESIOS_API_KEY")
    spain.markets["es"] = replace(spain.markets["es"], sources=("redata",))
    with spain.warehouse.write() as session:
        session.script("DELETE FROM fetches WHERE source = 'esios'")
    assert "no source in use carries it" in fresh(spain)["es.price"].why
    assert load_markets(ROOT / "sextant.toml", ("demo",))["demo"].status_url == ""


def test_a_source_that_is_seldom_asked_is_not_taken_for_one_that_is_not_asked(full: Desk, monkeypatch) -> None:
    monkeypatch.setattr("pipeline.sources.demo.Demo.every", timedelta(minutes=50))
    full.now += timedelta(minutes=64)
    assert "last answer 64 minutes ago" in fresh(full)["demo.load"].why
    full.now += timedelta(minutes=2)
    assert "ingest has not run" in fresh(full)["demo.load"].why
