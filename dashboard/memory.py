"""Answers and figures by key -> the same again while there is room: the longest unused goes first."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.generations import Stamp

KEPT = 600
KEPT_MB = 96
FIGURE_BYTES = 40_000
Key = tuple[Any, ...]


@dataclass(frozen=True)
class Known:
    """An answer, the tables it is about as it found them, and about how many bytes it takes."""

    answer: Any
    stamp: Stamp
    size: int

    @classmethod
    def of(cls, answer: Any, stamp: Stamp) -> "Known":
        """Weighs a table by its memory; a figure counts as some tens of kB."""
        return cls(
            answer, stamp, int(answer.memory_usage().sum()) if isinstance(answer, pd.DataFrame) else FIGURE_BYTES
        )


class Memory:
    """At most KEPT answers of together KEPT_MB. Safe among threads."""

    def __init__(self) -> None:
        self._known: OrderedDict[Key, Known] = OrderedDict()
        self._mutex = threading.Lock()
        self.size = 0

    def __len__(self) -> int:
        return len(self._known)

    def get(self, key: Key) -> Known | None:
        """What is known, whether it still holds or not."""
        with self._mutex:
            if key in self._known:
                self._known.move_to_end(key)
            return self._known.get(key)

    def keep(self, key: Key, known: Known) -> Known:
        """Remember; returns `known`."""
        with self._mutex:
            before = self._known.pop(key, None)
            self._known[key] = known
            self.size += known.size - (before.size if before else 0)
            while len(self._known) > 1 and (len(self._known) > KEPT or self.size > KEPT_MB * 2**20):
                self.size -= self._known.popitem(last=False)[1].size
        return known
