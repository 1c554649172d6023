"""actuals -> backtests: families forecast a target's past as if they had been live, scored in slices."""

from datetime import timedelta

import numpy as np
import pandas as pd

from pipeline import backtest, inputs, metrics, registry, training
from pipeline.comparing import rolling
from pipeline.discovery import discover
from pipeline.errors import ModelError, NoChampion
from pipeline.markets import Target
from pipeline.models.base import Family, Floats
from pipeline.runner import Context, Job, Outcome
from pipeline.slices import calendar_slices
from pipeline.training import Lesson

DAYS = 90
REFIT_DAYS = 30
USUAL = ("naive", "ridge")


def run(context: Context) -> Outcome:
    """Backtest every target (or `args.target`) over its last `args.days` days, refitting every `args.refit_days`.

    `args.families` names the families; by default those of USUAL and the champion's. `naive` always runs, and
    the operator is scored beside them.
    """
    targets = [target for market in context.markets.values() for target in market.targets]
    wanted = context.args.get("target")
    written, notes, failures = 0, [], []
    for target in targets:
        if wanted not in (None, target.id):
            continue
        try:
            rows = _backtest(context, target)
        except ModelError as error:
            failures.append(f"{target.id}: {str(error).removeprefix(f'{target.id}: ')}")
            continue
        with context.warehouse.write() as session:
            written += session.append("backtests", rows.assign(scored_at=pd.Timestamp(context.moment())))
        notes.append(_note(target, rows))
    if not (notes or failures):
        failures.append(f"no target is called {wanted!r}; there are: {', '.join(target.id for target in targets)}.")
    return Outcome(0, written, "; ".join(notes), failures=tuple(failures), failure="model" if failures else "")


def _backtest(context: Context, target: Target) -> pd.DataFrame:
    lesson = training.gather(context.warehouse, target, as_of=context.now)
    origins = lesson.built.batch.origins
    test_from = origins[-1] - np.timedelta64(int(context.args.get("days", DAYS)) * 24, "h")
    families = _families(context, target)
    context.say(
        f"{target.id}: {', '.join(families)} from {test_from}Z on, {int((origins >= test_from).sum()):,} origins"
    )
    forecasts = {
        name: _forecasts(context, lesson, family, test_from)
        for name, family in context.progress(families.items(), f"backtest {target.id}")
    }
    rows = _scored(lesson, forecasts, test_from)
    return rows.assign(run_id=context.run_id, target=target.id, kind="backtest")


def _families(context: Context, target: Target) -> dict[str, Family]:
    known = discover("pipeline.models", "FAMILY")
    names = list(context.args.get("families", ())) or [*USUAL, *_champion_family(context, target)]
    strange = [name for name in names if name not in known]
    if strange:
        raise ModelError(f"no model family is called {', '.join(strange)}; there are: {', '.join(known)}.")
    # Asked for all targets, each takes what suits its kind.
    fitting = [name for name in names if target.kind in known[name].kinds]
    return {name: known[name] for name in dict.fromkeys(["naive", *(fitting or names)])}


def _champion_family(context: Context, target: Target) -> list[str]:
    try:
        return [registry.champion(context.warehouse, target.id)["family"]]
    except NoChampion:
        return []


def _forecasts(context: Context, lesson: Lesson, family: Family, test_from: np.datetime64) -> Floats:
    refit_every = timedelta(days=int(context.args.get("refit_days", REFIT_DAYS)))
    forecasts = rolling(lesson, family, test_from, context.settings.cores, refit_every)
    context.say(f"{lesson.target.id}: {family.name} done")
    return forecasts


def _scored(lesson: Lesson, forecasts: dict[str, Floats], test_from: np.datetime64) -> pd.DataFrame:
    test, issued = lesson.built.batch.origins >= test_from, slice(lesson.target.width)
    batch, actual = lesson.built.batch.rows(test), lesson.actuals.value[test, issued]
    known_at, as_of = lesson.actuals.known_at[test, issued], lesson.built.as_of[test]
    forecasts = {name: point[:, issued] for name, point in forecasts.items()}
    bands = {
        name: backtest.rolling_bands(point, actual, batch.local_hour[:, issued], known_at=known_at, as_of=as_of)
        for name, point in forecasts.items()
    }
    hours = batch.origins[:, None] + np.array(lesson.target.horizons).astype("timedelta64[h]")
    return backtest.score(
        forecasts,
        actual,
        origins=batch.origins,
        scale=metrics.seasonal_scale(lesson.built.batch.level[~test]),
        bands=bands,
        operator=lesson.built.operator[test, issued] if inputs.has_operator(lesson.target) else None,
        last=None if lesson.last_hour is None else lesson.last_hour[test],
        kind=lesson.target.kind,
        slices=calendar_slices(hours, zone=lesson.target.zone, country=lesson.target.country),
    )


def _note(target: Target, rows: pd.DataFrame) -> str:
    whole = rows[(rows["slice"] == "all") & (rows["horizon"] == 0)].sort_values("mae")
    words = [f"{row.family} {row.mae:,.1f} +- {row.mae_se:,.1f}" for row in whole.itertuples()]
    return f"{target.id}: MAE in {target.series.unit}: {', '.join(words)}"


JOB = Job(name="backtest", title="Backtest families by slice", run=run, on_demand=True)
