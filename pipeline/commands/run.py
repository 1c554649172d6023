"""Names of jobs, or a queued run -> recorded runs, in the order given."""

import argparse

from pipeline.commands.base import Command, Desk
from pipeline.errors import JobRunning, UnknownJob


def run(desk: Desk, options: argparse.Namespace) -> int:
    """Run the jobs that were named, or what waits in the queue under an id."""
    desk.open()
    if options.queued:
        return 0 if _queued(desk, options.queued) else 1
    if not options.jobs:
        raise UnknownJob(f"say which job to run: {', '.join(desk.jobs)}.")
    asked = {"force": options.force, "reissue": options.reissue}
    args = {name: value for name, value in asked.items() if value}
    good = True
    for name in options.jobs:
        try:
            good = desk.run(name, **args) and good
        except JobRunning as error:
            print(f"{name} skipped: {error}", flush=True)
    return 0 if good else 1


def _queued(desk: Desk, run_id: str) -> bool:
    rows = desk.warehouse.ask("run_by_id", run_id=run_id).to_dict("records")
    if not rows or rows[0]["state"] != "queued":
        raise UnknownJob(f"run {run_id} is not in the queue; it may have run already.")
    row = {str(key): value for key, value in rows[0].items()}
    return desk.told(row["job"], lambda: desk.runner.carry_out(desk.jobs[row["job"]], row))


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("jobs", nargs="*", metavar="JOB")
    parser.add_argument("--force", action="store_true", help="train even when there is no new data")
    parser.add_argument("--reissue", metavar="TARGET", help="forecast: issue its newest origin again, by the champion")
    parser.add_argument("--queued", metavar="RUN_ID", help="run what the dashboard or the scheduler queued")
    parser.add_argument("--by", default="cli", help="who asks; recorded with the run")


COMMAND = Command("run", "run one job or several, in the order given", run, _arguments)
