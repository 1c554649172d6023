"""Command line -> jobs: the one door to ingest, train, forecast, score and look after the warehouse."""

import argparse
import os
import signal
import sys
from typing import Any

from pipeline.commands.base import Command, Desk, moment
from pipeline.discovery import discover, find
from pipeline.errors import SextantError, UnknownJob
from pipeline.logs import set_up


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 well, 1 something failed, 2 wrong words, 130 stopped."""
    words = sys.argv[1:] if argv is None else argv
    options = _parser(words).parse_args(words)
    set_up()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _interrupt)
    try:
        desk = Desk(options)
        set_up(desk.settings.log_format, secrets=desk.settings.secrets)
        if options.configured:
            desk.check()
        code = int(options.command(desk, options))
        sys.stdout.flush()
        return code
    except SextantError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2 if isinstance(error, UnknownJob) else int(options.refused)
    except BrokenPipeError:
        # Who read what is said has gone, such as `head`; Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(options.refused)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


def _interrupt(_number: int, _frame: Any) -> None:
    raise KeyboardInterrupt


def _parser(words: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="jobs.py", description="Sextant: six hours ahead, on one screen.")
    parser.add_argument("--now", type=moment, help="run as if it were this moment (ISO, with offset)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for one in _commands(words):
        command = commands.add_parser(one.name, help=one.words, description=one.words)
        command.set_defaults(command=one.run, by="cli", refused=one.refused, configured=one.configured)
        one.arguments(command)
    return parser


def _commands(words: list[str]) -> list[Command]:
    """The command that was named, alone, so that nothing else need be loaded; all of them when none was."""
    named: list[Command | None] = [find("pipeline.commands", word, "COMMAND") for word in words]
    return [one for one in named if one is not None][:1] or list(discover("pipeline.commands", "COMMAND").values())


if __name__ == "__main__":
    sys.exit(main())
