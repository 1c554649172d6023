"""Active markets -> a filled warehouse: history, replayed issues, a model of today and its first forecast."""

import argparse
from datetime import timedelta
from typing import Any

from pipeline.commands.base import Command, Desk

REPLAY_DAYS = 21


def run(desk: Desk, _options: argparse.Namespace) -> int:
    """Fill an empty warehouse: history, a first model of three weeks ago, its replayed issues, a model of today."""
    desk.open()
    now = desk.runner.clock()
    then = now - timedelta(days=REPLAY_DAYS)
    steps: list[tuple[str, dict[str, Any]]] = [("ingest", {}), ("actuals", {})]
    if desk.warehouse.ask("never_trained").n.iloc[0]:
        replay = {"replay_from": then.isoformat(), "replay_to": (now - timedelta(hours=2)).isoformat()}
        first = {"as_of": then.isoformat(), "families": ["naive", "ridge"]}
        steps += [("train", first), ("features", replay), ("forecast", {}), ("backfill", {}), ("train", {})]
        steps.append(("backtest", {"families": ["ridge"], "days": REPLAY_DAYS}))
    steps += [(name, {}) for name in ("features", "forecast", "backfill", "quality", "monitor", "tidy", "alert")]
    return 0 if all(desk.run(name, **args) for name, args in steps) else 1


COMMAND = Command("demo", "fill the warehouse from the active markets, with three weeks of replayed issues", run)
