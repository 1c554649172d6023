"""Points of a source -> raw, quarantine and fetches: one transaction a window, versions instead of edits."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from pipeline.errors import AuthRefused, SourceError, Throttled
from pipeline.intake import sift
from pipeline.markets import Series
from pipeline.runner import Context
from pipeline.sources.base import Window
from pipeline.warehouse import Session

# More sentences than this help nobody.
SAID = 5
# Asked in vain each five minutes, a provider that refuses us would soon block the address.
REFUSED_WAITS = timedelta(hours=1)
THROTTLED_WAITS = timedelta(minutes=15)
LONGEST_WAIT = timedelta(days=1)
NOT_READY = "not_ready"
"""The outcome noted of a source that was not asked because it lacks a setting."""


@dataclass(frozen=True)
class Stored:
    """Counts of points."""

    new: int = 0
    revised: int = 0
    same: int = 0
    quarantined: int = 0

    def __add__(self, other: "Stored") -> "Stored":
        return Stored(
            self.new + other.new,
            self.revised + other.revised,
            self.same + other.same,
            self.quarantined + other.quarantined,
        )

    @property
    def read(self) -> int:
        """All points that were judged."""
        return self.written + self.same + self.quarantined

    @property
    def written(self) -> int:
        """Rows added to `raw`."""
        return self.new + self.revised


def store(context: Context, source: str, series: Series, window: Window, points: pd.DataFrame) -> Stored:
    """Write what is new or revised among the points of one series, and that `window` was asked, in one transaction.

    Refused points go to `quarantine`; the first few are said aloud.
    """
    good, refused = sift(points, series, now=pd.Timestamp(context.now))
    with context.warehouse.write() as session:
        seen_at = pd.Timestamp(context.moment())
        changed = _changed(session, series, good)
        session.append(
            "raw", _stamped(changed, series, seen_at).assign(source=source, seen_at=seen_at, run_id=context.run_id)
        )
        quarantine(context, session, source, refused)
        revised = int(changed["revised"].sum())
        stored = Stored(len(changed) - revised, revised, len(good) - len(changed), len(refused))
        outcome = "ok" if len(points) else "empty"
        session.append("fetches", _fetch_rows(context, source, [series], window, outcome, "", stored))
    return stored


def quarantine(context: Context, session: Session, source: str, refused: pd.DataFrame) -> None:
    """Keep refused rows (intake.REFUSED_COLUMNS), each once, and say the first few aloud."""
    for sentence in refused["reason"].head(SAID):
        context.say(sentence)
    if len(refused) > SAID:
        context.say(f"... and {len(refused) - SAID:,} more; all are in the table quarantine")
    rows = refused.drop_duplicates(["series", "valid_at", "value", "reason"])
    at = pd.Timestamp(context.moment())
    session.append("quarantine", rows.assign(source=source, seen_at=at, run_id=context.run_id))


def _changed(session: Session, series: Series, good: pd.DataFrame) -> pd.DataFrame:
    if good.empty:
        return good.assign(revised=False, newer=False)
    first, last = good["valid_at"].iloc[0], good["valid_at"].iloc[-1]
    return session.ask("changed_points", batch=good, series=series.id, first=first, last=last)


def _stamped(changed: pd.DataFrame, series: Series, at: pd.Timestamp) -> pd.DataFrame:
    """Give each row its `made_at`.

    A first measured value that does not say was published when its series' delay was over, and none before its
    interval ended, whatever the provider says; a revised one is of the moment we saw it, or it would seem known from
    the beginning. So is a revised forecast, unless it is a later one by the provider's own word.
    """
    seen = pd.Series(at, index=changed.index)
    made_at, revised = changed["made_at"], changed["revised"].astype(bool)
    if series.kind == "measured":
        published = changed["valid_at"] + series.cadence + series.delay
        ended = changed["valid_at"] + series.cadence
        made_at = made_at.where(~(made_at < ended), ended).fillna(published.where(published < seen, seen))
        revised_late = revised
    else:
        revised_late = revised & ~changed["newer"].astype(bool)
    made_at = made_at.where(~revised_late, seen).fillna(seen).astype("datetime64[us, UTC]")
    return changed.drop(columns=["revised", "newer"]).assign(made_at=made_at)


def note_read(
    context: Context, source: str, series: Iterable[Series], window: Window, outcome: str, message: str
) -> None:
    """Write down that `source` was looked at and what of it was read, without any values."""
    with context.warehouse.write() as session:
        session.append("fetches", _fetch_rows(context, source, series, window, outcome, message, Stored()))


def note_failure(context: Context, source: str, series: Iterable[Series], window: Window, error: SourceError) -> None:
    """Write down that `window` was asked in vain, and before when the source is not to be asked again."""
    context.say(str(error))
    rows = _fetch_rows(context, source, series, window, error.outcome, str(error), Stored())
    rows["again_at"] = pd.Series(_again_at(error, context.moment()), rows.index, dtype="datetime64[us, UTC]")
    with context.warehouse.write() as session:
        session.append("fetches", rows)


def _again_at(error: SourceError, now: datetime) -> datetime | None:
    if isinstance(error, AuthRefused):
        return now + REFUSED_WAITS
    if not isinstance(error, Throttled):
        return None
    if error.retry_after_s is None:
        return now + THROTTLED_WAITS
    return now + timedelta(seconds=min(error.retry_after_s, LONGEST_WAIT.total_seconds()))


def _fetch_rows(
    context: Context, source: str, series: Iterable[Series], window: Window, outcome: str, message: str, stored: Stored
) -> pd.DataFrame:
    row: dict[str, Any] = {
        "source": source,
        "window_start": pd.Timestamp(window.start),
        "window_end": pd.Timestamp(window.end),
        "outcome": outcome,
        "rows_new": stored.new,
        "rows_revised": stored.revised,
        "rows_same": stored.same,
        "rows_quarantined": stored.quarantined,
        "message": message,
        "seen_at": pd.Timestamp(context.moment()),
        "again_at": pd.NaT,
        "run_id": context.run_id,
    }
    return pd.DataFrame([row | {"series": one.id} for one in series])
