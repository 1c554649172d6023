"""A market of one's own: the block of the README and two files -> an issued and scored forecast."""

import os
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import freshness
from pipeline.configuring.markets import check, load_markets
from pipeline.discovery import discover
from pipeline.settings import ROOT, Settings
from pipeline.sources.base import Window
from pipeline.sources.files import SOURCE
from pipeline.warehouse import Warehouse
from tests.conftest import NOW, Desk, ask

DAYS = 130
HOUR = timedelta(hours=1)
REPLAYED = timedelta(days=3)
REPEATED = 2
"""Local time without an offset says nothing of the hour that comes twice in October."""


def block() -> str:
    """The configuration that the README shows, word for word."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    first = readme.index("    [market.tso]")
    size = next(n for n, line in enumerate(readme[first:]) if line and not line.startswith("    "))
    return "\n".join(line[4:] for line in readme[first : first + size]).rstrip() + "\n"


def hourly(last: pd.Timestamp, days: int) -> pd.DataFrame:
    """Demand of a day and week, and a plan of it with an error."""
    valid_at = pd.date_range(last - timedelta(days=days), last, freq="h")
    clock, rng = np.arange(len(valid_at)), np.random.default_rng(4)
    load = 50000 + 8000 * np.sin(clock / 24 * 2 * np.pi) + 2000 * np.sin(clock / 168 * 2 * np.pi)
    plan = load + rng.normal(0, 400, len(clock))
    return pd.DataFrame({"valid_at": valid_at, "load_mw": load + rng.normal(0, 200, len(clock)), "forecast_mw": plan})


def desk_of(folder: Path) -> Desk:
    (folder / "sextant.toml").write_text(block(), encoding="utf-8")
    paths = {"SEXTANT_WAREHOUSE": str(folder / "w.duckdb"), "SEXTANT_CONFIG": str(folder / "sextant.toml")}
    settings = Settings.load(paths | {"SEXTANT_MARKETS": "tso"})
    warehouse = Warehouse(settings.warehouse, wait_s=20)
    warehouse.migrate(NOW)
    return Desk(settings, load_markets(settings.config, ("tso",)), warehouse, discover("pipeline.jobs", "JOB"), NOW)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A desk that began with a CSV of history in local time, and got the newest hours as Parquet."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "data").mkdir()
    newest = pd.Timestamp(NOW).floor("h") - HOUR
    table = hourly(newest, DAYS)
    local = table["valid_at"].dt.tz_convert("Europe/Paris").dt.tz_localize(None)
    past = table.assign(valid_at=local.dt.strftime("%Y-%m-%d %H:%M"))[:-6].astype(object)
    past.loc[len(past)] = ["2026-08-20 10:00", "a lot", 50000.0]
    past.to_csv(folder / "data" / "past.csv", index=False)
    desk = desk_of(folder)
    desk.now = NOW - timedelta(hours=5)
    desk.done("ingest")
    desk.done("actuals")
    then = (desk.now - REPLAYED).isoformat()
    desk.done("train", as_of=then, families=["naive", "ridge"])
    desk.done("features", replay_from=then, replay_to=(desk.now - 2 * HOUR).isoformat())
    table[-30:].to_parquet(folder / "data" / "newest.parquet")
    desk.now = NOW
    for job in ("forecast", "ingest", "actuals", "backfill", "features", "forecast", "backfill"):
        desk.done(job)
    return desk


def test_the_block_is_short_and_sound() -> None:
    assert len(block().splitlines()) < 40
    assert block().count("[market.tso") == 4


def test_the_block_passes_the_check(own: Desk) -> None:
    assert check(own.settings.config).mistakes == ()


def test_every_hour_of_both_files_is_stored_once_and_the_bad_row_is_told(own: Desk) -> None:
    rows = ask(own, "SELECT series, count(*) AS n, count(DISTINCT valid_at) AS hours FROM raw GROUP BY series")
    n = DAYS * 24 + 1 - REPEATED
    assert rows.set_index("series").loc["tso.load"].tolist() == [n, n]
    refused = ask(own, "SELECT value, reason FROM quarantine")
    assert refused.reason.str.contains("does not exist once in Europe/Paris").sum() == 2 * REPEATED
    (reason,) = refused[refused.value == "a lot"].reason
    assert reason == "past.csv: value 'a lot' is not a number; write digits with a decimal point."


def test_a_forecast_is_issued_beside_naive_and_the_operator_and_the_replayed_ones_are_scored(own: Desk) -> None:
    live = ask(own, "SELECT issuer, horizon, status, version_id FROM predictions WHERE mode = 'live' ORDER BY horizon")
    issued = live[live["issuer"] == "sextant"]
    assert issued["horizon"].tolist() == [1, 2, 3, 4, 5, 6]
    assert set(issued["status"]) == {"ok"}
    assert set(issued["version_id"]) == {"tso.load-v1"}
    assert "naive" in set(live["issuer"])
    assert ask(own, "SELECT count(*) AS n FROM accuracy WHERE issuer = 'sextant'").n[0] > 300


def test_a_file_is_read_again_only_when_it_has_changed(own: Desk) -> None:
    before = ask(own, "SELECT count(*) AS n FROM fetches WHERE message != ''").n[0]
    assert own.run("ingest")["rows_in"] == 0
    path = own.settings.config.parent / "data" / "newest.parquet"
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 10**9))
    assert own.run("ingest")["rows_in"] == 60
    assert ask(own, "SELECT count(*) AS n FROM fetches WHERE message != ''").n[0] == before + 2


def test_a_late_series_says_that_its_folder_was_looked_into(own: Desk) -> None:
    with own.warehouse.read() as session:
        (load, _) = freshness.look(session, own.markets["tso"], own.now + timedelta(hours=4))
    assert (load.state, load.source) == ("late", "files")
    assert "never asked" not in load.why


def test_a_file_that_cannot_be_read_is_named_and_keeps_none_from_being_read(own: Desk) -> None:
    folder = own.settings.config.parent / "data"
    (folder / "a.csv").write_text("when,load_mw\n2026-01-01,5\n", encoding="utf-8")
    later = "valid_at,forecast_mw\n" + "".join(f"2026-11-{day}T05:00Z,50000\n" for day in (21, 25))
    (folder / "b.csv").write_text(later, encoding="utf-8")
    row = own.run("ingest")
    assert (
        "a.csv has no column valid_at"
        in ask(own, "SELECT message FROM fetches WHERE outcome = 'schema_changed'").message[0]
    )
    assert row["rows_out"] == 1
    own.now += timedelta(days=4)
    assert own.run("ingest")["rows_out"] == 1
    (folder / "a.csv").unlink()
    own.now = NOW


def test_a_window_can_be_asked_for_and_a_missing_folder_is_told(own: Desk, tmp_path: Path) -> None:
    market = own.markets["tso"]
    window = Window(NOW - timedelta(days=2), NOW - timedelta(days=1))
    points = SOURCE.fetch(market.series, window, now=NOW, settings=own.settings)
    assert points.groupby("series").valid_at.nunique().to_dict() == {"tso.load": 24, "tso.load_forecast": 24}
    empty = desk_of(tmp_path)
    row = empty.run("ingest")
    assert row["state"] == "failed"
    assert f"tso.load from files: there is no folder {tmp_path / 'data'}; make it, or mend `folder`" in str(
        row["error"]
    )
