"""Backup -> the warehouse, models and configuration it holds, in place."""

import argparse
from pathlib import Path

from pipeline.commands.base import Command, Desk
from pipeline.doctor import examine
from pipeline.restoring import restore


def run(desk: Desk, options: argparse.Namespace) -> int:
    """Restore, then let the doctor look; exit code 1 when it finds flaws the backup did not have."""
    done = restore(options.file, desk.settings, force=options.force, now=desk.runner.clock(), actor=desk.by)
    desk.open()
    print(f"the warehouse is that of {done.manifest['made_at']}: {sum(done.manifest['rows'].values()):,} rows")
    print(f"{done.models} model files put back")
    if done.config is not None:
        print(f"the backup's configuration is another than {desk.settings.config.name}; it is in {done.config}")
    if done.migrated:
        print(f"migrated: {', '.join(done.migrated)}")
    if done.kept is not None:
        print(f"the one before is {done.kept.name}; delete it when it is not needed any more")
    findings = examine(desk.warehouse, desk.settings.models, jobs=list(desk.jobs))
    flaws = [finding for finding in findings if finding.flaw]
    for finding in flaws:
        print(f"FLAW  {finding.check}: {finding.flaw}")
    return 1 if {f"{one.check}: {one.flaw}" for one in flaws} - set(done.manifest["flaws"]) else 0


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--force", action="store_true", help="replace the warehouse that is there; it is kept")


COMMAND = Command("restore", "put a backup in place", run, _arguments)
