"""An error -> the class of what went wrong, and when another try is worth making."""

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from pipeline import errors
from pipeline.attaching import OutOfMemory

CHAIN_EVERY = timedelta(minutes=5)
KINDS: tuple[tuple[type[BaseException], str], ...] = (
    (errors.AuthRefused, "auth"),
    (errors.Throttled, "throttled"),
    (errors.Transient, "transient"),
    (errors.NotYetPublished, "transient"),
    (errors.Busy, "busy"),
    (errors.Held, "busy"),
    (errors.JobRunning, "busy"),
    # Another process was faster: the same question has a new answer now.
    (errors.StalePremise, "busy"),
    (errors.DiskFull, "disk_full"),
    (errors.ModelError, "model"),
    (errors.SextantError, "refused"),
    (KeyboardInterrupt, "interrupted"),
    (MemoryError, "busy"),
    (OutOfMemory, "busy"),
)
"""The first that fits counts. What is left of our own tree (bad request, schema, data, settings) is refused."""
WORST_FIRST = (
    "bug", "auth", "refused", "model", "disk_full", "deadline", "interrupted", "throttled", "busy", "transient",
)  # fmt: skip


@dataclass(frozen=True)
class Policy:
    """`tries` in all at most; `waits` before the second, third ... try (the last repeats), doubled each time if so."""

    tries: int
    waits: tuple[timedelta, ...]
    growing: str = ""


def _waits(*seconds: float) -> tuple[timedelta, ...]:
    return tuple(timedelta(seconds=one) for one in seconds)


SOON = Policy(4, _waits(30, 120, 480))
POLICIES: dict[str, Policy] = {
    "transient": SOON,
    "busy": SOON,
    "throttled": Policy(4, _waits(900), growing="doubled"),
    "disk_full": Policy(4, _waits(600), growing="by tries"),
    "interrupted": Policy(2, _waits(10)),
    "deadline": Policy(2, _waits(300)),
}
"""auth, refused, model and bug are not here: the same try would end the same way."""


class Retried(Protocol):
    """What matters of a job's plan: how often it may be tried, and whether the chain runs it again anyway."""

    @property
    def tries(self) -> int: ...
    @property
    def chained(self) -> bool: ...


def failure_of(error: BaseException) -> str:
    """The class of `error`: a full disk wherever it hides among the causes, else by its place in the tree; else bug."""
    if any(isinstance(one, OSError) and one.errno in (errno.ENOSPC, errno.EDQUOT) for one in _causes(error)):
        return "disk_full"
    if isinstance(error, errors.ChannelFailed) and error.again:
        return "transient"
    return next((name for kind, name in KINDS if isinstance(error, kind)), "bug")


def worst(failures: list[str]) -> str:
    """The gravest class of several; empty for none."""
    return min(failures, key=WORST_FIRST.index, default="")


def tries_of(failure: str, plan: Retried) -> int:
    """How many tries a run of `plan` that fails like this has in all; 1 means it is not tried again."""
    policy = POLICIES.get(failure)
    return 1 if policy is None else min(policy.tries, plan.tries)


def again_at(
    failure: str, attempt: int, plan: Retried, *, now: datetime, retry_after_s: float | None = None
) -> datetime | None:
    """When try number `attempt` that ended `now` as `failure` is to be followed by another; None: not at all.

    A job of the chain is run again in five minutes anyway. A try later than that would only hold it back: the twin
    rule gives the chain the waiting try instead of a run, and one throttled provider would make every market stale.
    """
    if attempt >= tries_of(failure, plan):
        return None
    wait = _wait(POLICIES[failure], attempt, retry_after_s)
    return None if plan.chained and wait >= CHAIN_EVERY else now + wait


def _wait(policy: Policy, attempt: int, retry_after_s: float | None) -> timedelta:
    wait = policy.waits[min(attempt, len(policy.waits)) - 1]
    if policy.growing == "doubled":
        base = wait if retry_after_s is None else timedelta(seconds=retry_after_s)
        return base * float(2 ** (attempt - 1))
    return wait * attempt if policy.growing == "by tries" else wait


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
