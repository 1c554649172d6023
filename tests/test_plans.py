"""Plans: slots on the grid, one a local day through clock changes, jitter that is always the same."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.discovery import discover
from pipeline.errors import ConfigError
from pipeline.operations import JobPlan, Operations
from pipeline.plans import CHAIN, Plan, jitter, newest_slot, next_slot, plan_of, plans_of, slots
from pipeline.runner import Job, Outcome

ZONES = (
    "UTC",
    "Europe/Madrid",
    "Europe/Dublin",
    "America/Santiago",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Asia/Beirut",
)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

moments = st.integers(0, 12 * 366 * 24 * 60).map(lambda n: datetime(2020, 1, 1, tzinfo=UTC) + n * timedelta(minutes=1))
everies = st.integers(1, 600).map(lambda n: n * MINUTE)
daily = st.builds(
    Plan,
    name=st.just("x"),
    at=st.times().map(lambda t: f"{t:%H:%M}"),
    zone=st.sampled_from(ZONES),
)
any_plan = st.one_of(daily, st.builds(Plan, name=st.just("x"), every=everies))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@given(every=everies, after=moments, length=st.integers(0, 5000))
def test_slots_of_an_interval_lie_on_the_utc_grid(every: timedelta, after: datetime, length: int) -> None:
    until = after + length * MINUTE
    found = slots(Plan("x", every=every), after, until)
    assert all((slot - datetime(1970, 1, 1, tzinfo=UTC)) % every == timedelta() for slot in found)
    assert all(after < slot <= until for slot in found)
    assert abs(len(found) - (until - after) / every) <= 1
    assert all(second - first == every for first, second in pairwise(found))


@given(plan=daily, after=moments, days=st.integers(1, 400))
def test_every_local_day_has_exactly_one_slot(plan: Plan, after: datetime, days: int) -> None:
    zone = ZoneInfo(plan.zone)
    found = slots(plan, after, after + days * DAY)
    dates = [slot.astimezone(zone).date() for slot in found]
    assert len(set(dates)) == len(dates)
    assert all(second - first == DAY for first, second in pairwise(dates))
    assert abs(len(found) - days) <= 1
    for slot in found:
        local = slot.astimezone(zone)
        if f"{local:%H:%M}" != plan.at:
            # The clocks jumped over it: a second earlier they showed a time before it.
            before = (slot - timedelta(seconds=1)).astimezone(zone)
            assert f"{before:%H:%M}" < str(plan.at) <= f"{local:%H:%M}" or before.date() < local.date()
        else:
            assert local.fold == 0


@given(plan=any_plan, after=moments, parts=st.lists(st.integers(0, 3000), max_size=6))
def test_a_stretch_has_the_slots_of_its_parts(plan: Plan, after: datetime, parts: list[int]) -> None:
    edges = [after]
    for part in parts:
        edges.append(edges[-1] + part * MINUTE)
    pieces = [slot for first, last in pairwise(edges) for slot in slots(plan, first, last)]
    assert pieces == slots(plan, after, edges[-1])


@given(plan=any_plan, moment=moments)
def test_next_and_newest_are_neighbours(plan: Plan, moment: datetime) -> None:
    newest, following = newest_slot(plan, moment), next_slot(plan, moment)
    assert newest is not None
    assert following is not None
    assert newest <= moment < following
    assert slots(plan, newest, following) == [following]


@given(plan=any_plan, slot=moments, most=st.integers(0, 86400))
def test_jitter_is_bounded_and_always_the_same(plan: Plan, slot: datetime, most: int) -> None:
    plan = Plan("x", every=plan.every, at=plan.at, jitter=timedelta(seconds=most))
    put_off = jitter(plan, slot)
    assert put_off == jitter(plan, slot)
    assert timedelta() <= put_off <= min(plan.jitter, (plan.every or DAY) / 2)


def test_jitter_spreads_jobs_and_slots() -> None:
    slot = utc("2026-11-20T02:00Z")
    found = {jitter(Plan(name, at="02:00", jitter=HOUR), slot) for name in "abcdefgh"}
    assert len(found) == 8
    assert max(found) - min(found) > 10 * MINUTE


@pytest.mark.parametrize(
    ("at", "day", "expected"),
    [
        ("02:30", "2026-03-29", "2026-03-29T01:00Z"),  # 02:00 became 03:00
        ("02:30", "2026-10-25", "2026-10-25T00:30Z"),  # came twice, the first
        ("03:30", "2026-03-29", "2026-03-29T01:30Z"),
        ("03:30", "2026-10-25", "2026-10-25T02:30Z"),
    ],
)
def test_days_of_23_and_25_hours_in_madrid(at: str, day: str, expected: str) -> None:
    start = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo("Europe/Madrid")).astimezone(UTC)
    plan = Plan("x", at=at, zone="Europe/Madrid")
    assert slots(plan, start, start + 22 * HOUR) == [utc(expected)]


def job(**fields: object) -> Job:
    return Job(name="x", title="X", run=lambda _context: Outcome(), **fields)  # type: ignore[arg-type]


def test_the_configuration_changes_what_it_names_and_nothing_else() -> None:
    own = plan_of(job(at="03:30", zone="Europe/Madrid", missed="skip", tries=2), JobPlan())
    assert own == Plan("x", at="03:30", zone="Europe/Madrid", missed="skip", tries=2)
    assert (own.cadence, own.lane) == ("daily 03:30", "x")
    changed = plan_of(job(at="03:30", missed="skip"), JobPlan(every=HOUR, deadline=MINUTE, jitter=MINUTE))
    assert changed == Plan("x", every=HOUR, missed="skip", deadline=MINUTE, jitter=MINUTE)
    assert (changed.cadence, changed.lane) == ("every 60 min", "x")


def test_jobs_without_a_time_are_steps_of_the_chain() -> None:
    assert plan_of(job(), JobPlan()).lane == CHAIN
    assert plan_of(job(), JobPlan(every=HOUR)) == Plan("x", every=HOUR, chained=True)
    assert plan_of(job(), JobPlan(at="04:00")).lane == "x"
    asked = plan_of(job(on_demand=True), JobPlan())
    assert (asked.lane, asked.cadence, next_slot(asked, utc("2026-11-20T02:00Z"))) == ("x", "on demand", None)


def test_a_plan_for_a_job_that_is_none_is_refused() -> None:
    jobs = discover("pipeline.jobs", "JOB")
    plans = plans_of(jobs, Operations(jobs={CHAIN: JobPlan(every=HOUR)}))
    assert set(plans) == {CHAIN, *jobs}
    assert plans[CHAIN].cadence == "every 60 min"
    with pytest.raises(ConfigError, match=r"job\.trian is no job; there are: chain, actuals"):
        plans_of(jobs, Operations(jobs={"trian": JobPlan(at="03:00")}))
