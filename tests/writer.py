"""A process that writes 1,000 rows a second until it is ended: batches of rows in two tables, one transaction each.

Usage: python tests/writer.py WAREHOUSE. It says `wrote N SECONDS` after each committed batch.
"""

import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipeline.runrows import new_run, run_frame
from pipeline.warehouse import Warehouse

BATCH = 100
EVERY_S = 0.1
START = datetime(2030, 1, 1, tzinfo=UTC)


def main() -> None:
    warehouse, number, due = Warehouse(Path(sys.argv[1])), 0, time.monotonic()
    while True:
        seen, run_id = START + timedelta(seconds=number), f"batch-{number}"
        run = new_run("ingest", by="writer", reason="", args={}, now=seen) | {"run_id": run_id, "state": "succeeded"}
        times = pd.date_range(START + timedelta(minutes=BATCH * number), periods=BATCH, freq="min").as_unit("us")
        rows = {"series": "writer", "valid_at": times, "value": float(number), "made_at": pd.Timestamp(seen)}
        rows |= {"seen_at": pd.Timestamp(seen), "source": "writer", "run_id": run_id}
        started = time.monotonic()
        with warehouse.write() as session:
            session.append("job_runs", run_frame([run]))
            session.append("raw", pd.DataFrame(rows))
        sys.stdout.write(f"wrote {number} {time.monotonic() - started:.3f}\n")
        sys.stdout.flush()
        number, due = number + 1, due + EVERY_S
        time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    main()
