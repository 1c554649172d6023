"""A person's choice of version -> a verified change of champion, or an error and no change at all."""

from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline import features, guard, inputs, registry
from pipeline.discovery import discover
from pipeline.errors import ModelError, StalePremise
from pipeline.features import Built
from pipeline.markets import Target
from pipeline.registry import Model
from pipeline.warehouse import Session, Warehouse
from pipeline.windows import Times


def roll_back(
    warehouse: Warehouse,
    models: Path,
    *,
    target: Target,
    version_id: str,
    expected: str,
    actor: str,
    reason: str,
    now: datetime,
) -> None:
    """Make an earlier champion the champion again, from the next issue on; see `promote` for what is raised.

    A version that never was champion is no way back: ModelError.
    """
    registry.version(warehouse, target.id, version_id)
    if version_id not in set(registry.timeline(warehouse, target.id)["version_id"]):
        raise ModelError(f"{version_id} never was the champion, so it cannot be rolled back to; promote it instead.")
    _change(warehouse, models, "rollback", target, version_id, expected, actor=actor, reason=reason, now=now)


def promote(
    warehouse: Warehouse,
    models: Path,
    *,
    target: Target,
    version_id: str,
    expected: str | None,
    actor: str,
    reason: str,
    now: datetime,
) -> None:
    """Make a version the champion from the next issue on: one that waits for approval, or was refused.

    Its file is verified and loaded, and it must forecast the newest hours, first. Raises ArtifactDamaged;
    ModelError when there is no reason, the version is unknown, another target's, retired, of other features, the
    champion already, or fails; StalePremise when the champion is not `expected` (None: there is none) any more.
    Nothing changes unless all is well.
    """
    _change(warehouse, models, "promote", target, version_id, expected, actor=actor, reason=reason, now=now)


def _change(
    warehouse: Warehouse,
    models: Path,
    kind: str,
    target: Target,
    version_id: str,
    expected: str | None,
    *,
    actor: str,
    reason: str,
    now: datetime,
) -> None:
    if not reason.strip():
        raise ModelError(f"a change of the champion of {target.id} needs a reason; say why.")
    if version_id == expected:
        raise ModelError(f"{version_id} is the champion already.")
    model = registry.load(registry.version(warehouse, target.id, version_id), folder=models)
    evidence = {"from": expected, "tried_on": _try(warehouse, target, model, now)}
    with warehouse.write() as session:
        present = registry.champion_id(session, target.id)
        if present != expected:
            raise StalePremise(
                f"{target.id}: the champion is {present} by now, not {expected}; look again and decide anew."
            )
        if session.ask("version_by_id", version_id=version_id).retired_at.notna().any():
            raise ModelError(f"{version_id}: its file was retired meanwhile; choose a kept version.")
        registry.decide(
            session,
            target=target.id,
            version_id=version_id,
            expected=expected,
            kind=kind,
            promote=True,
            actor=actor,
            reason=reason.strip(),
            evidence=evidence,
            now=now,
        )


def _try(warehouse: Warehouse, target: Target, model: Model, now: datetime) -> int:
    """How many of the newest hours the model forecast as it must. Raises ModelError when it does not."""
    families = discover("pipeline.models", "FAMILY")
    if model.feature_set != features.feature_set(target.inputs) or model.family not in families:
        raise ModelError(f"{model.version_id} is of another feature set or family than this release has; retrain.")
    with warehouse.read() as session:
        built = newest(session, target, now)
    if why := guard.flaw(model, families[model.family], built, target):
        raise ModelError(f"{model.version_id} cannot serve: {why}; choose another version or retrain.")
    return len(built.batch)


def newest(session: Session, target: Target, now: datetime) -> Built:
    """Feature rows of the newest known hours, as of `now`. Raises ModelError when there are none."""
    last = session.ask("newest_actual", target=target.id, now=now).newest.iloc[0]
    if pd.isna(last):
        raise ModelError(f"{target.id}: there are no actuals to try a model on; run ingest and actuals first.")
    origins: Times = inputs.as_hours(last, last) - np.arange(guard.LATEST)[::-1]
    moment = np.datetime64(pd.Timestamp(now).tz_convert("UTC").tz_localize(None), "us")
    return inputs.built(session, target, origins, np.full(len(origins), moment))
