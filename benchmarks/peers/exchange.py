"""Parquet from the benchmark -> series, calendar and origins for a peer; forecasts -> Parquet.

The settings every peer gets: the lags, rolling windows and trees that served them best when they were measured.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import process_time

import numpy as np
import pandas as pd
from lightgbm import LGBMRegressor

HORIZONS = 6
LAGS = [*range(1, 26), 47, 48, 49, 72, 96, 120, 144, 167, 168, 169, 336]
ROLLING = [("mean", 24), ("min", 24), ("max", 24), ("std", 24), ("mean", 168)]


def lightgbm() -> LGBMRegressor:
    """400 trees, learning rate 0.05, 31 leaves, on one thread."""
    return LGBMRegressor(
        n_estimators=400, learning_rate=0.05, num_leaves=31, n_jobs=1, random_state=7, deterministic=True, verbose=-1
    )


@dataclass(frozen=True)
class Task:
    """What a peer may use.

    hours: by UTC hour (naive, hourly, no holes) column y in MW and the calendar columns, known for every hour.
    Learn from the hours up to `first`; forecast from every origin of [first, last], seeing y up to the origin.
    """

    hours: pd.DataFrame
    first: pd.Timestamp
    last: pd.Timestamp
    difference: bool

    @property
    def calendar(self) -> pd.DataFrame:
        """The columns known ahead."""
        return self.hours.drop(columns="y")

    @property
    def places(self) -> np.ndarray:
        """Row of each origin in `hours`."""
        return np.arange(self.hours.index.get_loc(self.first), self.hours.index.get_loc(self.last) + 1)


def serve(forecast: Callable[[Task], np.ndarray]) -> None:
    """Read the command line, let `forecast` answer (n, HORIZONS) and write it beside the CPU seconds it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path)
    parser.add_argument("answer", type=Path)
    parser.add_argument("--first", type=pd.Timestamp, required=True)
    parser.add_argument("--last", type=pd.Timestamp, required=True)
    parser.add_argument("--difference", action="store_true")
    options = parser.parse_args()
    task = Task(pd.read_parquet(options.source).asfreq("h"), options.first, options.last, options.difference)
    begun = process_time()
    values = forecast(task)
    answer = pd.DataFrame(values, columns=[f"h{h}" for h in range(1, HORIZONS + 1)])
    answer.insert(0, "origin", task.hours.index[task.places])
    answer.assign(cpu_s=process_time() - begun).to_parquet(options.answer)
