"""Named query -> answer, read-only and remembered for as long as the warehouse does not change."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import pandas as pd

from pipeline.clocks import clock_of, real
from pipeline.errors import Busy, Held
from pipeline.markets import Market, Series, Target, load_markets
from pipeline.settings import Settings
from pipeline.warehouse import Warehouse

KEPT = 400
WAIT_S = 3.0
Key = tuple[str, tuple[tuple[str, Any], ...]]


@dataclass
class Desk:
    """Settings, markets and the warehouse of this server, with the newest answer to each question.

    `clock` gives aware UTC times. Answers are shared: change a copy.
    """

    settings: Settings
    markets: dict[str, Market]
    warehouse: Warehouse
    clock: Callable[[], datetime] = real
    _answers: OrderedDict[Key, tuple[Any, pd.DataFrame]] = field(default_factory=OrderedDict)
    _mutex: threading.Lock = field(default_factory=threading.Lock)
    _late: threading.local = field(default_factory=threading.local)

    @property
    def targets(self) -> dict[str, Target]:
        """Every target of the active markets by id."""
        return {target.id: target for market in self.markets.values() for target in market.targets}

    def ask(self, query: str, **params: Any) -> pd.DataFrame:
        """The answer to a named query; the last one known while writers keep the lock (see `late`).

        Raises NoWarehouse when there is no file, Busy or Held when this was never answered before.
        """
        key = (query, tuple(sorted(params.items())))
        version = self.warehouse.version()
        with self._mutex:
            known = self._answers.get(key)
        if known is not None and known[0] == version and version:
            return known[1]
        try:
            answer = self.warehouse.ask(query, **params)
        except (Busy, Held):
            if known is None:
                raise
            self._late.seen = True
            return known[1]
        self._keep(key, version, answer)
        return answer

    def late(self) -> bool:
        """Whether this thread was given an outdated answer since it last asked this."""
        seen, self._late.seen = getattr(self._late, "seen", False), False
        return seen

    def exists(self) -> bool:
        """Whether there is a warehouse file at all."""
        return self.warehouse.path.exists()

    def _keep(self, key: Key, version: Any, answer: pd.DataFrame) -> None:
        with self._mutex:
            self._answers[key] = (version, answer)
            self._answers.move_to_end(key)
            while len(self._answers) > KEPT:
                self._answers.popitem(last=False)


@dataclass(frozen=True)
class Freshness:
    """How current a target is. `hours_late` counts issues that are due and missing, `actuals_late` hours of actuals."""

    issued_at: datetime | None
    origin: datetime | None
    newest_actual: datetime | None
    mode: str | None
    status: str | None
    version_id: str | None
    hours_late: int
    actuals_late: int

    @property
    def stale(self) -> bool:
        """Whether an issue should be there and is not."""
        return self.hours_late > 0


@cache
def desk() -> Desk:
    """The desk of this process, from its environment. Raises ConfigError."""
    settings = Settings.load()
    return Desk(
        settings=settings,
        markets=load_markets(settings.config, settings.markets),
        warehouse=Warehouse(settings.warehouse, wait_s=min(WAIT_S, settings.lock_wait_s)),
        clock=clock_of(settings.clock),
    )


def freshness(source: Desk, target: Target, now: datetime) -> Freshness:
    """Read off the data themselves, so an empty table is never green."""
    row = source.ask("page_freshness", target=target.id).iloc[0]
    origin, newest = moment(row.origin), moment(row.newest_actual)
    return Freshness(
        issued_at=moment(row.made_at),
        origin=origin,
        newest_actual=newest,
        mode=word(row["mode"]),
        status=word(row.status),
        version_id=word(row.version_id),
        hours_late=_missing(origin, now - target.issue_delay - target.issue_grace),
        actuals_late=_missing(newest, now - target.issue_delay - target.issue_grace),
    )


def behind(series: Series, newest: datetime | None, now: datetime) -> bool:
    """Whether a series lacks values that should have been published by `now`.

    A measured value is due `delay` after its interval and a quarter of an hour to fetch it; forecasts and
    prices must reach beyond now.
    """
    if newest is None:
        return True
    if series.kind != "measured":
        return newest < now
    return now > newest + 2 * series.cadence + series.delay + timedelta(minutes=15)


def moment(value: Any) -> datetime | None:
    """A cell as an aware time or None."""
    return None if value is None or pd.isna(value) else pd.Timestamp(value).to_pydatetime()


def word(value: Any) -> str | None:
    """A cell as text or None."""
    return None if value is None or pd.isna(value) else str(value)


def declared(target: Target) -> dict[str, tuple[datetime, ...]]:
    """The target's declared events as queries of scores take them, to leave their hours out."""
    return {"firsts": tuple(one.first for one in target.events), "lasts": tuple(one.last for one in target.events)}


def this_hour(now: datetime) -> datetime:
    """`now` cut to the hour: windows that move once an hour keep their answers cached."""
    return now.replace(minute=0, second=0, microsecond=0)


def _missing(newest: datetime | None, now: datetime) -> int:
    due = this_hour(now) - timedelta(hours=1)
    return 0 if newest is None else max(0, round((due - newest) / timedelta(hours=1)))
