"""features + models -> predictions: each issue once, as issued, never edited; other versions beside it in shadow."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from pipeline import explaining, features, inputs, issuing, parallel, registry
from pipeline.counterfactual import Told
from pipeline.discovery import find
from pipeline.errors import ModelError, NoChampion, SextantError, UnknownJob
from pipeline.explaining import Side
from pipeline.features import Built
from pipeline.issuing import Issue, Words
from pipeline.markets import HORIZONS, Market, Target
from pipeline.models.base import Family
from pipeline.punctuality import current_origin
from pipeline.recall import Recent, recall
from pipeline.registry import Model
from pipeline.runner import Context, Job, Outcome
from pipeline.warehouse import Session
from pipeline.windows import Times, naive_utc

FAULTS = (SextantError, ArithmeticError, AttributeError, ImportError, LookupError, MemoryError, RuntimeError, TypeError,
          ValueError)  # fmt: skip
"""What a version of another day may fail with. The champion's fault is the reason of a fallback, a shadow's a line
in the log: neither may keep other targets from being issued."""
NAIVE = "naive"
MANY = 20
"""Targets from which on processes gain more than they cost: a target takes about 0.2 s, a process 1 s to begin."""
Served = tuple[Model | None, Family | None]


@dataclass(frozen=True)
class Due:
    """Feature rows to issue, ascending by origin, what bands adapt to, and per origin (n,) mode and moment."""

    rows: pd.DataFrame
    built: Built
    recent: Recent
    mode: Words
    made_at: Times


@dataclass(frozen=True)
class Made:
    """What was done for a target: origins read, rows written, that in words, and what is still needed of the issue."""

    read: int = 0
    written: int = 0
    note: str = ""
    due: Due | None = None
    rows: pd.DataFrame | None = None
    served: Served = (None, None)


def run(context: Context) -> Outcome:
    """Issue T+1..T+6 for every feature row no forecast was issued for, with naive and operator beside it.

    A live origin is issued only while it is the newest; once it is not, the features job notes it as missed.
    At live issues other versions forecast too, marked shadow, and why the newest differs from the issue before it is
    written down, once all have their issue; of MANY targets or more each is done with at once, side by side in
    processes. What fails of one keeps no other from its issue. `args.reissue` names a target whose newest origin is
    issued again instead, by its present champion.
    """
    targets = {target.id: target for market in context.markets.values() for target in market.targets}
    if "reissue" in context.args:
        return _reissue(context, targets, context.args["reissue"])
    wanted = list(targets.values())
    if len(wanted) >= MANY:
        done = parallel.each(context, _whole, wanted, label="forecast", least=MANY)
        return _outcome(list(done.results.values()), done)
    first = parallel.each(context, _first, wanted, label="forecast", least=MANY)
    made = first.results
    due = [targets[name] for name, one in made.items() if one.due is not None]
    rest = parallel.each(context, lambda own, one: _beside(own, one, made[one.id]), due, label="shadows", least=MANY)
    return _outcome([rest.results.get(name, one) for name, one in made.items()], first, rest)


def _outcome(made: Sequence[Made], *parts: parallel.Done[Any]) -> Outcome:
    notes = "; ".join(one.note for one in made if one.note) or "nothing is due"
    written = sum(one.written for one in made)
    return parallel.outcome(*parts, read=sum(one.read for one in made), written=written, note=notes)


def _whole(context: Context, target: Target) -> Made:
    """Issue, and write what belongs beside it: all that is done for one of many targets."""
    return _beside(context, target, _first(context, target))


def _first(context: Context, target: Target) -> Made:
    due = _pending(context, target)
    if due is None:
        return Made()
    rows, served = _issued(context, target, due)
    return Made(len(due.built.batch), _append(context, rows), _note(target, rows), due, rows, served)


def _beside(context: Context, target: Target, made: Made) -> Made:
    """Write what other versions would have issued and why the issue moved."""
    if made.due is None or made.rows is None:
        return made
    more = _shadowed(context, target, made.due) + _explained(context, target, made.due, made.rows, made.served)
    return Made(made.read, made.written + more, made.note)


def _pending(context: Context, target: Target) -> Due | None:
    current = current_origin(context.now)
    rows = context.warehouse.ask("pending_features", target=target.id, now=context.now, current=current)
    mine = rows["feature_set"] == features.feature_set(target.inputs)
    if not mine.all():
        origins = rows.loc[~mine, "origin"].nunique()
        context.say(f"{target.id}: {origins} feature rows are of an older feature set and stay unissued")
    return _due(context, target, rows[mine]) if mine.any() else None


def _due(context: Context, target: Target, rows: pd.DataFrame) -> Due:
    built = features.from_rows(rows, target.inputs)
    first = rows.sort_values(["origin", "horizon"]).iloc[:: len(HORIZONS)]
    mode = first["mode"].to_numpy(dtype=object)
    made_at = np.where(mode == "replay", built.as_of, _moment(context))
    with context.warehouse.read() as session:
        recent = recall(session, target, built.batch.origins, built.as_of, written_by=pd.Timestamp(context.now))
    return Due(rows=rows, built=built, recent=recent, mode=mode, made_at=made_at)


def _issued(context: Context, target: Target, due: Due) -> tuple[pd.DataFrame, Served]:
    """(Rows of the issue and its comparators, what served)."""
    issued, served = _issue(context, target, due)
    plain = issuing.comparator_rows(
        due.built, target=target.id, mode=due.mode, made_at=due.made_at, horizons=target.horizons
    )
    return pd.concat([_rows(target, due, issued, "sextant"), plain], ignore_index=True), served


def _issue(context: Context, target: Target, due: Due) -> tuple[Issue, Served]:
    """The champion's issue, or the labelled fallback when the champion cannot be loaded or fails."""
    model, family, excuse = _champion(context, target)
    issue = partial(issuing.issue, due.built, target, recent=due.recent, made_at=due.made_at)
    try:
        return issue(model, family, excuse=excuse), (model, family)
    except FAULTS as error:
        if model is None:
            raise
        excuse = f"{model.version_id} failed: {error}"
        context.say(f"{target.id}: {excuse}")
    return issue(None, None, excuse=excuse), (None, None)


def _shadowed(context: Context, target: Target, due: Due) -> int:
    """Write what other versions would have issued; a version that cannot is named in the log and left out."""
    live = due.rows["mode"] == "live"
    if not live.any():
        return 0
    due = due if live.all() else _due(context, target, due.rows[live])
    frames = []
    for row in registry.shadows(context.warehouse, target.id, target.policy.shadow_versions):
        try:
            model, family = _loaded(context, target, row)
            issued = issuing.shadow(due.built, target, model, family, recent=due.recent, made_at=due.made_at)
        except FAULTS as error:
            context.say(f"{target.id}: {row['version_id']} makes no shadow forecast: {error}")
            continue
        frames.append(_rows(target, due, issued, "shadow"))
    return _append(context, pd.concat(frames, ignore_index=True)) if frames else 0


def _explained(context: Context, target: Target, due: Due, rows: pd.DataFrame, served: Served) -> int:
    """Write why the newest live issue of `rows` moved; one that cannot be explained is named in the log."""
    live = rows[(rows["mode"] == "live") & rows["issuer"].isin(("sextant", "reissue"))]
    if live.empty:
        return 0
    try:
        reasons = _reasons(context, target, due, live[live["origin"] == live["origin"].max()], served)
        return _append(context, reasons, "reasons") if len(reasons) else 0
    except FAULTS as error:
        context.say(f"{target.id}: why the forecast moved is not explained: {error}")
        return 0


def _reasons(context: Context, target: Target, due: Due, issue: pd.DataFrame, served: Served) -> pd.DataFrame:
    origin, made_at = issue["origin"].iloc[0], issue["made_at"].iloc[0]
    with context.warehouse.read() as session:
        former = session.ask("issue_before", target=target.id, origin=origin)
        if former.empty:
            return former
        as_of = pd.Timestamp(due.built.as_of[-1]).tz_localize("UTC")
        facts = inputs.facts(session, target, first=former["origin"].iloc[0], last=origin, as_of=as_of)
    told = _told(issue, due.built.as_of[-1]), _told(former, naive_utc(former["as_of"], "us")[0])
    versions = issue["version_id"].iloc[0], former["version_id"].iloc[0]
    after, before = (_side(context, target, one, name, served) for one, name in zip(told, versions, strict=True))
    return explaining.explain(target, facts, before, after, made_at=made_at)


def _side(context: Context, target: Target, told: Told, version_id: str, served: Served) -> Side:
    """An issue and its version, which is loaded only if it is not the one that served now."""
    model, family = served
    if version_id == NAIVE:
        return explaining.side(told, version_id, None, None)
    if model is not None and model.version_id == version_id:
        return explaining.side(told, version_id, model, family)
    try:
        row = registry.version(context.warehouse, target.id, version_id)
        return explaining.side(told, version_id, *_loaded(context, target, row))
    except ModelError as error:
        context.say(f"{target.id}: {error}")
        return Side(told, version_id, None, linear=False)


def _told(rows: pd.DataFrame, as_of: np.datetime64) -> Told:
    rows = rows.sort_values("horizon")
    return Told(naive_utc(rows["origin"], "h")[0], as_of, rows["p50"].to_numpy(dtype=np.float64))


def _reissue(context: Context, targets: dict[str, Target], name: str) -> Outcome:
    """Issue the newest origin of a target again, by its present champion, unless that is what stands."""
    if name not in targets:
        raise UnknownJob(f"reissue: {name} is no target; there are: {', '.join(targets)}.")
    target = targets[name]
    rows = context.warehouse.ask("newest_issue", target=name, due=current_origin(context.now))
    if rows.empty:
        return Outcome(note=f"{name}: nothing was issued yet", skipped=True)
    standing = rows.iloc[0]
    model, family, excuse = _champion(context, target)
    if model is None or rows["feature_set"].iloc[0] != features.feature_set(target.inputs):
        return Outcome(note=f"{name}: not issued again: {excuse or 'its features are of an older set'}", skipped=True)
    if standing["issued_version"] == model.version_id and standing["issued_status"] in issuing.TRUSTED:
        return Outcome(note=f"{name}: {model.version_id} has issued {standing['origin']:%d %b %H:%M}Z", skipped=True)
    due = _due(context, target, rows.drop(columns=["issued_version", "issued_status"]))
    due = replace(due, made_at=np.array([_moment(context)]))
    issued = issuing.issue(due.built, target, model, family, recent=due.recent, made_at=due.made_at, excuse="")
    if issued.status[0] not in issuing.TRUSTED:
        return Outcome(note=f"{name}: not issued again: {issued.reason[0]}", skipped=True)
    rows = _rows(target, due, issued, "reissue")
    written = _append(context, rows) + _explained(context, target, due, rows, (model, family))
    words = "issued again" if written else "had been issued again before; the next issue is the champion's"
    note = f"{name}: {standing['origin']:%d %b %H:%M}Z {words}, by {model.version_id}"
    return Outcome(1, written, note, skipped=not written)


def _champion(context: Context, target: Target) -> tuple[Model | None, Family | None, str]:
    """(Model, its family, "") or (None, None, why there is none)."""
    try:
        return *_loaded(context, target, registry.champion(context.warehouse, target.id)), ""
    except NoChampion:
        return None, None, "no model is trained yet"
    except ModelError as error:
        context.say(str(error))
        return None, None, str(error)


def _loaded(context: Context, target: Target, row: dict[str, Any]) -> tuple[Model, Family]:
    """The model of a row of `model_versions`; no family but its own is imported, for speed. Raises ModelError."""
    family: Family | None = find("pipeline.models", row["family"], "FAMILY")
    if row["feature_set"] != features.feature_set(target.inputs) or family is None:
        raise ModelError(f"{row['version_id']} is of another feature set or family; retrain")
    return registry.load(row, folder=context.settings.models), family


def _rows(target: Target, due: Due, issued: Issue, issuer: str) -> pd.DataFrame:
    about: dict[str, Any] = {"target": target.id, "mode": due.mode, "made_at": due.made_at, "horizons": target.horizons}
    return issuing.rows(due.built, issued, issuer=issuer, **about)


def _append(context: Context, rows: pd.DataFrame, table: str = "predictions") -> int:
    with context.warehouse.write() as session:
        return session.append(table, rows.assign(written_at=_stored(context, rows), run_id=context.run_id))


def _stored(context: Context, rows: pd.DataFrame) -> pd.Series:
    """When rows are stored. A run replays what was written by its beginning; so it says of all that it replays."""
    stored = pd.Series(pd.Timestamp(context.moment()), rows.index)
    return stored.mask(rows["mode"] == "replay", pd.Timestamp(context.now)) if "mode" in rows else stored


def _moment(context: Context) -> np.datetime64:
    return np.datetime64(pd.Timestamp(context.now).tz_convert("UTC").tz_localize(None), "us")


def _note(target: Target, rows: pd.DataFrame) -> str:
    ours = rows[(rows["issuer"] == "sextant") & (rows["horizon"] == 1)]
    last = ours["origin"].max()
    words = ", ".join(f"{n:,} {status}" for status, n in ours["status"].value_counts().items())
    return f"{target.id}: {words}, last origin {last:%d %b %H:%M}Z"


def ready(session: Session, markets: dict[str, Market], now: datetime) -> bool:
    """Whether some target has features no forecast was issued for, in time or to be replayed."""
    targets = [target for market in markets.values() for target in market.targets]
    sets = sorted({features.feature_set(target.inputs) for target in targets})
    names = [target.id for target in targets]
    pending = session.ask("pending_origins", targets=names, feature_sets=sets, now=now, current=current_origin(now))
    return bool(pending.n.iloc[0])


JOB = Job(name="forecast", title="Issue T+1 to T+6", run=run, after=("features", "train"), ready=ready)
