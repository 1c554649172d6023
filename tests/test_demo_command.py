"""demo: what a first start does for markets with long, short and no history, and beside one that serves already."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline import training
from pipeline.commands import demo
from pipeline.configuring.markets import load_markets
from pipeline.errors import NotEnoughData
from tests.conftest import NOW, Desk, desk_in
from tests.test_own_market import block, hourly

THEN = (NOW - timedelta(days=21)).isoformat()
LONG, SHORT = 150, 130
MORE = """
[market.tso.series.new]
title = "New"
kind = "measured"
unit = "MW"
cadence_min = 60
minimum = 0
maximum = 100000
keys = { files = "new_mw" }

[market.tso.target.new]
title = "New"
"""


@dataclass
class Walk:
    """A desk that fetches for real and writes down which other jobs it was told to run."""

    desk: Desk
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return self.desk.runner() if name == "runner" else getattr(self.desk, name)

    def open(self) -> None:
        """The warehouse is open."""

    def run(self, name: str, **args: Any) -> bool:
        if name in ("ingest", "actuals"):
            return self.desk.run(name, **args)["state"] != "failed"
        self.told.append((name, args))
        return name != "quality"


def walked(desk: Desk) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """(Exit code, how each job was asked for) of the command, up to the work that always follows."""
    walk = Walk(desk)
    code = demo.run(walk, argparse.Namespace())  # type: ignore[arg-type]
    usual = [name for name, _ in walk.told[-7:]]
    assert not walk.told or usual == ["features", "forecast", "backfill", "quality", "monitor", "tidy", "alert"]
    lessons = walk.told[:-7]
    return code, {name: [args for one, args in lessons if one == name] for name, _ in lessons}


@pytest.fixture
def own(tmp_path: Path) -> Callable[..., Desk]:
    """A desk with the README's market and a second target, each with so many days of hours."""

    def made(load: int, new: int) -> Desk:
        desk = desk_in(tmp_path)
        return filled(desk, load, new)

    return made


def filled(desk: Desk, load: int, new: int, *, beside: str = "") -> Desk:
    config = desk.settings.config
    config.write_text(beside + block() + MORE, encoding="utf-8")
    (config.parent / "data").mkdir()
    table = hourly(pd.Timestamp(NOW).floor("h") - timedelta(hours=1), max(load, new))
    table["new_mw"] = table["load_mw"].where(table.index >= len(table) - new * 24)
    table["load_mw"] = table["load_mw"].where(table.index >= len(table) - load * 24)
    table.to_csv(config.parent / "data" / "past.csv", index=False)
    desk.markets.clear()
    desk.markets.update(load_markets(config, ("demo", "tso") if beside else ("tso",)))
    return desk


def test_long_histories_are_replayed_side_by_side(own: Callable[..., Desk]) -> None:
    _, lessons = walked(own(LONG, LONG))
    assert lessons["train"] == [{"as_of": THEN, "families": ["naive", "ridge", "ridge_asinh"]}, {}]
    (replay,) = lessons["features"]
    assert (replay["replay_from"], replay["leave_out"]) == (THEN, [])
    assert lessons["backtest"] == [{"families": ["ridge", "ridge_asinh"], "days": 21}]


def test_a_short_history_is_trained_as_of_now_and_not_replayed(
    own: Callable[..., Desk], capsys: pytest.CaptureFixture[str]
) -> None:
    desk = own(SHORT, SHORT)
    code, lessons = walked(desk)
    # One job that failed kept none after it from its turn.
    assert (code, lessons) == (1, {"train": [{}]})
    assert "tso.load: too little history for a model of 21 days ago, so none of its" in capsys.readouterr().out
    with pytest.raises(NotEnoughData) as refused:
        training.gather(desk.warehouse, desk.target, as_of=NOW - timedelta(days=21))
    words = "training needs 124 days of actuals and has 109 up to 30 Oct 2026; ingest more history."
    assert str(refused.value) == f"tso.load: {words}"
    assert len(training.gather(desk.warehouse, desk.target, as_of=NOW).built.batch) > 0


def test_of_two_targets_only_the_long_one_is_replayed(own: Callable[..., Desk]) -> None:
    _, lessons = walked(own(LONG, SHORT))
    first = {"as_of": THEN, "families": ["naive", "ridge", "ridge_asinh"], "target": "tso.load"}
    assert lessons["train"] == [first, {}]
    assert lessons["features"][0]["leave_out"] == ["tso.new"]
    assert [one["target"] for one in lessons["backtest"]] == ["tso.load"]


def test_without_any_actual_it_ends_with_a_word(own: Callable[..., Desk], capsys: pytest.CaptureFixture[str]) -> None:
    desk = own(1, 1)
    (desk.settings.config.parent / "data" / "past.csv").unlink()
    assert walked(desk) == (1, {})
    assert "there are no actuals, so nothing can be forecast yet" in capsys.readouterr().out


def test_a_market_beside_one_that_serves_is_trained_without_touching_it(full: Desk) -> None:
    filled(full, LONG, SHORT, beside=full.settings.config.read_text(encoding="utf-8"))
    _, lessons = walked(full)
    assert lessons == {"train": [{"target": "tso.load"}, {"target": "tso.new"}]}


def test_targets_that_are_left_out_get_no_rows(full: Desk) -> None:
    window = {"replay_from": (NOW - timedelta(days=9)).isoformat(), "replay_to": (NOW - timedelta(days=8)).isoformat()}
    assert full.done("features", **window, leave_out=["demo.load"])["rows_out"] == 0
    assert full.done("features", **window)["rows_out"] > 0
