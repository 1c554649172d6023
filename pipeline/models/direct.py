"""Batch -> what families share: rows of a horizon, what may be learned from them, work side by side."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from pipeline.errors import NotEnoughData
from pipeline.models.base import Batch, Floats

MINIMUM_ROWS = 24 * 14
SEASON_DAYS = 300
"""With fewer days, what the annual columns say is the trend of these days, not a season: going on with it
made ridge err 30 % more on Victoria's second quarter of lessons, and networks twice as much."""
LAGS = 23


def rows(batch: Batch, h: int) -> Floats:
    """(n, p + q) features of the origin and of its hour T+1+h."""
    return np.concatenate([batch.shared, batch.target[:, h]], axis=1)


def lags(batch: Batch) -> Floats:
    """(n, LAGS + 1) y[T-k] - y[T] for k = 0..LAGS."""
    first = batch.shared_names.index("lag_1")
    return np.concatenate([np.zeros((len(batch), 1)), batch.shared[:, first : first + LAGS]], axis=1)


def last_steps(batch: Batch, h: int) -> Floats:
    """(n, k) the change from T+h to T+1+h: the columns `deltas` by the hour."""
    upto = batch.target[:, h][:, deltas(batch)]
    return upto - batch.target[:, h - 1][:, deltas(batch)] if h else upto


def deltas(batch: Batch) -> list[int]:
    """Places of the columns of T+h that say how much something changes from T's to that hour: demand on a former
    day, or an input as forecast."""
    return [place for place, name in enumerate(batch.target_names) if _is_delta(name)]


def levels(batch: Batch) -> list[int]:
    """Places of the columns of T+h that are in the target's unit and relative to y[T]."""
    return [place for place, name in enumerate(batch.target_names) if _is_level(name, batch.target_names)]


def _is_delta(name: str) -> bool:
    if name.startswith("x_"):
        return name.endswith(("_change", "_heating", "_cooling"))
    return name.startswith(("delta_", "analog_delta_"))


def _is_level(name: str, names: tuple[str, ...]) -> bool:
    if name.startswith("x_"):
        # Of inputs only those in the target's own unit are relative to y[T]; only they have a column of last week.
        return name.endswith("_level") and f"{name.removesuffix('_level')}_week" in names
    return name.startswith(("target_", "analog_")) and "delta" not in name


def fit_span(batch: Batch, actual: Floats) -> Batch:
    """The batch to learn from: its annual columns are zero where known pairs span less than SEASON_DAYS."""
    known = batch.origins[~np.isnan(actual - batch.level[:, None]).all(axis=1)]
    if len(known) and known.max() - known.min() >= np.timedelta64(SEASON_DAYS, "D"):
        return batch
    return without_season(batch)


def without_season(batch: Batch) -> Batch:
    """The batch with its annual columns zero."""
    target = batch.target.copy()
    target[:, :, [name.startswith("annual") for name in batch.target_names]] = 0.0
    return replace(batch, target=target)


def check(name: str, change: Floats) -> None:
    """Raises NotEnoughData, in the name of family `name`, where a column of `change` has below MINIMUM_ROWS numbers."""
    counts = np.sum(~np.isnan(change), axis=0)
    if counts.min() < MINIMUM_ROWS:
        few = int(np.argmin(counts))
        raise NotEnoughData(
            f"{name} needs {MINIMUM_ROWS} known pairs of horizon {few + 1} and has {int(counts[few])}; "
            "give it more history."
        )


def whole(name: str, said: Floats) -> NDArray[np.int64]:
    """Places of the numbers in `said` (n,), which is NaN for a row that family `name` cannot learn on a line.

    Raises NotEnoughData where there is none: an input has a hole in every row, or no hour has days enough.
    """
    places = np.flatnonzero(~np.isnan(said))
    if not len(places):
        raise NotEnoughData(f"{name} needs rows with all features known and has none; look for holes in the inputs.")
    return places


def each(parts: Iterable[Any], work: Callable[[Any], Any], *, jobs: int) -> list[Any]:
    """`work` of each part, `jobs` at a time; it must use one thread itself."""
    return list(Parallel(n_jobs=jobs, backend="threading")(delayed(work)(part) for part in parts))
