"""A task of ours and a plan -> runs on demand, measured in a process of its own as the peers are.

python -m benchmarks.speed_tasks TASK PLAN.json
"""

import json
import pickle
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from benchmarks.speed_peers.serve import serve
from pipeline import features
from pipeline.discovery import discover
from pipeline.features import Built
from pipeline.models.base import Batch, Floats
from pipeline.warehouse import Warehouse
from pipeline.windows import WINDOW_HOURS, History, Times

BEGINNING, END = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
REACH = timedelta(hours=WINDOW_HOURS)
LESSON_SERIES = 7
HOURLY = """
    SELECT series, make_timestamptz(hour * 3600000000) AS valid_at, avg(value) AS value,
           avg(value) FILTER (minute >= 55) AS last_05, avg(value) FILTER (minute >= 45) AS last_15,
           avg(value) FILTER (minute >= 30) AS last_30
    FROM (SELECT series, epoch_us(valid_at) // 3600000000 AS hour, epoch_us(valid_at) // 60000000 % 60 AS minute, value
          FROM raw)
    GROUP BY series, hour HAVING count(*) = 12 ORDER BY series, hour"""

Plan = dict[str, Any]
Task = tuple[Callable[[], Any], Callable[[Any], None] | None]


def made_features(plan: Plan) -> Task:
    """Five-minute values in DuckDB -> hours there -> the feature rows of the last years, series by series."""
    engine = loaded(plan)

    def run() -> list[Built]:
        last = []
        for history in hourly(engine):
            last = [build(history, history.valid_at[WINDOW_HOURS:], plan)]
        return last

    return run, lambda last: np.savez(plan["kept"], **columns(last[0].batch, plan["kept_rows"]))


def rebuilt(plan: Plan) -> Task:
    """What a live row replaces: every stored five-minute value to hours, every hour to a feature row."""
    warehouse = opened(plan)

    def run() -> list[Built]:
        with warehouse.read() as session:
            rows = [
                session.ask("hourly_versions", series=one, per_hour=12, since=BEGINNING, first=BEGINNING, last=END)
                for one in plan["series"]
            ]
        return [build(history, history.valid_at[WINDOW_HOURS:], plan) for history in map(History.of, rows)]

    return run, lambda builds: np.savez(plan["kept"], *(bits(one.batch) for one in builds))


def live(plan: Plan) -> Task:
    """The newest row of every series from what is stored of its last hours."""
    warehouse, origin = opened(plan), np.array([plan["origin"]], dtype="datetime64[h]")
    moment = pd.Timestamp(plan["origin"], tz="UTC")

    def run() -> list[Built]:
        with warehouse.read() as session:
            rows = [
                session.ask("actual_versions", target=one, since=moment - REACH, as_of=moment + timedelta(minutes=72))
                for one in plan["series"]
            ]
        return [build(history, origin, plan) for history in map(History.of, rows)]

    return run, lambda builds: np.savez(plan["kept"], *(bits(one.batch) for one in builds))


def forecast(plan: Plan, family: str, *, own: bool = False) -> Task:
    """Six hours of a hundred series, from their last hours to MW, features included.

    One model serves all series, as the peer's does; with `own` they are asked one after the other, as a
    hundred champions are.
    """
    chosen = discover("pipeline.models", "FAMILY")[family]
    histories, state = [newest(one) for one in hundred(plan)], fitted(plan, family)
    origins = np.full(len(histories), histories[0].valid_at[-1])

    def together() -> Floats:
        built = features.build_each(histories, origins, known(origins), zone=plan["zone"], country=plan["country"])
        return chosen.predict(state, built.batch)

    def one_by_one() -> list[Floats]:
        rows = [build(history, origins[:1], plan).batch for history in histories]
        return [chosen.predict(state, batch) for batch in rows]

    return (one_by_one if own else together), None


def fit(plan: Plan, family: str) -> Task:
    """A family learns the feature rows of some years of one series, on one thread."""
    batch, actual = lesson(hourly(loaded(plan))[0], plan)
    chosen = discover("pipeline.models", "FAMILY")[family]
    return (lambda: chosen.fit(batch, actual, seed=0, jobs=1)), None


TASKS: dict[str, Callable[[Plan], Task]] = {
    "features": made_features,
    "rebuild": rebuilt,
    "live": live,
    "forecast ridge": lambda plan: forecast(plan, "ridge"),
    "forecast ensemble": lambda plan: forecast(plan, "ensemble"),
    "forecast own ridge": lambda plan: forecast(plan, "ridge", own=True),
    "forecast own ensemble": lambda plan: forecast(plan, "ensemble", own=True),
    "fit ridge": lambda plan: fit(plan, "ridge"),
    "fit forest": lambda plan: fit(plan, "forest_recursive"),
    "fit ensemble": lambda plan: fit(plan, "ensemble"),
}


def loaded(plan: Plan) -> duckdb.DuckDBPyConnection:
    """An engine in memory that holds the five-minute values."""
    engine = duckdb.connect()
    engine.execute("SET GLOBAL TimeZone = 'UTC'; SET GLOBAL threads = 1")
    engine.execute(f"CREATE TABLE raw AS SELECT * FROM '{plan['raw']}'")
    return engine


def hourly(engine: duckdb.DuckDBPyConnection) -> list[History]:
    """The hours of every series, each known ten minutes after its end."""
    hours = engine.sql(HOURLY).to_arrow_table().to_pandas()
    hours["known_at"] = hours["valid_at"] + pd.Timedelta(minutes=70)
    return [History.of(part) for _, part in hours.groupby("series", sort=False)]


def build(history: History, origins: Times, plan: Plan) -> Built:
    """Feature rows, each issued 72 minutes after its hour began."""
    return features.build(history, origins, known(origins), zone=plan["zone"], country=plan["country"])


def known(origins: Times) -> Times:
    """When each origin is issued."""
    return origins.astype("datetime64[us]") + np.timedelta64(72, "m")


def columns(batch: Batch, n: int) -> dict[str, Floats]:
    """The last `n` rows by part and column, named as the peers name theirs."""
    shared = {f"shared:{name}": batch.shared[-n:, place] for place, name in enumerate(batch.shared_names)}
    for place, name in enumerate(batch.target_names):
        shared |= {f"h{h + 1}:{name}": batch.target[-n:, h, place] for h in range(batch.target.shape[1])}
    return shared


def bits(batch: Batch) -> Floats:
    """All numbers of the newest row in one array."""
    last = batch.rows(slice(-1, None))
    parts = (last.level, last.naive, last.shared, last.target, last.local_hour, last.recent)
    return np.concatenate([part.ravel() for part in parts])


def opened(plan: Plan) -> Warehouse:
    """The benchmark's warehouse, on one thread."""
    warehouse = Warehouse(Path(plan["warehouse"]))
    with warehouse.read() as session:
        session.script("SET GLOBAL threads = 1")
    return warehouse


def hundred(plan: Plan) -> list[History]:
    """The many series that are forecast."""
    wide = pd.read_parquet(plan["hourly"])
    hours = wide.index.to_numpy().astype("datetime64[h]")
    return [History(hours, value, known(hours), value, value, value) for value in wide.to_numpy().T.copy()]


def newest(history: History) -> History:
    """What a live cycle reads of a series."""
    return History(**{field.name: getattr(history, field.name)[-WINDOW_HOURS - 1 :] for field in fields(History)})


def fitted(plan: Plan, family: str) -> dict[str, Any]:
    """The state of a family that learned some of the hundred series together, made once."""
    kept = Path(plan["folder"]) / f"{family}.pickle"
    if not kept.exists():
        lessons = [lesson(history, plan) for history in hundred(plan)[:LESSON_SERIES]]
        batch, actual = joined([one for one, _ in lessons]), np.concatenate([one for _, one in lessons])
        state = discover("pipeline.models", "FAMILY")[family].fit(batch, actual, seed=0, jobs=1)
        kept.write_bytes(pickle.dumps(state))
    return dict(pickle.loads(kept.read_bytes()))


def lesson(history: History, plan: Plan) -> tuple[Batch, Floats]:
    """Rows of a history and what came."""
    origins = history.valid_at[WINDOW_HOURS:]
    late = np.datetime64(END.replace(tzinfo=None), "us")
    actual = features.training_actuals(history, origins, as_of=late).value
    return build(history, origins, plan).batch, actual


def joined(batches: list[Batch]) -> Batch:
    """The rows of all."""
    per_row = ("origins", "level", "naive", "shared", "target", "local_hour", "recent")
    whole = {name: np.concatenate([getattr(one, name) for one in batches]) for name in per_row}
    return replace(batches[0], **whole)


def main() -> None:
    """`TASK PLAN.json`: a run for each line on standard input."""
    name, path = sys.argv[1:]
    plan = json.loads(Path(path).read_text(encoding="utf-8"))
    run, keep = TASKS[name](plan)
    names = features.names()
    shared = len(features.SHARED_NAMES)
    serve(run, keep, columns=shared + (len(names) - shared) * 6)


if __name__ == "__main__":
    main()
