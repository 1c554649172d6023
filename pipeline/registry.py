"""Trained state -> versions, artifacts and decisions; version id or moment -> verified model. Append-only."""

import io
import json
import os
import pickle
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from numpy.typing import NDArray

from pipeline.attaching import needs_space
from pipeline.errors import ArtifactDamaged, ModelError, NoChampion
from pipeline.warehouse import Session, Warehouse

Pool = dict[str, NDArray[Any]]
CONTENT = ("state", "reduced", "residuals", "reduced_residuals", "naive_residuals")


UNREADABLE = (ImportError, AttributeError, LookupError, TypeError, ValueError, EOFError, pickle.UnpicklingError)
"""What unpickling the right bytes fails with under other libraries than they were written with."""


@dataclass(frozen=True)
class Model:
    """A loaded version: which family predicts with which state, and what its errors were like.

    `reduced` is the state of the same family fitted without the target's inputs, None where it has none.
    The pools `residuals`, `reduced_residuals` and `naive_residuals` are from the hold-out, each
    {"origin": (m,) int64 hours since the epoch, UTC, "error": (m, H) forecast - actual, NaN where unknown}.
    """

    version_id: str
    family: str
    feature_set: str
    as_of: pd.Timestamp
    state: dict[str, Any]
    reduced: dict[str, Any] | None
    residuals: Pool
    reduced_residuals: Pool | None
    naive_residuals: Pool


@dataclass(frozen=True)
class Artifact:
    """A model file written but not yet registered; `path` is relative to the models folder."""

    path: str
    sha256: str


def store(content: Mapping[str, Any], *, folder: Path, name: str) -> Artifact:
    """Write `content` to `folder`/`name`.joblib, whole or not at all. Raises DiskFull."""
    buffer = io.BytesIO()
    joblib.dump(dict(content), buffer, compress=3)
    path = folder / f"{name}.joblib"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with needs_space(f"the model file {path.name}"):
        try:
            with partial.open("wb") as file:
                file.write(buffer.getvalue())
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    return Artifact(path.relative_to(folder).as_posix(), sha256(buffer.getvalue()).hexdigest())


def read_bytes(artifact: str, fingerprint: str, *, folder: Path, version_id: str) -> bytes:
    """The bytes of a model file. Raises ArtifactDamaged when it is gone or they are not the registered ones."""
    try:
        content = (folder / artifact).read_bytes()
    except OSError as error:
        raise ArtifactDamaged(f"{version_id}: its file {artifact} cannot be read; roll back or retrain.") from error
    if sha256(content).hexdigest() != fingerprint:
        raise ArtifactDamaged(f"{version_id}: its file {artifact} was changed since training; roll back or retrain.")
    return content


def read_artifact(artifact: str, fingerprint: str, *, folder: Path, version_id: str) -> dict[str, Any]:
    """The stored content.

    Raises ArtifactDamaged, before unpickling, unless the bytes are the registered ones, and ModelError when the
    libraries that are installed cannot read them.
    """
    content = read_bytes(artifact, fingerprint, folder=folder, version_id=version_id)
    try:
        loaded: dict[str, Any] = joblib.load(io.BytesIO(content))
    except UNREADABLE as error:
        raise ModelError(
            f"{version_id} was stored with other libraries ({error}); install those or retrain."
        ) from error
    return loaded


def load(row: Mapping[str, Any], *, folder: Path) -> Model:
    """The model of a row of `model_versions`, `champions` or `shadows`.

    Raises ArtifactDamaged; ModelError when its file was retired or an older release wrote it.
    """
    version_id = row["version_id"]
    if pd.notna(row.get("retired_at")):
        raise ModelError(f"{version_id}: its file was retired on {row['retired_at']:%d %b %Y}; choose a kept version.")
    content = read_artifact(row["artifact"], row["sha256"], folder=folder, version_id=version_id)
    if not set(CONTENT) <= set(content):
        raise ModelError(f"{version_id} was trained by an older release; retrain.")
    return Model(
        version_id=version_id,
        family=row["family"],
        feature_set=row["feature_set"],
        as_of=pd.Timestamp(row["as_of"]),
        **{name: content[name] for name in CONTENT},
    )


def champion(warehouse: Warehouse, target: str) -> dict[str, Any]:
    """The row of `champions` for `target`. Raises NoChampion."""
    rows = _records(warehouse.ask("champion", target=target))
    if not rows:
        raise NoChampion(f"{target}: no model was promoted yet; run `python jobs.py run train`.")
    return rows[0]


def champions(warehouse: Warehouse) -> dict[str, dict[str, Any]]:
    """The rows of `champions` by target; none for a target no model was promoted of."""
    return {row["target"]: row for row in _records(warehouse.ask("champions_now"))}


def champion_at(warehouse: Warehouse, target: str, moment: datetime) -> dict[str, Any]:
    """The row of `model_versions` that was live at `moment`, with its `decided_at` and `kind`. Raises NoChampion."""
    rows = _records(warehouse.ask("champion_at", target=target, moment=moment))
    if not rows:
        raise NoChampion(f"{target}: no model was live at {moment:%d %b %Y %H:%M}Z; its first came later.")
    return rows[0]


def timeline(warehouse: Warehouse, target: str) -> pd.DataFrame:
    """One row a reign, oldest first: version_id, family, kind, actor, reason, live_from, live_until (NaT: still)."""
    return warehouse.ask("timeline", target=target)


def shadows(warehouse: Warehouse, target: str, count: int) -> list[dict[str, Any]]:
    """Rows of `model_versions` that forecast beside the champion, with their `role`.

    The last `count` former champions, newest reign first, and the newest version if it never was champion.
    """
    return shadows_of(warehouse, {target: count})


def shadows_of(warehouse: Warehouse, counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """The same of several targets, each with its count, in the order of their names."""
    return _records(warehouse.ask("shadows", targets=list(counts), counts=list(counts.values())))


def rolled_back_from(warehouse: Warehouse, target: str) -> dict[str, Any] | None:
    """The row of the version that the newest change of champion rolled back from; None when it was no rollback."""
    rows = _records(warehouse.ask("rolled_back_from", target=target))
    return rows[0] if rows else None


def version(warehouse: Warehouse, target: str, version_id: str) -> dict[str, Any]:
    """The row of `model_versions` with `retired_at`. Raises ModelError when it is unknown or another target's."""
    rows = _records(warehouse.ask("version_by_id", version_id=version_id))
    if not rows or rows[0]["target"] != target:
        raise ModelError(f"{version_id} is no version of {target}; choose one of its versions.")
    return rows[0]


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
    otherwise: str = "refused",
) -> bool:
    """Append the decision on `version_id`; returns whether it was promoted. Runs inside a write.

    Without `promote` the outcome is `otherwise` (refused or waiting). Compare-and-set: when the champion is
    not `expected` any more, the decision is written as refused.
    """
    present = champion_id(session, target)
    if promote and present != expected:
        promote, otherwise = False, "refused"
        reason = f"the champion became {present} meanwhile; {reason}"
    row = {
        "promotion_id": uuid.uuid4().hex[:12],
        "target": target,
        "number": int(session.ask("decisions", target=target).n.iloc[0]) + 1,
        "version_id": version_id,
        "previous_version_id": present,
        "kind": kind,
        "outcome": "promoted" if promote else otherwise,
        "actor": actor,
        "reason": reason,
        "evidence": json.dumps(evidence, sort_keys=True, default=str),
        "decided_at": pd.Timestamp(now),
        "run_id": run_id,
    }
    session.append("promotions", pd.DataFrame([row]))
    return promote


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]
