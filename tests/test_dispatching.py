"""The order in which a leading scheduler starts what is due, and what it writes when its term begins."""

from dataclasses import replace
from datetime import datetime, timedelta

from pipeline import runs
from pipeline.dispatching import Dispatcher
from pipeline.leading import Term
from pipeline.operations import Operations
from pipeline.plans import CHAIN, Plan, plans_of
from pipeline.runner import Job
from pipeline.runrows import rows_of
from pipeline.tending import Watch, Watched
from pipeline.timetable import Timetable
from pipeline.warehouse import Warehouse
from tests.conftest import Desk
from tests.probes import JOBS
from tests.test_scheduler import HOUR, MINUTE, MORNING

ALL = JOBS | {"three": replace(JOBS["two"], name="three", after=("two",))}


class Hand(Watch):
    """Starts nothing: notes what it was to start, and who asked."""

    def __init__(self, warehouse: Warehouse, plans: dict[str, Plan]) -> None:
        super().__init__(warehouse, plans, lambda _line: None)
        self.order: list[tuple[str, str]] = []

    def start(self, row: object) -> None:
        assert isinstance(row, dict)
        self.order.append((row["job"], row["requested_by"]))
        self.runs[row["run_id"]] = Watched(row["run_id"], row["job"], 0, 0)

    def adopt(self, open_rows: object) -> None: ...
    def look(self, open_rows: object, now: datetime) -> None: ...

    def finish(self, now: datetime) -> None:
        """Let what runs succeed."""
        for run_id in self.runs:
            with self._warehouse.write() as session:
                runs.claim(session, run_id, pid=1, born=1.0, now=now)
                runs.end(session, run_id, {"state": "succeeded"}, now=now, plan=None)
        self.runs.clear()


def leader(desk: Desk, now: datetime, jobs: dict[str, Job] = ALL) -> tuple[Dispatcher, Hand]:
    plans = plans_of(jobs, Operations())
    watch = Hand(desk.warehouse, plans)
    timetable = Timetable(plans, desk.warehouse.ask("timetable"))
    return Dispatcher(desk.warehouse, jobs, {}, timetable, watch, Term.begin(desk.warehouse, now)), watch


def ask_guests(desk: Desk, count: int) -> None:
    for number in range(count):
        runs.request(desk.warehouse, "one", by="ana", reason="gap", args={"window": number}, now=MORNING)


def test_the_steps_of_a_walk_wait_for_one_run_that_a_person_asked_for_at_most(desk: Desk) -> None:
    dispatcher, watch = leader(desk, MORNING)
    ask_guests(desk, 8)
    for number in range(16):  # each run takes longer than the walk's five minutes
        now = MORNING + number * 14 * MINUTE
        dispatcher.dispatch(now)
        watch.finish(now)
    guest, walk = ("one", "ana"), [(job, "scheduler") for job in ("one", "two", "three")]
    assert [one for one in watch.order if one[0] != "daily"] == [guest, *walk] * 4


def test_between_walks_people_take_their_turns_one_after_another(desk: Desk) -> None:
    dispatcher, watch = leader(desk, MORNING)
    for _ in range(4):
        dispatcher.dispatch(MORNING)
        watch.finish(MORNING)
    ask_guests(desk, 3)
    watch.order.clear()
    for _ in range(3):
        dispatcher.dispatch(MORNING)
        watch.finish(MORNING)
    assert watch.order == [("one", "ana")] * 3
    ask_guests(desk, 2)
    dispatcher.dispatch(MORNING + 5 * MINUTE)  # they had their turn since the last walk: its steps go first
    assert watch.order[3:] == [("one", "scheduler")]


def test_a_step_that_a_person_asked_for_too_is_run_in_its_place(desk: Desk) -> None:
    dispatcher, watch = leader(desk, MORNING)
    ask_guests(desk, 1)
    dispatcher.dispatch(MORNING)
    watch.finish(MORNING)
    runs.request(desk.warehouse, "two", by="ana", reason="", args={}, now=MORNING)
    for _ in range(3):
        dispatcher.dispatch(MORNING)
        watch.finish(MORNING)
    assert watch.order == [("one", "ana"), ("one", "scheduler"), ("two", "ana"), ("three", "scheduler")]


def test_a_term_that_begins_plans_anew_before_its_first_walk_is_done(desk: Desk) -> None:
    dispatcher, watch = leader(desk, MORNING)
    for _ in range(4):
        dispatcher.dispatch(MORNING)
        watch.finish(MORNING)
    later = MORNING + HOUR
    dispatcher, watch = leader(desk, later)
    dispatcher.dispatch(later)
    assert watch.busy(CHAIN)
    stored = desk.warehouse.ask("timetable").set_index("job")
    assert stored.next_at.min() >= later
    assert set(stored.loc[[CHAIN, "one", "two"]].next_at) == {MORNING.replace(minute=5) + HOUR}


def test_a_slot_that_was_run_is_not_run_again_when_the_clock_is_set_back(desk: Desk) -> None:
    dispatcher, watch = leader(desk, MORNING)
    moments = [MORNING, MORNING, MORNING, MORNING + HOUR, MORNING + HOUR, MORNING + HOUR, MORNING, MORNING]
    for now in moments:
        dispatcher.dispatch(now)
        watch.finish(now)
    assert len(watch.order) == 6
    dispatcher.dispatch(MORNING + timedelta(minutes=5))  # nor is this one kept waiting for the hour
    assert watch.order[6:] == [("one", "scheduler")]
    assert all(row["state"] != "queued" for row in rows_of(desk.warehouse.ask("open_runs"))[1:])
