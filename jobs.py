"""Command line -> jobs: the one door to ingest, train, forecast, score and look after the warehouse."""

import argparse
import logging
import signal
import sys
from typing import Any

from pipeline.commands.base import Desk, moment
from pipeline.discovery import discover
from pipeline.errors import SextantError, UnknownJob


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 well, 1 something failed, 2 wrong words, 130 stopped."""
    options = _parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _interrupt)
    try:
        return int(options.command(Desk(options), options))
    except SextantError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2 if isinstance(error, UnknownJob) else 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


def _interrupt(_number: int, _frame: Any) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="jobs.py", description="Sextant: six hours ahead, on one screen.")
    parser.add_argument("--now", type=moment, help="run as if it were this moment (ISO, with offset)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for one in discover("pipeline.commands", "COMMAND").values():
        command = commands.add_parser(one.name, help=one.words, description=one.words)
        command.set_defaults(command=one.run, by="cli")
        one.arguments(command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
