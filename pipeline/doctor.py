"""Warehouse + models folder -> findings: is everything stored sound and does every figure lead to its origin?"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pipeline.contracts import CONTRACTS
from pipeline.warehouse import STORAGE, Session, Warehouse

COUNTS = {
    "forecasts_without_version": "forecasts whose model version is unknown",
    "forecasts_without_features": "forecasts without the row they were made from",
    "scores_without_forecast": "scores without their forecast",
    "scores_without_actual": "scores without the version of the actual they used",
    "features_without_names": "feature rows without names",
    "promotions_without_version": "promotions of an unknown version",
    "rows_without_run": "run ids that no job run explains",
    "incomplete_issues": "issues that lack a horizon or are not of one version",
    "incomplete_others": "shadow forecasts or re-issues that lack a horizon",
    "crossing_quantiles": "forecasts with crossing quantiles",
    "silent_hours": "hours between live issues that were neither issued nor noted as missed",
}


@dataclass(frozen=True)
class Finding:
    """One check: `flaw` is empty when all is well, else one sentence."""

    check: str
    flaw: str


def examine(warehouse: Warehouse, models: Path, *, jobs: list[str]) -> list[Finding]:
    """Run every check. Raises NoWarehouse, WrongFile, Busy as the warehouse does."""
    alive = [name for name in jobs if warehouse.runs(name)]
    with warehouse.read() as session:
        findings = [*_file(session), *_zones(session), *_grains(session), *_counts(session)]
        dead = int(session.ask("dead_runs", alive=alive).n.iloc[0])
        artifacts = session.ask("artifacts")
    findings.append(Finding("interrupted runs", f"{dead} runs claim to be running and are not" if dead else ""))
    for version_id, name, fingerprint in artifacts.itertuples(index=False, name=None):
        findings.append(Finding(f"artifact of {version_id}", _artifact(models / name, fingerprint)))
    return findings


def _file(session: Session) -> Iterator[Finding]:
    storage = session.storage()
    yield Finding("file version", "" if storage == STORAGE else f"is {storage}, not {STORAGE}")
    yield Finding("schema version", "" if session.migrated() else "is old; run any job to migrate it")


def _zones(session: Session) -> Iterator[Finding]:
    zone = session.ask("session_zone").zone.iloc[0]
    yield Finding("session time zone", "" if zone == "UTC" else f"is {zone}, not UTC")
    places = ", ".join(session.ask("zoneless_columns").place)
    yield Finding("zone-aware columns", f"{places} have no zone" if places else "")


def _grains(session: Session) -> Iterator[Finding]:
    for table in CONTRACTS:
        doubled = session.doubled(table)
        yield Finding(f"grain of {table}", f"{doubled} rows are doubled" if doubled else "")


def _counts(session: Session) -> Iterator[Finding]:
    for query, words in COUNTS.items():
        n = int(session.ask(query).n.iloc[0])
        yield Finding(query.replace("_", " "), f"{n} {words}" if n else "")


def _artifact(path: Path, fingerprint: str) -> str:
    try:
        content = path.read_bytes()
    except OSError:
        return f"{path.name} cannot be read; roll back to another version or retrain"
    return "" if sha256(content).hexdigest() == fingerprint else f"{path.name} was changed since training"
