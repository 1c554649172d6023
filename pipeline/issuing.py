"""Feature rows + champion -> predictions of three issuers, each ok, a labelled fallback or withheld."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline import intervals
from pipeline.features import Built
from pipeline.intervals import LEVELS
from pipeline.markets import Target
from pipeline.models.base import Family, Floats
from pipeline.registry import Model

# A step beyond this share of the level within six hours is no forecast but a fault.
WILDEST_CHANGE = 0.6


@dataclass(frozen=True)
class Issue:
    """Quantiles (n, H) by name, and per origin (n,): version, status and reason of what is issued."""

    bands: dict[str, Floats]
    version_id: np.ndarray
    status: np.ndarray
    reason: np.ndarray


def issue(built: Built, target: Target, model: Model | None, family: Family | None, *, excuse: str) -> Issue:
    """The champion's forecast where it can be trusted, else naive with the reason, else withheld.

    `excuse` says why `model` is None.
    """
    naive = _naive_bands(built, model)
    if model is None or family is None:
        why = np.full(len(built.batch), excuse, dtype=object)
        champion = naive
    else:
        point = family.predict(model.state, built.batch)
        champion = intervals.apply(model.calibration, point, built.batch.local_hour)
        why = _doubts(point, built, target, model)
    usable, possible = why == "", np.isfinite(naive["p50"]).all(axis=1)
    bands = {name: np.where(usable[:, None], champion[name], naive[name]) for name in LEVELS}
    for values in bands.values():
        values[~usable & ~possible] = np.nan
    status = np.select([usable, possible], ["ok", "fallback"], "withheld").astype(object)
    why = np.where(~usable & ~possible, why + "; naive has no value of last week either", why)
    version = np.where(usable, "" if model is None else model.version_id, "naive").astype(object)
    return Issue(bands, version, status, why)


def comparators(built: Built) -> dict[str, Floats]:
    """Point forecasts (n, H) of the issuers that are recorded beside ours, NaN where they have none."""
    return {"naive": built.batch.naive, "operator": built.operator}


def rows(built: Built, issued: Issue, *, target: str, mode: np.ndarray, made_at: np.ndarray) -> pd.DataFrame:
    """Rows of table `predictions` without `written_at` and `run_id`; comparators only where they have a value."""
    frames = [_frame(built, target, mode, made_at, "sextant", issued.bands, issued)]
    for issuer, point in comparators(built).items():
        bands = {name: point if name == "p50" else np.full(point.shape, np.nan) for name in LEVELS}
        frame = _frame(built, target, mode, made_at, issuer, bands, None)
        frames.append(frame[frame["p50"].notna()])
    return pd.concat(frames, ignore_index=True)


def _naive_bands(built: Built, model: Model | None) -> dict[str, Floats]:
    naive = built.batch.naive
    if model is None:
        return {name: naive.copy() if name == "p50" else np.full(naive.shape, np.nan) for name in LEVELS}
    return intervals.apply(model.naive_calibration, naive, built.batch.local_hour)


def _doubts(point: Floats, built: Built, target: Target, model: Model) -> np.ndarray:
    """(n,) why the champion's forecast is not to be used; empty where it is."""
    level = built.batch.level[:, None]
    bounds = target.series
    wild = (
        (point < bounds.minimum) | (point > bounds.maximum) | (np.abs(point - level) > WILDEST_CHANGE * np.abs(level))
    )
    as_of = np.datetime64(model.as_of.tz_convert("UTC").tz_localize(None), "us")
    words = [
        (built.stale_hours > 0, [f"stale data: the last {n} hours of actuals are missing" for n in built.stale_hours]),
        (built.as_of < as_of, f"{model.version_id} was trained on later data"),
        (~np.isfinite(point).all(axis=1), f"{model.version_id} lacks an input"),
        (wild.any(axis=1), f"{model.version_id} gave an implausible value"),
    ]
    return np.select([mask for mask, _ in words], [np.asarray(text, dtype=object) for _, text in words], "")


def _frame(
    built: Built,
    target: str,
    mode: np.ndarray,
    made_at: np.ndarray,
    issuer: str,
    bands: dict[str, Floats],
    issued: Issue | None,
) -> pd.DataFrame:
    n, width = bands["p50"].shape
    origins = np.repeat(built.batch.origins.astype("datetime64[us]"), width)
    horizon = np.tile(np.array(target_horizons(width)), n)
    frame = {
        "target": target,
        "origin": pd.to_datetime(origins, utc=True),
        "horizon": horizon,
        "valid_at": pd.to_datetime(np.add(origins, horizon * np.timedelta64(1, "h")), utc=True),
        "issuer": issuer,
        "version_id": issuer if issued is None else np.repeat(issued.version_id, width),
        "mode": np.repeat(mode, width),
        "status": "ok" if issued is None else np.repeat(issued.status, width),
        "reason": "" if issued is None else np.repeat(issued.reason, width),
        "made_at": pd.to_datetime(np.repeat(made_at, width), utc=True),
    }
    return pd.DataFrame(frame | {name: values.ravel() for name, values in bands.items()})


def target_horizons(width: int) -> range:
    """Horizons 1..width in hours."""
    return range(1, width + 1)
