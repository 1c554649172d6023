"""Data quality day by day: real ingests of a demo source that was cut, stuck, spiked or revised."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline import quality
from pipeline.configuring.markets import load_markets
from pipeline.jobs import ingest
from pipeline.jobs import quality as job
from tests.conftest import NOW, Desk, ask, desk_in

pytestmark = pytest.mark.slow

Edit = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """An empty warehouse of a market with a month of history: no day before is judged here."""
    return desk_in(tmp_path, days=31)


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Callable[[Edit], None]:
    """Let every answer of the demo source for demo.load pass through `edit`."""
    choose = ingest.choose_sources

    class Spoiled:
        every = timedelta()

        def __init__(self, inner: Any, edit: Edit) -> None:
            self.name, self.max_window, self._inner, self._edit = inner.name, inner.max_window, inner, edit
            self.group = inner.group

        def fetch(self, series, window, *, now, settings):
            points = self._inner.fetch(series, window, now=now, settings=settings)
            return self._edit(points) if series[0].id == "demo.load" else points

    def spoiled(edit: Edit) -> None:
        monkeypatch.setattr(
            ingest,
            "choose_sources",
            lambda context, market: [(Spoiled(one, edit), mine) for one, mine in choose(context, market)],
        )

    return spoiled


def between(points: pd.DataFrame, first: str, last: str) -> pd.Series:
    return (points["valid_at"] >= pd.Timestamp(first)) & (points["valid_at"] < pd.Timestamp(last))


def day(desk: Desk, start: str, series: str = "demo.load") -> Any:
    """The row of the local day that starts at `start` (UTC)."""
    rows = ask(desk, f"SELECT * FROM quality WHERE series = '{series}' AND day_start = TIMESTAMPTZ '{start}'")
    assert len(rows) == 1
    return rows.iloc[0]


def checked(desk: Desk) -> None:
    desk.done("ingest")
    desk.done("quality")


def test_a_sound_feed_has_no_flaw_and_clock_changes_have_their_own_length(full: Desk) -> None:
    full.done("quality")
    rows = ask(full, "SELECT * FROM quality ORDER BY series, day_start")
    assert set(rows.verdict) == {"ok", "partial"}
    assert rows.groupby("series").size().nunique() == 1
    assert rows.missing.sum() == rows.jumps.sum() == rows.out_of_range.sum() == 0
    change = day(full, "2026-10-24 22:00Z")
    assert (change.expected, change.present, change.clock_change) == (300, 300, True)
    assert (day(full, "2026-10-23 22:00Z").expected, day(full, "2026-10-23 22:00Z").clock_change) == (288, False)
    today = day(full, "2026-11-19 23:00Z")
    assert (today.verdict, today.missing) == ("partial", 0)
    # Due are the slots that were published a quarter of an hour ago: the newest begins at 09:50.
    assert today.expected == 11 * 12 - 1
    assert today.present == today.expected


def test_the_spring_day_lacks_an_hour(full: Desk) -> None:
    market = full.markets["demo"]
    start = datetime(2026, 3, 28, 23, tzinfo=UTC)
    batch = pd.DataFrame({
        "day_start": [pd.Timestamp(start)],
        "day_end": [pd.Timestamp("2026-03-29T22:00Z")],
        "week_start": [pd.Timestamp("2026-03-22T23:00Z")],
    })  # fmt: skip
    with full.warehouse.write() as session:
        session.script("UPDATE raw SET valid_at = TIMESTAMPTZ '2026-03-01 00:00Z' WHERE valid_at = '2026-07-01 00:00Z'")
    with full.warehouse.read() as session:
        row = quality.examine(session, market, market.series[0], batch, full.now).iloc[0]
    assert (row.expected, row.present, row.missing, row.longest_gap_min) == (276, 0, 276, 23 * 60)
    assert (row.verdict, row.clock_change) == ("gaps", True)


def test_a_hole_is_counted_with_its_longest_part(desk: Desk, spoil) -> None:
    def cut(points):
        gone = between(points, "2026-11-17T03:00Z", "2026-11-17T04:30Z") | between(
            points, "2026-11-17T09:00Z", "2026-11-17T09:10Z"
        )
        return points[~gone]

    spoil(cut)
    checked(desk)
    row = day(desk, "2026-11-16 23:00Z")
    assert (row.verdict, row.missing, row.present, row.longest_gap_min) == ("gaps", 20, 268, 90)
    assert day(desk, "2026-11-17 23:00Z").verdict == "ok"


def test_a_stuck_meter_is_found_and_across_midnight_too(desk: Desk, spoil) -> None:
    def stick(points):
        stuck = between(points, "2026-11-17T22:30Z", "2026-11-18T00:10Z")
        held = points.loc[points["valid_at"] == pd.Timestamp("2026-11-17T22:30Z"), "value"]
        return points.assign(value=points["value"].where(~stuck, held.iloc[0] if len(held) else 25_000.0))

    spoil(stick)
    checked(desk)
    before, after = day(desk, "2026-11-16 23:00Z"), day(desk, "2026-11-17 23:00Z")
    assert (before.verdict, before.flat_min) == ("ok", 30)
    assert (after.verdict, after.flat_min) == ("flat", 100)
    assert after.flat_from == pd.Timestamp("2026-11-17T22:30Z")


@pytest.mark.parametrize("factor", [1.15, 0.85])
def test_a_spike_of_fifteen_per_cent_is_one_jump_at_its_place(desk: Desk, spoil, factor: float) -> None:
    def spike(points):
        hit = points["valid_at"] == pd.Timestamp("2026-11-18T14:35Z")
        return points.assign(value=points["value"].where(~hit, points["value"] * factor))

    spoil(spike)
    checked(desk)
    row = day(desk, "2026-11-17 23:00Z")
    assert (row.verdict, row.jumps, row.jump_at) == ("jumps", 1, pd.Timestamp("2026-11-18T14:35Z"))
    assert abs(row.largest_jump) > 3000
    assert (row.largest_jump > 0) == (factor > 1)
    assert ask(desk, "SELECT sum(jumps) AS n FROM quality").n.iloc[0] == 1


def test_a_configured_jump_replaces_the_learned_one(full: Desk) -> None:
    path = full.settings.config
    text = path.read_text(encoding="utf-8").replace('keys = { demo = "load" }', 'keys = { demo = "load" }\njump = 60')
    path.write_text(text, encoding="utf-8")
    full.markets = load_markets(path, ("demo",))
    full.done("quality")
    assert day(full, "2026-11-17 23:00Z").verdict == "jumps"


def test_refused_values_are_counted_by_kind_until_they_are_put_right(desk: Desk, spoil) -> None:
    def absurd(points):
        hit = points["valid_at"] == pd.Timestamp("2026-11-20T08:00Z")
        twice = points[points["valid_at"] == pd.Timestamp("2026-11-20T08:30Z")]
        off = twice.assign(valid_at=pd.Timestamp("2026-11-20T08:32Z"))
        points = points.assign(value=points["value"].where(~hit, 3.0))
        return pd.concat([points, twice.assign(value=twice["value"] + 1), off], ignore_index=True)

    spoil(absurd)
    checked(desk)
    row = day(desk, "2026-11-19 23:00Z")
    assert (row.verdict, row.out_of_range, row.duplicates, row.off_grid, row.missing) == ("range", 1, 1, 1, 1)
    spoil(lambda points: points)
    desk.now += timedelta(minutes=20)
    checked(desk)
    row = day(desk, "2026-11-19 23:00Z")
    assert (row.verdict, row.out_of_range, row.missing) == ("partial", 0, 0)


def test_revisions_are_counted_on_the_day_they_are_about(desk: Desk, spoil) -> None:
    checked(desk)
    desk.now += timedelta(minutes=20)
    spoil(lambda points: points.assign(value=points["value"] + 50.0))
    checked(desk)
    row = day(desk, "2026-11-19 23:00Z")
    assert row.revisions == 36
    assert row.revised_mean == 50.0
    assert row.verdict == "partial"


def test_only_touched_days_are_judged_again(desk: Desk) -> None:
    desk.done("ingest")
    desk.now += timedelta(minutes=20)
    desk.done("quality")
    desk.now += timedelta(hours=3)
    checked(desk)
    again = ask(desk, "SELECT DISTINCT day_start FROM quality WHERE checked_at = (SELECT max(checked_at) FROM quality)")
    assert set(again.day_start) == {pd.Timestamp("2026-11-18T23:00Z"), pd.Timestamp("2026-11-19T23:00Z")}
    with desk.warehouse.write() as session:
        session.script("DELETE FROM raw WHERE series = 'demo.load' AND valid_at = '2026-11-01 12:00Z'")
        session.script("DELETE FROM fetches WHERE window_start < '2026-11-10 00:00Z'")
    desk.now += timedelta(hours=2)
    checked(desk)
    assert day(desk, "2026-10-31 23:00Z").checked_at == pd.Timestamp(desk.now)
    assert day(desk, "2026-11-01 23:00Z").checked_at == pd.Timestamp(NOW + timedelta(minutes=20))


def test_days_without_any_data_are_rows_too(desk: Desk, spoil) -> None:
    checked(desk)
    spoil(lambda points: points[points["valid_at"] < pd.Timestamp(NOW)])
    desk.now += timedelta(days=3)
    checked(desk)
    rows = ask(desk, "SELECT * FROM quality WHERE series = 'demo.load' ORDER BY day_start").tail(4)
    assert rows.missing.iloc[1:3].tolist() == [288, 288]
    assert set(rows.verdict) == {"gaps"}


def test_declared_events_are_no_flaw(desk: Desk, spoil) -> None:
    with desk.settings.config.open("a", encoding="utf-8") as file:
        file.write(
            "\n[[market.demo.event]]\nfirst = 2026-11-17T03:00:00Z\nlast = 2026-11-17T05:00:00Z\nreason = 'blackout'\n"
        )
    desk.markets = load_markets(desk.settings.config, ("demo",))
    spoil(lambda points: points[~between(points, "2026-11-17T03:00Z", "2026-11-17T05:00Z")])
    checked(desk)
    row = day(desk, "2026-11-16 23:00Z")
    assert (row.verdict, row.expected, row.missing, row.jumps) == ("ok", 264, 0, 0)


def test_work_waits_a_quarter_of_an_hour_and_for_something_to_judge(desk: Desk) -> None:
    def ready() -> bool:
        with desk.warehouse.read() as session:
            return job.ready(session, desk.markets, desk.now)

    assert not ready()
    desk.done("ingest")
    assert ready()
    desk.done("quality")
    desk.now += timedelta(minutes=14)
    desk.done("ingest")
    assert not ready()
    desk.now += timedelta(minutes=1)
    assert ready()
    desk.done("quality")
    desk.now += timedelta(minutes=20)
    assert not ready()
    desk.now += timedelta(days=1)
    assert ready()
    desk.done("quality")
    # A clock that was put back does not stop the checks.
    desk.now -= timedelta(hours=5)
    assert ready()


def test_gaps_come_with_what_the_source_said(desk: Desk, spoil) -> None:
    spoil(lambda points: points[~between(points, "2026-11-17T03:00Z", "2026-11-17T04:30Z")])
    desk.done("ingest")
    for _ in range(2):
        desk.now += timedelta(minutes=5)
        desk.done("ingest")
    with desk.warehouse.read() as session:
        gaps = quality.gaps(session, desk.markets["demo"], desk.now)
    (row,) = gaps.itertuples()
    assert (row.series, row.slots, row.tries, row.outcome) == ("demo.load", 18, 3, "empty")
    assert (row.start_at, row.end_at) == (pd.Timestamp("2026-11-17T03:00Z"), pd.Timestamp("2026-11-17T04:30Z"))
    assert row.asked_at == pd.Timestamp(desk.now)


def test_a_hole_left_three_times_is_asked_for_again_by_hand_only(desk: Desk, spoil) -> None:
    spoil(lambda points: points[~between(points, "2026-11-17T03:00Z", "2026-11-17T04:30Z")])
    for _ in range(4):
        desk.done("ingest")
        desk.now += timedelta(minutes=5)
    spoil(lambda points: points)
    desk.done("ingest")
    with desk.warehouse.read() as session:
        (row,) = quality.gaps(session, desk.markets["demo"], desk.now).itertuples()
    desk.done("ingest", **{"from": row.start_at.isoformat(), "to": row.end_at.isoformat()})
    with desk.warehouse.read() as session:
        assert quality.gaps(session, desk.markets["demo"], desk.now).empty
