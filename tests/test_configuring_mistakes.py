"""configuring: each typical mistake in sextant.toml is one sentence with file, line and the way to mend it."""

from pathlib import Path

import pytest

from pipeline.configuring.markets import check, load_markets
from pipeline.errors import ConfigError
from tests.configured import BASE, written

LOAD, PLAN, WARM = "market.north.series.load", "market.north.series.plan", "market.north.series.warm"
TARGET, DART = "market.north.target.load", "market.north.target.dart"
HAVE = "early, late, load, plan, warm"
PLACES = "[market.north.place.city]"
# (what is replaced, by what, what the line of the mistake begins with, the sentence)
MISTAKES = [
    ("zone =", "zome =", "zome", 'market.north: zome is unknown; did you mean zone?'),
    ('"Europe/Madrid"', '"Europe/Atlantis"', "zone",
     'market.north has zone "Europe/Atlantis"; write a time zone such as "Europe/Madrid" or "UTC".'),
    ('"ES"', '"Spain"', "country", 'market.north has country "Spain"; write an ISO code such as "ES" or "US-CA".'),
    ('"ES"', '"es"', "country",
     'market.north has country "es"; write an ISO code such as "ES" or "US-CA", did you mean ES?'),
    ('"ES"', '"AT-XX"', "country", 'market.north has country "AT-XX"; of AT there are 1, 2, 3, 4, 5, 6, 7, 8, 9.'),
    ('["demo", "weather"]', '["demo", "wether"]', "sources", 'market.north has source "wether"; did you mean weather?'),
    ('["demo", "weather"]', '"demo"', "sources",
     'market.north has sources "demo"; give a list that names each once, such as ["files"].'),
    ('["demo", "weather"]', '["demo", "weather", "files"]', "[market.north]",
     'market.north lacks folder; name where its files lie, such as folder = "data".'),
    ("history_days = 300", 'history_days = "all"', "history_days",
     'market.north has history_days "all"; write whole days such as 1100 (1 to 20000).'),
    ('currency = "EUR"', 'currency = "euro"', "currency",
     'market.north has currency "euro"; write three capitals of ISO 4217 such as "EUR".'),
    ('currency = "EUR"', 'status_url = "status.example.org"', "status_url",
     'market.north has status_url "status.example.org"; write an address such as "https://status.example.org", or '
     "leave it out."),
    ("latitude = 40.4", "latitude = 140.4", "latitude",
     "market.north.place.city has latitude 140.4; write degrees north from -90 to 90."),
    ("longitude = -3.7", "longitude = -183.7", "longitude",
     "market.north.place.city has longitude -183.7; write degrees east from -180 to 180."),
    ("weight = 2", "weight = 0", "weight", "market.north.place.city has weight 0; write a number above 0."),
    ('title = "Demand"\nkind', "kind", "[market.north.series.load]",
     f'{LOAD} lacks title; write text such as "Demand".'),
    ('"measured"\nunit = "MW"', '"mesured"\nunit = "MW"', 'kind = "mesured"',
     f'{LOAD} has kind "mesured"; use one of measured, forecast, price.'),
    ("cadence_min = 5\n", 'cadence_min = "five"\n', 'cadence_min = "five"',
     f'{LOAD} has cadence_min "five"; write whole minutes such as 5.'),
    ("cadence_min = 5\n", "cadnce_min = 5\ncadence_min = 5\n", "cadnce_min",
     f"{LOAD}: cadnce_min is unknown; did you mean cadence_min?"),
    ("cadence_min = 5\n", "cadence_min = 7\n", "cadence_min = 7",
     f"{LOAD} has cadence_min 7; use minutes that divide an hour, such as 5, 15 or 60."),
    ("cadence_min = 5\n", "cadence_min = 5\ndelay_min = -1\n", "delay_min",
     f"{LOAD} has delay_min -1; write minutes from 0 to 10080."),
    ("cadence_min = 5\n", "cadence_min = 5\nahead_h = 6\n", "ahead_h = 6",
     f"{LOAD} is measured and has ahead_h 6; take it out, or call it a forecast."),
    ("minimum = 0\nmaximum = 9000\nkeys = { demo = \"load\" }", "minimum = 9\nmaximum = 1\nkeys = { demo = \"load\" }",
     "minimum = 9", f"{LOAD} has minimum 9 and maximum 1; write the lower one first, or swap them."),
    ('keys = { demo = "load" }', 'keys = { esios = "1293" }', 'keys = { esios',
     f'{LOAD} has no key of a source of its market, demo, weather; add one such as keys = {{ demo = "..." }}.'),
    ('keys = { demo = "load" }', 'keys = { dmeo = "load" }', "keys = { dmeo",
     f'{LOAD} has a key for "dmeo", which is no source; did you mean demo?'),
    ('keys = { demo = "load" }', 'keys = "load"', 'keys = "load"',
     f'{LOAD} has keys "load"; write what each source calls it, such as keys = {{ files = "load" }}.'),
    ("ahead_h = 36\n", "", 'kind = "forecast"',
     f"{PLAN} is a forecast without ahead_h; write how many hours beyond now it is published, such as ahead_h = 36, "
     "or call it measured."),
    ('places = ["city"]\n', "", 'keys = { weather',
     f'{WARM} is weather without places; write places = ["NAME"] and describe each as [market.north.place.NAME].'),
    ('places = ["city"]', 'places = ["citty"]', "places",
     f'{WARM} has place "citty", which the market has not; did you mean city?'),
    ('unit = "EUR/MWh"\ncadence_min = 60', 'unit = "USD/MWh"\ncadence_min = 60', 'unit = "USD/MWh"',
     'market.north.series.early is a price with unit "USD/MWh"; begin it with the market\'s currency, as in '
     '"EUR/MWh", or mend the currency. And 1 more: run `python jobs.py check-config`.'),
    ('operator = "plan"', 'operator = "plna"', "operator",
     f'{TARGET} has operator "plna", which is no series of its market; did you mean plan?'),
    ('operator = "plan"', 'operator = "warm"', "operator",
     f'{TARGET} has an operator in "degC" and a series in "MW"; both need one unit.'),
    ('operator = "plan"', 'operator = "load"', "operator",
     f'{TARGET} has operator "load", which is measured; name a forecast or a price.'),
    ('inputs = ["plan", "warm"]', 'inputs = ["plan", "plan"]', "inputs",
     f'{TARGET} has inputs ["plan", "plan"]; give a list that names each once, such as ["load_forecast"].'),
    ('inputs = ["plan", "warm"]', 'inputs = ["oracle"]', "inputs",
     f'{TARGET} has input "oracle", which is no series of its market; there are {HAVE}.'),
    ('inputs = ["plan", "warm"]', 'inputs = ["load"]', "inputs",
     f'{TARGET} has itself as an input; take "load" out, a model sees its past anyway.'),
    ('operator = "plan"\ninputs = ["plan", "warm"]', 'series = "plan"', "series",
     f"{TARGET} has a forecast as its series; a target is learned from what was measured, so name that series."),
    ('operator = "plan"', 'kind = "laod"', 'kind = "laod"',
     f'{TARGET} has kind "laod"; use one of load, price, spread, generation.'),
    ('parts = ["half"]\n\n[market.north.target.half]\ntitle = "Half"\nseries = "load"',
     '[market.north.target.half]\ntitle = "Half"\nseries = "late"', "[market.north.target.half]",
     'market.north.target.half is of kind load but its series is in "EUR/MWh"; use one in W, kW, MW, GW, or another '
     "kind."),
    ('operator = "plan"', 'kind = "price"', 'kind = "price"\ninputs',
     f'{TARGET} is a price but its series is in "MW"; choose a series in EUR/MWh, or another kind.'),
    ('operator = "plan"', 'minuend = "plan"', "minuend",
     f'{TARGET} has a minuend but is of kind load; write kind = "spread", or take it out. And 1 more: run '
     "`python jobs.py check-config`."),
    ('minuend = "early"\n', "", 'kind = "spread"',
     f'{DART} is a spread without minuend; write minuend = "SERIES", the one that its series is taken from.'),
    ('minuend = "early"', 'minuend = "load"', "minuend",
     f'{DART} takes "EUR/MWh" from "MW"; both series need one unit.'),
    ('minuend = "early"', 'minuend = "late"', "minuend",
     f"{DART} has its own series as minuend; the spread would always be 0, so name another."),
    ('minuend = "early"', 'minuend = "early"\nmetrics = ["mae", "mape"]', "metrics",
     f'{DART} has metric "mape" but is a spread: a percentage of a price near 0 says nothing; take it out and look at '
     "mae."),
    ('minuend = "early"', 'minuend = "early"\nmape_limit_pct = 3', "mape_limit_pct",
     f"{DART} has mape_limit_pct but is a spread: a percentage of a price near 0 says nothing; take it out and use "
     "mae_limit."),
    ('operator = "plan"', 'metrics = ["hit_rate"]', "metrics",
     f'{TARGET} has metric "hit_rate", which does not suit a load; use mae, rmse, mape, bias, mase, skill, coverage.'),
    ('operator = "plan"', 'metrics = ["maee"]', "metrics", f'{TARGET} has metric "maee"; did you mean mae?'),
    ('operator = "plan"', "every_h = 5", "every_h",
     f"{TARGET} has every_h 5; use hours that divide a day: one of 1, 2, 3, 4, 6, 8, 12, 24."),
    ('operator = "plan"', "horizons = [1, 3]", "horizons",
     f"{TARGET} has horizons [1, 3]; write the hours ahead from 1 on without a hole, such as [1, 2, 3, 4, 5, 6]."),
    ('operator = "plan"', 'promotion = "sometimes"', "promotion",
     f'{TARGET} has promotion "sometimes"; use one of auto, must_win, manual, never.'),
    ('operator = "plan"', 'mae_limit = "500 MW"', "mae_limit",
     f'{TARGET} has mae_limit "500 MW"; write a number of at least 0.001.'),
    ('operator = "plan"', 'off = "yes"', "off", f'{TARGET} has off "yes"; write true or false.'),
    ('parts = ["half"]', 'parts = ["load"]', "parts", f'{TARGET} has itself among its parts; take "load" out.'),
    ('parts = ["half"]', 'parts = ["dart"]', "parts",
     f'{TARGET} has part "dart" in "EUR/MWh" and is in "MW"; a sum needs one unit.'),
    ('parts = ["half"]', 'parts = ["hafl"]', "parts",
     f'{TARGET} has part "hafl", which is no target; did you mean half?'),
    ('title = "Half"', 'title = "Half"\noff = true', "parts",
     f'{TARGET} has part "half", which is off; switch it on, or take it out of parts.'),
    ('title = "Half"', 'title = "Half"\nparts = ["load"]', 'parts = ["half"]',
     f"{TARGET} is a part of its own parts; take one of them out. And 1 more: run `python jobs.py check-config`."),
    ('title = "Half"\nseries = "load"', 'title = "Half"', "[market.north.target.half]",
     f"market.north.target.half lacks series and no series is called half; name one of {HAVE}."),
    ("last = 2026-03-02", "last = 2026-02-02", "last",
     "market.north.event.0 ends before it begins; swap first and last."),
    ("first = 2026-03-01T10:00:00Z", "first = 2026-03-01T10:00:00", "first",
     "market.north.event.0 has first 2026-03-01T10:00:00; write a time with its offset, such as 2026-03-01T10:00:00Z."),
    ("[[market.north.event]]", "[market.north.event]", "[market.north.event]",
     "market.north.event is one table; write it with two brackets, [[market.north.event]]."),
    ("[market.north.series.load]", '[market.north.series."lo.ad"]', '[market.north.series."lo.ad"]',
     'market.north.series."lo.ad" is no name; use letters, digits, _ and - only. And 2 more: run `python jobs.py '
     "check-config`."),
    ("[job.train]", "[job.trian]", "[job.trian]", "job.trian is no job; did you mean train?"),
    ('at = "03:30"', 'at = "25:30"', "at", 'job.train has at "25:30"; write a time of day such as "03:30".'),
    ('at = "03:30"', "every_min = 0", "every_min", "job.train has every_min 0; write minutes above 0 and up to 10080."),
    ("[alert.stale_data]", "[alert.stale_date]", "[alert.stale_date]",
     "alert.stale_date is no rule; did you mean stale_data?"),
    ("limit = 60", 'limit = "an hour"', 'limit = "an hour"',
     'alert.stale_data has limit "an hour"; write a number of at least 0.'),
    ("[channel.log]", "[channel.pager]", "[channel.pager]",
     "channel.pager is no channel; there are email, log, slack, teams, webhook."),
    ('least = "warning"', 'least = "worst"', "least",
     'channel.log has least "worst"; use one of info, warning, critical.'),
    ("logs_days = 30", "logs_day = 30", "logs_day", "retention: logs_day is unknown; did you mean logs_days?"),
    ('admin = ["ana@example.org"]', 'admin = "ana@example.org"', "admin",
     'access has admin "ana@example.org"; give a list that names each once, such as ["ana@example.org"].'),
    ("[access]", "[acess]", "[acess]", "acess is unknown; did you mean access?"),
    ("logs_days = 30", "logs_days = 0", "logs_days", "retention has logs_days 0; write days from 1 to 3650."),
    ("history_days = 300", "history_days = 99999999999999999999", "history_days",
     "market.north has history_days 99999999999999999999; write whole days such as 1100 (1 to 20000)."),
    ("ahead_h = 36", "ahead_h = 90000000", "ahead_h",
     f"{PLAN} has ahead_h 90000000; write hours from 0 to 1000."),
    ("cadence_min = 5\n", f"cadence_min = 5\ndelay_min = {10**20}\n", "delay_min",
     f"{LOAD} has delay_min {10**20}; write minutes from 0 to 10080."),
    ("cadence_min = 5\n", f"cadence_min = 5\njump = {10**400}\n", "jump",
     f"{LOAD} has jump {str(10**400)[:57]}...; write a number of the series' unit above 0."),
    ('operator = "plan"', f"oldest_days = {10**12}", "oldest_days",
     f"{TARGET} has oldest_days {10**12}; write days from 1 to 3650."),
    ('at = "03:30"', f"every_min = {10**20}", "every_min",
     f"job.train has every_min {10**20}; write minutes above 0 and up to 10080."),
('currency = "EUR"', 'foldr = "data"', "foldr", "market.north: foldr is unknown; did you mean folder?"),
    ("ahead_h = 36", "ahead = 36", "ahead = 36", f"{PLAN}: ahead is unknown; did you mean ahead_h?"),
    ('places = ["city"]', 'place = ["city"]', "place =", f"{WARM}: place is unknown; did you mean places?"),
    ('minuend = "early"', 'minued = "early"', "minued", f"{DART}: minued is unknown; did you mean minuend?"),
    ('title = "Half"\nseries = "load"', 'title = "Half"\nseries = 5', 'series = 5',
     'market.north.target.half has series 5; write text such as "load".'),
    ('kind = "spread"', 'kind = "spraed"', 'kind = "spraed"',
     f'{DART} has kind "spraed"; use one of load, price, spread, generation.'),
    ("[market.north.target.dart]", "[market.north.targets.dart]", "[market.north.targets.dart]",
     "market.north: targets is unknown; did you mean target?"),
    ("[retention]", "[job.train]", "[job.train]\nlogs",
     "Cannot declare ('job', 'train') twice (column 11); each name may stand once, so give this table another name or "
     "join it with the first."),
    ('zone = "Europe/Madrid"', "zone = Europe/Madrid", "zone",
     "Invalid value (column 8); text stands in double quotes, numbers, true and false without."),
    ('inputs = ["plan", "warm"]', 'inputs = ["plan", "warm"', "inputs",
     "Unclosed array; close the bracket."),
]  # fmt: skip


def test_the_file_that_the_mistakes_are_made_in_is_sound(tmp_path: Path) -> None:
    found = check(written(tmp_path, BASE))
    assert (found.mistakes, list(found.markets), found.off) == ((), ["north"], ())


@pytest.mark.parametrize(("old", "new", "mark", "sentence"), MISTAKES, ids=[f"{one[1]}"[:40] for one in MISTAKES])
def test_a_mistake_is_one_sentence_with_its_line_and_its_remedy(
    tmp_path: Path, old: str, new: str, mark: str, sentence: str
) -> None:
    text = BASE.replace(old, new, 1)
    assert text != BASE
    line = text[: text.index(f"\n{mark}") + 1].count("\n") + 1 if not text.startswith(mark) else 1
    with pytest.raises(ConfigError) as refused:
        load_markets(written(tmp_path, text), ("north",))
    assert str(refused.value) == f"sextant.toml:{line}: {sentence}"


def test_a_number_without_end_is_a_sentence(tmp_path: Path) -> None:
    path = written(tmp_path, BASE.replace("300", "9" * 5000))
    with pytest.raises(ConfigError, match="cannot be understood: it has a number of thousands of digits"):
        check(path)


def test_a_file_is_read_although_its_editor_marked_its_encoding(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeff" + BASE.replace("cadence_min = 5\n", "cadence_min = 7\n"))
    assert [one.split(" has ")[0] for one in check(path).mistakes] == [f"sextant.toml:18: {LOAD}"]


FILLED = BASE.replace('["demo", "weather"]', '["demo", "weather", "files"]').replace(
    'currency = "EUR"', 'currency = "EUR"\nfolder = "data"'
)


def test_a_folder_that_is_wrong_is_not_lacking_too(tmp_path: Path) -> None:
    assert check(written(tmp_path, FILLED)).mistakes == ()
    for folder, sentence in (
        ("folder = 3", 'market.north has folder 3; write text such as "data".'),
        ('foldr = "data"', "market.north: foldr is unknown; did you mean folder?"),
    ):
        found = check(written(tmp_path, FILLED.replace('folder = "data"', folder))).mistakes
        assert found == (f"sextant.toml:8: {sentence}",)


def test_two_series_cannot_read_one_column(tmp_path: Path) -> None:
    text = FILLED.replace('demo = "load" }', 'files = "mw" }').replace('demo = "load_forecast" }', 'files = "mw" }')
    line = text[: text.index("[market.north.series.warm]")].count("\n") - 1
    assert check(written(tmp_path, text)).mistakes == (
        f'sextant.toml:{line}: {PLAN} reads the column "mw", as load does; give each series a column of its own.',
    )


def test_parts_of_a_market_under_a_misspelt_name_are_one_mistake(tmp_path: Path) -> None:
    text = BASE.replace("[market.north.series.warm]", "[market.nroth.series.warm]").replace(', "warm"', "")
    line = text[: text.index("[market.nroth")].count("\n") + 1
    words = f"sextant.toml:{line}: market.nroth has series and nothing else; did you mean market.north?"
    assert check(written(tmp_path, text)).mistakes == (words,)
    with pytest.raises(ConfigError) as refused:
        load_markets(tmp_path / "sextant.toml", ("north",))
    assert str(refused.value) == words
    assert list(load_markets(written(tmp_path, text.replace("nroth", "elsewhere")), ("north",))) == ["north"]


def test_a_table_without_a_header_is_where_it_is_first_spoken_of(tmp_path: Path) -> None:
    text = '\n\nmarket.south.name = "South"\nmarket.south.country = "ES"\n' + BASE.replace(
        "[market.north]", "[market.n]"
    )
    found = check(written(tmp_path, text)).mistakes
    assert "sextant.toml:3: market.south lacks zone" in found[0]
    assert all(int(one.split(":")[1]) >= 3 for one in found)


def test_all_mistakes_are_told_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = BASE.replace('unit = "MW"', "unit = 5").replace("every_h", "x").replace("limit = 60", "limit = true")
    found = check(written(tmp_path, text)).mistakes
    lines = [int(one.split(":")[1]) for one in found]
    assert len(found) >= 3
    assert lines == sorted(lines)
    with pytest.raises(ConfigError, match=f"And {len(found) - 1} more: run `python jobs.py check-config`"):
        load_markets(tmp_path / "sextant.toml", ("north",))


def test_a_market_that_is_not_active_keeps_nobody_from_starting_and_is_checked_all_the_same(tmp_path: Path) -> None:
    path = written(tmp_path, BASE + '\n[market.south]\nname = "South"\n')
    assert list(load_markets(path, ("north",))) == ["north"]
    assert len(check(path).mistakes) == 6
    with pytest.raises(ConfigError, match=r"sextant\.toml:99: market\.south lacks zone"):
        load_markets(path, ("south",))


@pytest.mark.parametrize(
    ("active", "words"),
    [
        (("nroth",), "SEXTANT_MARKETS names nroth, which is no market of sextant.toml; did you mean north?"),
        ((), "SEXTANT_MARKETS names nothing; sextant.toml has north."),
    ],
)
def test_an_unknown_market_is_named_with_the_nearest(tmp_path: Path, active: tuple[str, ...], words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_markets(written(tmp_path, BASE), active)
    assert str(refused.value) == words
