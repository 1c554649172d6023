"""A fortnight in fast motion with everything that goes wrong in it -> whether anything was lost, doubled or untold.

Scheduler, jobs, dashboard and eight viewers are real processes; the provider and the receiver of alerts are real HTTP
servers on this machine. The driver moves the clock from hour to hour, injects every fault, kills processes at random
moments, fills the disk and steps the clock, and keeps a ledger of it all outside the warehouse.

    python -m benchmarks.soak [--quick] [--hours N] [--kills N] [--seed N] [--only KINDS] [--keep FOLDER]
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import psutil
from tqdm import tqdm

from benchmarks import results
from benchmarks.soak_faults import Trouble, plan
from benchmarks.soak_judge import Verdict, judge
from benchmarks.soak_ledger import Ledger
from benchmarks.soak_world import World
from pipeline.settings import ROOT

START = datetime(2026, 3, 2, 6, 15, tzinfo=UTC)
HISTORY_DAYS = 140
HOURS, QUICK_HOURS = 14 * 24, 4
VIEWERS = 8
KILLS_AN_HOUR = 0.34
LEAST_KILLS = 5
VICTIMS = {"job": 5, "scheduler": 3, "dashboard": 1, "up": 1}
SETTLED_S, LONGEST_STEP_S = 0.8, 75.0
SLOT = timedelta(minutes=15)
SOON = timedelta(minutes=3)


@dataclass
class Driver:
    """Moves the world from step to step. `kills` maps a step to how many processes die in it."""

    world: World
    ledger: Ledger
    rng: Random
    troubles: list[Trouble]
    kills: dict[int, int]
    unsettled: int = 0
    patience_s: float = LONGEST_STEP_S

    def walk(self, hours: int) -> None:
        """All steps, one look an hour; hours the clock leaps over are no steps."""
        skipped = 0
        with tqdm(total=hours, desc="  hours", mininterval=5, leave=False) as bar:
            step = 0
            while step + skipped < hours:
                at = step + skipped
                trouble = next((one for one in self.troubles if one.first <= at <= one.last), None)
                leap = self._before(trouble, step + skipped)
                skipped += leap
                self._step(START + timedelta(hours=step + skipped), step + skipped, trouble)
                step += 1
                bar.update(1 + leap)

    def _before(self, trouble: Trouble | None, step: int) -> int:
        """Begin, go on with or end what is wrong; returns how many hours the clock leaps over."""
        if trouble is None:
            return 0
        number, kind = step - trouble.first, trouble.kind
        if step == trouble.last:
            kind.end(self.world)
            self.ledger.note("end", self.world.now, trouble=kind.name)
            return 0
        if number == 0:
            self.ledger.note("begin", self.world.now, trouble=kind.name, steps=trouble.steps)
        kind.work(self.world, number)
        return kind.skipped if number == 0 else 0

    def _step(self, moment: datetime, step: int, trouble: Trouble | None) -> None:
        down = trouble is not None and trouble.kind.down and step < trouble.last
        if down and self.world.up is not None:
            self._stop()
        self.world.at(moment)
        if down:
            return
        kills = self.kills.get(step, 0)
        here = trouble is not None and step < trouble.last
        self.patience_s = trouble.kind.patience_s if trouble is not None and here else LONGEST_STEP_S
        self._look(moment, kills)
        if kills:
            # What a kill has disturbed is mended by the walk after it, as it would be outside.
            self.world.at(moment + SLOT)
            self._look(moment + SLOT, 0)
        self.ledger.look(self.world)

    def _look(self, moment: datetime, kills: int) -> None:
        self._tend()
        for _ in range(kills):
            time.sleep(self.rng.uniform(0.2, 3.5))
            self._kill(self.rng.choices(list(VICTIMS), list(VICTIMS.values()))[0])
            self._tend()
        self._settle(moment)

    def _tend(self) -> None:
        if self.world.tend():
            self.ledger.note("start", self.world.now)

    def _stop(self) -> None:
        """The machine goes down."""
        self.world.crash()
        self.ledger.note("down", self.world.now)

    def _kill(self, kind: str) -> None:
        """End a process of that kind, or the scheduler where there is none."""
        for name in (kind, "scheduler", "up"):
            found = self.world.processes(name)
            if found:
                victim = self.rng.choice(found)
                try:
                    job = _job_of(victim) if name == "job" else ""
                    victim.kill()
                except psutil.NoSuchProcess:
                    continue
                self.ledger.note("kill", self.world.now, victim=name, run=job)
                return

    def _settle(self, moment: datetime) -> None:
        """Wait until the chain's walk of this hour is over, starting again what has ended meanwhile."""
        slot = moment.replace(minute=moment.minute - moment.minute % 15, second=0)
        deadline, quiet_from = time.monotonic() + self.patience_s, None
        while time.monotonic() < deadline:
            self._tend()
            if not self._quiet(slot):
                quiet_from = None
            elif quiet_from is None:
                quiet_from = time.monotonic()
            elif time.monotonic() - quiet_from > SETTLED_S:
                return
            time.sleep(0.15)
        self.unsettled += 1
        self.ledger.note("unsettled", self.world.now)

    def _quiet(self, slot: datetime) -> bool:
        """Whether a living scheduler walked the whole chain for the slot and nothing runs or is about to.

        What a walk has taken is saved at its end; its first step always has work.
        """
        if not self.world.warehouse.scheduler_alive():
            return False
        with self.world.warehouse.read() as session:
            rows = session.ask("open_runs")
            known = session.ask("timetable").set_index("job")["last_slot_at"]
        later = rows["due_at"] > self.world.clock() + SOON
        walked = all(name in known and known[name] >= slot for name in ("chain", "ingest"))
        return walked and bool(later.all())


def _job_of(process: psutil.Process) -> str:
    words = process.cmdline()
    return words[words.index("--queued") + 1] if "--queued" in words else ""


@contextmanager
def viewers(world: World, count: int) -> Iterator[None]:
    """Viewers, ended with the block."""
    address = f"http://127.0.0.1:{world.port}/"
    watching = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.soak_viewers", str(number), str(world.views), address],
            cwd=ROOT, env=world.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=(world.folder / f"viewer{number}.log").open("wb"),
        )
        for number in range(count)
    ]  # fmt: skip
    try:
        yield
    finally:
        for one in watching:
            if one.poll() is not None:
                with world.views.open("a", encoding="utf-8") as out:
                    out.write('{"error": "a viewer ended by itself"}\n')
            one.kill()
            one.wait()


def rehearse(folder: Path, hours: int, seed: int, *, kills: int, only: list[str] | None = None) -> Verdict:
    """One rehearsal in `folder`, and what there is to say about it."""
    rng = Random(seed)
    began = time.monotonic()
    with World(folder, START - timedelta(minutes=1), hours=hours, history_days=HISTORY_DAYS) as world:
        world.fill()
        ledger = Ledger(folder / "ledger.jsonl")
        ledger.look(world)
        troubles = plan(hours, rng, full_disk=world.full_disk, only=only)
        free = list(range(1, hours - 1))
        when = rng.choices(free, k=kills)
        driver = Driver(world, ledger, rng, troubles, {step: when.count(step) for step in set(when)})
        world.tend()
        with viewers(world, VIEWERS):
            driver.walk(hours)
        world.end()
        ledger.look(world)
        shutil.copy(world.settings.warehouse, folder)  # its disk goes with the world
        return judge(world, ledger, troubles, START, unsettled=driver.unsettled, took_s=time.monotonic() - began)


def main() -> int:
    """Run the benchmark; exit code 1 when anything was lost, doubled or untold."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_HOURS} hours and {LEAST_KILLS} kills")
    parser.add_argument("--hours", type=int, help=f"how long, default {HOURS}")
    parser.add_argument("--kills", type=int, help="how many processes die, default one in three hours")
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--only", type=lambda t: t.split(","), help="kinds of trouble by comma; default all")
    parser.add_argument("--keep", type=Path, help="an empty folder for all of it, to look at afterwards")
    options = parser.parse_args()
    hours = options.hours or (QUICK_HOURS if options.quick else HOURS)
    kills = options.kills or max(LEAST_KILLS, round(hours * KILLS_AN_HOUR))
    with tempfile.TemporaryDirectory() as name:
        folder = (options.keep or Path(name)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        verdict = rehearse(folder, hours, options.seed, kills=kills, only=options.only)
    text = results.markdown([["", "found", "target"], *verdict.table()])
    print(f"{text}\n" + "\n".join(verdict.details()))
    if hours >= HOURS and not options.only:
        title = "A fortnight of faults, kills, a full disk and stepped clocks"
        results.keep(
            "soak", title, f"`python -m benchmarks.soak --seed {options.seed}`\n\n{text}", libraries=("duckdb",)
        )
    words = "PASS" if verdict.good else "FALLS SHORT"
    print(f"soak: {verdict.flaws} flaws in {hours} hours with {verdict.kills} kills (target 0) {words}")
    return 0 if verdict.good else 1


if __name__ == "__main__":
    sys.exit(main())
