"""What the driver does and what it reads after each step -> a record outside the warehouse, to compare with.

One line of JSON an entry; the fingerprints of committed rows stay in memory.
"""

import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.soak_world import World

GROWING = (
    "raw", "quarantine", "fetches", "actuals", "feature_sets", "features", "predictions", "accuracy", "model_versions",
    "promotions", "backtests", "drift", "missed_issues", "alert_flips", "backups",
)  # fmt: skip
"""Tables of which no row may ever change or go within a fortnight."""


@dataclass
class Ledger:
    """`entries` in the order of their happening; `lost` and `doubled` in words."""

    path: Path
    entries: list[dict[str, Any]] = field(default_factory=list)
    committed: dict[str, np.ndarray] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    looks: int = 0

    def note(self, what: str, at: datetime, **facts: Any) -> None:
        """Write down what was done at `at` (simulated, aware UTC)."""
        entry = {"what": what, "at": at} | facts
        self.entries.append(entry)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, default=str) + "\n")

    def of(self, what: str) -> list[dict[str, Any]]:
        return [entry for entry in self.entries if entry["what"] == what]

    def look(self, world: World) -> None:
        """Read a fingerprint of every committed row and compare with what was there before."""
        self.looks += 1
        with world.warehouse.read() as session:
            found = {
                table: session._cursor.sql(
                    f"SELECT md5_number_lower(CAST(t AS VARCHAR)) AS h FROM {table} t"
                ).fetchnumpy()
                for table in GROWING
            }
        for table, rows in found.items():
            now, n = np.unique(rows["h"], return_counts=True)
            gone = np.setdiff1d(self.committed.get(table, now[:0]), now, assume_unique=True)
            if len(gone):
                self.lost.append(f"{table}: {len(gone)} rows gone by {world.now:%d %b %H:%M}Z")
            if (n > 1).any():
                self.doubled.append(f"{table}: {int((n > 1).sum())} rows twice by {world.now:%d %b %H:%M}Z")
            self.committed[table] = now
        self.note("look", world.now, rows={table: len(rows) for table, rows in self.committed.items()})
