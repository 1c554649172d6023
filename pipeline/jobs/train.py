"""actuals -> model_versions with backtests, importances and decisions: families compared, the best one judged."""

import importlib.metadata
import json
import platform
import subprocess
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from pipeline import comparing, features, guard, importance, parallel, registry, retention, training
from pipeline.backtest import LAST_HOUR
from pipeline.comparing import Candidate
from pipeline.discovery import discover, find
from pipeline.errors import ArtifactDamaged, ModelError, NoChampion
from pipeline.guard import Duel, Verdict
from pipeline.markets import Target
from pipeline.models.base import Family
from pipeline.registry import Artifact
from pipeline.runner import Context, Job, Outcome
from pipeline.settings import ROOT
from pipeline.training import Lesson

LIBRARIES = ("numpy", "pandas", "scikit-learn", "duckdb", "joblib", "holidays", "lightgbm", "xgboost-cpu")
OF_KIND = ("mape", "pinball_loss", "hit_rate", "tail_mae", "profit")
NEW_DATA = timedelta(days=7)
"""After a rollback, a version of the same family with less new data than this is the version rolled back from."""


@dataclass(frozen=True)
class Premise:
    """How the registry stood when the run began; None where there was no champion, or no rollback."""

    champion: dict[str, Any] | None
    rolled_back_from: dict[str, Any] | None

    @property
    def version_id(self) -> str | None:
        """The champion's."""
        return None if self.champion is None else str(self.champion["version_id"])


def run(context: Context) -> Outcome:
    """Train every target (or `args.target`) on what is known at `args.as_of` (ISO; default: now).

    Nothing is trained when the data are those of the newest version, unless `args.force`. `args.depth`: deep
    compares all families of the target's kind, quick refits the champion's; by default deep once in the policy's
    `deep_every` and when forced. `args.families` names the families to compare instead. Several targets are trained
    side by side in processes, each of some 500 MB with two years of hours; what fails of one keeps no other from it.
    """
    wanted = context.args.get("target")
    every = [target for market in context.markets.values() for target in market.targets]
    targets = [target for target in every if wanted in (None, target.id)]
    done = parallel.each(context, _train, targets, label="train")
    rows = [read for read, _ in done.results.values() if read]
    notes = "; ".join(note for _, note in done.results.values())
    return parallel.outcome(done, read=sum(rows), written=len(rows), note=notes)


def _train(context: Context, target: Target) -> tuple[int, str]:
    # Before anything else, so that whoever changes the champion from here on is not overruled.
    premise = _premise(context, target)
    as_of = datetime.fromisoformat(context.args["as_of"]) if "as_of" in context.args else context.now
    lesson = training.gather(context.warehouse, target, as_of=as_of)
    newest = context.warehouse.ask("newest_version", target=target.id).iloc[0]
    if newest.data_hash == lesson.data_hash and not context.args.get("force"):
        return 0, f"{target.id}: no new data since v{newest.number}"
    training.check_feed(lesson)
    depth, families = _families(context, target, premise, as_of)
    context.say(f"{target.id}: {len(lesson.built.batch):,} origins, {depth}: comparing {', '.join(families)}")
    candidate = comparing.compare(
        lesson, families, cores=context.settings.cores, progress=context.progress, say=context.say
    )
    note = _conclude(context, lesson, candidate, premise, depth)
    retention.retire(context.warehouse, context.settings.models, target, now=context.now, run_id=context.run_id)
    return len(lesson.built.batch), note


def _premise(context: Context, target: Target) -> Premise:
    try:
        present = registry.champion(context.warehouse, target.id)
    except NoChampion:
        return Premise(None, None)
    return Premise(present, registry.rolled_back_from(context.warehouse, target.id))


def _families(context: Context, target: Target, premise: Premise, as_of: datetime) -> tuple[str, dict[str, Family]]:
    """(deep, quick or chosen, the families to compare in the order to begin them)."""
    known: dict[str, Family] = discover("pipeline.models", "FAMILY")
    if "families" in context.args:
        names = context.args["families"]
        # Asked for all targets, each takes what suits its kind.
        fitting = [name for name in names if target.kind in known[name].kinds]
        return "chosen", {name: known[name] for name in fitting or names}
    suited = {name: family for name, family in known.items() if target.kind in family.kinds}
    deep = context.warehouse.ask("newest_deep", target=target.id, now=context.now).iloc[0]
    due = pd.isna(deep.as_of) or as_of >= deep.as_of + target.policy.deep_every - timedelta(hours=1)
    depth = context.args.get("depth", "deep" if due or context.args.get("force") else "quick")
    if depth == "quick" and premise.champion is not None and premise.champion["family"] in suited:
        return "quick", {premise.champion["family"]: suited[premise.champion["family"]]}
    took: dict[str, float] = json.loads(deep.seconds)
    # What was quick the last time comes first, so that there is something to see; yardsticks can wait.
    order = sorted(suited, key=lambda name: (not suited[name].candidate, took.get(name, float("inf"))))
    return "deep", {name: suited[name] for name in order}


def _conclude(context: Context, lesson: Lesson, candidate: Candidate, premise: Premise, depth: str) -> str:
    """Write artifact, version, scores and decision; the rows appear together or not at all."""
    target = lesson.target
    content = {name: getattr(candidate, name) for name in registry.CONTENT}
    artifact = registry.store(content, folder=context.settings.models, name=f"{target.id}/{context.run_id}")
    version = _version(context, lesson, candidate, artifact, depth)
    verdict, evidence = _judge(context, lesson, candidate, premise, version)
    looks_at = _importances(context, lesson, candidate)
    scores = candidate.scores.assign(run_id=context.run_id, target=target.id)
    with context.warehouse.write() as session:
        at = pd.Timestamp(context.moment())
        version_id = registry.register(session, version | {"created_at": at})
        session.append("backtests", scores.assign(scored_at=at))
        if looks_at is not None:
            session.append("importances", looks_at.assign(version_id=version_id, written_at=at))
        promoted = registry.decide(
            session,
            target=target.id,
            version_id=version_id,
            expected=premise.version_id,
            kind="train",
            promote=verdict.outcome == "promoted",
            otherwise="waiting" if verdict.outcome == "waiting" else "refused",
            actor=context.args.get("actor", "train"),
            reason=verdict.reason,
            evidence=evidence,
            now=at.to_pydatetime(),
            run_id=context.run_id,
        )
    outcome = "promoted" if promoted else f"{verdict.outcome}: {verdict.reason}"
    if verdict.outcome == "promoted" and not promoted:
        outcome = "not promoted: the champion changed meanwhile"
    return f"{version_id} ({candidate.family.name}, hold-out MAE {candidate.mean_mae():,.1f}) is {outcome}"


def _importances(context: Context, lesson: Lesson, candidate: Candidate) -> pd.DataFrame | None:
    """What the version looks at; None, and a line in the log, where that cannot be told: no reason not to serve."""
    start = time.perf_counter()
    try:
        found = importance.importances(lesson, candidate)
    except (ModelError, ArithmeticError, LookupError, ValueError) as error:
        context.say(f"{lesson.target.id}: what {candidate.family.name} looks at is not known: {error}")
        return None
    first, took = found.input.iloc[0], time.perf_counter() - start
    context.say(f"{lesson.target.id}: {candidate.family.name} looks most at {first}, found in {took:.1f} s")
    return found.assign(run_id=context.run_id)


def _judge(
    context: Context, lesson: Lesson, candidate: Candidate, premise: Premise, version: Mapping[str, Any]
) -> tuple[Verdict, dict[str, Any]]:
    """(What is to become of the candidate, on what evidence)."""
    evidence: dict[str, Any] = {"hold_out_mae": candidate.mean_mae(), "families": _means(candidate)}
    flaw, against, unfit = _flaw(context, lesson, candidate, version), None, None
    evidence["flaw"] = flaw
    must_win = _must_win(lesson, candidate, premise)
    if premise.champion is not None:
        unfit = _unfit(context, lesson.target, premise.champion)
        against = _against(context, lesson, candidate, premise.champion["version_id"], own=must_win is not None)
        evidence |= {"champion": premise.version_id} | {
            key: value
            for key, value in asdict(against).items()
            if value == value  # JSON knows no NaN
        }
    policy = lesson.target.policy
    return guard.verdict(policy, flaw=flaw, against=against, must_win=must_win, unfit=unfit), evidence


def _unfit(context: Context, target: Target, champion: Mapping[str, Any]) -> str | None:
    """Why the champion cannot be issued by, so that naive stands in for it; None where it can."""
    if champion["feature_set"] != features.feature_set(target.inputs):
        return f"{champion['version_id']} looks at other inputs than {target.id} has now"
    if find("pipeline.models", champion["family"], "FAMILY") is None:
        return f"{champion['version_id']} is of the family {champion['family']}, which there is no more"
    try:
        registry.load(champion, folder=context.settings.models)
    except ModelError as error:
        return str(error)
    return None


def _flaw(context: Context, lesson: Lesson, candidate: Candidate, version: Mapping[str, Any]) -> str | None:
    """Why the candidate, as it lies in its file, must not serve."""
    row = dict(version) | {"version_id": f"the candidate of {lesson.target.id}"}
    try:
        model = registry.load(row, folder=context.settings.models)
    except ArtifactDamaged as error:
        return str(error)
    return comparing.flaw(lesson, candidate, model)


def _against(context: Context, lesson: Lesson, candidate: Candidate, champion: str, *, own: bool) -> Duel:
    """The comparison with the champion; with `own`, with nothing that another version issued in its place."""
    errors = context.warehouse.ask(
        "champion_errors",
        target=lesson.target.id,
        version_id=champion,
        own=own,
        first=pd.Timestamp(lesson.test_from, tz="UTC"),
        last=context.now,
    )
    return comparing.challenge(lesson, candidate, errors, cores=context.settings.cores)


def _must_win(lesson: Lesson, candidate: Candidate, premise: Premise) -> str | None:
    """Why the candidate has to win: it is, but for a few days of data, what somebody rolled back from."""
    left = premise.rolled_back_from
    if left is None:
        return None
    fresh = pd.Timestamp(lesson.built.batch.origins[-1], tz="UTC") - left["trained_to"]
    again = left["family"] == candidate.family.name and fresh < NEW_DATA
    if left["data_hash"] != lesson.data_hash and not again:
        return None
    return f"{left['version_id']} was rolled back and this is the same again"


def _version(context: Context, lesson: Lesson, candidate: Candidate, artifact: Artifact, depth: str) -> dict[str, Any]:
    origins = lesson.built.batch.origins
    own = candidate.scores[candidate.scores.family == candidate.family.name]
    return {
        "target": lesson.target.id,
        "family": candidate.family.name,
        "as_of": lesson.as_of,
        "trained_from": pd.Timestamp(origins[0], tz="UTC"),
        "trained_to": pd.Timestamp(origins[-1], tz="UTC"),
        "data_hash": lesson.data_hash,
        "n_rows": len(origins),
        "feature_set": features.feature_set(lesson.target.inputs),
        "params": {
            "hold_out_days": training.HOLD_OUT.days,
            "families": list(_means(candidate)),
            "depth": depth,
            "seconds": candidate.seconds,
        },
        "metrics": {
            "mae": candidate.mean_mae(),
            "mae_by_horizon": own["mae"].tolist(),
            "coverage": float(own["coverage"].mean()),
            "n": int(own["n"].min()),
            # JSON knows no NaN, and each kind of target has scores that say nothing of it.
            **{name: float(own[name].mean()) for name in OF_KIND if own[name].notna().any()},
        },
        "libraries": _libraries(),
        "code_commit": _commit(),
        "artifact": artifact.path,
        "sha256": artifact.sha256,
        "seed": training.SEED,
        "run_id": context.run_id,
    }


def _libraries() -> dict[str, str]:
    """Versions of what a model depends on and is installed."""
    installed = {one.metadata["Name"]: one.version for one in importlib.metadata.distributions()}
    return {name: installed[name] for name in LIBRARIES if name in installed} | {"python": platform.python_version()}


def _means(candidate: Candidate) -> dict[str, float]:
    means = candidate.scores.groupby("family")["mae"].mean()
    return {str(name): float(np.round(value, 3)) for name, value in means.items() if name != LAST_HOUR}


def _commit() -> str:
    """The checked-out commit, with a + when files differ from it; empty outside a checkout."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


JOB = Job(
    name="train",
    title="Compare families, register the best",
    run=run,
    after=("features",),
    at="03:30",
    # Sixteen targets of two markets take a quarter of an hour on two quiet cores once a week, a hundred some hours.
    deadline=timedelta(hours=3),
)
