"""features + champion -> predictions: each issue once, as issued, never edited."""

import numpy as np
import pandas as pd

from pipeline import features, issuing, registry
from pipeline.discovery import discover
from pipeline.errors import ArtifactDamaged, NoChampion
from pipeline.markets import Target
from pipeline.models.base import Family
from pipeline.registry import Model
from pipeline.runner import Context, Job, Outcome


def run(context: Context) -> Outcome:
    """Issue T+1..T+6 for every feature row no forecast was issued for, with naive and operator beside it."""
    read = written = 0
    notes = []
    for market in context.markets.values():
        for target in market.targets:
            pending = context.warehouse.ask("pending_features", target=target.id)
            if pending.empty:
                continue
            rows = _issued(context, target, pending)
            read += len(pending)
            with context.warehouse.write() as session:
                written += session.append("predictions", rows)
            notes.append(_note(target, rows))
    return Outcome(read, written, "; ".join(notes) or "nothing is due", skipped=not written)


def _issued(context: Context, target: Target, pending: pd.DataFrame) -> pd.DataFrame:
    pending, outdated = _readable(pending)
    model, family, excuse = _champion(context, target)
    if outdated:
        context.say(f"{target.id}: {outdated} feature rows are of an older feature set and stay unissued")
    built = features.from_rows(pending)
    issued = issuing.issue(built, target, model, family, excuse=excuse)
    modes = pending.sort_values(["origin", "horizon"])["mode"].to_numpy(dtype=object)[:: len(target.horizons)]
    now = np.datetime64(pd.Timestamp(context.now).tz_convert("UTC").tz_localize(None), "us")
    made_at = np.where(modes == "replay", built.as_of, now)
    rows = issuing.rows(built, issued, target=target.id, mode=modes, made_at=made_at)
    return rows.assign(written_at=pd.Timestamp(context.now), run_id=context.run_id)


def _readable(pending: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    mine = pending["feature_set"] == features.feature_set()
    return pending[mine], int((~mine).sum())


def _champion(context: Context, target: Target) -> tuple[Model | None, Family | None, str]:
    """(Model, its family, "") or (None, None, why there is none)."""
    families = discover("pipeline.models", "FAMILY")
    try:
        row = registry.champion(context.warehouse, target.id)
        model = registry.load(row, folder=context.settings.models)
    except NoChampion:
        return None, None, "no model is trained yet"
    except ArtifactDamaged as error:
        context.say(str(error))
        return None, None, str(error)
    if model.feature_set != features.feature_set() or model.family not in families:
        return None, None, f"{model.version_id} is of another feature set or family; retrain"
    return model, families[model.family], ""


def _note(target: Target, rows: pd.DataFrame) -> str:
    ours = rows[(rows["issuer"] == "sextant") & (rows["horizon"] == 1)]
    counts = ours["status"].value_counts().to_dict()
    last = ours["origin"].max()
    words = ", ".join(f"{n:,} {status}" for status, n in counts.items())
    return f"{target.id}: {words}, last origin {last:%d %b %H:%M}Z"


JOB = Job(name="forecast", title="Issue T+1 to T+6", run=run, after=("features", "train"))
