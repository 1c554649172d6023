"""Processes killed without warning: nothing committed is lost, the doctor is content, the next run completes."""

import random
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from pipeline.doctor import examine
from pipeline.settings import ROOT
from tests.conftest import Desk, ask

KILLS = 30
TABLES = ("raw", "actuals", "features", "predictions", "accuracy", "model_versions", "promotions")


def ledger(desk: Desk) -> dict[str, set[str]]:
    """A fingerprint of every committed row."""
    return {table: set(ask(desk, f"SELECT md5(CAST(t AS VARCHAR)) AS h FROM {table} t").h) for table in TABLES}


@pytest.mark.slow
def test_thirty_kills_at_random_moments_lose_nothing(full: Desk, environment: Callable[..., dict[str, str]]) -> None:
    rng = random.Random(20261121)
    chain = ["ingest", "actuals", "features", "forecast", "backfill"]
    committed, hit = ledger(full), 0
    for number in range(KILLS):
        full.now += timedelta(hours=1)
        names = ["train", *chain] if number % 5 == 0 else chain
        command = [sys.executable, str(ROOT / "jobs.py"), "--now", full.now.isoformat(), "run", *names]
        with subprocess.Popen(
            command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as child:
            time.sleep(rng.uniform(0.5, 3.0 if "train" in names else 1.8))
            child.kill()
            hit += child.wait() == -9
        full.runner().sweep()
        flaws = [f for f in examine(full.warehouse, full.settings.models, jobs=list(full.jobs)) if f.flaw]
        assert not flaws
        found = ledger(full)
        for table, rows in committed.items():
            assert rows <= found[table], f"{table} lost {len(rows - found[table])} rows at kill {number}"
        committed = found
    assert hit >= KILLS // 2
    full.now += timedelta(hours=1)
    for job in chain:
        full.done(job)
    newest = ask(full, "SELECT max(origin) AS t FROM predictions").t.iloc[0].to_pydatetime()
    assert newest == full.now.replace(minute=0) - timedelta(hours=1)
