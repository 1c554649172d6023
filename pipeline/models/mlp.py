"""Features of all six hours -> what ridge leaves of the changes, by the mean of a few six-output networks."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neural_network import MLPRegressor

from pipeline.errors import NotEnoughData
from pipeline.models import direct, hourly
from pipeline.models.base import STEADY, Batch, Floats
from pipeline.models.threads import one_thread

MINIMUM_ROWS = 24 * 28
NETWORKS = 3
"""Networks that differ by their seed only; their mean errs clearly less than one of them."""
EPOCHS = 8
"""Hourly origins overlap, so there are far fewer lessons than rows: on validation windows 15 passes erred 5 % more."""
REACH = 4.0
"""Standard deviations beyond which a feature counts as this far: a network's answer to what it never saw is wild."""
WAVES = (1, 2, 3, 4)
Singles = NDArray[np.float32]


class Mlp:
    """Rosenblatt's perceptron in two hidden layers (Rumelhart et al. 1986), trained briefly, averaged over seeds.

    It learns the errors of ridge on rows that ridge has not learned (see trees).
    State, plain data: `mean`, `spread` (p,) of the features, `change_mean`, `change_spread` (H,) of the goals,
    `networks` a list of lists of (weights, offsets) per layer, `weights` (H, 24, q) and `offset` (H, 24) of ridge.
    """

    name = "mlp"
    candidate = True
    kinds: tuple[str, ...] = STEADY
    members: tuple[str, ...] = ()

    def fit(self, batch: Batch, actual: Floats, *, seed: int, jobs: int) -> dict[str, Any]:
        """See Family.fit; rows with a NaN are left out. Raises NotEnoughData below MINIMUM_ROWS of them."""
        batch = direct.fit_span(batch, actual)
        rows, change = _rows(batch), actual - batch.level[:, None]
        whole = np.isfinite(rows).all(axis=1) & np.isfinite(change).all(axis=1)
        if whole.sum() < MINIMUM_ROWS:
            raise NotEnoughData(f"mlp needs {MINIMUM_ROWS} complete rows and has {whole.sum()}; give it more history.")
        lines, rest = _ridge(batch.rows(whole), change[whole])
        sound = np.isfinite(rest).all(axis=1)
        rows, rest = rows[whole][sound], rest[sound]
        state: dict[str, Any] = {"mean": rows.mean(axis=0), "spread": rows.std(axis=0)}
        state["spread"][state["spread"] < 1e-9] = np.inf
        state |= {"change_mean": rest.mean(axis=0), "change_spread": rest.std(axis=0)} | lines
        scaled = _scaled(state, rows).astype(np.float32)
        goal = ((rest - state["change_mean"]) / state["change_spread"]).astype(np.float32)
        networks = direct.each(range(NETWORKS), lambda number: _fit(scaled, goal, seed + number), jobs=jobs)
        return state | {"networks": networks}

    def predict(self, state: dict[str, Any], batch: Batch) -> Floats:
        """See Family.predict."""
        scaled = _scaled(state, _rows(batch))
        change = np.mean([_forward(network, scaled) for network in state["networks"]], axis=0)
        forecast: Floats = batch.level[:, None] + change * state["change_spread"] + state["change_mean"]
        for h in range(forecast.shape[1]):
            lines = state["weights"][h], state["offset"][h]
            forecast[:, h] += hourly.line(*lines, direct.rows(batch, h), batch.local_hour[:, h])
        return forecast


def _ridge(batch: Batch, change: Floats) -> tuple[dict[str, Floats], Floats]:
    """Ridge of each horizon, and what it leaves of (n, H) changes it has not learned."""
    rest, fitted = np.empty(change.shape), []
    for h in range(change.shape[1]):
        rows, hour = direct.rows(batch, h), batch.local_hour[:, h]
        fitted.append(hourly.solve(hourly.Moments.of(rows, change[:, h], hour)))
        rest[:, h] = change[:, h] - fitted[h].left_out(rows, change[:, h], hour)
    names = ("weights", "offset")
    return {name: np.stack([getattr(lines, name) for lines in fitted]) for name in names}, rest


def _fit(rows: Singles, goal: Singles, seed: int) -> list[tuple[Floats, Floats]]:
    network = MLPRegressor(hidden_layer_sizes=(128, 64), batch_size=256, random_state=seed)
    with one_thread("blas"):
        for _ in range(EPOCHS):
            network.partial_fit(rows, goal)
    pairs = zip(network.coefs_, network.intercepts_, strict=True)
    return [(weights.astype(np.float64), offsets.astype(np.float64)) for weights, offsets in pairs]


def _forward(network: list[tuple[Floats, Floats]], rows: Floats) -> Floats:
    """The network's answer; einsum, not @: BLAS may round one row otherwise than the same row among many."""
    signal = rows
    for number, (weights, offsets) in enumerate(network):
        signal = np.einsum("ij,jk->ik", signal, weights) + offsets
        if number < len(network) - 1:
            # np.maximum keeps NaN, so a row that lacks an input stays NaN.
            signal = np.maximum(signal, 0.0)
    return signal


def _scaled(state: dict[str, Any], rows: Floats) -> Floats:
    scaled: Floats = np.clip((rows - state["mean"]) / state["spread"], -REACH, REACH)
    return scaled


def _rows(batch: Batch) -> Floats:
    angle = 2 * np.pi * np.arange(24)[:, None] * np.array(WAVES) / 24
    clock = np.concatenate([np.sin(angle), np.cos(angle)], axis=1)[batch.local_hour[:, 0]]
    return np.concatenate([batch.shared, batch.target.reshape(len(batch), -1), clock], axis=1)


FAMILY = Mlp()
