"""Jobs -> one line each: what it does and when it runs."""

import argparse

from pipeline.commands.base import Command, Desk
from pipeline.runner import ordered


def run(desk: Desk, _options: argparse.Namespace) -> int:
    """Print the jobs in order."""
    for job in ordered(desk.jobs, desk.jobs):
        when = f"daily at {job.at} {job.zone}" if job.at else "on demand" if job.on_demand else "every 5 minutes"
        print(f"{job.name:10} {job.title:45} {when}")
    return 0


COMMAND = Command("list", "the jobs, in order, and when they run", run)
