"""TARGET@ORIGIN -> that forecast made again, beside what was stored."""

import argparse
from datetime import datetime

from pipeline.commands.base import Command, Desk, moment
from pipeline.errors import UnknownJob
from pipeline.reproducing import reproduce


def run(desk: Desk, options: argparse.Namespace) -> int:
    """Print both and the differences; exit code 1 when there are any."""
    desk.open()
    name, _, at = options.forecast.partition("@")
    targets = {target.id: target for market in desk.markets.values() for target in market.targets}
    if name not in targets:
        raise UnknownJob(
            f"{options.forecast!r} names no target; write TARGET@ORIGIN, TARGET one of {', '.join(targets)}."
        )
    found = reproduce(
        desk.warehouse,
        desk.settings.models,
        targets[name],
        origin=_origin(at),
        version_id=options.version or "",
    )
    print(f"{options.forecast}, {found.issuer} by {found.version_id}: stored, and made again from what was known then")
    print(found.table.to_string(index=False, na_rep="-", float_format="{:,.3f}".format))
    print("\n".join([*found.differences, *found.notes]) or "identical to the last bit")
    return 1 if found.differences else 0


def _origin(text: str) -> datetime:
    try:
        return moment(text)
    except argparse.ArgumentTypeError as error:
        raise UnknownJob(f"{text!r} is no origin; write TARGET@ORIGIN, such as demo.load@2026-11-20T09:00Z.") from error


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--forecast", required=True, metavar="TARGET@ORIGIN", help="demo.load@2026-11-20T09:00Z")
    parser.add_argument("--version", help="that version's own forecast, which may be a shadow")


COMMAND = Command("reproduce", "make an issued forecast again and compare it bit for bit", run, _arguments)
