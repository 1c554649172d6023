"""Warehouse + disk -> what is stored and how much room is left, in bytes and rows, and where that leads."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.contracts import CONTRACTS
from pipeline.settings import Settings
from pipeline.warehouse import Warehouse

DAY = pd.Timedelta(days=1)
LEAST_SPAN = pd.Timedelta(days=3)
"""A projection from less than this says more about the last ingest than about growth."""


@dataclass(frozen=True)
class Projection:
    """`per_day` is the median growth a day in the unit measured, over `days` days and `n` measurements;
    `days_left` until `room` is used up, None when it does not shrink."""

    per_day: float
    days: float
    n: int
    days_left: float | None


def measure(warehouse: Warehouse, settings: Settings) -> dict[str, float]:
    """Sizes in bytes, the disk's room in bytes, and `rows:TABLE` for each table, now.

    Raises NoWarehouse, Busy, Held as a read does.
    """
    disk = shutil.disk_usage(warehouse.path.parent)
    found = {
        "warehouse_bytes": _size([warehouse.path]),
        "wal_bytes": _size([warehouse.path.with_name(warehouse.path.name + ".wal")]),
        "models_bytes": _size(settings.models.rglob("*")),
        "backups_bytes": _size(settings.backups.glob("*")),
        "disk_free_bytes": float(disk.free),
        "disk_total_bytes": float(disk.total),
    }
    with warehouse.read() as session:
        return found | {f"rows:{table}": float(session.count(table)) for table in CONTRACTS}


def sharing(warehouse: Warehouse, settings: Settings) -> list[str]:
    """Names of the sizes that fill the disk of the warehouse: its own, and of models and backups that lie there too."""
    disk = warehouse.path.parent.stat().st_dev
    folders = {"models_bytes": settings.models, "backups_bytes": settings.backups}
    there = [name for name, folder in folders.items() if folder.exists() and folder.stat().st_dev == disk]
    return ["warehouse_bytes", *there]


def project(history: pd.DataFrame, *, room: float | None = None) -> Projection | None:
    """Where `history` (columns measured_at, ascending, UTC, and value) leads; None while it is shorter than LEAST_SPAN.

    The growth is the median of the slopes between the first half of the measurements and the second
    (Theil-Sen, in its complete-pairs form), so that one clean-up or one import does not bend it.
    """
    if len(history) < 3 or history["measured_at"].iloc[-1] - history["measured_at"].iloc[0] < LEAST_SPAN:
        return None
    days = ((history["measured_at"] - history["measured_at"].iloc[0]) / DAY).to_numpy(float)
    values, half = history["value"].to_numpy(float), len(history) // 2
    step = days[-half:] - days[:half]
    per_day = float(np.median((values[-half:] - values[:half])[step > 0] / step[step > 0]))
    left = room / per_day if room is not None and per_day > 0 else None
    return Projection(per_day=per_day, days=float(days[-1]), n=len(history), days_left=left)


def _size(paths: Iterable[Path]) -> float:
    total = 0
    for path in paths:
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            # Removed between the look at the folder and the look at the file.
            continue
    return float(total)
