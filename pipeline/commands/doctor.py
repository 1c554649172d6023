"""Warehouse -> what is unsound in it, one line each."""

import argparse

from pipeline.commands.base import Command, Desk
from pipeline.doctor import examine


def run(desk: Desk, options: argparse.Namespace) -> int:
    """Print the flaws; exit code 1 when there are any."""
    desk.open()
    findings = examine(desk.warehouse, desk.settings.models, jobs=list(desk.jobs))
    flaws = [finding for finding in findings if finding.flaw]
    for finding in findings if options.verbose else flaws:
        print(f"{'FLAW' if finding.flaw else 'ok':5} {finding.check}{': ' if finding.flaw else ''}{finding.flaw}")
    print(f"{len(findings)} checks, {len(flaws)} flaws" + ("" if flaws else ": the warehouse is sound"))
    return 1 if flaws else 0


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--verbose", action="store_true", help="also name the checks that passed")


COMMAND = Command("doctor", "check that everything stored is sound", run, _arguments)
