"""Parsed options -> the desk a command works at; what a command is and the words commands share."""

import argparse
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import Any

from tqdm import tqdm

from pipeline import backups
from pipeline.clocks import clock_of, shifted
from pipeline.configuring.markets import load_markets
from pipeline.discovery import discover, find
from pipeline.errors import ConfigError, DiskFull, UnknownJob
from pipeline.markets import Market
from pipeline.operations import JobPlan, Operations, load_operations
from pipeline.plans import Plan, plan_of
from pipeline.queries import Migration
from pipeline.runner import Job, Runner
from pipeline.settings import Settings
from pipeline.warehouse import Warehouse

PATIENT: dict[str, dict[str, Any]] = {"ingest": {"whole": True}}
"""What makes a job that stops by itself after some time go on to its end."""
EACH = re.compile(r"; (?=[\w-]+\.[\w-]+: )")
"""Where a line that tells of several targets goes on with the next."""


class Desk:
    """What every command needs, each opened once, when it is first asked for."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.settings = Settings.load()
        self.by: str = getattr(options, "by", "cli")
        self._now: datetime | None = options.now

    def check(self) -> None:
        """Read sextant.toml, before anything else is touched. Raises ConfigError."""
        _ = self.markets, self.operations

    @cached_property
    def markets(self) -> dict[str, Market]:
        """The active markets by id. Raises ConfigError."""
        return load_markets(self.settings.config, self.settings.markets)

    @cached_property
    def operations(self) -> Operations:
        """How the service is run. Raises ConfigError."""
        return load_operations(self.settings.config)

    @cached_property
    def warehouse(self) -> Warehouse:
        """The DuckDB file, which need not be there yet."""
        return Warehouse(self.settings.warehouse, wait_s=self.settings.lock_wait_s)

    @cached_property
    def runner(self) -> Runner:
        """What carries jobs out, by the clock of the command. Raises ConfigError."""
        clock = clock_of(self.settings.clock)
        shift = self._now - clock() if self._now else timedelta()
        return Runner(
            self.settings,
            self.markets,
            self.warehouse,
            clock=partial(shifted, clock, shift),
            operations=self.operations,
            echo=lambda line: tqdm.write("\n".join(f"  {one}" for one in EACH.split(line))),
            progress=_progress,
            plans=self.plan,
        )

    @cached_property
    def jobs(self) -> dict[str, Job]:
        """All jobs. Who needs one asks for `job`: loading all of them takes longer than many a run."""
        return discover("pipeline.jobs", "JOB")

    def job(self, name: str) -> Job:
        """The job called `name`. Raises UnknownJob."""
        found: Job | None = find("pipeline.jobs", name, "JOB")
        if found is None:
            raise UnknownJob(f"no job is called {name!r}; there are: {', '.join(self.jobs)}.")
        return found

    def plan(self, name: str) -> Plan | None:
        """The plan of a job with what sextant.toml changes of it; None for a job there is no more."""
        found: Job | None = find("pipeline.jobs", name, "JOB")
        return None if found is None else plan_of(found, self.operations.jobs.get(name, JobPlan()))

    def open(self) -> None:
        """Bring the warehouse up to date, after a backup of an older one, and clear up what a crash may have left.

        Raises ConfigError when nothing can be written where it should lie.
        """
        folder = self.settings.warehouse.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            words = f"the warehouse cannot lie in {folder} ({error.strerror}); name another place by SEXTANT_WAREHOUSE."
            raise ConfigError(words) from error
        self.warehouse.migrate(self.runner.clock(), before=self._save)
        self.warehouse.settle()
        self.runner.sweep()

    def _save(self, steps: tuple[Migration, ...]) -> None:
        """Back up a warehouse that is about to be migrated. Raises DiskFull with the way to do without."""
        if not self.settings.migration_backup:
            return
        why = f"before migration {steps[0].number - 1} -> {steps[-1].number}"
        try:
            backup = backups.make(self.warehouse, self.settings, why=why, now=self.runner.clock(), run_id="")
        except DiskFull as error:
            raise DiskFull(f"{error} Or set SEXTANT_MIGRATION_BACKUP=no to migrate without a backup.") from error
        print(f"backed up {why}: {backup.path}", flush=True)

    def run(self, name: str, **args: Any) -> bool:
        """Run one job, say how it ended, and return whether it may count as done. Raises UnknownJob, JobRunning.

        No deadline ends it, and nobody waits for it but who asked: so it takes the time it needs.
        """
        job, args = self.job(name), args | PATIENT.get(name, {})
        return self.told(name, lambda: self.runner.run(job, by=self.by, **args))

    def told(self, name: str, work: Callable[[], dict[str, Any]]) -> bool:
        """Carry out `work`, which returns a row of `job_runs`, and say how it went."""
        started = time.monotonic()
        print(f"{name} ...", flush=True)
        row = work()
        took = time.monotonic() - started
        counts = f"{row['rows_in'] or 0:,} rows in, {row['rows_out'] or 0:,} out"
        print(f"{name} {row['state']} in {took:.1f} s, {counts}", flush=True)
        return str(row["state"]) != "failed"


@dataclass(frozen=True)
class Command:
    """One word of the command line. Declared as the module constant COMMAND.

    `run` returns the exit code: 0 well, 1 something failed, 2 wrong words; `arguments` adds options to the parser.
    `refused` is the exit code where an error with a sentence ends it, and `configured` whether it is refused at
    the door while sextant.toml has a mistake.
    """

    name: str
    words: str
    run: Callable[[Desk, argparse.Namespace], int]
    arguments: Callable[[argparse.ArgumentParser], None] = lambda _parser: None
    refused: int = 1
    configured: bool = True


def moment(text: str) -> datetime:
    """An ISO time with offset as aware UTC. Raises argparse.ArgumentTypeError."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write it as 2024-01-31T00:00Z") from None
    if found.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} needs an offset, such as 2024-01-31T00:00Z")
    return found.astimezone(UTC)


def port(text: str) -> int:
    """A port that can be listened on. Raises argparse.ArgumentTypeError."""
    if not (text.isdecimal() and 1 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port; give a number from 1 to 65535")
    return int(text)


def _progress(items: Iterable[Any], label: str, total: int | None = None) -> Iterable[Any]:
    bar: Iterable[Any] = tqdm(
        items, desc=f"  {label}", total=total, delay=2, leave=False, mininterval=0.5, disable=None
    )
    return bar
