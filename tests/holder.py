"""A process that changes a warehouse, then keeps its lock until it is ended.

Usage: python -m tests.holder WAREHOUSE. It says `held` once it has the lock for good.
"""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from pipeline.runrows import new_run, run_frame
from pipeline.warehouse import Warehouse


def main() -> None:
    warehouse = Warehouse(Path(sys.argv[1]))
    with warehouse.write() as session:
        run = new_run("ingest", by="holder", reason="", args={}, now=datetime.now(UTC))
        session.append("job_runs", run_frame([run | {"run_id": "holder000001", "state": "succeeded"}]))
        # Nobody can tell what this reads or changes, so every answer that a page knows counts as outdated.
        session.script("SELECT 1;")
    with warehouse.write():
        sys.stdout.write("held\n")
        sys.stdout.flush()
        time.sleep(600)


if __name__ == "__main__":
    main()
