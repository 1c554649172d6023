"""OASIS of the California ISO -> points of load, load forecasts and nodal prices; needs no token.

Keys are `RUN:PLACE`: a run of oasis.RUNS and a TAC area (`ACTUAL:PGE-TAC`) or, for prices, a node
(`lmp:DAM:TH_NP15_GEN-APND`). One question answers all places of a run. The archive does not say when a value was made,
so the rule of its run does, and only for what must have been public by now; what is fresh has no `made_at`, and is then
known from when we saw it. Data: California ISO.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import pandas as pd

from pipeline.errors import BadRequest
from pipeline.markets import Series
from pipeline.settings import Settings
from pipeline.sources.answers import frame, not_yet
from pipeline.sources.base import Window, group_of
from pipeline.sources.http import client_for
from pipeline.sources.oasis import RUNS, Run, parse, slow_down

PATH = "/oasisapi/SingleZip"
CSV = "6"
BLOCKED_REMEDY = "OASIS needs no token, so wait, ask less often, or ask from another network"


class Caiso:
    """The ISO's public archive; at most 31 calendar days a question, which 30 days never exceed."""

    name = "caiso"
    max_window = timedelta(days=30)
    every = timedelta(minutes=9)

    def group(self, series: Series) -> str:
        """See Source.group: one question answers all places of a run; a series that cannot be asked for is alone."""
        run = series.keys.get(self.name, "").rpartition(":")[0]
        return group_of(series, run, lambda one: _by_run([one]))

    def ready(self, settings: Settings) -> str | None:
        """See Source.ready."""
        return None

    def fetch(self, series: Sequence[Series], window: Window, *, now: datetime, settings: Settings) -> pd.DataFrame:
        """See Source.fetch. Raises BadRequest for a key that there is not, or that cannot fill a series of its kind."""
        found = []
        for name, places in _by_run(series).items():
            run = RUNS[name]
            if "measured" in run.kinds and window.start >= now:
                continue
            answer = _ask(run, places, window, settings)
            found += [_points(answer[answer["place"] == place], run, one, now) for one, place in places.items()]
        names = ", ".join(one.id for one in series)
        rows = pd.concat([frame(names), *found], ignore_index=True)
        rows = rows[rows["valid_at"].between(window.start, window.end, inclusive="left")]
        if rows.empty and window.start > max(_due(one, now) for one in series):
            raise not_yet(names, self.name, window.start)
        return rows.reset_index(drop=True)


def _due(series: Series, now: datetime) -> datetime:
    return now - series.cadence - series.delay if series.kind == "measured" else now


def _by_run(series: Sequence[Series]) -> Mapping[str, Mapping[Series, str]]:
    """{run: {series: place}}, in the order given."""
    found: dict[str, dict[Series, str]] = {}
    for one in series:
        name, _, place = one.keys.get(Caiso.name, "").rpartition(":")
        if name not in RUNS or not place:
            raise BadRequest(
                f"{one.id} has the CAISO key {one.keys.get(Caiso.name)!r}; write RUN:PLACE, such as ACTUAL:PGE-TAC, "
                f"with one of the runs {', '.join(RUNS)}."
            )
        _check(one, name, RUNS[name])
        found.setdefault(name, {})[one] = place
    return found


def _check(series: Series, name: str, run: Run) -> None:
    if series.kind not in run.kinds:
        raise BadRequest(
            f"{series.id} is of kind {series.kind!r}, but {name} of CAISO is {run.what}; use kind = "
            f"{' or '.join(repr(kind) for kind in run.kinds)} or another key."
        )
    if series.cadence != run.cadence:
        minutes = int(run.cadence.total_seconds() // 60)
        raise BadRequest(f"{series.id} needs cadence_min = {minutes}, because {name} of CAISO is {run.what}.")


def _ask(run: Run, places: Mapping[Series, str], window: Window, settings: Settings) -> pd.DataFrame:
    names = ", ".join(one.id for one in places)
    start, end = pd.Timestamp(window.start).floor("h"), pd.Timestamp(window.end).ceil("h")
    return client_for(settings).get(
        settings.providers.caiso_url + PATH,
        source=Caiso.name,
        series=names,
        parse=partial(parse, run=run, names=names),
        params={
            "queryname": run.query,
            "version": run.version,
            "resultformat": CSV,
            **run.asked,
            run.place: ",".join(dict.fromkeys(places.values())),
            "startdatetime": _stamp(start),
            "enddatetime": _stamp(end),
        },
        slow_down=slow_down,
        auth_remedy=BLOCKED_REMEDY,
    )


def _stamp(moment: pd.Timestamp) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H:%M}-0000"


def _points(rows: pd.DataFrame, run: Run, series: Series, now: datetime) -> pd.DataFrame:
    made_at = run.made_at(rows["valid_at"])
    # A measured value's own moment is its series' delay; of a forecast that came early the rule would be untrue.
    made_at = made_at.where((made_at <= now) & (series.kind != "measured"))
    return frame(series.id, rows["valid_at"], rows["value"], made_at)


SOURCE = Caiso()
