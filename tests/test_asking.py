"""A question that a provider refuses for one wrong key: the others get their points, the wrong one its own sentence."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.asking import Questions
from pipeline.freshness import look
from pipeline.markets import Series
from pipeline.planning import Step
from pipeline.sources.base import Window
from tests.conftest import Desk, ask, desk_in
from tests.servers.caiso import CaisoServer, invented_store
from tests.test_ingest_plan import market_of

NOW = datetime(2024, 11, 6, 10, 20, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
NAMES = ("system", "np15", "sce", "sdge", "smud")
WINDOWS = [Window(NOW + n * DAY, NOW + (n + 1) * DAY) for n in range(4)]
Refuses = Callable[[int, set[str]], bool]


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> tuple[Series, ...]:
    return market_of(desk_in(tmp_path_factory.mktemp("six")), "m", *"abcdef").series


def asked_of(
    refuses: Refuses, series: Sequence[Series], doubted: Sequence[Series] = ()
) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """What is asked, and what of it is refused for good, as (number of the window, names): four windows of `series`."""
    steps: list[Step] = [(window, tuple(series)) for window in WINDOWS]
    questions, told, final = Questions(steps, doubted), [], []
    for window, some in questions:
        said = (WINDOWS.index(window), "".join(one.id for one in some))
        told.append(said)
        assert len(told) < 60
        if not refuses(said[0], set(said[1])):
            questions.answered(window, some)
        elif questions.refused(window, some):
            final.append(said)
    return told, final


def test_a_wrong_key_is_found_at_the_newest_time_and_not_asked_again(six: tuple[Series, ...]) -> None:
    told, final = asked_of(lambda _window, names: "d" in names, six)
    halves = [(3, "abcdef"), (3, "abc"), (3, "def"), (3, "d"), (3, "ef")]
    assert told == [(0, "abcdef"), *halves, (0, "abcef"), (1, "abcef"), (2, "abcef")]
    assert final == [(3, "d")]


def test_old_time_that_a_provider_refuses_to_all_costs_one_more_question(six: tuple[Series, ...]) -> None:
    told, final = asked_of(lambda window, _names: window < 2, six)
    assert told == [(0, "abcdef"), (3, "abcdef"), (0, "abcdef"), (1, "abcdef"), (2, "abcdef")]
    assert final == [(0, "abcdef"), (1, "abcdef")]


def test_old_time_refused_beside_a_wrong_key_and_a_single_series(six: tuple[Series, ...]) -> None:
    told, final = asked_of(lambda window, names: "a" in names or window == 0, six[:2])
    assert told == [(0, "ab"), (3, "ab"), (3, "a"), (3, "b"), (0, "b"), (1, "b"), (2, "b")]
    assert final == [(3, "a"), (0, "b")]
    told, final = asked_of(lambda window, _names: window < 2, six[:1])
    assert (told, final) == ([(0, "a"), (3, "a"), (0, "a"), (1, "a"), (2, "a")], [(0, "a"), (1, "a")])
    assert asked_of(lambda _window, _names: True, six[:1]) == ([(0, "a"), (3, "a")], [(3, "a")])


def test_when_all_is_refused_each_is_asked_once_and_who_was_refused_before_comes_first(six: tuple[Series, ...]) -> None:
    told, final = asked_of(lambda _window, _names: True, six)
    assert sorted(final) == [(3, name) for name in "abcdef"]
    assert len(told) == 1 + 2 * 6 - 1
    told, final = asked_of(lambda _window, names: "b" in names, six, six[1:3])
    assert told == [(3, "b"), (3, "c"), *((n, "acdef") for n in range(3)), (3, "adef")]
    assert final == [(3, "b")]


def test_a_key_that_is_right_only_by_half_does_not_go_on_for_ever(six: tuple[Series, ...]) -> None:
    """The newest question fails for another reason, so nothing is proved: each is refused for itself."""
    questions = Questions([(window, six[:2]) for window in WINDOWS])
    told = []
    for window, some in questions:
        told.append((WINDOWS.index(window), len(some)))
        if window != WINDOWS[-1]:
            questions.refused(window, some)
    assert told == [(0, 2), (3, 2), (0, 2), (0, 1), (0, 1)]


@pytest.fixture
def server() -> Iterator[CaisoServer]:
    with CaisoServer(invented_store("2024-08-20", "2024-11-10"), NOW) as running:
        yield running


@pytest.fixture
def california(server: CaisoServer, tmp_path: Path) -> Desk:
    """Five areas that one question answers, with 70 days of history."""
    env = {"SEXTANT_MARKETS": "caiso", "SEXTANT_CAISO_URL": server.url, "SEXTANT_HTTP_TRIES": "1"}
    desk = desk_in(tmp_path, now=NOW, **env)
    market = desk.markets["caiso"]
    series = tuple(one for name in NAMES for one in market.series if one.id == f"caiso.{name}")
    desk.markets = {"caiso": replace(market, series=series, targets=(), history=70 * DAY)}
    return desk


def told(desk: Desk, server: CaisoServer, by: str = "scheduler", minutes: int = 0) -> tuple[list[int], dict[str, Any]]:
    """How many areas each question named that a run of ingest asked, and its row."""
    server.requests.clear()
    desk.now += minutes * MINUTE
    server.now = desk.now
    row = desk.runner().run(desk.jobs["ingest"], by=by)
    return [len(request.one("tac_area_name").split(",")) for request in server.requests], row


def hours(desk: Desk) -> dict[str, int]:
    rows = ask(desk, "SELECT series, count(DISTINCT valid_at) AS n FROM raw GROUP BY series")
    return {name.partition(".")[2]: n for name, n in zip(rows["series"], rows["n"].tolist(), strict=True)}


def test_one_wrong_area_leaves_the_others_whole_and_costs_one_question_a_run(
    california: Desk, server: CaisoServer
) -> None:
    server.wrong = {"BANCSMUD"}
    questions, row = told(california, server)
    assert questions == [5, 5, 2, 3, 1, 2, 1, 1, 4, 4]
    assert (row["state"], row["failure"]) == ("failed", "refused")
    assert row["error"].count("caiso.") == 1
    assert "caiso.smud from caiso: error 1001, Invalid Request; correct the key" in row["error"]
    assert set(hours(california)) == set(NAMES[:4])
    assert min(hours(california).values()) >= 70 * 24 - 2
    assert told(california, server, minutes=5)[0] == [1], "the others answered five minutes ago"
    assert told(california, server, minutes=5)[0] == [1, 4]
    with california.warehouse.read() as session:
        found = {one.series: one for one in look(session, california.markets["caiso"], california.now)}
    assert found["caiso.smud"].why == "caiso rejects the question since 10:20 UTC; check the keys of the series."
    assert found["caiso.sce"].state == "current"
    server.wrong = set()
    questions, row = told(california, server, minutes=5)
    assert (questions, row["state"]) == ([1, 1, 1], "succeeded"), "a mended key gets its whole history at once"
    assert hours(california)["smud"] >= 70 * 24 - 2
    assert told(california, server, minutes=10)[0] == [5]


def test_two_wrong_areas_have_a_sentence_each_and_a_person_is_told_the_same(
    california: Desk, server: CaisoServer
) -> None:
    server.wrong = {"PGE-TAC", "SDGE-TAC"}
    for by in ("scheduler", "ana"):
        _, row = told(california, server, by, minutes=1)
        assert [f"caiso.{name} from caiso: error 1001" in row["error"] for name in NAMES] == [
            False,
            True,
            False,
            True,
            False,
        ]
    assert set(hours(california)) == {"system", "sce", "smud"}
    window = {"from": "2024-09-20T00:00+00:00", "to": "2024-11-01T00:00+00:00", "series": "caiso.np15"}
    row = california.runner().run(california.jobs["ingest"], by="ana", **window)
    assert (row["state"], row["error"].count("caiso.np15")) == ("failed", 1)
