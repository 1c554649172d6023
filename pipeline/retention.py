"""A target's versions + model files -> fewer files: what no version needs any more is retired and removed."""

from datetime import datetime
from pathlib import Path

import pandas as pd

from pipeline.markets import Target
from pipeline.warehouse import Warehouse

REASON = "beyond the newest {} versions and never champion"


def retire(warehouse: Warehouse, models: Path, target: Target, *, now: datetime, run_id: str) -> int:
    """Retire all but the newest `keep_versions` versions and those that ever were champion; returns how many.

    The row comes before the file goes, and files without a purpose are swept every time: those of retired versions
    and those of training runs of this warehouse that made no version. So a crash leaves nothing behind for good.
    """
    keep = target.policy.keep_versions
    with warehouse.write() as session:
        surplus = session.ask("surplus_versions", target=target.id, keep=keep)
        rows = surplus[["version_id"]].assign(reason=REASON.format(keep), retired_at=pd.Timestamp(now), run_id=run_id)
        session.append("retirements", rows)
        needless = set(session.ask("needless_artifacts", target=target.id, run_id=run_id).artifact)
    for path in (models / target.id).glob("*.joblib*"):
        # A half-written file is called .run.joblib.process.
        if f"{target.id}/{path.name.lstrip('.').partition('.joblib')[0]}.joblib" in needless:
            path.unlink(missing_ok=True)
    return len(surplus)
