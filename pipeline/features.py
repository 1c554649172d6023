"""History of a target + origins -> Batch, table rows and training targets: the one feature path of all jobs.

Training, backtest and serving call `build`; a row depends on the last `windows.WINDOW_HOURS` hours before
its origin and on nothing else, so one live row equals the same row of a three-year build bit for bit.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline import assembly, exogenous
from pipeline.assembly import Facts
from pipeline.errors import ModelError
from pipeline.exogenous import Described, Exogenous, Reader
from pipeline.markets import HORIZONS
from pipeline.models.base import Batch, Floats
from pipeline.recipe import DATE_COLUMNS, TAILS, Calendar, Chunk, shared_columns, tail_columns, target_columns
from pipeline.windows import (
    DAY,
    WINDOW_HOURS,
    History,
    Index,
    Ints,
    Times,
    Versions,
    naive_utc,
    pick,
)

FEATURES_VERSION = 1
HISTORY = ("valid_at", "value", "known_at", *TAILS)

CHUNK = 2048
"""Origins worked on at a time: few enough for the cache, enough to forget the cost of a call."""

_HOUR = np.timedelta64(1, "h")
_REACH = np.timedelta64(WINDOW_HOURS, "h")
_AHEAD = np.array(HORIZONS).astype("timedelta64[h]")
_SOME_DAY = np.array(["2024-03-01T12"], dtype="datetime64[h]")


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

    def rows(self, keep: Any) -> "Built":
        """The origins selected by a slice, mask or index array."""
        rest = {one.name: getattr(self, one.name)[keep] for one in fields(self) if one.name != "batch"}
        return Built(batch=self.batch.rows(keep), **rest)

    @property
    def missing_inputs(self) -> NDArray[np.object_]:
        """(n,) the keys, comma-joined, of inputs not wholly known at the origin; "" where all are."""
        return exogenous.missing(self.batch)


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
    inputs: Sequence[Exogenous] = (),
) -> Built:
    """Features of each origin from what was known at its own `as_of`.

    `origins` (n,) datetime64[h] UTC, `as_of` (n,) datetime64[us] UTC, in any order. The row of origin T uses
    versions with known_at <= as_of[T] and valid_at <= T only. A missing hour is filled from the hours
    before it (windows.fill); where T itself is missing the level is such a fill. `operator`, hourly
    versions, is returned as a comparator and is no feature. Each of `inputs` becomes further columns
    (see exogenous), from its versions known at as_of[T].
    `country` is an ISO code as the library `holidays` knows it, optionally with a subdivision ("AU-VIC").
    Give at least WINDOW_HOURS of history before the first origin; with less, features are NaN.

    Raises ConfigError when zone or country is unknown.
    """
    origins, as_of = origins.astype("datetime64[h]"), as_of.astype("datetime64[us]")
    if not len(origins):
        return _empty(inputs)
    first, last = origins.min(), origins.max()
    facts = Facts(history, _calendar(first, last, zone, country), [Reader.over(one, first, last) for one in inputs])
    return _built(facts, origins, origins, as_of, _names(inputs), _operator(operator, origins, as_of))


def build_each(histories: Sequence[History], origins: Times, as_of: Times, *, zone: str, country: str) -> Built:
    """One row of each of k series at once, bit for bit the rows that `build` makes of them one by one.

    `origins` (k,) datetime64[h] UTC, `as_of` (k,) datetime64[us] UTC. Raises ConfigError as `build`.
    """
    origins, as_of = origins.astype("datetime64[h]"), as_of.astype("datetime64[us]")
    if not len(origins):
        return _empty(())
    # Each series gets hours of its own on one long axis, so far apart that no window reaches another's.
    first = min((one.valid_at.min() for one in histories if len(one)), default=origins.min())
    last = max((one.valid_at.max() for one in histories if len(one)), default=origins.max())
    apart = np.arange(len(origins)) * (max(last, origins.max()) - min(first, origins.min() - _REACH) + _HOUR)
    places: Times = origins + apart
    whole = {name: np.concatenate([getattr(one, name) for one in histories]) for name in HISTORY}
    whole["valid_at"] = whole["valid_at"] + np.repeat(apart, [len(one) for one in histories])
    facts = Facts(History(**whole), _calendar(origins.min(), origins.max(), zone, country), [])
    return _built(facts, places, origins, as_of, _names(()), _operator(None, origins, as_of))


def without_inputs(batch: Batch) -> Batch:
    """The batch as it would be for a target without inputs."""
    return exogenous.without(batch)


def feature_set(inputs: Sequence[Described] = ()) -> str:
    """Short id of the features' names and their version, as stored beside rows and models.

    `inputs` are those of the target (markets.Target.inputs).
    """
    return _identify(*_names(inputs))


def names(inputs: Sequence[Described] = ()) -> tuple[str, ...]:
    """Names of the numbers in the column `values`: shared first, then those of the target hour."""
    shared, target = _names(inputs)
    return shared + target


def to_rows(built: Built, *, target: str, mode: str, written_at: pd.Timestamp, run_id: str) -> pd.DataFrame:
    """Rows of table `features`, one per origin and horizon, without `recent`. `mode`: live or replay."""
    batch, width = built.batch, len(HORIZONS)
    shared = np.repeat(batch.shared, width, axis=0)
    values = np.concatenate([shared, batch.target.reshape(len(shared), len(batch.target_names))], axis=1)
    frame = pd.DataFrame(
        {
            "target": target,
            "origin": pd.to_datetime(np.repeat(batch.origins, width).astype("datetime64[us]"), utc=True),
            "horizon": np.tile(np.array(HORIZONS, dtype=np.int64), len(batch)),
            "valid_at": pd.to_datetime((batch.origins[:, None] + _AHEAD).ravel().astype("datetime64[us]"), utc=True),
            "feature_set": _identify(batch.shared_names, batch.target_names),
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


def from_rows(frame: pd.DataFrame, inputs: Sequence[Described] = ()) -> Built:
    """The inverse of `to_rows`, by origin; `batch.recent` is (n, 0). Any row order, all horizons present.

    `inputs` are those of the target (markets.Target.inputs).

    Raises ModelError when rows are of another feature set or an origin lacks a horizon.
    """
    if not len(frame):
        return _empty(inputs)
    _check_rows(frame, feature_set(inputs))
    shared_names, target_names = _names(inputs)
    frame = frame.sort_values(["origin", "horizon"])
    width, shared = len(HORIZONS), len(shared_names)
    first = frame.iloc[::width]
    values = np.stack(frame["values"].to_list()).astype(np.float64).reshape(len(first), width, -1)
    target = values[:, :, shared:]
    batch = Batch(
        origins=naive_utc(first["origin"], "h"),
        level=first["level"].to_numpy(dtype=np.float64),
        naive=frame["naive"].to_numpy(dtype=np.float64).reshape(-1, width),
        shared=values[:, 0, :shared].copy(),
        target=target.copy(),
        local_hour=target[:, :, target_names.index("local_hour")].astype(np.int64),
        recent=np.empty((len(first), 0)),
        shared_names=shared_names,
        target_names=target_names,
    )
    return Built(
        batch=batch,
        as_of=naive_utc(first["as_of"], "us"),
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


def _built(
    facts: Facts, places: Times, origins: Times, as_of: Times, names: tuple[tuple[str, ...], ...], operator: Floats
) -> Built:
    rows = assembly.rows(facts, places, origins, as_of, shared=len(names[0]), target=len(names[1]), longest=CHUNK)
    stale, filled = rows.pop("stale_hours"), rows.pop("filled_hours")
    batch = Batch(origins=origins, shared_names=names[0], target_names=names[1], **rows)
    return Built(batch=batch, as_of=as_of, stale_hours=stale, filled_hours=filled, operator=operator)


def _calendar(first: np.datetime64, last: np.datetime64, zone: str, country: str) -> Calendar:
    """For origins in [first, last]: what their windows and targets touch."""
    return Calendar.over(first - _REACH, last + _AHEAD[-1] + DAY * _HOUR, zone=zone, country=country)


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


def _recipe_names() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Column names as the recipe makes them, read off a chunk of one empty window."""
    calendar = _calendar(_SOME_DAY[0], _SOME_DAY[0], "UTC", "ES")
    chunk = Chunk(origins=_SOME_DAY, window=np.zeros((WINDOW_HOURS, 1)), calendar=calendar)
    tails = tail_columns(np.zeros((3, 1)), {name: np.zeros((3, 1)) for name in TAILS})
    return tuple(shared_columns(chunk, tails)), (*target_columns(chunk)[0], *DATE_COLUMNS)


SHARED_NAMES, TARGET_NAMES = _recipe_names()


def _names(inputs: Sequence[Described]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    shared, target = exogenous.names(inputs)
    return SHARED_NAMES + shared, TARGET_NAMES + target


def _identify(shared: tuple[str, ...], target: tuple[str, ...]) -> str:
    text = f"{FEATURES_VERSION}|{'|'.join(shared)}||{'|'.join(target)}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _empty(inputs: Sequence[Described]) -> Built:
    """No rows, in the shapes of the row of an origin of which nothing is known."""
    none = np.empty(0)
    nothing = History(none.astype("datetime64[h]"), none, none.astype("datetime64[us]"), none, none, none)
    unknown = [Exogenous(one.key, one.kind, one.own_unit, None, one.unit) for one in inputs]
    return build(nothing, _SOME_DAY, _SOME_DAY, zone="UTC", country="ES", inputs=unknown).rows(slice(0))


def _check_rows(frame: pd.DataFrame, expected: str) -> None:
    other = set(frame["feature_set"]) - {expected}
    if other:
        known = ", ".join(sorted(other))
        raise ModelError(f"feature rows are of set {known}, this code makes {expected}; run the features job.")
    counts = frame.groupby("origin")["horizon"].agg(["count", "nunique"])
    if (counts != len(HORIZONS)).any(axis=None):
        raise ModelError(f"feature rows lack a horizon of 1..{len(HORIZONS)} or repeat one; run the features job.")
