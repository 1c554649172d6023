"""markets: inputs, events and policies as written in sextant.toml, and what is refused in one sentence."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.access import ACCESS
from pipeline.configuring import tables as keys_of
from pipeline.configuring.markets import check, load_markets
from pipeline.errors import ConfigError
from pipeline.markets import METRICS, Market, Place, Policy, Target
from pipeline.operations import ALERT, CHANNEL, JOB, RETENTION, load_operations
from pipeline.settings import ROOT
from tests.configured import BASE, written

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
        ('error_up_pct = "much"', 'error_up_pct "much"'),
        ("keep_versions = 0", "keep_versions 0"),
        ("shadow_versions = true", "shadow_versions true"),
        ("oldest_days = inf", "oldest_days inf"),
        ("deep_every_days = 0", "deep_every_days 0"),
    ],
)
def test_a_wrong_target_is_refused_by_name(tmp_path: Path, lines: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        _target(tmp_path, lines)
    assert str(refused.value).startswith("sextant.toml:")
    assert "market.demo.target.load has " in str(refused.value)


@pytest.mark.parametrize(
    ("first", "last", "reason", "words"),
    [
        ("2026-03-01T10:00:00", "2026-03-02T00:00:00Z", "A strike", "offset"),
        ("2026-03-01", "2026-03-02T00:00:00Z", "A strike", "offset"),
        ("2026-03-02T00:00:00Z", "2026-03-01T00:00:00Z", "A strike", "ends before it begins"),
        ("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z", " ", "has reason"),
    ],
)
def test_a_wrong_event_is_refused(tmp_path: Path, first: str, last: str, reason: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        _target(tmp_path, event=EVENT.format(first, last, reason))


def test_an_input_coarser_than_an_hour_is_refused(tmp_path: Path) -> None:
    price = '[market.demo.series.price]\ntitle = "Day-ahead price"\nkind = "price"\nunit = "EUR/MWh"\ncadence_min = '
    with pytest.raises(ConfigError, match=r"price has cadence_min 180; use minutes that divide an hour"):
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
        ("flat_min = true", "flat_min true"),
        ("flat_min = inf", "flat_min inf"),
        ('jump = "big"', 'jump "big"; write a number of the series. unit above 0'),
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


def _north(tmp_path: Path, *changes: tuple[str, str]) -> Market:
    text = BASE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return load_markets(written(tmp_path, text), ("north",))["north"]


def test_places_currency_link_and_folder_are_read(tmp_path: Path) -> None:
    link = 'currency = "USD"\nstatus_url = "https://status.example.org"\nfolder = "data"'
    market = _north(tmp_path, ('currency = "EUR"', link), ("EUR/MWh", "USD/MWh"), ("EUR/MWh", "USD/MWh"))
    warm = next(one for one in market.series if one.id == "north.warm")
    assert (market.currency, market.status_url) == ("USD", "https://status.example.org")
    assert warm.places == (Place("city", 40.4, -3.7, 2.0),)
    assert {(one.folder, one.zone) for one in market.series} == {(tmp_path / "data", "Europe/Madrid")}


def test_a_spread_has_legs_bounds_and_metrics_of_its_own(tmp_path: Path) -> None:
    spread = next(one for one in _north(tmp_path).targets if one.id == "north.dart")
    assert [leg.id for leg in spread.legs] == ["north.early", "north.late"]
    assert (spread.minimum, spread.maximum) == (-4500, 4500)
    assert spread.metrics == METRICS["spread"]
    assert not {"mape", "mase"} & set(spread.metrics)


def test_what_a_target_may_say_is_read(tmp_path: Path) -> None:
    more = 'metrics = ["mae", "skill"]\nhorizons = [1, 2, 3]\nevery_h = 6\nissue_delay_min = 5\nissue_grace_min = 20'
    market = _north(tmp_path, ('title = "Half"', f'title = "Half"\nmae_limit = 9\n{more}'))
    system, half = market.targets[:2]
    assert (half.horizons, half.every, half.metrics) == ((1, 2, 3), timedelta(hours=6), ("mae", "skill"))
    assert (half.issue_delay, half.issue_grace) == (timedelta(minutes=5), timedelta(minutes=20))
    assert (half.policy.mae_limit, half.series.id) == (9, "north.load")
    assert system.parts == ("north.half",)
    assert (system.horizons, system.every) == ((1, 2, 3, 4, 5, 6), timedelta(hours=1))


def test_a_target_that_is_off_is_not_there_and_check_names_it(tmp_path: Path) -> None:
    text = BASE.replace('title = "DART"', 'title = "DART"\noff = true')
    path = written(tmp_path, text)
    assert [one.id for one in load_markets(path, ("north",))["north"].targets] == ["north.load", "north.half"]
    assert check(path).off == ("north.dart",)


def test_what_the_repository_ships_is_sound() -> None:
    found = check(ROOT / "sextant.toml")
    assert found.mistakes == ()
    assert {"demo", "es"} <= set(found.markets)


def test_the_shipped_file_names_every_key_once_at_its_head() -> None:
    head = (ROOT / "sextant.toml").read_text(encoding="utf-8").partition("\n[market.demo]")[0]
    words = set(re.findall(r"\w+", head))
    market = (keys_of.MARKET, keys_of.PLACE, keys_of.SERIES, keys_of.TARGET, keys_of.EVENT)
    tables = (*market, JOB, ALERT, CHANNEL, RETENTION, ACCESS)
    assert [key for keys in tables for key in keys if key not in words] == []


def test_general_tables_are_read_with_their_units(tmp_path: Path) -> None:
    job = 'at = "03:30"\nzone = "Europe/Madrid"\nmissed = "skip"\njitter_s = 90\ndeadline_min = 20\ntries = 2'
    alert = 'limit = 60\nafter_min = 10\nseverity = "critical"\nescalate_min = 30\noff = false'
    text = BASE.replace('at = "03:30"', job).replace("limit = 60", alert)
    found = load_operations(written(tmp_path, text))
    plan, rule = found.jobs["train"], found.alerts["stale_data"]
    assert (plan.at, plan.zone, plan.missed, plan.tries) == ("03:30", "Europe/Madrid", "skip", 2)
    assert (plan.jitter, plan.deadline) == (timedelta(seconds=90), timedelta(minutes=20))
    assert (rule.limit, rule.after, rule.severity) == (60.0, timedelta(minutes=10), "critical")
    assert (rule.escalate, rule.off) == (timedelta(minutes=30), False)
    assert (found.channels, found.retention.logs) == ({"log": "warning"}, timedelta(days=30))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "there is no market"),
        ("market = 5", 1, "market is 5; write tables"),
        ("x = 1\n[market]\na = 5", 3, "market.a is 5; write it as a table"),
        ("[market.a]\nseries = 5\ntarget = []", 2, "market.a.series is 5; write tables"),
        ("[market.a.series]\n[market.a.target]", 1, "market.a has no series; describe at least one"),
        ("\n[market.a.series.b]\n", 2, "market.a.series.b lacks title"),
        ("[market.a.target.b]\noff = true\ntitle = 'x'", 1, "market.a has no target that is on"),
        ("a = [\n 1,\n 2]\n\n[access]\nadmin = [\n]\nviewr = []", 8, "access: viewr is unknown; did you mean viewer?"),
    ],
)
def test_a_table_of_another_shape_is_a_mistake_too(tmp_path: Path, text: str, line: int, words: str) -> None:
    found = check(written(tmp_path, text)).mistakes
    assert [one for one in found if one.startswith(f"sextant.toml:{line}: {words}")], found


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"\xff\xfe", "sextant.toml is not in UTF-8"),
        (b"x = 1\nx = 2\n", r"sextant.toml:2: Cannot overwrite a value (column 6); each key may stand once"),
        (b'x = """\nabc\n', r"sextant.toml:1: Unterminated string; close the quotes"),
        (b"[market.a\n", r"sextant.toml:1: Expected ']' at the end of a table declaration"),
    ],
)
def test_a_file_that_is_no_toml_is_one_sentence(tmp_path: Path, raw: bytes, words: str) -> None:
    (tmp_path / "sextant.toml").write_bytes(raw)
    with pytest.raises(ConfigError) as refused:
        load_markets(tmp_path / "sextant.toml", ("a",))
    assert str(refused.value).startswith(words)
    with pytest.raises(ConfigError, match=r"no\.toml cannot be read \(No such file or directory\)"):
        load_markets(tmp_path / "no.toml", ("a",))
