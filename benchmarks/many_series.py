"""Ten and a hundred series as targets of one market -> what an hour's cycle and a training cost on two cores.

Every job runs as the scheduler runs it: in a process of its own, at a moment after the one before it, against a
warehouse file with 400 days of hourly history, two days of issues and a champion for each target (--quick: two and
eight series, 160 days, one day). `ingest` asks a source of this folder (feeds/recorded.py) that answers from
a file; nothing else is stood in for. Memory is of all processes of a job together, looked at every 30 ms.

    python -m benchmarks.many_series [--quick]
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import psutil

from benchmarks import results
from benchmarks.many_series_world import NOW, build
from pipeline.settings import ROOT

CHAIN = ("ingest", "actuals", "features", "forecast", "backfill", "quality", "monitor", "alert")
DAILY, TRAIN = "monitor, daily", "train"
SHARE = 0.10
LOOK_S = 0.03
Step = tuple[str, dict[str, object]]


@dataclass(frozen=True)
class Plan:
    """How many series are set against how many, their history, and how many cycles are counted."""

    few: int
    many: int
    days: int
    replayed_days: int
    cycles: int


QUICK = Plan(few=2, many=8, days=160, replayed_days=1, cycles=1)
FULL = Plan(few=10, many=100, days=400, replayed_days=2, cycles=2)


@dataclass(frozen=True)
class Cost:
    """Seconds on the clock and of processors, and the most memory of all its processes together in MB."""

    wall: float
    cpu: float
    peak: float


class Desk:
    """A world in a folder and its clock, which moves by what passes and from hour to hour."""

    def __init__(self, folder: Path, n: int, plan: Plan) -> None:
        self.env = build(folder, n, days=plan.days)
        self.now = NOW + timedelta(minutes=20)

    def run(self, *steps: Step) -> Cost:
        """Run the steps in one process. Raises RuntimeError with what it said when one fails."""
        words = [sys.executable, "-m", "benchmarks.many_series_door", self.now.isoformat(), json.dumps(steps)]
        before, start = _cpu_s(), time.perf_counter()
        streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        with subprocess.Popen(words, cwd=ROOT, env=self.env, **streams) as child, _Watch(child.pid) as watch:
            said = child.communicate()[1].decode()
        wall = time.perf_counter() - start
        if child.returncode:
            raise RuntimeError(said[-2000:])
        # The next job must not begin before what this one stored was known.
        self.now += timedelta(seconds=wall + 1)
        return Cost(wall, _cpu_s() - before, watch.peak)

    def begin(self, plan: Plan) -> dict[str, Cost]:
        """Train and issue the past; returns what the training of all took, and the first monitor of a day."""
        first = self.now
        then, until = first - timedelta(days=plan.replayed_days), first - timedelta(hours=2)
        self.run(("actuals", {}))
        trained = self.run(("train", {"families": ["ridge"], "as_of": then.isoformat()}))
        replay = {"replay_from": then.isoformat(), "replay_to": until.isoformat()}
        *before, monitor, alert = [(job, {}) for job in CHAIN]
        self.run(("features", replay), ("forecast", {}), *before)
        daily = self.run(monitor)
        self.run(alert)
        return {DAILY: daily, TRAIN: trained}

    def cycle(self, hour: int) -> dict[str, Cost]:
        """One hour later, every job of the chain once."""
        self.now = NOW + timedelta(hours=hour, minutes=20)
        return {job: self.run((job, {})) for job in CHAIN}


class _Watch:
    """The most resident memory of a process and its offspring while it lasts, in MB."""

    def __init__(self, pid: int) -> None:
        self.peak = 0.0
        self._root, self._over = psutil.Process(pid), threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "_Watch":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(LOOK_S):
            try:
                whole = [self._root, *self._root.children(recursive=True)]
                self.peak = max(self.peak, sum(one.memory_info().rss for one in whole) / 1e6)
            except psutil.NoSuchProcess:
                continue


def measured(n: int, plan: Plan) -> dict[str, Cost]:
    """Costs of each job of an hour (median of the cycles), of all of them ("cycle"), DAILY and TRAIN."""
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder) / "desk", n, plan)
        beside = desk.begin(plan)
        cycles = [desk.cycle(hour) for hour in range(1, plan.cycles + 1)]
    found = {job: _median([cycle[job] for cycle in cycles]) for job in CHAIN}
    whole = Cost(*(sum(getattr(one, part) for one in found.values()) for part in ("wall", "cpu")), _peak(found))
    return found | {"cycle": whole} | beside


def _median(costs: list[Cost]) -> Cost:
    return Cost(*(statistics.median(getattr(one, part) for one in costs) for part in ("wall", "cpu", "peak")))


def _peak(costs: Mapping[str, Cost]) -> float:
    return max(one.peak for one in costs.values())


def _cpu_s() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def main() -> int:
    """Run the benchmark; exit code 1 when it falls short."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    plan = QUICK if parser.parse_args().quick else FULL
    began = datetime.now()
    few, many = (measured(n, plan) for n in (plan.few, plan.many))
    head = [f"{what}, {n} series" for n in (plan.few, plan.many) for what in ("wall s", "CPU s", "peak MB")]
    rows = [["job", *head, "growth of wall", "of CPU"]]
    for job in (*CHAIN, "cycle", DAILY, TRAIN):
        one, other = few[job], many[job]
        figures = [f"{value:,.1f}" for cost in (one, other) for value in (cost.wall, cost.cpu)]
        figures = [figures[0], figures[1], f"{one.peak:,.0f}", figures[2], figures[3], f"{other.peak:,.0f}"]
        rows.append([job, *figures, f"{other.wall / one.wall:.1f}", f"{other.cpu / one.cpu:.1f}"])
    table = results.markdown(rows)
    print(f"{table}\n\nin {(datetime.now() - began).total_seconds():.0f} s")
    growth = max(many["cycle"].wall / few["cycle"].wall, many["cycle"].cpu / few["cycle"].cpu)
    linear, wall = plan.many / plan.few, many["cycle"].wall
    if plan is FULL:
        results.keep("many_series", f"Many series: one hour of {plan.few} and of {plan.many}, on 2 cores", table)
    good = growth <= linear and wall <= SHARE * 3600
    print(
        f"many_series: {plan.many} series take {wall:,.0f} s of the hour, {growth:.1f} times what {plan.few} take "
        f"(target {SHARE * 3600:.0f} s, {linear:.0f} times) {'PASS' if good else 'FALLS SHORT'}"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
