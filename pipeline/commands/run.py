"""Names of jobs, or a queued run -> recorded runs, in the order given."""

import argparse
from typing import Any

from pipeline.commands.base import Command, Desk
from pipeline.errors import JobRunning, UnknownJob
from pipeline.runrows import rows_of
from pipeline.runs import request


def run(desk: Desk, options: argparse.Namespace) -> int:
    """Run the jobs that were named, or put them into the queue, or run what waits there under an id."""
    desk.open()
    if options.queued:
        return 0 if _queued(desk, options.queued) else 1
    if not options.jobs:
        raise UnknownJob(f"say which job to run: {', '.join(desk.jobs)}.")
    asked = {"force": options.force, "reissue": options.reissue}
    args = {name: value for name, value in asked.items() if value}
    if options.queue:
        return _queue(desk, options, args)
    good = True
    for name in [desk.job(name).name for name in options.jobs]:
        try:
            good = desk.run(name, reason=options.reason, **args) and good
        except JobRunning as error:
            print(f"{name} skipped: {error}", flush=True)
    return 0 if good else 1


def _queue(desk: Desk, options: argparse.Namespace, args: dict[str, Any]) -> int:
    for name in [desk.job(name).name for name in options.jobs]:
        run_id = request(desk.warehouse, name, by=desk.by, reason=options.reason, args=args, now=desk.runner.clock())
        print(f"{name} waits in the queue as run {run_id}", flush=True)
    if not desk.warehouse.scheduler_alive():
        print("no scheduler works on this warehouse now; `python jobs.py schedule` starts one", flush=True)
    return 0


def _queued(desk: Desk, run_id: str) -> bool:
    row = next(iter(rows_of(desk.warehouse.ask("run_by_id", run_id=run_id))), None)
    if row is None:
        raise UnknownJob(f"no run is called {run_id}; the Jobs page lists them.")
    job = desk.job(row["job"])
    return desk.told(job.name, lambda: desk.runner.run_queued(job, run_id))


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("jobs", nargs="*", metavar="JOB")
    parser.add_argument("--force", action="store_true", help="train even when there is no new data")
    parser.add_argument("--reissue", metavar="TARGET", help="forecast: issue its newest origin again, by the champion")
    parser.add_argument("--queued", metavar="RUN_ID", help="run what the dashboard or the scheduler queued")
    parser.add_argument("--queue", action="store_true", help="leave it to the scheduler instead of running it here")
    parser.add_argument("--reason", default="", help="why; recorded with the run")
    parser.add_argument("--by", default="cli", help="who asks; recorded with the run")


COMMAND = Command("run", "run one job or several, in the order given", run, _arguments)
