"""Several markets at once: providers that hang or throttle, keys that change, series that go, a first ingest killed."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.configuring.markets import load_markets
from pipeline.discovery import discover
from pipeline.doctor import examine
from pipeline.errors import Transient
from pipeline.jobs import ingest
from pipeline.settings import ROOT, Settings
from pipeline.warehouse import Warehouse
from tests.conftest import Desk, ask
from tests.servers.caiso import CaisoServer, invented_store, violation
from tests.servers.faults import slow
from tests.test_ingest_plan import Provider, market_of

NOW = datetime(2024, 11, 6, 10, 20, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
MARKET = """
[market.{market}]
name = "{market}"
zone = "America/Los_Angeles"
country = "US-CA"
currency = "USD"
sources = ["caiso"]
history_days = {days}
"""
SERIES = """
[market.{market}.series.{name}]
title = "{name}"
kind = "measured"
unit = "MW"
cadence_min = 60
minimum = 0
maximum = 90000
keys = {{ caiso = "ACTUAL:{area}" }}

[market.{market}.target.{name}]
title = "{name}"
series = "{name}"
"""


@pytest.fixture(scope="module")
def store() -> dict[str, Any]:
    return invented_store("2024-08-20", "2024-11-10")


@pytest.fixture
def server(store: dict[str, Any]) -> Iterator[CaisoServer]:
    with CaisoServer(store, NOW) as running:
        yield running


def market(name: str, days: int, **areas: str) -> str:
    series = [SERIES.format(market=name, name=each, area=area) for each, area in areas.items()]
    return MARKET.format(market=name, days=days) + "".join(series)


def environment(folder: Path, server: CaisoServer, *markets: str) -> dict[str, str]:
    """What leads a process to a warehouse in `folder` with these markets, as market() writes them."""
    config = folder / "sextant.toml"
    config.write_text("".join(markets), encoding="utf-8")
    names = ",".join(text.split("]")[0].rpartition(".")[2] for text in markets)
    return {
        "SEXTANT_WAREHOUSE": str(folder / "warehouse.duckdb"), "SEXTANT_CONFIG": str(config),
        "SEXTANT_MARKETS": names, "SEXTANT_CAISO_URL": server.url, "SEXTANT_HTTP_TRIES": "1",
    }  # fmt: skip


def desk_of(folder: Path, server: CaisoServer, *markets: str, now: datetime = NOW, **env: str) -> Desk:
    settings = Settings.load(environment(folder, server, *markets) | env)
    warehouse = Warehouse(settings.warehouse, wait_s=20)
    warehouse.migrate(NOW)
    return Desk(
        settings, load_markets(settings.config, settings.markets), warehouse, discover("pipeline.jobs", "JOB"), now
    )


def run(desk: Desk, **args: Any) -> dict[str, Any]:
    return desk.runner().run(desk.jobs["ingest"], by="scheduler", **args)


def hours(desk: Desk) -> dict[str, int]:
    """How many hours of each series are stored."""
    rows = ask(desk, "SELECT series, count(DISTINCT valid_at) AS n FROM raw GROUP BY series")
    return dict(zip(rows["series"], rows["n"].tolist(), strict=True))


def test_another_key_is_said_once_and_what_was_stored_stays(tmp_path: Path, server: CaisoServer) -> None:
    run(desk_of(tmp_path, server, market("west", 20, load="PGE-TAC")))
    changed = desk_of(tmp_path, server, market("west", 20, load="SCE-TAC"), now=NOW + HOUR)
    notes = []
    for _ in range(2):
        server.now = changed.now
        notes.append(run(changed)["log"])
        changed.now += HOUR
    words = "west.load is now 'ACTUAL:SCE-TAC' of caiso and was 'ACTUAL:PGE-TAC': what is stored stays"
    assert [words in log for log in notes] == [True, False]
    keys = ask(changed, "SELECT message FROM fetches WHERE outcome = 'ok' ORDER BY seen_at").message.tolist()
    assert keys == ["ACTUAL:PGE-TAC", "ACTUAL:SCE-TAC", "ACTUAL:SCE-TAC"], "what any value was asked for can be told"
    old = ask(changed, "SELECT DISTINCT run_id FROM raw WHERE valid_at < '2024-10-20 00:00Z'").run_id
    first = ask(changed, "SELECT run_id FROM fetches WHERE message = 'ACTUAL:PGE-TAC'").run_id
    assert set(old) == set(first)


def test_a_renamed_series_is_a_new_one_and_one_that_went_is_not_asked_for(tmp_path: Path, server: CaisoServer) -> None:
    before = desk_of(tmp_path, server, market("west", 20, load="PGE-TAC", gone="SCE-TAC"))
    run(before)
    after = desk_of(tmp_path, server, market("west", 20, np15="PGE-TAC"), now=NOW + HOUR)
    server.now = after.now
    server.requests.clear()
    row = run(after)
    assert (row["state"], "is now" in row["log"]) == ("succeeded", False)
    assert [request.one("tac_area_name") for request in server.requests] == ["PGE-TAC"]
    found = hours(after)
    assert found["west.np15"] - found["west.load"] in (0, 1)
    assert found["west.gone"] == found["west.load"] == 20 * 24


def test_two_markets_of_one_provider_share_its_word(tmp_path: Path, server: CaisoServer) -> None:
    markets = market("west", 20, load="PGE-TAC"), market("south", 20, load="SCE-TAC")
    desk = desk_of(tmp_path, server, *markets)
    server.faults += [violation]
    row = run(desk)
    assert (len(server.requests), row["failure"]) == (1, "throttled")
    assert "It is not asked again until" in row["error"]
    desk.now += HOUR
    server.now = desk.now
    assert run(desk)["state"] == "succeeded"
    assert set(hours(desk)) == {"west.load", "south.load"}


def test_a_provider_that_hangs_is_asked_twice_and_no_more_whatever_the_market(
    tmp_path: Path, server: CaisoServer
) -> None:
    markets = market("west", 70, load="PGE-TAC"), market("south", 70, load="SCE-TAC")
    desk = desk_of(tmp_path, server, *markets, SEXTANT_HTTP_TIMEOUT_S="0.3")
    server.faults += [slow(1.0)] * 4
    row = run(desk)
    assert (len(server.requests), row["failure"]) == (2, "transient")
    assert "no answer from 127.0.0.1" in row["error"]
    assert "south from caiso: not asked, because west got no answer" in row["error"]
    noted = ask(desk, "SELECT series, outcome FROM fetches")
    assert set(noted["series"]) == {"west.load", "south.load"}
    assert set(noted["outcome"]) == {"transient"}


def test_who_was_silent_is_asked_last_and_its_silence_ends_the_run_in_time(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six providers: five hang for two and a half minutes a question, the sixth is well and has most to ask."""
    names = [f"p{n}" for n in range(6)]
    providers = {name: Provider(desk, name) for name in names}
    desk.markets = {name: market_of(desk, name, f"{name}_load") for name in names}
    for name in names[:5]:
        providers[name].took = timedelta(seconds=150)
        providers[name].trouble = lambda _window, _names: Transient("it: no answer.")
    monkeypatch.setattr(ingest, "choose_sources", lambda _context, one: [(providers[one.id], one.series)])
    asked = []
    for _ in range(3):
        began, before = desk.now, {name: len(providers[name].asked) for name in names}
        row = run(desk)
        assert (row["state"], row["failure"]) == ("failed", "transient")
        assert desk.now - began <= ingest.BUDGET + timedelta(seconds=150)
        asked.append({name for name in names if len(providers[name].asked) > before[name]})
        desk.now += MINUTE
    assert "p5" not in asked[0], "at first nobody knows"
    assert all("p5" in some for some in asked[1:])
    assert asked[1] | asked[2] >= set(names), "and of the silent ones each has its turn"
    assert hours(desk)["p5_load"] >= 60 * 24 - 4


def test_a_first_ingest_that_is_killed_goes_on_and_doubles_nothing(
    tmp_path: Path, server: CaisoServer, store: dict[str, Any]
) -> None:
    markets = market("west", 70, load="PGE-TAC", all="CA ISO-TAC"), market("south", 70, load="SCE-TAC")
    desk = desk_of(tmp_path, server, *markets)
    env = {name: value for name, value in os.environ.items() if not name.startswith("SEXTANT_")}
    server.faults += [lambda answer: answer, lambda answer: answer, lambda answer: answer, slow(20.0)]
    command = [sys.executable, str(ROOT / "jobs.py"), "--now", NOW.isoformat(), "run", "ingest"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=env | environment(tmp_path, server, *markets), stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as child:  # fmt: skip
        patience = time.monotonic() + 60
        while len(server.requests) < 4 and time.monotonic() < patience:
            time.sleep(0.05)
        child.kill()
    asked, kept = len(server.requests), sum(hours(desk).values())
    assert asked == 4
    assert 0 < kept < 3 * 70 * 24 - 100
    server.requests.clear()
    desk.now += MINUTE
    assert run(desk)["state"] == "succeeded"
    assert len(server.requests) == 3, "what was answered before the kill is not asked for again"
    assert set(hours(desk).values()) == {70 * 24}
    with desk.warehouse.read() as session:
        assert not session.doubled("raw")
    stored = ask(desk, "FROM raw WHERE series = 'south.load' ORDER BY valid_at").set_index("valid_at")["value"]
    assert stored.tolist() == store["ACTUAL"].loc[stored.index, "SCE-TAC"].tolist()
    assert not [one for one in examine(desk.warehouse, desk.settings.models, jobs=list(desk.jobs)) if one.flaw]
