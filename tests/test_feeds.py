"""A feed that looks broken is refused with the reason; one that is only unusual is not."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline import feeds
from pipeline.configuring.markets import load_markets
from pipeline.errors import FeedRefused
from pipeline.markets import Target
from pipeline.settings import ROOT
from tests.hourly import history

HOURS = history("2026-01-01", 120).valid_at
LOAD = history("2026-01-01", 120).value
NONE = np.zeros(len(HOURS), dtype=bool)


@pytest.fixture(scope="module")
def target() -> Target:
    return load_markets(ROOT / "sextant.toml", ("demo",))["demo"].targets[0]


def changed(start: int, hours: int, value: float) -> np.ndarray:
    values = LOAD.copy()
    values[start : start + hours] = value
    return values


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (changed(500, 13, 0.0), "13 hours in a row from 21 Jan 2026 20:00Z hold the same value 0"),
        (changed(len(LOAD) - 13, 13, 25000.0), "13 hours in a row"),
        (changed(len(LOAD) - 70, 70, np.nan), "70 of the last 336 hours are missing"),
        (np.append(LOAD[:-168], LOAD[-168:] * 1000), "the median of the last week is 2[0-9],[0-9]{3},[0-9]{3} MW"),
        (np.append(LOAD[:-168], LOAD[-168:] / 2), "that of the weeks before"),
    ],
)
def test_a_broken_feed_is_refused(target: Target, values: np.ndarray, words: str) -> None:
    with pytest.raises(FeedRefused, match=f"demo.load: .*{words}.*; not trained. Mend or import the hours, or declare"):
        feeds.check(target, HOURS, values, declared=NONE)
    declared = (values != LOAD) & ~((values == 0) & (LOAD == 0))
    feeds.check(target, HOURS, values, declared=declared)


@pytest.mark.parametrize(
    "values",
    [LOAD, changed(500, 12, 30000.0), changed(len(LOAD) - 67, 67, np.nan), changed(300, 400, np.nan), LOAD * 1.0001],
)
def test_an_unusual_feed_is_not(target: Target, values: np.ndarray) -> None:
    feeds.check(target, HOURS, values, declared=NONE)


def test_a_level_that_lasts_is_accepted_after_a_while(target: Target) -> None:
    feeds.check(target, HOURS, np.append(LOAD[:-340], LOAD[-340:] * 2), declared=NONE)


def test_parks_rest_at_night_and_prices_stay_at_zero_and_jump(target: Target) -> None:
    sun = np.maximum(0.0, np.sin(2 * np.pi * (np.arange(len(LOAD)) % 24 - 6) / 24)) * (1 + np.arange(len(LOAD)) % 7)
    feeds.check(replace(target, kind="generation"), HOURS, sun, declared=NONE)
    feeds.check(replace(target, kind="price"), HOURS, changed(len(LOAD) - 90, 90, 0.0), declared=NONE)
    feeds.check(replace(target, kind="price"), HOURS, np.append(LOAD[:-168], LOAD[-168:] * 9), declared=NONE)
    with pytest.raises(FeedRefused, match="hold the same value 0"):
        feeds.check(replace(target, kind="generation"), HOURS, changed(300, 72, 0.0), declared=NONE)
