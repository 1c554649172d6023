"""Warehouse -> a verified backup; or a backup -> whether it is whole."""

import argparse
from pathlib import Path

from pipeline import backups
from pipeline.commands.base import Command, Desk


def run(desk: Desk, options: argparse.Namespace) -> int:
    """Make a backup as a recorded run, or verify one; exit code 1 when that failed."""
    if options.verify is not None:
        manifest = backups.verify(options.verify)
        rows, flaws = sum(manifest["rows"].values()), manifest["flaws"]
        print(f"{options.verify.name} is whole: {rows:,} rows of {manifest['made_at']}, {manifest['why']}")
        for flaw in flaws:
            print(f"  it was made with this flaw: {flaw}")
        return 0
    desk.open()
    return 0 if desk.run("backup", **({"to": str(options.to)} if options.to else {})) else 1


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="where to put it (default: SEXTANT_BACKUPS)")
    parser.add_argument("--verify", type=Path, metavar="FILE", help="only open and check this backup")


COMMAND = Command("backup", "back up warehouse, models and configuration while others work", run, _arguments)
