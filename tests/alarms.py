"""A desk -> views, judgements and stored flips, for the tests of rules and alerts."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from pipeline import judging
from pipeline.alerting import rules
from pipeline.operations import Operations, Tuning
from pipeline.rules.base import Bad, Rule, View
from tests.conftest import Desk


def view_of(desk: Desk, *, operations: Operations | None = None, **changed: Any) -> View:
    """What the alert job looks at on this desk at its moment."""
    view = View(desk.warehouse, desk.settings, desk.markets, operations or Operations(), desk.jobs, desk.now)
    return replace(view, **changed)


def bad(desk: Desk, name: str, *, limit: float | None = None, **changed: Any) -> dict[str, Bad]:
    """Subject -> what the rule `name` says about it now."""
    rule = rules()[name]
    return {one.subject: one for one in rule.check(view_of(desk, **changed), rule.limit if limit is None else limit)}


def tuned(**alerts: Tuning) -> Operations:
    """Operations with these tables `[alert.NAME]`."""
    return Operations(alerts=alerts)


def judged(desk: Desk, known: Mapping[str, Rule] | Iterable[str] | None = None, **changed: Any) -> list[judging.Flip]:
    """Judge by the rules `known` (names or rules; None: all) and store; returns the flips that were stored."""
    if known is not None and not isinstance(known, Mapping):
        known = {name: rules()[name] for name in known}
    found = judging.judge(view_of(desk, **changed), known)
    assert not found.failures, found.failures
    with desk.warehouse.write() as session:
        return judging.store(session, found.flips, now=desk.now, run_id="alert0000001")


def words(flips: Iterable[judging.Flip]) -> list[tuple[str, str]]:
    """(state, subject) of flips."""
    return [(flip.state, flip.subject) for flip in flips]


def script(desk: Desk, sql: str, **params: Any) -> None:
    """Change the facts."""
    with desk.warehouse.write() as session:
        session.script(sql, **params)


def utc(moment: datetime) -> str:
    """A moment as SQL."""
    return f"TIMESTAMPTZ '{moment.isoformat()}'"
