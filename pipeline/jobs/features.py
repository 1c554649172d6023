"""actuals -> features: for each issue, exactly the row its forecast will be made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from pipeline import features, inputs, parallel
from pipeline.markets import Market, Target
from pipeline.punctuality import NOT_DUE, current_origin, missed, newest_due
from pipeline.runner import Context, Job, Outcome
from pipeline.warehouse import Session
from pipeline.windows import Times

HOUR = timedelta(hours=1)


def run(context: Context) -> Outcome:
    """Write the rows of the issue that is due, of each target, and note the hours for which nothing was issued.

    The issue of T is due once T's hour is complete, or `issue_grace` after its end without it, and in time until the
    next hour ends, however seldom a target is issued: later, its first hours would be known already. What fails of one
    target keeps no other from its rows.
    `args`: `replay_from` and `replay_to` (ISO times) make the rows of those past origins instead, each
    as known when it would have been issued, marked `replay`; `leave_out` names targets that get none.
    """
    spared = context.args.get("leave_out", ())
    targets = [target for market in context.markets.values() for target in market.targets if target.id not in spared]
    # Here, one after the other: a row takes a twentieth of the time that a process needs to begin.
    done, written = parallel.stored(context, _made, _store, targets)
    notes = "; ".join(f"{name}: {one.note}" for name, one in done.results.items())
    return parallel.outcome(done, read=0, written=written, note=notes)


@dataclass(frozen=True)
class _Made:
    """Of one target: rows of `features`, its feature set, hours noted as missed ahead of time and hours missed."""

    note: str
    rows: pd.DataFrame
    names: pd.DataFrame
    ahead: pd.DataFrame
    missed: pd.DataFrame


def _made(context: Context, target: Target) -> _Made:
    rows, note = _rows(context, target)
    ahead, missed_hours = pd.DataFrame(), pd.DataFrame()
    if len(rows) and "replay_from" not in context.args:
        ahead, missed_hours = _missed(context, target)
    return _Made(note, rows, _names(context, target), ahead, missed_hours)


def _store(context: Context, made: Sequence[_Made]) -> int:
    """Write all of it, the missed hours before anything newer can be issued, so that no hole is without its reason."""
    with context.warehouse.write() as session:
        at = pd.Timestamp(context.moment())
        # Noted under a clock that was ahead: what became of those hours shows only now.
        for ahead in _whole([one.ahead for one in made]):
            session.remove("missed_issues", ahead)
        for missed_hours in _whole([one.missed for one in made]):
            session.append("missed_issues", missed_hours.assign(noted_at=at, run_id=context.run_id))
        names = pd.concat([one.names for one in made], ignore_index=True).drop_duplicates("feature_set")
        session.append("feature_sets", names.assign(written_at=at))
        return sum(
            session.append("features", rows.assign(written_at=at)) for rows in _whole([one.rows for one in made])
        )


def _whole(frames: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
    """One frame of all, or none where there are no rows."""
    filled = [frame for frame in frames if len(frame)]
    return [pd.concat(filled, ignore_index=True)] if filled else []


def _rows(context: Context, target: Target) -> tuple[pd.DataFrame, str]:
    replay = "replay_from" in context.args
    with context.warehouse.read() as session:
        origins, note = _replayed(context, session, target) if replay else _due(session, target, context.now)
        if not len(origins):
            return pd.DataFrame(), note
        now = np.full(len(origins), np.datetime64(_naive(context.now), "us"))
        as_of = inputs.usual_as_of(origins, target) if replay else now
        built = inputs.built(session, target, origins, as_of)
    rows = features.to_rows(
        built,
        target=target.id,
        mode="replay" if replay else "live",
        written_at=pd.Timestamp(context.now),
        run_id=context.run_id,
    )
    return rows, note


def _missed(context: Context, target: Target) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(Hours that were noted as missed by a clock ahead of ours, hours that were missed and are not noted yet)."""
    due = current_origin(context.now)
    with context.warehouse.read() as session:
        rows = missed(session, target.id, due=due, now=context.now, every=target.every)
        ahead = session.ask("noted_ahead", target=target.id, due=due, now=context.now)
    for row in rows.itertuples():
        if not str(row.reason).startswith(NOT_DUE):
            context.say(f"{target.id}: nothing was issued for {row.origin:%d %b %H:%M}Z: {row.reason}")
    return ahead, rows


def ready(session: Session, markets: dict[str, Market], now: datetime) -> bool:
    """Whether the issue of some target is due and has no rows yet."""
    targets = [target for market in markets.values() for target in market.targets]
    return any(len(_due(session, target, now)[0]) for target in targets)


def _due(session: Session, target: Target, now: datetime) -> tuple[Times, str]:
    origin = current_origin(now)
    if origin != newest_due(now, target.every):
        return (
            _none(),
            f"the next issue is due after {newest_due(now, target.every) + target.every + HOUR:%d %b %H:%M}Z",
        )
    if not session.ask("issued_origins", target=target.id, first=origin, last=origin).empty:
        return _none(), f"{origin:%d %b %H:%M}Z is issued already"
    newest = session.ask("newest_actual", target=target.id, now=now).newest.iloc[0]
    if pd.isna(newest):
        return _none(), "no actuals yet; run ingest and actuals first"
    if newest < origin and now < origin + HOUR + target.issue_grace:
        return _none(), f"waits for the hour {origin:%d %b %H:%M}Z to be complete"
    state = "complete" if newest >= origin else f"incomplete, actuals end at {newest:%d %b %H:%M}Z"
    return inputs.as_hours(origin, origin), f"origin {origin:%d %b %H:%M}Z, {state}"


def _replayed(context: Context, session: Session, target: Target) -> tuple[Times, str]:
    first, last = (_floor_hour(datetime.fromisoformat(context.args[key])) for key in ("replay_from", "replay_to"))
    last = min(last, current_origin(context.now))
    hours = inputs.as_hours(first, last)
    hours = hours[hours.astype(np.int64) % (target.every // HOUR) == 0]
    there = session.ask("issued_origins", target=target.id, first=first, last=last)["origin"]
    taken = pd.to_datetime(there, utc=True).dt.tz_localize(None).to_numpy().astype("datetime64[h]")
    missing = hours[~np.isin(hours, taken)]
    return missing, f"{len(missing)} origins replayed"


def _names(context: Context, target: Target) -> pd.DataFrame:
    row = {"feature_set": features.feature_set(target.inputs), "names": list(features.names(target.inputs))}
    return pd.DataFrame([row | {"run_id": context.run_id}])


def _none() -> Times:
    return np.empty(0, dtype="datetime64[h]")


def _naive(moment: datetime) -> pd.Timestamp:
    return pd.Timestamp(moment).tz_convert("UTC").tz_localize(None)


def _floor_hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


JOB = Job(name="features", title="Rows the next forecast sees", run=run, after=("actuals",), ready=ready)
