"""actuals -> model_versions, backtests and promotions: families compared, the best registered and judged."""

import importlib.metadata
import platform
import subprocess
from dataclasses import asdict
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from pipeline import features, registry, training
from pipeline.discovery import discover
from pipeline.errors import ModelError, NoChampion
from pipeline.markets import Target
from pipeline.runner import Context, Job, Outcome
from pipeline.settings import ROOT
from pipeline.training import Candidate, Lesson

JOBS = 2
LIBRARIES = ("numpy", "pandas", "scikit-learn", "duckdb", "joblib", "holidays")


def run(context: Context) -> Outcome:
    """Train every target (or `args.target`) on what is known at `args.as_of` (ISO; default: now).

    Nothing is trained when the data are those of the newest version, unless `args.force`. `args.families`
    limits the families compared.
    """
    targets = [target for market in context.markets.values() for target in market.targets]
    wanted = context.args.get("target")
    read = trained = 0
    notes, failures = [], []
    for target in targets:
        if wanted not in (None, target.id):
            continue
        try:
            rows, note = _train(context, target)
        except ModelError as error:
            failures.append(str(error))
            continue
        read, trained = read + rows, trained + bool(rows)
        notes.append(note)
    return Outcome(read, trained, "; ".join(notes), skipped=not trained and not failures, failures=tuple(failures))


def _train(context: Context, target: Target) -> tuple[int, str]:
    as_of = datetime.fromisoformat(context.args["as_of"]) if "as_of" in context.args else context.now
    lesson = training.gather(context.warehouse, target, as_of=as_of)
    newest = context.warehouse.ask("newest_version", target=target.id)
    if newest.data_hash.iloc[0] == lesson.data_hash and not context.args.get("force"):
        return 0, f"{target.id}: no new data since v{newest.number.iloc[0]}"
    known = discover("pipeline.models", "FAMILY")
    families = {name: known[name] for name in context.args.get("families", known)}
    context.say(f"{target.id}: {len(lesson.built.batch):,} origins; comparing {', '.join(families)}")
    candidate = training.compare(lesson, families, jobs=JOBS, progress=context.progress)
    return len(lesson.built.batch), _conclude(context, lesson, candidate)


def _conclude(context: Context, lesson: Lesson, candidate: Candidate) -> str:
    """Write artifact, version, scores and decision; the three rows appear together or not at all."""
    target = lesson.target
    content = {
        "state": candidate.state,
        "calibration": candidate.calibration,
        "naive_calibration": candidate.naive_calibration,
    }
    name = f"{target.id}/{context.run_id}"
    artifact = registry.store(content, folder=context.settings.models, name=name)
    why, evidence, expected = _judge(context, lesson, candidate, artifact)
    scores = candidate.scores.assign(run_id=context.run_id, target=target.id, scored_at=pd.Timestamp(context.now))
    with context.warehouse.write() as session:
        version_id = registry.register(session, _version(context, lesson, candidate, artifact))
        session.append("backtests", scores)
        promoted = registry.decide(
            session,
            target=target.id,
            version_id=version_id,
            expected=expected,
            kind="train",
            promote=why is None,
            actor=context.args.get("actor", "train"),
            reason=why or "sound and not clearly worse than the champion",
            evidence=evidence,
            now=context.now,
            run_id=context.run_id,
        )
    verdict = "champion" if promoted else f"not promoted: {why or 'the champion changed meanwhile'}"
    return f"{version_id} ({candidate.family.name}, hold-out MAE {candidate.mean_mae():,.1f}) is {verdict}"


def _judge(
    context: Context, lesson: Lesson, candidate: Candidate, artifact: registry.Artifact
) -> tuple[str | None, dict[str, Any], str | None]:
    """(Why not to promote, or None; evidence; the champion this was judged against)."""
    evidence: dict[str, Any] = {"hold_out_mae": candidate.mean_mae(), "families": _means(candidate)}
    why = training.broken(candidate, lesson)
    registry.read_artifact(artifact.path, artifact.sha256, folder=context.settings.models, version_id="candidate")
    try:
        present = registry.champion(context.warehouse, lesson.target.id)
    except NoChampion:
        return why, evidence, None
    issued = context.warehouse.ask(
        "issued_errors",
        target=lesson.target.id,
        version_id=present["version_id"],
        first=pd.Timestamp(lesson.test_from, tz="UTC"),
        last=context.now,
    )
    duel = training.challenge(lesson, candidate.family, issued, jobs=JOBS)
    evidence |= {"champion": present["version_id"]} | {
        key: value
        for key, value in asdict(duel).items()
        if value == value  # JSON knows no NaN
    }
    if why is None and duel.clearly_worse:
        why = (
            f"clearly worse: MAE {duel.candidate_mae:,.1f} against the champion's {duel.champion_mae:,.1f} "
            f"on {duel.n} common origins"
        )
    return why, evidence, present["version_id"]


def _version(context: Context, lesson: Lesson, candidate: Candidate, artifact: registry.Artifact) -> dict[str, Any]:
    origins = lesson.built.batch.origins
    own = candidate.scores[candidate.scores.family == candidate.family.name]
    return {
        "target": lesson.target.id,
        "family": candidate.family.name,
        "created_at": context.now,
        "as_of": lesson.as_of,
        "trained_from": pd.Timestamp(origins[0], tz="UTC"),
        "trained_to": pd.Timestamp(origins[-1], tz="UTC"),
        "data_hash": lesson.data_hash,
        "n_rows": len(origins),
        "feature_set": features.feature_set(),
        "params": {"hold_out_days": training.HOLD_OUT.days, "families": list(_means(candidate))},
        "metrics": {
            "mae": candidate.mean_mae(),
            "mae_by_horizon": own["mae"].tolist(),
            "coverage": float(own["coverage"].mean()),
            "mape": float(own["mape"].mean()),
            "n": int(own["n"].min()),
        },
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES}
        | {"python": platform.python_version()},
        "code_commit": _commit(),
        "artifact": artifact.path,
        "sha256": artifact.sha256,
        "seed": training.SEED,
        "run_id": context.run_id,
    }


def _means(candidate: Candidate) -> dict[str, float]:
    means = candidate.scores.groupby("family")["mae"].mean()
    return {str(name): float(np.round(value, 3)) for name, value in means.items()}


def _commit() -> str:
    """The checked-out commit, with a + when files differ from it; empty outside a checkout."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


JOB = Job(name="train", title="Compare families, register the best", run=run, after=("features",), at="03:30")
