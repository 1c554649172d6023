"""Clock and queue -> runs, until it is told to stop."""

import argparse
import logging

from pipeline import exposition, status
from pipeline.commands.base import Command, Desk
from pipeline.pinging import EVERY_S, ping
from pipeline.scheduler import Scheduler
from pipeline.signals import stop_flag

METRICS_S = 60
log = logging.getLogger(__name__)


def run(desk: Desk, options: argparse.Namespace) -> int:
    """Schedule until told to stop; beside another scheduler wait for its end, or with --no-wait raise JobRunning."""
    desk.open()
    told = stop_flag()

    def pinged() -> None:
        note = scheduler.trouble or "the scheduler is at work"
        log.info(ping(desk.settings, ok=not scheduler.trouble, note=note))

    def measured() -> None:
        if desk.settings.metrics is not None:
            found = status.look(desk.warehouse, desk.settings, desk.markets, desk.runner.clock())
            exposition.write(found, desk.settings.metrics)

    duties = [(int(EVERY_S), pinged), (METRICS_S, measured)]
    scheduler = Scheduler(desk.runner, desk.jobs, say=lambda line: print(line, flush=True), duties=duties)
    scheduler.serve(until=told.is_set, wait=not options.no_wait)
    return 0


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-wait", action="store_true", help="do not wait for the end of another scheduler; fail")


COMMAND = Command("schedule", "run what is planned and what people ask for", run, _arguments)
