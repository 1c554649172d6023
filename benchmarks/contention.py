"""Three million rows, eight readers, two writers -> who waits for whom: Sextant's warehouse against naive retry.

Readers ask what the dashboard's pages ask; one writer upserts every 0.2 s, another loads 300,000 rows in chunks and
then writes small pieces. Windows without and with writers alternate, and both designs do the same work in one run.

    python -m benchmarks.contention [--quick] [--rounds N]
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from benchmarks import results
from benchmarks.contention_workers import (
    BACKFILL_ROWS,
    DESIGNS,
    PAGE_PAUSE_S,
    Met,
    read_pages,
    write_backfill,
    write_often,
)
from benchmarks.contention_world import fill

READERS = 8
WINDOW_S = 20.0
WARM_S = 2.0
RATIO = 3.0
LONGEST_WAIT_S = 2.0


@dataclass(frozen=True)
class Scene:
    """What goes on in a window: how long readers rest between pages, and whether the writers are there."""

    name: str
    pause_s: float
    writing: bool


ALONE = Scene("without writers", PAGE_PAUSE_S, False)
BESIDE = Scene("beside two writers", PAGE_PAUSE_S, True)
RESTLESS = Scene("readers that never rest, beside two writers", 0.0, True)
SCENES = (ALONE, BESIDE, RESTLESS)


@dataclass
class Side:
    """All windows of one design: what readers, the busy writer and the second writer met, by scene."""

    readers: dict[Scene, list[Met]] = field(default_factory=lambda: {scene: [] for scene in SCENES})
    busy: dict[Scene, list[Met]] = field(default_factory=lambda: {scene: [] for scene in SCENES})
    second: dict[Scene, list[Met]] = field(default_factory=lambda: {scene: [] for scene in SCENES})

    @property
    def ratio(self) -> float:
        """p99 of a read beside writers over p99 without."""
        return percentile(self.readers[BESIDE], 99) / percentile(self.readers[ALONE], 99)

    @property
    def errors(self) -> list[str]:
        every = (met for role in (self.readers, self.busy, self.second) for mets in role.values() for met in mets)
        return [error for met in every for error in met.errors]

    @property
    def unfinished(self) -> int:
        """Rows of backfills that are not there."""
        return sum(max(0, BACKFILL_ROWS - met.rows) for mets in self.second.values() for met in mets)

    def shortcomings(self, *, ratio: bool) -> list[str]:
        """The targets missed, in words; none when all are met. `ratio`: whether that target counts."""
        found = [f"{len(self.errors)} errors, such as {self.errors[0]}"] if self.errors else []
        found += [f"p99 of reads grew {self.ratio:.1f}x"] if ratio and not self.ratio <= RATIO else []
        for who, role in (("busy", self.busy), ("second", self.second)):
            waits = {scene: longest(role[scene]) for scene in (BESIDE, RESTLESS)}
            found += [f"the {who} writer waited {s:.2f} s: {at.name}" for at, s in waits.items() if s > LONGEST_WAIT_S]
        return found + ([f"{self.unfinished:,} rows of the backfill were not written"] if self.unfinished else [])


def percentile(mets: list[Met], q: float) -> float:
    """The q-th percentile of the time a use took, in ms."""
    return 1000 * float(np.percentile([one for met in mets for one in met.took] or [np.nan], q))


def longest(mets: list[Met]) -> float:
    """The longest time a session was waited for, in s."""
    return max((wait for met in mets for wait in met.waits), default=float("inf"))


def window(pool: Executor, design: str, path: Path, seconds: float, scene: Scene, side: Side, seed: int) -> None:
    """One window of READERS readers, with both writers or without."""
    start = time.time() + WARM_S
    seeds = range(seed, seed + READERS)
    readers = [pool.submit(read_pages, design, path, one, start, seconds, scene.pause_s) for one in seeds]
    if scene.writing:
        busy = pool.submit(write_often, design, path, start, seconds)
        second = pool.submit(write_backfill, design, path, start, seconds)
        side.busy[scene].append(busy.result())
        side.second[scene].append(second.result())
    side.readers[scene].extend(reader.result() for reader in readers)


def measure(template: Path, folder: Path, *, rounds: int, seconds: float) -> dict[str, Side]:
    """Every design in turn, each window on a fresh copy of `template`."""
    sides = {design: Side() for design in DESIGNS}
    with ProcessPoolExecutor(READERS + 2, mp_context=get_context("spawn")) as pool:
        for number in range(rounds):
            for scene in SCENES:
                for design, side in sides.items():
                    path = folder / f"{design}.duckdb"
                    shutil.copyfile(template, path)
                    window(pool, design, path, seconds, scene, side, 100 * number)
    return sides


def table(sides: dict[str, Side], seconds: float) -> list[list[str]]:
    """One row a figure, one column a design; the first row is the head."""

    def both(mets: list[Met]) -> str:
        return f"{percentile(mets, 50):,.0f} / {percentile(mets, 99):,.0f}"

    def rate(mets: list[Met]) -> str:
        return f"{sum(len(met.took) for met in mets) / (seconds * max(1, len(mets) / READERS)):.1f}"

    rows = [["", *sides]]

    def row(words: str, figure: Callable[[Side], str]) -> None:
        rows.append([words, *map(figure, sides.values())])

    for scene in SCENES:
        row(f"**{scene.name}**: reads a second", lambda s, at=scene: rate(s.readers[at]))
        row("a read, p50 / p99 ms", lambda s, at=scene: both(s.readers[at]))
        if scene.writing:
            row("small writes done", lambda s, at=scene: f"{sum(len(met.took) for met in s.busy[at]):,}")
            row("a small write, p50 / p99 ms", lambda s, at=scene: both(s.busy[at]))
            row("longest wait of the busy writer, s", lambda s, at=scene: f"{longest(s.busy[at]):.2f}")
            row("longest wait of the second writer, s", lambda s, at=scene: f"{longest(s.second[at]):.2f}")
            row("backfill of 300,000 rows, s", lambda s, at=scene: f"{max(met.backfill_s for met in s.second[at]):.1f}")
    row("growth of the p99 of a read through writers", lambda s: f"{s.ratio:.2f}x")
    row("errors", lambda s: f"{len(s.errors)}")
    row("rows of backfills not written", lambda s: f"{s.unfinished:,}")
    return rows


def main() -> int:
    """Run the benchmark; exit code 1 when Sextant's warehouse misses a target."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a million rows, one short window each")
    parser.add_argument("--rounds", type=int, default=3, help="how often each window is measured")
    options = parser.parse_args()
    seconds, rounds = (5.0, 1) if options.quick else (WINDOW_S, options.rounds)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = fill(folder / "template.duckdb", years=1 if options.quick else 3)
        sides = measure(folder / "template.duckdb", folder, rounds=rounds, seconds=seconds)
    text = results.markdown(table(sides, seconds))
    print(f"{rows:,} rows, {READERS} reading processes, windows of {seconds:g} s, {rounds} of each kind\n\n{text}\n")
    # The p99 of a hundred reads is one read.
    short = sides["sextant"].shortcomings(ratio=not options.quick)
    print("\n".join(short))
    if not options.quick:
        results.keep("contention", "Readers and writers on one file", _words(rows, rounds, text), libraries=("duckdb",))
    target = "too few reads to judge it" if options.quick else f"target {RATIO:g}x"
    verdict = f"p99 of reads {sides['sextant'].ratio:.2f}x ({target}, no error, no wait beyond {LONGEST_WAIT_S:g} s)"
    print(f"contention: {verdict} {'FALLS SHORT' if short else 'PASS'}")
    return 1 if short else 0


def _words(rows: int, rounds: int, text: str) -> str:
    return (
        f"`python -m benchmarks.contention`: {rows:,} rows, {READERS} reading processes with the queries of the pages, "
        "an upsert every 0.2 s, a second writer with a backfill of 300,000 rows and then small writes; "
        f"{rounds} windows of {WINDOW_S:g} s of each kind. *naive* opens the file for each use and "
        f"tries again while another process has it.\n\n{text}\n"
    )


if __name__ == "__main__":
    sys.exit(main())
