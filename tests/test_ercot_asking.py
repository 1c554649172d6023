"""How little a scheduled ingest asks ERCOT: settled hours of a forecast are left alone, with their last word."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from pipeline.configuring.markets import load_markets
from pipeline.errors import ConfigError
from pipeline.settings import ROOT
from pipeline.sources import ercot_mis
from tests.conftest import ask, desk_in
from tests.servers.ercot import ErcotServer
from tests.servers.ercot_store import invented_store

NOW = datetime(2024, 11, 6, 14, 20, tzinfo=UTC)
HEAD = """
[market.tx]
name = "Texas"
zone = "America/Chicago"
country = "US-TX"
sources = ["ercot_mis"]
history_days = 1
[market.tx.series.load]
title = "Load"
kind = "measured"
unit = "MW"
cadence_min = 60
minimum = 0
maximum = 9e4
keys = { ercot_mis = "load:COAST" }
"""
TARGET = '[market.tx.target]\nload = { title = "Load" }\n'


def market() -> str:
    """With ERCOT's forecast of the coast as sextant.toml has it, within bounds that fit the invented load."""
    lines = (ROOT / "sextant.toml").read_text(encoding="utf-8").splitlines()
    line = next(one for one in lines if one.startswith("load_forecast_coast = "))
    assert "overlap_h = -4" in line
    return f"{HEAD}[market.tx.series]\n{line.replace('minimum = 3000', 'minimum = 0')}\n{TARGET}"


def test_a_steady_run_opens_a_handful_of_files_and_each_hour_keeps_its_last_word(tmp_path: Path) -> None:
    with ErcotServer(invented_store("2024-11-03", "2024-11-09"), NOW) as server:
        desk = desk_in(
            tmp_path, now=NOW, SEXTANT_HTTP_TRIES="1", SEXTANT_ERCOT_PUBLIC_URL=server.env["SEXTANT_ERCOT_PUBLIC_URL"]
        )
        desk.settings.config.write_text(market(), encoding="utf-8")
        desk.markets = load_markets(desk.settings.config, ("tx",))
        opened = []
        for _ in range(4):
            # Each scheduled run is a process of its own, with nothing kept.
            ercot_mis.SOURCE.__init__()
            desk.run("ingest")
            opened.append(sum("12312" in one.one("doclookupId") for one in server.asked("mirDownload")))
            desk.now = server.now = desk.now + timedelta(minutes=50)
    assert opened[0] > 24
    assert max(pd.Series(opened).diff().dropna()) <= 4
    last = ask(desk, "SELECT valid_at, max(made_at) AS made_at FROM raw WHERE series LIKE '%forecast%' GROUP BY 1")
    settled = last[last["valid_at"] <= pd.Timestamp(desk.now) + pd.Timedelta("5h")]
    lead = settled["valid_at"] - settled["made_at"]
    assert lead.between(pd.Timedelta("6h"), pd.Timedelta("7h"), inclusive="left").all()


@pytest.mark.parametrize(
    ("old", "new"), [("overlap_h = -4", "overlap_h = -24"), ("maximum = 9e4", "maximum = 9e4\noverlap_h = -1")]
)
def test_only_of_a_forecast_and_within_its_reach_hours_are_settled(tmp_path: Path, old: str, new: str) -> None:
    (tmp_path / "sextant.toml").write_text(market().replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError, match="only a forecast's may be below 0, and by less than its ahead_h"):
        load_markets(tmp_path / "sextant.toml", ("tx",))
