"""Clock and queue -> runs, until it is told to stop."""

import argparse
import logging
import os

from pipeline import exposition, status
from pipeline.commands.base import Command, Desk
from pipeline.pinging import EVERY_S, ping, unjudged
from pipeline.scheduler import Scheduler
from pipeline.signals import stop_flag

METRICS_S = 60
log = logging.getLogger(__name__)


def run(desk: Desk, options: argparse.Namespace) -> int:
    """Schedule until told to stop; beside another scheduler wait for its end, or with --no-wait raise JobRunning."""
    parent = os.getppid()
    desk.open()
    told = stop_flag()

    def over() -> bool:
        return told.is_set() or (options.with_parent and os.getppid() != parent)

    def pinged() -> None:
        trouble = scheduler.trouble or unjudged(desk.warehouse, desk.runner.clock())
        log.info(ping(desk.settings, ok=not trouble, note=trouble or "the scheduler is at work"))

    duties = [(int(EVERY_S), pinged), (METRICS_S, lambda: measure(desk))]
    scheduler = Scheduler(desk.runner, desk.jobs, say=lambda line: print(line, flush=True), duties=duties)
    scheduler.serve(until=over, wait=not options.no_wait)
    return 0


def measure(desk: Desk) -> None:
    """Replace the file of metrics, where one is asked for. Raises OSError and what a read raises."""
    if desk.settings.metrics is not None:
        found = status.look(desk.warehouse, desk.settings, desk.markets, desk.runner.clock())
        exposition.write(found, desk.settings.metrics)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-wait", action="store_true", help="do not wait for the end of another scheduler; fail")
    parser.add_argument("--with-parent", action="store_true", help="stop also when what started this one has ended")


COMMAND = Command("schedule", "run what is planned and what people ask for", run, _arguments)
