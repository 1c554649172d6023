"""Features, live rows, forecasts and fits: CPU time of Sextant and of the field, in one run.

Every contender is a process of its own on one thread, asked for one run at a time in turn with the others; what
counts is the median of its CPU seconds, so other work on the machine disturbs little.

    python -m benchmarks.speed [--quick]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks import results, speed_data
from benchmarks.places import peers_python
from pipeline.settings import ROOT

PEERS = ROOT / "benchmarks" / "speed_peers"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS", "NUMBA_NUM_THREADS")
SAME = 1e-6
OURS = "Sextant"
WHOLE = ("pandas", "pandas by hand", "polars")
"""Contenders that make every column of ours; the others make those of their own that come nearest."""


@dataclass(frozen=True)
class Size:
    """How much is done; `days` of history of those forecast, `rounds` of the long tasks, `short` of the short."""

    series: int
    years: int
    forecasts: int
    days: int
    rounds: int
    short: int


FULL = Size(series=10, years=3, forecasts=100, days=90, rounds=7, short=31)
QUICK = Size(series=2, years=1, forecasts=100, days=45, rounds=3, short=11)


@dataclass(frozen=True)
class Target:
    """What is to be reached: `figure` at least `wanted`."""

    what: str
    figure: float
    wanted: float

    @property
    def met(self) -> bool:
        """Whether it is reached."""
        return self.figure >= self.wanted

    def line(self) -> str:
        """For the table of targets."""
        return f"{self.what}: {self.figure:.1f} x (target {self.wanted:.3g}) {'PASS' if self.met else 'FALLS SHORT'}"


class Contender:
    """A process that does one task each time it is asked."""

    def __init__(self, command: list[str]) -> None:
        env = os.environ | dict.fromkeys(THREADS, "1")
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, env=env, text=True
        )
        self.columns = 0
        self.runs: list[dict[str, float]] = []

    def wait(self) -> None:
        """Until it is ready to be asked."""
        self.columns = int(self._read().get("columns", 0))

    def run(self) -> None:
        """Do the task once more."""
        assert self._process.stdin is not None
        self._process.stdin.write("run\n")
        self._process.stdin.flush()
        self.runs.append(self._read())

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def seconds(self, what: str = "cpu") -> float:
        """Median, without the first run if there are others."""
        return median(run[what] for run in (self.runs[1:] or self.runs))

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(map(str, self._process.args))} ended with code {self._process.wait()}")
        return dict(json.loads(line))


Row = list[str]
NOTES = (
    "CPU seconds of all threads, one thread each, medians; contenders are processes that take turns. pandas, pandas by "
    "hand and polars compute all our columns (values compared on the newest rows); pandas is written as its manual "
    "teaches (groupby, shift, rolling, merge), pandas by hand is tuned with numpy under it. mlforecast and skforecast "
    "make their own nearest columns. Forecasts: one model of all series, as mlforecast's; skforecast is asked once "
    "per series; 'own' asks a model of ours once per series. Peers' trees: 400 of 31 leaves."
)


@dataclass(frozen=True)
class Part:
    """A section of the answer: a table and the targets in it."""

    title: str
    table: list[Row]
    targets: list[Target]


def raced(plan: dict[str, Any], names: dict[str, str], rounds: int) -> dict[str, Contender]:
    """Contenders by label, each run once more than `rounds`, in turn. A name ending in .py is a peer's script."""
    contenders = {}
    # Peers get ready beside ours, which wait for one another because they share what they learned.
    for label in sorted(names, key=lambda label: not names[label].endswith(".py")):
        name, path = names[label], Path(plan["folder"]) / f"{label}.json"
        kept = {"kept": str(Path(plan["folder"]) / f"{label}.npz")}
        path.write_text(json.dumps(plan | kept), encoding="utf-8")
        peer = [str(peers_python()), str(PEERS / name)] if name.endswith(".py") else None
        contenders[label] = Contender([*(peer or [sys.executable, "-m", "benchmarks.speed_tasks", name]), str(path)])
        if not peer:
            contenders[label].wait()
    for label in contenders:
        if names[label].endswith(".py"):
            contenders[label].wait()
    for _ in range(rounds + 1):
        for contender in contenders.values():
            contender.run()
    for contender in contenders.values():
        contender.close()
    return {label: contenders[label] for label in names}


def features(plan: dict[str, Any], size: Size) -> Part:
    """Five-minute values to feature columns, against everybody."""
    names = {OURS: "features", "pandas": "pandas_features.py", "pandas by hand": "pandas_by_hand.py"}
    names |= {"polars": "polars_features.py", "mlforecast": "mlforecast_features.py"}
    field = raced(plan, names | {"skforecast": "skforecast_features.py"}, size.rounds)
    ours = field[OURS]
    table = [["contender", "columns", "CPU s", "wall s", "CPU / ours", "CPU per column / ours"]]
    per_column = {}
    for label, one in field.items():
        columns = one.columns or ours.columns
        per_column[label] = one.seconds() / columns / (ours.seconds() / ours.columns)
        ratio = one.seconds() / ours.seconds()
        cells = [f"{one.seconds():.3f}", f"{one.seconds('wall'):.3f}", f"{ratio:.2f}", f"{per_column[label]:.2f}"]
        table.append([label, str(columns), *cells])
    for label in WHOLE:
        same_values(plan, label)
    targets = [Target("features, pandas / ours", field["pandas"].seconds() / ours.seconds(), 5.0)]
    whole = min(field[label].seconds() for label in WHOLE) / ours.seconds()
    targets.append(Target("features, fastest that makes all columns / ours", whole, 1.0))
    partial = min(ratio for label, ratio in per_column.items() if label not in (OURS, *WHOLE))
    targets.append(Target("features, fastest per column of those that make fewer / ours", partial, 1.0))
    return Part(f"Features of {size.series} series x {size.years} years of 5-minute values", table, targets)


def same_values(plan: dict[str, Any], label: str) -> None:
    """Raises ValueError where a contender's columns are not ours."""
    ours, theirs = (np.load(Path(plan["folder"]) / f"{name}.npz") for name in (OURS, label))
    for name in ours.files:
        worst = np.abs(ours[name] - theirs[name]).max()
        if not worst < SAME:
            raise ValueError(f"{label} computes {name} differently: by {worst}; compare the two readings.")


def live(plan: dict[str, Any], size: Size) -> Part:
    """The newest rows against a rebuild."""
    field = raced(plan, {"rebuild": "rebuild", "live": "live"}, size.rounds)
    kept = [np.load(Path(plan["folder"]) / f"{label}.npz") for label in field]
    if any(kept[0][name].tobytes() != kept[1][name].tobytes() for name in kept[0].files):
        raise ValueError("a live row differs from the same row of the rebuild; features.build broke its promise.")
    ratio = field["rebuild"].seconds() / field["live"].seconds()
    table = [["from the warehouse", "CPU ms", "wall ms"]]
    table += [[label, *(f"{1e3 * one.seconds(what):.1f}" for what in ("cpu", "wall"))] for label, one in field.items()]
    title = f"Feature rows of {size.series} series: the newest of each, and all of {size.years} years (same bits)"
    # Opening the warehouse costs the same however little is rebuilt.
    wanted = 100.0 * size.series * size.years / (FULL.series * FULL.years)
    return Part(title, table, [Target("live rows, rebuild / live", ratio, wanted)])


def forecasts(plan: dict[str, Any], size: Size) -> Part:
    """Six hours of many series, features included."""
    kinds = ("ensemble", "ridge", "own ridge") if size is QUICK else ("ensemble", "ridge", "own ridge", "own ensemble")
    names = {f"{OURS} {what}": f"forecast {what}" for what in kinds}
    names |= {"skforecast": "skforecast_forecast.py", "mlforecast": "mlforecast_forecast.py"}
    field = raced(plan, names, size.short)
    table = [["contender", "CPU ms", "wall ms", "skforecast / it", "mlforecast / it"]]
    for label, one in field.items():
        ratios = [f"{field[peer].seconds() / one.seconds():.2f}" for peer in ("skforecast", "mlforecast")]
        table.append([label, *(f"{1e3 * one.seconds(what):.1f}" for what in ("cpu", "wall")), *ratios])
    targets = [
        Target(f"forecasts, {peer} / {what}", field[peer].seconds() / field[f"{OURS} {what}"].seconds(), wanted)
        for what in ("ensemble", "ridge")
        for peer, wanted in (("skforecast", 10.0), ("mlforecast", 1.5))
    ]
    return Part(f"One six-hour forecast of {size.forecasts} series, features included", table, targets)


def fits(plan: dict[str, Any], size: Size) -> Part:
    """Training on the same rows, one thread each."""
    fast = {"ridge": "fit ridge"}
    slow = {"recursive forest": "fit forest"} | ({"ensemble": "fit ensemble"} if size is FULL else {})
    field = raced(plan, fast, size.rounds) | raced(plan, slow, 0)
    table = [["family", "CPU s", "wall s", "recursive forest / it"]]
    forest = field["recursive forest"].seconds()
    for label, one in field.items():
        table.append([label, f"{one.seconds():.3f}", f"{one.seconds('wall'):.3f}", f"{forest / one.seconds():.1f}"])
    target = Target("training, recursive forest / ridge", forest / field["ridge"].seconds(), 40.0)
    return Part(f"Training on {size.years} years of hours of one series", table, [target])


def written(part: Part) -> str:
    """A part as Markdown."""
    targets = "\n".join(f"- {target.line()}" for target in part.targets)
    return f"### {part.title}\n\n{results.markdown(part.table)}\n\n{targets}"


def main() -> int:
    """Run everything, print and keep it; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer series, years and rounds")
    size = QUICK if parser.parse_args().quick else FULL
    if size is QUICK:
        print(f"quick: only {size}; ratios of so little work say less\n")
    parts = []
    with tempfile.TemporaryDirectory() as folder:
        plan = speed_data.prepared(
            Path(folder), series=size.series, years=size.years, forecasts=size.forecasts, days=size.days
        )
        for part in (features, live, forecasts, fits):
            parts.append(part(plan, size))
            print(written(parts[-1]), end="\n\n", flush=True)
    if size is FULL:
        results.keep("speed", "Speed", "\n\n".join([NOTES, *map(written, parts)]))
    targets = [target for part in parts for target in part.targets]
    missed = [target.what for target in targets if not target.met]
    short = f", not {'; '.join(missed)}: FALLS SHORT" if missed else " PASS"
    print(f"speed: {len(targets) - len(missed)} of {len(targets)} targets{short}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
