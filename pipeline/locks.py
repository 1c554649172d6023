"""Sidecar files -> shared, exclusive and one-at-a-time locks among processes and threads.

Readers pass through a gate (shared) and hold the lock (shared); a writer keeps the gate shut while
it waits for the lock, so new readers queue behind it. The kernel frees everything when a process dies.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import Busy

POLL_S = 0.002
NAMED_WAIT_S = 0.5  # longer than somebody who only looks whether the lock is taken holds it
PAUSE_S = 0.006  # longer than a poll, so that those who waited go before a greedy writer


class Locks:
    """The locks of one warehouse file. Every acquisition opens its own descriptor, so threads exclude too."""

    def __init__(
        self,
        path: Path,
        *,
        wait_s: float,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._wait_s = wait_s
        self._sleep = sleep
        self._clock = clock

    @contextmanager
    def shared(self, wait_s: float | None = None) -> Iterator[None]:
        """Hold the lock beside other readers. Raises Busy after the wait, at most `wait_s` where that is given."""
        deadline = self._clock() + (self._wait_s if wait_s is None else min(wait_s, self._wait_s))
        with self._held("gate", fcntl.LOCK_SH, deadline):
            lock = self._held("lock", fcntl.LOCK_SH, deadline)
            lock.__enter__()
        try:
            yield
        finally:
            lock.__exit__(None, None, None)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the lock alone. Raises Busy after the wait."""
        deadline = self._clock() + self._wait_s
        with self._held("gate", fcntl.LOCK_EX, deadline), self._held("lock", fcntl.LOCK_EX, deadline):
            yield
        self._sleep(PAUSE_S)

    @contextmanager
    def named(self, name: str, *, wait_s: float = NAMED_WAIT_S) -> Iterator[None]:
        """Hold `name` alone. Raises Busy when somebody else keeps it."""
        with self._held(name, fcntl.LOCK_EX, self._clock() + wait_s):
            yield

    def taken(self, name: str) -> bool:
        """Whether somebody holds `name` alone; those who look do not disturb each other."""
        try:
            with self._held(name, fcntl.LOCK_SH, self._clock()):
                return False
        except Busy:
            return True

    @contextmanager
    def _held(self, kind: str, mode: int, deadline: float) -> Iterator[None]:
        descriptor = os.open(f"{self._path}.{kind}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            while not _try(descriptor, mode):
                if self._clock() >= deadline:
                    raise Busy(f"{self._path.name}: its {kind} is taken by another process; try again shortly.")
                self._sleep(POLL_S)
            yield
        finally:
            os.close(descriptor)


def _try(descriptor: int, mode: int) -> bool:
    try:
        fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
