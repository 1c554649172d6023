"""Which questions ingest asks: by group, only for what lacks, within its time, and again where no answer came."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

from pipeline.configuring.markets import load_markets
from pipeline.errors import BadRequest, SourceError, Throttled, Transient
from pipeline.freshness import look
from pipeline.jobs import ingest
from pipeline.markets import Market, Series
from pipeline.settings import ROOT
from pipeline.sources import caiso, caiso_outlook, weather
from pipeline.sources.base import POINT_COLUMNS, Window
from tests.conftest import NOW, Desk, ask

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


class Provider:
    """A source of hourly values; `trouble` may give the error of a question, `took` is how long each takes."""

    def __init__(self, desk: Desk, name: str = "demo") -> None:
        self.desk, self.name, self.max_window, self.every = desk, name, 15 * DAY, timedelta()
        self.asked: list[tuple[Window, tuple[str, ...]]] = []
        self.empty: set[str] = set()
        self.trouble: Callable[[Window, tuple[str, ...]], SourceError | None] = lambda _window, _names: None
        self.took = timedelta()

    def group(self, series: Series) -> str:
        return series.id.split("_")[0]

    def fetch(self, series: Sequence[Series], window: Window, *, now: Any, settings: Any) -> pd.DataFrame:
        names = tuple(one.id for one in series)
        self.asked.append((window, names))
        self.desk.now += self.took
        error = self.trouble(window, names)
        if error is not None:
            raise error
        hours = pd.date_range(window.start, min(window.end, now - HOUR), freq="h", inclusive="left", unit="us")
        rows = [(name, hour, 500.0) for name in names if name not in self.empty for hour in hours]
        frame = pd.DataFrame(rows, columns=["series", "valid_at", "value"])
        stamps = pd.to_datetime(frame["valid_at"], utc=True).astype("datetime64[us, UTC]")
        frame = frame.assign(valid_at=stamps, made_at=pd.Series(pd.NaT, frame.index, dtype="datetime64[us, UTC]"))
        return frame[list(POINT_COLUMNS)]


def market_of(desk: Desk, name: str, *series: str) -> Market:
    """A market of hourly measurements with 60 days of history."""
    demo = load_markets(ROOT / "sextant.toml", ("demo",))["demo"]
    one = replace(demo.series[0], cadence=HOUR, delay=timedelta(), overlap=3 * HOUR, minimum=0.0, maximum=1e4)
    return replace(demo, id=name, history=60 * DAY, series=tuple(replace(one, id=each) for each in series), targets=())


@pytest.fixture
def provider(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Provider:
    desk.now = NOW.replace(minute=0)
    one = Provider(desk)
    monkeypatch.setattr(ingest, "choose_sources", lambda _context, market: [(one, market.series)])
    desk.markets = {"m": market_of(desk, "m", "x_a", "x_b", "y_c")}
    return one


def run(desk: Desk, by: str = "scheduler", **args: Any) -> dict[str, Any]:
    return desk.runner().run(desk.jobs["ingest"], by=by, **args)


def counts(desk: Desk) -> dict[str, int]:
    rows = ask(desk, "SELECT series, count(DISTINCT valid_at) AS n FROM raw GROUP BY series")
    return dict(zip(rows["series"], rows["n"].tolist(), strict=True))


def test_one_group_that_fails_leaves_the_others_whole(desk: Desk, provider: Provider) -> None:
    provider.trouble = lambda _window, names: BadRequest("y: wrong.") if "y_c" in names else None
    row = run(desk)
    assert (row["state"], row["failure"]) == ("failed", "refused")
    assert set(counts(desk)) == {"x_a", "x_b"}
    assert min(counts(desk).values()) >= 60 * 24 - 2


def test_who_can_be_asked_together_is_and_a_wrong_key_is_alone() -> None:
    markets = load_markets(ROOT / "sextant.toml", ("caiso", "caiso_now"))
    series = {one.id: one for market in markets.values() for one in market.series}
    loads, price = [caiso.SOURCE.group(series[f"caiso.{name}"]) for name in ("np15", "sce")], "caiso.price_np15"
    assert loads[0] == loads[1] != caiso.SOURCE.group(series[price])
    for source, name in ((caiso.SOURCE, price), (weather.SOURCE, "caiso.np15_temperature")):
        wrong = replace(series[name], keys={source.name: "oops"})
        assert source.group(wrong) == wrong.id != source.group(series[name])
    demand = next(one for one in markets["caiso_now"].series if one.kind == "measured")
    assert caiso_outlook.SOURCE.group(demand) == "caiso_outlook"
    assert caiso_outlook.SOURCE.group(replace(demand, cadence=HOUR)) == demand.id


def test_a_window_is_asked_only_for_the_series_that_lack_something_in_it(desk: Desk, provider: Provider) -> None:
    provider.empty = {"x_b"}
    run(desk)
    first = len([names for _, names in provider.asked if "x_b" in names])
    for tries in range(3):
        provider.asked.clear()
        desk.now += 10 * MINUTE
        run(desk)
        asked = [(window, names) for window, names in provider.asked if "x_b" in names]
        # Before the last 35 days one answer is enough, after that three.
        assert all(window.start > desk.now - 36 * DAY for window, _ in asked)
        assert len(asked) == (3 if tries < 2 else 1) < first
        assert [names for _, names in asked[:-1]] == [("x_b",)] * (len(asked) - 1)
    assert sum("x_a" in names for _, names in provider.asked) == 1


def test_a_window_that_failed_once_is_asked_for_again_however_old_it_is(desk: Desk, provider: Provider) -> None:
    provider.trouble = lambda window, _names: (
        Transient("demo: no answer; try again later.") if window.start == desk.now - 45 * DAY else None
    )
    assert run(desk)["state"] == "failed"
    assert counts(desk)["x_a"] < 46 * 24
    desk.now += 10 * MINUTE
    assert run(desk)["state"] == "succeeded"
    assert min(counts(desk).values()) >= 60 * 24 - 2
    provider.asked.clear()
    desk.now += 10 * MINUTE
    run(desk)
    assert len(provider.asked) == 2, "what is whole is not asked for again"


def test_old_time_that_is_refused_is_asked_for_once_a_day(desk: Desk, provider: Provider) -> None:
    provider.trouble = lambda window, _names: (
        BadRequest("demo: nothing that old.") if window.start < NOW - 46 * DAY else None
    )
    run(desk)
    refused = []
    for _ in range(3):
        desk.now += 13 * HOUR
        refused.append("nothing that old" in (run(desk)["error"] or ""))
    assert refused == [False, True, False]


def test_a_scheduled_run_stops_in_time_and_the_next_one_goes_on(desk: Desk, provider: Provider) -> None:
    desk.markets["n"] = market_of(desk, "n", "z_d")
    provider.took, provider.every = 1.5 * MINUTE, 50 * MINUTE
    began = desk.now
    row = run(desk)
    assert row["state"] == "succeeded"
    assert "questions of m to demo left: continues in the next run" in row["log"]
    assert 8 * MINUTE <= desk.now - began <= 11 * MINUTE
    assert {names for _, names in provider.asked} >= {("z_d",)}, "no market starves another"
    for _ in range(3):
        row = run(desk)
    assert "left" not in row["log"]
    assert len(counts(desk)) == 4
    assert min(counts(desk).values()) >= 60 * 24 - 4
    provider.asked.clear()
    run(desk)
    assert provider.asked == []


def test_who_waits_for_the_whole_gets_it(desk: Desk, provider: Provider) -> None:
    provider.took = 10 * MINUTE
    row = run(desk, by="cli", whole=True)
    assert (row["state"], "left" in row["log"]) == ("succeeded", False)
    window = {"from": "2025-01-01T00:00+00:00", "to": "2025-02-01T00:00+00:00", "series": "x_a"}
    assert "2 questions of m to demo left: ask for the window again" in run(desk, by="ana", **window)["log"]


def test_an_old_answer_does_not_hide_that_the_newest_window_failed(desk: Desk, provider: Provider) -> None:
    provider.every = 50 * MINUTE
    provider.trouble = lambda window, _names: Transient("demo: no answer.") if window.end > NOW - HOUR else None
    assert run(desk)["state"] == "failed"
    provider.asked.clear()
    desk.now += MINUTE
    assert run(desk)["state"] == "failed"
    assert sum(window.end > NOW - HOUR for window, _ in provider.asked) == 2


def test_one_series_alone_does_not_fail_with_the_hold_of_a_source_it_does_not_use(
    desk: Desk, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Provider(desk, "other")
    other.trouble = lambda _window, _names: Throttled("other: ask less.", 3600)
    both = lambda _context, market: [(other, market.series[:1]), (provider, market.series[1:])]  # noqa: E731
    monkeypatch.setattr(ingest, "choose_sources", both)
    assert run(desk)["failure"] == "throttled"
    assert run(desk, by="ana", series="y_c")["state"] == "succeeded"
    assert run(desk, by="ana", series="x_a")["failure"] == "throttled"


@pytest.mark.parametrize(("name", "state"), [("demo.temperature", "succeeded"), ("demo.load", "failed")])
def test_a_series_whose_source_is_not_ready_is_said_and_fails_where_a_target_needs_it(
    desk: Desk, name: str, state: str
) -> None:
    market = desk.markets["demo"]
    series = tuple(replace(one, keys={"esios": "1"}) if one.id == name else one for one in market.series)
    targets = tuple(replace(one, series=series[0]) if one.series.id == series[0].id else one for one in market.targets)
    market = replace(market, sources=("esios", "demo"), series=series, targets=targets, history=2 * DAY)
    desk.markets = {"demo": market}
    row = run(desk)
    assert (row["state"], row["failure"]) == (state, "refused" if state == "failed" else None)
    assert f"not asked for: {name}: esios needs a token" in row["log"]
    assert state == "succeeded" or f"targets of demo need {name}" in row["error"]
    with desk.warehouse.read() as session:
        found = {one.series: one for one in look(session, market, desk.now)}
    assert (found[name].state, found[name].since) == ("none", None)
    assert found[name].why.startswith("esios needs a token: set ESIOS_API_KEY")
    assert run(desk, by="ana", series="demo.price")["state"] == "succeeded"
