"""The backtest job: rows a page can show, for the target and families asked for."""

import json
from collections.abc import Callable

import pandas as pd
import pytest

from pipeline.operations import Operations
from pipeline.plans import CHAIN, plans_of
from tests.conftest import Desk, ask
from tests.test_cli import call


def _rows(desk: Desk) -> pd.DataFrame:
    return ask(desk, "SELECT * FROM backtests WHERE kind = 'backtest'")


def test_a_backtest_scores_families_naive_and_operator_in_slices(full: Desk) -> None:
    row = full.done("backtest", days=20, refit_days=10, families=["ridge"], target="demo.load")
    rows = _rows(full)
    assert set(rows.family) == {"ridge", "naive", "operator"}
    assert set(rows.run_id) == {row["run_id"]}
    whole = rows[(rows["slice"] == "all") & (rows.horizon == 0)].set_index("family")
    assert set(rows[rows["slice"] == "all"].horizon) == {0, 1, 2, 3, 4, 5, 6}
    assert rows["slice"].str.startswith("hour=").sum() == 3 * 24
    assert {"peak", "day=working", "day=saturday", "day=sunday"} <= set(rows["slice"])
    assert whole.n.nunique() == 1
    assert whole.mae["ridge"] < whole.mae["naive"]
    assert whole.skill_naive["ridge"] == pytest.approx(1 - whole.mae["ridge"] / whole.mae["naive"])
    assert (whole.mae_se > 0).all()
    assert 0.6 < whole.coverage["ridge"] < 0.95
    assert "demo.load: MAE in MW: ridge" in row["log"]


def test_by_default_the_champion_runs_beside_naive_and_ridge(full: Desk) -> None:
    full.done("backtest", days=5)
    assert set(_rows(full).family) == {"naive", "ridge", "operator"}


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"target": "demo.moon"}, "no target is called 'demo.moon'; there are: demo.load"),
        ({"families": ["oracle"]}, "no model family is called oracle; there are:"),
        ({"days": 4000}, "start the test later"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(full: Desk, args: dict[str, object], words: str) -> None:
    row = full.run("backtest", **args)
    assert row["state"] == "failed"
    assert words in row["error"]
    assert _rows(full).empty


def test_a_backtest_runs_on_demand_only_and_holds_up_nothing(full: Desk) -> None:
    plans = plans_of(full.jobs, Operations())
    assert plans["backtest"].on_demand
    assert plans["backtest"].lane == "backtest"
    assert plans["monitor"].lane == CHAIN


def test_the_list_says_that_a_backtest_runs_on_demand(environment: Callable[..., dict[str, str]]) -> None:
    lines = call("list", env=environment()).stdout.splitlines()
    assert "on demand" in next(line for line in lines if line.startswith("backtest"))


def test_the_command_prints_a_table_or_json(full: Desk, environment: Callable[..., dict[str, str]]) -> None:
    words = ("--now", "2026-11-20T10:20Z", "backtest", "--target", "demo.load", "--families", "ridge", "--days", "5")
    done = call(*words, env=environment())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "day=working" in done.stdout
    assert "skill_naive" in done.stdout
    again = call(*words, "--json", env=environment())
    found = json.loads(again.stdout[again.stdout.index("[") :])
    assert {row["family"] for row in found} == {"ridge", "naive", "operator"}
