"""A run under way -> what others see of it: its log within bounds, a heartbeat, processor time and memory."""

import logging
import resource
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from pipeline.errors import WarehouseError
from pipeline.redacting import redact
from pipeline.runs import note
from pipeline.warehouse import Warehouse

HEAD, TAIL = 60_000, 140_000
"""Characters kept of the beginning and the end of a log: how a run was set up, and how it ended."""
LONGEST_LINE = 10_000
_log = logging.getLogger(__name__)


class Log:
    """The lines of a run without `secrets`, at most about `head` + `tail` characters; says what is left out between."""

    def __init__(self, secrets: Sequence[str] = (), *, head: int = HEAD, tail: int = TAIL) -> None:
        self._secrets = secrets
        self._room, self._tail_room = head, tail
        self._head: list[str] = []
        self._tail: deque[str] = deque()
        self._tail_size = self._lines_cut = self._cut = 0
        self._lock = threading.Lock()
        self.lines = 0

    def add(self, text: str) -> None:
        """Append a line or several; safe among threads."""
        text = redact(text, self._secrets)
        if len(text) > LONGEST_LINE:
            text = f"{text[:LONGEST_LINE]} ... ({len(text) - LONGEST_LINE:,} more characters of this line are left out)"
        with self._lock:
            self.lines += 1
            if not self._tail and self._room >= len(text):
                self._head.append(text)
                self._room -= len(text) + 1
                return
            self._tail.append(text)
            self._tail_size += len(text) + 1
            while self._tail_size > self._tail_room:
                gone = self._tail.popleft()
                self._tail_size -= len(gone) + 1
                self._cut += len(gone) + 1
                self._lines_cut += 1

    def text(self) -> str:
        """All that is kept, with a line that says what is not."""
        with self._lock:
            gap = [f"... {self._lines_cut:,} lines ({self._cut:,} characters) are left out here ..."]
            return "\n".join([*self._head, *(gap if self._lines_cut else []), *self._tail])


class Usage:
    """Processor time of this process and the children it waited for, since this object was made; peak memory."""

    def __init__(self) -> None:
        self._before_s = _cpu_s()

    def facts(self) -> dict[str, float]:
        """`cpu_s` seconds, `peak_mb` MiB: of the largest process, counted from the start of this one."""
        return {"cpu_s": round(_cpu_s() - self._before_s, 3), "peak_mb": round(_peak_mb(), 1)}


class Pulse:
    """Writes heartbeat, log and usage of a run every `every_s` real seconds from a thread, sooner when lines came.

    No run fails because that was not possible; the next beat tries again.
    """

    def __init__(
        self, warehouse: Warehouse, clock: Callable[[], datetime], run_id: str, log: Log, usage: Usage, every_s: float
    ) -> None:
        self._warehouse, self._clock, self._run_id = warehouse, clock, run_id
        self._log, self._usage, self._every_s = log, usage, every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat_on, name=f"pulse of {run_id}", daemon=True)

    def __enter__(self) -> "Pulse":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    def _beat_on(self) -> None:
        told, quiet = 0, 0
        # Three looks a beat: a new line is read within a third of it.
        while not self._over.wait(self._every_s / 3):
            quiet += 1
            if quiet >= 3 or self._log.lines != told:
                told, quiet = self._log.lines, 0
                self._beat()

    def _beat(self) -> None:
        try:
            facts = {"heartbeat_at": self._clock(), "log": self._log.text()} | self._usage.facts()
            with self._warehouse.write() as session:
                note(session, self._run_id, **facts)
        except (WarehouseError, OSError) as error:
            _log.debug("the heartbeat of run %s was not written: %s", self._run_id, error)


@contextmanager
def captured(log: Log) -> Iterator[None]:
    """What the pipeline logs meanwhile goes into `log` too."""
    handler = _Lines(log)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger("pipeline")
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


class _Lines(logging.Handler):
    def __init__(self, log: Log) -> None:
        super().__init__(logging.INFO)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.add(self.format(record))


def _cpu_s() -> float:
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in spent)


def _peak_mb() -> float:
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return peak / (1024**2 if sys.platform == "darwin" else 1024)
