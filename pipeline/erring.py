"""Scores of what was issued -> how the errors of a target changed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.markets import Target
from pipeline.warehouse import Warehouse

LEAST_RECENT, LEAST_BEFORE = 500, 1500
"""Scored forecasts in the last week and in the four before: half of what there could be, and three eighths."""


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
    rows = warehouse.ask("error_change", target=target.id, zone=target.zone, until=until, **events(target))
    row = rows.iloc[0]
    if row.n < LEAST_RECENT or row.n_before < LEAST_BEFORE:
        return None
    return Change(float(row.mae), float(row.mae_before), int(row.n), int(row.n_before))


def events(target: Target) -> dict[str, list[Any]]:
    """The declared events of a target as the queries take them."""
    return {"firsts": [event.first for event in target.events], "lasts": [event.last for event in target.events]}
