"""Open alerts -> what every page's header says of them, and the words and links one alert is shown with."""

import json
import re
from datetime import datetime
from typing import Any

import pandas as pd

from dashboard import formats, links
from dashboard.data import Desk, jobs, moment, word
from pipeline import alerting

SEVERITIES = {
    "critical": ("Critical", ":material/error:", "red"),
    "warning": ("Warning", ":material/warning:", "orange"),
    "info": ("Info", ":material/info:", "blue"),
}
SIGNS = {"critical": "▲ critical", "warning": "▲ warning", "info": "○ info"}
OF_SERIES = ("stale_data", "gaps", "anomalous_actuals")
OF_FORECASTS = ("error_up", "error_limit", "coverage_off")
OF_MODELS = ("drift", "model_old", "model_unserved", "artifact_damaged")
OF_JOBS = (
    "job_failed",
    "job_late",
    "job_long",
    "missed_issue",
    "scheduler_dead",
    "disk_low",
    "warehouse_growing",
    "backup_old",
)


def badge(desk: Desk, now: datetime) -> None:
    """How many alerts are open and how bad the worst is, as a link to their page."""
    rows = desk.ask("page_open_alerts")
    label, icon, colour = summary(rows, now)
    links.page("alerts", f":{colour}-badge[{icon} {label}]", icon="")


def summary(rows: pd.DataFrame, now: datetime) -> tuple[str, str, str]:
    """Words, icon and colour for all open alerts; the colour is that of the worst nobody has seen to."""
    if rows.empty:
        return "No open alerts", ":material/notifications_none:", "gray"
    counts = {name: int((rows["severity"] == name).sum()) for name in SEVERITIES}
    label = ", ".join(formats.count(n, name, name if name != "warning" else None) for name, n in counts.items() if n)
    awake = {row.severity for row in rows.itertuples() if standing(row, now) == "firing"}
    worst = next((name for name in SEVERITIES if name in awake), None)
    if worst is None:
        return f"{label}, seen to", ":material/notifications_paused:", "gray"
    return label, SEVERITIES[worst][1], SEVERITIES[worst][2]


def standing(row: Any, now: datetime) -> str:
    """'firing', 'acknowledged' or 'snoozed': what people did about an open alert last."""
    act, until = word(row.act), moment(row.until)
    if act == "acknowledge":
        return "acknowledged"
    return "snoozed" if act == "snooze" and until is not None and until > now else "firing"


def title(rule: str) -> str:
    """The name of a rule for people."""
    known = alerting.rules().get(rule)
    return known.title if known else rule.replace("_", " ").capitalize()


def about(desk: Desk, row: Any) -> tuple[str, str, dict[str, str]] | None:
    """The page an alert is about: its name, the words of the link and the query that leads to the very thing."""
    found = json.loads(row.evidence) if row.evidence else {}
    if isinstance(found, dict) and isinstance(found.get("run_id"), str):
        return "jobs", "See the run", {"run": found["run_id"]}
    if row.rule in OF_SERIES:
        return "data", "See the data", series(desk, row.subject)
    if row.rule in OF_FORECASTS:
        return "accuracy", "See the accuracy", target(desk, row.subject)
    if row.rule in OF_MODELS:
        return "models", "See the models", target(desk, row.subject)
    if row.rule in OF_JOBS:
        job = row.subject.partition(":")[0]
        return "jobs", "See the jobs", {"job": job} if job in jobs() else {}
    return None


def target(desk: Desk, subject: str) -> dict[str, str]:
    """The query that chooses the target whose id, or the id of whose version, `subject` is; where there is a choice."""
    names = desk.target_names()
    about = re.sub(r"-v[0-9]+$", "", subject)
    found = next((name for name, one in names.items() if one.id == about), None)
    return {"target": found} if found and len(names) > 1 else {}


def series(desk: Desk, subject: str) -> dict[str, str]:
    """The query that chooses a series, and a target of its market where there is a choice."""
    market = next((one for one in desk.markets.values() if subject in {mine.id for mine in one.series}), None)
    if market is None:
        return {}
    return {"series": subject} | (target(desk, market.targets[0].id) if market.targets else {})
