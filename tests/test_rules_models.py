"""Each rule about models fires and clears when scores, drift, versions or files change, once each way."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline import erring
from pipeline.configuring.markets import load_markets
from pipeline.markets import Event, Target
from pipeline.operations import Tuning
from pipeline.rules.models import margin_points
from tests.alarms import bad, judged, script, tuned, utc, words
from tests.conftest import NOW, Desk, ask, desk_in
from tests.filler import fill

DAY = timedelta(days=1)
WEEK = utc(NOW - 7 * DAY)


@pytest.fixture
def scored(tmp_path: Path) -> Desk:
    """35 days of scored issues, three versions with their files."""
    fill(tmp_path / "warehouse.duckdb", NOW)
    desk = desk_in(tmp_path)
    script(desk, "DELETE FROM alert_flips")
    return desk


def changed(desk: Desk, **policy: Any) -> Desk:
    """The desk with another policy of its target, or events."""
    (market,) = desk.markets.values()
    events = policy.pop("events", ())
    targets = tuple(replace(one, policy=replace(one.policy, **policy), events=events) for one in market.targets)
    desk.markets = {market.id: replace(market, targets=targets)}
    return desk


def seldom(desk: Desk, horizons: tuple[int, ...], every_h: int) -> Target:
    """The desk's target with fewer hours ahead and issues, and only the scores that are left of them."""
    (market,) = desk.markets.values()
    policy = replace(market.targets[0].policy, mae_limit=1.0)
    target = replace(market.targets[0], horizons=horizons, every=timedelta(hours=every_h), policy=policy)
    desk.markets = {market.id: replace(market, targets=(target,))}
    script(desk, f"DELETE FROM accuracy WHERE horizon > {horizons[-1]} OR hour(origin) % {every_h} > 0")
    return target


@pytest.mark.parametrize(("horizons", "every_h"), [((1, 2), 1), ((1, 2, 3, 4, 5, 6), 6), ((1, 2, 3), 12)])
def test_few_hours_ahead_or_seldom_issues_are_watched_too(
    scored: Desk, horizons: tuple[int, ...], every_h: int
) -> None:
    target = seldom(scored, horizons, every_h)
    script(scored, f"UPDATE accuracy SET error = 3 * error, in_band = in_band AND false WHERE origin >= {WEEK}")
    script(scored, "UPDATE accuracy SET in_band = false WHERE in_band IS NOT NULL AND issuer = 'sextant'")
    assert set(bad(scored, "error_up")) == set(bad(scored, "error_limit")) == {"demo.load"}
    assert set(bad(scored, "coverage_off")) == {"demo.load"}
    usual = replace(target, horizons=(1, 2, 3, 4, 5, 6), every=timedelta(hours=1))
    assert erring.change(scored.warehouse, target, NOW) is not None
    assert erring.change(scored.warehouse, usual, NOW) is None


def test_a_sound_desk_has_no_alert_about_its_models(scored: Desk) -> None:
    names = ["error_up", "error_limit", "coverage_off", "drift", "model_old", "model_unserved", "artifact_damaged"]
    assert judged(scored, names) == []


def test_error_up_fires_and_clears_once(scored: Desk) -> None:
    script(scored, f"UPDATE accuracy SET error = 1.5 * error WHERE origin >= {WEEK}")
    (flip,) = judged(scored, ["error_up"])
    assert flip.subject == "demo.load"
    assert "above the" in flip.message
    assert "of the 28 days before on the same hours of day; 20% is allowed (n = 975)." in flip.message
    assert bad(scored, "error_up", limit=5) == {}
    assert judged(scored, ["error_up"]) == []
    script(scored, f"UPDATE accuracy SET error = error / 1.5 WHERE origin >= {WEEK}")
    assert words(judged(scored, ["error_up"])) == [("resolved", "demo.load")]


def test_error_up_near_its_limit_does_not_flap(scored: Desk) -> None:
    change = 1.0
    seen = []
    for factor in (1.30, 1.185, 1.26, 1.05):
        script(scored, f"UPDATE accuracy SET error = {factor / change} * error WHERE origin >= {WEEK}")
        change = factor
        seen.append([flip.state for flip in judged(scored, ["error_up"])])
    assert seen == [["firing"], [], [], ["resolved"]]


def test_error_limit_is_the_targets_own(scored: Desk) -> None:
    mae = float(
        ask(scored, f"SELECT avg(abs(error)) AS m FROM accuracy WHERE issuer = 'sextant' AND origin >= {WEEK}").m[0]
    )
    assert bad(changed(scored, mae_limit=1.1 * mae, mape_limit_pct=50.0), "error_limit") == {}
    (flip,) = judged(changed(scored, mae_limit=0.9 * mae), ["error_limit"])
    assert "over the last 7 days as issued (n = 9" in flip.message
    assert f"MAE {mae:,.1f} MW, limit {0.9 * mae:,.1f}." in flip.message
    assert "MAPE" not in flip.message
    assert judged(changed(scored, mae_limit=mae), ["error_limit"]) == []
    assert words(judged(changed(scored, mae_limit=2 * mae), ["error_limit"])) == [("resolved", "demo.load")]


def test_a_mape_limit_counts_in_percent_and_few_scores_are_no_evidence(scored: Desk) -> None:
    (one,) = bad(changed(scored, mape_limit_pct=0.1), "error_limit").values()
    assert "MAPE " in one.message
    assert " %, limit 0.1." in one.message
    script(scored, f"DELETE FROM accuracy WHERE origin < {utc(NOW - timedelta(hours=16))}")
    assert bad(scored, "error_limit") == {}


def test_declared_events_do_not_count_against_a_limit(scored: Desk) -> None:
    script(scored, f"UPDATE accuracy SET error = 1e5 WHERE valid_at >= {utc(NOW - 2 * DAY)}")
    assert set(bad(changed(scored, mae_limit=2000.0), "error_limit")) == {"demo.load"}
    event = Event(NOW - 2 * DAY, NOW + DAY, "a blackout")
    assert bad(changed(scored, mae_limit=2000.0, events=(event,)), "error_limit") == {}


def test_limits_are_read_from_the_configuration(desk: Desk) -> None:
    path = desk.settings.config
    text = path.read_text().replace(
        "[market.demo.target.load]", "[market.demo.target.load]\nmape_limit_pct = 2\nmae_limit = 400"
    )
    path.write_text(text)
    policy = load_markets(path, ("demo",))["demo"].targets[0].policy
    assert (policy.mape_limit_pct, policy.mae_limit) == (2, 400)


def test_coverage_off_fires_and_clears_once(scored: Desk) -> None:
    inside = "in_band IS NOT NULL AND issuer = 'sextant'"
    script(
        scored,
        f"CREATE TABLE kept AS FROM accuracy; UPDATE accuracy SET in_band = in_band AND horizon > 2 WHERE {inside}",
    )
    (flip,) = judged(scored, ["coverage_off"])
    assert "of the actuals of the last 14 days lay in the 80 % band, too narrow (n = 1," in flip.message
    script(scored, f"UPDATE accuracy SET in_band = true WHERE {inside}")
    assert "100 % of the actuals" in bad(scored, "coverage_off")["demo.load"].message
    assert judged(scored, ["coverage_off"]) == []
    script(scored, "DELETE FROM accuracy; INSERT INTO accuracy FROM kept")
    assert words(judged(scored, ["coverage_off"])) == [("resolved", "demo.load")]


def test_what_chance_explains_is_no_coverage_alert(scored: Desk) -> None:
    assert 4 < margin_points(2016) < 5
    script(scored, f"DELETE FROM accuracy WHERE origin < {utc(NOW - timedelta(hours=29))}")
    script(scored, "UPDATE accuracy SET in_band = horizon < 5 WHERE issuer = 'sextant'")
    assert bad(scored, "coverage_off") == {}
    assert bad(scored, "coverage_off", limit=0) == {}


def test_drift_fires_and_clears_once(scored: Desk) -> None:
    script(scored, "UPDATE drift SET drifted = true, effect = 2.5 WHERE subject IN ('level', 'T+1')")
    (flip,) = judged(scored, ["drift"])
    assert flip.severity == "info"
    assert "watched distributions drifted in a week: feature level by 2.5 SD, prediction T+1 by 2.5 SD" in flip.message
    script(
        scored,
        "INSERT INTO drift SELECT * REPLACE ('newer' AS run_id, false AS drifted, checked_at + INTERVAL 1 DAY"
        " AS checked_at) FROM drift",
    )
    scored.now += timedelta(days=1)
    assert words(judged(scored, ["drift"])) == [("resolved", "demo.load")]


def test_model_old_fires_after_its_grace_and_clears_with_a_new_version(scored: Desk) -> None:
    scored.now += 8 * DAY
    assert judged(scored, ["model_old"]) == []
    scored.now += 2 * DAY
    (flip,) = judged(scored, ["model_old"])
    assert "demo.load: demo.load-v3 was trained 13 days ago, 10 are wanted." in flip.message
    assert flip.since == NOW + 9 * DAY
    assert bad(scored, "model_old", limit=5) == {}
    script(scored, f"UPDATE model_versions SET as_of = {utc(scored.now)} WHERE version_id = 'demo.load-v3'")
    assert words(judged(scored, ["model_old"])) == [("resolved", "demo.load")]


def test_model_unserved_fires_after_three_fallbacks_that_are_not_for_want_of_data(scored: Desk) -> None:
    newest = (
        "mode = 'live' AND issuer = 'sextant' AND origin >= (SELECT max(origin) FROM predictions) - INTERVAL {} HOUR"
    )
    change = "UPDATE predictions SET status = 'fallback', version_id = 'naive', reason = '{}' WHERE "
    why = "demo.load-v3 is of another feature set or family; retrain"
    assert bad(scored, "model_unserved", limit=1) == {}
    script(scored, change.format(why) + newest.format(1))
    assert judged(scored, ["model_unserved"]) == []
    script(scored, change.format(why) + newest.format(2))
    (flip,) = judged(scored, ["model_unserved"])
    assert (flip.subject, flip.severity) == ("demo.load", "warning")
    assert f"3 issues are fallbacks or withheld: {why}. Retrain, " in flip.message
    script(scored, change.format("stale data: the last 2 hours of actuals are missing") + newest.format(2))
    assert words(judged(scored, ["model_unserved"])) == [("resolved", "demo.load")]
    script(scored, change.format(why) + newest.format(0))
    assert bad(scored, "model_unserved") != {}
    script(scored, "UPDATE predictions SET status = 'ok' WHERE " + newest.format(0))
    assert bad(scored, "model_unserved") == {}


def test_artifact_damaged_fires_for_a_flipped_bit_and_a_missing_file_and_clears(scored: Desk) -> None:
    files = dict(
        ask(scored, "SELECT version_id, artifact FROM model_versions WHERE artifact <> ''").itertuples(index=False)
    )
    live, shadow = (scored.settings.models / files[f"demo.load-v{number}"] for number in (3, 2))
    kept = live.read_bytes()
    live.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    (flip,) = judged(scored, ["artifact_damaged"])
    assert (flip.subject, flip.severity) == ("demo.load-v3", "critical")
    assert "was changed since training; roll back or retrain." in flip.message
    shadow.rename(shadow.with_suffix(".away"))
    (flip,) = judged(scored, ["artifact_damaged"])
    assert (flip.subject, flip.severity) == ("demo.load-v2", "warning")
    live.write_bytes(kept)
    shadow.with_suffix(".away").rename(shadow)
    found = judged(scored, ["artifact_damaged"])
    assert words(found) == [("resolved", "demo.load-v2"), ("resolved", "demo.load-v3")]
    assert "its file is the registered one again" in found[0].message


def test_without_a_model_the_rules_are_silent(desk: Desk) -> None:
    for name in ("error_up", "error_limit", "coverage_off", "drift", "model_old", "model_unserved", "artifact_damaged"):
        assert bad(desk, name) == {}
    assert judged(desk, ["drift"], operations=tuned(drift=Tuning(limit=3))) == []
