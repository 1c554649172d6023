"""`python -m benchmarks.many_series_door MOMENT STEPS` -> these runs of jobs, in a process as the scheduler's are."""

import argparse
import json
import signal
import sys
from datetime import datetime

from benchmarks.many_series_world import know_feeds
from pipeline.commands.base import Desk


def main(words: list[str]) -> int:
    """Run the steps (JSON: pairs of a job and its arguments), the first at the moment (ISO); 1 when one failed."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    know_feeds()
    desk = Desk(argparse.Namespace(now=datetime.fromisoformat(words[0]), by="benchmark"))
    desk.open()
    for job, args in json.loads(words[1]):
        row = desk.runner.run(desk.job(job), by="benchmark", **args)
        if row["state"] == "failed":
            print(f"{job} failed: {row['error']}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
