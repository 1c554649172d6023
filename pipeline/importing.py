"""A CSV or Parquet file, or the folder of a market -> raw and quarantine, by the same rules as any source."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from pipeline.errors import DataRefused, SourceError
from pipeline.intake import REFUSED_COLUMNS
from pipeline.markets import Series
from pipeline.runner import Context
from pipeline.sources.base import Window
from pipeline.sources.files import Refused, files_of, points_of, read_file
from pipeline.storing import Stored, note_failure, note_read, quarantine, store

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
    refused = _refused(context, bad, f"{wanted}, ")
    if points.empty:
        return refused
    return store(context, NAME, [known[wanted]], _span(points, known[wanted]), points) + refused


def import_folder(context: Context, series: Sequence[Series]) -> Iterator[tuple[Stored, SourceError | None]]:
    """Store what the files of a market's folder say of `series`, each file once and again when it was changed.

    A file that cannot be understood is an error of its own; the others are read. A forecast or price further ahead
    than its series reaches waits in its file until its time has come.
    """
    now = Window(context.now, context.now)
    try:
        paths = files_of(series[0])
    except SourceError as error:
        note_failure(context, NAME, series, now, error)
        yield Stored(), error
        return
    known = context.warehouse.ask("files_read", source=NAME)
    read = set(zip(known["series"], known["message"], strict=True))
    for path in paths:
        # Before it is read: what is written meanwhile is read next time.
        state = _state(path)
        fresh = [one for one in series if (one.id, state) not in read]
        try:
            yield _file(context, path, fresh, state) if fresh else Stored(), None
        except SourceError as error:
            note_failure(context, NAME, fresh, now, error)
            yield Stored(), error
    # As of any source that has nothing new, so that one sees that it was asked.
    note_read(context, NAME, series, now, "empty", "")


def _file(context: Context, path: Path, series: Sequence[Series], state: str) -> Stored:
    points, bad = points_of(path, series)
    stored = _refused(context, bad)
    # Part of the key of what is noted: each file of a run has a moment of its own.
    written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    for one in series:
        mine = points[points["series"] == one.id]
        early = (mine["valid_at"] > context.now + one.ahead) & (one.kind != "measured")
        if not early.all():
            stored += store(context, NAME, [one], _span(mine[~early], one), mine[~early])
        if not early.any():
            note_read(context, NAME, [one], Window(written, written), "ok", state)
    return stored


def _state(path: Path) -> str:
    """What tells that a file was changed: its name, its size and when it was written."""
    found = path.stat()
    return f"{path.name}, {found.st_size} bytes, {found.st_mtime_ns}"


def _refused(context: Context, bad: Sequence[Refused], whose: str = "") -> Stored:
    rows = [row._asdict() | {"reason": f"{whose}{row.reason}"} for row in bad]
    if rows:
        with context.warehouse.write() as session:
            quarantine(context, session, NAME, pd.DataFrame(rows, columns=list(REFUSED_COLUMNS)))
    return Stored(quarantined=len(rows))


def _span(points: pd.DataFrame, series: Series) -> Window:
    first, last = points["valid_at"].min(), points["valid_at"].max()
    return Window(first.to_pydatetime(), (last + series.cadence).to_pydatetime())
