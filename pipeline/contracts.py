"""Rows for a table -> the same rows, or ContractBroken; what SQL types cannot say is said here."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.errors import ContractBroken


@dataclass(frozen=True)
class Contract:
    """`grain` names the columns that make a row unique; `choices` the words a column may hold."""

    grain: tuple[str, ...]
    choices: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Column:
    """A column as the database declares it."""

    name: str
    type: str
    nullable: bool


ISSUERS = ("sextant", "reissue", "shadow", "naive", "operator")
MODES = ("live", "replay")
STATUSES = ("ok", "reduced", "fallback", "withheld")
BACKTEST_KINDS = ("hold_out", "backtest")
DRIFT_KINDS = ("feature", "prediction", "residual")
DECISIONS: dict[str, tuple[str, ...]] = {
    "kind": ("train", "rollback", "promote"),
    "outcome": ("promoted", "refused", "waiting"),
}
RUN_STATES = ("queued", "running", "succeeded", "failed", "skipped", "cancelled", "missed")
SEVERITIES = ("info", "warning", "critical")
FETCH_OUTCOMES = (
    "ok",
    "empty",
    "not_yet_published",
    "auth",
    "throttled",
    "transient",
    "bad_request",
    "schema_changed",
    "not_ready",
    "failed",
)
NOTICES: dict[str, tuple[str, ...]] = {
    "kind": ("fired", "resolved", "escalated"),
    "state": ("sending", "sent", "failed"),
}
_ISSUE = {"issuer": ISSUERS, "mode": MODES, "status": STATUSES}

CONTRACTS: dict[str, Contract] = {
    "raw": Contract(("series", "valid_at", "seen_at"), {}),
    "quarantine": Contract(("series", "valid_at", "value", "reason"), {}),
    "fetches": Contract(("run_id", "series", "source", "window_start"), {"outcome": FETCH_OUTCOMES}),
    "actuals": Contract(("target", "valid_at", "known_at"), {}),
    "feature_sets": Contract(("feature_set",), {}),
    "features": Contract(("target", "origin", "horizon"), {"mode": MODES}),
    "predictions": Contract(("target", "origin", "horizon", "issuer", "version_id"), _ISSUE),
    "accuracy": Contract(("target", "origin", "horizon", "issuer", "version_id", "actual_known_at"), _ISSUE),
    "model_versions": Contract(("version_id",), {}),
    "backtests": Contract(("run_id", "target", "family", "horizon", "slice"), {"kind": BACKTEST_KINDS}),
    "promotions": Contract(("target", "number"), DECISIONS),
    "drift": Contract(("run_id", "target", "kind", "subject"), {"kind": DRIFT_KINDS}),
    "retirements": Contract(("version_id",), {}),
    "job_runs": Contract(("run_id",), {"state": RUN_STATES}),
    "schedule": Contract(("job",), {"missed": ("run", "skip")}),
    "scheduler_terms": Contract(("term_id",), {}),
    "missed_issues": Contract(("target", "origin"), {}),
    "quality": Contract(("series", "day_start"), {}),
    "alert_flips": Contract(("flip_id",), {"state": ("firing", "resolved"), "severity": SEVERITIES}),
    "alert_acts": Contract(("act_id",), {"kind": ("acknowledge", "snooze", "wake")}),
    "maintenance": Contract(("window_id",), {}),
    "notifications": Contract(("notification_id",), NOTICES),
    "capacity": Contract(("measured_at", "what"), {}),
    "reasons": Contract(("target", "origin", "horizon", "version_id", "input"), {}),
    "importances": Contract(("version_id", "input"), {}),
    "backups": Contract(("backup_id",), {}),
    "audit": Contract(("audit_id",), {"outcome": ("started", "ok", "denied", "failed")}),
}


def check(table: str, frame: pd.DataFrame, columns: list[Column]) -> None:
    """Raise ContractBroken when `frame` does not fit `table`: columns, nulls, time zone, words, grain."""
    contract = CONTRACTS.get(table)
    if contract is None:
        raise ContractBroken(f"table {table}: no contract; add one to contracts.py.")
    declared = {column.name for column in columns}
    if set(frame.columns) != declared:
        wrong = sorted(declared.symmetric_difference(frame.columns))
        raise ContractBroken(f"table {table}: columns {wrong} are missing or unknown.")
    for column in columns:
        _check_column(table, column, frame[column.name])
    for name, words in contract.choices.items():
        strange = sorted(set(frame[name]) - set(words))
        if strange:
            raise ContractBroken(f"table {table}: {name} may not be {strange}.")
    doubled = frame.duplicated(list(contract.grain))
    if doubled.any():
        raise ContractBroken(f"table {table}: {int(doubled.sum())} rows repeat a {'+'.join(contract.grain)}.")


def _check_column(table: str, column: Column, values: pd.Series) -> None:
    if not column.nullable and values.isna().any():
        raise ContractBroken(f"table {table}: {column.name} has {int(values.isna().sum())} nulls.")
    if column.type == "TIMESTAMP WITH TIME ZONE" and values.notna().any():
        zone = getattr(values.dtype, "tz", None)
        if zone is None or str(zone) != "UTC":
            raise ContractBroken(f"table {table}: {column.name} is {values.dtype}, not a UTC time.")
    if column.type == "DOUBLE" and np.isinf(pd.to_numeric(values, errors="coerce").to_numpy(float)).any():
        raise ContractBroken(f"table {table}: {column.name} has infinite values.")
