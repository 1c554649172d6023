"""A design and a path -> what one reading or writing process met: how long everything took and what went wrong.

Two designs over the same SQL: Sextant's warehouse (locks beside the file, the file attached while they are held)
and the naive one (`duckdb.connect` for each use, tried again while another process has the file).
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import duckdb
import numpy as np
import pandas as pd

from benchmarks.contention_world import NOW, SERIES, TARGET
from benchmarks.pages import OFTEN, questions
from pipeline.errors import SextantError
from pipeline.warehouse import Session, Warehouse

GIVE_UP_S = 30.0
RETRY_S = 0.05
PAGE_PAUSE_S = 2.0  # mean; an open page looks every 15 s whether anything changed, so these are as busy as sixty
WRITE_EVERY_S = 0.2
SMALL_ROWS = 20
BACKFILL_ROWS = 300_000
CHUNK_ROWS = 25_000
PAGES = questions(TARGET, [f"demo.{name}" for name in SERIES], NOW, "Europe/Madrid")


class Design(Protocol):
    """How one process comes to a session."""

    def read(self) -> AbstractContextManager[Session]: ...

    def write(self) -> AbstractContextManager[Session]: ...


class Naive:
    """Open the file for each use; when another process has it, wait a little and try again."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session on a connection of its own. Raises duckdb.IOException when GIVE_UP_S were not enough."""
        with self._opened(read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
            yield Session(connection)

    @contextmanager
    def write(self) -> Iterator[Session]:
        """The same, as one transaction."""
        with self._opened(read_only=False) as connection:
            connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
            connection.execute("BEGIN")
            yield Session(connection)
            connection.execute("COMMIT")

    def _opened(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        deadline = time.monotonic() + GIVE_UP_S
        while True:
            try:
                return duckdb.connect(str(self._path), read_only=read_only)
            except duckdb.IOException as error:
                if "lock" not in str(error).lower() or time.monotonic() > deadline:
                    raise
                time.sleep(RETRY_S)


DESIGNS: dict[str, Callable[[Path], Design]] = {"sextant": Warehouse, "naive": Naive}


@dataclass
class Met:
    """What one process measured, in seconds: `waits` until a session was there, `took` until all was done."""

    waits: list[float] = field(default_factory=list)
    took: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    rows: int = 0
    backfill_s: float = 0.0

    def use(self, opening: AbstractContextManager[Session], work: Callable[[Session], int]) -> None:
        """Measure one use of a session, `work` giving rows; an error of the warehouse or the engine is kept."""
        begin = time.monotonic()
        try:
            with opening as session:
                self.waits.append(time.monotonic() - begin)
                done = work(session)
        except (SextantError, duckdb.Error) as error:
            self.errors.append(f"{type(error).__name__}: {str(error).splitlines()[0]}")
        else:
            self.took.append(time.monotonic() - begin)
            self.rows += done


def read_pages(design: str, path: Path, seed: int, start: float, seconds: float, pause_s: float) -> Met:
    """A viewer: pages at random, each a few queries one after the other, from `start` (epoch) for `seconds`.

    Between pages it rests, `pause_s` in the mean.
    """
    house, rng, met = DESIGNS[design](path), random.Random(seed), Met()
    with house.read() as session:
        session.ask("page_freshness", target=TARGET, due=NOW)  # what a process does once is not measured
    _until(start + rng.uniform(0, pause_s))
    while time.time() < start + seconds:
        for query, params in PAGES[rng.choices(list(OFTEN), list(OFTEN.values()))[0]]:
            met.use(house.read(), lambda session, q=query, p=params: len(session.ask(q, **p)))
        time.sleep(rng.expovariate(1.0) * pause_s)
    return met


def write_often(design: str, path: Path, start: float, seconds: float) -> Met:
    """The busy writer: an upsert of the newest points every WRITE_EVERY_S."""
    house, met = DESIGNS[design](path), Met()
    _until(start)
    while (began := time.time()) < start + seconds:
        _upsert(house, met, "load")
        _until(began + WRITE_EVERY_S)
    return met


def write_backfill(design: str, path: Path, start: float, seconds: float) -> Met:
    """The second writer: a long load in chunks, then small writes at the pace of the first."""
    house, met = DESIGNS[design](path), Met()
    _until(start + seconds / 10)
    began = time.monotonic()
    for first in range(0, BACKFILL_ROWS, CHUNK_ROWS):
        rows = points("demo.backfill", first, CHUNK_ROWS)
        met.use(house.write(), lambda session, rows=rows: session.append("raw", rows))
    met.backfill_s = time.monotonic() - began
    while (at := time.time()) < start + seconds:
        _upsert(house, met, "price")
        _until(at + WRITE_EVERY_S)
    return met


def points(series: str, first: int, count: int) -> pd.DataFrame:
    """Rows of `raw`, five minutes apart, the first of them `first` slots before NOW."""
    slots = pd.date_range(end=pd.Timestamp(NOW) - first * pd.Timedelta("5min"), periods=count, freq="5min")
    at = slots.as_unit("us")
    value = np.arange(count) % 900 + 27_000.0
    return pd.DataFrame(
        {"series": series, "valid_at": at, "value": value, "made_at": at, "seen_at": at, "source": "x", "run_id": "x"}
    )


def _upsert(house: Design, met: Met, name: str) -> None:
    rows = points(f"demo.{name}", 0, SMALL_ROWS)
    met.use(house.write(), lambda session: session.upsert("raw", rows))


def _until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.time()))
