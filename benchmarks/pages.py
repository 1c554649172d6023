"""A target, its series and a moment -> what each page of the dashboard asks, so that readers can be rehearsed."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

FILTERS = ("job", "state", "failure", "by")
AGES = (timedelta(hours=1), timedelta(days=1), timedelta(days=7))
Question = tuple[str, dict[str, Any]]
OFTEN = {"forecasts": 3, "accuracy": 1, "jobs": 1, "data": 1}
"""How often a page is looked at, relative to the others."""


def questions(target: str, series: Iterable[str], now: datetime, zone: str) -> dict[str, list[Question]]:
    """The named queries of each page in OFTEN with their parameters, at `now` (aware UTC)."""
    about = {"target": target}
    newest = about | {"due": now - timedelta(hours=1)}
    month = {"since": now - timedelta(days=30), "until": now}
    scored = month | about | {"firsts": (), "lasts": ()}
    hour = now.replace(minute=0, second=0, microsecond=0)
    two = {"origin": hour - timedelta(hours=1), "other": hour - timedelta(hours=2)}
    ends = tuple(now - timedelta(days=back) for back in range(31))
    return {
        "forecasts": [
            ("page_freshness", newest),
            ("page_issue", newest),
            ("page_fan", newest | {"since": now - timedelta(hours=18)}),
            ("page_accuracy", scored),
            ("page_issues", month | about),
            ("page_ramps", month | about | {"zone": zone}),
            ("page_widths", newest | {"since": now - timedelta(days=30)}),
            ("page_reasons", newest),
            ("page_origins", newest | {"n": 72, "other": None}),
            ("page_compared", about | two),
            ("page_heads", about | two),
            ("page_hour", newest | {"hour": hour}),
            ("page_hour_actual", about | {"hour": hour}),
            ("page_source_version", {"version": "naive"}),
            ("page_steps", about | {"at": now, "replayed": False}),
        ],
        "accuracy": [
            ("page_freshness", newest),
            ("page_scores", scored | {"since": now - timedelta(days=37)}),
            ("page_issues", month | about),
            ("error_change", {"target": target, "zone": zone, "untils": ends, "firsts": (), "lasts": ()}),
            ("page_error_alerts", month | about | {"rules": ("error_up", "error_limit", "coverage_off")}),
            ("page_new_champions", month | about),
        ],
    } | _operations(about, series, now, zone)


def _operations(about: dict[str, Any], series: Iterable[str], now: datetime, zone: str) -> dict[str, list[Question]]:
    return {
        "jobs": [
            ("page_timetable", {"since": now - timedelta(days=7)}),
            ("page_going", {}),
            ("page_runs", {"since": now - timedelta(days=30), "n": 200, "text": ""} | dict.fromkeys(FILTERS, "all")),
            ("page_success", {"since": now - timedelta(days=30), "recent": now - timedelta(days=7)}),
            ("page_durations", {"job": "forecast", "since": now - timedelta(days=30), "n": 400}),
        ],
        "data": [
            (
                "freshness",
                {
                    "series": tuple(series),
                    "behind": tuple(timedelta(minutes=15) for _ in series),
                    "since": now - timedelta(days=2),
                },
            ),
            ("page_open_alerts", {}),
            ("page_series", {"since": now - timedelta(days=1)}),
            ("page_quality", {}),
            ("page_quality_days", {"since": now - timedelta(days=42), "zone": zone}),
            ("page_backfills", {"since": now - timedelta(days=7)}),
            ("page_revision_ages", about | {"since": now - timedelta(days=30), "now": now, "ages": AGES}),
        ],
    }
