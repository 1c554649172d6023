"""Jobs -> each of them run once, in order."""

import argparse

from pipeline.commands.base import Command, Desk
from pipeline.errors import JobRunning
from pipeline.runner import ordered


def run(desk: Desk, _options: argparse.Namespace) -> int:
    """Run every job that is not on demand."""
    desk.open()
    good = True
    for job in ordered(desk.jobs, desk.jobs):
        if job.on_demand:
            continue
        try:
            good = desk.run(job.name) and good
        except JobRunning as error:
            print(f"{job.name} skipped: {error}", flush=True)
    return 0 if good else 1


COMMAND = Command("all", "every job once, in order", run)
