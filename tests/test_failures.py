"""What went wrong has a class, and the class says whether and when another try is worth making."""

import errno
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from pipeline import errors
from pipeline.attaching import OutOfMemory
from pipeline.failures import POLICIES, WORST_FIRST, again_at, failure_of, tries_of, worst
from pipeline.settings import ROOT

NOW = datetime(2026, 11, 20, 10, 20, tzinfo=UTC)


@dataclass(frozen=True)
class Plan:
    tries: int = 3
    chained: bool = False


def waits(failure: str, plan: Plan, retry_after_s: float | None = None) -> list[float]:
    """Seconds before the second, third ... try."""
    found = []
    for attempt in range(1, 9):
        at = again_at(failure, attempt, plan, now=NOW, retry_after_s=retry_after_s)
        if at is None:
            break
        found.append((at - NOW).total_seconds())
    return found


def full_disk() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (errors.AuthRefused("no"), "auth"),
        (errors.Throttled("slowly", 60), "throttled"),
        (errors.Transient("later"), "transient"),
        (errors.NotYetPublished("later"), "transient"),
        (errors.BadRequest("what?"), "refused"),
        (errors.SchemaChanged("what?"), "refused"),
        (errors.SourceError("no usable source"), "refused"),
        (errors.DataRefused("what?"), "refused"),
        (errors.ContractBroken("no"), "refused"),
        (errors.ConfigError("no"), "refused"),
        (errors.Busy("wait"), "busy"),
        (errors.Held("wait"), "busy"),
        (errors.JobRunning("wait"), "busy"),
        (errors.StalePremise("again"), "busy"),
        (errors.DiskFull("full"), "disk_full"),
        (errors.NotEnoughData("little"), "model"),
        (errors.ChannelFailed("down"), "transient"),
        (errors.ChannelFailed("wrong address", again=False), "refused"),
        (KeyboardInterrupt(), "interrupted"),
        (MemoryError(), "busy"),
        (OutOfMemory("failed to allocate"), "busy"),
        (full_disk(), "disk_full"),
        (OSError(errno.EACCES, "not yours"), "bug"),
        (ZeroDivisionError(), "bug"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_each_error_has_its_class(error: BaseException, failure: str) -> None:
    assert failure_of(error) == failure


def test_a_full_disk_is_found_behind_other_errors() -> None:
    try:
        raise full_disk()
    except OSError as cause:
        error = errors.ModelError("the model could not be stored")
        error.__cause__ = cause
    assert failure_of(error) == "disk_full"


def test_no_error_of_ours_passes_for_a_bug() -> None:
    def all_of(kind: type[BaseException]) -> list[type[BaseException]]:
        return [kind, *(below for child in kind.__subclasses__() for below in all_of(child))]

    assert {failure_of(kind("x")) for kind in all_of(errors.SextantError)} <= set(WORST_FIRST) - {"bug"}


def test_trouble_that_passes_is_tried_again_soon_and_what_cannot_get_better_never() -> None:
    patient = Plan(tries=9)
    assert waits("transient", patient) == waits("busy", patient) == [30, 120, 480]
    assert waits("disk_full", patient) == [600, 1200, 1800]
    assert waits("interrupted", patient) == [10]
    assert waits("deadline", patient) == [300]
    for failure in ("auth", "refused", "model", "bug"):
        assert waits(failure, patient) == []


def test_a_throttled_run_waits_as_long_as_the_provider_says_and_then_longer() -> None:
    assert waits("throttled", Plan(tries=9)) == [900, 1800, 3600]
    assert waits("throttled", Plan(tries=9), retry_after_s=60) == [60, 120, 240]


def test_a_plan_with_fewer_tries_counts() -> None:
    assert waits("transient", Plan(tries=2)) == [30]
    assert waits("transient", Plan(tries=1)) == []
    assert tries_of("interrupted", Plan(tries=5)) == 2
    assert tries_of("auth", Plan(tries=5)) == 1


def test_a_job_of_the_chain_is_only_tried_again_before_the_chain_runs_it_anyway() -> None:
    chained = Plan(tries=9, chained=True)
    assert waits("transient", chained) == [30, 120]
    assert waits("throttled", chained) == waits("disk_full", chained) == waits("deadline", chained) == []
    assert waits("throttled", chained, retry_after_s=60)[0] == 60


def test_the_runbook_explains_every_class() -> None:
    runbook = (ROOT / "RUNBOOK.md").read_text(encoding="utf-8")
    table = runbook.partition("## Runs that fail")[2].partition("## Alerts")[0]
    assert not [name for name in WORST_FIRST if f"`{name}`" not in table]


def test_the_gravest_of_several_stands_for_all() -> None:
    assert worst(["transient", "auth", "throttled"]) == "auth"
    assert worst([]) == ""
    assert set(POLICIES) < set(WORST_FIRST)
    assert timedelta() < min(wait for policy in POLICIES.values() for wait in policy.waits)
