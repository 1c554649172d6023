"""Status -> metrics for monitoring: printed, as a file, or at an endpoint on loopback."""

import argparse
import time
from pathlib import Path

from pipeline import exposition, status
from pipeline.commands.base import Command, Desk


def run(desk: Desk, options: argparse.Namespace) -> int:
    """Print the metrics, write them to a file, or answer until interrupted."""

    def look() -> status.Status:
        return status.look(desk.warehouse, desk.settings, desk.markets, desk.runner.clock())

    if options.port:
        server, _thread = exposition.serve(look, options.port)
        print(f"metrics on http://{exposition.LOOPBACK}:{server.server_port}/metrics (Ctrl-C stops)", flush=True)
        while True:
            time.sleep(3600)
    if options.file:
        exposition.write(look(), Path(options.file))
    else:
        print(exposition.text(look()), end="")
    return 0


def _arguments(parser: argparse.ArgumentParser) -> None:
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--file", help="replace this file in one step, for a collector that reads files")
    where.add_argument("--port", type=int, help="answer /metrics on loopback until interrupted")


COMMAND = Command("metrics", "how the service is, in the text format of Prometheus", run, _arguments)
