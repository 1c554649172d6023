"""DART of seven ERCOT settlement points, June to September 2025: ours beside what a desk would say without a model.

A forecast of T+1..T+6 from every hour, through the pipeline's own rows, models and adaptive bands, refitted weekly on
what was known then; everything was chosen on February to May. Baselines: the day-ahead price as forecast of the
real-time one (a spread of 0), persistence (the spread of T), and the same hour of the day before. Their pinball loss
is told twice: of their point as all quantiles, and of the very same conformal bands around it.

    python -m benchmarks.dart [--quick] [--window validation] [--family NAME]

Quick is one settlement point and six weeks of the time that things were chosen on: it says that the machinery works.
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd
from tqdm import tqdm

from benchmarks import dart_recount, dart_tables, results
from benchmarks.dart_world import PRICES, World, lessons, prices, world
from pipeline import backtest, guard
from pipeline.adapting import Basis, Track
from pipeline.discovery import discover
from pipeline.intervals import EDGES, LEVELS
from pipeline.models.base import Family, Floats
from pipeline.windows import Times, Versions

OURS, AHEAD, LAST, YESTERDAY = "Sextant", "day-ahead", "persistence", "same hour yesterday"
SEED = 7
WEEK = np.timedelta64(168, "h")
HOLD_OUT = 4 * WEEK
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Plan:
    """Settlement points (all where empty), origins [first, last), and how many forecasts of each are made again."""

    points: tuple[str, ...]
    first: np.datetime64
    last: np.datetime64
    samples: int


FULL = Plan((), np.datetime64("2025-06-01T00"), np.datetime64("2025-10-01T00"), 3)
VALIDATION = Plan((), np.datetime64("2025-02-01T00"), FULL.first, 1)
QUICK = Plan(("HB_NORTH",), np.datetime64("2025-04-01T00"), np.datetime64("2025-05-13T00"), 1)


@dataclass(frozen=True)
class Answer:
    """Of one settlement point on the axis of all test origins, hour by hour, NaN where one of the four has nothing.

    actual (n, H); point: contender -> (n, H); edges: contender -> (n, H, 4).
    """

    name: str
    origins: Times
    actual: Floats
    point: Mapping[str, Floats]
    edges: Mapping[str, Floats]


def family(name: str = "") -> Family:
    """The one asked for, else LightGBM's where it is installed."""
    known: dict[str, Family] = discover("pipeline.models", "FAMILY")
    return known[name or ("lightgbm_asinh" if "lightgbm_asinh" in known else "boosting_asinh")]


def answer(one: World, model: Family, plan: Plan) -> Answer:
    """Forecasts and bands of all contenders, of pairs that all of them have."""
    origins = one.built.batch.origins
    kept = (origins >= plan.first - HOLD_OUT) & (origins < plan.last)
    batch, actual = one.built.batch.rows(kept), one.actuals.value[kept]
    points = {
        OURS: rolling(one, model, plan.first - HOLD_OUT, plan.last),
        AHEAD: one.built.operator[kept],
        LAST: np.repeat(batch.level[:, None], actual.shape[1], axis=1),
        YESTERDAY: batch.naive,
    }
    test = batch.origins >= plan.first
    edges = {name: _bands(one, kept, test, point) for name, point in points.items()}
    axis = np.arange(plan.first, batch.origins[-1] + 1)
    common = np.isfinite(actual + sum(points.values()) + sum(edge.sum(axis=2) for edge in edges.values()))

    def spread(values: Floats) -> Floats:
        wide = np.full((len(axis), *values.shape[1:]), np.nan)
        wide[(batch.origins[test] - plan.first).astype(int)] = np.where(
            common[test].reshape(*common[test].shape, *[1] * (values.ndim - 2)), values[test], np.nan
        )
        return wide

    return Answer(
        name=one.point,
        origins=axis,
        actual=spread(actual),
        point={name: spread(values) for name, values in points.items()},
        edges={name: spread(values) for name, values in edges.items()},
    )


def rolling(one: World, model: Family, start: np.datetime64, end: np.datetime64, *, weeks: int = 1) -> Floats:
    """Strict rolling-origin forecasts of all origins in [start, end), refitted every so many weeks."""
    till = one.built.batch.origins < end
    return backtest.rolling_origin(
        model,
        one.built.batch.rows(till),
        one.actuals.value[till],
        known_at=one.actuals.known_at[till],
        as_of=one.built.as_of[till],
        test_from=start,
        refit_every=timedelta(weeks=weeks),
        seed=SEED,
    )


def _bands(one: World, kept: np.ndarray, test: np.ndarray, point: Floats) -> Floats:
    """(n, H, 4) edges of the origins `kept` that are `test`, the first from the errors of the hold-out before them."""
    origins, as_of = one.built.batch.origins[kept], one.built.as_of[kept]
    actual, history = one.actuals.value[kept], one.facts.history
    actuals = Versions(history.valid_at, history.value, history.known_at)
    track = Track(origins[test], actuals, zone=one.facts.target.zone, since=origins[0])
    held = track.spread(origins[~test], point[~test] - actual[~test], np.nan)
    basis = Basis(own=np.ones(held.shape, dtype=bool), held=held)
    edges = np.full((*point.shape, len(EDGES)), np.nan)
    edges[~test] = 0.0
    for place in tqdm(np.flatnonzero(test), desc=f"  {one.point} bands", delay=2, leave=False):
        edges[place] = track.band(origins[place], as_of[place], point[place], basis)
        track.remember(origins[[place]], point[[place]], edges[[place]])
    return edges


def looks_ahead(one: World, model: Family, said: Answer, plan: Plan) -> list[str]:
    """Which of `plan.samples` forecasts change once all that came later than their issue is replaced by noise.

    Rows of lessons and of the origin, actuals and the fit itself are made anew from the spoiled facts.
    """
    found = []
    there = np.flatnonzero(np.isfinite(said.point[OURS]).all(axis=1))
    for place in there[np.linspace(0, len(there) - 1, plan.samples + 2).astype(int)[1:-1]]:
        origin = said.origins[place]
        as_of = one.built.as_of[np.searchsorted(one.built.batch.origins, origin)]
        facts = guard.spoiled(one.facts, origin, as_of)
        blind = World(one.point, facts, *lessons(facts, origin))
        # The weekly fits are counted from the start of the hold-out.
        start = said.origins[0] - HOLD_OUT
        again = rolling(blind, model, start + (origin - start) // WEEK * WEEK, origin + 1)[-1]
        same = np.array_equal(again, said.point[OURS][place])
        print(f"  {one.point} {origin}Z with noise for all that came later: {'the same' if same else 'CHANGED'}")
        found += [] if same else [f"{one.point} {origin}Z"]
    return found


def stored(answers: list[Answer]) -> pd.DataFrame:
    """Forecasts of ours as rows: point, origin (naive UTC), horizon and quantiles."""
    frames = []
    for one in answers:
        n, width = one.actual.shape
        edges = dict(zip(EDGES, np.moveaxis(one.edges[OURS], -1, 0), strict=True)) | {"p50": one.point[OURS]}
        frame = {"origin": np.repeat(one.origins.astype("datetime64[us]"), width), "horizon": np.tile(range(1, 7), n)}
        frames.append(pd.DataFrame({"point": one.name} | frame | {name: edges[name].ravel() for name in LEVELS}))
    return pd.concat(frames, ignore_index=True).dropna()


def main() -> int:
    """Run the benchmark; exit code 1 when a target is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--window", choices=("validation", "test"), default="test")
    parser.add_argument("--family", default="")
    options = parser.parse_args()
    if not PRICES.exists():
        print("dart: the real prices are not here (expected in ../shared/data) FALLS SHORT")
        return 1
    plan = QUICK if options.quick else FULL if options.window == "test" else VALIDATION
    model, rows = family(options.family), prices()
    answers, ahead = [], []
    for point in plan.points or sorted(rows["settlement_point"].unique()):
        one = world(point, rows)
        said = answer(one, model, plan)
        ahead += looks_ahead(one, model, said, plan)
        answers.append(said)
    tables = dart_tables.tables(answers)
    print(f"\n{model.name}, {len(answers)} settlement points, {answers[0].origins[0]}Z to {answers[0].origins[-1]}Z")
    print("\n\n".join(results.markdown(table) for table in tables))
    dart_recount.FORECASTS.parent.mkdir(parents=True, exist_ok=True)
    stored(answers).to_parquet(dart_recount.FORECASTS)
    misses = [*dart_tables.misses(answers), *(f"{words} looks ahead" for words in ahead), *_recounted(answers)]
    words = "PASS" if not misses else f"FALLS SHORT ({'; '.join(misses)})"
    summary = f"{dart_tables.headline(answers)} {words}"
    if plan is FULL and not options.family:
        body = "\n\n".join([dart_tables.NOTES, *map(results.markdown, tables), summary])
        results.keep("dart", f"DART: spreads of ERCOT by `{model.name}`", body)
    print(f"\ndart: {summary}")
    return 1 if misses else 0


def _recounted(answers: list[Answer]) -> list[str]:
    """Headline numbers that pandas alone, from stored forecasts and the price file, finds otherwise."""
    again = dart_recount.recount(dart_recount.joined(pd.read_parquet(dart_recount.FORECASTS), prices()))
    ours = dart_tables.numbers(answers)
    other = [name for name, value in again.items() if not abs(value - ours[name]) <= TOLERANCE * max(1, abs(value))]
    print(f"\nrecounted by pandas alone: {len(again) - len(other)} of {len(again)} numbers are the same")
    return [f"{name} is {again[name]:.6f} when recounted, not {ours[name]:.6f}" for name in other]


if __name__ == "__main__":
    sys.exit(main())
