"""Jobs -> one line each: what it does and when it runs."""

import argparse

from pipeline.commands.base import Command, Desk
from pipeline.plans import CHAIN, plans_of
from pipeline.runner import ordered


def run(desk: Desk, _options: argparse.Namespace) -> int:
    """Print the jobs in order, with their plans as sextant.toml has them."""
    plans = plans_of(desk.jobs, desk.operations)
    chain = plans[CHAIN].cadence
    for job in ordered(desk.jobs, desk.jobs):
        plan = plans[job.name]
        when = f"{plan.cadence} {plan.zone}" if plan.at else plan.cadence
        if plan.chained and plan.every is None:
            when = f"{chain}, if need be"
        print(f"{job.name:10} {job.title:45} {when}")
    return 0


COMMAND = Command("list", "the jobs, in order, and when they run", run)
