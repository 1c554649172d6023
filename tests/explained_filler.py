"""Rows for reasons and importances, the same every time for the same moment."""

from datetime import timedelta

import pandas as pd

from pipeline.warehouse import Session

REASONS = (
    ("last_hour", "the 09:00 hour came in above the forecast", 212.0, 0.6, True),
    ("operator", "the operator's forecast for this hour was raised", 150.0, 0.25, False),
    ("temperature_forecast", "the temperature forecast fell", -1.4, 0.1, False),
    ("rest", "nearer by an hour, and the correction from recent errors", None, 0.05, False),
)
GROUPS = (("level", 12, 410.0), ("calendar", 30, 260.0), ("load_forecast", 6, 95.0), ("temperature_forecast", 9, 22.0))


def fill(session: Session, target: str, at: pd.Timestamp) -> None:
    """Both tables."""
    reasons(session, target)
    importances(session, target, at)


def reasons(session: Session, target: str) -> None:
    """Why the newest issue differs from the one before; the effects add up to the change of each hour."""
    issued = session.ask("page_issue", target=target, due=pd.Timestamp("2100-01-01", tz="UTC"))
    rows = [
        {
            "target": target, "origin": one.origin, "horizon": one.horizon, "valid_at": one.valid_at,
            "version_id": one.version_id, "before_origin": one.origin - timedelta(hours=1),
            "before_version_id": one.version_id, "input": name, "words": words, "moved": moved,
            "unit": "MW" if moved is None or abs(moved) > 10 else "degC", "effect": share * one.change, "exact": exact,
            "made_at": one.made_at, "written_at": one.made_at, "run_id": "forecast0001",
        }
        for one in issued.itertuples() if pd.notna(one.change)
        for name, words, moved, share, exact in REASONS
    ]  # fmt: skip
    if rows:
        session.append("reasons", pd.DataFrame(rows).astype({"moved": float}))


def importances(session: Session, target: str, at: pd.Timestamp) -> None:
    """What the third version looks at."""
    rows = [
        {
            "version_id": f"{target}-v3", "target": target, "input": name, "n_columns": columns, "increase": increase,
            "increase_se": increase / 20, "mae": 305.0, "n": 2016, "repeats": 5,
            "written_at": at - timedelta(days=3), "run_id": "train0000003",
        }
        for name, columns, increase in GROUPS
    ]  # fmt: skip
    session.append("importances", pd.DataFrame(rows))
