"""What a model family is: (Batch of origins, targets) -> state; (state, Batch) -> MW for T+1..T+6."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STEADY = ("load", "generation")
SPIKY = ("price", "spread")
ANY_KIND = (*STEADY, *SPIKY)


@dataclass(frozen=True)
class Batch:
    """Feature rows of n origins, H horizons; every value known at its origin's issue.

    origins: (n,) datetime64[h], UTC, the last complete hour T.
    level: (n,) y[T] in the target's unit.
    naive: (n, H) last week's value at T+h plus the current error, in the target's unit; of prices and spreads the
        value of the day before (see inputs.Facts).
    shared: (n, p) features of the origin; `shared_names` has p names.
    target: (n, H, q) features of the target hour; `target_names` has q names.
    local_hour: (n, H) local hour 0..23 of T+h.
    recent: (n, L) hourly levels y[T-L+1] .. y[T], oldest first (for recursive families).
    """

    origins: NDArray[np.datetime64]
    level: Floats
    naive: Floats
    shared: Floats
    target: Floats
    local_hour: NDArray[np.int64]
    recent: Floats
    shared_names: tuple[str, ...]
    target_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.origins)

    def rows(self, keep: Any) -> "Batch":
        """The origins selected by a slice, mask or index array."""
        per_origin = ("origins", "level", "naive", "shared", "target", "local_hour", "recent")
        picked = {name: getattr(self, name)[keep] for name in per_origin}
        return Batch(**picked, shared_names=self.shared_names, target_names=self.target_names)


class Family(Protocol):
    """One kind of model. Declared as the module constant FAMILY; deterministic under `seed`.

    `candidate` is False for a yardstick: scored beside the others, never promoted. `kinds` are the kinds of
    target it suits (markets.TARGET_KINDS). `members` names the families whose forecasts this one is the
    equal mean of; its state then holds theirs by name.
    """

    name: str
    candidate: bool
    kinds: tuple[str, ...]
    members: tuple[str, ...]

    def fit(self, batch: Batch, actual: Floats, *, seed: int, jobs: int) -> dict[str, Any]:
        """Learn from (n, H) actuals (NaN where unknown) and return the state.

        Raises NotEnoughData when too few complete rows remain.
        """

    def predict(self, state: dict[str, Any], batch: Batch) -> Floats:
        """Point forecasts (n, H) in the target's unit; NaN where an input is missing."""


def is_linear(family: Family) -> bool:
    """Whether forecasts of one state are linear in level, naive and columns within a local hour.

    A family says so by `linear = True`.
    """
    return bool(getattr(family, "linear", False))


def equal_mean(forecasts: Sequence[Floats]) -> Floats:
    """Mean of (n, H) forecasts; NaN where one of them is."""
    mean: Floats = np.mean(np.stack(forecasts), axis=0)
    return mean
