"""Ingest asks for what is new, missing or may be revised, stores versions, and resumes where it stopped."""

from datetime import timedelta

import pandas as pd
import pytest

from pipeline.configuring.markets import load_markets
from pipeline.errors import ConfigError
from pipeline.jobs import ingest
from pipeline.settings import ROOT, Settings
from pipeline.sources import demo
from tests.conftest import HISTORY_DAYS, NOW, Desk, ask, desk_in


def slots(desk: Desk) -> pd.Series:
    return ask(desk, "SELECT valid_at FROM raw WHERE series = 'demo.load' ORDER BY valid_at").valid_at


def test_the_first_ingest_takes_the_whole_history_without_a_hole(desk: Desk) -> None:
    desk.done("ingest")
    times = slots(desk)
    assert (times.diff().dropna() == pd.Timedelta(minutes=5)).all()
    assert times.iloc[-1] == pd.Timestamp("2026-11-20T10:05Z")
    assert times.iloc[-1] - times.iloc[0] >= pd.Timedelta(days=HISTORY_DAYS) - pd.Timedelta(hours=1)
    series = ask(desk, "SELECT DISTINCT series FROM raw").series
    assert set(series) == {one.id for one in desk.markets["demo"].series}


def test_later_ingests_ask_only_for_the_overlap_and_what_is_new(desk: Desk) -> None:
    desk.done("ingest")
    before = len(slots(desk))
    desk.now += timedelta(minutes=30)
    row = desk.done("ingest")
    assert len(slots(desk)) == before + 6
    assert row["rows_in"] < 500


def test_a_gap_is_found_and_refilled(desk: Desk) -> None:
    desk.done("ingest")
    whole = slots(desk)
    hole = (
        "series = 'demo.load' AND valid_at BETWEEN TIMESTAMPTZ '2026-11-10 00:00Z' AND TIMESTAMPTZ '2026-11-10 07:00Z'"
    )
    with desk.warehouse.write() as session:
        session._cursor.execute(f"DELETE FROM raw WHERE {hole}")
        session._cursor.execute("DELETE FROM fetches")
    desk.done("ingest")
    assert slots(desk).tolist() == whole.tolist()


def test_a_hole_the_provider_keeps_is_asked_for_three_times_and_then_left(desk: Desk, monkeypatch) -> None:
    desk.done("ingest")
    start, end = pd.Timestamp("2026-11-10T00:00Z"), pd.Timestamp("2026-11-10T01:00Z")
    with desk.warehouse.write() as session:
        session._cursor.execute(
            f"DELETE FROM raw WHERE series = 'demo.load' AND valid_at >= TIMESTAMPTZ '{start}' "
            f"AND valid_at < TIMESTAMPTZ '{end}'"
        )
        session._cursor.execute("DELETE FROM fetches")
    choose = ingest.choose_sources
    asked = []

    class Holed:
        def __init__(self, inner) -> None:
            self.name, self.max_window, self._inner = inner.name, inner.max_window, inner
            self.every, self.group = timedelta(), inner.group

        def fetch(self, series, window, *, now, settings):
            asked.append(window)
            points = self._inner.fetch(series, window, now=now, settings=settings)
            return points[(points.valid_at < start) | (points.valid_at >= end)]

    monkeypatch.setattr(
        ingest, "choose_sources", lambda context, market: [(Holed(one), mine) for one, mine in choose(context, market)]
    )
    for _ in range(5):
        desk.done("ingest")
    assert sum(window.start == start for window in asked) == 3


def test_a_window_can_be_ingested_and_is_not_asked_for_again_when_complete(desk: Desk) -> None:
    window = {"from": "2025-01-01T00:00+00:00", "to": "2025-01-03T00:00+00:00"}
    assert desk.done("ingest", **window)["rows_out"] == 2 * 24 * 12 + 4 * 48
    assert desk.done("ingest", **window)["rows_in"] == 0


def test_a_window_can_be_ingested_for_one_series_alone(desk: Desk) -> None:
    window = {"from": "2025-01-01T00:00+00:00", "to": "2025-01-03T00:00+00:00", "series": "demo.price"}
    assert desk.done("ingest", **window)["rows_out"] == 48
    assert set(ask(desk, "SELECT series FROM raw").series) == {"demo.price"}
    assert set(ask(desk, "SELECT series FROM fetches").series) == {"demo.price"}
    failed = desk.run("ingest", **window | {"series": "demo.wind"})
    assert (failed["state"], "no active market has a series 'demo.wind'" in failed["error"]) == ("failed", True)


def test_a_changed_value_is_a_new_version_and_the_old_one_stays(desk: Desk) -> None:
    desk.done("ingest")
    with desk.warehouse.write() as session:
        session._cursor.execute(
            "UPDATE raw SET value = value + 500 WHERE series = 'demo.load' "
            "AND valid_at = (SELECT max(valid_at) FROM raw WHERE series = 'demo.load')"
        )
    desk.now += timedelta(minutes=1)
    desk.done("ingest")
    versions = ask(
        desk,
        "SELECT * FROM raw WHERE series = 'demo.load' "
        "QUALIFY count(*) OVER (PARTITION BY valid_at) > 1 ORDER BY seen_at",
    )
    assert versions.value.diff().iloc[-1] == -500
    assert versions.made_at.iloc[-1] == versions.seen_at.iloc[-1] == pd.Timestamp(desk.now)
    known = ask(
        desk, "SELECT known_at, seen_at FROM raw_known WHERE valid_at = '2026-11-01 00:00Z' AND series = 'demo.load'"
    )
    assert known.known_at.iloc[0] == pd.Timestamp("2026-11-01T00:13Z")
    assert known.seen_at.iloc[0] == pd.Timestamp(NOW)


def test_every_window_asked_is_a_row_with_its_outcome(desk: Desk) -> None:
    desk.done("ingest")
    fetches = ask(desk, "SELECT * FROM fetches")
    assert set(fetches.outcome) == {"ok"}
    assert fetches.rows_new.sum() == desk.rows("raw")


def test_spain_without_a_token_uses_the_public_source_and_with_one_the_better_one(tmp_path) -> None:
    from pipeline.runner import Context

    for env, name in (({}, "redata"), ({"ESIOS_API_KEY": "secret"}, "esios")):
        folder = tmp_path / name
        folder.mkdir()
        desk = desk_in(folder, SEXTANT_MARKETS="es", **env)
        context = Context(desk.settings, desk.markets, desk.warehouse, desk.now, "r")
        assert [source.name for source, _ in ingest.choose_sources(context, desk.markets["es"])] == [name]
        assert "secret" not in repr(desk.settings)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("Europe/Madrid", "Europe/Atlantis"), "Atlantis"),
        (('kind = "measured"', 'kind = "guessed"'), "guessed"),
        (("minimum = 10000", "minimum = 70000"), "write the lower one first"),
        (('operator = "load_forecast"', 'operator = "oracle"'), "oracle"),
        (("[market.demo]", "[market.demo"), "sextant.toml"),
        (('unit = "MW"\ncadence_min = 5', "cadence_min = 5"), "lacks unit"),
        (("cadence_min = 5", 'cadence_min = "five"'), "market.demo"),
    ],
)
def test_a_wrong_configuration_is_one_clear_sentence(tmp_path, change: tuple[str, str], words: str) -> None:
    path = tmp_path / "sextant.toml"
    path.write_text((ROOT / "sextant.toml").read_text(encoding="utf-8").replace(*change), encoding="utf-8")
    with pytest.raises(ConfigError, match=words):
        load_markets(path, ("demo",))


def test_an_unknown_market_and_a_wrong_number_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="SEXTANT_MARKETS"):
        load_markets(ROOT / "sextant.toml", ("mars",))
    with pytest.raises(ConfigError, match="SEXTANT_LOCK_WAIT_S"):
        Settings.load({"SEXTANT_LOCK_WAIT_S": "soon"})
    with pytest.raises(ConfigError, match="above 0"):
        Settings.load({"SEXTANT_HTTP_TIMEOUT_S": "-1"})


def test_the_scheduler_asks_no_sooner_than_a_source_says_and_a_person_at_once(desk: Desk, monkeypatch) -> None:
    monkeypatch.setattr("pipeline.sources.demo.Demo.every", timedelta(minutes=50))
    runner = desk.runner()

    def asked(by: str) -> int:
        before = desk.rows("fetches")
        runner.run(desk.jobs["ingest"], by=by)
        return desk.rows("fetches") - before

    assert asked("scheduler") > 0
    desk.now += timedelta(minutes=40)
    assert (asked("scheduler"), asked("ana") > 0) == (0, True)
    desk.now += timedelta(minutes=51)
    assert asked("scheduler") > 0


def test_a_revised_forecast_of_the_same_stated_moment_counts_from_when_it_was_seen(desk: Desk, monkeypatch) -> None:
    desk.done("ingest")
    choose, changed = ingest.choose_sources, desk.now + timedelta(hours=1)

    class Revised:
        def __init__(self, inner) -> None:
            self.name, self.max_window, self._inner = inner.name, inner.max_window, inner
            self.every, self.group = timedelta(), inner.group

        def fetch(self, series, window, *, now, settings):
            points = self._inner.fetch(series, window, now=now, settings=settings)
            return points.assign(value=points["value"] + 1.0)

    monkeypatch.setattr(
        ingest,
        "choose_sources",
        lambda context, market: [(Revised(one), mine) for one, mine in choose(context, market)],
    )
    desk.now = changed
    desk.done("ingest")
    known = ask(desk, "FROM raw_known WHERE series = 'demo.load_forecast' ORDER BY valid_at, seen_at")
    found = known[known.duplicated("valid_at", keep="first")]
    assert len(found) > 0
    assert (found[["made_at", "known_at"]] >= changed).all(axis=None)


def test_no_measured_value_is_known_before_its_interval_ended_whatever_is_stated(desk: Desk, monkeypatch) -> None:
    fetch = demo.SOURCE.fetch

    def early(*args, **more):
        points = fetch(*args, **more)
        return points.assign(made_at=points["valid_at"])

    monkeypatch.setattr(demo.Demo, "fetch", lambda _self, *args, **more: early(*args, **more))
    window = {"from": "2026-11-01T00:00+00:00", "to": "2026-11-03T00:00+00:00"}
    desk.done("ingest", series="demo.load", **window)
    known = ask(desk, "SELECT min(known_at - valid_at)::VARCHAR AS least FROM raw_known WHERE series = 'demo.load'")
    assert known.least.tolist() == ["00:05:00"]
