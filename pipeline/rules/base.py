"""What a rule is: a view of warehouse, markets and machine -> the subjects that are bad now."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pipeline.markets import Market
from pipeline.operations import Operations
from pipeline.runner import Job
from pipeline.settings import Settings
from pipeline.warehouse import Warehouse


@dataclass(frozen=True)
class View:
    """All a rule may look at; `now` is aware UTC and the only clock."""

    warehouse: Warehouse
    settings: Settings
    markets: dict[str, Market]
    operations: Operations
    jobs: dict[str, Job]
    now: datetime


@dataclass(frozen=True)
class Bad:
    """One subject that is bad: a series, job, target, version or part of the machine.

    `message` is one sentence with figures and the remedy, `since` when it turned bad (aware UTC; None where nothing
    stored tells, then `after` does not apply), `evidence` the figures by name (JSON-able, nothing secret).
    `severity` overrides the rule's. `event` names one happening among those a subject may meet: another event is
    another alert, and one that is `over` is told once and then counts as good.
    """

    subject: str
    message: str
    since: datetime | None
    evidence: dict[str, Any] = field(default_factory=dict)
    severity: str | None = None
    event: str | None = None
    over: bool = False


@dataclass(frozen=True)
class Rule:
    """One kind of alert; RULES of a module lists them. `[alert.NAME]` in sextant.toml may change all numbers.

    `check` gets the view and the limit (in `unit`) and names every subject that is bad now; what it no longer names
    is good again, and `good` says in words what that means. A subject fires once it has been bad for `after`; an
    alert not acknowledged within `escalate` is sent again as critical (None: never). What fired stays until the
    check with `limit` x `clear` no longer names it, so that a figure about the limit does not flap.
    """

    name: str
    title: str
    severity: str
    check: Callable[[View, float], Iterable[Bad]]
    limit: float
    unit: str
    after: timedelta = timedelta()
    escalate: timedelta | None = timedelta(hours=1)
    good: str = "the rule finds nothing wrong with it any more"
    clear: float = 1.0
