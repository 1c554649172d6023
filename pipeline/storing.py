"""Points of a source -> raw, quarantine and fetches: one transaction a question, versions instead of edits."""

from collections.abc import Iterable, Sequence
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


Answered = tuple[Series, str, str, Stored]
"""What came of a question for one series: its outcome, a message and its counts."""


def store(
    context: Context,
    source: str,
    series: Sequence[Series],
    window: Window,
    points: pd.DataFrame,
    *,
    by_key: bool = False,
) -> Stored:
    """Write what is new or revised among the points of `series`, and that `window` was asked, in one transaction.

    Refused points go to `quarantine`; the first few are said aloud. `by_key`: write down by which key was asked.
    """
    of_series = [points[points["series"] == one.id] for one in series]
    sifted = [sift(mine, one, now=pd.Timestamp(context.now)) for mine, one in zip(of_series, series, strict=True)]
    with context.warehouse.write() as session:
        seen_at = pd.Timestamp(context.moment())
        changed = _changed(session, pd.concat([good for good, _ in sifted], ignore_index=True))
        new = _stamped(changed, series, seen_at).assign(source=source, seen_at=seen_at, run_id=context.run_id)
        session.append("raw", new)
        quarantine(context, session, source, pd.concat([refused for _, refused in sifted], ignore_index=True))
        n_of = changed["series"].value_counts().to_dict()
        revised_of = changed.loc[changed["revised"].astype(bool), "series"].value_counts().to_dict()
        told = []
        for one, mine, (good, refused) in zip(series, of_series, sifted, strict=True):
            n, n_revised = n_of.get(one.id, 0), revised_of.get(one.id, 0)
            stored = Stored(n - n_revised, n_revised, len(good) - n, len(refused))
            key = one.keys.get(source, "") if by_key else ""
            told.append((one, "ok" if len(mine) else "empty", key, stored))
        session.append("fetches", _fetch_rows(context, source, window, told))
    return sum((stored for *_, stored in told), Stored())


def quarantine(context: Context, session: Session, source: str, refused: pd.DataFrame) -> None:
    """Keep refused rows (intake.REFUSED_COLUMNS), each once, and say the first few aloud."""
    for sentence in refused["reason"].head(SAID):
        context.say(sentence)
    if len(refused) > SAID:
        context.say(f"... and {len(refused) - SAID:,} more; all are in the table quarantine")
    rows = refused.drop_duplicates(["series", "valid_at", "value", "reason"])
    at = pd.Timestamp(context.moment())
    session.append("quarantine", rows.assign(source=source, seen_at=at, run_id=context.run_id))


def _changed(session: Session, good: pd.DataFrame) -> pd.DataFrame:
    if good.empty:
        return good.assign(revised=False, newer=False)
    first, last, names = good["valid_at"].min(), good["valid_at"].max(), good["series"].unique().tolist()
    return session.ask("changed_points", batch=good, series=names, first=first, last=last)


def _stamped(changed: pd.DataFrame, series: Sequence[Series], at: pd.Timestamp) -> pd.DataFrame:
    """Give each row its `made_at`; see _made_at."""
    made_at = changed["made_at"].astype("datetime64[us, UTC]").copy()
    for one in series:
        mine = changed["series"] == one.id
        made_at[mine] = _made_at(changed[mine], one, at)
    return changed.drop(columns=["revised", "newer"]).assign(made_at=made_at)


def _made_at(changed: pd.DataFrame, series: Series, at: pd.Timestamp) -> pd.Series:
    """When each row counts as made.

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
    return made_at.where(~revised_late, seen).fillna(seen).astype("datetime64[us, UTC]")


def note_read(
    context: Context, source: str, series: Iterable[Series], window: Window, outcome: str, message: str
) -> None:
    """Write down that `source` was looked at and what of it was read, without any values."""
    with context.warehouse.write() as session:
        session.append("fetches", _fetch_rows(context, source, window, _nothing(series, outcome, message)))


def note_failure(context: Context, source: str, series: Iterable[Series], window: Window, error: SourceError) -> None:
    """Write down that `window` was asked in vain, and before when the source is not to be asked again."""
    context.say(str(error))
    rows = _fetch_rows(context, source, window, _nothing(series, error.outcome, str(error)))
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


def _nothing(series: Iterable[Series], outcome: str, message: str) -> list[Answered]:
    return [(one, outcome, message, Stored()) for one in series]


def _fetch_rows(context: Context, source: str, window: Window, told: Iterable[Answered]) -> pd.DataFrame:
    """Rows of `fetches`: what came of `window` for each series."""
    row: dict[str, Any] = {
        "source": source,
        "window_start": pd.Timestamp(window.start),
        "window_end": pd.Timestamp(window.end),
        "seen_at": pd.Timestamp(context.moment()),
        "again_at": pd.NaT,
        "run_id": context.run_id,
    }
    return pd.DataFrame(
        [
            row
            | {"series": one.id, "outcome": outcome, "message": message}
            | {"rows_new": stored.new, "rows_revised": stored.revised}
            | {"rows_same": stored.same, "rows_quarantined": stored.quarantined}
            for one, outcome, message, stored in told
        ]
    )
