"""predictions -> targets that naive stands in for although their data are there: no model of theirs serves."""

from collections.abc import Iterator
from datetime import timedelta

from pipeline.rules.base import Bad, Rule, View

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
LOOK_BACK = 7 * DAY
TOLD_ELSEWHERE = ("stale data", "no model is trained yet")
"""How reasons begin that other rules tell, or that end by themselves."""


def unserved(view: View, issues: float) -> Iterator[Bad]:
    """Targets whose newest `issues` live issues or more are all fallbacks or withheld, but not for want of data."""
    targets = [target.id for market in view.markets.values() for target in market.targets]
    rows = view.warehouse.ask("unserved", targets=targets, since=view.now - LOOK_BACK, now=view.now)
    for row in rows.to_dict("records"):
        if row["n"] < issues or row["reason"].startswith(TOLD_ELSEWHERE):
            continue
        message = (
            f"{row['target']}: no model has served since {row['first_origin'] + HOUR:%d %b %H:%M}Z, {row['n']} issues "
            f"are fallbacks or withheld: {row['reason']}. Retrain, or roll back to a version that can serve, on the "
            "Models page."
        )
        evidence = {"n": int(row["n"]), "first": row["first_origin"].isoformat()}
        yield Bad(row["target"], message, row["made_at"].to_pydatetime(), evidence)


RULES = (
    Rule("model_unserved", "No model serves", "warning", unserved, limit=3, unit="issues in a row", escalate=DAY,
         good="a model serves again"),
)  # fmt: skip
