"""A target, its series and a moment -> what each page of the dashboard asks, so that readers can be rehearsed."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

Question = tuple[str, dict[str, Any]]
OFTEN = {"forecasts": 3, "accuracy": 1, "jobs": 1, "data": 1}
"""How often a page is looked at, relative to the others."""


def questions(target: str, series: Iterable[str], now: datetime, zone: str) -> dict[str, list[Question]]:
    """The named queries of each page in OFTEN with their parameters, at `now` (aware UTC)."""
    about = {"target": target}
    newest = about | {"due": now - timedelta(hours=1)}
    month = {"since": now - timedelta(days=30), "until": now}
    scored = month | about | {"firsts": (), "lasts": ()}
    return {
        "forecasts": [
            ("page_freshness", newest),
            ("page_issue", newest),
            ("page_fan", newest | {"since": now - timedelta(hours=18)}),
            ("page_accuracy", scored),
            ("page_issues", month | about),
        ],
        "accuracy": [
            ("page_freshness", newest),
            ("page_accuracy", scored),
            ("page_errors", scored),
            ("page_accuracy_by_day", scored | {"zone": zone}),
        ],
        "jobs": [
            ("page_timetable", {"since": now - timedelta(days=7)}),
            ("page_going", {}),
            ("page_runs", {"job": "all", "n": 200}),
        ],
        "data": [
            ("freshness", {"series": tuple(series), "behind": tuple(timedelta(minutes=15) for _ in series)}),
            ("page_open_alerts", {}),
        ],
    }
