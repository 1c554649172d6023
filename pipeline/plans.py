"""Job + `[job.NAME]` -> its plan, and a plan + a stretch of time -> the slots in it, aware UTC."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from hashlib import sha256
from zoneinfo import ZoneInfo

import pandas as pd

from pipeline.errors import ConfigError
from pipeline.failures import CHAIN_EVERY as CHAIN_EVERY
from pipeline.operations import JobPlan, Operations
from pipeline.runner import Job

CHAIN = "chain"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Plan:
    """When a job runs: daily `at` a time of `zone`, `every` so often on the UTC grid, or (neither) when asked for.

    A plan that is `chained` has no slots of its own unless it has `every`; its job is a step of the chain.
    `jitter` is the most by which a start is put off.
    """

    name: str
    every: timedelta | None = None
    at: str | None = None
    zone: str = "UTC"
    missed: str = "run"
    jitter: timedelta = timedelta()
    deadline: timedelta = timedelta(minutes=15)
    tries: int = 3
    chained: bool = False
    on_demand: bool = False

    @property
    def lane(self) -> str:
        """Jobs of one lane run one after another; all of the chain share one."""
        return CHAIN if self.chained else self.name

    @property
    def cadence(self) -> str:
        """The plan in words, such as "daily 03:30" or "every 5 min"."""
        if self.at is not None:
            return f"daily {self.at}"
        if self.every is not None:
            return f"every {self.every / timedelta(minutes=1):g} min"
        return "with the chain" if self.chained else "on demand"


def plans_of(jobs: Mapping[str, Job], operations: Operations) -> dict[str, Plan]:
    """The plan of each job and of the chain itself. Raises ConfigError when sextant.toml plans an unknown job."""
    strange = sorted(set(operations.jobs) - set(jobs) - {CHAIN})
    if strange:
        known = ", ".join([CHAIN, *sorted(jobs)])
        raise ConfigError(f"sextant.toml: job.{strange[0]} is no job; there are: {known}.")
    changes = operations.jobs.get(CHAIN, JobPlan())
    chain = Plan(CHAIN, every=changes.every or CHAIN_EVERY, jitter=changes.jitter or timedelta())
    return {CHAIN: chain} | {name: plan_of(job, operations.jobs.get(name, JobPlan())) for name, job in jobs.items()}


def plan_of(job: Job, changes: JobPlan) -> Plan:
    """A job's own timetable with what the configuration changes of it; `every_min` takes the place of a daily `at`."""
    own_at = None if changes.every is not None else job.at
    at = changes.at or own_at
    return Plan(
        name=job.name,
        every=None if at is not None else changes.every,
        at=at,
        zone=changes.zone or job.zone,
        missed=changes.missed or job.missed,
        jitter=job.jitter if changes.jitter is None else changes.jitter,
        deadline=changes.deadline or job.deadline,
        tries=changes.tries or job.tries,
        chained=at is None and job.at is None and not job.on_demand,
        on_demand=at is None and changes.every is None and job.on_demand,
    )


def slots(plan: Plan, after: datetime, until: datetime) -> list[datetime]:
    """The slots in (after, until], ascending: on the UTC grid, or one for each local day of the plan's zone.

    A time of day that does not exist is the moment the clocks jump; one that exists twice is the first.
    """
    if plan.at is not None:
        return _daily(time.fromisoformat(plan.at), ZoneInfo(plan.zone), after, until)
    if plan.every is None:
        return []
    first = EPOCH + ((after - EPOCH) // plan.every + 1) * plan.every
    return [first + n * plan.every for n in range(max(0, (until - first) // plan.every + 1))]


def newest_slot(plan: Plan, until: datetime) -> datetime | None:
    """The last slot that is not after `until`; None when the plan has none."""
    return max(slots(plan, until - _reach(plan), until), default=None)


def next_slot(plan: Plan, after: datetime) -> datetime | None:
    """The first slot after `after`; None when the plan has none."""
    return min(slots(plan, after, after + _reach(plan)), default=None)


def jitter(plan: Plan, slot: datetime) -> timedelta:
    """By how much the start of a slot is put off: always the same for a job and slot, in [0, plan.jitter).

    Never more than half the way to the next slot.
    """
    share = int.from_bytes(sha256(f"{plan.name}@{slot.isoformat()}".encode()).digest()[:6]) / 2**48
    return share * min(plan.jitter, (plan.every or DAY) / 2)


def _reach(plan: Plan) -> timedelta:
    return plan.every or 3 * DAY


def _daily(at: time, zone: ZoneInfo, after: datetime, until: datetime) -> list[datetime]:
    first, last = (moment.astimezone(zone).date() for moment in (after - DAY, until + DAY))
    days = pd.date_range(first, last, unit="us") + pd.Timedelta(hours=at.hour, minutes=at.minute, seconds=at.second)
    # ambiguous: True stands for the first of the two.
    local = [day.tz_localize(zone, nonexistent="shift_forward", ambiguous=True) for day in days]
    moments = sorted({moment.to_pydatetime().astimezone(UTC) for moment in local})
    return [moment for moment in moments if after < moment <= until]
