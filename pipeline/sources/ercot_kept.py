"""What one answer told of many series -> the same for each of them in this process, without asking again."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

import pandas as pd


class Kept:
    """The last `most` frames by what was asked; safe to share among threads. Errors are not kept."""

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, threading.Lock()
        self._frames: OrderedDict[Hashable, pd.DataFrame] = OrderedDict()

    def of(self, question: Hashable, ask: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """The frame for `question`, from `ask` when it is not kept. Callers must not change it."""
        with self._lock:
            if question in self._frames:
                self._frames.move_to_end(question)
                return self._frames[question]
        found = ask()
        with self._lock:
            self._frames[question] = found
            while len(self._frames) > self._most:
                self._frames.popitem(last=False)
        return found
