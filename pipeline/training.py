"""History of a target -> candidates scored on a common hold-out and the best one refitted on everything."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import numpy as np
import pandas as pd

from pipeline import backtest, features, inputs, intervals, metrics
from pipeline.errors import NotEnoughData
from pipeline.features import Actuals, Built
from pipeline.markets import Target
from pipeline.models.base import Batch, Family, Floats, equal_mean
from pipeline.warehouse import Warehouse
from pipeline.windows import WINDOW_HOURS, Times

HOLD_OUT = timedelta(days=28)
LEAST_DAYS = 60
SEED = 7
CLEARLY_WORSE = 1.05
LEAST_COMMON = 100
Progress = Callable[..., Iterable[Any]]


@dataclass(frozen=True)
class Lesson:
    """What there is to learn from: rows of ascending origins, their actuals as known at `as_of`."""

    target: Target
    as_of: datetime
    built: Built
    actuals: Actuals
    data_hash: str

    @property
    def test_from(self) -> np.datetime64:
        """First origin of the hold-out."""
        start: np.datetime64 = self.built.batch.origins[-1] - np.timedelta64(HOLD_OUT)
        return start


@dataclass(frozen=True)
class Candidate:
    """The best family refitted on everything, with its hold-out scores and error bands as evidence."""

    family: Family
    state: dict[str, Any]
    calibration: dict[str, Any]
    naive_calibration: dict[str, Any]
    scores: pd.DataFrame

    def mean_mae(self) -> float:
        """Mean over horizons of the hold-out MAE, in the target's unit."""
        return float(self.scores.loc[self.scores.family == self.family.name, "mae"].mean())


@dataclass(frozen=True)
class Duel:
    """MAE of a candidate and of the champion on `n` common origins; NaN where there are too few."""

    n: int
    candidate_mae: float
    champion_mae: float

    @property
    def clearly_worse(self) -> bool:
        """Whether the candidate loses by more than the tolerated share."""
        return self.candidate_mae > CLEARLY_WORSE * self.champion_mae


def gather(warehouse: Warehouse, target: Target, *, as_of: datetime) -> Lesson:
    """Rows of every past origin whose hour is complete, each as known when it was issued.

    Raises NotEnoughData when there are fewer than LEAST_DAYS beyond the reach of the features.
    """
    with warehouse.read() as session:
        history = inputs.history(session, target, since=inputs.BEGINNING, as_of=as_of)
        days = len(np.unique(history.valid_at)) / 24
        least = LEAST_DAYS + HOLD_OUT.days + WINDOW_HOURS / 24
        if days < least:
            raise NotEnoughData(
                f"{target.id}: training needs {least:.0f} days of actuals and has {days:.0f}; ingest more history."
            )
        first, last = history.valid_at.min() + np.timedelta64(WINDOW_HOURS, "h"), history.valid_at.max()
        origins: Times = np.arange(first, last + 1)
        built = inputs.built(session, target, origins, inputs.earliest_as_of(origins, target, history))
    whole = np.flatnonzero(built.stale_hours == 0)
    built = _rows(built, whole)
    actuals = features.training_actuals(history, built.batch.origins, as_of=np.datetime64(_naive(as_of), "us"))
    digest = sha256(features.feature_set().encode())
    for array in (history.valid_at, history.known_at, history.value):
        digest.update(np.ascontiguousarray(array).tobytes())
    return Lesson(target, as_of, built, actuals, digest.hexdigest())


def compare(
    lesson: Lesson,
    families: Mapping[str, Family],
    *,
    jobs: int,
    progress: Progress,
) -> Candidate:
    """Score all families on the hold-out, refit the best candidate on everything.

    Raises NotEnoughData when no family can be fitted.
    """
    batch, actual = lesson.built.batch, lesson.actuals.value
    test = batch.origins >= lesson.test_from
    forecasts: dict[str, Floats] = {}
    # Ensembles last: their forecast is the mean of what their members gave already.
    for family in progress(sorted(families.values(), key=lambda f: len(f.members)), f"backtest {lesson.target.id}"):
        if family.members and set(family.members) <= set(forecasts):
            forecasts[family.name] = equal_mean([forecasts[name] for name in family.members])
        else:
            forecasts[family.name] = _rolling(lesson, family, lesson.test_from, jobs=jobs)
    scale = metrics.seasonal_scale(batch.level[~test])
    scores = _scores(forecasts, batch.rows(test), actual[test], scale=scale)
    means = scores.groupby("family")["mae"].mean()
    best = families[min((name for name, family in families.items() if family.candidate), key=means.__getitem__)]
    known = ~np.isnan(actual).all(axis=1)
    hours = batch.local_hour[test]
    errors = forecasts[best.name] - actual[test]
    return Candidate(
        family=best,
        state=best.fit(batch.rows(known), actual[known], seed=SEED, jobs=jobs),
        calibration=intervals.calibrate(errors, hours),
        naive_calibration=intervals.calibrate(batch.naive[test] - actual[test], hours),
        scores=scores,
    )


def _rolling(
    lesson: Lesson, family: Family, start: np.datetime64, *, jobs: int, refit_every: timedelta | None = None
) -> Floats:
    return backtest.rolling_origin(
        family,
        lesson.built.batch,
        lesson.actuals.value,
        known_at=lesson.actuals.known_at,
        as_of=lesson.built.as_of,
        test_from=start,
        refit_every=refit_every,
        seed=SEED,
        jobs=jobs,
    )


def broken(candidate: Candidate, lesson: Lesson) -> str | None:
    """Why the candidate must not serve, or None: it has to predict finite, plausible values for the last day."""
    point = candidate.family.predict(candidate.state, lesson.built.batch.rows(slice(-24, None)))
    series = lesson.target.series
    if not np.isfinite(point).all():
        return f"{int((~np.isfinite(point)).sum())} of its latest forecasts are not numbers"
    if point.min() < series.minimum or point.max() > series.maximum:
        return f"its latest forecasts reach {point.min():,.0f} to {point.max():,.0f} {series.unit}"
    if not math.isfinite(candidate.mean_mae()):
        return "its hold-out error is not a number"
    return None


def challenge(lesson: Lesson, family: Family, issued: pd.DataFrame, *, jobs: int) -> Duel:
    """The family, refitted every week, against the champion's as-issued errors on the origins of `issued`.

    `issued` has origin, horizon and error. The hold-out of `compare` would be unfair here: there the
    family knows nothing of the last four weeks, the champion may.
    """
    wide = issued.pivot(index="origin", columns="horizon", values="error")
    origins = pd.to_datetime(wide.index, utc=True).tz_localize(None).to_numpy().astype("datetime64[h]")
    batch = lesson.built.batch
    common = np.isin(batch.origins, origins)
    if wide.shape[1] != len(lesson.target.horizons) or common.sum() < LEAST_COMMON:
        return Duel(int(common.sum()), math.nan, math.nan)
    start = batch.origins[common][0]
    point = _rolling(lesson, family, start, jobs=jobs, refit_every=timedelta(days=7))
    errors = (point - lesson.actuals.value[batch.origins >= start])[common[batch.origins >= start]]
    other = wide.to_numpy(float)[np.isin(origins, batch.origins)]
    both = np.isfinite(errors).all(axis=1) & np.isfinite(other).all(axis=1)
    return Duel(int(both.sum()), float(np.abs(errors[both]).mean()), float(np.abs(other[both]).mean()))


def _scores(forecasts: dict[str, Floats], batch: Batch, actual: Floats, *, scale: float) -> pd.DataFrame:
    """Bands are calibrated on the first half of the hold-out and scored on the second."""
    half = len(batch) // 2
    bands = {}
    for name, point in forecasts.items():
        calibration = intervals.calibrate(point[:half] - actual[:half], batch.local_hour[:half])
        later = point.copy()
        later[:half] = np.nan
        bands[name] = intervals.apply(calibration, later, batch.local_hour)
    return backtest.score(forecasts, actual, origins=batch.origins, scale=scale, bands=bands)


def _rows(built: Built, keep: np.ndarray) -> Built:
    return Built(
        batch=built.batch.rows(keep),
        as_of=built.as_of[keep],
        stale_hours=built.stale_hours[keep],
        filled_hours=built.filled_hours[keep],
        operator=built.operator[keep],
    )


def _naive(moment: datetime) -> pd.Timestamp:
    return pd.Timestamp(moment).tz_convert("UTC").tz_localize(None)
