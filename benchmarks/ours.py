"""Dataset, window and family on the command line -> forecasts in a Parquet file, by one fit at the window's start.

    python -m benchmarks.ours spain_hourly validation ridge answer.parquet [--operator] [--no-tails] [--without ...]

A process of its own, so that hidden libraries are hidden from the first import on.
"""

import argparse
import sys
from pathlib import Path
from time import process_time

import pandas as pd

SEED = 7


def main() -> None:
    """Forecast and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset")
    parser.add_argument("window")
    parser.add_argument("family")
    parser.add_argument("answer", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--operator", action="store_true")
    parser.add_argument("--no-tails", action="store_true")
    parser.add_argument("--without", default="", help="libraries to hide, separated by commas")
    options = parser.parse_args()
    sys.modules.update(dict.fromkeys(filter(None, options.without.split(","))))

    from benchmarks.contenders import slimmed
    from benchmarks.datasets import load
    from pipeline import backtest
    from pipeline.discovery import discover

    dataset = load(options.dataset, quick=options.quick)
    if options.no_tails:
        dataset = dataset.without_tails()
    built, actuals = dataset.built(options.window, operator=options.operator), dataset.actuals(options.window)
    period, begun = dataset.periods[options.window], process_time()
    values = backtest.rolling_origin(
        discover("pipeline.models", "FAMILY")[options.family],
        slimmed(options.family, built.batch),
        actuals.value,
        known_at=actuals.known_at,
        as_of=built.as_of,
        test_from=period.first,
        seed=SEED,
    )
    spent = process_time() - begun
    answer = pd.DataFrame(values, columns=[f"h{h}" for h in range(1, values.shape[1] + 1)])
    answer.insert(0, "origin", built.batch.origins[built.batch.origins >= period.first])
    answer.assign(cpu_s=spent).to_parquet(options.answer)


if __name__ == "__main__":
    main()
