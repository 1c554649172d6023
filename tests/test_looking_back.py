"""The address, the controls and the words of a page that looks back; what they offer and what they leave out."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from dashboard import looking_back
from dashboard.data import Desk
from tests import filler
from tests.dashboards import NOW, opened, seated, words

MADRID = "Europe/Madrid"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    path = tmp_path_factory.mktemp("back") / "w.duckdb"
    filler.fill(path, NOW)
    with pytest.MonkeyPatch.context() as patch, seated(path, patch) as made:
        yield made


def back_at(text: str, **more: str) -> AppTest:
    app = opened()
    for name, value in ({"at": text} | more).items():
        app.query_params[name] = value
    app = app.run()
    assert not app.exception
    assert not app.error
    return app


def press(app: AppTest, label: str) -> AppTest:
    next(button for button in app.button if button.label == label).click()
    return app.run()


def at_of(app: AppTest) -> str | None:
    found = app.query_params.get("at")
    return found[0] if isinstance(found, list) else found


@pytest.mark.parametrize(
    ("day", "clock", "zone", "expected"),
    [
        (date(2026, 11, 20), time(11, 20), MADRID, datetime(2026, 11, 20, 10, 20, tzinfo=UTC)),
        (date(2026, 11, 20), time(11, 20), "UTC", datetime(2026, 11, 20, 11, 20, tzinfo=UTC)),
        # 02:30 comes twice on this day and never on the next one.
        (date(2026, 10, 25), time(2, 30), MADRID, datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        (date(2026, 3, 29), time(2, 30), MADRID, datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),
    ],
)
def test_a_clock_names_a_moment_also_when_it_changes(day: date, clock: time, zone: str, expected: datetime) -> None:
    assert looking_back.instant(day, clock, zone) == expected


@pytest.mark.parametrize(
    "text", ["", None, "yesterday", "2026-11-20T10:20", "0001-01-01T00:00Z", "9999-12-31T23:59Z", "2026-13-01T00:00Z"]
)
def test_other_words_are_no_moment(text: str | None) -> None:
    assert looking_back.parsed(text) is None


def test_an_address_is_read_in_any_offset_and_written_in_utc_by_the_second() -> None:
    moment = looking_back.parsed("2026-11-20T15:50+05:30")
    assert moment == datetime(2026, 11, 20, 10, 20, tzinfo=UTC)
    assert moment is not None
    assert moment.utcoffset() == timedelta()
    assert looking_back.written(moment) == "2026-11-20T10:20Z"
    # A re-issue of the same minute has an address of its own; parts of a second are cut up, so that it has begun.
    later = moment + timedelta(seconds=6, milliseconds=1)
    assert looking_back.written(later) == "2026-11-20T10:20:07Z"
    assert looking_back.parsed(looking_back.written(later)) == moment + timedelta(seconds=7)


def test_a_past_moment_shows_what_was_newest_then_and_tells_nothing_of_now(desk: Desk) -> None:
    app = back_at("2026-11-20T07:30Z")
    assert [card.label for card in app.metric] == [f"T+{h} · {7 + h:02}:00" for h in range(1, 7)]
    said = words(app)
    assert "As it was on Fri 20 Nov 08:30 CET**: only what was stored by then" in said
    assert "Scheduler" not in said
    assert "critical" not in said
    newest = opened()
    assert newest.metric[0].label == "T+1 · 11:00"
    assert "Scheduler" in words(newest)


@pytest.mark.parametrize("text", ["2027-01-01T00:00Z", "<b>soon</b>", "2026-11-20"])
def test_an_address_that_names_no_past_moment_is_told_and_the_present_shown(desk: Desk, text: str) -> None:
    app = back_at(text)
    assert "which is no past moment" in app.warning[0].value
    assert app.metric[0].label == "T+1 · 11:00"


def test_issue_by_issue_back_forward_and_to_now(desk: Desk) -> None:
    app = press(opened(), "Issue before")
    assert at_of(app) == "2026-11-20T09:12Z"
    assert app.metric[0].label == "T+1 · 10:00"
    app = press(app, "Issue before")
    assert (at_of(app), app.metric[0].label) == ("2026-11-20T08:12Z", "T+1 · 09:00")
    app = press(app, "Issue after")
    assert (at_of(app), app.metric[0].label) == ("2026-11-20T09:12Z", "T+1 · 10:00")
    app = press(app, "Now")
    assert (at_of(app), app.metric[0].label) == (None, "T+1 · 11:00")


def test_a_day_and_a_time_of_the_pages_clock_are_taken(desk: Desk) -> None:
    app = opened()
    app.date_input[0].set_value(date(2026, 11, 19))
    app.time_input[0].set_value(time(6, 30))
    app = press(app, "Show")
    assert at_of(app) == "2026-11-19T05:30Z"
    assert "As it was on Thu 19 Nov 06:30 CET" in words(app)
    app = press(app, "Back to now")
    assert at_of(app) is None


def test_a_time_ahead_of_now_is_now(desk: Desk) -> None:
    app = opened()
    app.time_input[0].set_value(time(23, 55))
    app = press(app, "Show")
    assert at_of(app) is None
    assert not app.warning


def test_what_was_computed_afterwards_is_offered_and_labelled(desk: Desk) -> None:
    early = f"{NOW - timedelta(days=30):%Y-%m-%dT%H:%MZ}"
    strict = back_at(early)
    assert "No forecast was issued yet" in words(strict)
    assert "were computed only afterwards" in words(strict)
    app = press(strict, "With what was computed afterwards, as if in time")
    assert len(app.metric) == 6
    assert "with what was computed afterwards, as if in time" in words(app)
    assert "inputs as of" in words(app)
    assert press(app, "Only what was stored by then").metric.len == 0


def test_a_step_keeps_counting_what_was_computed_afterwards(desk: Desk) -> None:
    early = pd.Timestamp(NOW - timedelta(days=30))
    app = press(back_at(f"{early:%Y-%m-%dT%H:%MZ}", replayed="1"), "Issue before")
    assert at_of(app) == f"{early.floor('h') - timedelta(hours=1) + timedelta(minutes=12):%Y-%m-%dT%H:%MZ}"


def test_before_the_first_row_every_part_says_so(desk: Desk) -> None:
    app = back_at("2020-01-01T00:00Z")
    assert "No forecast was issued yet" in words(app)
    assert next(button for button in app.button if button.label == "Issue before").disabled


def test_an_empty_warehouse_can_be_looked_back_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filler.empty(tmp_path / "w.duckdb", NOW)
    with seated(tmp_path / "w.duckdb", monkeypatch):
        app = back_at("2026-11-19T00:00Z")
        assert "No forecast was issued yet" in words(app)
