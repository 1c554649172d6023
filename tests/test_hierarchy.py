"""Parts against their total: what is shown, what is named as missing, and when it becomes an alert."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from pipeline import asof, hierarchy
from pipeline.punctuality import current_origin
from tests.alarms import bad, judged, words
from tests.conftest import NOW, Desk

HOUR = timedelta(hours=1)
ORIGIN = pd.Timestamp(NOW).floor("h") - HOUR
TOTAL, NORTH, SOUTH = "demo.load", "demo.north", "demo.south"
SHARE = {TOTAL: 1.0, NORTH: 0.6, SOUTH: 0.4}
PARTS = {"total": TOTAL, "parts": [NORTH, SOUTH]}


@pytest.fixture
def zones(desk: Desk) -> Desk:
    """A total and two parts of it, measured for 30 hours and forecast from the newest of them."""
    (market,) = desk.markets.values()
    total = replace(market.targets[0], parts=(NORTH, SOUTH))
    parts = tuple(replace(market.targets[0], id=name) for name in (NORTH, SOUTH))
    desk.markets = {"demo": replace(market, targets=(total, *parts))}
    measure(desk, {name: 1000 * share for name, share in SHARE.items()}, hours=30)
    issue(desk, {name: 2000 * share for name, share in SHARE.items()}, ORIGIN)
    return desk


def measure(desk: Desk, values: dict[str, float], *, hours: int, until: pd.Timestamp = ORIGIN) -> None:
    """The newest `hours` hours up to `until`, known as of then or since the last call."""
    valid_at = pd.date_range(until - (hours - 1) * HOUR, until, freq="h").as_unit("us")
    known_at = pd.Timestamp(desk.now).as_unit("us")
    with desk.warehouse.write() as session:
        for target, value in values.items():
            rows = pd.DataFrame({"valid_at": valid_at, "value": value, "known_at": known_at, "written_at": known_at})
            session.append("actuals", rows.assign(target=target, last_05=value, last_15=value, last_30=value, n=12,
                                                  run_id="run"))  # fmt: skip


def issue(desk: Desk, values: dict[str, float], origin: pd.Timestamp, *, version: str = "naive") -> None:
    """T+1 to T+6 of each target: its value plus ten for each hour ahead of the total's share."""
    horizon = np.arange(1, 7)
    at = (origin + timedelta(minutes=72)).as_unit("us")
    with desk.warehouse.write() as session:
        for target, value in values.items():
            p50 = np.full(6, value) + 10 * horizon * SHARE[target]
            rows = pd.DataFrame({"horizon": horizon, "p50": p50, "valid_at": [origin + h * HOUR for h in horizon]})
            rows["valid_at"] = rows["valid_at"].astype("datetime64[us, UTC]")
            words = {"issuer": "sextant", "mode": "live", "status": "ok", "reason": "", "run_id": "run"}
            bands = dict.fromkeys(("p05", "p10", "p90", "p95"), p50)
            session.append("predictions", rows.assign(target=target, origin=origin.as_unit("us"), version_id=version,
                                                      made_at=at, written_at=at, **words, **bands))  # fmt: skip


def forecast(desk: Desk) -> pd.DataFrame:
    return desk.warehouse.ask("page_hierarchy_forecast", due=current_origin(desk.now), **PARTS)


def actuals(desk: Desk, hours: int = 24) -> pd.DataFrame:
    return desk.warehouse.ask("page_hierarchy_actuals", since=ORIGIN - (hours - 1) * HOUR, until=ORIGIN + HOUR, **PARTS)


def test_parts_that_add_up_show_no_difference(zones: Desk) -> None:
    rows = forecast(zones)
    assert rows["horizon"].tolist() == [1, 2, 3, 4, 5, 6]
    assert rows["total"].tolist() == [2010, 2020, 2030, 2040, 2050, 2060]
    np.testing.assert_allclose(rows["parts"], rows["total"])
    np.testing.assert_allclose(rows["difference"], 0, atol=1e-9)
    assert set(rows["origin"]) == {ORIGIN}
    assert (rows["n_known"] == 2).all()
    rows = actuals(zones)
    assert len(rows) == 24
    assert rows["total_known"].all()
    np.testing.assert_allclose(rows["parts"], 1000)


def test_the_difference_is_parts_less_total_in_unit_and_percent(zones: Desk) -> None:
    zones.now += timedelta(minutes=5)
    measure(zones, {SOUTH: 300}, hours=2)
    rows = actuals(zones)
    assert rows["difference"].round(6).tolist() == [0] * 22 + [-100, -100]
    assert rows["percent"].round(6).tolist() == [0] * 22 + [-10, -10]
    issue(zones, {TOTAL: 3000, NORTH: 2000, SOUTH: 1600}, ORIGIN + HOUR)
    assert forecast(zones)["difference"].round(6).tolist() == [0] * 6
    zones.now += HOUR
    np.testing.assert_allclose(forecast(zones)["difference"], 600)


def test_a_part_that_is_not_known_is_named_and_nothing_is_summed(zones: Desk) -> None:
    zones.now += HOUR
    issue(zones, {TOTAL: 3000, NORTH: 1800}, ORIGIN + HOUR)
    rows = forecast(zones)
    assert [list(names) for names in rows["missing"]] == [[SOUTH]] * 6
    assert rows[["parts", "difference", "percent"]].isna().all(axis=None)
    assert rows["total"].notna().all()
    measure(zones, {TOTAL: 1000, SOUTH: 400}, hours=1, until=ORIGIN + HOUR)
    measure(zones, {SOUTH: 400}, hours=1, until=ORIGIN + 2 * HOUR)
    rows = zones.warehouse.ask("page_hierarchy_actuals", since=ORIGIN, until=ORIGIN + 3 * HOUR, **PARTS)
    assert [list(names) for names in rows["missing"]] == [[], [NORTH], [NORTH]]
    assert rows["n_known"].tolist() == [2, 1, 1]
    assert rows["total_known"].tolist() == [True, True, False]
    assert rows["difference"].isna().tolist() == [False, True, True]


def test_a_total_of_zero_has_a_difference_and_no_percentage(zones: Desk) -> None:
    zones.now += timedelta(minutes=5)
    measure(zones, {TOTAL: 0}, hours=1)
    row = actuals(zones).iloc[-1]
    assert row["difference"] == pytest.approx(1000)
    assert pd.isna(row["percent"])


def test_a_look_back_sees_what_was_stored_by_then(zones: Desk) -> None:
    then = zones.now
    zones.now += timedelta(minutes=5)
    measure(zones, {SOUTH: 300}, hours=2)
    with zones.warehouse.read() as session:
        asof.cut(session, asof.Moment(then))
        span = {"since": ORIGIN - HOUR, "until": ORIGIN + HOUR}
        rows = session.ask("page_hierarchy_actuals", **span, **PARTS)
    np.testing.assert_allclose(rows["difference"], 0, atol=1e-9)
    with zones.warehouse.read() as session:
        asof.cut(session, asof.Moment(then - timedelta(minutes=10)))
        assert session.ask("page_hierarchy_forecast", due=ORIGIN, **PARTS).empty


def test_only_a_difference_that_lasts_to_the_newest_common_hour_is_a_stretch(zones: Desk) -> None:
    total = zones.markets["demo"].targets[0]

    def found(limit_pct: float = 10) -> hierarchy.Stretch | None:
        with zones.warehouse.read() as session:
            return hierarchy.off(session, total, now=zones.now, limit_pct=limit_pct)

    assert found() is None
    zones.now += timedelta(minutes=5)
    measure(zones, {NORTH: 900}, hours=4)
    stretch = found()
    assert stretch is not None
    assert (stretch.first, stretch.last, stretch.hours) == (ORIGIN - 3 * HOUR, ORIGIN, 4)
    assert (stretch.total, stretch.parts) == (1000, 1300)
    assert stretch.percent == pytest.approx(30)
    assert found(limit_pct=31) is None
    measure(zones, {NORTH: 600}, hours=1, until=ORIGIN + HOUR)  # alone: no total, so it says nothing
    assert found() == stretch
    measure(zones, {TOTAL: 1000, SOUTH: 400}, hours=1, until=ORIGIN + HOUR)
    zones.now += HOUR
    assert found() is None


def test_the_alert_waits_some_hours_fires_once_and_clears(zones: Desk) -> None:
    zones.now += timedelta(minutes=5)
    measure(zones, {NORTH: 900}, hours=3)
    assert set(bad(zones, "parts_off")) == {TOTAL}
    assert judged(zones, ["parts_off"]) == []
    measure(zones, {TOTAL: 1000, NORTH: 900, SOUTH: 400}, hours=5, until=ORIGIN + 5 * HOUR)
    zones.now += 5 * HOUR
    (flip,) = judged(zones, ["parts_off"])
    assert flip.subject == TOTAL
    assert "its 2 parts add up to 1,300.0 MW" in flip.message
    assert "(+30.0 %), and so for 8 hours" in flip.message
    assert judged(zones, ["parts_off"]) == []
    measure(zones, {TOTAL: 1000, NORTH: 600, SOUTH: 400}, hours=1, until=ORIGIN + 6 * HOUR)
    zones.now += HOUR
    assert words(judged(zones, ["parts_off"])) == [("resolved", TOTAL)]


def test_a_target_without_parts_is_never_off(desk: Desk) -> None:
    assert bad(desk, "parts_off", limit=0) == {}
    with desk.warehouse.read() as session:
        assert hierarchy.off(session, desk.target, now=desk.now, limit_pct=0) is None


def test_a_part_that_goes_silent_neither_opens_nor_closes_the_alert(zones: Desk) -> None:
    zones.now += timedelta(minutes=5)
    measure(zones, {NORTH: 900}, hours=2)
    zones.now += 9 * HOUR
    measure(zones, {TOTAL: 1000, SOUTH: 400}, hours=9, until=ORIGIN + 9 * HOUR)
    assert "Nothing newer can be compared: demo.north sent no hour since." in bad(zones, "parts_off")[TOTAL].message
    assert judged(zones, ["parts_off"]) == []  # only two hours are known to be off
    measure(zones, {NORTH: 900}, hours=9, until=ORIGIN + 9 * HOUR)
    assert [flip.state for flip in judged(zones, ["parts_off"])] == ["firing"]
    zones.now += 60 * HOUR
    measure(zones, {TOTAL: 1000, SOUTH: 400}, hours=60, until=ORIGIN + 69 * HOUR)
    assert judged(zones, ["parts_off"]) == []
    assert bad(zones, "parts_off")[TOTAL].evidence["silent"] == [NORTH]
    measure(zones, {NORTH: 600}, hours=60, until=ORIGIN + 69 * HOUR)
    assert words(judged(zones, ["parts_off"])) == [("resolved", TOTAL)]


def test_a_silent_total_is_named_and_a_part_that_never_spoke_compares_nothing(zones: Desk) -> None:
    zones.now += timedelta(minutes=5)
    measure(zones, {NORTH: 900}, hours=2)
    zones.now += 5 * HOUR
    measure(zones, {NORTH: 900, SOUTH: 400}, hours=5, until=ORIGIN + 5 * HOUR)
    assert bad(zones, "parts_off")[TOTAL].evidence["silent"] == [TOTAL]
    (market,) = zones.markets.values()
    total = replace(market.targets[0], parts=(NORTH, "demo.none"))
    with zones.warehouse.read() as session:
        assert hierarchy.off(session, total, now=zones.now, limit_pct=10) is None
