"""Small questions about a desk's models, and small changes, for the tests of their life."""

from dataclasses import replace
from typing import Any

import pandas as pd

from pipeline import promoting, registry
from pipeline.markets import Target
from pipeline.registry import Model
from tests.conftest import Desk, ask


def with_target(desk: Desk, **changes: Any) -> Target:
    """The desk's target with other fields, such as a policy, in force from here on."""
    market = next(iter(desk.markets.values()))
    target = replace(desk.target, **changes)
    desk.markets[market.id] = replace(market, targets=(target,))
    return target


def champion(desk: Desk) -> str:
    return str(registry.champion(desk.warehouse, desk.target.id)["version_id"])


def loaded(desk: Desk, version_id: str) -> Model:
    return registry.load(registry.version(desk.warehouse, desk.target.id, version_id), folder=desk.settings.models)


def newest_decision(desk: Desk) -> pd.Series:
    return ask(desk, "SELECT * FROM promotions ORDER BY number").iloc[-1]


def roll_back(desk: Desk, version_id: str, expected: str) -> None:
    promoting.roll_back(
        desk.warehouse,
        desk.settings.models,
        target=desk.target,
        version_id=version_id,
        expected=expected,
        actor="ana",
        reason="v2 looks odd",
        now=desk.now,
    )
