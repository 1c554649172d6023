"""Words a reader sees."""

from datetime import UTC, datetime, timedelta

import pytest

from dashboard import formats

AT = datetime(2026, 11, 20, 14, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "words"),
    [(31332.4, "31,332"), (-53.0, "−53"), (-0.3, "0"), (0.0, "0"), (None, "–"), (float("nan"), "–")],  # noqa: RUF001
)
def test_numbers_have_separators_and_a_real_minus(value: float | None, words: str) -> None:
    assert formats.number(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(54.2, "+54"), (-124.0, "−124"), (0.4, "0"), (-0.4, "0"), (1234.0, "+1,234")],  # noqa: RUF001
)
def test_changes_are_signed_but_nothing_is_not(value: float, words: str) -> None:
    assert formats.signed(value) == words


def test_a_price_keeps_its_decimals() -> None:
    assert formats.number(41.256, 2) == "41.26"
    assert formats.signed(-0.004, 2) == "0.00"


def test_a_share_is_a_whole_percent() -> None:
    assert formats.percent(0.8149) == "81 %"
    assert formats.percent(None) == "–"  # noqa: RUF001


def test_hours_are_local_and_named_for_their_season() -> None:
    assert formats.day_hour(AT, "Europe/Madrid") == "Fri 15:04"
    assert formats.zone_name(AT, "Europe/Madrid") == "CET"
    assert formats.zone_name(AT - timedelta(days=120), "Europe/Madrid") == "CEST"
    assert formats.hour(AT, "UTC") == "14:04"


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        (timedelta(seconds=20), "just now"),
        (timedelta(minutes=5, seconds=59), "5 min ago"),
        (timedelta(hours=3, minutes=6), "3 h 06 min ago"),
        (timedelta(days=4, hours=1), "4 days ago"),
    ],
)
def test_an_age_has_no_more_detail_than_a_reader_needs(passed: timedelta, words: str) -> None:
    assert formats.age(AT - passed, AT) == words


def test_what_never_happened_is_said_so() -> None:
    assert formats.age(None, AT) == "never"
    assert formats.stamp(None, "UTC") == formats.date(None, "UTC") == formats.day(None, "UTC") == formats.NONE


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.84, "0.8 s"), (42.0, "42 s"), (200.0, "3 min 20 s"), (120.0, "2 min"), (11160.0, "3 h 06 min"), (None, "–")],  # noqa: RUF001
)
def test_durations_read_naturally(seconds: float | None, words: str) -> None:
    assert formats.span(seconds) == words


def test_one_is_singular() -> None:
    assert (formats.count(1, "hour"), formats.count(2, "hour"), formats.city("Europe/Madrid")) == (
        "1 hour",
        "2 hours",
        "Madrid",
    )


@pytest.mark.parametrize(
    ("value", "shown"), [(12345.678, "12,346"), (0.01234, "0.0123"), (8, "8"), ("auth", "auth"), (True, "True")]
)
def test_a_figure_of_unknown_kind_is_short(value: object, shown: str) -> None:
    assert formats.figure(value) == shown


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("ingest: no answer (503).", "ingest: no answer (503)."),
        ("![x](u) *a* _b_ `c` $d$ <i>", r"!\[x\](u) \*a\* \_b\_ \`c\` \$d\$ \<i>"),
        (":red[y] a::b", r"\:red\[y\] a\:\:b"),
        ("# a\n\n    - b\n12. c", "\\# a  \n\\- b  \n12\\. c"),
        ("https://a.b www.a.b a@b.c :smile: ->", "https:|//a.b www|.a.b a@|b.c :|smile: -|>"),
    ],
)
def test_text_of_others_means_nothing_in_markdown(text: str, markdown: str) -> None:
    assert formats.plain(text).replace(formats.JOINER, "|") == markdown


def test_code_has_more_backticks_than_its_text() -> None:
    assert (formats.code("demo.load"), formats.code("a `b`\n\nc")) == ("`demo.load`", "`` a `b` c ``")
