"""A window or a file -> its values in the warehouse."""

import argparse

from pipeline.commands.base import Command, Desk, moment
from pipeline.errors import UnknownJob


def run(desk: Desk, options: argparse.Namespace) -> int:
    """Run the ingest job with the window or file that was named."""
    desk.open()
    names = {"start": "from", "end": "to", "file": "file", "series": "series", "zone": "zone"}
    args = {word: getattr(options, name) for name, word in names.items() if getattr(options, name)}
    if ("from" in args) != ("to" in args):
        raise UnknownJob("--from and --to go together; give both, as 2024-01-31T00:00Z.")
    if args.get("from", "") > args.get("to", ""):
        raise UnknownJob(f"--from {args['from']} is later than --to {args['to']}; change them over.")
    return 0 if desk.run("ingest", **args) else 1


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="start", type=_iso, metavar="TIME", help="beginning of a window, with offset")
    parser.add_argument("--to", dest="end", type=_iso, metavar="TIME", help="its end")
    parser.add_argument("--file", help="a CSV or Parquet file with the columns valid_at and value")
    parser.add_argument("--series", help="only this series, such as es.load; with --file the one it holds")
    parser.add_argument("--zone", help="time zone of the file's times when they carry no offset")


def _iso(text: str) -> str:
    return moment(text).isoformat()


COMMAND = Command("ingest", "fetch what is new, the gaps of a window, or a file", run, _arguments)
