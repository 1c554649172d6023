"""Trained state -> versions, artifacts and promotions; version id -> verified model. Append-only."""

import io
import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import joblib
import pandas as pd

from pipeline.errors import ArtifactDamaged, ModelError, NoChampion, StalePremise
from pipeline.warehouse import Session, Warehouse


@dataclass(frozen=True)
class Model:
    """A loaded version: which family predicts with which state, and how wide its errors are.

    `calibration` and `naive_calibration` are as from intervals.calibrate; the latter is for fallbacks.
    """

    version_id: str
    family: str
    feature_set: str
    as_of: pd.Timestamp
    state: dict[str, Any]
    calibration: dict[str, Any]
    naive_calibration: dict[str, Any]


@dataclass(frozen=True)
class Artifact:
    """A model file written but not yet registered; `path` is relative to the models folder."""

    path: str
    sha256: str


def store(content: Mapping[str, Any], *, folder: Path, name: str) -> Artifact:
    """Write `content` to `folder`/`name`.joblib, whole or not at all."""
    buffer = io.BytesIO()
    joblib.dump(dict(content), buffer, compress=3)
    path = folder / f"{name}.joblib"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_bytes(buffer.getvalue())
    os.replace(partial, path)
    return Artifact(path.relative_to(folder).as_posix(), sha256(buffer.getvalue()).hexdigest())


def read_artifact(artifact: str, fingerprint: str, *, folder: Path, version_id: str) -> dict[str, Any]:
    """The stored content. Raises ArtifactDamaged, before unpickling, unless the bytes are the registered ones."""
    try:
        content = (folder / artifact).read_bytes()
    except OSError as error:
        raise ArtifactDamaged(f"{version_id}: its file {artifact} cannot be read; roll back or retrain.") from error
    if sha256(content).hexdigest() != fingerprint:
        raise ArtifactDamaged(f"{version_id}: its file {artifact} was changed since training; roll back or retrain.")
    loaded: dict[str, Any] = joblib.load(io.BytesIO(content))
    return loaded


def load(row: Mapping[str, Any], *, folder: Path) -> Model:
    """The model of a row of `model_versions` or `champions`. Raises ArtifactDamaged."""
    content = read_artifact(row["artifact"], row["sha256"], folder=folder, version_id=row["version_id"])
    return Model(
        version_id=row["version_id"],
        family=row["family"],
        feature_set=row["feature_set"],
        as_of=pd.Timestamp(row["as_of"]),
        state=content["state"],
        calibration=content["calibration"],
        naive_calibration=content["naive_calibration"],
    )


def champion(warehouse: Warehouse, target: str) -> dict[str, Any]:
    """The row of `champions` for `target`. Raises NoChampion."""
    rows = warehouse.ask("champion", target=target).to_dict("records")
    if not rows:
        raise NoChampion(f"{target}: no model was promoted yet; run `python jobs.py run train`.")
    return {str(key): value for key, value in rows[0].items()}


def version(warehouse: Warehouse, target: str, version_id: str) -> dict[str, Any]:
    """The row of `model_versions`. Raises ModelError when it is unknown or another target's."""
    rows = warehouse.ask("version_by_id", version_id=version_id).to_dict("records")
    if not rows or rows[0]["target"] != target:
        raise ModelError(f"{version_id} is no version of {target}; choose one of its versions.")
    return {str(key): value for key, value in rows[0].items()}


def champion_id(session: Session, target: str) -> str | None:
    """The version id of the champion as this session sees it."""
    rows = session.ask("champion", target=target)
    return None if rows.empty else str(rows.version_id.iloc[0])


def register(session: Session, version: dict[str, Any]) -> str:
    """Append a version under the next free number of its target; returns its id. Runs inside a write."""
    newest = session.ask("newest_version", target=version["target"])
    number = int(newest.number.iloc[0]) + 1
    version_id = f"{version['target']}-v{number}"
    row = version | {"version_id": version_id, "number": number}
    for name in ("params", "metrics", "libraries"):
        row[name] = json.dumps(row[name], sort_keys=True)
    frame = pd.DataFrame([row])
    for name in ("created_at", "as_of", "trained_from", "trained_to"):
        frame[name] = pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]")
    session.append("model_versions", frame)
    return version_id


def decide(
    session: Session,
    *,
    target: str,
    version_id: str,
    expected: str | None,
    kind: str,
    promote: bool,
    actor: str,
    reason: str,
    evidence: Mapping[str, Any],
    now: datetime,
    run_id: str | None = None,
) -> bool:
    """Append the decision on `version_id`; returns whether it was promoted. Runs inside a write.

    Compare-and-set: when the champion is not `expected` any more, the decision is written as refused.
    """
    present = champion_id(session, target)
    if promote and present != expected:
        promote, reason = False, f"the champion became {present} meanwhile; {reason}"
    row = {
        "promotion_id": uuid.uuid4().hex[:12],
        "target": target,
        "number": int(session.ask("decisions", target=target).n.iloc[0]) + 1,
        "version_id": version_id,
        "previous_version_id": present,
        "kind": kind,
        "outcome": "promoted" if promote else "refused",
        "actor": actor,
        "reason": reason,
        "evidence": json.dumps(evidence, sort_keys=True, default=str),
        "decided_at": pd.Timestamp(now),
        "run_id": run_id,
    }
    session.append("promotions", pd.DataFrame([row]))
    return promote


def roll_back(
    warehouse: Warehouse,
    models: Path,
    *,
    target: str,
    version_id: str,
    expected: str,
    actor: str,
    reason: str,
    now: datetime,
) -> None:
    """Make an earlier version the champion from the next issue on.

    The artifact is loaded and verified first. Raises ArtifactDamaged, ModelError when the version is
    unknown, is another target's or is the champion already, StalePremise when the champion is not
    `expected` any more. Nothing changes unless all is well.
    """
    if version_id == expected:
        raise ModelError(f"{version_id} is the champion already.")
    load(version(warehouse, target, version_id), folder=models)
    with warehouse.write() as session:
        present = champion_id(session, target)
        if present != expected:
            raise StalePremise(
                f"{target}: the champion is {present} by now, not {expected}; look again and decide anew."
            )
        decide(
            session,
            target=target,
            version_id=version_id,
            expected=expected,
            kind="rollback",
            promote=True,
            actor=actor,
            reason=reason,
            evidence={"from": expected},
            now=now,
        )
