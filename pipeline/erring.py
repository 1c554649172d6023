"""Scores of what was issued -> how the errors of a target changed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from pipeline.markets import HORIZONS, Target
from pipeline.warehouse import Warehouse

LEAST_RECENT, LEAST_BEFORE = 500, 1500
"""Scored forecasts in the last week and in the four before: half of what there could be, and three eighths, of a target
that issues all HORIZONS every hour."""
FEWEST_RECENT, FEWEST_BEFORE = 20, 60
"""The same of targets that issue so seldom that their part of it would be chance."""
USUAL = 1.0
"""How many times what its policy allows a target may err before the rules speak, unless sextant.toml says otherwise."""


@dataclass(frozen=True)
class Change:
    """MAE (in the target's unit) of the last 7 days and of the 28 before, over `n` and `n_before` scored forecasts."""

    mae: float
    mae_before: float
    n: int
    n_before: int

    def words(self, unit: str) -> str:
        """The change as half a sentence."""
        return (
            f"MAE of the last 7 days is {self.mae:,.1f} {unit}, {self.mae / self.mae_before - 1:.0%} above the "
            f"{self.mae_before:,.1f} of the 28 days before on the same hours of day"
        )


def change(warehouse: Warehouse, target: Target, until: datetime) -> Change | None:
    """How the MAE as issued changed by `until`; None while there are too few scores to say."""
    rows = changes(warehouse.ask, target, [until])
    if rows.empty:
        return None
    row = rows.iloc[0]
    return Change(float(row.mae), float(row.mae_before), int(row.n), int(row.n_before))


def changes(ask: Callable[..., pd.DataFrame], target: Target, untils: Sequence[datetime]) -> pd.DataFrame:
    """The same for several moments at once, one row each (until, mae, mae_before, n, n_before); those with too few
    scores are left out. `ask` answers named queries."""
    rows = ask("error_change", target=target.id, zone=target.zone, untils=tuple(untils), **events(target))
    recent = rows["n"] >= least(target, LEAST_RECENT, FEWEST_RECENT)
    before = rows["n_before"] >= least(target, LEAST_BEFORE, FEWEST_BEFORE)
    return rows[recent & before].reset_index(drop=True)


def least(target: Target, full: int, fewest: int) -> float:
    """How many scores are evidence: `full` of a target with all HORIZONS every hour, of others their part of that.

    Never below `fewest`.
    """
    part = len(target.horizons) / len(HORIZONS) / (target.every / timedelta(hours=1))
    return max(full * part, fewest)


def allowed(target: Target, times: float = USUAL) -> float:
    """By what the MAE of the 28 days before is multiplied to give the most that the last 7 days may have."""
    return 1 + times * (target.policy.error_up - 1)


def limits(target: Target, times: float = USUAL) -> dict[str, float]:
    """The target's own limits of a week's "mae" (its unit) and "mape" (percent), those that it has."""
    own = {"mae": target.policy.mae_limit, "mape": target.policy.mape_limit_pct}
    return {name: times * limit for name, limit in own.items() if limit is not None}


def events(target: Target) -> dict[str, tuple[Any, ...]]:
    """The declared events of a target as the queries take them."""
    return {
        "firsts": tuple(event.first for event in target.events),
        "lasts": tuple(event.last for event in target.events),
    }
