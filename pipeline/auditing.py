"""Who did what about access -> a row of the audit log, or a log line where there is no warehouse to write to."""

import json
import logging
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from pipeline.errors import SextantError
from pipeline.warehouse import Warehouse

log = logging.getLogger(__name__)
Row = dict[str, str]


def tell(warehouse: Warehouse, action: str, outcome: str, **facts: Any) -> None:
    """Append the row (`facts` as in `noted`); nobody is kept out or let in because the warehouse is busy or not there:
    then it is logged."""
    told = noted(warehouse, action, outcome, **facts)
    if told is None:
        return
    try:
        append(warehouse, [told])
    except SextantError as error:
        log.warning("the audit row of %s by %s was not written: %s", action, told["actor"], error)


def noted(
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
) -> Row | None:
    """Log it and give the row to append; None: there is no warehouse."""
    told = json.dumps(dict(detail or {}), sort_keys=True, default=str)
    unwritten = not warehouse.path.exists()
    level = logging.WARNING if unwritten or outcome == "denied" else logging.INFO
    log.log(level, "%s %s: %s %s %s", action, outcome, actor, subject, told)
    row = {
        "audit_id": uuid.uuid4().hex,
        "acted_at": now.isoformat(),
        "actor": actor,
        "role": role,
        "action": action,
        "subject": subject,
        "outcome": outcome,
        "reason": reason,
        "detail": told,
    }
    return None if unwritten else row


def append(warehouse: Warehouse, rows: Sequence[Row]) -> bool:
    """Write rows of `noted`, each once however often it is tried; False: the warehouse is of an older Sextant.

    Raises SextantError, and then none is written.
    """
    frame = pd.DataFrame(rows)
    frame["acted_at"] = pd.to_datetime(frame["acted_at"], utc=True, format="ISO8601")
    with warehouse.write() as session:
        if not session.migrated():
            return False
        session.append("audit", frame)
    return True
