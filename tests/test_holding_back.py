"""A provider that refuses, throttles or says nothing is left alone for as long as that makes sense."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

from pipeline.errors import AuthRefused, SourceError, Throttled, Transient
from pipeline.jobs import ingest
from tests.conftest import NOW, Desk, ask

pytestmark = pytest.mark.slow

MINUTE = timedelta(minutes=1)


class Provider:
    """A source that answers with `error`, or well when there is none; `asked` has the series of each question."""

    name, max_window, every = "demo", timedelta(days=1), timedelta()

    def __init__(self, inner: Any) -> None:
        self.inner, self.error, self.asked = inner, None, []
        self.group = inner.group

    def fetch(self, series: Any, window: Any, *, now: Any, settings: Any) -> pd.DataFrame:
        self.asked.append(series[0].id)
        if self.error is not None:
            raise self.error
        points: pd.DataFrame = self.inner.fetch(series, window, now=now, settings=settings)
        return points


@pytest.fixture
def provider(full: Desk, monkeypatch: pytest.MonkeyPatch) -> Provider:
    from pipeline.sources.demo import SOURCE

    one = Provider(SOURCE)
    monkeypatch.setattr(ingest, "choose_sources", lambda _context, market: [(one, market.series)])
    return one


def asks(desk: Desk, provider: Provider, *, by: str = "scheduler") -> tuple[int, dict[str, Any]]:
    """How many questions a run of ingest asks, and its row."""
    before = len(provider.asked)
    row = desk.runner().run(desk.jobs["ingest"], by=by)
    return len(provider.asked) - before, row


def fails(provider: Provider, error: SourceError) -> None:
    provider.error = error


def test_one_that_throttles_is_asked_again_when_it_said_and_fails_until_then(full: Desk, provider: Provider) -> None:
    fails(provider, Throttled("demo: HTTP 429; ask less.", 3600))
    assert asks(full, provider)[1]["failure"] == "throttled"
    provider.error = None
    for minutes in (5, 59):
        full.now = NOW + minutes * MINUTE
        n, row = asks(full, provider)
        assert (n, row["state"], row["failure"]) == (0, "failed", "throttled")
        assert "not asked again until 20 Nov 11:20Z" in row["error"]
    assert asks(full, provider, by="ana")[0] == 0, "what a provider asked for binds people too"
    full.now = NOW + 60 * MINUTE
    n, row = asks(full, provider)
    assert (n > 0, row["state"]) == (True, "succeeded")


@pytest.mark.parametrize(("said_s", "waits"), [(None, 15 * MINUTE), (0, 0 * MINUTE), (1e12, timedelta(days=1))])
def test_how_long_a_throttled_source_waits(
    full: Desk, provider: Provider, said_s: float | None, waits: timedelta
) -> None:
    fails(provider, Throttled("demo: HTTP 429; ask less.", said_s))
    asks(full, provider)
    assert set(ask(full, "SELECT again_at FROM fetches WHERE outcome = 'throttled'").again_at) == {full.now + waits}
    full.now += waits
    assert asks(full, provider)[0] > 0


def test_one_that_refuses_us_is_asked_once_an_hour_and_stays_a_failure(full: Desk, provider: Provider) -> None:
    fails(provider, AuthRefused("demo: HTTP 401; check the token."))
    assert asks(full, provider)[0] == 1
    questions = []
    for _ in range(24):
        full.now += 5 * MINUTE
        n, row = asks(full, provider)
        questions.append(n)
        assert (row["state"], row["failure"]) == ("failed", "auth")
        assert "demo: HTTP 401; check the token." in row["error"]
        assert n or "It is not asked again until 20 Nov 1" in row["error"]
    assert [i for i, n in enumerate(questions, 1) if n] == [12, 24]
    provider.error = None
    full.now += MINUTE
    n, row = asks(full, provider, by="ana")
    assert (n > 0, row["state"]) == (True, "succeeded"), "who mended the token need not wait"
    full.now += 5 * MINUTE
    n, row = asks(full, provider)
    assert (n > 0, row["state"]) == (True, "succeeded")


def test_one_that_is_silent_twice_in_a_row_is_left_until_the_next_run_by_all_markets(
    full: Desk, provider: Provider
) -> None:
    full.markets["other"] = replace(full.markets["demo"], id="other")
    fails(provider, Transient("demo: no answer within 30 s; try again later."))
    n, row = asks(full, provider)
    assert (n, row["failure"]) == (2, "transient")
    assert "other from demo: not asked, because demo got no answer; the next run asks again." in row["error"]
    full.now += 5 * MINUTE
    assert asks(full, provider)[0] == 2, "it is asked again in the next run"


def test_two_silences_with_an_answer_between_are_not_in_a_row(
    full: Desk, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch: Callable[..., pd.DataFrame] = provider.fetch

    def every_other(*args: Any, **more: Any) -> pd.DataFrame:
        provider.error = None if len(provider.asked) % 2 else Transient("demo: no answer; try again later.")
        return fetch(*args, **more)

    monkeypatch.setattr(provider, "fetch", every_other)
    n, row = asks(full, provider)
    assert n > 4
    assert row["error"].count("no answer") == (n + 1) // 2
