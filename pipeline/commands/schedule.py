"""Clock and queue -> runs, until it is told to stop."""

import argparse

from pipeline.commands.base import Command, Desk
from pipeline.scheduler import Scheduler


def run(desk: Desk, _options: argparse.Namespace) -> int:
    """Schedule until interrupted."""
    desk.open()
    print("scheduler: every 5 minutes the chain, daily training; Ctrl-C stops it", flush=True)
    Scheduler(desk.warehouse, desk.jobs, say=lambda line: print(line, flush=True)).serve()
    return 0


COMMAND = Command("schedule", "run jobs by the clock and take requests from the dashboard", run)
