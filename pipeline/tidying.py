"""Warehouse + retention -> a warehouse without what no figure on screen needs any more.

Removed are, each beyond its own age: logs of runs (the run stays), runs that went well and that nothing leads to,
raw values that were replaced (only of series whose past versions are no lesson for a model), shadow forecasts with
their scores, and the record of questions to sources, refused points, notices and sizes. Everything a figure on screen
leads to stays: issues, their scores, actuals, versions, decisions, alerts, the audit.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from pipeline.markets import Market
from pipeline.operations import Retention
from pipeline.warehouse import Warehouse

CHUNK = 25_000
SHADOW_STEP = timedelta(days=30)


def tidy(warehouse: Warehouse, markets: Mapping[str, Market], retention: Retention, *, now: datetime) -> dict[str, int]:
    """Remove what is beyond its age at `now`; returns rows removed or emptied by what they were, in short writes.

    A second run right after removes nothing. Raises Busy, DiskFull.
    """
    runs, raw = now - retention.runs, now - retention.raw_versions
    return {
        "logs": _empty_logs(warehouse, now - retention.logs, retention.logs.days),
        "raw versions": _remove(warehouse, "raw", "superseded_raw", series=versions_of(markets), before=raw),
        "shadow forecasts": _remove_shadows(warehouse, now - retention.shadows),
        "fetches": _remove(warehouse, "fetches", "old_fetches", before=runs),
        "refused points": _remove(warehouse, "quarantine", "old_quarantine", before=runs),
        "notices": _remove(warehouse, "notifications", "old_notifications", before=runs),
        "sizes": _remove(warehouse, "capacity", "old_capacity", before=runs),
        "runs": _remove(warehouse, "job_runs", "needless_runs", before=runs),
    }


def versions_of(markets: Mapping[str, Market]) -> list[str]:
    """Measured series whose replaced values may go: models learn from `actuals`, which keeps every version.

    Forecasts, prices and inputs stay: what a model may learn of them is what was known at each issue.
    """
    lessons = {one.id for market in markets.values() for target in market.targets for one in target.inputs}
    series = [one for market in markets.values() for one in market.series]
    return sorted(one.id for one in series if one.kind == "measured" and one.id not in lessons)


def free_share(warehouse: Warehouse) -> float:
    """The part of the file that `compact` would give back, 0 to 1."""
    blocks = warehouse.ask("file_blocks").iloc[0]
    return float(blocks.free_blocks / blocks.total_blocks) if blocks.total_blocks else 0.0


def _remove(warehouse: Warehouse, table: str, query: str, **params: Any) -> int:
    """Delete the rows whose grain `query` finds: found while others write, since what is old does not change."""
    keys = warehouse.ask(query, **params)
    removed = 0
    for first in range(0, len(keys), CHUNK):
        with warehouse.write() as session:
            removed += session.remove(table, keys.iloc[first : first + CHUNK])
    return removed


def _remove_shadows(warehouse: Warehouse, before: datetime) -> int:
    """Forecasts and scores go together, or the scores would be made again."""
    oldest = warehouse.ask("oldest_shadow").origin.iloc[0]
    removed = 0
    while not pd.isna(oldest) and oldest < before:
        oldest = min(oldest + SHADOW_STEP, pd.Timestamp(before))
        with warehouse.write() as session:
            session.change("remove_shadow_scores", before=oldest)
            removed += session.change("remove_shadows", before=oldest)
    return removed


def _empty_logs(warehouse: Warehouse, before: datetime, days: int) -> int:
    with warehouse.write() as session:
        return session.change("empty_logs", before=before, words=f"removed after {days} days")
