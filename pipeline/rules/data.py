"""View -> series whose data are late, have holes, or cannot be right."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from pipeline import freshness, quality
from pipeline.markets import Series
from pipeline.rules.base import Bad, Rule, View

DAY = timedelta(days=1)
FEWEST = 2
"""Missing intervals before an hourly series counts as stale, whatever the limit in minutes."""
UNUSUAL = 10.0
"""How many times the usual mean revision of a day is an outlier, and the fewest days that make one usual."""
USUAL_DAYS = 7


def stale(view: View, limit: float) -> Iterator[Bad]:
    """Series that lack two intervals and `limit` minutes of values which should be there, by data time."""
    with view.warehouse.read() as session:
        found = {name: freshness.look(session, market, view.now) for name, market in view.markets.items()}
    for name, rows in found.items():
        for row, series in zip(rows, view.markets[name].series, strict=True):
            if _is_stale(row, series, view.now, timedelta(minutes=limit)):
                yield _stale(row, series, view.now)


def _is_stale(row: freshness.Freshness, series: Series, now: datetime, limit: timedelta) -> bool:
    if row.state == "none":
        return row.since is not None and now - row.since >= limit
    return row.state == "late" and row.missed >= FEWEST and row.missed * series.cadence >= limit


def _stale(row: freshness.Freshness, series: Series, now: datetime) -> Bad:
    reach = "has no value at all" if row.newest is None else f"lacks {row.missed} values since {_clock(row.newest)}"
    see = f" See {row.status_url}" if row.status_url else ""
    evidence = {
        "newest": _text(row.newest),
        "due": _text(row.due),
        "missed": row.missed,
        "source": row.source,
        "asked_at": _text(row.asked_at),
    }
    return Bad(
        subject=row.series,
        message=f"{series.title} ({row.series}) {reach}. {row.why}{see}",
        since=row.since or now,
        evidence=evidence,
    )


def holes(view: View, limit: float) -> Iterator[Bad]:
    """Series with missing values inside the last seven days that should have been filled `limit` minutes ago."""
    with view.warehouse.read() as session:
        found = [(market, quality.gaps(session, market, view.now)) for market in view.markets.values()]
    for market, gaps in found:
        for series in market.series:
            due = gaps["end_at"] + series.delay + timedelta(minutes=limit)
            rows = gaps[(gaps["series"] == series.id) & (due <= view.now)]
            if len(rows):
                yield _holed(series, rows, timedelta(minutes=limit))


def _holed(series: Series, rows: pd.DataFrame, limit: timedelta) -> Bad:
    first, slots, tries = rows.iloc[0], int(rows["slots"].sum()), int(rows["tries"].min())
    start, end = (stamp.to_pydatetime() for stamp in (first.start_at, first.end_at))
    remedy = f"python jobs.py ingest --from {start:%Y-%m-%dT%H:%MZ} --to {end:%Y-%m-%dT%H:%MZ}"
    more = f" and {len(rows) - 1} more gaps" if len(rows) > 1 else ""
    return Bad(
        subject=series.id,
        message=f"{series.title} ({series.id}) lacks {slots} values of the last seven days: {_clock(start)} to "
        f"{_clock(end)}{more}. The source answered {tries} times without them; ask again with `{remedy}`, "
        "import a file, or declare an event.",
        since=end + series.delay + limit,
        evidence={"slots": slots, "gaps": len(rows), "first": _text(start), "last": _text(end), "tries": tries},
    )


def odd(view: View, limit: float) -> Iterator[Bad]:
    """What looks wrong about measured series of the last 24 hours, each as an event of its own.

    A standstill, jumps, a day revised out of proportion, a day of which `limit` per cent were refused as absurd.
    """
    measured = {one.id: one for market in view.markets.values() for one in market.series if one.kind == "measured"}
    since = view.now - DAY
    for row in view.warehouse.ask("quality_recent", series=list(measured), since=since).to_dict("records"):
        series, day = measured[row["series"]], row["day_start"].to_pydatetime()
        running = row["day_end"] > view.now
        if series.flat is not None and row["flat_min"] >= series.flat / timedelta(minutes=1):
            yield from _stuck(series, series.flat, row, since)
        if row["jumps"] and row["jump_at"] > since:
            yield _jumped(series, row, day)
        share = 100 * row["out_of_range"] / max(1, row["expected"])
        if row["out_of_range"] and share >= limit:
            figures = {"out_of_range": row["out_of_range"], "share_pct": round(share, 2)}
            words = f"had {row['out_of_range']} values outside its bounds on the day from {_clock(day)}"
            yield _odd(series, words, day, figures, f"range {day:%Y-%m-%d}", over=not running)
        if row["revised_days"] >= USUAL_DAYS and row["revised_mean"] > UNUSUAL * row["usual_revision"]:
            mean, usual = row["revised_mean"], row["usual_revision"]
            figures = {"revised_mean": mean, "usual": usual}
            words = f"was revised by {mean:,.4g} {series.unit} a value, usually by {usual:,.4g}"
            yield _odd(series, words, day, figures, f"revised {day:%Y-%m-%d}", over=True)


def _stuck(series: Series, limit: timedelta, row: dict[Any, Any], since: datetime) -> Iterator[Bad]:
    begun, minutes = row["flat_from"].to_pydatetime(), row["flat_min"]
    end = begun + timedelta(minutes=minutes)
    if end > since:
        # No newer value when the day was checked: it may stand still yet.
        over = end + series.cadence + series.delay + freshness.GRACE < row["checked_at"]
        figures = {"flat_min": minutes, "flat_from": _text(begun)}
        words = f"held the same value for {minutes:.0f} minutes from {_clock(begun)}"
        yield _odd(series, words, begun + limit, figures, f"flat {begun:%Y-%m-%d %H:%M}", over=over)


def _jumped(series: Series, row: dict[Any, Any], day: datetime) -> Bad:
    at, size, n = row["jump_at"].to_pydatetime(), row["largest_jump"], row["jumps"]
    times = "once" if n == 1 else f"{n} times that day, the farthest"
    words = f"jumped {times}, at {_clock(at)}: {size:+,.4g} {series.unit} off the mean of its neighbours"
    figures = {"jumps": n, "jump": size, "jump_at": _text(at)}
    return _odd(series, words, at, figures, f"jump {day:%Y-%m-%d} {n}", over=True)


def _odd(series: Series, words: str, since: datetime, evidence: dict[str, Any], event: str, *, over: bool) -> Bad:
    remedy = "Compare with the provider's own page; mend it by ingest or import, or declare an event."
    message = f"{series.title} ({series.id}) {words}. {remedy}"
    return Bad(series.id, message, since, evidence, event=event, over=over)


def _clock(moment: datetime) -> str:
    return f"{moment:%d %b %Y %H:%M} UTC"


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


RULES = (
    Rule(
        name="stale_data",
        title="Data are late",
        severity="warning",
        check=stale,
        limit=30.0,
        unit="minutes of values missing",
        good="its values are as new as they should be",
        clear=0.5,
    ),
    Rule(
        name="gaps",
        title="Values are missing inside",
        severity="warning",
        check=holes,
        limit=60.0,
        unit="minutes since the missing value was due",
        good="nothing is missing any more",
    ),
    Rule(
        name="anomalous_actuals",
        title="Measured values look wrong",
        severity="warning",
        check=odd,
        limit=1.0,
        unit="% of a day's values refused",
        good="newer values look right; what was told stays stored until it is mended",
    ),
)
