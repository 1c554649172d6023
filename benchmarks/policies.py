"""A year of weekly trainings on real load, some of them sabotaged: the live error under each policy of promotion.

A new desk begins with 120 days. Every week the pipeline's own training compares families on all there is, and its
candidate goes before the guard of each policy; the champions then forecast the week that follows. Every eighth
candidate is spoiled: its lessons were shuffled, its last fit failed, it gives no number, it reads the future off its
hold-out.

    python -m benchmarks.policies [--quick]
"""

import argparse
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from benchmarks import results
from benchmarks.datasets import Dataset, as_of, load
from pipeline import comparing, features, guard
from pipeline.comparing import Candidate
from pipeline.configuring.markets import load_markets
from pipeline.discovery import discover
from pipeline.features import Actuals, Built
from pipeline.guard import Verdict
from pipeline.inputs import Facts
from pipeline.markets import Policy, Target
from pipeline.models.base import Batch, Family, Floats
from pipeline.registry import Model
from pipeline.settings import ROOT
from pipeline.training import Lesson

TOLERATED = 1.01
WEEK = np.timedelta64(168, "h")
FIRST_LESSONS = np.timedelta64(120 * 24, "h")
POLICIES = ("auto", "always", "must_win", "never")
JUDGED = ("auto", "must_win")
CORES = os.cpu_count() or 1


@dataclass(frozen=True)
class Plan:
    """What is replayed: `sets` name -> first Monday of `weeks` weeks and the families compared."""

    sets: Mapping[str, tuple[str, tuple[str, ...]]]
    weeks: int


FULL = Plan({"spain_5min": ("2022-12-26", ("ridge", "lightgbm")), "ercot": ("2023-07-03", ("ridge",))}, 52)
QUICK = Plan({"spain_5min": ("2023-01-30", ("ridge",))}, 9)


class Spoiled:
    """A family that goes wrong in one of the WAYS; `fits` counts, because the second fit is the one that serves."""

    name = "spoiled"
    candidate = True
    kinds = ("load",)
    members: tuple[str, ...] = ()

    def __init__(self, inner: Family, way: str) -> None:
        self.inner, self.way, self.fits = inner, way, 0

    def fit(self, batch: Batch, actual: Floats, *, seed: int, jobs: int) -> dict[str, Any]:
        """Shuffled lessons are learned as eagerly as true ones."""
        self.fits += 1
        if self.way == "shuffled":
            actual = np.random.default_rng(self.fits).permutation(actual)
        return {"inner": self.inner.fit(batch, actual, seed=seed, jobs=jobs), "served": self.fits > 1}

    def predict(self, state: dict[str, Any], batch: Batch) -> Floats:
        """What the way makes of the inner family's forecasts."""
        point = self.inner.predict(state["inner"], batch)
        if self.way == "failed" and state["served"]:
            return point * 1.1
        if self.way == "mute" and state["served"]:
            return point * np.nan
        if self.way == "leaky":
            for h in range(point.shape[1]):
                point[: -h - 1, h] = batch.level[h + 1 :] if len(batch) > h + 1 else point[: -h - 1, h]
        return point


WAYS = ("shuffled", "failed", "mute", "leaky")


@dataclass
class Path:
    """The champions of one policy: what each hour of the replay was forecast by, and when it was trained."""

    champion: Candidate | None = None
    promoted: int = 0
    errors: list[tuple[np.ndarray, Floats]] = field(default_factory=list)

    def recent(self) -> pd.DataFrame:
        """Its errors of the last weeks as the registry's champion_errors has them."""
        origins, errors = (np.concatenate(parts) for parts in zip(*self.errors[-6:], strict=True))
        moments = pd.to_datetime(np.repeat(origins, errors.shape[1]).astype("datetime64[us]"), utc=True)
        horizon = np.tile(np.arange(1, errors.shape[1] + 1), len(origins))
        return pd.DataFrame({"origin": moments, "horizon": horizon, "error": errors.ravel()}).dropna()

    @property
    def mae(self) -> float:
        """Live, all weeks and horizons."""
        return float(np.nanmean(np.abs(np.concatenate([errors for _, errors in self.errors]))))


class Replay:
    """One data set week by week."""

    def __init__(self, dataset: Dataset, first: str, families: tuple[str, ...], weeks: int) -> None:
        start = np.datetime64(first, "h")
        origins = np.arange(start - FIRST_LESSONS, start + weeks * WEEK)
        # Hours that never came are no lesson and are not asked for.
        there = np.isin(origins, dataset.history.valid_at)
        self.weeks, self.start, self.origins = weeks, start, origins[there]
        self.target = _target(dataset)
        self.facts = Facts(self.target, dataset.history, None, ())
        self.built: Built = self.facts.built(self.origins, as_of(self.origins))
        self.actuals = features.training_actuals(
            dataset.history, self.origins, as_of=as_of(self.origins[-1:])[0] + WEEK
        )
        self.families = {name: family for name, family in _families().items() if name in families}
        self.paths = {policy: Path() for policy in POLICIES}
        self.caught: list[str] = []

    def run(self) -> None:
        """All weeks."""
        for week in tqdm(range(self.weeks), desc=f"  {self.target.title}", leave=False):
            now = self.start + week * WEEK
            way = WAYS[(week // 8) % len(WAYS)] if week % 8 == 7 else ""
            lesson = self.lesson(now)
            candidate = self.candidate(lesson, way)
            verdicts = self.verdicts(lesson, candidate, comparing.flaw(lesson, candidate, _model(candidate)))
            for policy, path in self.paths.items():
                if verdicts[policy].outcome == "promoted":
                    path.champion, path.promoted = candidate, path.promoted + 1
                self.serve(path, now)
            if way or verdicts["auto"].outcome == "refused":
                self.caught.append(f"{way or 'honest'}: {verdicts['auto'].outcome}: {verdicts['auto'].reason}")

    def lesson(self, now: np.datetime64) -> Lesson:
        """All there is so far, as known at `now`."""
        keep = self.origins < now
        known = self.actuals.known_at[keep] <= as_of(np.array([now]))[0]
        actuals = Actuals(np.where(known, self.actuals.value[keep], np.nan), self.actuals.known_at[keep])
        moment = pd.Timestamp(now).to_pydatetime().replace(tzinfo=UTC)
        return Lesson(self.target, moment, self.facts, self.built.rows(keep), actuals, "")

    def candidate(self, lesson: Lesson, way: str) -> Candidate:
        """This week's winner, or one that is spoiled."""
        families = {"spoiled": Spoiled(self.families["ridge"], way)} if way else self.families
        return comparing.compare(lesson, families, cores=CORES, progress=lambda items, *_: items, say=lambda _: None)

    def verdicts(self, lesson: Lesson, candidate: Candidate, flaw: str | None) -> dict[str, Verdict]:
        """What each policy makes of the candidate; the first, which is sound, is everybody's."""
        if self.paths["auto"].champion is None:
            return dict.fromkeys(POLICIES, Verdict("promoted", "the first"))
        decided = {"always": Verdict("promoted", ""), "never": Verdict("refused", "")}
        others = {policy: comparing.on_hold_out(lesson, self.paths[policy].recent()) for policy in JUDGED}
        # Both policies have forecast the same hours, so the candidate's errors there are the same.
        own = comparing.own_errors(lesson, candidate, others["auto"], cores=CORES) if flaw is None else others["auto"]
        for policy, other in others.items():
            decided[policy] = guard.verdict(
                Policy(promotion=policy), flaw=flaw, against=comparing.duel(lesson, own, other)
            )
        return decided

    def serve(self, path: Path, now: np.datetime64) -> None:
        """The champion forecasts the coming week hour by hour; where it gives no number, naive does."""
        coming = (self.origins >= now) & (self.origins < now + WEEK)
        batch = self.built.batch.rows(coming)
        champion = path.champion
        assert champion is not None
        if champion.family.name == "spoiled":
            rows = [champion.family.predict(champion.state, batch.rows([n])) for n in range(len(batch))]
            point = np.concatenate(rows)
        else:
            point = champion.family.predict(champion.state, batch)
        point = np.where(np.isfinite(point), point, batch.naive)
        path.errors.append((batch.origins, point - self.actuals.value[coming]))


def _model(candidate: Candidate) -> Model:
    return Model(
        version_id="candidate",
        family=candidate.family.name,
        feature_set="",
        as_of=pd.Timestamp(0, tz="UTC"),
        state=candidate.state,
        reduced=None,
        residuals=candidate.residuals,
        reduced_residuals=None,
        naive_residuals=candidate.naive_residuals,
    )


def _target(dataset: Dataset) -> Target:
    target = load_markets(ROOT / "sextant.toml", ("es",))["es"].targets[0]
    series = replace(target.series, minimum=0.0, maximum=10.0 * float(dataset.hourly.max()))
    return replace(
        target, title=dataset.title, zone=dataset.zone, country=dataset.country, series=series, inputs=(), events=()
    )


def _families() -> dict[str, Family]:
    known: dict[str, Family] = discover("pipeline.models", "FAMILY")
    # Without the library the tree family is scikit-learn's.
    return known if "lightgbm" in known else known | {"lightgbm": known["boosting"]}


def main() -> int:
    """Run the benchmark; exit code 1 when it falls short."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    plan = QUICK if parser.parse_args().quick else FULL
    rows, ratios = [["live MAE, MW", *POLICIES, "promoted by auto"]], []
    for name, (first, families) in plan.sets.items():
        replay = Replay(load(name), first, families, plan.weeks)
        replay.run()
        errors = {policy: path.mae for policy, path in replay.paths.items()}
        ratios.append(errors["auto"] / min(value for policy, value in errors.items() if policy != "auto"))
        auto = replay.paths["auto"]
        rows.append([replay.target.title, *(f"{errors[p]:,.1f}" for p in POLICIES), f"{auto.promoted} of {plan.weeks}"])
        print("\n".join([*(f"  {replay.target.title}: {line}" for line in replay.caught), str(rows[-1])]), flush=True)
    table = results.markdown(rows)
    print(f"\n{table}")
    if plan is FULL:
        title = f"Policies of promotion: {plan.weeks} weekly trainings of a new desk, every eighth candidate spoiled"
        results.keep("policies", title, table)
    good = max(ratios) <= TOLERATED
    words = "PASS" if good else "FALLS SHORT"
    print(f"\npolicies: auto at {max(ratios):.3f} of the best other policy (target {TOLERATED}) {words}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
