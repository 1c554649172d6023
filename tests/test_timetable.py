"""The memory of the schedule: what is due, what was missed, and that it survives being stored."""

from datetime import UTC, datetime, timedelta

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from pipeline.plans import CHAIN, Plan, slots
from pipeline.timetable import Due, Timetable
from tests.conftest import Desk

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
START = datetime(2026, 3, 28, 0, 2, tzinfo=UTC)
PLANS = {
    CHAIN: Plan(CHAIN, every=5 * MINUTE),
    "step": Plan("step", chained=True),
    "thin": Plan("thin", chained=True, every=HOUR),
    "daily": Plan("daily", at="02:30", zone="Europe/Madrid", jitter=10 * MINUTE),
    "asked": Plan("asked", on_demand=True),
}
NONE = pd.DataFrame({"job": [], "last_slot_at": [], "last_run_id": []})


def stored(desk: Desk, timetable: Timetable, now: datetime) -> Timetable:
    with desk.warehouse.write() as session:
        timetable.save(session, now)
    return Timetable(PLANS, desk.warehouse.ask("timetable"))


def test_a_first_start_owes_nothing_but_a_walk() -> None:
    timetable = Timetable(PLANS, NONE)
    assert timetable.due(CHAIN, START) == Due(START.replace(minute=0))
    assert timetable.due("daily", START) is None
    assert timetable.due("step", START) is None


def test_what_was_taken_is_remembered_and_what_was_not_is_due(desk: Desk) -> None:
    timetable = Timetable(PLANS, NONE)
    assert timetable.due("daily", START) is None
    timetable.take(CHAIN, START.replace(minute=0), "abc")
    timetable = stored(desk, timetable, START)
    assert timetable.entries[CHAIN].last_run_id == "abc"
    assert timetable.entries["daily"].last_run_id is None
    assert timetable.due(CHAIN, START) is None
    due = timetable.due("daily", START + 3 * DAY)
    assert due is not None
    assert [f"{slot:%d %H:%M}" for slot in (*due.older, due.slot)] == ["28 01:30", "29 01:00", "30 00:30"]
    rows = desk.warehouse.ask("timetable").set_index("job")
    assert list(rows.index) == [CHAIN, "daily", "step", "thin"]
    assert rows.loc["step", "next_at"] == rows.loc[CHAIN, "next_at"] == START.replace(minute=5)
    assert rows.loc["thin", "next_at"] == START.replace(hour=1, minute=0)


def test_a_job_that_is_gone_is_forgotten(desk: Desk) -> None:
    stored(desk, Timetable(PLANS | {"gone": Plan("gone", every=HOUR)}, NONE), START)
    stored(desk, Timetable(PLANS, desk.warehouse.ask("timetable")), START)
    assert "gone" not in set(desk.warehouse.ask("timetable").job)


@given(name=st.sampled_from([CHAIN, "daily"]), steps=st.lists(st.integers(-3000, 6000), max_size=40))
def test_no_slot_is_taken_twice_while_the_clock_is_set_back_by_less_than_a_slot(name: str, steps: list[int]) -> None:
    timetable, now, highest, taken = Timetable(PLANS, NONE), START, START, []
    for step in steps:
        # Back by little from the highest moment seen, forward at will.
        now = max(now + timedelta(seconds=step), highest - (5 if name == CHAIN else 55) * MINUTE)
        highest = max(highest, now)
        due = timetable.due(name, now)
        if due is not None:
            taken += [*due.older, due.slot]
            timetable.take(name, due.slot)
    assert len(set(taken)) == len(taken)
    assert not taken or taken == slots(PLANS[name], taken[0] - MINUTE, taken[-1])


def test_a_chain_walks_on_as_soon_as_a_clock_that_was_ahead_is_right_again() -> None:
    timetable = Timetable(PLANS, NONE)
    timetable.take(CHAIN, START.replace(minute=0) + HOUR)
    assert timetable.due(CHAIN, START) == Due(START.replace(minute=0))
    timetable.take(CHAIN, START.replace(minute=0))
    assert timetable.due(CHAIN, START) is None
    assert timetable.due(CHAIN, START + 3 * MINUTE) == Due(START.replace(minute=5))
