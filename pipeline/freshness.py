"""Session + market + moment -> how current each series is, in missed intervals, and why; read off the data."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from pipeline.discovery import find
from pipeline.markets import Market, Series
from pipeline.warehouse import Session

GRACE = timedelta(minutes=15)
"""A published value may be this much later in the warehouse: ingest asks every few minutes."""
DAY_GRACE = timedelta(hours=1)
"""Forecasts and prices come a day at a time; a provider may put the new day on show a little after midnight."""
LATELY = timedelta(days=2)
"""What was asked since usually tells all; questions of years would be read for it otherwise."""
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
SILENCE = timedelta(minutes=20)
"""A source not asked for longer was not asked: ingest does not run. Of one that is asked seldom, `every` and LATER."""
LATER = timedelta(minutes=15)


@dataclass(frozen=True)
class Freshness:
    """How current one series is; times are aware UTC or None.

    newest: start of the newest interval there is; due: start of the newest that should be there by now.
    missed: intervals between them. state: none (no value at all), current, due (published, we may not have fetched it
    yet) or late. since: when it turned late (for none: when the source was first asked). why: one sentence, empty
    unless late or none. source, asked_at: who was asked last, and when. status_url: the provider's, or "".
    """

    series: str
    newest: datetime | None
    due: datetime | None
    missed: int
    state: str
    since: datetime | None
    why: str
    source: str | None
    asked_at: datetime | None
    status_url: str


def look(session: Session, market: Market, now: datetime) -> list[Freshness]:
    """How current each series of `market` is at `now` (aware UTC), in the market's order."""
    found = _asked(session, market.series, now - LATELY)
    # What was not answered lately, or never came, is told by all that was ever asked; a run may straddle the moment.
    older = [one for one in market.series if not _told(found[one.id], now - LATELY + timedelta(hours=1))]
    found |= _asked(session, older, BEGINNING) if older else {}
    return [_judged(series, market, found[series.id], now) for series in market.series]


def _asked(session: Session, series: Sequence[Series], since: datetime) -> dict[str, dict[Any, Any]]:
    names, behind = [one.id for one in series], [one.cadence + one.delay for one in series]
    found = session.ask("freshness", series=names, behind=behind, since=since)
    return {str(row["series"]): row for row in found.to_dict("records")}


def _told(row: dict[Any, Any], since: datetime) -> bool:
    answered_at = _moment(row["answered_at"])
    return _moment(row["newest"]) is not None and answered_at is not None and answered_at > since


def due_slot(series: Series, zone: str, now: datetime) -> datetime:
    """Start of the newest interval whose value should be published at `now`.

    A measured value is published `delay` after its interval ends; forecasts and prices reach to the end of the
    local day, or as far as they promise when that is less.
    """
    if series.kind == "measured":
        return _floor(now - series.delay - series.cadence, series.cadence)
    tick = timedelta(microseconds=1)
    reach = min(_midnight(now, zone, days=1), now + max(series.ahead, tick))
    return _floor(reach - tick, series.cadence)


def _judged(series: Series, market: Market, row: dict[Any, Any], now: datetime) -> Freshness:
    newest, asked_at = _moment(row["newest"]), _moment(row["asked_at"])
    due = due_slot(series, market.zone, now)
    missed = 0 if newest is None else max(0, (due - newest) // series.cadence)
    since = _moment(row["first_asked_at"]) if newest is None else _turns_late(series, market.zone, newest)
    state = _state(newest, missed, since, now)
    # A source that lacks a setting was noted, not asked.
    asked_at = None if row["outcome"] == "not_ready" else asked_at
    wrong = state in ("late", "none")
    return Freshness(
        series=series.id,
        newest=newest,
        due=due,
        missed=missed,
        state=state,
        since=since if wrong else None,
        why=_why(series, row, now) if wrong else "",
        source=None if asked_at is None else str(row["source"]),
        asked_at=asked_at,
        status_url=market.status_url,
    )


def _state(newest: datetime | None, missed: int, since: datetime | None, now: datetime) -> str:
    if newest is None:
        return "none"
    if not missed:
        return "current"
    return "late" if since is not None and since <= now else "due"


def _turns_late(series: Series, zone: str, newest: datetime) -> datetime:
    """When the interval after `newest` is overdue."""
    first = newest + series.cadence
    if series.kind == "measured":
        return first + series.cadence + series.delay + GRACE
    return max(_midnight(first, zone), first - series.ahead) + DAY_GRACE


def _why(series: Series, row: dict[Any, Any], now: datetime) -> str:
    asked_at, source = _moment(row["asked_at"]), row["source"]
    if asked_at is None:
        return "It was never asked for: no source in use carries it, or ingest has not run yet."
    if row["outcome"] == "not_ready":
        return str(row["message"])
    ago = _ago(asked_at, now)
    if now - max(asked_at, _moment(row["again_at"]) or asked_at) > _silence(str(source)):
        return f"It was not asked for since {_clock(asked_at, now)}: ingest has not run."
    if row["outcome"] in ("ok", "empty", "not_yet_published"):
        return _silent(series, row, now, ago)
    since = _clock(_moment(row["failing_since"]) or asked_at, now)
    trouble = {
        "auth": f"{source} refuses our identity since {since}; check the token.",
        "throttled": f"{source} asks us to slow down since {since}; last asked {ago}.",
        "transient": f"{source} does not answer properly since {since}; last asked {ago}.",
        "bad_request": f"{source} rejects the question since {since}; check the keys of the series.",
        "schema_changed": f"{source} answers in an unknown format since {since}; the connector must be updated.",
    }
    return trouble.get(row["outcome"], f"Asking {source} fails since {since}; last asked {ago}.")


def _silence(name: str) -> timedelta:
    """How long the source called `name` is not asked, while all is well."""
    source = find("pipeline.sources", name, "SOURCE")
    return SILENCE if source is None else max(SILENCE, source.every + LATER)


def _silent(series: Series, row: dict[Any, Any], now: datetime, ago: str) -> str:
    """What to say when the source answers and brings nothing new."""
    newest, source = _moment(row["newest"]), row["source"]
    answer = "nothing usable" if row["outcome"] == "ok" else "empty"
    if row["rows_quarantined"]:
        answer = f"{row['rows_quarantined']:.0f} values that were refused"
    if newest is None:
        return f"{source} has never published it; last answer {ago}: {answer}."
    answer = "nothing new" if answer == "nothing usable" else answer
    return f"{source} has published nothing beyond {_clock(newest + series.cadence, now)}; last answer {ago}: {answer}."


def _ago(then: datetime, now: datetime) -> str:
    minutes = max(0, round((now - then).total_seconds() / 60))
    return "just now" if not minutes else "1 minute ago" if minutes == 1 else f"{minutes} minutes ago"


def _clock(moment: datetime, now: datetime) -> str:
    """Time of day, with the day where it is another one."""
    return f"{moment:%H:%M} UTC" if moment.date() == now.date() else f"{moment:%d %b %Y %H:%M} UTC"


def _midnight(moment: datetime, zone: str, days: int = 0) -> datetime:
    """Start of the local day of `moment`, or of the one `days` later, in UTC."""
    local = moment.astimezone(ZoneInfo(zone)).date() + timedelta(days=days)
    return datetime.combine(local, time(), ZoneInfo(zone)).astimezone(moment.tzinfo)


def _floor(moment: datetime, cadence: timedelta) -> datetime:
    return pd.Timestamp(moment).floor(cadence).to_pydatetime()


def _moment(value: Any) -> datetime | None:
    return None if value is None or pd.isna(value) else pd.Timestamp(value).to_pydatetime()
