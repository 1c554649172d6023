"""Rules + a view -> flips of alerts: one row when good turns bad, one when it turns good."""

import json
import logging
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from pipeline.alerting import rules, silenced
from pipeline.attaching import DatabaseError
from pipeline.errors import SextantError
from pipeline.failures import failure_of, worst
from pipeline.operations import Tuning
from pipeline.rules.base import Bad, Rule, View
from pipeline.warehouse import Session

LOOK_BACK = timedelta(days=2)
"""An event that is over is told for a day at most, so older windows silence nothing any more."""
Key = tuple[str, str]
FAULTS = (
    SextantError, ArithmeticError, AttributeError, DatabaseError, LookupError, OSError, TypeError, ValueError,
)  # fmt: skip
"""What a rule may meet without keeping the others from being judged."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Flip:
    """A change to be stored. `alert_id` None: a new alert; `n` is how many flips the subject had when it was judged."""

    rule: str
    subject: str
    state: str
    severity: str
    message: str
    since: datetime
    n: int
    alert_id: str | None = None
    evidence: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Judgement:
    """What is to change, sentences about rules that could not look, and how many alerts are open afterwards.

    `failure` is the class of the worst of `failures` (failures.py), empty when there are none.
    """

    flips: tuple[Flip, ...]
    failures: tuple[str, ...]
    open: int
    failure: str = ""


@dataclass(frozen=True)
class _State:
    n: int
    told: frozenset[str]
    alert_id: str | None
    severity: str = ""
    since: datetime | None = None
    event: str | None = None


def judge(view: View, known: Mapping[str, Rule] | None = None) -> Judgement:
    """Ask every rule what is bad now and compare with what is open; writes nothing.

    A rule that cannot look keeps its alerts as they are and is named in `failures`.
    """
    known = rules() if known is None else known
    with view.warehouse.read() as session:
        states = _states(session)
        windows = session.ask("maintenance_windows", since=view.now - LOOK_BACK).to_dict("records")
    flips: list[Flip] = []
    failures = [
        f"sextant.toml has alert.{name}, but no rule is called so; there are: {', '.join(known)}."
        for name in sorted(set(view.operations.alerts) - set(known))
    ]
    kinds = ["refused" for _ in failures]
    for rule in known.values():
        try:
            flips += _Look(view, rule, view.operations.alerts.get(rule.name, Tuning()), windows).flips(states)
        except FAULTS as error:
            kinds.append(failure_of(error))
            failures.append(_blind(rule, error))
    orphans = {key: state for key, state in states.items() if key[0] not in known and state.alert_id}
    flips += [_resolved(key, state, "there is no such rule any more", view.now) for key, state in orphans.items()]
    opened = sum(state.alert_id is not None for state in states.values())
    change = sum(1 if flip.state == "firing" else -1 for flip in flips)
    return Judgement(tuple(flips), tuple(failures), opened + change, worst(kinds))


def _blind(rule: Rule, error: BaseException) -> str:
    """A sentence about a rule that could not look; what nobody raised on purpose goes into the log with its trace."""
    ours = isinstance(error, SextantError)
    if not ours:
        log.error("rule %s met a bug", rule.name, exc_info=error)
    words = str(error) if ours else f"{type(error).__name__}: {error}"
    return f"rule {rule.name} could not look, its alerts stay as they are: {words}"


def store(session: Session, flips: Iterable[Flip], *, now: datetime, run_id: str) -> list[Flip]:
    """Append those flips whose subject nobody flipped since it was judged; returns them. Runs inside a write."""
    counts = Counter({key: state.n for key, state in _states(session).items()})
    kept = []
    for flip in flips:
        if flip.n == counts[flip.rule, flip.subject]:
            counts[flip.rule, flip.subject] += 1
            kept.append(flip)
    if kept:
        session.append("alert_flips", pd.DataFrame([_row(flip, now, run_id) for flip in kept]))
    return kept


@dataclass(frozen=True)
class _Look:
    """One rule looking at a view, under its tuning and the declared maintenance."""

    view: View
    rule: Rule
    tuning: Tuning
    windows: list[dict[Any, Any]]

    def flips(self, states: Mapping[Key, _State]) -> list[Flip]:
        mine = {key[1]: state for key, state in states.items() if key[0] == self.rule.name}
        limit = self.rule.limit if self.tuning.limit is None else self.tuning.limit
        bad = [] if self.tuning.off else list(self.rule.check(self.view, limit))
        nearly: set[str] = set()
        if self.rule.clear != 1 and not self.tuning.off and any(state.alert_id for state in mine.values()):
            nearly = {one.subject for one in self.rule.check(self.view, limit * self.rule.clear)}
        found: list[Flip] = []
        for subject in sorted({one.subject for one in bad} | set(mine)):
            worst = self._first(bad, subject, mine.get(subject, _NEW))
            found += self._change(subject, worst, mine.get(subject, _NEW), nearly=subject in nearly)
        return found

    def _first(self, bad: Iterable[Bad], subject: str, state: _State) -> Bad | None:
        """What to tell about a subject: the oldest that is not an old story told already."""
        mine = [one for one in bad if one.subject == subject and not (one.over and one.event in state.told)]
        return min(mine, key=lambda one: one.since or self.view.now, default=None)

    def _change(self, subject: str, bad: Bad | None, state: _State, *, nearly: bool) -> list[Flip]:
        found = []
        key = (self.rule.name, subject)
        if state.alert_id is not None:
            if nearly or (bad is not None and state.event in (None, bad.event)):
                return []
            why = self._why_good(subject) if bad is None else "something new of the kind followed"
            found.append(_resolved(key, state, why, self.view.now))
        if bad is not None and self._counts(bad):
            found.append(self._fired(bad, state.n + len(found)))
        return found

    def _counts(self, bad: Bad) -> bool:
        after = self.rule.after if self.tuning.after is None else self.tuning.after
        # A clock set back makes beginnings lie ahead.
        long_enough = bad.since is None or max(self.view.now - bad.since, timedelta()) >= after
        # An event that was over within a window is no news after it.
        moments = {self.view.now, bad.since or self.view.now} if bad.over else {self.view.now}
        return long_enough and not any(silenced(self.windows, self.rule.name, bad.subject, at) for at in moments)

    def _why_good(self, subject: str) -> str:
        if self.tuning.off:
            return "the rule was switched off in sextant.toml"
        return _gone(self.view, subject) or self.rule.good

    def _fired(self, bad: Bad, n: int) -> Flip:
        evidence = dict(bad.evidence) | ({"event": bad.event} if bad.event else {})
        if self.tuning.escalate:
            # Whether notify has work is asked of the data alone, without sextant.toml.
            evidence["escalate_min"] = self.tuning.escalate / timedelta(minutes=1)
        severity = self.tuning.severity or bad.severity or self.rule.severity
        since = min(bad.since or self.view.now, self.view.now)
        return Flip(self.rule.name, bad.subject, "firing", severity, bad.message, since, n, None, evidence)


_NEW = _State(0, frozenset(), None)


def _states(session: Session) -> dict[Key, _State]:
    found = {}
    for row in session.ask("alert_states").to_dict("records"):
        opened = None if pd.isna(row["alert_id"]) else str(row["alert_id"])
        event = None if pd.isna(row["event"]) else str(row["event"])
        rest = (row["severity"], row["since"].to_pydatetime(), event) if opened else ()
        found[row["rule"], row["subject"]] = _State(int(row["n"]), frozenset(row["events"]), opened, *rest)
    return found


def _resolved(key: Key, state: _State, why: str, now: datetime) -> Flip:
    since = state.since or now
    message = f"{key[1]}: {why}; it lasted {lasted(now - since)}."
    return Flip(*key, "resolved", state.severity, message, since, state.n, state.alert_id, {})


def lasted(span: timedelta) -> str:
    """A length of time in words such as "3 d 4 h", "2 h 10 min" or "9 min"."""
    minutes = max(0, round(span / timedelta(minutes=1)))
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {rest} min" if hours else f"{rest} min"


def _gone(view: View, subject: str) -> str | None:
    """A sentence when `subject` is of a market, series or target that the configuration does not have any more."""
    market, dot, _ = subject.partition(".")
    if not dot:
        return None
    if market not in view.markets:
        return f"market {market} is not active any more"
    here = view.markets[market]
    known = [*(one.id for one in here.series), *(one.id for one in here.targets)]
    if any(subject == name or subject.startswith(f"{name}-") for name in known):
        return None
    return "it is switched off, or not in sextant.toml any more"


def _row(flip: Flip, now: datetime, run_id: str) -> dict[str, Any]:
    flip_id = uuid.uuid4().hex[:12]
    return {
        "flip_id": flip_id,
        "alert_id": flip.alert_id or flip_id,
        "rule": flip.rule,
        "subject": flip.subject,
        "state": flip.state,
        "severity": flip.severity,
        "message": flip.message,
        "evidence": json.dumps(flip.evidence, sort_keys=True, default=str),
        "since": flip.since,
        "flipped_at": now,
        "run_id": run_id,
    }
