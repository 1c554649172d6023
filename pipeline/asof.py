"""Session + past moment -> the same tables and views, as they stood then: what a page that looks back asks."""

from dataclasses import dataclass
from datetime import datetime

from pipeline.queries import queries
from pipeline.warehouse import Session

WRITTEN: dict[str, str] = {
    "fetches": "seen_at",
    "model_versions": "created_at",
    "promotions": "decided_at",
    "retirements": "retired_at",
    "backtests": "scored_at",
    "drift": "checked_at",
    "missed_issues": "noted_at",
    "alert_flips": "flipped_at",
    "alert_acts": "acted_at",
    "reasons": "written_at",
    "importances": "written_at",
}
"""Which column says when a row was stored. Tables whose rows change in place (job_runs, quality) are not among them."""
REPLAYED: dict[str, tuple[str, str]] = {
    "raw": ("seen_at", "made_at"),
    "features": ("written_at", "if(mode = 'replay', as_of, written_at)"),
    "predictions": ("written_at", "if(mode = 'replay', made_at, written_at)"),
    "actuals": ("written_at", "known_at"),
    "accuracy": ("scored_at", "if(mode = 'replay', greatest(actual_known_at, origin), scored_at)"),
}
"""The same for what may be computed or fetched afterwards: (strictly, as if it had been made in its time)."""


@dataclass(frozen=True)
class Moment:
    """An aware time to look back to. With `replayed`, what was computed afterwards for a time before it counts too."""

    at: datetime
    replayed: bool = False


def cut(session: Session, moment: Moment) -> None:
    """For the rest of the session, show the tables of WRITTEN and REPLAYED, and all views on them, as of `moment`."""
    session.script(queries()["set_seen_by"], moment=moment.at)
    columns = WRITTEN | {table: both[moment.replayed] for table, both in REPLAYED.items()}
    views = session.rows(queries()["view_definitions"])
    for table, column in columns.items():
        session.script(
            f"CREATE TEMP VIEW {table} AS SELECT * FROM warehouse.{table} WHERE {column} <= getvariable('seen_by')"
        )
    # A view finds its tables by name when it is asked, but a stored one only in the file: so they are made anew.
    for (definition,) in views:
        session.script(definition.replace("CREATE VIEW", "CREATE TEMP VIEW", 1))
