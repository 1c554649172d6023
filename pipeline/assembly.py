"""Versions of a series + places of windows -> arrays of feature rows, written part by part where they stay."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from pipeline.exogenous import Reader
from pipeline.markets import HORIZONS
from pipeline.models.base import Floats
from pipeline.recipe import (
    DATE_COLUMNS,
    TAILS,
    Calendar,
    Chunk,
    Columns,
    date_block,
    shared_columns,
    tail_columns,
    target_columns,
)
from pipeline.windows import DAY, WEEK, History, Times, Windows, fill, pick

RECENT_HOURS = WEEK


@dataclass(frozen=True)
class Facts:
    """What rows are made of: the series' versions, the calendar around them, the inputs beside them."""

    history: History
    calendar: Calendar
    readers: list[Reader]


def rows(
    facts: Facts, places: Times, origins: Times, as_of: Times, *, shared: int, target: int, longest: int
) -> dict[str, Any]:
    """The arrays of a Batch by name, `stale_hours` and `filled_hours`, for n >= 1 origins.

    The window of `origins` (n,) ends at hour `places` (n,) of the history, which is the origin itself unless
    several series share one axis. `shared` and `target` say how many columns there are; at most
    `longest` origins are worked on at a time.
    """
    windows = Windows.over(facts.history, places.min(), places.max())
    _, line = windows.known(places, as_of) if len(places) > longest else (None, None)
    blank = _blank(len(origins), shared, target, recent=line is None)
    for part in windows.parts(places, as_of, longest=longest):
        _write(blank, part, facts, windows, places[part], origins[part], as_of[part])
    if line is not None:
        blank["recent"] = sliding_window_view(line, RECENT_HOURS)[-len(origins) :]
    return blank


def _blank(n: int, shared: int, target: int, *, recent: bool) -> dict[str, Any]:
    width = len(HORIZONS)
    blank: dict[str, Any] = {"naive": np.empty((n, width)), "local_hour": np.empty((n, width), dtype=np.int64)}
    blank |= {"level": np.empty(n), "shared": np.empty((n, shared)), "target": np.empty((n, width, target))}
    if recent:
        blank["recent"] = np.empty((n, RECENT_HOURS))
    return blank | {name: np.zeros(n, dtype=np.int64) for name in ("stale_hours", "filled_hours")}


def _write(
    blank: dict[str, Any], part: slice, facts: Facts, windows: Windows, places: Times, origins: Times, as_of: Times
) -> None:
    window, line = windows.known(places, as_of)
    actual = window[:DAY].copy()
    if line is None:
        window, blank["stale_hours"][part], blank["filled_hours"][part] = fill(window)
    chunk = Chunk(origins=origins, window=window, calendar=facts.calendar, line=line)
    shared = shared_columns(chunk, _tails(facts.history, windows, chunk, places, as_of))
    target, naive = target_columns(chunk)
    ahead: Columns = {}
    for reader in facts.readers:
        more, by_horizon = reader.columns(chunk, actual, as_of)
        shared |= more
        ahead |= {name: np.stack([columns[name] for columns in by_horizon]) for name in by_horizon[0]}
    _put(blank["shared"][part], shared.values())
    dates = slice(len(target), len(target) + len(DATE_COLUMNS))
    _put(blank["target"][part, :, : dates.start], target.values())
    blank["target"][part, :, dates] = date_block(chunk)
    _put(blank["target"][part, :, dates.stop :], ahead.values())
    blank["local_hour"][part] = blank["target"][part, :, dates.start + DATE_COLUMNS.index("local_hour")]
    blank["level"][part], blank["naive"][part] = window[0], naive.T
    if "recent" in blank:
        blank["recent"][part] = window[RECENT_HOURS - 1 :: -1].T


def _put(table: Floats, columns: Iterable[Floats]) -> None:
    for place, column in enumerate(columns):
        table[..., place] = column.T


def _tails(history: History, windows: Windows, chunk: Chunk, places: Times, as_of: Times) -> Columns:
    hours = chunk.back(chunk.origins, (0, DAY, WEEK))
    hours[0] = chunk.origins
    index = windows.index
    found = index.find(index.offsets(hours + (places - chunk.origins)), index.ranks(as_of))
    return tail_columns(pick(history.value, found), {name: pick(getattr(history, name), found) for name in TAILS})
