"""Warehouse -> the same in a smaller file."""

import argparse

from pipeline.commands.base import Command, Desk
from pipeline.compacting import compact


def run(desk: Desk, _options: argparse.Namespace) -> int:
    """Rewrite the file and say what it gave back."""
    desk.open()
    done = compact(desk.warehouse)
    gained = 1 - done.after / done.before
    print(f"{done.before / 1e6:,.1f} MB before, {done.after / 1e6:,.1f} MB after ({gained:.0%} less)")
    if done.waited:
        print("others had to wait, because the warehouse was being written to all the time")
    return 0


COMMAND = Command("compact", "give the disk back what deleted rows occupied", run)
