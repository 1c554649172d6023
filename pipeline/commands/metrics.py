"""Status -> metrics for monitoring: printed, as a file, or at an endpoint on loopback."""

import argparse
import time
from pathlib import Path

from pipeline import exposition, status
from pipeline.commands.base import Command, Desk, port
from pipeline.errors import ConfigError


def run(desk: Desk, options: argparse.Namespace) -> int:
    """Print the metrics, write them to a file, or answer until interrupted."""

    def look() -> status.Status:
        return status.look(desk.warehouse, desk.settings, desk.markets, desk.runner.clock())

    if options.port:
        try:
            server, _thread = exposition.serve(look, options.port)
        except OSError as error:
            raise ConfigError(f"port {options.port} cannot be used ({error.strerror}); name another.") from error
        print(f"metrics on http://{exposition.LOOPBACK}:{server.server_port}/metrics (Ctrl-C stops)", flush=True)
        while True:
            time.sleep(3600)
    if options.file:
        try:
            exposition.write(look(), Path(options.file))
        except OSError as error:
            raise ConfigError(f"{options.file} cannot be written ({error.strerror}); name another file.") from error
    else:
        print(exposition.text(look()), end="")
    return 0


def _arguments(parser: argparse.ArgumentParser) -> None:
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--file", help="replace this file in one step, for a collector that reads files")
    where.add_argument("--port", type=port, help="answer /metrics on loopback until interrupted")


COMMAND = Command("metrics", "how the service is, in the text format of Prometheus", run, _arguments)
