"""Features of all six hours -> changes from T, by the mean of a few networks with six outputs each."""

from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.neural_network import MLPRegressor

from pipeline.errors import NotEnoughData
from pipeline.models.base import Batch, Floats
from pipeline.models.threads import one_thread

MINIMUM_ROWS = 24 * 28
NETWORKS = 3
"""Networks that differ by their seed only; their mean errs clearly less than one of them."""


class Mlp:
    """Rosenblatt's perceptron in two hidden layers (Rumelhart et al. 1986), stopped early, averaged over seeds.

    State, plain data: `mean`, `spread` (p,) of the features, `change_mean`, `change_spread` (H,) of the
    targets y[T+h] - y[T], `networks` a list of lists of (weights, offsets) per layer.
    """

    name = "mlp"
    candidate = True
    members: tuple[str, ...] = ()

    def fit(self, batch: Batch, actual: Floats, *, seed: int, jobs: int) -> dict[str, Any]:
        """See Family.fit; rows with a NaN are left out. Raises NotEnoughData below MINIMUM_ROWS of them."""
        rows, change = _rows(batch), actual - batch.level[:, None]
        whole = np.isfinite(rows).all(axis=1) & np.isfinite(change).all(axis=1)
        if whole.sum() < MINIMUM_ROWS:
            raise NotEnoughData(f"mlp needs {MINIMUM_ROWS} complete rows and has {whole.sum()}; give it more history.")
        rows, change = rows[whole], change[whole]
        state: dict[str, Any] = {"mean": rows.mean(axis=0), "spread": rows.std(axis=0)}
        state["spread"][state["spread"] < 1e-9] = np.inf
        state |= {"change_mean": change.mean(axis=0), "change_spread": change.std(axis=0)}
        scaled = (rows - state["mean"]) / state["spread"]
        goal = (change - state["change_mean"]) / state["change_spread"]
        fits = (delayed(_fit)(scaled, goal, seed + number) for number in range(NETWORKS))
        return state | {"networks": list(Parallel(n_jobs=jobs, backend="threading")(fits))}

    def predict(self, state: dict[str, Any], batch: Batch) -> Floats:
        """See Family.predict."""
        scaled = (_rows(batch) - state["mean"]) / state["spread"]
        change = np.mean([_forward(network, scaled) for network in state["networks"]], axis=0)
        forecast: Floats = batch.level[:, None] + change * state["change_spread"] + state["change_mean"]
        return forecast


def _fit(rows: Floats, goal: Floats, seed: int) -> list[tuple[Floats, Floats]]:
    network = MLPRegressor(
        hidden_layer_sizes=(128, 64),
        batch_size=256,
        early_stopping=True,
        max_iter=120,
        random_state=seed,
    )
    with one_thread("blas"):
        network.fit(rows, goal)
    return list(zip(network.coefs_, network.intercepts_, strict=True))


def _forward(network: list[tuple[Floats, Floats]], rows: Floats) -> Floats:
    """The network's answer; einsum, not @: BLAS may round one row otherwise than the same row among many."""
    signal = rows
    for number, (weights, offsets) in enumerate(network):
        signal = np.einsum("ij,jk->ik", signal, weights) + offsets
        if number < len(network) - 1:
            # np.maximum keeps NaN, so a row that lacks an input stays NaN.
            signal = np.maximum(signal, 0.0)
    return signal


def _rows(batch: Batch) -> Floats:
    return np.concatenate([batch.shared, batch.target.reshape(len(batch), -1)], axis=1)


FAMILY = Mlp()
