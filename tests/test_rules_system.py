"""Each rule about the machine and the service fires and clears when the facts change, once each way."""

import threading
from collections import namedtuple
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from pipeline.alerting import rules
from pipeline.operations import Tuning
from pipeline.rules import system
from pipeline.rules.base import Rule
from pipeline.warehouse import SCHEDULER
from tests.alarms import bad, judged, script, tuned, utc, view_of, words
from tests.conftest import Desk

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
GIB, MIB = 1024**3, 1024**2
Disk = namedtuple("Disk", "total used free")


def disk(free_gib: float, total_gib: float = 40.0) -> Callable[[Path], Disk]:
    return lambda _path: Disk(total_gib * GIB, 0, free_gib * GIB)


def on(usage: Callable[[Path], Disk]) -> dict[str, Rule]:
    rule = rules()["disk_low"]
    return {"disk_low": replace(rule, check=lambda view, limit: system.disk_low(view, limit, usage))}


def test_disk_low_fires_and_clears_once_and_does_not_flap(desk: Desk) -> None:
    seen = []
    for free in (2.1, 1.9, 2.1, 2.3, 2.5, 2.1):
        seen.append([flip.state for flip in judged(desk, on(disk(free)))])
    assert seen == [[], ["firing"], [], [], ["resolved"], []]


def test_disk_low_says_what_is_free_and_what_is_wanted(desk: Desk) -> None:
    (flip,) = judged(desk, on(disk(1.5)))
    assert (flip.subject, flip.severity) == ("disk", "critical")
    assert "1.5 GiB are free where the warehouse lives (4% of 40 GiB), 2.0 GiB are wanted." in flip.message


def test_disk_low_asks_for_a_twentieth_but_not_of_a_huge_disk(desk: Desk) -> None:
    view = view_of(desk)
    assert list(system.disk_low(view, 2.0, disk(4.9, 100)))
    assert not list(system.disk_low(view, 2.0, disk(5.1, 100)))
    assert not list(system.disk_low(view, 2.0, disk(10.1, 4000)))
    own = view_of(desk, operations=tuned(disk_low=Tuning(limit=30)))
    assert list(system.disk_low(own, 30.0, disk(29, 100)))


def test_disk_low_asks_for_three_times_the_warehouse(desk: Desk) -> None:
    with desk.warehouse.path.open("ab") as file:
        file.truncate(2 * GIB)  # sparse
    assert list(system.disk_low(view_of(desk), 2.0, disk(5.9)))
    assert not list(system.disk_low(view_of(desk), 2.0, disk(6.1)))


def test_the_real_disk_is_looked_at(desk: Desk) -> None:
    assert set(bad(desk, "disk_low", limit=1e9, operations=tuned(disk_low=Tuning(limit=1e9)))) == {"disk"}


def measured(desk: Desk, sizes_mib: list[float]) -> None:
    """Sizes of the warehouse, one a day, the last of them now."""
    times = [desk.now - back * DAY for back in reversed(range(len(sizes_mib)))]
    frame = pd.DataFrame({"measured_at": times, "what": "warehouse_bytes", "run_id": "tidy"})
    frame["measured_at"] = frame["measured_at"].dt.as_unit("us")
    frame["value"] = [size * MIB for size in sizes_mib]
    with desk.warehouse.write() as session:
        session.script("DELETE FROM capacity")
        session.append("capacity", frame)


def test_warehouse_growing_fires_for_a_leap_and_clears_once(desk: Desk) -> None:
    usual = [500.0 + 10 * day for day in range(20)]
    assert judged(desk, ["warehouse_growing"]) == []
    measured(desk, usual)
    assert judged(desk, ["warehouse_growing"]) == []
    measured(desk, [*usual, usual[-1] + 50])
    assert judged(desk, ["warehouse_growing"]) == []
    measured(desk, [*usual, usual[-1] + 90])
    (flip,) = judged(desk, ["warehouse_growing"])
    assert "what is stored grew by 90 MiB in a day, 10.0 are usual (median, n = 19)." in flip.message
    assert bad(desk, "warehouse_growing", limit=10) == {}
    desk.now += DAY
    measured(desk, [*usual, usual[-1] + 90, usual[-1] + 100])
    assert words(judged(desk, ["warehouse_growing"])) == [("resolved", "warehouse")]


def test_warehouse_growing_fires_when_the_disk_is_full_in_a_month(desk: Desk) -> None:
    measured(desk, [1e7 * day for day in range(1, 20)])
    assert "and fills the disk in 0 days" in bad(desk, "warehouse_growing")["warehouse"].message


def term(desk: Desk, name: str, first: datetime, last: datetime, *, reason: str | None = None) -> None:
    ended = utc(last) if reason else "NULL"
    said = f"'{reason}'" if reason else "NULL"
    script(
        desk,
        f"INSERT INTO scheduler_terms VALUES ('{name}', 'desk', 1, 1.0, {utc(first)}, {utc(last)}, {ended}, {said})",
    )


def test_scheduler_dead_fires_while_nobody_leads_and_clears_once_somebody_does(desk: Desk) -> None:
    assert judged(desk, ["scheduler_dead"]) == []
    term(desk, "one", desk.now - 5 * DAY, desk.now - 2 * MINUTE)
    assert judged(desk, ["scheduler_dead"]) == []
    desk.now += 2 * MINUTE
    (flip,) = judged(desk, ["scheduler_dead"])
    assert (flip.subject, flip.severity) == ("scheduler", "critical")
    assert "no scheduler leads since 20 Nov 10:18Z (it ended without a word)" in flip.message
    desk.now += HOUR
    assert judged(desk, ["scheduler_dead"]) == []
    term(desk, "two", desk.now, desk.now)
    (flip,) = judged(desk, ["scheduler_dead"])
    assert flip.state == "resolved"
    assert flip.message == "scheduler: a scheduler leads again; it lasted 1 h 4 min."
    desk.now += MINUTE
    assert judged(desk, ["scheduler_dead"]) == []


def test_a_gap_between_two_terms_is_told_once_at_the_take_over(desk: Desk) -> None:
    term(desk, "one", desk.now - 5 * DAY, desk.now - 2 * HOUR, reason="told to stop")
    term(desk, "two", desk.now - MINUTE, desk.now)
    (flip,) = judged(desk, ["scheduler_dead"])
    assert (flip.state, flip.severity) == ("firing", "warning")
    assert "no scheduler led from 20 Nov 08:20Z to 10:19Z (told to stop)" in flip.message
    assert words(judged(desk, ["scheduler_dead"])) == [("resolved", "scheduler")]
    assert judged(desk, ["scheduler_dead"]) == []


def test_a_short_gap_and_an_old_one_are_no_news(desk: Desk) -> None:
    term(desk, "one", desk.now - 9 * DAY, desk.now - 3 * DAY)
    term(desk, "two", desk.now - 2 * DAY, desk.now - 5 * MINUTE)
    term(desk, "three", desk.now - 3 * MINUTE, desk.now)
    assert bad(desk, "scheduler_dead") == {}


def test_a_scheduler_that_holds_its_lock_is_alive_whatever_the_clock_says(desk: Desk) -> None:
    term(desk, "one", desk.now - DAY, desk.now - 3 * HOUR)
    assert set(bad(desk, "scheduler_dead")) == {"scheduler"}
    held, done = threading.Event(), threading.Event()

    def lead() -> None:
        with desk.warehouse.job_lock(SCHEDULER):
            held.set()
            done.wait(20)

    leader = threading.Thread(target=lead)
    leader.start()
    held.wait(20)
    try:
        assert bad(desk, "scheduler_dead") == {}
    finally:
        done.set()
        leader.join()


def attempt(
    desk: Desk, state: str, *, number: int, channel: str = "log", key: str = "m1", given_up: bool = False
) -> None:
    at = utc(desk.now + number * MINUTE)
    again = "NULL" if given_up else at
    error = "'log: the receiver answered 500.'" if state == "failed" else "NULL"
    script(
        desk,
        f"INSERT INTO notifications BY NAME SELECT 'n{channel}{key}{number}' AS notification_id, 'a' AS alert_id,"
        f" 'fired' AS kind, '{channel}' AS channel, '{key}' AS message_key, {number} AS attempt, '{state}' AS state,"
        f" {error} AS error, {at} AS started_at, {at} AS ended_at, {again}::TIMESTAMPTZ AS again_at, 'run' AS run_id",
    )


def test_delivery_failed_fires_after_three_in_a_row_and_clears_with_a_success(desk: Desk) -> None:
    attempt(desk, "sent", number=1, key="m0")
    for number in (2, 3):
        attempt(desk, "failed", number=number)
    attempt(desk, "sending", number=4)
    assert judged(desk, ["delivery_failed"]) == []
    attempt(desk, "failed", number=5)
    (flip,) = judged(desk, ["delivery_failed"])
    assert (flip.subject, flip.severity) == ("log", "critical")
    assert "3 attempts in a row by log failed since 20 Nov 10:22Z: log: the receiver answered 500." in flip.message
    attempt(desk, "sent", number=6)
    assert words(judged(desk, ["delivery_failed"])) == [("resolved", "log")]


def test_a_message_refused_for_good_is_an_alert_at_once(desk: Desk) -> None:
    attempt(desk, "failed", number=1, given_up=True)
    (flip,) = judged(desk, ["delivery_failed"])
    assert "1 attempt in a row by log failed" in flip.message


def test_a_channel_that_is_not_in_use_is_no_alert(desk: Desk) -> None:
    for number in range(5):
        attempt(desk, "failed", number=number, channel="webhook")
        attempt(desk, "failed", number=number, channel="pigeon")
    assert bad(desk, "delivery_failed") == {}


def backup(desk: Desk, name: str, *, size: int = 3) -> None:
    """A row of a backup made now, and its three bytes."""
    script(
        desk,
        f"INSERT INTO backups BY NAME SELECT '{name}' AS backup_id, '{name}' AS name, {utc(desk.now)} AS made_at,"
        f" {size} AS bytes, 1 AS rows, 'f' AS sha256, 'daily' AS why, 'run' AS run_id",
    )
    desk.settings.backups.mkdir(exist_ok=True)
    (desk.settings.backups / name).write_bytes(b"abc")


def test_backup_old_fires_and_clears_once(desk: Desk) -> None:
    desk.now += 48 * HOUR
    assert judged(desk, ["backup_old"]) == []
    desk.now += HOUR
    (flip,) = judged(desk, ["backup_old"])
    assert "there is no good backup after 49 h; one every 48 h is wanted. Run `python jobs.py backup`" in flip.message
    backup(desk, "first")
    assert words(judged(desk, ["backup_old"])) == [("resolved", "backup")]
    desk.now += 50 * HOUR
    assert "the newest good backup, first, is 50 h old" in bad(desk, "backup_old")["backup"].message
    assert bad(desk, "backup_old", limit=51) == {}


@pytest.mark.parametrize("harm", ["cut", "gone"])
def test_a_backup_that_is_not_whole_does_not_count(desk: Desk, harm: str) -> None:
    desk.now += 60 * HOUR
    backup(desk, "first")
    assert bad(desk, "backup_old") == {}
    path = desk.settings.backups / "first"
    path.unlink() if harm == "gone" else path.write_bytes(b"ab")
    assert set(bad(desk, "backup_old")) == {"backup"}


def test_without_a_job_that_makes_backups_none_is_wanted(desk: Desk) -> None:
    desk.now += 60 * HOUR
    assert bad(desk, "backup_old", jobs={"ingest": SimpleNamespace()}) == {}
