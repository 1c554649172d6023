"""An issued forecast's name -> the same forecast made again from what was known then, compared bit for bit."""

import importlib.metadata
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline import features, inputs, issuing, registry
from pipeline.discovery import discover
from pipeline.errors import ModelError, NoChampion, UnknownForecast
from pipeline.features import Built
from pipeline.intervals import LEVELS
from pipeline.issuing import Issue
from pipeline.markets import Target
from pipeline.models.base import Family
from pipeline.queries import queries
from pipeline.recall import Recent, recall
from pipeline.registry import Model
from pipeline.warehouse import Session, Warehouse
from pipeline.windows import Times, naive_utc

BESIDE = ("level", "naive", "operator", "stale_hours", "filled_hours")
NO_MODE = np.array([""], dtype=object)


@dataclass(frozen=True)
class Reproduction:
    """One row a horizon: each quantile as stored and `again_`, in the target's unit; and all that differs, in words.

    `notes` say what may explain a difference, such as other versions of libraries.
    """

    version_id: str
    issuer: str
    table: pd.DataFrame
    differences: tuple[str, ...]
    notes: tuple[str, ...]


def reproduce(
    warehouse: Warehouse, models: Path, target: Target, *, origin: datetime, version_id: str = ""
) -> Reproduction:
    """Make the forecast issued for `origin` again (aware UTC): the issue, or with `version_id` that version's own.

    Its feature row is rebuilt from the facts known at its as_of and written by then, its version loaded (hash
    checked), its bands adapted to what had been issued and measured by then.
    Raises UnknownForecast when nothing was issued or its features are not of this code's set; ModelError, or
    ArtifactDamaged, when the version cannot be loaded.
    """
    with warehouse.read() as session:
        stored = _stored(session, target, origin, version_id)
        # As many hours ahead as were issued then, whatever sextant.toml says by now.
        target = replace(target, horizons=tuple(stored["horizon"]))
        rows = session.ask("features_of_origin", target=target.id, origin=origin)
        _check(rows, target, origin)
        built = features.from_rows(rows, target.inputs)
        recent = recall(session, target, built.batch.origins, built.as_of, written_by=_begun(stored))
        # Last, because from here on this session sees the tables of then.
        again = _rebuilt(session, target, built, written_by=rows["written_at"].iloc[0])
    version, model, excuse = _model(warehouse, models, target, stored)
    issued = _issued(stored, again, target, model, excuse, recent)
    about: dict[str, Any] = {"target": target.id, "mode": NO_MODE, "made_at": _made_at(stored)}
    compared = issuing.rows(again, issued, issuer="", **about, horizons=target.horizons)
    return Reproduction(
        version_id=stored["version_id"].iloc[0],
        issuer=stored["issuer"].iloc[0],
        table=_table(stored, compared),
        differences=(*_row_differences(rows, again, target), *_differences(stored, compared)),
        notes=_notes(version),
    )


def _stored(session: Session, target: Target, origin: datetime, version_id: str) -> pd.DataFrame:
    rows = session.ask("forecasts_of_origin", target=target.id, origin=origin, version=version_id)
    if rows.empty:
        whose = f" by {version_id}" if version_id else ""
        raise UnknownForecast(
            f"{target.id}: nothing was issued for {origin:%Y-%m-%dT%H:%MZ}{whose}; name an origin that was."
        )
    first = rows.iloc[0]
    mine = (rows["issuer"] == first["issuer"]) & (rows["version_id"] == first["version_id"])
    stored: pd.DataFrame = rows[mine].reset_index(drop=True)
    return stored


def _begun(stored: pd.DataFrame) -> pd.Timestamp:
    """When the run began that wrote these rows, which is when it looked at what was written."""
    return pd.Timestamp(stored["written_at" if stored["mode"].iloc[0] == "replay" else "made_at"].iloc[0])


def _check(rows: pd.DataFrame, target: Target, origin: datetime) -> None:
    mine = features.feature_set(target.inputs)
    other = sorted(set(rows["feature_set"]) - {mine})
    if other or rows.empty:
        found = f"are of feature set {', '.join(other)}, this code makes {mine}" if other else "are not stored"
        raise UnknownForecast(
            f"{target.id}: the features of {origin:%Y-%m-%dT%H:%MZ} {found}; use the release that issued the forecast."
        )


def _rebuilt(session: Session, target: Target, built: Built, *, written_by: pd.Timestamp) -> Built:
    session.script(queries()["set_written_by"], moment=written_by)
    session.script(queries()["as_written"])
    return inputs.built(session, target, built.batch.origins, built.as_of)


def _model(
    warehouse: Warehouse, models: Path, target: Target, stored: pd.DataFrame
) -> tuple[Mapping[str, Any], Model | None, str]:
    """(Row of the version, the model, ""), or ({}, None, why there was none) for a fallback without any."""
    version_id, written = stored["version_id"].iloc[0], stored["written_at"].iloc[0]
    if version_id != "naive":
        row = registry.version(warehouse, target.id, version_id)
        return row, _loaded(row, models, target), ""
    try:
        # A fallback has its bands from the errors of naive that came with the champion of the time.
        row = registry.champion_at(warehouse, target.id, written)
        return row, _loaded(row, models, target), ""
    except NoChampion:
        return {}, None, _excuse(stored)
    except ModelError:
        # It could not be loaded then either, if that is what the forecast says.
        if row["version_id"] not in stored["reason"].iloc[0] or stored["p10"].notna().any():
            raise
        return {}, None, _excuse(stored)


def _excuse(stored: pd.DataFrame) -> str:
    """Why there was no model, without what issuing adds when naive has no value either."""
    reason = str(stored["reason"].iloc[0])
    for added in issuing.NAIVE_UNKNOWN:
        reason = reason.removesuffix(added)
    return reason


def _loaded(row: Mapping[str, Any], models: Path, target: Target) -> Model:
    if row["feature_set"] != features.feature_set(target.inputs) or row["family"] not in _families():
        raise ModelError(f"{row['version_id']} is of another feature set or family; use the release that trained it.")
    return registry.load(row, folder=models)


def _families() -> dict[str, Family]:
    return discover("pipeline.models", "FAMILY")


def _issued(
    stored: pd.DataFrame, built: Built, target: Target, model: Model | None, excuse: str, recent: Recent
) -> Issue:
    made_at = _made_at(stored)
    if stored["issuer"].iloc[0] == "shadow" and model is not None:
        return issuing.shadow(built, target, model, _families()[model.family], recent=recent, made_at=made_at)
    family = None if model is None else _families()[model.family]
    return issuing.issue(built, target, model, family, recent=recent, made_at=made_at, excuse=excuse)


def _made_at(stored: pd.DataFrame) -> Times:
    return naive_utc(stored["made_at"].iloc[:1], "us")


def _table(stored: pd.DataFrame, again: pd.DataFrame) -> pd.DataFrame:
    names = list(LEVELS)
    both = pd.concat([stored[["horizon", *names]], again[names].add_prefix("again_")], axis=1)
    order = ["horizon", *(word for name in names for word in (name, f"again_{name}"))]
    same = np.ones(len(both), dtype=bool)
    for name in names:
        same &= _same(stored[name], again[name])
    return both[order].assign(identical=same)


def _differences(stored: pd.DataFrame, again: pd.DataFrame) -> tuple[str, ...]:
    found = [f"{name} was {stored[name].iloc[0]!r}, is {again[name].iloc[0]!r}"
             for name in ("version_id", "status", "reason") if stored[name].iloc[0] != again[name].iloc[0]]  # fmt: skip
    for name in LEVELS:
        other = ~_same(stored[name], again[name])
        if other.any():
            gap = float(np.nanmax(np.abs(stored[name] - again[name])[other], initial=0.0))
            found.append(f"{name} differs at {int(other.sum())} of {len(stored)} horizons, by up to {gap:.3g}")
    return tuple(found)


def _row_differences(rows: pd.DataFrame, again: Built, target: Target) -> tuple[str, ...]:
    """How the stored feature row differs from the rebuilt one."""
    fresh = features.to_rows(again, target=target.id, mode="live", written_at=rows["written_at"].iloc[0], run_id="")
    found = [f"feature row: {name} differs" for name in BESIDE if not _same(rows[name], fresh[name]).all()]
    was, now = (np.stack(frame["values"].to_list()).astype(np.float64) for frame in (rows, fresh))
    other = np.flatnonzero(~_same(was, now).all(axis=0))
    names = features.names(target.inputs)
    if len(other):
        some = ", ".join(names[place] for place in other[:3])
        found.append(f"feature row: {len(other)} of {len(names)} features differ, such as {some}")
    return tuple(found)


def _same(one: Any, other: Any) -> np.ndarray:
    """Whether numbers have the same bits; NaN is NaN."""
    left, right = (np.asarray(part, dtype=np.float64) for part in (one, other))
    same: np.ndarray = (left.view(np.int64) == right.view(np.int64)) | (np.isnan(left) & np.isnan(right))
    return same


def _notes(version: Mapping[str, Any]) -> tuple[str, ...]:
    if not version:
        return ()
    made_with: dict[str, str] = json.loads(version["libraries"])
    return tuple(
        f"{version['version_id']} was trained with {name} {was}, this is {now}: bits may differ"
        for name, was in sorted(made_with.items())
        if (now := _installed(name)) != was
    )


def _installed(library: str) -> str:
    if library == "python":
        return platform.python_version()
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "missing"
