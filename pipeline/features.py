"""History of a target + origins -> Batch, table rows and training targets: the one feature path of all jobs.

Training, backtest and serving call `build`; a row depends on the last `windows.WINDOW_HOURS` hours before
its origin and on nothing else, so one live row equals the same row of a three-year build bit for bit.
"""

import hashlib
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from pipeline.errors import ModelError
from pipeline.markets import HORIZONS
from pipeline.models.base import Batch, Floats
from pipeline.recipe import TAILS, Calendar, Chunk, Columns, shared_columns, tail_columns, target_columns
from pipeline.windows import DAY, WEEK, WINDOW_HOURS, History, Index, Ints, Times, Versions, Windows, fill, pick

FEATURES_VERSION = 1
RECENT_HOURS = WEEK
CHUNK = 2048

_HOUR = np.timedelta64(1, "h")
_REACH = np.timedelta64(WINDOW_HOURS, "h")
_AHEAD = np.array(HORIZONS).astype("timedelta64[h]")


@dataclass(frozen=True)
class Built:
    """Feature rows of n origins and what is worth knowing about them.

    batch: see models.base.Batch.
    as_of: (n,) datetime64[us], UTC, when each origin was issued.
    stale_hours: (n,) hours missing at the end of the history; 0 when T itself is known.
    filled_hours: (n,) hours of the window that are causal fills.
    operator: (n, H) the operator's forecast for T+h as known at `as_of`; NaN where none was.
    """

    batch: Batch
    as_of: Times
    stale_hours: Ints
    filled_hours: Ints
    operator: Floats


class Actuals(NamedTuple):
    """(n, H) values of T+h and the moments (datetime64[us], UTC; NaT where unknown) they became known."""

    value: Floats
    known_at: Times


def build(
    history: History,
    origins: Times,
    as_of: Times,
    *,
    zone: str,
    country: str,
    operator: Versions | None = None,
) -> Built:
    """Features of each origin from what was known at its own `as_of`.

    `origins` (n,) datetime64[h] UTC, `as_of` (n,) datetime64[us] UTC, in any order. The row of origin T uses
    versions with known_at <= as_of[T] and valid_at <= T only. A missing hour is filled from the hours
    before it (windows.fill); where T itself is missing the level is such a fill. `operator`, hourly
    versions, is returned as a comparator and is no input of the features.
    `country` is an ISO code as the library `holidays` knows it, optionally with a subdivision ("AU-VIC").
    Give at least WINDOW_HOURS of history before the first origin; with less, features are NaN.

    Raises ConfigError when zone or country is unknown.
    """
    origins, as_of = origins.astype("datetime64[h]"), as_of.astype("datetime64[us]")
    if not len(origins):
        return _empty()
    first, last = origins.min(), origins.max()
    calendar = Calendar.over(first - _REACH, last + _AHEAD[-1] + DAY * _HOUR, zone=zone, country=country)
    windows = Windows.over(history, first, last)
    parts = [
        _build_chunk(history, windows, calendar, origins[start : start + CHUNK], as_of[start : start + CHUNK])
        for start in range(0, len(origins), CHUNK)
    ]
    forecast = _operator(operator, origins, as_of)
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    stale, filled = joined.pop("stale"), joined.pop("filled")
    batch = Batch(origins=origins, shared_names=SHARED_NAMES, target_names=TARGET_NAMES, **joined)
    return Built(batch=batch, as_of=as_of, stale_hours=stale, filled_hours=filled, operator=forecast)


def feature_set() -> str:
    """Short id of the features' names and their version, as stored beside rows and models."""
    text = f"{FEATURES_VERSION}|{'|'.join(SHARED_NAMES)}||{'|'.join(TARGET_NAMES)}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def names() -> tuple[str, ...]:
    """Names of the numbers in the column `values`: shared first, then those of the target hour."""
    return SHARED_NAMES + TARGET_NAMES


def to_rows(built: Built, *, target: str, mode: str, written_at: pd.Timestamp, run_id: str) -> pd.DataFrame:
    """Rows of table `features`, one per origin and horizon, without `recent`. `mode`: live or replay."""
    batch, width = built.batch, len(HORIZONS)
    shared = np.repeat(batch.shared, width, axis=0)
    values = np.concatenate([shared, batch.target.reshape(len(shared), len(TARGET_NAMES))], axis=1)
    frame = pd.DataFrame(
        {
            "target": target,
            "origin": pd.to_datetime(np.repeat(batch.origins, width).astype("datetime64[us]"), utc=True),
            "horizon": np.tile(np.array(HORIZONS, dtype=np.int64), len(batch)),
            "valid_at": pd.to_datetime((batch.origins[:, None] + _AHEAD).ravel().astype("datetime64[us]"), utc=True),
            "feature_set": feature_set(),
            "as_of": pd.to_datetime(np.repeat(built.as_of, width), utc=True),
            "mode": mode,
            "level": np.repeat(batch.level, width),
            "naive": batch.naive.ravel(),
            "operator": built.operator.ravel(),
            "stale_hours": np.repeat(built.stale_hours, width),
            "filled_hours": np.repeat(built.filled_hours, width),
        }
    )
    return frame.assign(values=list(values), written_at=written_at, run_id=run_id)


def from_rows(frame: pd.DataFrame) -> Built:
    """The inverse of `to_rows`, by origin; `batch.recent` is (n, 0). Any row order, all horizons present.

    Raises ModelError when rows are of another feature set or an origin lacks a horizon.
    """
    if not len(frame):
        return _empty()
    _check_rows(frame)
    frame = frame.sort_values(["origin", "horizon"])
    width, shared = len(HORIZONS), len(SHARED_NAMES)
    first = frame.iloc[::width]
    values = np.stack(frame["values"].to_list()).astype(np.float64).reshape(len(first), width, -1)
    target = values[:, :, shared:]
    batch = Batch(
        origins=_naive_utc(first["origin"], "h"),
        level=first["level"].to_numpy(dtype=np.float64),
        naive=frame["naive"].to_numpy(dtype=np.float64).reshape(-1, width),
        shared=values[:, 0, :shared].copy(),
        target=target.copy(),
        local_hour=target[:, :, TARGET_NAMES.index("local_hour")].astype(np.int64),
        recent=np.empty((len(first), 0)),
        shared_names=SHARED_NAMES,
        target_names=TARGET_NAMES,
    )
    return Built(
        batch=batch,
        as_of=_naive_utc(first["as_of"], "us"),
        stale_hours=first["stale_hours"].to_numpy(dtype=np.int64),
        filled_hours=first["filled_hours"].to_numpy(dtype=np.int64),
        operator=frame["operator"].to_numpy(dtype=np.float64).reshape(-1, width),
    )


def training_actuals(history: Versions, origins: Times, *, as_of: Times | np.datetime64) -> Actuals:
    """y[T+h] of each origin, of the newest version known at `as_of` (one moment, or (n,) moments).

    Given to backtest.rolling_origin with a late `as_of`, a revised hour counts as learnable only from its
    last revision on: cautious, never a leak.
    """
    hours: Times = origins.astype("datetime64[h]")[:, None] + _AHEAD
    moments = np.broadcast_to(np.asarray(as_of, dtype="datetime64[us]"), origins.shape)
    places = _known_places(history, hours, moments)
    known_at = np.append(history.known_at.astype("datetime64[us]"), np.datetime64("NaT"))[places]
    value = pick(history.value, places)
    known_at[np.isnan(value)] = np.datetime64("NaT")
    return Actuals(value=value, known_at=known_at)


def _build_chunk(
    history: History, windows: Windows, calendar: Calendar, origins: Times, as_of: Times
) -> dict[str, Any]:
    window, stale, filled = fill(windows.known(origins, as_of))
    chunk = Chunk(origins=origins, window=window, calendar=calendar)
    shared = shared_columns(chunk, _tails(history, windows.index, chunk, as_of))
    targets, naive = zip(*(target_columns(chunk, horizon) for horizon in HORIZONS), strict=True)
    target = np.stack([_table(columns) for columns in targets], axis=1)
    return {
        "level": window[0].copy(),
        "naive": np.stack(naive, axis=1),
        "shared": _table(shared),
        "target": target,
        "local_hour": target[:, :, TARGET_NAMES.index("local_hour")].astype(np.int64),
        "recent": np.ascontiguousarray(window[RECENT_HOURS - 1 :: -1].T),
        "stale": stale,
        "filled": filled,
    }


def _table(columns: Columns) -> Floats:
    return np.stack(list(columns.values()), axis=1)


def _tails(history: History, index: Index, chunk: Chunk, as_of: Times) -> Columns:
    hours = chunk.back(chunk.origins, (0, DAY, WEEK))
    hours[0] = chunk.origins
    places = index.find(index.offsets(hours), index.ranks(as_of))
    return tail_columns(pick(history.value, places), {name: pick(getattr(history, name), places) for name in TAILS})


def _operator(operator: Versions | None, origins: Times, as_of: Times) -> Floats:
    hours: Times = origins[:, None] + _AHEAD
    if operator is None:
        return np.full(hours.shape, np.nan)
    return pick(operator.value, _known_places(operator, hours, as_of))


def _known_places(versions: Versions, hours: Times, as_of: Times) -> Ints:
    if not hours.size:
        return np.empty(hours.shape, dtype=np.int64)
    index = Index.over(versions, hours.min(), hours.max())
    return index.find(index.offsets(hours), index.ranks(as_of)[:, None])


def _names() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Column names as the recipe makes them, read off a chunk of one empty window."""
    origin = np.array(["2024-03-01T12"], dtype="datetime64[h]")
    calendar = Calendar.over(origin[0] - _REACH, origin[0] + DAY * _HOUR, zone="UTC", country="ES")
    chunk = Chunk(origins=origin, window=np.zeros((WINDOW_HOURS, 1)), calendar=calendar)
    tails = tail_columns(np.zeros((3, 1)), {name: np.zeros((3, 1)) for name in TAILS})
    return tuple(shared_columns(chunk, tails)), tuple(target_columns(chunk, 1)[0])


SHARED_NAMES, TARGET_NAMES = _names()


def _empty() -> Built:
    width, none = len(HORIZONS), np.empty(0)
    batch = Batch(
        origins=none.astype("datetime64[h]"),
        level=none,
        naive=np.empty((0, width)),
        shared=np.empty((0, len(SHARED_NAMES))),
        target=np.empty((0, width, len(TARGET_NAMES))),
        local_hour=np.empty((0, width), dtype=np.int64),
        recent=np.empty((0, RECENT_HOURS)),
        shared_names=SHARED_NAMES,
        target_names=TARGET_NAMES,
    )
    whole = none.astype(np.int64)
    as_of = none.astype("datetime64[us]")
    return Built(batch=batch, as_of=as_of, stale_hours=whole, filled_hours=whole, operator=np.empty((0, width)))


def _check_rows(frame: pd.DataFrame) -> None:
    other = set(frame["feature_set"]) - {feature_set()}
    if other:
        known = ", ".join(sorted(other))
        raise ModelError(f"feature rows are of set {known}, this code makes {feature_set()}; run the features job.")
    counts = frame.groupby("origin")["horizon"].agg(["count", "nunique"])
    if (counts != len(HORIZONS)).any(axis=None):
        raise ModelError(f"feature rows lack a horizon of 1..{len(HORIZONS)} or repeat one; run the features job.")


def _naive_utc(column: pd.Series, unit: str) -> Times:
    return pd.to_datetime(column, utc=True).dt.tz_localize(None).to_numpy().astype(f"datetime64[{unit}]")
