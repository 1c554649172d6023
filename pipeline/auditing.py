"""Who did what about access -> a row of the audit log, or a log line where there is no warehouse to write to."""

import json
import logging
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd

from pipeline.errors import SextantError
from pipeline.warehouse import Warehouse

log = logging.getLogger(__name__)


def tell(
    warehouse: Warehouse,
    action: str,
    outcome: str,
    *,
    actor: str,
    now: datetime,
    role: str = "",
    subject: str = "",
    reason: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Append the row; nobody is kept out or let in because the warehouse is busy or not there: then it is logged."""
    told = json.dumps(dict(detail or {}), sort_keys=True, default=str)
    unwritten = not warehouse.path.exists()
    level = logging.WARNING if unwritten or outcome == "denied" else logging.INFO
    log.log(level, "%s %s: %s %s %s", action, outcome, actor, subject, told)
    if unwritten:
        return
    row = {
        "audit_id": uuid.uuid4().hex,
        "acted_at": pd.Timestamp(now),
        "actor": actor,
        "role": role,
        "action": action,
        "subject": subject,
        "outcome": outcome,
        "reason": reason,
        "detail": told,
    }
    try:
        _append(warehouse, row)
    except SextantError as error:
        log.warning("the audit row of %s by %s was not written: %s", action, actor, error)


def _append(warehouse: Warehouse, row: Mapping[str, Any]) -> None:
    with warehouse.write() as session:
        if session.migrated():
            session.append("audit", pd.DataFrame([row]))
