"""Seed and hours -> what goes wrong when in a rehearsal, and which alerts each trouble must or may raise.

A step is one look an hour. A kind's `must` says how many steps it has to last until an alert of that rule and
subject is due: the limits are those of sextant.toml with the changes of soak_world.TUNING.
"""

import time
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random

from benchmarks.soak_world import SERIES, TARGET, World
from pipeline import registry
from tests.servers import faults
from tests.servers.faults import Fault

REST = 3  # quiet steps after each trouble, so that every alert has an end of its own
SLOT = timedelta(minutes=5)
Alert = tuple[str, str]
"""Rule and subject; subject "*" is any."""


@dataclass(frozen=True)
class Kind:
    """One way to go wrong: `work` is called before each of its steps with their number, `end` after the last.

    `lengths`: each is injected once, for so many steps. `skipped`: hours the clock leaps over. `down`: nothing runs.
    `patience_s`: how long a step may take; where nothing can be stored it never ends.
    """

    name: str
    work: Callable[[World, int], None]
    end: Callable[[World], None]
    lengths: tuple[int, ...]
    must: Mapping[Alert, int] = field(default_factory=dict)
    may: tuple[Alert, ...] = ()
    skipped: int = 0
    down: bool = False
    patience_s: float = 75.0


@dataclass(frozen=True)
class Trouble:
    """A kind injected before step `first` for `steps` steps."""

    kind: Kind
    first: int
    steps: int

    @property
    def last(self) -> int:
        """The step before which it ends."""
        return self.first + self.steps + self.kind.skipped

    @property
    def due(self) -> list[Alert]:
        """The alerts it lasts long enough for."""
        return [alert for alert, least in self.kind.must.items() if self.steps >= least]

    @property
    def allowed(self) -> list[Alert]:
        return [*self.kind.must, *self.kind.may]


def _from_provider(name: str, fault: Fault, *, at_once: bool = False, lengths: tuple[int, ...] = (1, 3)) -> Kind:
    """Requests fail. What no second try mends is told at once, what may pass when it lasts."""

    def work(world: World, _n: int) -> None:
        world.provider.fault = fault

    must = {("job_failed", "ingest"): 1 if at_once else 2, ("stale_data", SERIES): 2}
    return Kind(name, work, _well_again, lengths, must, may=(("stale_data", "*"), ("gaps", "*")))


def _well_again(world: World) -> None:
    world.provider.fault = None
    world.provider.outage(None)
    world.refuse(posts=False)


def _distorted(name: str, fault: Fault, lengths: tuple[int, ...], must: Mapping[Alert, int]) -> Kind:
    """Answers are well formed and something about them is not right."""

    def work(world: World, _n: int) -> None:
        world.provider.fault = fault

    return Kind(name, work, _well_again, lengths, must, may=(("gaps", "*"), ("stale_data", "*")))


def _silent(world: World, n: int) -> None:
    if n == 0:
        world.provider.outage(world.now)


def _silent_and_deaf(world: World, n: int) -> None:
    _silent(world, n)
    world.refuse(posts=True)


def _stuck(world: World, n: int) -> None:
    first = world.now.replace(minute=20, second=0, microsecond=0)
    value = float(world.store.load[first])
    for slot in range(16 if n == 0 else 0):
        world.provider.revise("load", first + slot * SLOT, value, first)


def _spiked(world: World, _n: int) -> None:
    at = world.now.replace(minute=40, second=0, microsecond=0)
    world.provider.revise("load", at, float(world.store.load[at]) + 5_000.0, at)


def _rotten(world: World, n: int) -> None:
    if n == 0:
        champion = registry.champion(world.warehouse, TARGET)
        path = world.settings.models / champion["artifact"]
        world.spoilt[path] = path.read_bytes()
        path.write_bytes(_flipped(path.read_bytes()))


def _flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def _restored(world: World) -> None:
    spoilt: dict[Path, bytes] = world.spoilt
    for path, content in spoilt.items():
        if path.exists():
            path.write_bytes(content)
    spoilt.clear()


def _full(world: World, n: int) -> None:
    world.disk(40 if n == 0 else 0)


def _set_back(world: World, _n: int) -> None:
    world.at(world.now - timedelta(minutes=30))
    time.sleep(2)


def _nothing(_world: World, _n: int = 0) -> None:
    """The clock, or the driver that starts nothing, is the trouble."""


KINDS = (
    _from_provider("unauthorized", faults.unauthorized, at_once=True),
    _from_provider("forbidden", faults.forbidden, at_once=True),
    _from_provider("firewall", faults.firewall, at_once=True),
    _from_provider("throttled", faults.throttled("0")),
    _from_provider("throttled for an hour", faults.throttled("3600")),
    _from_provider("unavailable", faults.unavailable, lengths=(1, 3, 5)),
    _from_provider("gateway timeout", faults.gateway_timeout),
    _from_provider("truncated", faults.truncated),
    _from_provider("broken JSON", faults.broken_json),
    _from_provider("web page", faults.web_page),
    _from_provider("slow", faults.slow(1.5), lengths=(1, 2)),
    _from_provider("dripping", faults.dripping(0.3), lengths=(1, 2)),
    _from_provider("an empty answer", faults.answering(b"")),
    _from_provider("no object", faults.answering(b"[]"), at_once=True),
    _from_provider("redirected away", faults.redirect("http://127.0.0.1:9/elsewhere")),
    _from_provider("new schema", faults.new_schema, at_once=True),
    _distorted("nulls", faults.nulls, (1, 4), {("gaps", SERIES): 4}),
    _distorted("duplicates", faults.duplicates, (1, 2), {}),
    Kind("outage", _silent, _well_again, (1, 5, 8), {("stale_data", SERIES): 2}, (("stale_data", "*"),)),
    Kind("outage and deaf receiver", _silent_and_deaf, _well_again, (4,),
         {("stale_data", SERIES): 2, ("delivery_failed", "webhook"): 3},
         (("stale_data", "*"), ("job_failed", "notify"))),
    Kind("stuck meter", _stuck, _nothing, (3,), {("anomalous_actuals", SERIES): 3}, (("stale_data", "*"),)),
    Kind("spike", _spiked, _nothing, (1,), {("anomalous_actuals", SERIES): 1}),
    Kind("rotten model file", _rotten, _restored, (2,), {("artifact_damaged", "*"): 1}, (("job_failed", "*"),)),
    Kind("full disk", _full, lambda world: world.disk(None), (3,), {("disk_low", "disk"): 1},
         (("job_failed", "*"), ("missed_issue", TARGET), ("job_late", "*"), ("stale_data", "*"),
          ("scheduler_dead", "scheduler"), ("delivery_failed", "*")), patience_s=15.0),
    Kind("no scheduler", _nothing, _nothing, (3,), {("scheduler_dead", "scheduler"): 2, ("missed_issue", TARGET): 1},
         (("job_late", "*"), ("stale_data", "*")), down=True),
    Kind("clock set back", _set_back, _nothing, (1,)),
    Kind("clock set forward", _nothing, _nothing, (1,), {("missed_issue", TARGET): 1},
         (("job_late", "*"), ("scheduler_dead", "scheduler")), skipped=3),
)  # fmt: skip
KILLED: tuple[Alert, ...] = (("job_failed", "*"), ("missed_issue", TARGET), ("scheduler_dead", "scheduler"))
"""What a process killed at the wrong moment may raise."""


def plan(hours: int, rng: Random, *, full_disk: bool, only: Container[str] | None = None) -> list[Trouble]:
    """Troubles one after another over `hours` steps, in random order, as many as fit, with REST steps between.

    `only` names kinds to inject; default all. `full_disk`: whether the disk can be filled.
    """
    wanted = [kind for kind in KINDS if only is None or kind.name in only]
    every = [(kind, n) for kind in wanted for n in kind.lengths if full_disk or kind.name != "full disk"]
    rng.shuffle(every)
    chosen, room = [], hours - 2
    for kind, steps in every:
        if steps + kind.skipped + REST <= room:
            chosen.append((kind, steps))
            room -= steps + kind.skipped + REST
    found, at = [], 1
    for number, (kind, steps) in enumerate(chosen):
        found.append(Trouble(kind, at, steps))
        at += steps + kind.skipped + REST + room // len(chosen) + (number < room % len(chosen))
    return found
