"""A version that may become champion -> its recent error and its next six hours, beside the champion's."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline import features, metrics, registry
from pipeline.discovery import discover
from pipeline.errors import ModelError
from pipeline.guard import LEAST_COMMON
from pipeline.markets import Target
from pipeline.models.base import Floats
from pipeline.registry import Model, Pool
from pipeline.warehouse import Session, Warehouse

DAYS = (7, 30)
BASES = ("as issued", "shadow", "backtest")
KEY = ["origin", "horizon"]
HOUR = pd.Timedelta(hours=1)


@dataclass(frozen=True)
class Preview:
    """What is known before a champion changes.

    errors: one row per window and version: days, version_id, role (candidate or champion), basis, n (common
    origins), mae in the target's unit. A basis is "as issued", "shadow" or "backtest", or several joined by " + ".
    forecasts: the newest origin's six hours of both: version_id, role, basis, origin, horizon, valid_at, p10, p50,
    p90; basis "computed" has no band.
    apart: the difference of both for each of DAYS.
    flaw: why the champion's own file cannot be loaded, "" where it can.
    """

    errors: pd.DataFrame
    forecasts: pd.DataFrame
    apart: Mapping[int, "Apart"]
    flaw: str = ""


@dataclass(frozen=True)
class Apart:
    """How two versions err on hours that both forecast: `n` origins, `n_hours` forecasts, MAE in the target's unit.

    standard_error: of the difference of the MAEs; p_value: two-sided, of no difference. Both are NaN where fewer
    than guard.LEAST_COMMON origins are common.
    """

    n: int
    n_hours: int
    mae: float
    other_mae: float
    standard_error: float
    p_value: float

    @property
    def difference(self) -> float:
        """MAE minus the other's: below zero is better."""
        return self.mae - self.other_mae


def apart(pairs: pd.DataFrame) -> Apart:
    """Compare two versions by rows of origin, horizon, error_0 (its own) and error_1 (the other's)."""
    pairs = pairs.dropna(subset=["error_0", "error_1"])
    if pairs.empty:
        return Apart(0, 0, *[float("nan")] * 4)
    own, other = (_hourly(pairs, f"error_{place}") for place in (0, 1))
    n, enough = pairs["origin"].nunique(), pairs["origin"].nunique() >= LEAST_COMMON
    return Apart(
        n=n,
        n_hours=len(pairs),
        mae=float(np.nanmean(own)),
        other_mae=float(np.nanmean(other)),
        standard_error=metrics.standard_error(own - other) if enough else float("nan"),
        p_value=metrics.diebold_mariano(own, other) if enough else float("nan"),
    )


def _hourly(pairs: pd.DataFrame, column: str) -> Floats:
    """Absolute errors (hours, H) from the first origin to the last, NaN where there is none."""
    wide = pairs.pivot(index="origin", columns="horizon", values=column)
    hours = pd.date_range(wide.index.min(), wide.index.max(), freq="h")
    return wide.reindex(hours).abs().to_numpy(dtype=np.float64)


@dataclass(frozen=True)
class _Side:
    role: str
    version_id: str
    as_of: pd.Timestamp
    model: Model | None


def preview(warehouse: Warehouse, models: Path, target: Target, version_id: str, *, now: datetime) -> Preview:
    """Compare `version_id` with the champion on what both forecast in the last DAYS, hour by hour.

    Each hour counts by the best that is known of it: what was issued, what was forecast in shadow, what the stored
    model makes of the row of an issue it had not learned from, or its hold-out. Hours of declared events do not count.
    Raises ModelError when the version cannot be loaded, NoChampion; a champion that cannot be loaded is judged by what
    it issued.
    """
    candidate = registry.load(registry.version(warehouse, target.id, version_id), folder=models)
    row = registry.champion(warehouse, target.id)
    champion, flaw = _champion(row, models)
    sides = [_Side("candidate", version_id, candidate.as_of, candidate), champion]
    with warehouse.read() as session:
        rows = session.ask(
            "feature_rows",
            target=target.id,
            feature_set=features.feature_set(target.inputs),
            since=now - timedelta(days=max(DAYS)),
        )
        issued = session.ask("live_forecasts", target=target.id, versions=[side.version_id for side in sides])
        live = [_live(session, target, side, now) for side in sides]
    points = {side.version_id: _points(side, target, rows) for side in sides}
    errors = [
        _counted(_errors(side, own, points[side.version_id]), target) for side, own in zip(sides, live, strict=True)
    ]
    forecasts = [_forecast(side, issued, points[side.version_id]) for side in sides]
    windows = {days: _common(errors, now - timedelta(days=days)) for days in DAYS}
    return Preview(
        pd.DataFrame(_windows(sides, windows)),
        pd.concat(forecasts, ignore_index=True),
        {days: apart(common) for days, common in windows.items()},
        flaw,
    )


def _champion(row: Mapping[str, Any], models: Path) -> tuple[_Side, str]:
    """(The champion, why its file cannot be loaded or "")."""
    model, flaw = None, ""
    try:
        model = registry.load(row, folder=models)
    except ModelError as error:
        flaw = str(error)
    return _Side("champion", row["version_id"], pd.Timestamp(row["as_of"]), model), flaw


def _live(session: Session, target: Target, side: _Side, now: datetime) -> pd.DataFrame:
    first = now - timedelta(days=max(DAYS))
    rows = session.ask("version_errors", target=target.id, version_id=side.version_id, first=first, last=now)
    return rows.assign(basis=np.where(rows["issuer"] == "shadow", "shadow", "as issued"))


def _points(side: _Side, target: Target, rows: pd.DataFrame) -> pd.DataFrame:
    """The model's forecasts from stored rows of issues made after it was trained, with the actuals known by now."""
    rows = rows[rows["as_of"] >= side.as_of]
    families = discover("pipeline.models", "FAMILY")
    if rows.empty or side.model is None or side.model.family not in families:
        return pd.DataFrame(columns=[*KEY, "valid_at", "p50", "actual"])
    point: Floats = families[side.model.family].predict(side.model.state, features.from_rows(rows, target.inputs).batch)
    found = rows.sort_values(KEY)[[*KEY, "valid_at", "actual"]].assign(p50=point.ravel())
    return found[found["horizon"].isin(target.horizons)]


def _errors(side: _Side, live: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """One row per origin and horizon: error and basis, the best basis there is."""
    parts = [live[[*KEY, "error", "basis"]]]
    parts.append(points[KEY].assign(error=points["p50"] - points["actual"], basis="backtest"))
    if side.model is not None:
        parts.append(_held_out(side.model.residuals))
    whole = pd.concat([part for part in parts if len(part)], ignore_index=True) if any(map(len, parts)) else parts[0]
    return whole.dropna(subset=["error"]).drop_duplicates(KEY)


def _counted(errors: pd.DataFrame, target: Target) -> pd.DataFrame:
    """Without the hours that are not issued or meet a declared event, however they came to be known."""
    errors = errors[errors["horizon"].isin(target.horizons)]
    start = errors["origin"] + pd.to_timedelta(errors["horizon"].astype("int64"), unit="h")
    for event in target.events:
        outside = (start + HOUR <= event.first) | (start >= event.last)
        errors, start = errors[outside], start[outside]
    return errors


def _held_out(pool: Pool) -> pd.DataFrame:
    n, width = pool["error"].shape
    origins = pd.to_datetime(
        np.repeat(pool["origin"], width).astype("datetime64[h]").astype("datetime64[us]"), utc=True
    )
    horizon = np.tile(np.arange(1, width + 1), n)
    return pd.DataFrame({"origin": origins, "horizon": horizon, "error": pool["error"].ravel(), "basis": "backtest"})


def _common(errors: list[pd.DataFrame], since: datetime) -> pd.DataFrame:
    both = errors[0].merge(errors[1], on=KEY, suffixes=("_0", "_1"))
    return both[both["origin"] >= since]


def _windows(sides: list[_Side], windows: Mapping[int, pd.DataFrame]) -> Iterator[dict[str, Any]]:
    for days, common in windows.items():
        for place, side in enumerate(sides):
            found = set(common[f"basis_{place}"])
            yield {
                "days": days,
                "version_id": side.version_id,
                "role": side.role,
                "basis": " + ".join(basis for basis in BASES if basis in found),
                "n": common["origin"].nunique(),
                "mae": float(common[f"error_{place}"].abs().mean()),
            }


def _forecast(side: _Side, issued: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """The newest origin's six hours: as issued or in shadow, else as the model makes them now."""
    mine = issued[issued["version_id"] == side.version_id]
    if mine.empty:
        mine = points[points["origin"] == points["origin"].max()].assign(p10=np.nan, p90=np.nan, basis="computed")
    columns = ["basis", "origin", "horizon", "valid_at", "p10", "p50", "p90"]
    return mine[columns].assign(version_id=side.version_id, role=side.role)
