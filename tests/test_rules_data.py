"""The rules about data: each fires on its fault, names figures and remedy, and clears when the fault is gone."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from pipeline import judging
from pipeline.configuring.markets import load_markets
from pipeline.operations import Operations
from pipeline.rules import data
from pipeline.rules.base import Bad, Rule, View
from tests.conftest import Desk, ask, desk_in
from tests.servers.grid import GridServer
from tests.servers.store import invented_store

RULES: dict[str, Rule] = {rule.name: rule for rule in data.RULES}
Edit = Callable[[str], None]


def bad(desk: Desk, name: str, limit: float | None = None) -> dict[str, Bad]:
    rule = RULES[name]
    view = View(desk.warehouse, desk.settings, desk.markets, Operations(), desk.jobs, desk.now)
    found = list(rule.check(view, rule.limit if limit is None else limit))
    assert len({(one.subject, one.event) for one in found}) == len(found)
    return {one.subject: one for one in found}


def script(desk: Desk, sql: str) -> None:
    with desk.warehouse.write() as session:
        session.script(sql)


def value_at(moment: str) -> str:
    return f"series = 'demo.load' AND valid_at = TIMESTAMPTZ '{moment}'"


def checked_again(desk: Desk) -> None:
    """Judge all days anew: raw was changed behind the pipeline's back."""
    script(desk, "DELETE FROM quality")
    desk.done("quality")


def test_every_rule_says_what_it_means() -> None:
    assert set(RULES) == {"stale_data", "gaps", "anomalous_actuals"}
    assert all(rule.title and rule.unit and rule.severity == "warning" for rule in data.RULES)


def test_a_sound_desk_has_nothing_bad(full: Desk) -> None:
    full.done("quality")
    assert [bad(full, name) for name in RULES] == [{}, {}, {}]


@pytest.mark.parametrize(
    ("minutes", "stale"),
    [(29 - 2, set()), (33, {"demo.load"}), (108, {"demo.load"}), (110, {"demo.load", "demo.temperature"})],
)
def test_five_minutes_data_are_stale_after_half_an_hour_hourly_after_two_values(
    full: Desk, minutes: int, stale: set[str]
) -> None:
    # The newest load value begins at 10:05, the newest temperature at 09:00; published at 10:18 and 10:10.
    full.now += timedelta(minutes=minutes)
    assert set(bad(full, "stale_data")) == stale


def test_stale_data_say_how_much_is_missing_and_clear_when_it_came(full: Desk) -> None:
    full.now += timedelta(minutes=45)
    found = bad(full, "stale_data")["demo.load"]
    assert "lacks 9 values since 20 Nov 2026 10:05 UTC" in found.message
    assert "ingest has not run" in found.message
    assert found.evidence["missed"] == 9
    assert found.since == datetime(2026, 11, 20, 10, 38, tzinfo=UTC)
    assert not bad(full, "stale_data", limit=60)
    full.done("ingest")
    assert not bad(full, "stale_data")


def test_a_series_that_never_came_is_stale_once_it_was_asked_for(full: Desk) -> None:
    script(full, "DELETE FROM raw WHERE series = 'demo.price'")
    assert not bad(full, "stale_data")
    full.now += timedelta(minutes=31)
    assert "has no value at all" in bad(full, "stale_data")["demo.price"].message
    script(full, "DELETE FROM fetches WHERE series = 'demo.price'")
    assert "demo.price" not in bad(full, "stale_data")


def test_a_gap_inside_fires_and_clears_when_filled(full: Desk) -> None:
    hole = "series = 'demo.load' AND valid_at >= '2026-11-18 03:00Z' AND valid_at < '2026-11-18 03:45Z'"
    kept = ask(full, f"SELECT * FROM raw WHERE {hole}")
    script(full, f"DELETE FROM raw WHERE {hole}")
    found = bad(full, "gaps")["demo.load"]
    assert "lacks 9 values" in found.message
    assert "ingest --from 2026-11-18T03:00Z --to 2026-11-18T03:45Z" in found.message
    assert found.evidence == {
        "slots": 9,
        "gaps": 1,
        "first": "2026-11-18T03:00:00+00:00",
        "last": "2026-11-18T03:45:00+00:00",
        "tries": 1,
    }
    with full.warehouse.write() as session:
        session.append("raw", kept)
    assert not bad(full, "gaps")


def test_a_young_gap_staleness_and_what_is_older_than_a_week_are_no_gap(full: Desk) -> None:
    script(full, f"DELETE FROM raw WHERE {value_at('2026-11-20 09:30Z')}")
    assert not bad(full, "gaps")
    full.now += timedelta(minutes=23)
    assert bad(full, "gaps")["demo.load"].since == full.now
    script(full, "DELETE FROM raw WHERE series = 'demo.load' AND valid_at >= '2026-11-20 09:30Z'")
    assert not bad(full, "gaps")
    script(full, f"DELETE FROM raw WHERE {value_at('2026-11-10 09:30Z')}")
    assert not bad(full, "gaps")


def test_a_spike_is_told_as_an_event_and_clears_after_a_day(full: Desk) -> None:
    script(full, f"UPDATE raw SET value = value * 1.15 WHERE {value_at('2026-11-20 06:15Z')}")
    checked_again(full)
    found = bad(full, "anomalous_actuals")["demo.load"]
    assert "jumped once, at 20 Nov 2026 06:15 UTC: +" in found.message
    assert (found.since, found.over) == (datetime(2026, 11, 20, 6, 15, tzinfo=UTC), True)
    assert found.event == "jump 2026-11-19 1"
    script(full, f"UPDATE raw SET value = value * 0.8 WHERE {value_at('2026-11-20 08:15Z')}")
    checked_again(full)
    again = bad(full, "anomalous_actuals")["demo.load"]
    assert again.event == "jump 2026-11-19 2"
    assert "2 times" in again.message
    full.now += timedelta(days=1)
    assert not bad(full, "anomalous_actuals")


def test_a_stuck_meter_fires_while_it_is_stuck_and_is_over_when_it_moves(full: Desk) -> None:
    held = f"(SELECT value FROM raw WHERE {value_at('2026-11-20 09:00Z')})"
    script(full, f"UPDATE raw SET value = {held} WHERE series = 'demo.load' AND valid_at >= '2026-11-20 09:00Z'")
    checked_again(full)
    found = bad(full, "anomalous_actuals")["demo.load"]
    assert "held the same value for 70 minutes from 20 Nov 2026 09:00 UTC" in found.message
    assert (found.since, found.over) == (datetime(2026, 11, 20, 10, tzinfo=UTC), False)
    full.now += timedelta(minutes=40)
    full.done("ingest")
    full.done("quality")
    after = bad(full, "anomalous_actuals").get("demo.load")
    # The overlap of an ingest brings the right values back, so that nothing stands still any more.
    assert after is None or after.over


def test_values_refused_in_number_fire_until_they_are_put_right(full: Desk) -> None:
    script(
        full,
        "INSERT INTO quarantine SELECT 'demo.load', v, '7', 'demo.load at ' || v || ': 7 MW is outside 10,000', "
        "'demo', TIMESTAMPTZ '2026-11-20 10:20Z', 'r' "
        "FROM (VALUES ('2026-11-20 08:00:00+00:00'), ('2026-11-20 08:05:00+00:00')) AS t (v)",
    )
    checked_again(full)
    found = bad(full, "anomalous_actuals")["demo.load"]
    assert "2 values outside its bounds" in found.message
    assert found.evidence["share_pct"] == 1.53
    assert not found.over
    assert not bad(full, "anomalous_actuals", limit=2)


def test_a_revision_out_of_proportion_fires(full: Desk) -> None:
    full.done("quality")
    script(full, "UPDATE quality SET revised_mean = 12 WHERE series = 'demo.load' AND day_start < '2026-11-19 23:00Z'")
    script(full, "UPDATE quality SET revised_mean = 700 WHERE series = 'demo.load' AND day_start = '2026-11-19 23:00Z'")
    found = bad(full, "anomalous_actuals")["demo.load"]
    assert "was revised by 700 MW a value, usually by 12" in found.message
    script(full, "UPDATE quality SET revised_mean = 100 WHERE series = 'demo.load' AND day_start = '2026-11-19 23:00Z'")
    assert not bad(full, "anomalous_actuals")


def test_each_fault_is_one_alert_that_fires_once_and_is_resolved_once(full: Desk) -> None:
    def flips() -> list[tuple[str, str, str]]:
        view = View(full.warehouse, full.settings, full.markets, Operations(), full.jobs, full.now)
        found = judging.judge(view, RULES).flips
        with full.warehouse.write() as session:
            stored = judging.store(session, found, now=full.now, run_id="judged")
        return [(flip.rule, flip.subject, flip.state) for flip in stored]

    full.done("quality")
    assert flips() == []
    full.now += timedelta(minutes=45)
    assert flips() == [("stale_data", "demo.load", "firing")]
    assert flips() == []
    full.done("ingest")
    assert flips() == [("stale_data", "demo.load", "resolved")]
    script(full, f"UPDATE raw SET value = value * 1.15 WHERE {value_at('2026-11-20 06:15Z')}")
    checked_again(full)
    assert flips() == [("anomalous_actuals", "demo.load", "firing")]
    assert flips() == [("anomalous_actuals", "demo.load", "resolved")]
    assert flips() == []


@pytest.fixture
def server() -> Iterator[GridServer]:
    with GridServer(invented_store("2024-10-20", "2024-10-31"), datetime(2024, 10, 28, 10, 20, tzinfo=UTC)) as running:
        yield running


def test_an_outage_of_a_real_provider_is_told_with_its_page_and_clears(server: GridServer, tmp_path: Path) -> None:
    env = {"SEXTANT_MARKETS": "es", "SEXTANT_REDATA_URL": server.url, "SEXTANT_HTTP_TRIES": "1"}
    desk = desk_in(tmp_path, now=server.now, **env)
    text = desk.settings.config.read_text(encoding="utf-8").replace("history_days = 150", "history_days = 2")
    desk.settings.config.write_text(text, encoding="utf-8")
    desk.markets = load_markets(desk.settings.config, ("es",))
    desk.done("ingest")
    assert not bad(desk, "stale_data")
    server.outage(server.now)
    stale_from = None
    for _ in range(8):
        desk.now += timedelta(minutes=5)
        server.now = desk.now
        desk.done("ingest")
        if stale_from is None and bad(desk, "stale_data"):
            stale_from = desk.now
    assert stale_from == datetime(2024, 10, 28, 10, 50, tzinfo=UTC)
    found = bad(desk, "stale_data")
    assert set(found) == {"es.load"}
    assert (
        "redata has published nothing beyond 10:10 UTC; last answer just now: nothing new." in found["es.load"].message
    )
    assert found["es.load"].message.endswith("See https://demanda.ree.es/")
    server.outage(None)
    desk.done("ingest")
    assert not bad(desk, "stale_data")
    assert not bad(desk, "gaps")
    assert pd.isna(ask(desk, "SELECT max(seen_at) FROM quarantine").iloc[0, 0])
