"""What a model learns from of the weather could have been seen at issue, what it was issued with is what is learned
later, and where the weather is away the forecast says so."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import features, inputs
from pipeline.features import Built
from pipeline.windows import Times
from tests.conftest import Desk, ask
from tests.servers.weather import OUT_AFTER, WeatherServer, limited, overloaded
from tests.weather_desk import SERIES, at, desk_under, said

START = datetime(2026, 11, 20, 9, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ISSUE, POLL = ("ingest", "actuals", "features"), ("ingest",)
LIFE = {0: ISSUE, 2: ISSUE, 7.5: POLL, 8: ISSUE}
"""Hours after the start and the jobs then; runs come out after 2 hours less 12 minutes and six hours later."""


@pytest.fixture(scope="module")
def server() -> Iterator[WeatherServer]:
    with WeatherServer(START) as running:
        yield running


@pytest.fixture(scope="module")
def lived(server: WeatherServer, tmp_path_factory: pytest.TempPathFactory) -> tuple[Desk, list[pd.Timestamp]]:
    """A desk that went through LIFE, seven hours later, and the newest run that was out at each issue."""
    desk, runs = desk_under(server, tmp_path_factory.mktemp("sky"), days=126), []
    for step, jobs in LIFE.items():
        at(desk, server, START + timedelta(hours=step))
        for job in jobs:
            desk.done(job)
        runs += [server.out()] if jobs == ISSUE else []
    at(desk, server, START + timedelta(hours=15))
    for job in ISSUE[:2]:
        desk.done(job)
    return desk, runs


def learned(desk: Desk, first: datetime, last: datetime) -> Built:
    """Rows of the origins as a training run at the desk's moment would read them."""
    with desk.warehouse.read() as session:
        facts = inputs.facts(session, desk.target, first=inputs.BEGINNING, last=desk.now, as_of=desk.now)
    origins = inputs.as_hours(first, last)
    return facts.built(origins, inputs.earliest_as_of(origins, desk.target, facts.history))


def column(built: Built, name: str) -> np.ndarray:
    """(n, H) column of the target hours."""
    return built.batch.target[:, :, built.batch.target_names.index(name)]


def hours_of(origins: Times) -> pd.DatetimeIndex:
    """Target hours of all origins, one after the other."""
    ahead = origins[:, None] + np.arange(1, 7).astype("timedelta64[h]")
    return pd.DatetimeIndex(ahead.ravel()).tz_localize("UTC").as_unit("us")


def test_a_lesson_of_history_holds_only_what_was_out_at_its_issue(lived: tuple[Desk, list[pd.Timestamp]]) -> None:
    desk, _ = lived
    built = learned(desk, START - timedelta(days=12), START - timedelta(days=2))
    hours = hours_of(built.batch.origins)
    issued = pd.DatetimeIndex(np.repeat(built.as_of, 6)).tz_localize("UTC")
    runs = (hours - pd.Timedelta(days=1)).floor("6h")
    assert (runs + OUT_AFTER < issued).all()
    for name in SERIES:
        found = column(built, f"x_{name}_level").ravel()
        assert found == pytest.approx(
            said(name, hours, runs if name != "sun" else (hours - pd.Timedelta(hours=23)).floor("6h"))
        )
        freshest = (issued - OUT_AFTER).floor("6h")
        assert (np.abs(found - said(name, hours, pd.DatetimeIndex(freshest))) > 0).mean() > 0.3, "runs differ"


def test_what_was_issued_with_is_what_is_learned_later_to_the_last_bit(
    lived: tuple[Desk, list[pd.Timestamp]],
) -> None:
    desk, runs = lived
    live = features.from_rows(ask(desk, "SELECT * FROM features WHERE mode = 'live'"), desk.target.inputs)
    assert len(live.batch) == len(runs) == 3
    assert len(set(runs)) == 3
    hours = hours_of(live.batch.origins)
    for name in SERIES:
        newest = said(name, hours, pd.DatetimeIndex(np.repeat(pd.DatetimeIndex(runs), 6)))
        assert column(live, f"x_{name}_level").ravel() == pytest.approx(newest), "the newest run that was out"
    later = learned(desk, *(moment.astype(datetime).replace(tzinfo=UTC) for moment in live.batch.origins[[0, -1]]))
    later = later.rows(np.isin(later.batch.origins, live.batch.origins))
    assert (later.as_of == live.as_of).all()
    assert later.batch.target.tobytes() == live.batch.target.tobytes()
    assert later.batch.shared.tobytes() == live.batch.shared.tobytes()
    assert set(later.missing_inputs) == {""}


def test_without_weather_issues_are_reduced_and_say_so_and_then_whole_again(
    lived: tuple[Desk, list[pd.Timestamp]], server: WeatherServer
) -> None:
    desk, _ = lived
    at(desk, server, START + timedelta(hours=15))
    desk.done("train", families=["ridge"])
    said_by_hour = []
    for step in (0, 4, 5):
        at(desk, server, START + (15 + step) * HOUR)
        server.down = overloaded if step == 4 else None
        fetched = desk.run("ingest")
        assert (fetched["state"], fetched["failure"] or "") == (
            ("failed", "transient") if server.down else ("succeeded", "")
        )
        for job in ("actuals", "features", "forecast"):
            desk.done(job)
        rows = ask(desk, "SELECT status, reason FROM predictions WHERE issuer = 'sextant' ORDER BY origin DESC LIMIT 6")
        said_by_hour.append(*set(rows.itertuples(index=False, name=None)))
    ok, without = ("ok", ""), "made without heat,sun,warmth: not known at issue"
    # The market asks for nine hours ahead: what is stored would have lasted for three issues more.
    assert said_by_hour == [ok, ("reduced", without), ok]


def test_a_daily_limit_is_left_alone_until_tomorrow_and_the_rest_of_the_market_goes_on(
    server: WeatherServer, tmp_path: Path
) -> None:
    server.now, server.down = START, None
    desk = desk_under(server, tmp_path, days=3)
    desk.done("ingest")
    server.down = limited("Daily")
    at(desk, server, START + HOUR)
    assert desk.run("ingest")["failure"] == "throttled"
    asked = len(server.requests)
    held = ask(desk, "SELECT DISTINCT again_at FROM fetches WHERE outcome = 'throttled'")["again_at"]
    assert held.tolist() == [pd.Timestamp("2026-11-21T00:00Z")]
    server.down = None
    at(desk, server, START + 2 * HOUR)
    row = desk.run("ingest")
    assert (row["state"], row["failure"], len(server.requests)) == ("failed", "throttled", asked)
    assert "It is not asked again until 21 Nov 00:00Z" in row["error"]
    newest = ask(desk, "SELECT max(valid_at) AS at FROM raw WHERE series = 'sky.load'")["at"].iloc[0]
    assert newest == pd.Timestamp("2026-11-20T10:55Z")
    at(desk, server, datetime(2026, 11, 21, 0, 0, tzinfo=UTC))
    desk.done("ingest")
    assert len(server.requests) > asked
