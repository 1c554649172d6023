"""A warehouse -> what the Forecasts page shows, as the JSON that the same page in other frameworks is drawn from."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from dashboard.figures import charts, fan
from dashboard.figures.palette import of
from pipeline.warehouse import Warehouse

NOTHING_DECLARED: dict[str, Any] = {"firsts": (), "lasts": ()}
ZONE, UNIT, TARGET = "Europe/Madrid", "MW", "demo.load"
COLUMNS = ["horizon", "hour", "p50", "p10", "p90", "change", "operator", "mae", "coverage", "n"]


def write(warehouse: Path, to: Path) -> int:
    """Write cards, fan chart, table and errors of 30 days; returns the bytes."""
    now = datetime.now(UTC)
    due = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    house = Warehouse(warehouse)
    issue = house.ask("page_issue", target=TARGET, due=due)
    hours = house.ask("page_fan", target=TARGET, due=due, since=due - timedelta(hours=17))
    until = due + timedelta(hours=2)
    scores = house.ask(
        "page_accuracy", target=TARGET, since=until - timedelta(days=30), until=until, **NOTHING_DECLARED
    )
    figure = fan.draw(hours, palette=of("light"), zone=ZONE, now=now, unit=UNIT)
    errors = charts.mae_by_horizon(scores, palette=of("light"), height=262)
    page = {
        "cards": _cards(issue),
        "figure": json.loads(figure.to_json()),
        "errors": json.loads(errors.to_json()),
        "table": _table(issue, scores[scores["issuer"] == "sextant"].set_index("horizon")),
        "columns": COLUMNS,
    }
    return to.write_text(json.dumps(page), encoding="utf-8")


def _cards(issue: pd.DataFrame) -> list[dict[str, str]]:
    return [
        {
            "label": f"T+{row.horizon} · {row.valid_at:%H:%M}",
            "value": f"{row.p50:,.0f}",
            "change": "first issue" if pd.isna(row.change) else f"{row.change:+,.0f} vs last issue",
            "band": f"{row.p10:,.0f} to {row.p90:,.0f} {UNIT}",
        }
        for row in issue.itertuples()
    ]


def _table(issue: pd.DataFrame, own: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {
            "horizon": f"T+{row.horizon}",
            "hour": f"{row.valid_at:%a %H:%M}",
            "p50": round(row.p50),
            "p10": round(row.p10),
            "p90": round(row.p90),
            "change": 0 if pd.isna(row.change) else round(row.change),
            "operator": None if pd.isna(row.operator) else round(row.operator),
            "mae": round(float(own.loc[row.horizon, "mae"])),
            "coverage": round(100 * float(own.loc[row.horizon, "coverage"])),
            "n": int(own.loc[row.horizon, "n"]),
        }
        for row in issue.itertuples()
    ]
