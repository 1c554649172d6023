"""Named query -> answer, read-only and remembered for as long as the warehouse does not change."""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, TypeVar

import pandas as pd

from dashboard.memory import Key, Known, Memory
from dashboard.patience import WHOLE_S, Patience
from pipeline import asof
from pipeline import freshness as freshness_of
from pipeline.asof import Moment
from pipeline.clocks import clock_of, real
from pipeline.configuring.markets import load_markets
from pipeline.discovery import discover
from pipeline.errors import Busy, Held
from pipeline.generations import ANY, Stamp, Version
from pipeline.markets import Market, Target
from pipeline.operations import Operations, load_operations
from pipeline.punctuality import newest_due
from pipeline.runner import Job
from pipeline.settings import Settings
from pipeline.warehouse import Session, Warehouse

MOVING = {
    "page_freshness": ("due",),
    "page_issue": ("due",),
    "page_fan": ("due", "since"),
    "page_overview": ("due", "since", "until"),
    "page_legs": ("since",),
    "page_hierarchy_forecast": ("due",),
    "page_hierarchy_actuals": ("since", "until"),
    "page_ramps": ("since", "until"),
    "page_accuracy": ("since", "until"),
    "page_steps": ("at",),
    "page_series": ("since",),
    "page_timetable": ("since",),
    "page_timeline": ("since", "until"),
    "page_success": ("since", "recent"),
    "page_missed": ("since", "until"),
    "page_runs": ("since",),
    "page_askers": ("since",),
    "page_durations": ("since",),
    "page_alert_history": ("since", "now"),
    "page_alert_rules": ("since",),
    "look": ("minute",),
}
"""Questions about now, with what moves on in them by itself: an answer of the last hour is the last one known."""
HOUR = timedelta(hours=1)
ORDER = ("load", "generation", "price", "spread")
"""In what order targets are offered."""
T = TypeVar("T")


@dataclass
class Desk:
    """Settings, markets and the warehouse of this server, with the newest answer to each question.

    `clock` gives aware UTC times. With `then` every answer is as of that moment. Answers are shared: change a copy.
    """

    settings: Settings
    markets: dict[str, Market]
    warehouse: Warehouse
    clock: Callable[[], datetime] = real
    operations: Operations = field(default_factory=Operations)
    then: Moment | None = None
    _memory: Memory = field(default_factory=Memory)
    _patience: Patience = field(default_factory=Patience)
    _mutex: threading.Lock = field(default_factory=threading.Lock)
    _given: Stamp = frozenset()
    _seated: Version | None = None

    @property
    def targets(self) -> dict[str, Target]:
        """Every target of the active markets by id."""
        return {target.id: target for market in self.markets.values() for target in market.targets}

    def at(self, then: Moment) -> "Desk":
        """The same desk as it stood at a past moment; remembered answers are common."""
        return replace(self, then=then, clock=lambda: then.at)

    def seated(self) -> "Desk":
        """The same desk for one run of a page: it waits once, and knows which answers it gave (see `outdated`)."""
        return replace(self, _given=frozenset(), _seated=self.warehouse.version(), _patience=Patience(of_a_run=True))

    def outdated(self) -> bool:
        """Whether a table changed that an answer given to this page is about, or a better answer may be possible."""
        if self._patience.late:
            return True
        if not self._given:
            return self._seated != self.warehouse.version()
        return not self.warehouse.generations().holds(self._given)

    def target_names(self) -> dict[str, Target]:
        """Targets by the name a page offers them under."""
        several, targets = len(self.markets) > 1, sorted(self.targets.values(), key=self._rank)
        named = [f"{self.markets[one.market].name} {one.title}" if several else one.title for one in targets]
        return {name if named.count(name) == 1 else one.id: one for name, one in zip(named, targets, strict=True)}

    def _rank(self, one: Target) -> tuple[int, int]:
        """A market's targets together, loads before prices, else as configured."""
        return list(self.markets).index(one.market), ORDER.index(one.kind)

    def ask(self, query: str, **params: Any) -> pd.DataFrame:
        """The answer to a named query; the last one known while writers keep the lock (see `late`).

        Raises NoWarehouse when there is no file, Busy or Held when this was never answered before.
        """
        answer: pd.DataFrame = self.look((query, *sorted(params.items())), lambda session: session.ask(query, **params))
        return answer

    def look(self, key: Key, work: Callable[[Session], T]) -> T:
        """What `work` finds in a session that reads, remembered under `key` like the answers of `ask`."""
        key = key if self.then is None else (self.then, *key)
        known = self._memory.get(key)
        if known is None or not self.warehouse.generations().holds(known.stamp):
            known = self._answered(key, known, work)
        answer: T = self._give(known)
        return answer

    def made(self, key: Key, build: Callable[[], T]) -> T:
        """What `build` makes of answers this page was given, remembered under `key` as long as those are."""
        basis = self._given or self.warehouse.generations().stamp([ANY])
        key = (self.then, basis, *key)
        known = self._memory.get(key)
        # What was asked while it was built came later than the basis.
        if known is None or not self._holds(known.stamp - basis):
            known = self._memory.keep(key, Known.of(build(), self._given))
        answer: T = self._give(known)
        return answer

    def _holds(self, stamp: Stamp) -> bool:
        return not stamp or self.warehouse.generations().holds(stamp)

    def _give(self, known: Known) -> Any:
        if self._seated is not None:
            with self._mutex:
                self._given |= known.stamp
        return known.answer

    def _answered(self, key: Key, known: Known | None, work: Callable[[Session], T]) -> Known:
        """Ask, unless what is known turns out to hold: outside a read a writer may make that look uncertain."""
        last = known or self._before(key)
        with ExitStack() as stack:
            try:
                with self._patience.waiting(known=last is not None) as wait_s:
                    session = stack.enter_context(self.warehouse.read(wait_s))
            except (Busy, Held):
                if last is None:
                    raise
                return last
            now = self.warehouse.generations()
            if known is not None and now.holds(known.stamp):
                return known
            if self.then is not None:
                asof.cut(session, self.then)
            with session.reading() as tables:
                answer = work(session)
        return self._keep(key, Known.of(answer, now.stamp(tables)))

    def _keep(self, key: Key, known: Known) -> Known:
        if key[0] in MOVING:
            self._memory.keep(_kin(key), Known((key, known), known.stamp, 0))
        return self._memory.keep(key, known)

    def _before(self, key: Key) -> Known | None:
        """The newest answer to a question about now, as it was asked within the hour before."""
        found = self._memory.get(_kin(key)) if key[0] in MOVING else None
        if found is None:
            return None
        asked, known = found.answer
        moved = [new[1] - old[1] for new, old in zip(key[1:], asked[1:], strict=True) if new[0] in MOVING[key[0]]]
        return known if all(timedelta() <= one <= HOUR for one in moved) else None

    def late(self) -> bool:
        """Whether an answer to this page was outdated or could not be had."""
        return self._patience.late

    def exists(self) -> bool:
        """Whether there is a warehouse file at all."""
        return self.warehouse.path.exists()

    def migrated(self) -> bool:
        """Whether the warehouse has every table that the pages ask for. Raises as `ask` does."""
        return self.look(("migrated",), lambda session: session.migrated())


@cache
def jobs() -> dict[str, Job]:
    """Every job by name; asked for when a page needs it, because training's libraries come along."""
    return discover("pipeline.jobs", "JOB")


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
    issuer: str | None = None

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
        warehouse=Warehouse(settings.warehouse, wait_s=min(WHOLE_S, settings.lock_wait_s)),
        clock=clock_of(settings.clock),
        operations=load_operations(settings.config),
    )


def freshness(source: Desk, target: Target, now: datetime) -> Freshness:
    """Read off the data themselves, so an empty table is never green."""
    row = source.ask("page_freshness", target=target.id, due=due_origin(now)).iloc[0]
    origin, newest = moment(row.origin), moment(row.newest_actual)
    return Freshness(
        issued_at=moment(row.made_at),
        origin=origin,
        newest_actual=newest,
        mode=word(row["mode"]),
        status=word(row.status),
        version_id=word(row.version_id),
        issuer=word(row.issuer),
        hours_late=late(target, origin, now),
        actuals_late=_missing(newest, now - target.issue_delay - target.issue_grace, HOUR),
    )


def late(target: Target, origin: datetime | None, now: datetime) -> int:
    """How many issues are due and missing after that of `origin`; None, before the first: none."""
    return _missing(origin, now - target.issue_delay - target.issue_grace, target.every)


def look(source: Desk, market: Market, now: datetime) -> list[freshness_of.Freshness]:
    """How current each series of `market` is; moves on with the minute."""
    minute = now.replace(second=0, microsecond=0)
    key = ("look", ("market", market.id), ("minute", minute))
    return source.look(key, lambda session: freshness_of.look(session, market, now))


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


def due_origin(now: datetime) -> datetime:
    """The newest origin that can be issued at `now`; what lies beyond was made by a clock that was ahead."""
    return this_hour(now) - timedelta(hours=1)


def _kin(key: Key) -> Key:
    """What stays the same in a question about now."""
    return ("last", key[0], *(one for one in key[1:] if one[0] not in MOVING[key[0]]))


def _missing(newest: datetime | None, now: datetime, every: timedelta) -> int:
    return 0 if newest is None else max(0, -((newest - newest_due(now, every)) // every))
