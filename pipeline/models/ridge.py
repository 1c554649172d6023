"""Features of T+h -> change from T, by one ridge regression per horizon and local target hour, in closed form."""

from typing import Any

import numpy as np

from pipeline.errors import NotEnoughData
from pipeline.models.base import Batch, Floats
from pipeline.models.threads import one_thread

ALPHA = 10.0
MINIMUM_ROWS = 14
"""Fewest days an hour needs for a model of its own."""


class Ridge:
    """Hoerl & Kennard (1970) on standardised features; the target is y[T+h] - y[T].

    State, plain arrays: `columns` the feature names; `weights` (H, 24, p) in feature units, `offset` (H, 24);
    an hour of day too rare in training keeps NaN and predicts NaN.
    """

    name = "ridge"
    candidate = True
    members: tuple[str, ...] = ()

    def fit(self, batch: Batch, actual: Floats, *, seed: int, jobs: int) -> dict[str, Any]:
        """See Family.fit; rows with a NaN are left out. Raises NotEnoughData when no hour has enough days."""
        horizons, columns = actual.shape[1], len(batch.shared_names) + len(batch.target_names)
        weights, offset = np.full((horizons, 24, columns), np.nan), np.full((horizons, 24), np.nan)
        for h in range(horizons):
            rows = np.concatenate([batch.shared, batch.target[:, h]], axis=1)
            change = actual[:, h] - batch.level
            complete = ~(np.isnan(change) | np.isnan(rows).any(axis=1))
            for hour in range(24):
                keep = np.flatnonzero(complete & (batch.local_hour[:, h] == hour))
                if len(keep) >= MINIMUM_ROWS:
                    weights[h, hour], offset[h, hour] = _solve(rows[keep], change[keep])
        if np.isnan(offset).all():
            raise NotEnoughData(f"ridge needs {MINIMUM_ROWS} complete days of at least one hour; give it more history.")
        return {"columns": list(batch.shared_names + batch.target_names), "weights": weights, "offset": offset}

    def predict(self, state: dict[str, Any], batch: Batch) -> Floats:
        """See Family.predict."""
        split = len(batch.shared_names)
        forecast = np.empty(batch.naive.shape)
        for h in range(batch.naive.shape[1]):
            weights = state["weights"][h][batch.local_hour[:, h]]
            # einsum, not @: BLAS may round one row otherwise than the same row among many.
            change = np.einsum("ij,ij->i", batch.shared, weights[:, :split])
            change += np.einsum("ij,ij->i", batch.target[:, h], weights[:, split:])
            forecast[:, h] = batch.level + change + state["offset"][h][batch.local_hour[:, h]]
        return forecast


def _solve(rows: Floats, change: Floats) -> tuple[Floats, float]:
    mean, spread = rows.mean(axis=0), rows.std(axis=0)
    spread[spread <= 1e-9 * np.maximum(1.0, np.abs(mean))] = np.inf
    scaled = (rows - mean) / spread
    with one_thread("blas"):
        gram = scaled.T @ scaled
        gram[np.diag_indices_from(gram)] += ALPHA
        weights: Floats = np.linalg.solve(gram, scaled.T @ (change - change.mean())) / spread
    return weights, float(change.mean() - mean @ weights)


FAMILY = Ridge()
