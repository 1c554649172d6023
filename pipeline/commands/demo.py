"""Active markets -> a filled warehouse: history, replayed issues, a model of today and its first forecast."""

import argparse
from datetime import datetime, timedelta
from typing import Any

from pipeline.commands.base import Command, Desk
from pipeline.training import NEEDED_DAYS

REPLAY_DAYS = 21

Steps = list[tuple[str, dict[str, Any]]]


def run(desk: Desk, _options: argparse.Namespace) -> int:
    """Fill an empty warehouse: history, a first model of three weeks ago, its replayed issues, a model of today.

    Targets whose history is too short for a model of three weeks ago are trained as of now only. A target that
    cannot be trained keeps no other from its forecast.
    """
    desk.open()
    now = desk.runner.clock()
    good = [desk.run("ingest"), desk.run("actuals")]
    targets = [target.id for market in desk.markets.values() for target in market.targets]
    if not any(_days(desk, name, now) for name in targets):
        print("there are no actuals, so nothing can be forecast yet; see above what ingest said")
        return 1
    steps = _lessons(desk, targets, now)
    steps += [(name, {}) for name in ("features", "forecast", "backfill", "quality", "monitor", "tidy", "alert")]
    good += [desk.run(name, **args) for name, args in steps]
    return 0 if all(good) else 1


def _lessons(desk: Desk, targets: list[str], now: datetime) -> Steps:
    """What teaches the targets that have no model yet."""
    new = [name for name in targets if not desk.warehouse.ask("newest_version", target=name).number.iloc[0]]
    then = now - timedelta(days=REPLAY_DAYS)
    old = [name for name in new if _days(desk, name, then) >= NEEDED_DAYS]
    if len(new) < len(targets):
        # Beside targets that serve already nothing is issued afterwards.
        return [("train", {"target": name}) for name in new]
    short = [name for name in new if name not in old]
    for name in short:
        print(f"{name}: too little history for a model of {REPLAY_DAYS} days ago, so none of its issues are replayed")
    if not old:
        return [("train", {})]
    replay = {"replay_from": then.isoformat(), "replay_to": (now - timedelta(hours=2)).isoformat(), "leave_out": short}
    first = {"as_of": then.isoformat(), "families": ["naive", "ridge", "ridge_asinh"]}
    backtest = {"families": ["ridge", "ridge_asinh"], "days": REPLAY_DAYS}
    steps: Steps = [("train", first | of) for of in _each(old, short)]
    steps += [("features", replay), ("forecast", {}), ("backfill", {}), ("train", {})]
    return steps + [("backtest", backtest | of) for of in _each(old, short)]


def _each(names: list[str], others: list[str]) -> list[dict[str, str]]:
    """Once for all targets, side by side, or where there are others once for each."""
    return [{"target": name} for name in names] if others else [{}]


def _days(desk: Desk, target: str, as_of: datetime) -> float:
    """How many days of its hours were known at a moment."""
    return float(desk.warehouse.ask("hours_known", target=target, as_of=as_of).n.iloc[0]) / 24


COMMAND = Command("demo", "fill the warehouse from the active markets, with three weeks of replayed issues", run)
