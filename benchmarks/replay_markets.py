"""Two months of CAISO and ERCOT: real data over real HTTP, replayed hour by hour, judged by an independent script.

Each market is fetched from a local server that speaks its provider's formats, models learn what was known when the two
months began, and every hour of them is issued with only what was known then. The accuracy tables in the warehouse must
be those that `recomputed_accuracy` works out from the issued forecasts and the published files alone.

    python -m benchmarks.replay_markets [--quick] [--market caiso|ercot] [--keep FOLDER]

With --keep the warehouses stay in FOLDER/caiso and FOLDER/ercot, to be looked at.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import replay_worlds, results
from benchmarks.replay_worlds import World
from pipeline.configuring.markets import load_markets
from pipeline.discovery import discover
from pipeline.doctor import examine
from pipeline.runner import Runner
from pipeline.settings import Settings
from pipeline.warehouse import Warehouse

SCRIPT = Path(__file__).with_name("recomputed_accuracy.py")
TOLERANCE = 1e-6
DAYS, QUICK_DAYS = 61, 3
TITLE = "Two months of CAISO and ERCOT, replayed and recomputed (`benchmarks/replay_markets.py`)"
KEYS = ["target", "issuer", "horizon"]


class Replay:
    """One warehouse in `folder`, filled from the server of `world` as it stands at the end."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.folder, self.now = world, folder, world.end + timedelta(hours=8)
        config = folder / "sextant.toml"
        config.write_text(world.config, encoding="utf-8")
        self.server = world.server(self.now)
        env = {"SEXTANT_WAREHOUSE": str(folder / "warehouse.duckdb"), "SEXTANT_CONFIG": str(config)}
        self.settings = Settings.load(env | {"SEXTANT_MARKETS": world.market} | world.environment(self.server))
        self.markets = load_markets(self.settings.config, self.settings.markets)
        self.targets = self.markets[world.market].targets
        self.warehouse = Warehouse(self.settings.warehouse)
        self.jobs = discover("pipeline.jobs", "JOB")
        self.runner = Runner(self.settings, self.markets, self.warehouse, clock=lambda: self.now)

    def run(self, name: str, **args: Any) -> None:
        """Run a job now, say how long it took, and stop the benchmark if it fails."""
        begun = time.perf_counter()
        row = self.runner.run(self.jobs[name], by="replay", **args)
        if row["state"] == "failed":
            raise SystemExit(f"{self.world.market} {name}: {row['error']}")
        print(f"  {self.world.market} {name:9} {time.perf_counter() - begun:7.1f} s  {row['rows_out'] or 0:>9,} rows")

    def whole(self) -> None:
        """Fetch, learn as of the beginning, issue every hour as it would have been, score."""
        self.warehouse.migrate(self.now)
        with self.server:
            self.run("ingest")
        self.run("actuals")
        for target in self.targets:
            families = self.world.families[target.kind]
            self.run("train", target=target.id, as_of=self.world.start.isoformat(), families=families)
        last = self.world.end - timedelta(hours=1)
        self.run("features", replay_from=self.world.start.isoformat(), replay_to=last.isoformat())
        self.run("forecast")
        self.run("backfill")

    def ask(self, sql: str) -> pd.DataFrame:
        """Plain SQL, for judging only."""
        with self.warehouse.read() as session:
            return session._cursor.sql(sql).to_arrow_table().to_pandas()


def shown(replay: Replay) -> pd.DataFrame:
    """The accuracy tables of the warehouse, a row for each target, issuer and horizon (0: all)."""
    scores = """count(*) AS n, avg(abs(error)) AS mae, sqrt(avg(error * error)) AS rmse, avg(error) AS bias,
        avg(in_band::INTEGER) AS coverage, sum(sign(p50) * actual) AS profit,
        avg((sign(p50) = sign(actual))::INTEGER) FILTER (p50 <> 0 AND actual <> 0) AS hit_rate"""
    return replay.ask(
        f"""SELECT target, issuer, coalesce(horizon, 0) AS horizon, {scores} FROM accuracy_latest
        WHERE issuer IN ('sextant', 'naive', 'operator') AND mode = 'replay'
        GROUP BY GROUPING SETS ((target, issuer), (target, issuer, horizon))"""
    )


def recomputed(replay: Replay) -> pd.DataFrame:
    """The same, worked out by a script that shares no code with Sextant, in a process of its own."""
    told, predictions, table = (replay.folder / name for name in ("truth.json", "predictions.parquet", "table.parquet"))
    told.write_text(json.dumps(replay.world.truth), encoding="utf-8")
    replay.ask("SELECT * FROM predictions WHERE mode = 'replay'").to_parquet(predictions)
    subprocess.run(
        [sys.executable, str(SCRIPT), str(told), str(predictions), str(table)], check=True, cwd=replay.folder
    )
    return pd.read_parquet(table)


def judged(replay: Replay) -> tuple[pd.DataFrame, float, list[str]]:
    """(Headline of each target, largest difference of any score, what is wrong)."""
    ours, theirs = (frame.set_index(KEYS).sort_index() for frame in (shown(replay), recomputed(replay)))
    wrong = [] if ours.index.equals(theirs.index) else ["the tables have other rows"]
    both = ours.index.intersection(theirs.index)
    difference = (ours.loc[both, theirs.columns].astype("float64") - theirs.loc[both]).abs()
    unlike = ours.loc[both, theirs.columns].isna() != theirs.loc[both].isna()
    wrong += ["a score is known to one side only"] if unlike.any(axis=None) else []
    hours = (replay.world.end - replay.world.start) // timedelta(hours=1)
    issued = replay.ask(
        "SELECT target, count(DISTINCT origin) AS n FROM predictions WHERE issuer = 'sextant' GROUP BY 1"
    )
    wrong += [f"{row.target}: {row.n} of {hours} hours issued" for row in issued.itertuples() if row.n != hours]
    wrong += [
        finding.words
        for finding in examine(replay.warehouse, replay.settings.models, jobs=list(replay.jobs))
        if finding.flaw
    ]
    return _headline(replay, theirs), float(np.nanmax(difference.to_numpy())), wrong


def _headline(replay: Replay, table: pd.DataFrame) -> pd.DataFrame:
    status = replay.ask(
        "SELECT target, avg((status = 'ok')::INTEGER) AS ok FROM predictions WHERE issuer = 'sextant' GROUP BY 1"
    ).set_index("target")["ok"]
    whole = table.xs(0, level="horizon")
    own, naive = whole.xs("sextant", level="issuer"), whole.xs("naive", level="issuer")
    spread = [replay.world.truth[name]["columns"][1:] != [] for name in own.index]
    return pd.DataFrame(
        {
            "n": own["n"].astype(int),
            "ok %": (100 * status).round(1),
            "MAE": own["mae"].round(2),
            "naive": naive["mae"].round(2),
            "ratio": (own["mae"] / naive["mae"]).round(3),
            "bias": own["bias"].round(2),
            "coverage": own["coverage"].round(3),
            "hit rate": own["hit_rate"].where(spread).round(3),
            "P&L USD/MWh": (own["profit"] / own["n"]).where(spread).round(2),
        }
    )


def _markdown(table: pd.DataFrame) -> str:
    words = table.astype("object").where(table.notna(), "").map(str).reset_index()
    return results.markdown([list(words.columns), *words.to_numpy().tolist()])


def main() -> int:
    """Run the benchmark; exit code 1 when it falls short."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--market", choices=tuple(replay_worlds.WORLDS), action="append")
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    if not replay_worlds.DATA.exists():
        print("replay_markets: the real data are not here (expected in ../shared/data) FALLS SHORT")
        return 1
    worst, wrong, tables = 0.0, [], []
    for name in options.market or replay_worlds.WORLDS:
        world = replay_worlds.WORLDS[name](QUICK_DAYS if options.quick else DAYS)
        with tempfile.TemporaryDirectory() as passing:
            folder = options.keep / name if options.keep else Path(passing)
            folder.mkdir(parents=True, exist_ok=True)
            replay = Replay(world, folder)
            replay.whole()
            table, difference, found = judged(replay)
        title = f"{name}: {world.start:%Y-%m-%d} to {world.end:%Y-%m-%d}, all horizons, as recomputed"
        print(f"\n{title}\n{table.to_string()}\n")
        tables.append(f"{title}\n\n{_markdown(table)}")
        worst, wrong = max(worst, difference), [*wrong, *(f"{name}: {words}" for words in found)]
    print("\n".join(wrong))
    good = worst < TOLERANCE and not wrong
    said = f"replay_markets: {worst:.1e} largest difference of any score (target {TOLERANCE:.0e}, and sound tables)"
    said += " PASS" if good else " FALLS SHORT"
    print(said)
    if not (options.quick or options.market):
        results.keep("replay_markets", TITLE, "\n\n".join([*tables, said]))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
