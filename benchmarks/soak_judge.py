"""World + ledger after a rehearsal -> a table: what was lost, doubled, untold or told without cause."""

import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pandas as pd

from benchmarks.soak_faults import KILLED, Alert, Trouble
from benchmarks.soak_ledger import Ledger
from benchmarks.soak_world import SERIES, TARGET, World
from pipeline.settings import ROOT

HOUR = timedelta(hours=1)
SLACK = timedelta(hours=3)
"""How long after its cause an alert may come or end."""
LOCKED = re.compile(r"\b(Busy|Held|JobRunning)\b|Conflicting lock|Could not set lock|is taken by another process")
MOST_TOLD = 40


@dataclass
class Verdict:
    """Rows of the table as (what, found, target, flawed), and sentences about what is wrong."""

    rows: list[tuple[str, str, str, bool]] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)
    flaws: int = 0
    kills: int = 0

    @property
    def good(self) -> bool:
        return self.flaws == 0

    def say(self, what: str, found: object, target: str = "") -> None:
        """A figure that is judged by nobody."""
        self.rows.append((what, f"{found:,}" if isinstance(found, int) else str(found), target, False))

    def demand(self, what: str, flaws: list[str], target: str = "0") -> None:
        """A count that must be zero; its sentences are told."""
        self.rows.append((what, f"{len(flaws):,}", target, bool(flaws)))
        self.sentences += [f"{what}: {flaw}" for flaw in flaws]
        self.flaws += len(flaws)

    def table(self) -> list[list[str]]:
        return [[f"**{what}**" if flawed else what, found, target] for what, found, target, flawed in self.rows]

    def details(self) -> list[str]:
        more = len(self.sentences) - MOST_TOLD
        return self.sentences[:MOST_TOLD] + ([f"and {more} more"] if more > 0 else [])


@dataclass(frozen=True)
class Span:
    """A trouble as it was injected: simulated times, aware UTC."""

    trouble: Trouble
    first: datetime
    last: datetime


def judge(
    world: World, ledger: Ledger, troubles: list[Trouble], start: datetime, *, unsettled: int, took_s: float
) -> Verdict:
    """Everything that is to be said about a rehearsal that is over."""
    verdict = Verdict(kills=len(ledger.of("kill")))
    spans = _spans(ledger, troubles, world.now)
    _setting(verdict, world, ledger, spans, unsettled, took_s)
    verdict.demand("flaws the doctor finds", _doctor(world))
    verdict.demand("committed rows lost", ledger.lost)
    verdict.demand("committed rows doubled", ledger.doubled)
    verdict.demand("values of the provider that are missing or differ", _values(world, start))
    _hours(verdict, world)
    _alerts(verdict, world, ledger, spans)
    _notices(verdict, world, ledger)
    _locks(verdict, world)
    verdict.demand("terms of schedulers that end without a cause", _terms(world, ledger))
    return verdict


def _setting(verdict: Verdict, world: World, ledger: Ledger, spans: list[Span], unsettled: int, took_s: float) -> None:
    victims = Counter(entry["victim"] for entry in ledger.of("kill"))
    runs = world.ask("SELECT state, count(*) AS n FROM job_runs GROUP BY state ORDER BY n DESC")
    verdict.say("real minutes", f"{took_s / 60:.1f}")
    verdict.say("troubles injected", f"{len(spans)} of {len({span.trouble.kind.name for span in spans})} kinds")
    verdict.say("processes killed", f"{verdict.kills}: " + ", ".join(f"{n} {name}" for name, n in victims.items()))
    verdict.say("runs", ", ".join(f"{row.n:,} {row.state}" for row in runs.itertuples()))
    verdict.say("rows compared at each look", f"{sum(map(len, ledger.committed.values())):,}, {ledger.looks} looks")
    verdict.say("steps that were not done in time", unsettled)
    if not world.full_disk:
        verdict.say("full disk", "not rehearsed: a disk of its own cannot be mounted here")


def _spans(ledger: Ledger, troubles: list[Trouble], now: datetime) -> list[Span]:
    ends = {(entry["trouble"], n): entry["at"] for n, entry in enumerate(ledger.entries) if entry["what"] == "end"}
    found, begun = [], [(n, entry) for n, entry in enumerate(ledger.entries) if entry["what"] == "begin"]
    for (n, entry), trouble in zip(begun, troubles, strict=False):
        last = next((at for (name, m), at in ends.items() if name == entry["trouble"] and m > n), now)
        found.append(Span(trouble, entry["at"], last))
    return found


def _doctor(world: World) -> list[str]:
    """What the command says, as a person would ask it."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "jobs.py"), "doctor"],
        env=world.env, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    said = (done.stdout + done.stderr).strip().splitlines()
    return [] if done.returncode == 0 else [line for line in said if line.startswith("FLAW")] or said[-1:]


def _values(world: World, start: datetime) -> list[str]:
    """Slots of the measured series that the provider shows and the warehouse lacks, or holds another value for."""
    truth = world.provider.published.values(
        "load", pd.Timestamp(start) - HOUR, pd.Timestamp(world.now) - 2 * HOUR, world.now
    )
    stored = world.ask("SELECT valid_at, value FROM raw_latest WHERE series = $series", series=SERIES)
    ours = stored.set_index("valid_at")["value"].reindex(truth.index)
    return [f"{at:%d %b %H:%M}Z: {ours[at]} for {value}" for at, value in truth.items() if ours[at] != value]


def _hours(verdict: Verdict, world: World) -> None:
    """Each hour since the first live issue has exactly one fate."""
    issued = world.ask(
        "SELECT origin, any_value(status) AS status, count(*) AS n FROM predictions "
        "WHERE target = $target AND issuer = 'sextant' AND mode = 'live' GROUP BY origin", target=TARGET,
    )  # fmt: skip
    missed = world.ask("SELECT origin, reason FROM missed_issues WHERE target = $target", target=TARGET)
    fates = pd.concat([issued["origin"], missed["origin"]])
    wanted = pd.date_range(issued["origin"].min(), fates.max(), freq="h")
    due = pd.Timestamp(world.now).floor("h") - HOUR
    flaws = [f"{at:%d %b %H:%M}Z has no fate" for at in wanted.difference(pd.DatetimeIndex(fates))]
    flaws += [f"{at:%d %b %H:%M}Z is issued and missed" for at in fates[fates.duplicated()]]
    flaws += [f"{row.origin:%d %b %H:%M}Z is missed without a reason" for row in missed.itertuples() if not row.reason]
    flaws += [f"{row.origin:%d %b %H:%M}Z has {row.n} horizons" for row in issued.itertuples() if row.n != 6]
    if fates.max() < due - HOUR:
        flaws.append(f"the last issue is of {fates.max():%d %b %H:%M}Z, it is {world.now:%d %b %H:%M}Z")
    counts = Counter(issued["status"]) + Counter({"missed": len(missed)})
    verdict.say("hours", f"{len(wanted)}: " + ", ".join(f"{n} {status}" for status, n in counts.items()))
    verdict.demand("hours neither issued, labelled nor missed with a reason", flaws)


def _alerts(verdict: Verdict, world: World, ledger: Ledger, spans: list[Span]) -> None:
    alerts = world.ask("SELECT * FROM alerts ORDER BY flipped_at").to_dict("records")
    doubled = world.ask("SELECT alert_id, state, count(*) AS n FROM alert_flips GROUP BY ALL HAVING n > 1")
    due = [(span, alert) for span in spans for alert in span.trouble.due]
    wrong = [sentence for span, alert in due for sentence in fired_once(alerts, span, alert, world.now)]
    kills = [entry["at"] for entry in ledger.of("kill")]
    causeless = [row for row in alerts if not cause(row, spans, kills)]
    verdict.say(
        "alerts", f"{len(alerts)}: " + ", ".join(f"{n} {r}" for r, n in Counter(a["rule"] for a in alerts).items())
    )
    verdict.say("troubles long enough for an alert", len(due))
    verdict.demand("of them not told exactly once and ended exactly once", wrong)
    verdict.demand("alerts without a cause in the ledger", [
        f"{row['rule']} of {row['subject']} at {row['flipped_at']:%d %b %H:%M}Z: {row['message']}" for row in causeless
    ])  # fmt: skip
    verdict.demand("flips stored twice", [f"{row.alert_id} {row.state}" for row in doubled.itertuples()])


def fired_once(alerts: list[dict[Any, Any]], span: Span, due: Alert, now: datetime) -> list[str]:
    """What is wrong about the alert that was due of a trouble; nothing if it came once and ended once."""
    mine = [row for row in alerts if is_of(row, due) and span.first <= row["flipped_at"] <= span.last + SLACK]
    where = f"{span.trouble.kind.name} of {span.first:%d %b %H:%M}Z to {span.last:%d %b %H:%M}Z"
    if len(mine) != 1:
        return [f"{where}: {' of '.join(due)} fired {len(mine)} times"]
    ended = mine[0]["resolved_at"]
    if pd.isna(ended):
        return [] if now < span.last + SLACK else [f"{where}: {' of '.join(due)} did not end"]
    return [] if ended <= span.last + SLACK else [f"{where}: {' of '.join(due)} ended only {ended:%d %b %H:%M}Z"]


def cause(row: dict[Any, Any], spans: list[Span], kills: list[datetime]) -> bool:
    """Whether something in the ledger explains an alert (a row of view `alerts`)."""
    at = row["flipped_at"]
    within = [span for span in spans if span.first <= at <= span.last + SLACK]
    allowed = [alert for span in within for alert in span.trouble.allowed]
    if any(kill <= at <= kill + SLACK for kill in kills):
        allowed += KILLED
    return any(is_of(row, alert) for alert in allowed)


def is_of(row: dict[Any, Any], alert: Alert) -> bool:
    return row["rule"] == alert[0] and alert[1] in ("*", row["subject"])


def _notices(verdict: Verdict, world: World, ledger: Ledger) -> None:
    """The outside witness: what the receiver took, against what was to be told."""
    posts = [got for got in world.receiver.got if got.path == "/alerts"]
    forged = [f"{got.key}" for got in posts if not got.genuine]
    sent = world.ask("SELECT DISTINCT message_key FROM notifications WHERE channel = 'webhook' AND state = 'sent'")
    came = Counter(got.key for got in posts)
    told = _told(posts)
    flips = world.ask("SELECT alert_id, state FROM alert_flips")
    kinds = {"firing": "fired", "resolved": "resolved"}
    untold = [
        f"{row.alert_id} {row.state}" for row in flips.itertuples() if (row.alert_id, kinds[row.state]) not in told
    ]
    verdict.say("notices that came in", f"{len(posts)} posts of {len(came)} messages about {len(told)} changes")
    verdict.demand("messages sent by our account that never came", sorted(set(sent["message_key"]) - set(came)))
    verdict.demand("changes of alerts nobody was told of", untold)
    verdict.demand("messages whose signature is wrong", forged)


def _told(posts: list[Any]) -> set[tuple[str, str]]:
    """(alert, kind) of all notices, those in summaries too."""
    found = set()
    for got in posts:
        body = got.json
        for part in [body, *body.get("parts", [])]:
            found.add((part.get("alert_id"), part["kind"]))
    return found


def _locks(verdict: Verdict, world: World) -> None:
    """What people would have read: viewers, the output of the processes, the logs of runs."""
    lines = [json.loads(line) for line in world.views.read_text(encoding="utf-8").splitlines()]
    errors = [line["error"] for line in lines if "error" in line]
    seen: Counter[str] = sum((Counter(line) for line in _newest(lines)), Counter())
    said = world.log.read_text(encoding="utf-8", errors="replace").splitlines()
    runs = world.ask("SELECT job, coalesce(error, '') || chr(10) || log AS said FROM job_runs").itertuples()
    locked = [line for line in said if LOCKED.search(line)]
    locked += [f"{row.job}: {found.group()}" for row in runs if (found := LOCKED.search(row.said))]
    broken = [line for line in said if line.startswith("Traceback")]
    verdict.say("what viewers read", ", ".join(f"{n:,} {what}" for what, n in seen.items()))
    verdict.demand("errors viewers met", errors)
    verdict.demand("lock errors in outputs and logs", locked)
    verdict.demand("tracebacks in the output of the processes", broken)


def _newest(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    counts = {line["viewer"]: line for line in lines if "viewer" in line}
    return [{name: n for name, n in line.items() if name != "viewer"} for line in counts.values()]


def _terms(world: World, ledger: Ledger) -> list[str]:
    """Each term but the last ended through something that was done to it; none began before its predecessor ended."""
    terms = world.ask("SELECT * FROM scheduler_terms ORDER BY started_at, term_id").to_dict("records")
    done = [entry["at"] for entry in ledger.entries if entry["what"] in ("kill", "down", "begin", "end")]
    flaws = []
    for term, after in pairwise(terms):
        if pd.isna(term["ended_at"]):
            flaws.append(f"the term of {term['started_at']:%d %b %H:%M}Z never ended")
        elif not any(term["ended_at"] - HOUR <= at <= after["started_at"] for at in done):
            flaws.append(f"the term of {term['started_at']:%d %b %H:%M}Z ended: {term['reason']}")
    return flaws
