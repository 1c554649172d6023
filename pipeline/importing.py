"""A CSV or Parquet file -> raw and quarantine, by the same rules as any source."""

from pathlib import Path

import pandas as pd

from pipeline.errors import DataRefused
from pipeline.intake import REFUSED_COLUMNS
from pipeline.runner import Context
from pipeline.sources.base import Window
from pipeline.sources.files import read_file
from pipeline.storing import Stored, quarantine, store

NAME = "files"


def import_file(context: Context) -> Stored:
    """Read `args.file` as points of `args.series` (times without offset are of `args.zone`) and store them.

    Raises DataRefused when the file cannot be understood or the series is unknown; single bad rows are
    quarantined and the good ones kept.
    """
    known = {series.id: series for market in context.markets.values() for series in market.series}
    wanted = context.args.get("series", "")
    if wanted not in known:
        raise DataRefused(f"series {wanted!r} is unknown; say --series with one of {', '.join(known)}.")
    points, bad = read_file(Path(context.args["file"]), known[wanted], context.args.get("zone"))
    rows = [row._asdict() | {"reason": f"{wanted}, {row.reason}"} for row in bad]
    refused = pd.DataFrame(rows, columns=list(REFUSED_COLUMNS))
    with context.warehouse.write() as session:
        quarantine(context, session, NAME, refused)
    if points.empty:
        return Stored(quarantined=len(refused))
    first, last = points["valid_at"].min(), points["valid_at"].max()
    window = Window(first.to_pydatetime(), (last + known[wanted].cadence).to_pydatetime())
    return store(context, NAME, known[wanted], window, points) + Stored(quarantined=len(refused))
