"""ERCOT's public files of the last days (no key) -> points of Texas: loads, load forecasts, settlement point prices.

A list names the files of a report, each twice (CSV and XML), newest first; each file is a zip with one table. Files
are kept there for about a week, so this source keeps a market going without an account but cannot fill its past.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pandas as pd

from pipeline.errors import NotYetPublished
from pipeline.markets import Series
from pipeline.settings import Settings
from pipeline.sources.answers import changed, decode_json
from pipeline.sources.base import Window
from pipeline.sources.ercot_clock import localised
from pipeline.sources.ercot_display import completed
from pipeline.sources.ercot_kept import Kept
from pipeline.sources.ercot_tables import (
    FLAG,
    KINDS,
    LAST_WORD,
    POINTS,
    PUBLISHED,
    QUARTER_HOUR,
    asked_for,
    due,
    facts,
    known,
    nothing,
    pieces,
    plain,
    points_of,
)
from pipeline.sources.http import client_for
from pipeline.sources.zips import OddZip, only_file

NAME = "ercot_mis"
LIST, FILE = "/misapp/servlets/IceDocListJsonWS", "/misdownload/servlets/mirDownload"
NAMED = ("DocID", "PublishDate", "FriendlyName", "ConstructedName")
REPEATED_HOUR = "_xhr"
QUARTER_END = r"_(20\d{6}_\d{4})_"
HUBS_AND_ZONES = ("HB_", "LZ_")
KEPT = timedelta(days=7)
KEPT_LISTS, KEPT_FILES = 64, 2048


@dataclass(frozen=True)
class Files:
    """A report's number, and how long before and after a window's hours its files come (None: as a forecast does).

    `ends`: a file's name tells the end of its quarter of an hour, such as SPPHLZNP6905_20241125_1445_csv.
    """

    report: str
    before: timedelta | None
    after: timedelta = timedelta(0)
    ends: bool = False


REPORTS = {
    # The prices of a day come on the day before.
    "dam": Files("12331", timedelta(hours=36), timedelta(hours=12)),
    # Those of a quarter come at its end, and when something is amiss there, hours later.
    "rtm": Files("12301", timedelta(0), timedelta(hours=12), ends=True),
    # The loads of a day come early on the next.
    "load": Files("13101", timedelta(0), timedelta(hours=36)),
    "load_forecast": Files("12312", None),
    "wind_forecast": Files("13028", None),
    "solar_forecast": Files("13483", None),
}


class ErcotMis:
    """ERCOT's files; lists and files are shared by all series of one ingest, which is a process of its own."""

    name = NAME
    # Real-time prices come in a file for each quarter of an hour: about three hundred in such a window.
    max_window = timedelta(days=3)
    every = timedelta(minutes=14)

    def __init__(self) -> None:
        self._lists, self._files = Kept(KEPT_LISTS), Kept(KEPT_FILES)

    def group(self, series: Series) -> str:
        """See Source.group: one series a question."""
        return series.id

    def ready(self, settings: Settings) -> str | None:
        """See Source.ready."""
        return None

    def fetch(self, series: Sequence[Series], window: Window, *, now: datetime, settings: Settings) -> pd.DataFrame:
        """See Source.fetch; `made_at` as the source ercot has it, with a file's publication as its posting.

        What is no longer kept is answered by nothing. Raises NotYetPublished for hours whose files do not exist yet.
        """
        return pd.concat([self._one(one, window, now, settings) for one in series], ignore_index=True)

    def _one(self, series: Series, window: Window, now: datetime, settings: Settings) -> pd.DataFrame:
        key = asked_for(series, NAME, REPORTS)
        windows = pieces(window, self.max_window, due(series, now))
        found = [self._piece(series, key, piece, now, settings) for piece in windows]
        if not found or (all(part.empty for part in found) and window.end > now - KEPT):
            raise NotYetPublished(
                f"{series.id} from {NAME}: no file has its hours from {window.start:%Y-%m-%d %H:%M} UTC on; ask again "
                "later, or set ERCOT_USERNAME for hours before the last week."
            )
        return pd.concat(found, ignore_index=True)

    def _piece(
        self, series: Series, key: tuple[str, str], window: Window, now: datetime, settings: Settings
    ) -> pd.DataFrame:
        name, area = key
        files = REPORTS[name]
        other = "" if KINDS[name].areas is not None or area.startswith(HUBS_AND_ZONES) else area
        url = settings.providers.ercot_public_url
        listed = self._lists.of((url, files.report, now), partial(_list, files.report, settings, series.id))
        rows = _chosen(listed[listed["published"] <= pd.Timestamp(now)], files, window, now)

        def join() -> pd.DataFrame:
            opened = [
                self._files.of((url, row.id, other), partial(_open, row, other, settings, series.id))
                for row in rows.itertuples()
            ]
            found = _joined(opened, name, now, series.id)
            return completed(found, window, now, settings, NAME, series.id) if name == "load" else found

        found = self._lists.of((url, name, other, window, now), join)
        return points_of(found, series, key, window, now, NAME)


def _joined(tables: Sequence[pd.DataFrame], name: str, now: datetime, names: str) -> pd.DataFrame:
    """Facts (see ercot_tables.facts) of files, oldest first; a later file replaces what it says again."""
    kind = KINDS[name]
    if not tables:
        return nothing(kind)
    try:
        found = known(facts(pd.concat(tables, ignore_index=True), kind), kind, now)
    except ValueError as error:
        raise changed(names, NAME, str(error)) from error
    return found.drop_duplicates(["valid_at", "point", "type"] if kind.areas is None else ["valid_at"], keep="last")


def _chosen(listed: pd.DataFrame, files: Files, window: Window, now: datetime) -> pd.DataFrame:
    """The files that may hold the hours of `window`, oldest first."""
    if files.before is not None:
        first, last = window.start - files.before, window.end + files.after
        listed = listed[listed["published"].between(first, last)]
        return listed[_may_hold(listed["name"], window)] if files.ends else listed
    hours = pd.date_range(window.start, window.end, freq="h", inclusive="left", tz="UTC").as_unit("us")
    asked = pd.DataFrame(
        {"published": (hours - LAST_WORD).where(hours - LAST_WORD < pd.Timestamp(now), pd.Timestamp(now))}
    )
    found = pd.merge_asof(asked, listed[["published", "id"]], on="published")
    return listed[listed["id"].isin(found["id"])]


def _may_hold(names: pd.Series, window: Window) -> pd.Series:
    """Whether files with these names may hold a quarter of `window`; a name that tells none may.

    Where the clock shows an end twice, either may be meant, and a name may be minutes off.
    """
    told = pd.to_datetime(names.str.extract(QUARTER_END)[0], format="%Y%m%d_%H%M", errors="coerce")
    ends = [localised(told.astype("datetime64[us]"), pd.Series(second, told.index)) for second in (False, True)]
    inside = [one.between(window.start, window.end + QUARTER_HOUR, inclusive="neither") for one in ends]
    return ends[0].isna() | inside[0] | inside[1]


def _list(report: str, settings: Settings, names: str) -> pd.DataFrame:
    return client_for(settings).get(
        settings.providers.ercot_public_url + LIST,
        source=NAME,
        series=names,
        parse=partial(parse_list, names=names),
        params={"reportTypeId": report},
    )


def parse_list(body: bytes, *, names: str) -> pd.DataFrame:
    """The CSV files of one list, oldest first: id, published (UTC) and name.

    Raises BrokenBody for what is no JSON, SchemaChanged for JSON of another shape.
    """
    rows = [_document(one, names) for one in _documents(decode_json(body), names)]
    found = pd.DataFrame([row for row in rows if row["FriendlyName"].lower().endswith("csv")], columns=list(NAMED))
    try:
        published = pd.to_datetime(found["PublishDate"], utc=True, format="ISO8601").astype("datetime64[us, UTC]")
    except ValueError as error:
        raise changed(names, NAME, "a PublishDate that is no time") from error
    found = pd.DataFrame({"id": found["DocID"], "published": published, "name": found["ConstructedName"]})
    return found.drop_duplicates("id").sort_values("published", kind="stable", ignore_index=True)


def _documents(document: Any, names: str) -> Sequence[Any]:
    listed = document.get("ListDocsByRptTypeRes") if isinstance(document, dict) else None
    documents = listed.get("DocumentList", []) if isinstance(listed, dict) else None
    # A list of one is written without its brackets by some such services, a list of none as nothing.
    documents = [documents] if isinstance(documents, dict) else documents or []
    if not isinstance(listed, dict) or not isinstance(documents, list):
        raise changed(names, NAME, "no ListDocsByRptTypeRes with a DocumentList")
    return documents


def _document(one: Any, names: str) -> Mapping[str, str]:
    told = one.get("Document") if isinstance(one, dict) else None
    if not isinstance(told, dict) or not all(isinstance(told.get(name), str) for name in NAMED):
        raise changed(names, NAME, f"a document without {', '.join(NAMED)}")
    return {name: told[name] for name in NAMED}


def _open(row: Any, other: str, settings: Settings, names: str) -> pd.DataFrame:
    """A file's table; of about a thousand points only hubs and load zones are kept in memory, and one `other`."""
    found = client_for(settings).get(
        settings.providers.ercot_public_url + FILE,
        source=NAME,
        series=names,
        parse=partial(parse_file, published=row.published, file=row.name, names=names),
        params={"doclookupId": row.id},
    )
    point = next((name for name in POINTS if name in found), None)
    return found if point is None else found[found[point].str.startswith((*HUBS_AND_ZONES, other or HUBS_AND_ZONES[0]))]


def parse_file(body: bytes, *, published: pd.Timestamp, file: str, names: str) -> pd.DataFrame:
    """The texts of the one table in a zip, by plain column names, and when it was `published`.

    Raises BrokenBody for what is no whole zip, SchemaChanged for a zip of something else.
    """
    try:
        _, text = only_file(body, ".csv")
    except OddZip as odd:
        raise changed(names, NAME, f"a file {file} with {odd}") from odd
    try:
        table = pd.read_csv(io.BytesIO(text), dtype="str", keep_default_na=False).rename(columns=plain)
    except ValueError as error:
        raise changed(names, NAME, f"a file {file} that is no table of texts") from error
    if FLAG not in table:
        table[FLAG] = "Y" if REPEATED_HOUR in file else "N"
    return table.assign(**{PUBLISHED: published})


SOURCE = ErcotMis()
