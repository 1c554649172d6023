"""Ways to say on which side of 0 a spread will be, on the months before the test -> who is right, and who earns.

Sextant's side is that of its P50. Beside it, for origins of February to May 2025 at three settlement points, refitted
every four weeks: the mean on the scale of asinh, P50 moved until half of its own late errors lie on each side, trees
that learn nothing but the side (each hour alike, or by its size), and the last hour's side unless P50 is well off 0.
It falls short when another way is right more often than P50 by more than its uncertainty. Prices of the test months
are not even read.

    python -m benchmarks.dart_sides [--quick]
"""

import argparse
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

from benchmarks import results
from benchmarks.dart import FULL, LAST, OURS, QUICK, VALIDATION, Answer, Plan, family, rolling
from benchmarks.dart_tables import dollars, gain, points
from benchmarks.dart_world import PRICES, World, prices, world
from pipeline import metrics
from pipeline.models import asinh, direct, ridge_asinh
from pipeline.models.base import SPIKY, Batch, Family, Floats
from pipeline.models.threads import one_thread
from pipeline.windows import Times

P50, RULE, MEAN, HALVED = "P50", "last hour's side", "mean of asinh", "P50 less its late errors' median"
CHOSEN, WEIGHED, CAREFUL = "trees choose", "trees choose, by size", "last hour's side unless P50 is beyond 1"
POINTS = ("HB_NORTH", "HB_WEST", "LZ_HOUSTON")
WEEKS = 4
SPAN, LEAST = 60 * 24, 14 * 24
CAP, NEAR = 50.0, 1.0
"""USD/MWh: an hour weighs no more than this; a P50 nearer to 0 than this says no side of its own."""
REACHES = (3, 6, 12, 24)
ROUNDS = 100
Made = list[tuple[Times, dict[str, Floats]]]
"""Of each settlement point, see `ways`."""
NOTES = """\
Right: share of pairs on the side said, {first} to {last}, {names}, hourly origins, refitted every four weeks. Intervals
hold 95 % and mind autocorrelation. Earns: one megawatt on that side, USD an hour; nobody can take it, as the gate has
closed by then."""


@dataclass
class Sides:
    """Friedman (2001) on the side alone, as a family: what `predict` says is the share above 0 less a half.

    Columns are those of the families of `asinh`, and the sides of the last hours and of the same hour of other days.
    by_size: whether an hour counts by the size of its spread, at most CAP.
    """

    by_size: bool
    name: str = "sides"
    candidate: bool = False
    kinds: tuple[str, ...] = SPIKY
    members: tuple[str, ...] = ()

    def fit(self, batch: Batch, actual: Floats, *, seed: int, jobs: int) -> dict[str, Any]:
        """See Family.fit; an hour at 0 has no side to learn."""
        scale = asinh.learn(batch, actual)
        lesson = asinh.to_batch(scale, direct.fit_span(batch, actual))

        def one(h: int) -> HistGradientBoostingClassifier:
            known = np.flatnonzero(np.abs(np.sign(actual[:, h])) == 1)
            goal = actual[known, h]
            model = HistGradientBoostingClassifier(
                max_iter=ROUNDS, learning_rate=0.05, max_leaf_nodes=15, min_samples_leaf=60, max_bins=63,
                max_features=0.5, early_stopping=False, random_state=seed,
            )  # fmt: skip
            with one_thread("openmp"):
                weight = np.minimum(np.abs(goal), CAP) if self.by_size else None
                return model.fit(_columns(batch, lesson, h)[known], goal > 0, sample_weight=weight)

        return {"asinh": scale, "models": direct.each(range(actual.shape[1]), one, jobs=jobs)}

    def predict(self, state: dict[str, Any], batch: Batch) -> Floats:
        """See Family.predict, but within -0.5 and 0.5."""
        lesson = asinh.to_batch(state["asinh"], batch)
        with one_thread("openmp"):
            said = [one.predict_proba(_columns(batch, lesson, h))[:, 1] for h, one in enumerate(state["models"])]
        return np.stack(said, axis=1) - 0.5


def ways(one: World, model: Family, plan: Plan) -> tuple[Times, dict[str, Floats]]:
    """Hourly origins (n,) and way -> (n, H) numbers whose sign is the side; `actual` too; NaN where one has none."""
    batch = one.built.batch
    kept = (batch.origins >= plan.first) & (batch.origins < plan.last)
    axis = np.arange(plan.first, batch.origins[kept][-1] + 1)
    place = (batch.origins[kept] - plan.first).astype(int)

    def wide(values: Floats) -> Floats:
        found = np.full((len(axis), values.shape[1]), np.nan)
        found[place] = values
        return found

    actual = wide(one.actuals.value[kept])
    last = wide(np.repeat(batch.level[kept, None], actual.shape[1], axis=1))
    families: dict[str, Family] = {P50: model, MEAN: ridge_asinh.FAMILY, CHOSEN: Sides(False), WEIGHED: Sides(True)}
    said = {name: wide(rolling(one, made, plan.first, plan.last, weeks=WEEKS)) for name, made in families.items()}
    said |= {RULE: last, HALVED: halved(said[P50], actual), CAREFUL: careful(said[P50], last), "actual": actual}
    whole = np.isfinite(sum(said.values()))
    return axis, {name: np.where(whole, values, np.nan) for name, values in said.items()}


def halved(point: Floats, actual: Floats) -> Floats:
    """`point` (n, H), each day moved by the median of the errors known as it begins: of SPAN origins, none of few."""
    moved = point.copy()
    for h in range(point.shape[1]):
        for start in range(0, len(point), 24):
            # The newest of them was over an hour before the day begins.
            past = slice(max(start - SPAN, 0), max(start - h - 1, 0))
            error = (actual - point)[past, h]
            if np.isfinite(error).sum() >= LEAST:
                moved[start : start + 24, h] += np.nanmedian(error)
    return moved


def careful(point: Floats, last: Floats) -> Floats:
    """`point` where it lies beyond NEAR of 0, else `last`."""
    return np.where(np.abs(point) > NEAR, point, last)


def table(made: Made) -> list[list[str]]:
    """One row a way: how often right, against the rule and against P50, what it earns, right by horizon."""
    far = [f"T+{h}" for h in range(1, made[0][1][P50].shape[1] + 1)]
    rows = [["side of", "right", "against the last hour's", "against P50", "earns", "gain in profit", *far]]
    for name in (RULE, P50, MEAN, HALVED, CHOSEN, WEIGHED, CAREFUL):
        said, actual = (np.stack([ways[key] for _, ways in made]) for key in (name, "actual"))
        cells = [f"{float(metrics.hit_rate(said, actual)):.1%}"]
        cells += [points(*gain(_pairs(made, name, rival), metrics.hits)) for rival in (RULE, P50)]
        cells += [
            f"{float(metrics.profit(said, actual)):.2f}",
            dollars(*gain(_pairs(made, name, RULE), metrics.earnings)),
        ]
        near = [f"{float(metrics.hit_rate(said[..., h], actual[..., h])):.1%}" for h in range(len(far))]
        rows.append([name, *cells, *near])
    return rows


def differing(made: Made) -> str:
    """How often P50 and the rule differ, who is right there, and by what size of spread."""
    said, last, actual = (np.stack([ways[key] for _, ways in made]) for key in (P50, RULE, "actual"))
    other, size = np.sign(said) * np.sign(last) == -1, np.abs(actual)
    right = metrics.hits(said, actual)
    sizes = [float(size[other & (right == one)].mean()) for one in (1, 0)]
    return (
        f"P50 and the last hour differ in {other.sum() / np.isfinite(actual).sum():.1%} of pairs. There P50 is right "
        f"in {np.nanmean(right[other]):.1%}, and the spread is {sizes[0]:.1f} USD/MWh where it is right and "
        f"{sizes[1]:.1f} where it is wrong."
    )


def better(made: Made) -> list[str]:
    """Ways that are right more often than P50 by more than their uncertainty."""
    found = {
        name: gain(_pairs(made, name, P50), metrics.hits) for name in (RULE, MEAN, HALVED, CHOSEN, WEIGHED, CAREFUL)
    }
    return [f"{name} {points(*one)}" for name, one in found.items() if one[0] - metrics.NORMAL * one[1] > 0]


def headline(made: Made, found: list[str]) -> str:
    """One line: how often P50 is right, and which ways are `better`."""
    hits = np.nanmean(np.stack([metrics.hits(ways[P50], ways["actual"]) for _, ways in made]))
    more = points(*gain(_pairs(made, P50, RULE), metrics.hits))
    words = f"P50's side right in {hits:.1%}, {more} against the last hour's"
    if found:
        return f"{words}; better are {', '.join(found)} FALLS SHORT"
    return f"{words}; no other way is right more often beyond doubt (target: none) PASS"


def _pairs(made: Made, name: str, rival: str) -> list[Answer]:
    return [Answer(name, axis, ways["actual"], {OURS: ways[name], LAST: ways[rival]}, {}) for axis, ways in made]


def _columns(batch: Batch, lesson: Batch, h: int) -> Floats:
    """(n, p) columns of `lesson`, on the scale of asinh, and the sides that `batch` knows."""
    recent = np.sign(direct.lags(batch) + batch.level[:, None])
    runs = np.stack([recent[:, :reach].mean(axis=1) for reach in REACHES], axis=1)
    days = [place for place, name in enumerate(batch.target_names) if name.startswith("target_lag_")]
    same = np.sign(batch.target[:, h][:, days] + batch.level[:, None])
    return np.concatenate([direct.rows(lesson, h), runs, same], axis=1)


def main() -> int:
    """Run the benchmark; exit code 1 when P50 is not the side to take."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if not PRICES.exists():
        print("dart_sides: the real prices are not here (expected in ../shared/data) FALLS SHORT")
        return 1
    plan = QUICK if options.quick else VALIDATION
    rows, model, names = prices(), family(), plan.points or POINTS
    rows = rows[rows["ts_utc"] < pd.Timestamp(FULL.first, tz="UTC")]
    made = [ways(world(point, rows), model, plan) for point in names]
    notes = NOTES.format(first=plan.first, last=plan.last, names=", ".join(names))
    body = f"{results.markdown(table(made))}\n\n{differing(made)}"
    found = better(made)
    words = headline(made, found)
    print(f"{notes}\n\n{body}")
    if plan is VALIDATION:
        results.keep("dart_sides", f"DART: whose side is right, with `{model.name}`", f"{notes}\n\n{body}\n\n{words}")
    print(f"\ndart_sides: {words}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
