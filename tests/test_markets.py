"""markets: inputs, events and policies as written in sextant.toml, and what is refused in one sentence."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.configuring.markets import load_markets
from pipeline.errors import ConfigError
from pipeline.markets import Market, Policy, Target
from pipeline.settings import ROOT

TARGET = '[market.demo.target.load]\ntitle = "Demand"\noperator = "load_forecast"\n'
EVENT = '[[market.demo.event]]\nfirst = {}\nlast = {}\nreason = "{}"\n'


def _target(tmp_path: Path, lines: str = "", event: str = "", change: tuple[str, str] = ("", "")) -> Target:
    """The demo market's target with `lines` instead of its own inputs."""
    text = (ROOT / "sextant.toml").read_text(encoding="utf-8").replace(*change)
    before, _, after = text.partition("[market.demo.target.load]")
    after = after[after.index("\n[") :]
    path = tmp_path / "sextant.toml"
    path.write_text(f"{before}{TARGET}{lines}\n{event}{after}", encoding="utf-8")
    return load_markets(path, ("demo",))["demo"].targets[0]


def test_an_input_knows_its_key_and_whether_it_speaks_in_the_targets_unit(tmp_path: Path) -> None:
    inputs = _target(tmp_path, 'inputs = ["load_forecast", "temperature_forecast", "price"]').inputs
    assert [(one.key, one.kind, one.own_unit) for one in inputs] == [
        ("load_forecast", "forecast", True),
        ("temperature_forecast", "forecast", False),
        ("price", "price", False),
    ]
    assert inputs[0].id == "demo.load_forecast"


def test_without_a_word_there_are_no_inputs_no_events_and_the_usual_policy(tmp_path: Path) -> None:
    target = _target(tmp_path)
    assert (target.inputs, target.events, target.policy) == ((), (), Policy())


def test_a_policy_is_read_in_percent_and_days(tmp_path: Path) -> None:
    policy = _target(
        tmp_path, 'promotion = "must_win"\nclearly_worse_pct = 3\nerror_up_pct = 50\noldest_days = 2'
    ).policy
    assert (policy.promotion, policy.oldest) == ("must_win", timedelta(days=2))
    assert (policy.clearly_worse, policy.error_up) == pytest.approx((1.03, 1.5))


def test_a_declared_event_has_aware_times_and_a_reason(tmp_path: Path) -> None:
    event = EVENT.format("2026-03-01T10:00:00Z", "2026-03-02T00:00:00+01:00", "A strike")
    (read,) = _target(tmp_path, event=event).events
    assert (read.first, read.reason) == (datetime(2026, 3, 1, 10, tzinfo=UTC), "A strike")
    assert read.last == datetime(2026, 3, 1, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('inputs = ["oracle"]', "oracle"),
        ('inputs = "price"', "list"),
        ('inputs = ["price", "price"]', "once"),
        ('inputs = ["load"]', "itself"),
        ('kind = "fruit"', "fruit"),
        ('promotion = "sometimes"', "sometimes"),
        ("clearly_worse_pct = -1", "clearly_worse_pct -1"),
        ('error_up_pct = "much"', "error_up_pct 'much'"),
        ("keep_versions = 0", "keep_versions 0"),
        ("shadow_versions = true", "shadow_versions True"),
        ("oldest_days = inf", "oldest_days inf"),
        ("deep_every_days = 0", "deep_every_days 0"),
    ],
)
def test_a_wrong_target_is_refused_by_name(tmp_path: Path, lines: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        _target(tmp_path, lines)
    assert str(refused.value).startswith("sextant.toml: market.demo")


@pytest.mark.parametrize(
    ("first", "last", "reason", "words"),
    [
        ("2026-03-01T10:00:00", "2026-03-02T00:00:00Z", "A strike", "offset"),
        ("2026-03-01", "2026-03-02T00:00:00Z", "A strike", "offset"),
        ("2026-03-02T00:00:00Z", "2026-03-01T00:00:00Z", "A strike", "ends before it begins"),
        ("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z", " ", "needs a reason"),
    ],
)
def test_a_wrong_event_is_refused(tmp_path: Path, first: str, last: str, reason: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        _target(tmp_path, event=EVENT.format(first, last, reason))


def test_an_input_coarser_than_an_hour_is_refused(tmp_path: Path) -> None:
    price = '[market.demo.series.price]\ntitle = "Day-ahead price"\nkind = "price"\nunit = "EUR/MWh"\ncadence_min = '
    with pytest.raises(ConfigError, match=r"demo\.price of target load needs a cadence_min"):
        _target(tmp_path, 'inputs = ["price"]', change=(f"{price}60", f"{price}180"))


def _series(tmp_path: Path, lines: str) -> Market:
    path = tmp_path / "sextant.toml"
    text = (ROOT / "sextant.toml").read_text(encoding="utf-8")
    path.write_text(text.replace('keys = { demo = "load" }', f'keys = {{ demo = "load" }}\n{lines}'), encoding="utf-8")
    return load_markets(path, ("demo",))["demo"]


def test_measured_series_may_stand_still_for_an_hour_or_six_intervals(tmp_path: Path) -> None:
    found = {one.id: (one.flat, one.jump) for one in _series(tmp_path, "").series}
    assert found["demo.load"] == (timedelta(hours=1), None)
    assert found["demo.temperature"] == (timedelta(hours=6), None)
    assert found["demo.price"] == found["demo.load_forecast"] == (None, None)
    assert _series(tmp_path, "flat_min = 0\njump = 900").series[0].flat is None
    assert _series(tmp_path, "flat_min = 30\njump = 900").series[0].jump == 900


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("flat_min = 5", "flat_min 5; use two intervals or more"),
        ("flat_min = true", "flat_min True"),
        ("flat_min = inf", "flat_min inf"),
        ('jump = "big"', "jump 'big'; use a number of MW above 0"),
        ("jump = 0", "jump 0"),
    ],
)
def test_wrong_limits_of_a_series_are_refused_by_name(tmp_path: Path, lines: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        _series(tmp_path, lines)


@pytest.mark.parametrize("url", ["demanda.ree.es", "ftp://example.org", "javascript:alert(1)", "https://"])
def test_a_status_link_is_a_web_address(tmp_path: Path, url: str) -> None:
    path = tmp_path / "sextant.toml"
    text = (ROOT / "sextant.toml").read_text(encoding="utf-8")
    path.write_text(text.replace("https://demanda.ree.es/", url), encoding="utf-8")
    with pytest.raises(ConfigError, match="status_url"):
        load_markets(path, ("es",))
