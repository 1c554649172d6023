"""Work that processes are given in test_parallel: what it is depends on the name of the target."""

import logging
import os
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pandas as pd

from pipeline import parallel
from pipeline.errors import NotEnoughData
from pipeline.markets import Target
from pipeline.runner import Context, Job, Outcome
from tests.conftest import Desk, desk_in

SAID = "pid-of-long"
"""Where the process of "long" writes its pid, beside the warehouse."""


def work(context: Context, target: Target) -> tuple[int, int]:
    """(pid, cores); a target may be short of data, meet a bug, die, or not end before it is told to."""
    name = target.id.partition(".")[2]
    context.say(f"{target.id}: begins, {context.settings.secrets[0]}")
    logging.getLogger("pipeline.tests").warning("%s: logged by %s", target.id, os.getpid())
    if name == "short":
        raise NotEnoughData(f"{target.id}: training needs 124 days of actuals and has 3; ingest more history.")
    if name == "bug":
        raise ZeroDivisionError("seven by nothing")
    if name == "memory":
        raise MemoryError("Unable to allocate 40 GiB")
    if name == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "long":
        context.settings.warehouse.with_name(SAID).write_text(str(os.getpid()), encoding="utf-8")
        time.sleep(60)
    if name == "slow":
        time.sleep(3)
    if name == "held" and context.settings.cores == 1:  # beside others; alone it has them all
        time.sleep(60)
    if name == "wordy":
        context.say("x" * (parallel.PIECE - 5) + context.settings.secrets[0])
    with context.warehouse.write() as session:
        at = pd.Timestamp(context.moment())
        row = {"measured_at": at, "what": name, "value": 1.0, "run_id": context.run_id}
        session.append("capacity", pd.DataFrame([row]))
    return os.getpid(), context.settings.cores


def run(context: Context) -> Outcome:
    """The job of the tests: `work` for all targets, in processes where there are cores."""
    targets = [target for market in context.markets.values() for target in market.targets]
    done = parallel.each(context, work, targets, label="test")
    note = "; ".join(f"{name} by {pid} with {cores}" for name, (pid, cores) in done.results.items())
    return parallel.outcome(done, read=0, written=0, note=note)


JOB = Job(name="parallel_work", title="Work of a test", run=run)


def desk_of(folder: Path, names: Iterable[str], *, cores: int) -> Desk:
    """A desk whose one market has a target of each name."""
    folder.mkdir(exist_ok=True)
    desk = desk_in(folder, SEXTANT_CORES=str(cores), ESIOS_API_KEY="never-to-be-seen")
    (market,) = desk.markets.values()
    targets = tuple(replace(market.targets[0], id=f"demo.{name}") for name in names)
    desk.markets = {"demo": replace(market, targets=targets)}
    return desk


def main(words: list[str]) -> None:
    """`python -m tests.parallel_work FOLDER NAME ...`: that job on such a desk, told to stop as jobs.py is."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    desk = desk_of(Path(words[0]), words[1:], cores=2)
    with suppress(KeyboardInterrupt):
        desk.runner().run(JOB, by="test")


if __name__ == "__main__":
    main(sys.argv[1:])
